import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStorage, Tidings, TidingsError } from '../src/index.js';
import { ManualClock, settled } from './support/clock.mjs';
import { EPOCH, reset, scriptedSockets, welcome } from './support/socket.mjs';

const C = '0198c0de-1234-7abc-8def-0123456789c1';
const D = '0198c0de-1234-7abc-8def-0123456789c2';

const view = (more = {}) => ({
  id: C,
  kind: 'direct',
  title: '',
  peer: 'bob',
  context: '',
  role: 'member',
  member_count: 2,
  last_message: null,
  last_seq: 0,
  read_seq: 0,
  unread: 0,
  muted: false,
  cursors: [{ user: 'bob', read_seq: 0, delivered_seq: 0 }],
  activity_position: 50,
  activity_ms: 50,
  delivered_seq: 0,
  ...more,
});
const message = (seq, author, more = {}) => ({ seq, author, at_ms: seq, text: `${author} ${seq}`, countable: true, command_id: '', ...more });
const event = (position, kind, more = {}) => ({
  event: { position, index: 0, conversation: C, actor: 'bob', at_ms: position, kind, ...more },
});
const accepted = (more = {}) => ({ accepted: { position: 101, at_ms: 1, conversation: C, seq: 1, duplicate: false, ...more } });
const refused = (code, more = {}) => ({ error: { code, message: code, retry: false, retry_after_ms: 0, ...more } });

async function setUp({ conversations = [view()], reset: more = {}, welcome: greeting = {}, options = {}, connect = true, listen = () => {} } = {}) {
  const clock = new ManualClock();
  const { WebSocket, sockets, last } = scriptedSockets();
  const tokens = [];
  const client = new Tidings({
    url: 'https://chat.example.com',
    getToken: ({ refresh }) => {
      tokens.push(refresh);
      return `token ${tokens.length}`;
    },
    WebSocket,
    device: 'device',
    storage: new MemoryStorage(),
    clock,
    random: () => 0.5,
    ...options,
  });
  listen(client);
  const connected = client.connect();
  connected.catch(() => {});
  const errors = [];
  client.on('error', (error) => errors.push(error));
  await settled();
  last()?.open();
  if (connect) {
    last().receive(welcome(greeting));
    last().receive(reset({ conversations, ...more }));
    await connected;
    await settled();
  }
  return { client, clock, sockets, last, tokens, errors, connected, conversation: client.conversation(C) };
}

/** The connection is lost and there again. */
async function reconnect({ clock, last }, welcomed = { resumed: true }) {
  last().end(1006);
  await clock.advance(375);
  last().open();
  last().receive(welcome(welcomed));
  await settled();
}

test('connecting brings the list', async () => {
  const { client, last } = await setUp({
    conversations: [view({ unread: 2, activity_position: 60 }), view({ id: D, kind: 'group', title: 'Hiking', peer: '', unread: 5, muted: true, activity_position: 70 })],
    reset: { unread_total: 2 },
  });
  assert.equal(client.user, 'alice');
  assert.equal(client.connection.state, 'online');
  assert.deepEqual(client.conversations.map(({ id }) => id), [D, C]);
  assert.equal(client.unreadTotal, 2);
  assert.equal(client.conversations[0], client.conversation(D));
  assert.equal(last().requests('hello')[0].request.hello.cursor, null);
});

test('a message shows at once, and once, when the answer comes before the event', async () => {
  const { client, conversation, last } = await setUp();
  const sent = conversation.send('hi', { replyTo: 0 });
  const states = () => conversation.timeline.map((item) => (item.type === 'pending' ? item.pending.state : item.type));
  assert.deepEqual(states(), ['pending']);
  assert.equal(client.waiting, 1);
  const [{ command_id, request }] = last().requests('post_message');
  assert.deepEqual(request.post_message, { conversation: C, text: 'hi', reply_to: 0, mentions: [] });
  last().answer('post_message', accepted({ seq: 1 }));
  assert.equal((await sent).seq, 1);
  assert.deepEqual(states(), ['sent']);
  assert.equal(client.waiting, 0);
  last().receive(event(101, { message_posted: message(1, 'alice', { command_id }) }));
  assert.deepEqual(states(), ['message']);
});

test('a message shows at once, and once, when the event comes before the answer', async () => {
  const { conversation, last } = await setUp();
  const sent = conversation.send('hi');
  const [{ command_id }] = last().requests('post_message');
  last().receive(event(101, { message_posted: message(1, 'alice', { command_id }) }));
  assert.deepEqual(conversation.timeline.map(({ type }) => type), ['message']);
  last().answer('post_message', accepted());
  await sent;
  assert.deepEqual(conversation.timeline.map(({ type }) => type), ['message']);
});

test('a refused message says why, and can be retried or discarded', async () => {
  const { client, conversation, last, errors } = await setUp();
  const sent = conversation.send('hi');
  last().answer('post_message', refused('blocked_by_you'));
  await assert.rejects(sent, { name: 'TidingsError', code: 'blocked_by_you', retry: false });
  const [failed] = conversation.pending;
  assert.deepEqual([failed.state, failed.error.code, failed.text], ['failed', 'blocked_by_you', 'hi']);
  assert.deepEqual(errors.map(({ commandId }) => commandId), [failed.commandId]);
  const again = client.retry(failed.commandId);
  assert.deepEqual(conversation.pending.map(({ state }) => state), ['pending']);
  last().answer('post_message', refused('blocked_by_you'));
  await assert.rejects(again);
  client.discard(conversation.pending[0].commandId);
  assert.deepEqual(conversation.pending, []);
});

test('what the server would refuse anyway is not sent', async () => {
  const { conversation, last } = await setUp();
  await assert.rejects(conversation.send('   \n'), { code: 'invalid' });
  await assert.rejects(conversation.send('é'.repeat(9000)), { code: 'too_large', message: /18000 bytes, the limit is 16384/ });
  await assert.rejects(conversation.addMembers(Array.from({ length: 9000 }, (_, i) => `user${i}`)), { code: 'too_large' });
  assert.equal(last().requests('post_message').length + last().requests('add_members').length, 0);
});

test('resumes at the last event applied', async () => {
  const session = await setUp();
  const { last, client, conversation } = session;
  last().receive(event(103, { message_posted: message(1, 'bob') }, { index: 2 }));
  await reconnect(session, { resumed: true, replayed: 2, cursor: { epoch: EPOCH, position: 110, index: 4294967295 } });
  assert.deepEqual(last().requests('hello')[0].request.hello.cursor, { epoch: EPOCH, position: 103, index: 2 });
  assert.equal(client.connection.state, 'syncing');
  const replayed = [];
  client.on('message', (event) => replayed.push([event.message.seq, event.replayed, event.conversation === conversation]));
  last().receive(event(105, { message_posted: message(2, 'bob') }));
  assert.equal(client.connection.state, 'syncing');
  last().receive(event(106, { message_posted: message(3, 'bob') }));
  assert.equal(client.connection.state, 'online');
  last().receive(event(111, { message_posted: message(4, 'bob') }));
  assert.deepEqual(replayed, [[2, true, true], [3, true, true], [4, false, true]]);
  assert.equal(conversation.unread, 4);
  // What follows the replay is part of the cursor.
  last().end(1006);
  await session.clock.advance(750);
  last().open();
  assert.deepEqual(last().requests('hello')[0].request.hello.cursor, { epoch: EPOCH, position: 111, index: 0 });
});

test('an empty resume moves the cursor to where the session stands', async () => {
  const session = await setUp();
  await reconnect(session, { resumed: true, replayed: 0, cursor: { epoch: EPOCH, position: 200, index: 4294967295 } });
  await reconnect({ ...session, clock: { advance: (ms) => session.clock.advance(2 * ms) } });
  assert.deepEqual(session.last().requests('hello')[0].request.hello.cursor, { epoch: EPOCH, position: 200, index: 4294967295 });
});

test('an event that comes twice counts once', async () => {
  const { last, conversation } = await setUp();
  for (let i = 0; i < 2; i += 1) last().receive(event(103, { message_posted: message(1, 'bob') }));
  assert.equal(conversation.unread, 1);
  assert.equal(conversation.messages.length, 1);
});

test('acknowledges the newest event, at most twice a second', async () => {
  const { last, clock } = await setUp();
  const acks = () => last().requests('ack').map(({ id, request }) => [id, request.ack.position]);
  assert.deepEqual(acks(), [[0, 100]]);
  for (const position of [101, 102, 103]) last().receive(event(position, { title_changed: { title: 'x' } }));
  assert.deepEqual(acks(), [[0, 100]]);
  await clock.advance(500);
  assert.deepEqual(acks(), [[0, 100], [0, 103]]);
  await clock.advance(5_000);
  assert.equal(acks().length, 2);
});

test('reading shows at once, is sent at a pace, and again until the server knows', async () => {
  const session = await setUp({ conversations: [view({ last_seq: 3, unread: 3, last_message: message(3, 'bob') })], reset: { unread_total: 3 } });
  const { client, conversation, last, clock } = session;
  const marks = () => last().requests('mark_read').map(({ request }) => request.mark_read.seq);
  conversation.markRead(2);
  assert.deepEqual(marks(), [2]);
  conversation.markRead(3);
  conversation.markRead(1);
  assert.deepEqual([conversation.unread, conversation.readSeq, client.unreadTotal], [0, 3, 0]);
  assert.deepEqual(marks(), [2]);
  await clock.advance(500);
  assert.deepEqual(marks(), [2, 3]);
  await reconnect(session);
  assert.deepEqual(marks(), [3]);
  last().receive(event(105, { read_up_to: { user: 'alice', seq: 3, unread: 0 } }, { actor: 'alice' }));
  assert.deepEqual([conversation.unread, conversation.readSeq], [0, 3]);
  last().receive(event(106, { message_posted: message(4, 'bob') }));
  assert.deepEqual([conversation.unread, client.unreadTotal], [1, 1]);
  await reconnect({ ...session, clock: { advance: (ms) => clock.advance(2 * ms) } });
  assert.deepEqual(marks(), []);
});

test('a mark that is refused is taken back, one to be retried is sent again', async () => {
  const { conversation, last, clock } = await setUp({ conversations: [view({ last_seq: 3, unread: 3, last_message: message(3, 'bob') })] });
  conversation.markRead();
  last().answer('mark_read', refused('rate_limited', { retry: true, retry_after_ms: 900 }));
  await clock.advance(900);
  assert.equal(last().requests('mark_read').length, 2);
  last().answer('mark_read', refused('unavailable', { retry: true }));
  assert.equal(conversation.unread, 0);
  await clock.advance(1_000);
  assert.equal(last().requests('mark_read').length, 3);
  last().answer('mark_read', refused('not_member'));
  assert.equal(conversation.unread, 3);
});

test('typing of others ends by itself, or with their message', async () => {
  const { conversation, last, clock } = await setUp();
  const typing = (user, active) => last().receive({ typing: { conversation: C, user, active } });
  typing('bob', true);
  typing('carol', true);
  assert.deepEqual(conversation.typing, ['bob', 'carol']);
  await clock.advance(4_000);
  typing('bob', true);
  await clock.advance(2_000);
  assert.deepEqual(conversation.typing, ['bob']);
  last().receive(event(103, { message_posted: message(1, 'bob') }));
  assert.deepEqual(conversation.typing, []);
  typing('bob', true);
  typing('bob', false);
  assert.deepEqual(conversation.typing, []);
});

test('one’s own typing is repeated every 4 s and stops by itself', async () => {
  const { conversation, last, clock } = await setUp();
  const signals = () => last().requests('typing').map(({ id, request }) => [id, request.typing.active]);
  for (let i = 0; i < 10; i += 1) {
    conversation.setTyping(true);
    await clock.advance(500);
  }
  assert.deepEqual(signals(), [[0, true], [0, true]]);
  await clock.advance(5_000);
  assert.deepEqual(signals().at(-1), [0, false]);
  conversation.setTyping(true);
  conversation.send('hi');
  await clock.advance(10_000);
  assert.deepEqual(signals().slice(3), [[0, true]]);
});

test('ticks follow the others’ cursors', async () => {
  const { conversation, last } = await setUp();
  last().receive(event(101, { message_posted: message(1, 'alice') }, { actor: 'alice' }));
  const [mine] = conversation.messages;
  assert.equal(conversation.tick(mine), 'sent');
  last().receive(event(102, { delivered_up_to: { user: 'bob', seq: 1, unread: 0 } }));
  assert.equal(conversation.tick(mine), 'delivered');
  last().receive(event(103, { read_up_to: { user: 'bob', seq: 1, unread: 0 } }));
  assert.equal(conversation.tick(mine), 'read');
});

test('history is loaded both ways, once at a time', async () => {
  const { conversation, last } = await setUp({ conversations: [view({ last_seq: 120, last_message: message(120, 'bob') })] });
  const answer = (from, to, more) =>
    last().answer('list_messages', { messages: { messages: Array.from({ length: to - from + 1 }, (_, i) => message(from + i, 'bob')), more, position: 100 } });
  const asked = () => last().requests('list_messages').map(({ request }) => request.list_messages);
  const opened = conversation.open();
  await settled();
  assert.deepEqual(asked(), [{ conversation: C, before: 0, after: null, limit: 50 }]);
  answer(71, 120, true);
  await opened;
  const older = [conversation.loadOlder(), conversation.loadOlder()];
  await settled();
  assert.deepEqual(asked()[1], { conversation: C, before: 71, after: null, limit: 50 });
  assert.equal(asked().length, 2);
  answer(21, 70, true);
  assert.deepEqual(await Promise.all(older), [true, true]);
  const last20 = conversation.loadOlder();
  await settled();
  answer(1, 20, false);
  assert.equal(await last20, false);
  assert.equal(conversation.messages.length, 120);
  assert.deepEqual(conversation.timeline.filter(({ type }) => type === 'hole'), []);
  assert.equal(await conversation.loadOlder(), false);
  assert.equal(await conversation.loadNewer(), false);
  assert.equal(asked().length, 3);
});

test('an open conversation is loaded again after a reset', async () => {
  const session = await setUp({ conversations: [view({ last_seq: 2, last_message: message(2, 'bob') })] });
  const { conversation, last } = session;
  const page = (messages) => last().answer('list_messages', { messages: { messages, more: false, position: 300 } });
  const opened = conversation.open();
  await settled();
  page([message(1, 'bob'), message(2, 'bob')]);
  await opened;
  await reconnect(session, { resumed: false });
  last().receive(reset({ reason: 'gap', cursor: { epoch: EPOCH, position: 300, index: 4294967295 }, conversations: [view({ last_seq: 90, last_message: message(90, 'bob') })] }));
  assert.deepEqual(conversation.timeline.map(({ type }) => type), ['hole', 'message']);
  await settled();
  page([message(89, 'bob'), message(90, 'bob')]);
  await settled();
  assert.deepEqual(conversation.messages.map(({ seq }) => seq), [89, 90]);
});

test('a conversation that was not loaded is fetched when a message arrives there', async () => {
  const { client, last } = await setUp({ reset: { more: true, unread_total: 4 } });
  last().receive(event(103, { message_posted: message(9, 'bob') }, { conversation: D }));
  await settled();
  assert.deepEqual(last().requests('get_conversation')[0].request.get_conversation, { conversation: D });
  last().answer('get_conversation', { conversation: view({ id: D, last_seq: 9, last_message: message(9, 'bob'), unread: 3, activity_position: 103 }) });
  await settled();
  last().answer('get_unread', { unread: { total: 5, as_of: 103 } });
  await settled();
  assert.equal(client.conversations[0].id, D);
  assert.equal(client.conversation(D).unread, 3);
  assert.equal(client.unreadTotal, 5);
});

test('older conversations come page by page', async () => {
  const { client, last } = await setUp({ reset: { more: true } });
  const loading = client.loadConversations();
  await settled();
  assert.deepEqual(last().requests('list_conversations')[0].request.list_conversations, { before: 50, limit: 20 });
  last().answer('list_conversations', { conversations: { conversations: [view({ id: D, activity_position: 40 })], more: false, position: 100 } });
  assert.equal(await loading, false);
  assert.deepEqual(client.conversations.map(({ id }) => id), [C, D]);
  assert.equal(client.moreConversations, false);
});

test('a block asks for the list and the open conversations anew', async () => {
  const { client, conversation, last } = await setUp({ conversations: [view({ last_seq: 2, last_message: message(2, 'bob'), unread: 2 })] });
  const opened = conversation.open();
  await settled();
  last().answer('list_messages', { messages: { messages: [message(1, 'carol'), message(2, 'bob')], more: false, position: 100 } });
  await opened;
  const blocking = client.block('bob');
  last().answer('block_user', accepted({ conversation: '', seq: 0 }));
  await blocking;
  last().receive(event(103, { user_blocked: { user: 'bob' } }, { conversation: undefined, actor: 'alice' }));
  assert.deepEqual([...client.blocked], ['bob']);
  await settled();
  last().answer('list_conversations', { conversations: { conversations: [view({ last_seq: 1, last_message: message(1, 'carol'), unread: 1 })], more: false, position: 103 } });
  await settled();
  last().answer('list_messages', { messages: { messages: [message(1, 'carol')], more: false, position: 103 } });
  await settled();
  assert.deepEqual(conversation.messages.map(({ author }) => author), ['carol']);
  assert.deepEqual([conversation.unread, client.unreadTotal], [1, 1]);
});

test('a conversation that was started can be used as soon as it is answered', async () => {
  const { client, last } = await setUp({ conversations: [] });
  const starting = client.startDirect('bob', { context: 'listing-7' });
  assert.deepEqual(last().requests('start_direct')[0].request.start_direct, { user: 'bob', context: 'listing-7' });
  last().answer('start_direct', accepted());
  await settled();
  last().answer('get_conversation', { conversation: view({ context: 'listing-7' }) });
  const conversation = await starting;
  assert.equal(conversation, client.conversation(C));
  assert.deepEqual([conversation.peer, conversation.context], ['bob', 'listing-7']);
  // Known already: nothing to ask.
  const again = client.startDirect('bob');
  last().answer('start_direct', accepted());
  assert.equal(await again, conversation);
  assert.equal(last().requests('get_conversation').length, 1);
});

test('a question waits for the connection and is asked again', async () => {
  const session = await setUp();
  const { conversation, last } = session;
  const receipts = conversation.receipts(1);
  last().end(1006);
  await session.clock.advance(375);
  last().open();
  last().receive(welcome({ resumed: true }));
  last().answer('get_receipts', { receipts: { read: 1, delivered: 1, members: 1, cursors: [{ user: 'bob', read_seq: 1, delivered_seq: 1 }] } });
  assert.deepEqual(await receipts, { read: 1, delivered: 1, members: 1, cursors: [{ user: 'bob', readSeq: 1, deliveredSeq: 1 }] });
});

test('a question without a connection is answered with "offline" in the end', async () => {
  const { conversation, last, clock } = await setUp();
  last().end(1006);
  const members = conversation.listMembers();
  members.catch(() => {});
  await clock.advance(30_000);
  await assert.rejects(members, { code: 'offline', retry: true });
});

test('a token is renewed before it expires, without a new connection', async () => {
  const { last, clock, tokens, sockets } = await setUp({ connect: false });
  last().receive(welcome({ token_expires_ms: clock.now() + 3_600_000 }));
  last().receive(reset());
  const renewals = () => last().requests('renew_token').map(({ request }) => request.renew_token.token);
  for (let ms = 0; ms < 3_539_000; ms += 10_000) {
    await clock.advance(10_000);
    last().receive({ typing: { conversation: C, user: 'bob', active: false } });
  }
  assert.deepEqual(renewals(), ['token 2']);
  assert.deepEqual(tokens, [false, true]);
  last().answer('renew_token', { pong: { now_ms: clock.now(), token_expires_ms: clock.now() + 100_000 } });
  for (let ms = 0; ms < 80_000; ms += 10_000) {
    await clock.advance(10_000);
    last().receive({ typing: { conversation: C, user: 'bob', active: false } });
  }
  assert.deepEqual(renewals(), ['token 2', 'token 3']);
  assert.equal(sockets.length, 1);
});

test('a token of somebody else is not taken', async () => {
  const session = await setUp();
  await reconnect(session, { user: 'mallory' });
  assert.deepEqual([session.client.connection.state, session.client.connection.error.code], ['closed', 'wrong_user']);
  assert.equal(session.client.user, 'alice');
});

test('connecting fails when there is no point in trying', async () => {
  const { last, connected, client } = await setUp({ connect: false });
  last().receive({ closing: { code: 'protocol', message: 'no', reconnect: false, after_ms: 0, address: '' } });
  last().end(4000);
  await assert.rejects(connected, { code: 'protocol' });
  assert.equal(client.connection.state, 'closed');
});

test('changes are reported together', async () => {
  const { client, last } = await setUp({ conversations: [view(), view({ id: D })] });
  const changes = [];
  client.on('change', ({ conversations, list }) => changes.push([[...conversations].sort(), list]));
  last().receive(event(103, { message_posted: message(1, 'bob') }));
  last().receive(event(104, { message_posted: message(1, 'bob') }, { conversation: D }));
  await settled();
  assert.deepEqual(changes, [[[C, D], true]]);
  last().receive({ typing: { conversation: C, user: 'bob', active: true } });
  await settled();
  assert.deepEqual(changes[1], [[C], false]);
});

test('a listener that throws does not keep the others from hearing', async () => {
  const { client, last } = await setUp();
  const thrown = [];
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message));
  const heard = [];
  client.on('message', () => {
    throw new Error('a fault of the app');
  });
  client.on('message', ({ message: { seq } }) => heard.push(seq));
  last().receive(event(103, { message_posted: message(1, 'bob') }));
  await settled();
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual(heard, [1]);
  assert.deepEqual(thrown, ['a fault of the app']);
});

test('a message that came as a stub is fetched', async () => {
  const { conversation, last } = await setUp();
  last().receive(event(103, { message_posted: message(1, 'bob', { text: '', stub: true }) }));
  const text = conversation.loadText(1);
  last().answer('get_message', { message: message(1, 'bob', { text: 'x'.repeat(5000) }) });
  assert.equal((await text).length, 5000);
  assert.equal(conversation.message(1).text.length, 5000);
  assert.equal(conversation.message(1).stub, false);
  assert.equal((await conversation.loadText(1)).length, 5000);
  assert.equal(last().requests('get_message').length, 1);
});

test('after closing, connecting again goes on', async () => {
  const { client, conversation, last } = await setUp();
  const sent = conversation.send('hi');
  await client.close();
  await assert.rejects(sent, { code: 'closed' });
  assert.equal(client.connection.state, 'idle');
  const connected = client.connect();
  await settled();
  last().open();
  last().receive(welcome({ resumed: true, replayed: 0 }));
  await connected;
  await settled();
  assert.equal(last().requests('post_message').length, 1);
  assert.deepEqual(conversation.pending.map(({ text }) => text), ['hi']);
});

test('a token that cannot be had is told apart from a network that is down', async () => {
  let failing = true;
  const states = [];
  const session = await setUp({
    connect: false,
    options: {
      getToken: async () => {
        if (failing) throw new Error('backend down');
        return 'token';
      },
    },
    listen: (client) => client.on('connection', (state) => states.push(state)),
  });
  const { error, state } = states.at(-1);
  assert.deepEqual([state, error.code, error.retry, error.message], ['waiting', 'token_unavailable', true, 'getToken failed: backend down']);
  assert.equal(error.cause.message, 'backend down');
  failing = false;
  await session.clock.advance(1000);
  session.last().open();
  assert.equal(session.last().requests('hello')[0].request.hello.token, 'token');
});

test('no token at all means that nobody is signed in', async () => {
  for (const nothing of [undefined, null, '']) {
    const { connected } = await setUp({ connect: false, options: { getToken: () => nothing } });
    await assert.rejects(connected, { code: 'unauthenticated', retry: false });
  }
});

test('a token that could not be renewed is reported, and asked for again before it ends', async () => {
  let failing = false;
  const session = await setUp({
    welcome: { token_expires_ms: 1_764_000_000_000 + 50_000 },
    options: {
      getToken: () => {
        if (failing) throw new Error('backend down');
        return 'token';
      },
    },
  });
  failing = true;
  await session.clock.advance(41_000);
  assert.deepEqual(session.errors.map(({ code, retry }) => [code, retry]), [['token_unavailable', true]]);
  assert.equal(session.client.connection.state, 'online');
  failing = false;
  await session.clock.advance(8_000);
  assert.equal(session.last().requests('renew_token').length, 1);
});

test('a token that the server does not take is reported, and another is shown before it ends', async () => {
  const { last, clock, errors, sockets } = await setUp({ welcome: { token_expires_ms: 1_764_000_000_000 + 50_000 } });
  const renewals = () => last().requests('renew_token').length;
  await clock.advance(41_000);
  assert.equal(renewals(), 1);
  // For a moment only: nobody needs to know.
  last().answer('renew_token', refused('unavailable', { retry: true, retry_after_ms: 1000 }));
  await clock.advance(8_000);
  assert.deepEqual([renewals(), errors.length], [2, 0]);
  last().answer('renew_token', refused('unauthenticated'));
  assert.deepEqual(errors.map(({ code }) => code), ['unauthenticated']);
  await clock.advance(1_000);
  assert.deepEqual([renewals(), sockets.length], [3, 1]);
});

test('a conversation that a new log does not have is gone; what was written there stays until it is discarded', async () => {
  const storage = new MemoryStorage();
  const session = await setUp({ conversations: [view({ last_seq: 1, last_message: message(1, 'bob') })], options: { storage } });
  const { client, last, clock } = session;
  const conversation = client.conversation(C);
  conversation.open().catch(() => {});
  last().end(1006);
  conversation.send('into the void');
  await clock.advance(1000);
  last().open();
  const cursor = { epoch: D, position: 7, index: 4294967295 };
  last().receive(welcome({ cursor }));
  last().receive(reset({ reason: 'epoch', cursor }));
  await settled();
  assert.equal(conversation.gone, false);
  last().answer('get_conversation', refused('not_found'));
  await settled();
  assert.deepEqual([conversation.gone, conversation.loaded], [true, false]);
  last().answer('post_message', refused('not_found'));
  await settled();
  const kept = () => conversation.pending.map(({ text, state, error }) => [text, state, error?.code]);
  assert.deepEqual(kept(), [['into the void', 'failed', 'not_found']]);
  assert.equal(session.errors.at(-1).code, 'not_found');
  assert.deepEqual((await storage.load()).map(({ error }) => error?.code), ['not_found']);
  // It is found without its conversation's id, also by the next visit.
  await client.close();
  const next = await setUp({ conversations: [], welcome: { cursor }, reset: { cursor }, options: { storage } });
  await settled();
  const [{ conversation: where, message: text }] = next.client.pending;
  assert.deepEqual([where.id, where.loaded, text.text, text.state], [C, false, 'into the void', 'failed']);
  next.client.discard(text.commandId);
  await settled();
  assert.deepEqual([next.client.pending, await storage.load()], [[], []]);
});

test('a conversation that is gone comes back, as after another backup', async () => {
  const session = await setUp({ conversations: [view({ last_seq: 1, last_message: message(1, 'bob') })] });
  const { client, last, clock } = session;
  const conversation = client.conversation(C);
  conversation.open().catch(() => {});
  last().end(1006);
  await clock.advance(1000);
  last().open();
  const cursor = { epoch: D, position: 7, index: 4294967295 };
  last().receive(welcome({ cursor }));
  last().receive(reset({ reason: 'epoch', cursor }));
  await settled();
  last().answer('get_conversation', refused('not_found'));
  await settled();
  assert.equal(conversation.gone, true);
  last().receive(event(8, { conversation_added: view() }));
  assert.deepEqual([conversation.gone, conversation.loaded], [false, true]);
});

test('whom to watch and how one is are said anew in each session', async () => {
  const session = await setUp({ listen: (client) => client.watchPresence(['bob'], { roster: true }) });
  const { client, last, clock, errors } = session;
  const seen = [];
  client.on('presence', (told) => seen.push(told));
  const said = (name) => last().requests(name).map(({ request }) => request[name]);
  assert.deepEqual(said('watch_presence'), [{ users: ['bob'], roster: true }]);
  client.setAway(true);
  assert.deepEqual(said('set_presence'), [{ state: 'away' }]);
  last().receive({ presence: { version: 1, snapshot: true, users: [{ user: 'bob', state: 'available' }, { user: 'carol', state: 'away' }] } });
  last().receive({ presence: { version: 2, snapshot: false, users: [{ user: 'bob', state: 'offline', seen_ms: 5 }] } });
  assert.deepEqual(seen.map(({ snapshot, users }) => [snapshot, users.length]), [[true, 2], [false, 1]]);
  assert.deepEqual([...client.presence.values()], [{ user: 'bob', state: 'offline', seenMs: 5 }, { user: 'carol', state: 'away', seenMs: 0 }]);
  await reconnect(session);
  assert.deepEqual([said('watch_presence').length, said('set_presence').length, client.presence.size], [1, 1, 0]);
  // For a moment only: it is said again. For good: it is told, and not said again.
  last().answer('watch_presence', refused('rate_limited', { retry: true, retry_after_ms: 500 }));
  await clock.advance(500);
  assert.equal(said('watch_presence').length, 2);
  last().answer('watch_presence', refused('invalid'));
  assert.deepEqual(errors.map(({ code }) => code), ['invalid']);
  last().end(1006);
  await clock.advance(5_000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  assert.deepEqual([said('watch_presence').length, said('set_presence').length], [0, 1]);
  client.conversation(C).send('back');
  last().end(1006);
  await clock.advance(30_000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  assert.deepEqual([said('hello').length, said('set_presence').length], [1, 0]);
  for (const wrong of [() => client.watchPresence('bob'), () => client.watchPresence([1]), () => client.watchPresence([], 'roster'), () => client.watchPresence([], { roster: 'yes' }), () => client.watchPresence(Array.from({ length: 501 }, (_, n) => `user-${n}`))]) {
    assert.throws(wrong, { code: 'invalid' });
  }
});

test('parts of an app watch for themselves, and the server is told of all of them at once', async () => {
  const { client, last } = await setUp();
  const said = () => last().requests('watch_presence').map(({ request }) => request.watch_presence);
  client.watchPresence(['bob']);
  const offList = client.watchUsers(['carol', 'bob']);
  const offContacts = client.watchUsers([], { roster: true });
  assert.deepEqual(said(), [{ users: ['bob'], roster: false }]);
  await settled();
  assert.deepEqual(said().slice(1), [{ users: ['bob', 'carol'], roster: true }]);
  // One page after the other is one change, and to the same users it is none.
  offList();
  const offPage = client.watchUsers(['dave']);
  await settled();
  assert.deepEqual(said().slice(2), [{ users: ['bob', 'dave'], roster: true }]);
  const offSame = client.watchUsers(['dave', 'bob']);
  await settled();
  offPage();
  offPage();
  await settled();
  assert.equal(said().length, 3);
  // Too many: what the app named as a whole, and what was named last.
  const many = Array.from({ length: 499 }, (_, i) => `user-${i}`);
  const offMany = client.watchUsers(many);
  await settled();
  assert.deepEqual(said()[3].users, ['bob', ...many]);
  for (const off of [offMany, offSame, offContacts]) off();
  await settled();
  assert.deepEqual(said().slice(4), [{ users: ['bob'], roster: false }]);
  for (const wrong of [() => client.watchUsers('bob'), () => client.watchUsers([1]), () => client.watchUsers([], 'roster'), () => client.watchUsers([], { roster: 'yes' })]) {
    assert.throws(wrong, { code: 'invalid' });
  }
});

test('people who are found have places in JavaScript’s strings, and objects where JSON came', async () => {
  const { client, last } = await setUp();
  const asked = client.searchPeople({ query: 'über', filter: { has: { attribute: 'photo' } }, online: 'first', away: false, sort: 'distance', from: { lat: 52.5, lon: -1 }, facets: ['city'], limit: 5, highlight: true, explain: true, withoutContacted: true, exclude: ['bob'] });
  await settled();
  assert.deepEqual(last().requests('search_people')[0].request.search_people, {
    query: 'über', filter: '{"has":{"attribute":"photo"}}', online: 'first', without_away: true, sort: 'distance', from: '52.5,-1', facets: ['city'],
    limit: 5, after: '', highlight: true, explain: true, without_contacted: true, exclude: ['bob'],
  });
  const attributes = { about: '🏔 über Größe', tags: ['x', 'é über'], age: 3 };
  const highlights = [
    { attribute: 'about', value: 0, from: 5, to: 10 },
    { attribute: 'tags', value: 1, from: 3, to: 8 },
    { attribute: 'about', value: 0, from: 0, to: 4 },
    { attribute: 'age', value: 0, from: 0, to: 1 },
    { attribute: 'gone', value: 0, from: 0, to: 1 },
  ];
  const person = { user: 'carol', state: 'away', attributes: JSON.stringify(attributes), distance_m: 12.5, score: 1.5, highlights, explanation: '{"bm25":1}' };
  const plain = { user: 'dave', state: 'offline', seen_ms: 7, attributes: '{}', score: 0 };
  const facets = [{ attribute: 'city', values: [{ value: 'Berlin', count: 2 }], more: true }];
  last().answer('search_people', { people: { people: [person, plain], total: 9, at_least: true, next: 'n', facets, cut: true } });
  const { people, ...rest } = await asked;
  assert.deepEqual(rest, { total: 9, atLeast: true, next: 'n', facets, cut: true });
  assert.deepEqual(people[0], { user: 'carol', state: 'away', seenMs: 0, attributes, distanceM: 12.5, score: 1.5, explanation: { bm25: 1 }, highlights: people[0].highlights });
  const marked = people[0].highlights.map(({ attribute, value, from, to }) => [attribute, [attributes[attribute]].flat()[value].slice(from, to)]);
  assert.deepEqual(marked, [['about', 'über'], ['tags', 'über'], ['about', '🏔']]);
  assert.deepEqual(people[1], { user: 'dave', state: 'offline', seenMs: 7, attributes: {}, distanceM: null, score: 0, highlights: [], explanation: null });
  const profiles = client.profiles(['dave', 'erin']);
  await settled();
  last().answer('get_profiles', { profiles: { profiles: [{ user: 'dave', attributes: '{"age":4}' }] } });
  assert.deepEqual(await profiles, [{ user: 'dave', attributes: { age: 4 } }]);
});

test('what cannot be searched for is refused here, or with what the server says of it', async () => {
  const { client, last } = await setUp();
  for (const wrong of ['climbing', { query: 1 }, { filter: '{}' }, { filter: { n: 1n } }, { online: true }, { away: 'no' }, { sort: 1 }, { from: '52,13' }, { from: null }, { facets: 'city' }, { limit: -1 }, { after: '\ud800' }, { after: 7 }, { highlight: 1 }, { explain: 'no' }, { withoutContacted: 0 }, { exclude: [1] }]) {
    await assert.rejects(client.searchPeople(wrong), { code: 'invalid' }, JSON.stringify(Object.keys(wrong)));
  }
  await assert.rejects(client.profiles('bob'), { code: 'invalid' });
  assert.equal(last().requests('search_people').length, 0);
  const message = 'query:\nctiy:x\n^^^^\nthere is no attribute `ctiy`';
  const asked = client.searchPeople({ query: 'ctiy:x' });
  await settled();
  last().answer('search_people', { error: { code: 'invalid', message, retry: false, retry_after_ms: 0 } });
  await assert.rejects(asked, { code: 'invalid', message });
  const unread = client.searchPeople();
  await settled();
  last().answer('search_people', { people: { people: [{ user: 'bob', state: 'away', attributes: '[]', score: 0 }], total: 1, at_least: false, next: '', facets: [], cut: false } });
  await assert.rejects(unread, { code: 'protocol' });
});

test('a page of people is watched for newcomers, anew in each session, and one at a time', async () => {
  const session = await setUp();
  const { client, last } = session;
  const asked = () => last().requests('watch_people').map(({ request }) => request.watch_people.search.query);
  const page = { people: { people: [], total: 0, at_least: false, next: '', facets: [], cut: false } };
  const news = [];
  const climbing = client.watchPeople({ query: 'climbing', online: 'only' }, (each) => news.push(['climbing', each]));
  await settled();
  last().receive({ people_online: { count: 9, users: [] } });
  last().answer('watch_people', page);
  assert.equal((await climbing).total, 0);
  last().receive({ people_online: { count: 1, users: ['bob'] } });
  await reconnect(session);
  assert.deepEqual(asked(), ['climbing']);
  last().answer('watch_people', page);
  await settled();
  last().receive({ people_online: { count: 2 } });
  assert.deepEqual(news, [['climbing', { count: 1, users: ['bob'] }], ['climbing', { count: 2, users: [] }]]);
  // Another takes its place.
  const surfing = client.watchPeople({ query: 'surfing' }, (each) => news.push(['surfing', each]));
  await settled();
  last().receive({ people_online: { count: 3, users: [] } });
  last().answer('watch_people', page);
  await surfing;
  last().receive({ people_online: { count: 4, users: [] } });
  assert.deepEqual(news.slice(2), [['surfing', { count: 4, users: [] }]]);
  client.unwatchPeople();
  client.unwatchPeople();
  assert.equal(last().requests('unwatch_people').length, 1);
  last().receive({ people_online: { count: 5, users: [] } });
  assert.equal(news.length, 3);
  last().end(1006);
  await session.clock.advance(5_000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  assert.deepEqual([last().requests('hello').length, asked()], [1, []]);
  for (const wrong of [[{ query: 1 }, () => {}], [{}, 'listener'], ['query', () => {}]]) await assert.rejects(client.watchPeople(...wrong), { code: 'invalid' });
});

test('messages are looked for in their own words, and found with places in the text', async () => {
  const { client, last } = await setUp();
  const asked = client.searchMessages({ query: 'über', sort: 'relevance', limit: 5, after: 'a', highlight: true });
  await settled();
  assert.deepEqual(last().requests('search_messages')[0].request.search_messages, { query: 'über', sort: 'relevance', limit: 5, after: 'a', highlight: true });
  const text = '🏔 über alles, über Größe';
  const highlights = [{ value: 0, from: 5, to: 10 }, { value: 0, from: 18, to: 23 }];
  const found = [
    { conversation: C, message: message(3, 'bob', { text }), score: 1.5, highlights },
    { conversation: D, message: message(4, 'bob', { text: '', stub: true }), score: 1, highlights },
    { conversation: D, message: null, score: 1 },
  ];
  last().answer('search_messages', { found_messages: { messages: found, next: 'n', since_ms: 7, cut: true } });
  const { messages, ...rest } = await asked;
  assert.deepEqual(rest, { next: 'n', sinceMs: 7, cut: true });
  assert.deepEqual(messages.map(({ conversation, message, score }) => [conversation, message.seq, message.atMs, score]), [[C, 3, 3, 1.5], [D, 4, 4, 1]]);
  assert.deepEqual(messages[0].highlights.map(({ from, to }) => text.slice(from, to)), ['über', 'über']);
  assert.deepEqual(messages[1].highlights, []);
  const all = client.searchMessages();
  await settled();
  assert.deepEqual(last().requests('search_messages')[1].request.search_messages, { query: '', sort: 'newest', limit: 0, after: '', highlight: false });
  last().answer('search_messages', { found_messages: { messages: [], next: '', since_ms: 0, cut: false } });
  assert.deepEqual(await all, { messages: [], next: '', sinceMs: 0, cut: false });
  for (const wrong of ['lunch', { query: 1 }, { sort: null }, { limit: -1 }, { after: 7 }, { highlight: 1 }]) await assert.rejects(client.searchMessages(wrong), { code: 'invalid' });
  assert.equal(last().requests('search_messages').length, 2);
});

test('a conversation that is not in the list is loaded when it is wanted, once', async () => {
  const { client, last } = await setUp();
  const other = client.conversation(D);
  const loading = other.load();
  await settled();
  last().answer('get_conversation', { conversation: view({ id: D, kind: 'group', title: 'Hiking', peer: '' }) });
  await loading;
  assert.deepEqual([other.loaded, other.title], [true, 'Hiking']);
  await other.load();
  await client.conversation(C).load();
  assert.equal(last().requests('get_conversation').length, 1);
});

test('that one looks is said at a pace, to who comes too, and in each session', async () => {
  const session = await setUp({ listen: (client) => client.look(C) });
  const { client, last, clock, errors } = session;
  const said = () => last().requests('look').map(({ request }) => request.look.conversation ?? null);
  assert.deepEqual(said(), [C]);
  client.look(C);
  await clock.advance(29_999);
  assert.deepEqual(said(), [C]);
  await clock.advance(1);
  assert.deepEqual(said(), [C, C]);
  const comes = (user, conversation = C, active = true) => last().receive({ looking: { conversation, user, active } });
  // Not sooner than two seconds after the last time; once for all who came meanwhile.
  comes('bob');
  comes('carol');
  await clock.advance(1_999);
  assert.equal(said().length, 2);
  await clock.advance(1);
  assert.equal(said().length, 3);
  await clock.advance(5_000);
  assert.equal(said().length, 3);
  // Who was here already is not answered, nor who looks elsewhere, nor oneself at another device.
  comes('bob');
  comes('bob', D);
  comes('alice');
  assert.equal(said().length, 3);
  comes('bob', C, false);
  comes('bob');
  assert.equal(said().length, 4);
  client.look(D);
  client.look(null);
  client.look(null);
  assert.deepEqual(said().slice(4), [D, null]);
  await clock.advance(60_000);
  comes('dave');
  assert.equal(said().length, 6);
  client.look(C);
  await reconnect(session);
  assert.deepEqual(said(), [C]);
  last().answer('look', refused('rate_limited', { retry: true, retry_after_ms: 5_000 }));
  await clock.advance(5_000);
  assert.equal(said().length, 2);
  last().answer('look', refused('not_member'));
  assert.deepEqual(errors.map(({ code }) => code), ['not_member']);
  await clock.advance(60_000);
  assert.equal(said().length, 2);
  for (const wrong of ['here', 7, undefined, {}]) assert.throws(() => client.look(wrong), { code: 'invalid' });
});

test('who is looking is known until they look away, are gone, leave, or do not repeat it', async () => {
  const session = await setUp({ conversations: [view({ kind: 'group', member_count: 3 })] });
  const { client, last, clock, conversation } = session;
  const changes = [];
  client.on('change', ({ conversations }) => changes.push(...conversations));
  const look = (user, active = true) => last().receive({ looking: { conversation: C, user, active } });
  look('bob');
  look('carol');
  look('alice');
  await settled();
  assert.deepEqual([conversation.looking, changes], [['bob', 'carol'], [C]]);
  look('bob', false);
  assert.deepEqual(conversation.looking, ['carol']);
  // A line on which nothing comes is taken for lost.
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(17_999);
    look('erin', false);
  }
  look('bob');
  await clock.advance(4);
  assert.deepEqual(conversation.looking, ['carol', 'bob']);
  await clock.advance(1);
  assert.deepEqual(conversation.looking, ['bob']);
  last().receive({ presence: { version: 1, snapshot: false, users: [{ user: 'bob', state: 'away' }] } });
  assert.deepEqual(conversation.looking, ['bob']);
  last().receive({ presence: { version: 2, snapshot: false, users: [{ user: 'bob', state: 'offline', seen_ms: 5 }] } });
  assert.deepEqual(conversation.looking, []);
  look('bob');
  look('carol');
  last().receive(event(101, { member_left: { users: ['carol'], member_count: 2, removed: false } }, { actor: 'carol' }));
  assert.deepEqual(conversation.looking, ['bob']);
  last().receive({ event: { position: 102, index: 0, actor: 'alice', at_ms: 1, kind: { user_blocked: { user: 'bob' } } } });
  assert.deepEqual(conversation.looking, []);
  look('dave');
  await reconnect(session);
  assert.deepEqual(conversation.looking, []);
});

/** Answers every ping that waits, as often as that makes another. */
function pong(socket, answered = new Set()) {
  for (;;) {
    const ping = socket.requests('ping').find(({ id }) => !answered.has(id));
    if (!ping) return;
    answered.add(ping.id);
    socket.receive({ reply: { id: ping.id, outcome: { pong: { now_ms: 1, token_expires_ms: 0 } } } });
  }
}

test('a frame the server cannot read does not keep it from coming back', async () => {
  const session = await setUp();
  const { client, last, clock, sockets } = session;
  const sent = client.conversation(C).send('poison');
  sent.catch(() => {});
  await settled();
  last().end(4000);
  assert.equal(client.connection.state, 'waiting');
  await clock.advance(1000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  // Once more, alone.
  last().answer('ping', { pong: { now_ms: 1, token_expires_ms: 0 } });
  assert.equal(last().requests('post_message').length, 1);
  last().end(4000);
  await assert.rejects(sent, { code: 'protocol', retry: false });
  await clock.advance(2000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  assert.equal(client.connection.state, 'online');
  assert.equal(last().requests('post_message').length, 0);
  assert.equal(client.conversation(C).pending[0].state, 'failed');
  // Nothing of the outbox is under way any more: it ends.
  const count = sockets.length;
  last().end(4000);
  await clock.advance(60_000);
  assert.deepEqual([client.connection.state, sockets.length], ['closed', count]);
});

test('a message is not given up because of another frame', async () => {
  const session = await setUp();
  const { conversation, last, clock } = session;
  const sent = conversation.send('hi');
  const [{ command_id }] = last().requests('post_message');
  conversation.setTyping(true);
  last().end(4000);
  assert.deepEqual(conversation.pending.map(({ state }) => state), ['pending']);
  await clock.advance(1000);
  last().open();
  last().receive(welcome({ resumed: true }));
  await settled();
  pong(last());
  assert.deepEqual(last().requests('post_message').map((frame) => frame.command_id), [command_id]);
  last().answer('post_message', accepted({ duplicate: true, seq: 4 }));
  assert.equal((await sent).seq, 4);
  assert.deepEqual(session.errors, []);
});

test('a message that a reset holds already is not shown once more when it is answered', async () => {
  for (const [position, index, shown] of [
    [104, 4294967295, []],
    [103, 4294967295, []],
    [102, 4294967295, ['hi']],
    [103, 2, ['hi']],
  ]) {
    const session = await setUp();
    const { conversation, last, clock } = session;
    const sent = conversation.send('hi');
    last().end(1006);
    await clock.advance(375);
    last().open();
    const cursor = { epoch: EPOCH, position, index };
    last().receive(welcome({ cursor }));
    last().receive(reset({ reason: 'gap', cursor, conversations: [view({ last_seq: 1 })] }));
    await settled();
    last().answer('post_message', accepted({ position: 103, duplicate: true }));
    await sent;
    assert.deepEqual(conversation.pending.map(({ text }) => text), shown, `${position} ${index}`);
  }
});

test('a message of a closed tab whose event came before its answer is not shown once more', async () => {
  const id = '0198c0de-1234-7abc-8def-0123456789aa';
  const storage = new MemoryStorage();
  const entry = { id, owner: 'closed', user: 'alice', createdMs: 1, sent: true, error: null };
  await storage.put({ ...entry, request: { post_message: { conversation: C, text: 'hi', reply_to: 0, mentions: [] } } });
  const load = storage.load.bind(storage);
  let found = false;
  storage.load = async () => (found ? load() : []);
  const { conversation, last, clock } = await setUp({ options: { storage } });
  last().receive(event(103, { message_posted: message(1, 'alice', { command_id: id, text: 'hi' }) }));
  found = true;
  await clock.advance(30_000);
  await settled();
  assert.equal(last().requests('post_message').at(-1).command_id, id);
  last().answer('post_message', accepted({ position: 103, duplicate: true }));
  assert.deepEqual(conversation.timeline.map(({ type }) => type), ['message']);
});

test('what is held is shown as such until it is settled', async () => {
  const { conversation, last } = await setUp();
  const states = () => conversation.pending.map(({ text, state }) => [text, state]);
  for (const [held, text, settled] of [[1, 'one', 'message_released'], [2, 'two', 'message_rejected']]) {
    const sent = conversation.send(text);
    last().answer('post_message', accepted({ position: 103, seq: 0, held }));
    assert.equal((await sent).held, held);
    assert.deepEqual(states(), [[text, 'held']]);
    last().receive(event(103 + held, { [settled]: { held, reason: '' } }));
    assert.deepEqual(states(), []);
  }
  const settling = conversation.settleHeld(3, { release: false, reason: 'no' });
  const request = last().requests('settle_held').at(-1);
  assert.deepEqual(request.request.settle_held, { conversation: conversation.id, held: 3, release: false, reason: 'no' });
  last().answer('settle_held', accepted({ position: 110 }));
  await settling;
});

test('what was sent to a log that is no more is not shown as sent for ever', async () => {
  const session = await setUp();
  const { conversation, last, clock } = session;
  const sent = conversation.send('hi');
  last().answer('post_message', accepted({ position: 103 }));
  await sent;
  assert.equal(conversation.pending.length, 1);
  last().end(1006);
  await clock.advance(375);
  last().open();
  const cursor = { epoch: D, position: 7, index: 4294967295 };
  last().receive(welcome({ cursor }));
  last().receive(reset({ reason: 'epoch', cursor, conversations: [view()] }));
  assert.deepEqual(conversation.pending, []);
});

test('a block during a refresh asks for everything once more', async () => {
  const { last } = await setUp();
  const lists = () => last().requests('list_conversations').length;
  const block = (position, user) => last().receive(event(position, { user_blocked: { user } }, { conversation: undefined, actor: 'alice' }));
  block(103, 'bob');
  await settled();
  assert.equal(lists(), 1);
  block(104, 'carol');
  last().answer('list_conversations', { conversations: { conversations: [view({ as_of: 103 })], more: false, position: 103 } });
  await settled();
  assert.equal(lists(), 2);
  last().answer('list_conversations', { conversations: { conversations: [view({ as_of: 104 })], more: false, position: 104 } });
  await settled();
  assert.equal(lists(), 2);
});

test('one of several addresses is taken, and another when it is not to be had', async () => {
  const { sockets, last, clock } = await setUp({ connect: false, options: { url: ['https://a.example.com', 'https://b.example.com'] } });
  assert.equal(last().url, 'wss://b.example.com/v1/ws');
  last().end(1006);
  await clock.advance(100);
  assert.deepEqual([sockets.length, last().url], [2, 'wss://a.example.com/v1/ws']);
});

test('an argument that is wrong is refused as invalid, and nothing of it is sent', async () => {
  const { client, conversation, last } = await setUp();
  const before = last().sent.length;
  const cyclic = [];
  cyclic.push(cyclic);
  const wrong = {
    'send()': () => conversation.send(),
    'send(5)': () => conversation.send(5),
    'send(null)': () => conversation.send(null),
    'send({})': () => conversation.send({ text: 'hi' }),
    'send with null': () => conversation.send('hi', null),
    'send with a list': () => conversation.send('hi', []),
    'send in reply to text': () => conversation.send('hi', { replyTo: '1' }),
    'send in reply to null': () => conversation.send('hi', { replyTo: null }),
    'send with one mention': () => conversation.send('hi', { mentions: 'bob' }),
    'send with what mentions itself': () => conversation.send('hi', { mentions: cyclic }),
    'send with a hole': () => conversation.send('hi', { mentions: new Array(1) }),
    'edit(seq)': () => conversation.edit(1),
    'edit("1")': () => conversation.edit('1', 'hi'),
    'edit with null': () => conversation.edit(1, 'hi', null),
    'retract()': () => conversation.retract(),
    'react(1, 5)': () => conversation.react(1, 5),
    'react(1)': () => conversation.react(1),
    'unreact("1")': () => conversation.unreact('1', '👍'),
    'addMembers("bob")': () => conversation.addMembers('bob'),
    'addMembers([5])': () => conversation.addMembers([5]),
    'removeMember()': () => conversation.removeMember(),
    'setRole("king")': () => conversation.setRole('bob', 'king'),
    'setTitle(7)': () => conversation.setTitle(7),
    'setMuted("yes")': () => conversation.setMuted('yes'),
    'listMembers(null)': () => conversation.listMembers(null),
    'receipts()': () => conversation.receipts(),
    'loadText("x")': () => conversation.loadText('x'),
    'loadAround()': () => conversation.loadAround(),
    'loadOlder("x")': () => conversation.loadOlder('x'),
    'startDirect()': () => client.startDirect(),
    'startDirect(5)': () => client.startDirect(5),
    'startDirect with null': () => client.startDirect('bob', null),
    'startDirect about 5': () => client.startDirect('bob', { context: 5 }),
    'createGroup()': () => client.createGroup(),
    'createGroup({})': () => client.createGroup({}),
    'createGroup with one member': () => client.createGroup({ title: 'x', members: 'bob' }),
    'createGroup("x")': () => client.createGroup('x'),
    'block({})': () => client.block({}),
    'unblock()': () => client.unblock(),
    'of no conversation': () => client.conversation(undefined).send('hi'),
  };
  for (const [what, call] of Object.entries(wrong)) {
    let error;
    // Refused by the promise, never thrown at whoever calls: but for what gives none.
    await call().catch((refusal) => (error = refusal));
    assert.ok(error instanceof TidingsError, `${what}: ${error}`);
    assert.deepEqual([error.code, error.retry], ['invalid', false], `${what}: ${error.message}`);
  }
  const invalid = { name: 'TidingsError', code: 'invalid' };
  assert.throws(() => conversation.markRead('x'), invalid);
  assert.throws(() => client.on('change', undefined), invalid);
  assert.throws(() => new Tidings(), invalid);
  assert.throws(() => new Tidings({ url: 'https://chat.example.com', WebSocket: class {} }), invalid);
  assert.deepEqual([client.waiting, conversation.pending, last().sent.length], [0, [], before]);
});

test('a long message of one’s own keeps its text where the server sends a stub, whichever comes first', async () => {
  const text = 'long '.repeat(1000);
  for (const first of ['event', 'answer']) {
    const { conversation, last } = await setUp();
    void conversation.send(text);
    const [{ command_id }] = last().requests('post_message');
    const stub = message(1, 'alice', { command_id, text: '', stub: true });
    const steps = [() => last().receive(event(101, { message_posted: stub }, { actor: 'alice' })), () => last().answer('post_message', accepted())];
    if (first === 'answer') steps.reverse();
    for (const step of steps) {
      step();
      const texts = conversation.timeline.map((item) => (item.type === 'message' ? item.message : item.pending).text);
      assert.deepEqual(texts, [text], first);
    }
    assert.deepEqual([conversation.messages[0].stub, conversation.lastMessage.text, conversation.pending.length], [false, text, 0]);

    // Nor do a page of the history and a reset take it away.
    const loading = conversation.loadOlder(2);
    await settled();
    last().answer('list_messages', { messages: { messages: [stub], more: false, position: 101 } });
    await loading;
    assert.equal(conversation.messages[0].text, text);
    const cursor = { epoch: EPOCH, position: 102, index: 4294967295 };
    last().receive(reset({ cursor, conversations: [view({ last_message: stub, last_seq: 1 })] }));
    assert.deepEqual([conversation.messages[0].text, conversation.lastMessage.text], [text, text]);
  }
});

test('so does a long edit; one of another device’s stays a stub', async () => {
  const text = 'edited '.repeat(1000);
  const edited = { message_edited: { seq: 1, text: '', mentions: [], stub: true, erased: false } };
  for (const first of ['event', 'answer']) {
    const { conversation, last } = await setUp({ conversations: [view({ last_message: message(1, 'alice'), last_seq: 1 })] });
    void conversation.edit(1, text);
    const steps = [() => last().receive(event(102, edited, { actor: 'alice', at_ms: 7 })), () => last().answer('edit_message', accepted({ position: 102, at_ms: 7 }))];
    if (first === 'answer') steps.reverse();
    for (const step of steps) step();
    assert.deepEqual([conversation.messages[0].text, conversation.messages[0].stub, conversation.lastMessage.text], [text, false, text], first);
    last().receive(event(103, edited, { actor: 'alice', at_ms: 8 }));
    assert.deepEqual([conversation.messages[0].text, conversation.messages[0].stub], ['', true]);
  }
});

const toast = (number, more = {}) => ({ toast: number, source: 'backend', title: `toast ${number}`, at_ms: 1, expires_ms: 1e15, ...more });
const queued = (position, number, more = {}, replaces = []) => event(position, { toast_queued: { toast: toast(number, more), replaces } }, { conversation: '' });
const seen = (position, ...toasts) => event(position, { toasts_seen: { toasts } }, { conversation: '' });
const badge = (position, name, count) => event(position, { badge_set: { source: 'backend', name, count } }, { conversation: '' });
const notifications = (position, toasts, badges = [], more = false) => ({
  notifications: { toasts: toasts.map((number) => toast(number)), more, badges: badges.map(([name, count]) => ({ source: 'backend', name, count })), position },
});
const numbers = (client) => client.toasts.map(({ toast: number }) => number);
const counts = (client) => Object.fromEntries(client.badges.map(({ name, count }) => [name, count]));

test('toasts and badges are kept from when they are asked for', async () => {
  const { client, last } = await setUp();
  const told = [];
  const came = [];
  client.on('notifications', ({ toasts }) => told.push(toasts.length));
  client.on('toast', ({ toast: { toast: number }, replayed }) => came.push([number, replayed]));
  assert.equal(last().requests('list_notifications').length, 0);
  const asked = client.notifications();
  assert.deepEqual(last().requests('list_notifications')[0].request.list_notifications, { after: 0, limit: 100 });
  // One page after the other, and what happens meanwhile.
  last().answer('list_notifications', notifications(101, [1, 2], [['offers', 3]], true));
  await settled();
  last().receive(seen(102, 1));
  last().receive(queued(103, 4));
  last().receive(badge(104, 'offers', 5));
  assert.deepEqual(last().requests('list_notifications')[1].request.list_notifications, { after: 2, limit: 100 });
  last().answer('list_notifications', notifications(103, [3, 4], [['offers', 3]]));
  const begun = await asked;
  assert.deepEqual(begun.toasts.map(({ toast: number }) => number), [2, 3, 4]);
  assert.deepEqual(counts(client), { offers: 5 });
  last().receive(queued(105, 5, {}, [2]));
  last().receive(badge(106, 'offers', 0));
  assert.deepEqual([numbers(client), counts(client)], [[3, 4, 5], {}]);
  assert.deepEqual(came, [[4, false], [5, false]]);
  assert.equal(told.at(-1), 3);
  // Asked again it is there.
  assert.deepEqual((await client.notifications()).toasts.length, 3);
  assert.equal(last().requests('list_notifications').length, 2);
});

test('what was asked for is older than what has come by then', async () => {
  const { client, last } = await setUp();
  const asked = client.notifications();
  last().receive(queued(102, 2));
  last().receive(seen(103, 1));
  last().receive(badge(104, 'offers', 1));
  last().answer('list_notifications', notifications(101, [1], [['offers', 7]]));
  await asked;
  assert.deepEqual([numbers(client), counts(client)], [[2], { offers: 1 }]);
});

test('a toast is put away at once, and comes back if the server will not have it', async () => {
  const { client, last } = await setUp();
  const asked = client.notifications();
  last().answer('list_notifications', notifications(101, [1, 2, 3]));
  await asked;
  const away = client.seeToasts([1, 3]);
  assert.deepEqual(numbers(client), [2]);
  assert.deepEqual(last().requests('see_toasts')[0].request.see_toasts, { toasts: [1, 3] });
  last().answer('see_toasts', accepted({ conversation: '', seq: 0 }));
  await away;
  last().receive(seen(102, 1, 3));
  assert.deepEqual(numbers(client), [2]);
  const refusal = client.seeToasts([2]);
  assert.deepEqual(numbers(client), []);
  last().answer('see_toasts', refused('invalid'));
  await assert.rejects(refusal, { code: 'invalid' });
  await settled();
  assert.deepEqual(numbers(client), [2]);
  await assert.rejects(client.seeToasts('all'), { code: 'invalid', message: /toasts: "all" is no list/ });
  await assert.rejects(client.seeToasts([-1]), { code: 'invalid', message: /-1 is no number/ });
});

test('toasts come once with a resume, and are asked for anew after a reset', async () => {
  const scene = await setUp();
  const { client, last } = scene;
  const came = [];
  client.on('toast', ({ toast: { toast: number }, replayed }) => came.push([number, replayed]));
  const asked = client.notifications();
  last().answer('list_notifications', notifications(101, [1]));
  await asked;
  await reconnect(scene, { resumed: true, replayed: 2 });
  last().receive(seen(102, 1));
  last().receive(queued(103, 2));
  await settled();
  assert.deepEqual([numbers(client), came], [[2], [[2, true]]]);
  assert.equal(last().requests('list_notifications').length, 0);
  last().end(1006);
  await scene.clock.advance(2_000);
  last().open();
  last().receive(welcome({ resumed: false }));
  last().receive(reset({ conversations: [view()], cursor: { epoch: EPOCH, position: 200, index: 0 } }));
  await settled();
  assert.deepEqual(numbers(client), []);
  last().answer('list_notifications', notifications(200, [2, 9]));
  await settled();
  assert.deepEqual(numbers(client), [2, 9]);
  assert.equal(came.length, 1);
});

test('a toast that expires goes by itself', async () => {
  const { client, clock, last } = await setUp();
  const asked = client.notifications();
  last().answer('list_notifications', notifications(101, []));
  await asked;
  let left = -1;
  client.on('notifications', ({ toasts }) => (left = toasts.length));
  last().receive(queued(102, 1, { expires_ms: welcome().welcome.now_ms + 5_000 }));
  assert.equal(left, 1);
  await clock.advance(5_001);
  assert.equal(left, 0);
  assert.deepEqual(numbers(client), []);
});
