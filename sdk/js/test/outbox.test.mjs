import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Calls } from '../src/calls.js';
import { TidingsError } from '../src/error.js';
import { noLocks } from '../src/locks.js';
import { Outbox } from '../src/outbox.js';
import { MemoryStorage } from '../src/storage/memory.js';
import { uuidTime, uuidv7Maker } from '../src/uuid.js';
import { errors } from './support/catalogue.mjs';
import { ManualClock, settled } from './support/clock.mjs';

const post = (conversation, text) => ({ post_message: { conversation, text, reply_to: 0, mentions: [] } });
const accepted = (more = {}) => ({ accepted: { position: 1, at_ms: 1, conversation: 'a', seq: 1, duplicate: false, ...more } });
const refused = (code, more = {}) => ({ error: { code, message: code, retry: false, retry_after_ms: 0, ...more } });

/** An outbox and the server it talks to, which answers only when told. */
function setUp({ storage = new MemoryStorage(), locks = noLocks(), clock = new ManualClock(), faultOf = () => null, isKept = () => true } = {}) {
  const frames = [];
  const calls = new Calls((frame) => {
    frames.push(frame);
    return true;
  });
  const errors = [];
  const outbox = new Outbox({
    storage,
    locks,
    clock,
    random: () => 0.5,
    newId: uuidv7Maker({ now: () => clock.now() }),
    serverNow: () => clock.now(),
    calls,
    faultOf,
    isKept,
    onChange: () => {},
    onAccepted: () => {},
    onError: (error) => errors.push(error),
  });
  return {
    outbox,
    calls,
    storage,
    clock,
    frames,
    errors,
    texts: () => frames.map(({ request }) => request.post_message?.text ?? Object.keys(request)[0]),
    /** Answers the last frame sent with this text. */
    answer: (text, outcome) => {
      const frame = frames.filter(({ request }) => request.post_message?.text === text).at(-1);
      calls.onReply({ id: frame.id, outcome });
    },
    /** Answers the last ping. */
    pong: () => calls.onReply({ id: frames.findLast(({ request }) => 'ping' in request).id, outcome: { pong: { now_ms: 1, token_expires_ms: 0 } } }),
    lose: () => {
      outbox.offline();
      calls.drop();
      frames.length = 0;
    },
  };
}

test('one command of a conversation is under way at a time, others do not wait for it', async () => {
  const { outbox, texts, answer } = setUp();
  await outbox.online('alice');
  for (const text of ['a1', 'a2', 'a3']) outbox.add(post('a', text));
  outbox.add(post('b', 'b1'));
  assert.deepEqual(texts(), ['a1', 'b1']);
  answer('a1', accepted());
  await settled();
  assert.deepEqual(texts(), ['a1', 'b1', 'a2']);
  answer('a2', refused('retracted'));
  await settled();
  assert.deepEqual(texts(), ['a1', 'b1', 'a2', 'a3']);
});

test('what was written without a connection is sent in order, with the ids it got then', async () => {
  const { outbox, texts, frames, answer } = setUp();
  const ids = ['a1', 'a2'].map((text) => outbox.add(post('a', text)).entry.id);
  assert.deepEqual(texts(), []);
  await outbox.online('alice');
  await settled();
  answer('a1', accepted());
  await settled();
  assert.deepEqual(texts(), ['a1', 'a2']);
  assert.deepEqual(frames.map(({ command_id }) => command_id), ids);
});

test('after a lost connection the unanswered is sent again, same id, same order', async () => {
  const { outbox, texts, frames, answer, lose } = setUp();
  await outbox.online('alice');
  const first = outbox.add(post('a', 'a1'));
  const second = outbox.add(post('a', 'a2'));
  const before = frames[0].command_id;
  lose();
  await outbox.online('alice');
  assert.deepEqual(texts(), ['a1']);
  assert.equal(frames[0].command_id, before);
  answer('a1', accepted({ duplicate: true, seq: 7 }));
  await settled();
  assert.deepEqual(texts(), ['a1', 'a2']);
  answer('a2', accepted({ seq: 8 }));
  assert.equal((await first.answer).seq, 7);
  assert.equal((await first.answer).duplicate, true);
  assert.equal((await second.answer).seq, 8);
  assert.deepEqual(outbox.entries, []);
});

test('a late reply of an earlier connection answers nothing', async () => {
  const { outbox, frames, texts, answer, lose } = setUp();
  await outbox.online('alice');
  outbox.add(post('a', 'a1'));
  const late = frames[0].id;
  lose();
  await outbox.online('alice');
  assert.notEqual(frames[0].id, late);
  answer('a1', accepted());
  assert.deepEqual(texts(), ['a1']);
});

test('a refusal to be retried keeps its place in the line', async () => {
  const { outbox, texts, answer, clock } = setUp();
  await outbox.online('alice');
  outbox.add(post('a', 'a1'));
  outbox.add(post('a', 'a2'));
  answer('a1', refused('unavailable', { retry: true, retry_after_ms: 700 }));
  outbox.add(post('a', 'a3'));
  outbox.add(post('b', 'b1'));
  assert.deepEqual(texts(), ['a1', 'b1']);
  await clock.advance(699);
  assert.deepEqual(texts(), ['a1', 'b1']);
  await clock.advance(1);
  assert.deepEqual(texts(), ['a1', 'b1', 'a1']);
  answer('a1', accepted());
  await settled();
  assert.deepEqual(texts(), ['a1', 'b1', 'a1', 'a2']);
});

test('every error does what the catalogue says', async () => {
  for (const { code, remedy } of errors) {
    const { outbox, frames, answer, clock, storage, texts } = setUp();
    await outbox.online('alice');
    const { entry, answer: answered } = outbox.add(post('a', 'a1'));
    let told = null;
    answered.catch((error) => (told = error));
    const title = outbox.add({ set_title: { conversation: 'b', title: 'b1' } });
    let titleTold = null;
    title.answer.catch((error) => (titleTold = error));
    await settled();
    const retry = remedy === 'Retry';
    const outcome = refused(code, { retry, retry_after_ms: 700 });
    answer('a1', outcome);
    await settled();
    assert.deepEqual(texts(), ['a1', 'set_title'], `${code}: not at once`);
    await clock.advance(700);
    const sent = frames.filter(({ request }) => request.post_message);
    if (retry) {
      assert.deepEqual(sent.map(({ command_id }) => command_id), [entry.id, entry.id], code);
      assert.deepEqual([told, entry.error], [null, null], `${code}: nobody is told`);
      continue;
    }
    assert.ok(['NewToken', 'Correct', 'Tell', 'Refresh', 'Compare'].includes(remedy), `${code}: ${remedy} is new here`);
    assert.equal(sent.length, 1, `${code}: never again`);
    assert.deepEqual([told.code, told.retry, told.commandId], [code, false, entry.id]);
    // What somebody wrote is theirs to decide about; anything else is gone.
    assert.equal(entry.error.code, code);
    const asked = frames.find(({ request }) => request.set_title);
    outbox.discard(entry.id);
    assert.deepEqual(outbox.entries.map(({ id }) => id), [asked.command_id]);
    await settled();
    assert.equal(titleTold, null);
    assert.equal((await storage.load()).length, 1, code);
  }
});

test('a rate limit holds everything', async () => {
  const { outbox, texts, answer, clock } = setUp();
  await outbox.online('alice');
  outbox.add(post('a', 'a1'));
  answer('a1', refused('rate_limited', { retry: true, retry_after_ms: 300 }));
  outbox.add(post('b', 'b1'));
  assert.deepEqual(texts(), ['a1']);
  await clock.advance(300);
  assert.deepEqual(texts(), ['a1', 'a1', 'b1']);
});

test('a command at which the server keeps failing does not hold up the rest for ever', async () => {
  const { outbox, texts, answer, clock, errors } = setUp();
  await outbox.online('alice');
  const { answer: first } = outbox.add(post('a', 'a1'));
  outbox.add(post('a', 'a2'));
  for (let i = 0; i < 10; i += 1) {
    answer('a1', refused('internal', { retry: true }));
    await clock.advance(30_000);
  }
  await assert.rejects(first, { code: 'internal' });
  assert.equal(errors.length, 1);
  assert.equal(texts().at(-1), 'a2');
});

test('a refused message stays until it is retried or discarded; other commands go', async () => {
  const { outbox, calls, texts, frames, answer, storage, errors } = setUp();
  await outbox.online('alice');
  const { answer: message, entry } = outbox.add(post('a', 'a1'));
  answer('a1', refused('forbidden'));
  await assert.rejects(message, { code: 'forbidden', retry: false });
  assert.equal(outbox.entries[0].error.code, 'forbidden');
  await settled();
  assert.equal((await storage.load())[0].error.code, 'forbidden');

  const again = outbox.retry(entry.id);
  assert.deepEqual(texts(), ['a1', 'a1']);
  assert.notEqual(frames[1].command_id, frames[0].command_id);
  answer('a1', refused('full'));
  await assert.rejects(again.answer, { code: 'full' });
  outbox.discard(again.entry.id);
  assert.deepEqual(outbox.entries, []);
  await settled();
  assert.deepEqual(await storage.load(), []);

  const { answer: title } = outbox.add({ set_title: { conversation: 'a', title: 'x' } });
  calls.onReply({ id: frames.at(-1).id, outcome: refused('forbidden') });
  await assert.rejects(title, { code: 'forbidden' });
  assert.deepEqual(outbox.entries, []);
  assert.equal(errors.length, 3);
});

test('what may have arrived cannot be discarded, what was not sent can', async () => {
  const { outbox } = setUp();
  const { answer, entry } = outbox.add(post('a', 'a1'));
  outbox.discard(entry.id);
  await assert.rejects(answer, { code: 'discarded' });
  await outbox.online('alice');
  const sent = outbox.add(post('a', 'a2'));
  assert.throws(() => outbox.discard(sent.entry.id), { code: 'invalid' });
  assert.throws(() => outbox.retry(sent.entry.id), { code: 'invalid' });
  assert.throws(() => outbox.discard('nothing'), { code: 'not_found' });
});

test('the storage never says "not sent" about a command that was', async () => {
  const storage = new MemoryStorage();
  const order = [];
  const put = storage.put.bind(storage);
  storage.put = async (entry) => {
    await put(entry);
    order.push(`stored sent=${entry.sent}`);
  };
  const { outbox, frames } = setUp({ storage });
  outbox.add(post('a', 'a1'));
  await settled();
  const sending = outbox.online('alice');
  await sending;
  await settled();
  assert.equal(frames.length, 1);
  assert.equal(order.at(-1), 'stored sent=true');
  assert.equal((await storage.load())[0].sent, true);
});

test('commands never sent get a fresh id when theirs has become old, in order', async () => {
  const { outbox, frames, texts, answer, clock, storage } = setUp();
  const old = ['a1', 'a2'].map((text) => outbox.add(post('a', text)));
  await clock.advance(8 * 24 * 3600 * 1000);
  await outbox.online('alice');
  await settled();
  answer('a1', accepted());
  await settled();
  assert.deepEqual(texts(), ['a1', 'a2']);
  for (const { command_id } of frames) assert.equal(uuidTime(command_id), clock.now());
  assert.equal((await old[0].answer).seq, 1);
  assert.deepEqual((await storage.load()).map(({ id }) => id), [frames[1].command_id]);
});

test('a command that may have arrived keeps its id however old: the server decides', async () => {
  const { outbox, frames, clock, lose } = setUp();
  await outbox.online('alice');
  const { entry } = outbox.add(post('a', 'a1'));
  lose();
  await clock.advance(8 * 24 * 3600 * 1000);
  await outbox.online('alice');
  assert.equal(frames[0].command_id, entry.id);
});

test('a restart goes on where it stopped, with the same ids', async () => {
  const storage = new MemoryStorage();
  const before = setUp({ storage });
  await before.outbox.online('alice');
  for (const text of ['a1', 'a2']) before.outbox.add(post('a', text));
  await settled();
  const after = setUp({ storage, clock: before.clock });
  await after.outbox.online('alice');
  await settled();
  assert.deepEqual(after.texts(), ['a1']);
  assert.equal(after.frames[0].command_id, before.frames[0].command_id);
  after.answer('a1', accepted());
  await settled();
  assert.deepEqual(after.texts(), ['a1', 'a2']);
});

test('what no server could read is refused, and those behind it go', async () => {
  const storage = new MemoryStorage();
  const before = setUp({ storage });
  await before.outbox.online('alice');
  before.outbox.add(post('a', 'poison'));
  before.outbox.add({ set_title: { conversation: 'b', title: 'poison' } });
  before.outbox.add(post('a', 'a2'));
  before.outbox.add(post('b', 'b2'));
  await settled();

  const faultOf = (request) => (JSON.stringify(request).includes('poison') ? new TidingsError({ code: 'invalid', message: 'poison' }) : null);
  const { outbox, texts, errors } = setUp({ storage, clock: before.clock, faultOf });
  await outbox.online('alice');
  await settled();
  assert.deepEqual(texts(), ['a2', 'b2']);
  assert.deepEqual(errors.map(({ code, retry }) => [code, retry]), [['invalid', false], ['invalid', false]]);
  // What somebody wrote can still be read and deleted; the rest is gone for good.
  assert.deepEqual(outbox.entries.map(({ request, error }) => [Object.keys(request)[0], error?.code]), [
    ['post_message', 'invalid'],
    ['post_message', undefined],
    ['post_message', undefined],
  ]);
  assert.ok((await storage.load()).every(({ request }) => !('set_title' in request)));
});

test('damaged entries are dropped, with an error each, and hold up nothing', async () => {
  const storage = new MemoryStorage();
  const before = setUp({ storage });
  await before.outbox.online('alice');
  before.outbox.add(post('a', 'a1'));
  await settled();
  const [{ id, ...whole }] = await storage.load();
  const newId = uuidv7Maker({ now: () => before.clock.now() - 1000 });
  for (const request of [null, {}, { post_message: null }, { post_message: 'x' }, 7]) await storage.put({ ...whole, id: newId(), request });
  await storage.put({ id: newId() });

  const { outbox, texts, errors } = setUp({ storage, clock: before.clock });
  await outbox.online('alice');
  await settled();
  assert.deepEqual(texts(), ['a1']);
  assert.deepEqual(errors.map(({ code, retry }) => [code, retry]), Array(6).fill(['damaged', false]));
  assert.deepEqual((await storage.load()).map((entry) => entry.id), [id]);
});

const fault = new TidingsError({ code: 'protocol', message: 'unreadable' });

test('a command over which the server ends the connection is found and given up', async () => {
  const { outbox, texts, pong, answer, lose, errors } = setUp();
  await outbox.online('alice');
  for (const lane of ['a', 'b', 'c']) outbox.add(post(lane, `${lane}1`));
  assert.deepEqual(texts(), ['a1', 'b1', 'c1']);
  // Which of the three it was nobody knows yet.
  assert.equal(outbox.blame(fault), true);
  assert.deepEqual(errors, []);
  lose();
  await outbox.online('alice');
  assert.deepEqual(texts(), ['ping']);
  pong();
  assert.deepEqual(texts(), ['ping', 'a1', 'ping']);
  answer('a1', accepted());
  pong();
  assert.deepEqual(texts(), ['ping', 'a1', 'ping', 'ping', 'b1', 'ping']);
  assert.equal(outbox.blame(fault), true);
  assert.deepEqual(errors.map(({ code, retry, commandId }) => [code, retry, commandId]), [['protocol', false, outbox.entries[0].id]]);
  lose();
  await outbox.online('alice');
  pong();
  assert.deepEqual(texts(), ['ping', 'c1', 'ping']);
  answer('c1', accepted());
  pong();
  // Nothing was under way: the fault lies elsewhere, and connecting again would not help.
  assert.equal(outbox.blame(fault), false);
  for (const lane of ['a', 'c']) outbox.add(post(lane, `${lane}2`));
  assert.deepEqual(texts(), ['ping', 'c1', 'ping', 'a2', 'c2']);
});

test('a command that was all the server had to read is given up at once', async () => {
  const { outbox, calls, frames, answer, errors } = setUp();
  await outbox.online('alice');
  outbox.add(post('a', 'a1'));
  const heard = [];
  calls.call({ list_blocked: {} }, (outcome) => heard.push(outcome));
  // The server reads in order: what was sent before what it answers cannot be at fault any more.
  calls.onReply({ id: frames[1].id, outcome: { blocked: { users: [] } } });
  assert.equal(heard.length, 1);
  assert.equal(outbox.blame(fault), false);
  answer('a1', accepted());
  const { entry } = outbox.add(post('a', 'a2'));
  assert.equal(outbox.blame(fault), true);
  assert.deepEqual(errors.map(({ commandId }) => commandId), [entry.id]);
});

for (const [what, disturb] of [
  ['a question', (calls) => calls.call({ list_blocked: {} }, () => {})],
  ['a signal nothing answers', (calls) => calls.tell({ typing: { conversation: 'a', active: true } })],
]) {
  test(`a command is not given up over ${what}: it goes once more, alone, with the same id`, async () => {
    const { outbox, calls, texts, frames, pong, answer, lose, errors } = setUp();
    await outbox.online('alice');
    const { answer: done, entry } = outbox.add(post('a', 'a1'));
    disturb(calls);
    assert.equal(outbox.blame(fault), true);
    assert.deepEqual([errors.length, entry.error], [0, null]);
    lose();
    await outbox.online('alice');
    // What comes up meanwhile waits until the server has read the command.
    disturb(calls);
    pong();
    disturb(calls);
    assert.deepEqual(texts(), ['ping', 'a1', 'ping']);
    assert.equal(frames[1].command_id, entry.id);
    pong();
    assert.equal(texts().length, 5);
    answer('a1', accepted({ duplicate: true, seq: 7 }));
    assert.equal((await done).seq, 7);
  });
}

test('somebody else’s commands are not sent', async () => {
  const storage = new MemoryStorage();
  const alice = setUp({ storage });
  await alice.outbox.online('alice');
  alice.outbox.add(post('a', 'a1'));
  await settled();
  const bob = setUp({ storage });
  await bob.outbox.online('bob');
  await settled();
  assert.deepEqual(bob.texts(), []);
  assert.equal((await storage.load()).length, 1);
});

test('closing lets go, connecting again goes on', async () => {
  const { outbox, texts, frames } = setUp();
  await outbox.online('alice');
  const { answer, entry } = outbox.add(post('a', 'a1'));
  await outbox.close();
  await assert.rejects(answer, { code: 'closed', retry: true });
  await outbox.online('alice');
  await settled();
  assert.deepEqual(texts(), ['a1', 'a1']);
  assert.equal(frames[1].command_id, entry.id);
});

test('what is written while connecting again goes behind what was kept', async () => {
  const { outbox, texts, answer } = setUp();
  await outbox.online('alice');
  outbox.add(post('a', 'before'));
  await outbox.close();
  const online = outbox.online('alice');
  outbox.add(post('a', 'after'));
  await online;
  assert.deepEqual(texts(), ['before', 'before']);
  answer('before', accepted({ duplicate: true }));
  await settled();
  assert.deepEqual(texts(), ['before', 'before', 'after']);
});

test('what is written right after a restart goes behind what was kept', async () => {
  const storage = new MemoryStorage();
  const before = setUp({ storage });
  await before.outbox.online('alice');
  before.outbox.add(post('a', 'before'));
  // Ids of two processes are in order from one millisecond to the next.
  await before.clock.advance(1);
  const { outbox, texts } = setUp({ storage, clock: before.clock });
  const online = outbox.online('alice');
  outbox.add(post('a', 'after'));
  await online;
  assert.deepEqual(texts(), ['before']);
});

test('a storage that hangs does not hold up what is written', async () => {
  const storage = new MemoryStorage();
  storage.load = () => new Promise(() => {});
  const { outbox, texts, clock } = setUp({ storage });
  void outbox.online('alice');
  outbox.add(post('a', 'a1'));
  await clock.advance(2_000);
  await settled();
  assert.deepEqual(texts(), ['a1']);
});

test('a storage that fails costs durability, not the message', async () => {
  const storage = new MemoryStorage();
  storage.put = async () => {
    throw new Error('disk full');
  };
  const { outbox, texts, answer, errors } = setUp({ storage });
  await outbox.online('alice');
  const { answer: done } = outbox.add(post('a', 'a1'));
  await settled();
  assert.deepEqual(texts(), ['a1']);
  assert.equal(errors[0].code, 'storage');
  assert.match(errors[0].message, /disk full/);
  answer('a1', accepted());
  assert.equal((await done).seq, 1);
});

/** Locks as browsers have them, for tabs in one process. */
function sharedLocks() {
  const held = new Set();
  const waiting = new Map();
  const gone = async (name) => {
    const tasks = waiting.get(name) ?? [];
    waiting.delete(name);
    for (const task of tasks) await task().catch(() => {});
  };
  return {
    hold: async (name) => {
      held.add(name);
      return () => {
        held.delete(name);
        void gone(name);
      };
    },
    whenGone: (name, task) => {
      waiting.set(name, [...(waiting.get(name) ?? []), task]);
      if (!held.has(name)) queueMicrotask(() => void gone(name));
      return () => waiting.delete(name);
    },
    held: async () => [...held],
  };
}

test('a tab leaves living tabs their commands, and takes over those of one that closes', async () => {
  const storage = new MemoryStorage();
  const locks = sharedLocks();
  const first = setUp({ storage, locks });
  const second = setUp({ storage, locks, clock: first.clock });
  const third = setUp({ storage, locks, clock: first.clock });
  await first.outbox.online('alice');
  first.outbox.add(post('a', 'a1'));
  first.outbox.add(post('a', 'a2'));
  await settled();
  await second.outbox.online('alice');
  await third.outbox.online('alice');
  await settled();
  assert.deepEqual([...second.texts(), ...third.texts()], []);

  await first.outbox.close();
  await settled();
  // One of the two has them, in order and with their ids; the other one nothing.
  const [heir, other] = second.frames.length > 0 ? [second, third] : [third, second];
  assert.deepEqual(heir.texts(), ['a1']);
  assert.equal(heir.frames[0].command_id, first.frames[0].command_id);
  heir.answer('a1', accepted());
  await settled();
  assert.deepEqual(heir.texts(), ['a1', 'a2']);
  assert.deepEqual(other.texts(), []);
});

test('a tab that had nothing to leave yet is watched too', async () => {
  const storage = new MemoryStorage();
  const locks = sharedLocks();
  const first = setUp({ storage, locks });
  await first.outbox.online('alice');
  const second = setUp({ storage, locks, clock: first.clock });
  await second.outbox.online('alice');
  first.lose();
  first.outbox.add(post('a', 'written later'));
  await settled();
  assert.deepEqual(second.texts(), []);
  await first.outbox.close();
  await settled();
  assert.deepEqual(second.texts(), ['written later']);
});

test('what a tab left that was never seen alive is found by and by', async () => {
  const storage = new MemoryStorage();
  const locks = sharedLocks();
  const first = setUp({ storage, locks });
  await first.outbox.online('alice');
  const brief = setUp({ storage, locks, clock: first.clock });
  brief.outbox.add(post('a', 'left behind'));
  await settled();
  await brief.outbox.close();
  await settled();
  assert.deepEqual(first.texts(), []);
  await first.clock.advance(30_000);
  await settled();
  assert.deepEqual(first.texts(), ['left behind']);
});

for (const [name, makeLocks] of [['without locks', noLocks], ['with locks', sharedLocks]]) {
  test(`what could not be taken over is tried again, ${name}`, async () => {
    const storage = new MemoryStorage();
    const locks = makeLocks();
    const first = setUp({ storage, locks });
    await first.outbox.online('alice');
    first.outbox.add(post('a', 'a1'));
    await settled();
    await first.outbox.close();
    const load = storage.load.bind(storage);
    let loads = 0;
    // The look around works, what follows from it does not.
    storage.load = async () => {
      if (++loads === 2) throw new Error('busy');
      return load();
    };
    const second = setUp({ storage, locks, clock: first.clock });
    await second.outbox.online('alice');
    assert.deepEqual([second.texts(), second.errors.map(({ code }) => code)], [[], ['storage']]);
    await first.clock.advance(30_000);
    await settled();
    assert.deepEqual(second.texts(), ['a1']);
    second.answer('a1', accepted());
    await settled();
    assert.deepEqual(await load(), []);
  });
}

test('without locks, what a tab that lives writes later is left to it', async () => {
  const storage = new MemoryStorage();
  const first = setUp({ storage });
  await first.outbox.online('alice');
  first.outbox.add(post('a', 'a1'));
  await settled();
  const second = setUp({ storage, clock: first.clock });
  await second.outbox.online('alice');
  assert.deepEqual(second.texts(), ['a1']);
  first.outbox.add(post('b', 'b1'));
  await second.clock.advance(90_000);
  await settled();
  assert.deepEqual(second.texts(), ['a1']);
});
