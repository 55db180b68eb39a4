// The SDK against the real server.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { FileStorage, MemoryStorage, Tidings, TidingsError } from '../src/node.js';
import { seeded } from './support/random.mjs';
import { Server, skipReason, until } from './support/server.mjs';

const skip = skipReason();
let server;
const clients = [];
let people = 0;

before(async () => {
  if (!skip) server = await Server.start();
});

after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server?.stop();
});

/** The newest socket of each client, to be cut. */
const lines = new Map();

/** A connected client of a user. */
async function connect(user, options = {}) {
  class Line extends WebSocket {
    constructor(...args) {
      super(...args);
      lines.set(client, this);
    }
  }
  const client = new Tidings({
    url: server.url,
    getToken: () => `dev:${user}`,
    WebSocket: Line,
    storage: new MemoryStorage(),
    ...options,
  });
  clients.push(client);
  await client.connect();
  return client;
}

/** People nobody has heard of yet, so that tests do not disturb one another. */
function strangers(...names) {
  people += 1;
  return names.map((name) => `${name}-${people}`);
}

async function pair() {
  const [alice, bob] = strangers('alice', 'bob');
  const [a, b] = await Promise.all([connect(alice), connect(bob)]);
  const ours = await a.startDirect(bob);
  await until(() => b.conversation(ours.id).loaded, 'bob knows of the conversation');
  return { alice, bob, a, b, ours, theirs: b.conversation(ours.id) };
}

const texts = (conversation) => conversation.messages.map(({ text }) => text);

test('a message arrives, counts as unread until it is read, and its ticks follow', { skip }, async () => {
  const { alice, a, b, ours, theirs } = await pair();
  assert.equal(theirs.peer, alice);
  const { seq } = await ours.send('hello');
  await until(() => theirs.unread === 1, 'one unread');
  assert.equal(b.unreadTotal, 1);
  assert.deepEqual([theirs.lastMessage.text, theirs.lastMessage.author], ['hello', alice]);
  await until(() => ours.pending.length === 0, 'nothing pending');
  assert.deepEqual(texts(ours), ['hello']);
  await until(() => ours.tick(ours.message(seq)) === 'delivered', 'delivered');
  theirs.markRead();
  assert.equal(theirs.unread, 0);
  await until(() => ours.tick(ours.message(seq)) === 'read', 'read');
  assert.equal(a.unreadTotal, 0);
  const receipts = await ours.receipts(seq);
  assert.deepEqual([receipts.members, receipts.delivered, receipts.read], [1, 1, 1]);
});

test('the same conversation from both sides', { skip }, async () => {
  const { alice, bob, a, b, ours } = await pair();
  assert.equal((await b.startDirect(alice)).id, ours.id);
  const about = await a.startDirect(bob, { context: 'listing-7' });
  assert.notEqual(about.id, ours.id);
  assert.equal(about.context, 'listing-7');
});

test('messages are edited, taken back and reacted to', { skip }, async () => {
  const { a, ours, theirs } = await pair();
  const first = await ours.send('frist');
  const second = await ours.send('secret', { replyTo: first.seq });
  await theirs.open();
  await until(() => texts(theirs).length === 2, 'both messages');
  assert.equal(theirs.message(second.seq).replyTo, first.seq);
  await ours.edit(first.seq, 'first');
  await theirs.react(first.seq, '👍');
  await ours.react(first.seq, '👍');
  await ours.retract(second.seq);
  await until(() => theirs.message(second.seq).retracted && theirs.message(first.seq).reactions[0]?.count === 2, 'all of it');
  assert.equal(theirs.message(first.seq).text, 'first');
  assert.ok(theirs.message(first.seq).editedMs > 0);
  assert.deepEqual(theirs.message(first.seq).reactions, [{ reaction: '👍', count: 2, mine: true }]);
  assert.equal(theirs.unread, 1);
  await theirs.unreact(first.seq, '👍');
  await until(() => ours.message(first.seq).reactions[0]?.count === 1, 'one reaction');
  assert.equal(ours.message(first.seq).reactions[0].mine, true);
  await assert.rejects(ours.react(second.seq, '👍'), (error) => error instanceof TidingsError && error.code === 'retracted' && !error.retry);
  await assert.rejects(theirs.edit(first.seq, 'no'), { code: 'forbidden' });
  assert.equal(a.connection.state, 'online');
});

test('what no server can read is refused alone, and everything goes on', { skip }, async () => {
  const { ours, theirs } = await pair();
  for (const wrong of [
    () => ours.send('half an emoji \ud83d'),
    () => ours.react(-1, '+1'),
    () => ours.react(1.5, '+1'),
    () => ours.setTitle('\ude00'),
    async () => ours.markRead(NaN),
  ]) {
    await assert.rejects(wrong(), { code: 'invalid', retry: false });
  }
  const sent = await ours.send('a whole one \u{1F600}');
  await until(() => theirs.lastSeq === sent.seq, 'the other side has it');
});

test('a group: members come, get rights, and go', { skip }, async () => {
  const [alice, bob, carol] = strangers('alice', 'bob', 'carol');
  const [a, b, c] = await Promise.all([connect(alice), connect(bob), connect(carol)]);
  const group = await a.createGroup({ title: 'Hiking', members: [bob], historyFromStart: true });
  assert.deepEqual([group.kind, group.title, group.role, group.memberCount], ['group', 'Hiking', 'owner', 2]);
  await group.send('before carol');
  await group.addMembers([carol]);
  const [bobs, carols] = [b.conversation(group.id), c.conversation(group.id)];
  await until(() => carols.loaded && bobs.memberCount === 3, 'carol is in');
  await carols.open();
  assert.deepEqual(texts(carols), ['before carol']);
  assert.equal(carols.unread, 0);
  await assert.rejects(bobs.setTitle('Mine'), { code: 'forbidden' });
  await group.setRole(bob, 'moderator');
  await until(() => bobs.role === 'moderator', 'bob may');
  await bobs.setTitle('Walking');
  await until(() => carols.title === 'Walking', 'the new title');
  const page = await group.listMembers({ limit: 2 });
  assert.deepEqual([page.members.map(({ user, role }) => [user, role]), page.more], [[[alice, 'owner'], [bob, 'moderator']], true]);
  assert.deepEqual((await group.listMembers({ after: bob })).members.map(({ user }) => user), [carol]);
  await bobs.removeMember(carol);
  await until(() => carols.role === '', 'carol is out');
  await assert.rejects(carols.send('still here?'), { code: 'not_member' });
  assert.equal(carols.pending[0].state, 'failed');
  await assert.rejects(group.leave(), { code: 'last_owner' });
  await bobs.leave();
  await until(() => group.memberCount === 1, 'alone');
});

test('typing is seen by others and ends with the message', { skip }, async () => {
  const { alice, ours, theirs } = await pair();
  ours.setTyping(true);
  await until(() => theirs.typing.includes(alice), 'alice types');
  await ours.send('done');
  await until(() => theirs.typing.length === 0 && theirs.unread === 1, 'she has stopped');
});

test('who is here: watched, away, invisible, gone, and watched again after a lost connection', { skip }, async () => {
  const [alice, bob] = strangers('alice', 'bob');
  const [a, b] = await Promise.all([connect(alice), connect(bob)]);
  const how = () => a.presence.get(bob)?.state;
  // Contacts see one another; others have something in common.
  await a.startDirect(bob);
  await a.addContact(bob);
  const states = async (client) => (await client.listContacts()).contacts.map(({ user, state }) => [user, state]);
  assert.deepEqual(await states(a), [[bob, 'asked']]);
  await until(async () => (await states(b)).some(([, state]) => state === 'asking'), 'bob is asked');
  await b.addContact(alice);
  await until(async () => (await states(a)).some(([, state]) => state === 'contact'), 'they are contacts');
  a.watchPresence([bob]);
  await until(() => how() === 'available', 'bob is there');
  b.setAway(true);
  await until(() => how() === 'away', 'bob is away');
  await b.setInvisible(true);
  await until(() => b.invisible && how() === 'offline', 'bob is not to be seen');
  await b.setInvisible(false);
  // Who does something is back.
  await until(() => !b.invisible && how() === 'available', 'bob is to be seen again');
  b.setAway(true);
  await until(() => how() === 'away', 'bob is away again');
  lines.get(a).terminate();
  await until(() => a.presence.size === 0, 'nobody knows without a connection');
  await until(() => how() === 'away', 'bob is watched again');
  // Away is said anew, too.
  lines.get(b).terminate();
  await until(() => b.connection.state !== 'online', 'the connection is lost');
  await until(() => b.connection.state === 'online', 'bob is back');
  a.watchPresence([bob]);
  await until(() => how() === 'away', 'and still away');
  a.watchPresence([], { roster: true });
  await until(() => how() === 'away', 'contacts are watched');
  await b.removeContact(alice);
  await until(async () => (await states(a)).length === 0, 'they are contacts no more');
});

test('people are found by what they say and by whether they are here, page by page', { skip }, async () => {
  const [viewer] = strangers('viewer');
  const a = await connect(viewer);
  const all = await a.searchPeople({ limit: 20, facets: ['city', 'interests'] });
  assert.equal(all.people.length, 20);
  const rest = await a.searchPeople({ limit: 20, after: all.next });
  assert.deepEqual([rest.next, rest.people.length + 20, all.atLeast], ['', all.total, false]);
  const users = [...all.people, ...rest.people].map(({ user }) => user);
  assert.equal(new Set(users).size, all.total);
  const [city] = all.facets;
  assert.equal(city.attribute, 'city');
  const berlin = await a.searchPeople({ query: 'city:berlin' });
  assert.equal(city.values.find(({ value }) => value === 'Berlin').count, berlin.total);
  const byTree = await a.searchPeople({ filter: { is: { attribute: 'city', value: { keyword: 'Berlin' } } }, query: 'interests:hiking', exclude: ['olga', 'carol'] });
  assert.deepEqual(byTree.people.map(({ user }) => user).toSorted(), ['alice', 'bob']);
  // Marked in a text that has no byte a character.
  const { people } = await a.searchPeople({ query: '登山', highlight: true, explain: true });
  const mei = people.find(({ user }) => user === 'mei');
  const [{ attribute, from, to }] = mei.highlights;
  assert.equal(mei.attributes[attribute].slice(from, to), '登山');
  assert.equal(typeof mei.explanation, 'object');
  assert.ok(mei.score > 0);
  assert.equal(mei.attributes.email, undefined);
  const near = await a.searchPeople({ query: 'near:52.52,13.40,20km', sort: 'distance' });
  const metres = near.people.map(({ distanceM }) => distanceM);
  assert.ok(metres.length > 1 && metres[0] > 0);
  assert.deepEqual(metres, metres.toSorted((x, y) => x - y));
  const fromLisbon = await a.searchPeople({ sort: 'distance', from: { lat: 38.7, lon: -9.1 }, limit: 1 });
  assert.equal(fromLisbon.people[0].attributes.city, 'Lisbon');
  const profiles = await a.profiles(['nora', 'nobody', 'ana']);
  assert.deepEqual(profiles.map(({ user, attributes }) => [user, attributes.name]), [['nora', 'Nora'], ['ana', 'Ana']]);
  await assert.rejects(a.searchPeople({ query: 'rock ctiy:berlin' }), ({ code, message }) => {
    assert.equal(code, 'invalid');
    assert.match(message, /^query:\nrock ctiy:berlin\n {5}\^{4,5}\n.*`city`/);
    return true;
  });
});

test('who is found is kept live, beside whom else the app watches', { skip }, async () => {
  const [viewer, other] = strangers('viewer', 'other');
  const [a, o] = await Promise.all([connect(viewer), connect(other)]);
  const nora = await connect('nora');
  await a.startDirect(other);
  a.watchPresence([other]);
  await until(async () => (await a.searchPeople({ query: 'name:nora', online: 'only' })).total === 1, 'nora is found among who is here');
  const off = a.watchUsers(['nora']);
  const states = () => [...a.presence.values()].map(({ user, state }) => `${user} ${state}`).toSorted().join();
  await until(() => states() === `nora available,${other} available`, 'both are here');
  await nora.setInvisible(true);
  await until(() => states() === `nora offline,${other} available`, 'nora is not to be seen');
  await until(async () => (await a.searchPeople({ query: 'name:nora', online: 'only' })).total === 0, 'nor found among who is here');
  await nora.setInvisible(false);
  off();
  await until(() => states() === `${other} available`, 'nora is not looked at any more');
  o.setAway(true);
  await until(() => states() === `${other} away`, 'the other still is');
});

test('who comes online after a page was shown is told of, also after a lost connection', { skip }, async () => {
  const [viewer] = strangers('viewer');
  const a = await connect(viewer);
  const news = [];
  const { people } = await a.watchPeople({ query: 'city:tokyo', online: 'only' }, (each) => news.push(each));
  assert.deepEqual(people, []);
  await connect('haruto');
  await until(() => news.length > 0, 'haruto has come');
  assert.deepEqual(news[0], { count: 1, users: ['haruto'] });
  lines.get(a).terminate();
  await until(() => a.connection.state !== 'online', 'the connection is lost');
  await until(() => a.connection.state === 'online', 'and there again');
  // Answered after what was asked before it.
  await a.searchPeople({ limit: 1 });
  await connect('chiyo');
  await until(() => news.some(({ users }) => users.includes('chiyo')), 'chiyo has come');
  a.unwatchPeople();
});

test('messages are found by their words, page by page, also in conversations that are not loaded', { skip }, async () => {
  const { a, alice, bob, ours, theirs } = await pair();
  await ours.send('🏔 Größe zählt: lunch on the summit');
  await theirs.send('lunch at noon?');
  await theirs.send('no lunch, no dinner');
  await until(async () => (await a.searchMessages({ query: 'lunch' })).messages.length === 3, 'all three are found');
  const { messages, next } = await a.searchMessages({ query: 'grosse lunch', highlight: true });
  assert.equal(next, '');
  assert.deepEqual(messages.map(({ conversation, message }) => [conversation, message.seq, message.author]), [[ours.id, 1, alice]]);
  const [{ message, highlights }] = messages;
  assert.deepEqual(highlights.map(({ from, to }) => message.text.slice(from, to)), ['Größe', 'lunch']);
  const first = await a.searchMessages({ query: `lunch from:${bob}`, limit: 1 });
  assert.deepEqual(first.messages.map(({ message }) => message.text), ['no lunch, no dinner']);
  const second = await a.searchMessages({ query: `lunch from:${bob}`, limit: 1, after: first.next });
  assert.deepEqual(second.messages.map(({ message }) => message.text), ['lunch at noon?']);
  const best = await a.searchMessages({ query: 'lunch OR dinner', sort: 'relevance' });
  assert.equal(best.messages[0].message.text, 'no lunch, no dinner');
  assert.ok(best.messages[0].score > best.messages[1].score);
  await theirs.retract(3);
  await until(async () => (await a.searchMessages({ query: 'dinner' })).messages.length === 0, 'not any more');
  await assert.rejects(a.searchMessages({ query: 'lunch form:bob' }), ({ code, message }) => {
    assert.equal(code, 'invalid');
    assert.match(message, /^query:\nlunch form:bob\n {6}\^{4,5}\n/);
    return true;
  });
  await assert.rejects(a.searchMessages({ sort: 'oldest' }), { code: 'invalid' });
  // Another session that has not loaded it.
  const fresh = await connect(alice, { window: 1 });
  for (const each of strangers('carol', 'dave')) await fresh.startDirect(each);
  const later = await connect(alice, { window: 1 });
  assert.equal(later.conversation(ours.id).loaded, false);
  const [found] = (await later.searchMessages({ query: 'summit' })).messages;
  await later.conversation(found.conversation).load();
  assert.equal(later.conversation(found.conversation).peer, bob);
});

test('who looks at a conversation is seen by the others in it, also after a lost connection', { skip }, async () => {
  const { a, b, alice, bob, ours, theirs } = await pair();
  a.look(ours.id);
  await until(() => theirs.looking.join() === alice, 'bob sees alice');
  assert.deepEqual(ours.looking, []);
  // Alice, who was here first, tells who comes.
  const late = await connect(bob);
  const there = late.conversation(ours.id);
  late.look(ours.id);
  await until(() => ours.looking.join() === bob && there.looking.join() === alice, 'each sees the other');
  lines.get(a).terminate();
  await until(() => ours.looking.length === 0, 'nothing is known without a connection');
  await until(() => ours.looking.join() === bob && there.looking.join() === alice, 'both are seen again');
  late.look(null);
  await until(() => ours.looking.length === 0, 'bob has looked away');
  late.look(ours.id);
  await until(() => ours.looking.join() === bob, 'bob is back');
  await late.setInvisible(true);
  await until(() => ours.looking.length === 0, 'who is invisible is not seen looking');
  await late.setInvisible(false);
  const refused = [];
  b.on('error', ({ code }) => refused.push(code));
  b.look('0198c0de-1234-7abc-8def-0123456789ff');
  await until(() => refused.join() === 'not_found', 'there is no such conversation');
});

test('muted conversations do not count in the total', { skip }, async () => {
  const { b, ours, theirs } = await pair();
  await theirs.setMuted(true);
  await ours.send('psst');
  await until(() => theirs.unread === 1 && theirs.muted, 'muted and unread');
  assert.equal(b.unreadTotal, 0);
  await theirs.setMuted(false);
  await until(() => b.unreadTotal === 1, 'counted again');
});

test('long histories come page by page, from both ends and around a message', { skip }, async () => {
  const { ours, theirs } = await pair();
  for (let i = 1; i <= 160; i += 1) (i % 2 ? ours : theirs).send(`${i}`);
  await until(() => ours.lastSeq === 160, 'all are there');
  const client = await connect(clients.at(-1).user);
  const fresh = client.conversation(ours.id);
  await fresh.open();
  assert.equal(fresh.messages.length, 50);
  const target = fresh.messages[0].seq - 70;
  await fresh.loadAround(target);
  assert.ok(fresh.message(target));
  assert.ok(fresh.timeline.filter(({ type }) => type === 'hole').length >= 1);
  while (fresh.timeline.some(({ type }) => type === 'hole')) await fresh.loadOlder();
  assert.deepEqual(fresh.messages.map(({ seq }) => seq), Array.from({ length: 160 }, (_, i) => i + 1));
  assert.equal(await fresh.loadOlder(), false);
  // Each side's messages in the order sent.
  for (const odd of [1, 0]) {
    const own = texts(fresh).map(Number).filter((n) => n % 2 === odd);
    assert.deepEqual(own, [...own].sort((x, y) => x - y));
  }
});

test('a long text is fetched', { skip }, async () => {
  const { ours, theirs } = await pair();
  const long = '长'.repeat(3_000);
  const { seq } = await ours.send(long);
  await until(() => theirs.message(seq)?.stub, 'a stub');
  assert.equal(await theirs.loadText(seq), long);
  assert.equal(theirs.message(seq).text, long);
});

test('a block holds back messages, and lifting it brings none of the old ones along unseen', { skip }, async () => {
  const { alice, bob, a, b, ours, theirs } = await pair();
  await theirs.send('before');
  await ours.open();
  await until(() => ours.unread === 1, 'the first');
  await a.block(bob);
  await until(() => a.blocked.has(bob), 'blocked');
  assert.deepEqual(await a.listBlocked(), [bob]);
  // Bob sees no difference.
  await theirs.send('into the void');
  await assert.rejects(ours.send('hm'), { code: 'blocked_by_you' });
  await a.unblock(bob);
  await until(() => !a.blocked.has(bob), 'unblocked');
  await theirs.send('after');
  await until(() => texts(ours).includes('after'), 'messages again');
  // Live and fresh say the same.
  const again = await connect(alice);
  const fresh = again.conversation(ours.id);
  await fresh.open();
  await until(() => texts(ours).join() === texts(fresh).join(), `the same messages: ${texts(ours)} and ${texts(fresh)}`);
  await until(() => ours.unread === fresh.unread, 'the same count');
  assert.equal(b.connection.state, 'online');
});

test('two devices of one user agree', { skip }, async () => {
  const { alice, bob, a, ours, theirs } = await pair();
  const tablet = await connect(alice);
  const there = tablet.conversation(ours.id);
  await theirs.send('to both');
  await until(() => ours.unread === 1 && there.unread === 1, 'unread on both');
  there.markRead();
  await until(() => ours.unread === 0 && a.unreadTotal === 0, 'read on both');
  await there.send('from the tablet');
  await until(() => ours.lastMessage.text === 'from the tablet', 'seen on the phone');
  assert.equal(ours.unread, 0);
  assert.equal(theirs.peer, alice);
  assert.equal(ours.peer, bob);
});

test('a token that is refused ends it with a reason', { skip }, async () => {
  const refreshed = [];
  const client = new Tidings({
    url: server.url,
    getToken: ({ refresh }) => {
      refreshed.push(refresh);
      return 'nonsense';
    },
    WebSocket,
    storage: new MemoryStorage(),
  });
  await assert.rejects(client.connect(), { code: 'unauthenticated', retry: false });
  assert.deepEqual(refreshed, [false, true]);
  assert.equal(client.connection.state, 'closed');
});

test('state and changes are the fresh state, through lost connections', { skip }, async () => {
  const random = seeded(7);
  const [alice, ...others] = strangers('alice', 'bob', 'carol', 'dave');
  const a = await connect(alice);
  const rest = await Promise.all(others.map((user) => connect(user)));
  const group = await a.createGroup({ title: 'All', members: others });
  const directs = await Promise.all(rest.map((client) => client.startDirect(alice)));
  const rooms = [group, ...directs];
  for (const room of rooms) await until(() => a.conversation(room.id).loaded, 'known');
  await a.conversation(group.id).open();
  const everyone = [a, ...rest];
  const refused = (error) => assert.ok(['retracted', 'forbidden', 'not_found'].includes(error.code), error.code);
  for (let round = 0; round < 6; round += 1) {
    const work = [];
    for (let i = 0; i < 25; i += 1) {
      const client = random.pick(everyone);
      const room = random.pick(rooms.filter(({ id }) => client.conversation(id).loaded));
      const conversation = client.conversation(room.id);
      const seq = 1 + random.below(Math.max(1, conversation.lastSeq));
      const action = random.below(8);
      if (action < 4) work.push(conversation.send(`${round}.${i}`));
      else if (action === 4) work.push(conversation.react(seq, random.pick(['👍', '❤️'])).catch(refused));
      else if (action === 5) work.push(conversation.edit(seq, `edited ${i}`).catch(refused));
      else if (action === 6) work.push(conversation.retract(seq).catch(refused));
      else conversation.markRead();
      // Now and then the line breaks under alice, whatever is on its way.
      if (random.chance(0.03)) breakLine(a);
    }
    await Promise.all(work);
  }
  const fresh = await connect(alice);
  for (const room of rooms) {
    const [live, again] = [a.conversation(room.id), fresh.conversation(room.id)];
    await Promise.all([live.open(), again.open()]);
    while (await live.loadOlder());
    while (await again.loadOlder());
    await until(() => JSON.stringify(essence(live)) === JSON.stringify(essence(again)), `the same state in ${live.title || live.peer}`).catch(() => {
      assert.deepEqual(essence(live), essence(again));
    });
  }
  await until(() => a.unreadTotal === fresh.unreadTotal, 'the same total');
  assert.deepEqual(a.conversations.map(({ id }) => id), fresh.conversations.map(({ id }) => id));

  function essence(conversation) {
    const { id, kind, title, peer, role, memberCount, lastMessage, lastSeq, readSeq, unread, muted, activityMs } = conversation;
    const cursors = [...conversation.cursors].sort((x, y) => (x.user < y.user ? -1 : 1));
    return { id, kind, title, peer, role, memberCount, lastMessage, lastSeq, readSeq, unread, muted, activityMs, cursors, messages: conversation.messages };
  }
});

/** Cuts the connection of a client as a network would. */
function breakLine(client) {
  lines.get(client)?.terminate();
}

test('a killed server loses nothing and doubles nothing', { skip }, async () => {
  const { a, b, alice, ours, theirs } = await pair();
  await ours.send('0');
  const states = [];
  a.on('connection', ({ state }) => states.push(state));
  const sent = [];
  for (let i = 1; i <= 30; i += 1) sent.push(ours.send(`${i}`));
  await sent[4];
  await server.kill();
  await until(() => a.connection.state !== 'online', 'alice notices');
  for (let i = 31; i <= 40; i += 1) sent.push(ours.send(`${i}`));
  assert.ok(ours.pending.length > 0);
  assert.ok(ours.pending.every(({ state }) => state !== 'failed'));
  await server.start();
  const accepted = await Promise.all(sent);
  assert.deepEqual(accepted.map(({ seq }) => seq), Array.from({ length: 40 }, (_, i) => i + 2));
  await theirs.open();
  await until(() => theirs.lastSeq === 41 && b.connection.state === 'online', 'bob has them');
  await until(() => theirs.messages.length === 41, 'all of them');
  assert.deepEqual(texts(theirs), Array.from({ length: 41 }, (_, i) => `${i}`));
  assert.equal(theirs.unread, 41);
  await until(() => ours.pending.length === 0, 'nothing pending');
  assert.ok(states.includes('waiting'));
  assert.equal(a.user, alice);
});

test('what was written before a restart of the program is sent after it', { skip }, async () => {
  const [alice, bob] = strangers('alice', 'bob');
  const folder = await mkdtemp(join(tmpdir(), 'tidings-outbox-'));
  const first = await connect(alice, { storage: new FileStorage(folder) });
  const conversation = await first.startDirect(bob);
  await server.kill();
  await until(() => first.connection.state !== 'online', 'no connection');
  for (const text of ['one', 'two', 'three']) conversation.send(text);
  await until(async () => (await new FileStorage(folder).load()).length === 3, 'kept in files');
  await first.close();
  await server.start();
  const second = await connect(alice, { storage: new FileStorage(folder) });
  const again = second.conversation(conversation.id);
  await again.open();
  await until(() => again.lastSeq === 3, 'sent');
  await until(async () => (await new FileStorage(folder).load()).length === 0, 'no longer kept');
  assert.deepEqual(texts(again), ['one', 'two', 'three']);
  await rm(folder, { recursive: true });
});
