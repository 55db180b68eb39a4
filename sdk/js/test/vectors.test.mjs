import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Calls } from '../src/calls.js';
import { fromView } from '../src/state.js';
import { Store } from '../src/store.js';
import { acceptedFromWire, heldFromWire, kindOf, messageFromWire, parseFrame } from '../src/wire.js';

const folder = new URL('../../../protocol/vectors/', import.meta.url);
const vectors = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
const named = (name) => vectors.find((vector) => vector.name === name).json;

/** What reading a frame from the server makes of it: nothing that matters may get lost. */
function understand(json) {
  const frame = parseFrame(JSON.stringify(json));
  if (!frame) return null;
  const [[name, body]] = Object.entries(frame);
  if (name !== 'event') return { name, body };
  const store = new Store();
  store.me = 'alice';
  const todo = store.apply(body);
  return { name, body, kind: kindOf(body), todo };
}

test('every frame of a server is understood', () => {
  const server = vectors.filter(({ side }) => side === 'server');
  assert.ok(server.length >= 30, `${server.length} vectors`);
  for (const { name, json } of server) {
    const understood = understand(json);
    if (name.startsWith('event/')) {
      assert.equal(understood.kind?.name, name.slice('event/'.length), name);
      assert.equal(understood.todo.applied, true, name);
    } else if (name.startsWith('body/')) {
      assert.equal(understood.name, name.slice('body/'.length));
    } else if (name.startsWith('outcome/')) {
      assert.deepEqual(Object.keys(understood.body.outcome), [name.slice('outcome/'.length)]);
    } else {
      // Edges and frames from the future: skipped in peace.
      assert.ok(understood === null || typeof understood.name === 'string', name);
    }
  }
});

test('a reply reaches who asked, also when its outcome is from the future', () => {
  for (const { name, json } of vectors.filter(({ json }) => json?.reply)) {
    const calls = new Calls((frame) => {
      sent = frame;
      return true;
    });
    let sent;
    let outcome;
    calls.call({ ping: {} }, (came) => (outcome = came));
    calls.onReply({ ...json.reply, id: sent.id });
    assert.deepEqual(outcome, json.reply.outcome ?? {}, name);
  }
});

test('a message keeps all it says', () => {
  const { message } = named('outcome/message').reply.outcome;
  assert.deepEqual(messageFromWire(message), {
    seq: 12,
    author: 'bob',
    atMs: message.at_ms,
    text: 'See you at 8',
    replyTo: 11,
    mentions: ['alice', 'carol'],
    editedMs: message.edited_ms,
    retracted: true,
    erased: true,
    stub: true,
    countable: true,
    reactions: [
      { reaction: '👍', count: 2, mine: true },
      { reaction: ':tada:', count: 1, mine: false },
    ],
    commandId: message.command_id,
  });
  const short = named('body/event').event.kind.message_posted;
  const { retracted, erased, stub, reactions, mentions, replyTo, editedMs } = messageFromWire(short);
  assert.deepEqual({ retracted, erased, stub, reactions, mentions, replyTo, editedMs }, {
    retracted: false, erased: false, stub: false, reactions: [], mentions: [], replyTo: 0, editedMs: 0,
  });
});

test('a conversation keeps all it says', () => {
  const { conversation } = named('outcome/conversation').reply.outcome;
  const state = fromView(conversation, 4711);
  const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  for (const [name, value] of Object.entries(conversation)) {
    if (name === 'last_message') assert.deepEqual(state.lastMessage, messageFromWire(value));
    else if (name === 'cursors') assert.deepEqual(state.cursors, value.map(({ user, read_seq, delivered_seq }) => ({ user, readSeq: read_seq, deliveredSeq: delivered_seq })));
    else assert.deepEqual(state[camel(name)], value, name);
  }
});

test('an acceptance keeps all it says', () => {
  const { accepted } = named('outcome/accepted').reply.outcome;
  assert.deepEqual(acceptedFromWire(accepted), {
    position: 4712, atMs: accepted.at_ms, conversation: accepted.conversation, seq: 13, held: 3, duplicate: true, answer: '{"ok":true}',
  });
});

test('what is held keeps all it says', () => {
  const { held } = named('outcome/held').reply.outcome;
  const camel = (/** @type {string} */ name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  for (const [name, value] of Object.entries(held.held[0])) {
    assert.deepEqual(heldFromWire(held.held[0])[camel(name)], value, name);
  }
});

test('a reset fills the store', () => {
  const store = new Store();
  const { reset } = named('body/reset');
  store.reset(reset);
  assert.deepEqual(store.cursor, reset.cursor);
  assert.equal(store.conversations.size, reset.conversations.length);
  assert.equal(store.more, reset.more);
  assert.deepEqual([...store.blocked], reset.blocked);
});
