import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromView } from '../src/state.js';
import { Store } from '../src/store.js';
import { stretchOf } from '../src/window.js';
import { messageFromWire } from '../src/wire.js';
import { Model } from './support/model.mjs';
import { seeded } from './support/random.mjs';

const USERS = ['alice', 'bob', 'carol', 'dave'];

/** A random fact that is possible now. */
function fact(model, random) {
  const conversations = model.at(model.position);
  const id = random.pick([...conversations.keys()]);
  const { members, messages } = conversations.get(id);
  const actor = random.pick([...members.keys()]);
  const base = { conversation: id, actor };
  const message = messages.length > 0 && random.chance(0.7) ? random.pick(messages.slice(-12)) : random.pick(messages);
  const kind = random.pick(['posted', 'posted', 'posted', 'posted', 'edited', 'retracted', 'reacted', 'unreacted', 'read', 'read', 'delivered', 'titled', 'muted', 'joined', 'left']);
  const { read, delivered, muted } = members.get(actor);
  switch (kind) {
    case 'edited':
      return message && !message.retracted ? { ...base, actor: message.actor, kind, seq: message.seq, text: `edit ${model.position}`, mentions: random.chance(0.2) ? ['bob'] : [] } : null;
    case 'retracted':
      return message && !message.retracted ? { ...base, kind, seq: message.seq } : null;
    case 'reacted':
    case 'unreacted': {
      const reaction = random.pick(['+1', 'heart', 'tada']);
      const has = message?.reactions.some((each) => each.user === actor && each.reaction === reaction);
      return message && !message.retracted && has === (kind === 'unreacted') ? { ...base, kind, seq: message.seq, reaction } : null;
    }
    case 'read':
      return read < messages.length ? { ...base, kind, seq: read + 1 + random.below(messages.length - read) } : null;
    case 'delivered':
      return delivered < messages.length ? { ...base, kind, seq: messages.length } : null;
    case 'titled':
      return { ...base, kind, title: `title ${model.position}` };
    case 'muted':
      return { ...base, kind, muted: !muted };
    case 'joined': {
      const user = random.pick(USERS);
      return members.has(user) ? null : { ...base, kind, user };
    }
    case 'left': {
      const user = random.pick(USERS.slice(1));
      return members.has(user) && members.size > 2 ? { ...base, kind, user } : null;
    }
    default:
      return { ...base, kind, text: `text ${model.position}`, mentions: [] };
  }
}

function grow(model, random, commits) {
  for (let i = 0; i < commits; i += 1) {
    // Several facts may share a commit, but none may depend on another of the same.
    const facts = [fact(model, random)].filter(Boolean);
    if (random.chance(0.3)) {
      const second = fact(model, random);
      if (second && second.conversation !== facts[0]?.conversation) facts.push(second);
    }
    if (facts.length > 0) model.commit(...facts);
  }
}

function start(model, count) {
  for (let i = 0; i < count; i += 1) {
    const members = [...USERS];
    model.commit({ conversation: `c${i}`, actor: 'bob', kind: 'started', members });
  }
}

/** What is compared: everything shown, nothing about how it is kept. */
function essence(state) {
  const { asOf, unreadAsOf, stale, window, ...rest } = state;
  return { ...rest, cursors: [...rest.cursors].sort((a, b) => (a.user < b.user ? -1 : 1)) };
}

function assertSameAsFresh(store, model) {
  for (const state of store.conversations.values()) {
    assert.deepEqual(essence(state), essence(fromView(model.view(state.id, 'alice'), model.position)), state.id);
    const all = model.page(state.id, 'alice', { limit: Infinity }).messages.map(messageFromWire);
    const within = all.filter(({ seq }) => state.window.stretches.some(({ from, to }) => from <= seq && seq <= to));
    assert.deepEqual(state.window.messages, within, `messages of ${state.id}`);
  }
}

function newStore() {
  const store = new Store();
  store.me = 'alice';
  return store;
}

for (let seed = 1; seed <= 40; seed += 1) {
  test(`state and changes are the fresh state, seed ${seed}`, () => {
    const random = seeded(seed);
    const model = new Model();
    start(model, 5);
    grow(model, random, 40);
    const store = newStore();
    store.reset(model.reset('alice', 2));
    for (const { id } of store.conversations.values()) if (random.chance(0.5)) store.open.add(id);

    // Answers on their way: asked at one time, true as of a later one, arriving later still.
    const answers = [];
    const ask = () => {
      const reading = store.read();
      const loaded = [...store.conversations.keys()];
      const id = random.pick(loaded);
      const held = store.conversations.get(id).window.stretches;
      const asOf = reading.position + random.below(model.position - reading.position + 1);
      const limit = 1 + random.below(8);
      const later = (merge) => answers.push({ after: random.below(12), merge });
      const what = random.below(4);
      if (what === 0) {
        const before = random.chance(0.5) ? 0 : 1 + random.below(model.position);
        const page = model.list('alice', { before, limit }, asOf);
        return later(() => store.mergeConversations(reading, page, { last: false }));
      }
      if (what === 1) {
        const view = model.view(id, 'alice', asOf);
        return later(() => store.mergeConversation(reading, view));
      }
      if (what === 2) {
        const unread = model.unread('alice', asOf);
        return later(() => store.mergeUnread(reading, unread));
      }
      const asked = random.pick([{}, { before: random.pick(held).from }, { after: random.below(20) }, { before: 1 + random.below(40) }]);
      if (asked.before === Infinity) delete asked.before;
      const page = model.page(id, 'alice', { ...asked, limit }, asOf);
      const stretch = stretchOf(asked, page.messages.map(messageFromWire), page.more);
      return later(() => (stretch ? store.mergeMessages(reading, id, stretch, page) : store.forget(reading)));
    };

    for (let step = 0; step < 80; step += 1) {
      const what = random.below(4);
      if (what === 0) grow(model, random, 1 + random.below(4));
      else if (what === 1) ask();
      else {
        // Positions are whole commits here; deliver them whole so that `events` can go on from one.
        const position = store.cursor.position;
        const all = model.events('alice', position);
        const until = all.find((event) => event.position > position)?.position;
        for (const event of all.filter((each) => each.position === until)) {
          assert.equal(store.apply(event).applied, true);
          // A second time changes nothing.
          assert.equal(store.apply(event).applied, false);
        }
      }
      for (const answer of answers.filter(({ after }) => after === 0)) answer.merge();
      for (const answer of answers) answer.after -= 1;
    }
    for (const answer of answers) if (answer.after >= 0) answer.merge();
    for (const event of model.events('alice', store.cursor.position)) store.apply(event);
    assertSameAsFresh(store, model);
    store.mergeUnread(store.read(), model.unread('alice'));
    assert.equal(store.unreadTotal, model.unread('alice').total);

    // The whole list, page by page: nothing is left out, and the total needs nobody's help.
    for (let before = 0, more = true; more; ) {
      const page = model.list('alice', { before, limit: 2 });
      store.mergeConversations(store.read(), page, { last: true });
      before = page.conversations.at(-1).activity_position + 1;
      if (page.conversations.every(({ activity_position }) => activity_position + 1 === before)) before -= 1;
      more = page.more;
    }
    assert.equal(store.conversations.size, 5);
    assert.equal(store.unreadTotal, model.unread('alice').total);
    assertSameAsFresh(store, model);
  });
}

test('events of conversations that are not loaded ask for what they need', () => {
  const model = new Model();
  start(model, 3);
  for (const conversation of ['c0', 'c1', 'c2']) model.commit({ conversation, actor: 'bob', kind: 'posted', text: 'x' });
  const store = newStore();
  store.reset(model.reset('alice', 1));
  assert.deepEqual([...store.conversations.keys()], ['c2']);
  assert.equal(store.unreadTotal, 3);

  model.commit({ conversation: 'c0', actor: 'bob', kind: 'posted', text: 'again' });
  const [posted] = model.events('alice', store.cursor.position);
  assert.deepEqual(store.apply(posted), { applied: true, fetch: 'c0', fetchAll: false, fetchUnread: true });
  model.commit({ conversation: 'c1', actor: 'alice', kind: 'read', seq: 1 });
  const [read] = model.events('alice', store.cursor.position);
  assert.deepEqual(store.apply(read), { applied: true, fetch: '', fetchAll: false, fetchUnread: true });

  store.mergeConversation(store.read(), model.view('c0', 'alice'));
  store.mergeUnread(store.read(), model.unread('alice'));
  assert.deepEqual(store.sorted.map(({ id }) => id), ['c0', 'c2']);
  assert.equal(store.unreadTotal, 3);
});

test('a reset replaces everything and makes open questions useless', () => {
  const model = new Model();
  start(model, 2);
  const store = newStore();
  store.reset(model.reset('alice', 20));
  const reading = store.read();
  const page = model.page('c0', 'alice', {});
  store.reset({ ...model.reset('alice', 1), blocked: ['mallory'] });
  assert.equal(store.mergeMessages(reading, 'c0', { from: 1, to: Infinity }, page), false);
  assert.deepEqual([...store.conversations.keys()], ['c1']);
  assert.deepEqual([...store.blocked], ['mallory']);
});

test('an answer older than what is known is refused', () => {
  const model = new Model();
  start(model, 1);
  const store = newStore();
  const old = model.position;
  model.commit({ conversation: 'c0', actor: 'bob', kind: 'posted', text: 'x' });
  store.reset(model.reset('alice', 20));
  assert.equal(store.mergeConversation(store.read(), model.view('c0', 'alice', old)), false);
  assert.equal(store.conversations.get('c0').lastSeq, 1);
});

test('a closed conversation keeps few messages, an open one all', () => {
  const model = new Model();
  start(model, 2);
  const store = newStore();
  store.reset(model.reset('alice', 20));
  store.open.add('c1');
  for (let i = 0; i < 120; i += 1) {
    for (const conversation of ['c0', 'c1']) {
      const position = model.position + 1;
      model.position = position;
      const message = { seq: i + 1, author: 'bob', at_ms: i, text: `${i}`, countable: true, command_id: '' };
      store.apply({ position, index: 0, conversation, actor: 'bob', at_ms: i, kind: { message_posted: message } });
    }
  }
  const [closed, open] = ['c0', 'c1'].map((id) => store.conversations.get(id));
  assert.ok(closed.window.messages.length <= 100);
  assert.equal(closed.window.messages.at(-1).seq, 120);
  assert.equal(closed.window.stretches[0].from, closed.window.messages[0].seq);
  assert.equal(open.window.messages.length, 120);
  assert.equal(open.unread, 120);
});

test('a block hides what its user writes and asks for everything anew', () => {
  const model = new Model();
  start(model, 1);
  const store = newStore();
  store.reset(model.reset('alice', 20));
  const event = (position, kind, conversation) => ({ position, index: 0, conversation, actor: 'bob', at_ms: 1, kind });
  const posted = { seq: 1, author: 'bob', at_ms: 1, text: 'x', countable: true, command_id: '' };
  assert.equal(store.apply(event(10, { user_blocked: { user: 'bob' } })).fetchAll, true);
  store.apply(event(11, { message_posted: posted }, 'c0'));
  assert.equal(store.conversations.get('c0').unread, 0);
  assert.equal(store.conversations.get('c0').window.messages.length, 0);
  assert.equal(store.apply(event(12, { user_unblocked: { user: 'bob' } })).fetchAll, true);
  assert.equal(store.blocked.size, 0);
});

test('an event of a kind from the future only moves the cursor', () => {
  const store = newStore();
  const model = new Model();
  start(model, 1);
  store.reset(model.reset('alice', 20));
  const before = store.conversations.get('c0');
  const todo = store.apply({ position: 50, index: 2, conversation: 'c0', actor: 'bob', at_ms: 1, kind: { teleported: { to: 'mars' } } });
  assert.deepEqual(todo, { applied: true, fetch: '', fetchAll: false, fetchUnread: false });
  assert.deepEqual(store.cursor, { epoch: 'e', position: 50, index: 2 });
  assert.equal(store.conversations.get('c0'), before);
});

test('a total that is ahead of the events is not counted twice', () => {
  const model = new Model();
  start(model, 3);
  for (const conversation of ['c0', 'c1', 'c2']) model.commit({ conversation, actor: 'bob', kind: 'posted', text: 'x' });
  const store = newStore();
  store.reset(model.reset('alice', 2));
  const known = model.position;
  model.commit({ conversation: 'c2', actor: 'bob', kind: 'posted', text: 'y' });
  model.commit({ conversation: 'c1', actor: 'alice', kind: 'muted', muted: true });
  model.commit({ conversation: 'c2', actor: 'alice', kind: 'read', seq: 1 });
  const { total } = model.unread('alice');
  assert.equal(store.mergeUnread(store.read(), model.unread('alice')), true);
  for (const event of model.events('alice', known)) {
    assert.equal(store.unreadTotal, total);
    store.apply(event);
  }
  assert.equal(store.unreadTotal, total);
  model.commit({ conversation: 'c2', actor: 'bob', kind: 'posted', text: 'z' });
  for (const event of model.events('alice', store.cursor.position)) store.apply(event);
  assert.equal(store.unreadTotal, total + 1);
});

test('a page that is ahead of the events is not taken back by them', () => {
  const model = new Model();
  start(model, 1);
  const store = newStore();
  store.reset(model.reset('alice', 2));
  model.commit({ conversation: 'c0', actor: 'bob', kind: 'posted', text: 'first' });
  model.commit({ conversation: 'c0', actor: 'bob', kind: 'edited', seq: 1, text: 'second', mentions: [] });
  model.commit({ conversation: 'c0', actor: 'carol', kind: 'retracted', seq: 1 });
  store.mergeMessages(store.read(), 'c0', { from: 1, to: Infinity }, model.page('c0', 'alice', {}));
  for (const event of model.events('alice', store.cursor.position)) {
    store.apply(event);
    const [message, ...others] = store.conversations.get('c0').window.messages;
    assert.deepEqual([message.text, message.retracted, others.length], ['', true, 0]);
  }
  // Once the events have passed the page, they count again.
  model.commit({ conversation: 'c0', actor: 'bob', kind: 'posted', text: 'third' });
  for (const event of model.events('alice', store.cursor.position)) store.apply(event);
  assert.deepEqual(store.conversations.get('c0').window.messages.map(({ seq }) => seq), [1, 2]);
  assert.equal(store.conversations.get('c0').window.fresh.length, 0);
});
