import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEvent, fromView } from '../src/state.js';

const me = { me: 'alice', blocked: new Set(['mallory']) };
const posted = (seq, more = {}) => ({ seq, author: 'bob', at_ms: seq, text: `${seq}`, countable: true, command_id: '', ...more });
const event = (position, kind, actor = 'bob') => ({ position, index: 0, conversation: 'c', actor, at_ms: position * 10, kind });
const view = (more = {}) => ({ id: 'c', kind: 'group', title: 'Hiking', role: 'member', member_count: 3, as_of: 100, ...more });
const after = (state, ...events) => events.reduce((before, each) => applyEvent(before, each, me), state);

test('counts what others write after the read cursor, and nothing else', () => {
  const state = after(
    fromView(view({ last_seq: 2, read_seq: 2 })),
    event(101, { message_posted: posted(3) }),
    event(102, { message_posted: posted(4, { author: 'alice' }) }, 'alice'),
    event(103, { message_posted: posted(5, { countable: false }) }),
    event(104, { message_posted: posted(6, { author: 'mallory' }) }, 'mallory'),
    event(105, { message_posted: posted(7) }),
  );
  assert.deepEqual([state.unread, state.lastSeq, state.lastMessage.seq], [2, 7, 7]);
  assert.deepEqual([state.activityPosition, state.activityMs], [105, 1050]);
  assert.ok(!state.window.messages.some(({ author }) => author === 'mallory'));
});

test('taking back what was unread makes it one less', () => {
  const state = after(
    fromView(view()),
    event(101, { message_posted: posted(1) }),
    event(102, { message_posted: posted(2) }),
    event(103, { message_retracted: { seq: 2, author: 'bob', countable: true } }),
  );
  assert.deepEqual([state.unread, state.lastMessage.retracted, state.lastMessage.text], [1, true, '']);
  const read = after(state, event(104, { read_up_to: { user: 'alice', seq: 2, unread: 0, as_of: 104 } }, 'alice'));
  assert.equal(after(read, event(105, { message_retracted: { seq: 1, author: 'bob', countable: true } })).unread, 0);
});

test('a replayed message that was taken back meanwhile does not count, nor does its taking back', () => {
  const state = after(
    fromView(view()),
    event(101, { message_posted: posted(1) }),
    event(102, { message_posted: posted(2, { text: '', retracted: true, countable: false }) }),
    event(103, { message_retracted: { seq: 2, author: 'bob', countable: true } }),
  );
  assert.equal(state.unread, 1);
});

test('a view that holds more than its event is not counted again', () => {
  const state = fromView(view({ last_seq: 3, unread: 3, as_of: 120, last_message: posted(3) }), 100);
  const later = after(state, event(110, { message_posted: posted(2) }), event(119, { message_retracted: { seq: 1, author: 'bob', countable: true } }));
  assert.equal(later.unread, 3);
  assert.equal(after(later, event(121, { message_posted: posted(4) })).unread, 4);
});

test('a count that came with the own read cursor holds up to its position', () => {
  const state = after(
    fromView(view()),
    // Replayed: the count is as of now, the messages it holds come after.
    event(101, { read_up_to: { user: 'alice', seq: 1, unread: 2, as_of: 120 } }, 'alice'),
    event(110, { message_posted: posted(2) }),
    event(115, { message_posted: posted(3) }),
    event(118, { message_retracted: { seq: 1, author: 'bob', countable: true } }),
    event(121, { message_posted: posted(4) }),
  );
  assert.deepEqual([state.readSeq, state.unread, state.lastSeq], [1, 3, 4]);
});

test('edits and reactions reach the last message, but not one that was taken back', () => {
  const reaction = (position, name, reaction, count, actor) => event(position, { [name]: { seq: 1, reaction, count } }, actor);
  let state = after(
    fromView(view()),
    event(101, { message_posted: posted(1) }),
    event(102, { message_edited: { seq: 1, text: 'new', mentions: ['carol'], stub: false, erased: false } }),
    reaction(103, 'reaction_added', 'heart', 1, 'carol'),
    reaction(104, 'reaction_added', '+1', 1, 'carol'),
    reaction(105, 'reaction_added', '+1', 2, 'alice'),
  );
  assert.deepEqual([state.lastMessage.text, state.lastMessage.editedMs, state.lastMessage.mentions], ['new', 1020, ['carol']]);
  assert.deepEqual(state.lastMessage.reactions, [
    { reaction: '+1', count: 2, mine: true },
    { reaction: 'heart', count: 1, mine: false },
  ]);
  assert.deepEqual(state.window.messages[0], state.lastMessage);
  state = after(state, reaction(106, 'reaction_removed', '+1', 1, 'alice'), reaction(107, 'reaction_removed', 'heart', 0, 'carol'));
  assert.deepEqual(state.lastMessage.reactions, [{ reaction: '+1', count: 1, mine: false }]);
  const gone = after(
    state,
    event(108, { message_retracted: { seq: 1, author: 'bob', countable: true } }),
    event(109, { message_edited: { seq: 1, text: 'late', mentions: [], stub: false, erased: false } }),
    reaction(110, 'reaction_added', '+1', 2, 'alice'),
  );
  assert.deepEqual([gone.lastMessage.text, gone.lastMessage.reactions, gone.lastMessage.countable], ['', [], false]);
});

test('cursors only move forward, and reading is having received', () => {
  const state = after(
    fromView(view({ cursors: [{ user: 'bob', read_seq: 2, delivered_seq: 3 }] })),
    event(101, { delivered_up_to: { user: 'bob', seq: 5 } }),
    event(102, { read_up_to: { user: 'bob', seq: 4 } }),
    event(103, { read_up_to: { user: 'bob', seq: 3 } }),
    event(104, { read_up_to: { user: 'carol', seq: 6 } }, 'carol'),
    event(105, { delivered_up_to: { user: 'alice', seq: 6 } }, 'alice'),
  );
  assert.deepEqual(state.cursors, [
    { user: 'bob', readSeq: 4, deliveredSeq: 5 },
    { user: 'carol', readSeq: 6, deliveredSeq: 6 },
  ]);
  assert.deepEqual([state.readSeq, state.deliveredSeq], [0, 6]);
});

test('members come and go; a small group that was large asks for its cursors', () => {
  const joined = (position, users, member_count) => event(position, { members_joined: { users, member_count, removed: false } });
  const left = (position, users, member_count) => event(position, { member_left: { users, member_count, removed: false } });
  const small = fromView(view({ last_seq: 7, cursors: [{ user: 'bob', read_seq: 2, delivered_seq: 3 }] }));
  const four = after(small, joined(101, ['dave'], 4));
  assert.deepEqual(four.cursors[1], { user: 'dave', readSeq: 7, deliveredSeq: 7 });
  assert.deepEqual(after(four, left(102, ['bob'], 3)).cursors.map(({ user }) => user), ['dave']);
  const large = after(four, joined(102, ['erin'], 33));
  assert.deepEqual([large.cursors, large.stale], [[], false]);
  assert.equal(after(large, left(103, ['erin'], 32)).stale, true);
});

test('leaving ends the role and reads everything; titles, roles and muting are taken as they come', () => {
  const state = after(
    fromView(view({ last_seq: 1 })),
    event(101, { message_posted: posted(2) }),
    event(102, { title_changed: { title: 'Walking' } }),
    event(103, { role_changed: { user: 'alice', role: 'moderator' } }),
    event(104, { role_changed: { user: 'bob', role: 'owner' } }),
    event(105, { muted_changed: { muted: true } }, 'alice'),
  );
  assert.deepEqual([state.title, state.role, state.muted, state.unread], ['Walking', 'moderator', true, 1]);
  const left = after(state, event(106, { member_left: { users: ['alice'], member_count: 2, removed: true } }));
  assert.deepEqual([left.role, left.unread, left.readSeq, left.memberCount], ['', 0, 2, 2]);
});

test('what changes nothing makes nothing new', () => {
  const nothing = { read_up_to: { user: 'bob', seq: 1 } };
  const fresh = fromView(view({ last_seq: 3, cursors: [{ user: 'bob', read_seq: 2, delivered_seq: 3 }] }));
  const state = applyEvent(fresh, event(101, nothing), me);
  const same = (kind, actor) => assert.equal(applyEvent(state, event(102, kind, actor), me), state);
  same({ read_up_to: { user: 'bob', seq: 1 } });
  same({ read_up_to: { user: 'alice', seq: 0, unread: 9, as_of: 101 } }, 'alice');
  same({ message_edited: { seq: 1, text: 'x', mentions: [] } });
  same({ teleported: { to: 'mars' } });
});
