// What is told in a group's history beside its messages, and where; needs no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textOf } from '../notices.js';
import { withNotices } from '../timeline.js';

test('what happens to a group is told in words', () => {
  const said = (kind, body, actor = 'irc:ann') => textOf({ kind, body, actor }, 'me');
  assert.equal(said('members_joined', { users: ['irc:ann'] }), 'ann joined');
  assert.equal(said('members_joined', { users: ['bob', 'me'] }), 'ann added you and bob');
  assert.equal(said('members_joined', { users: ['a', 'b', 'c', 'd', 'e'] }, 'me'), 'You added a, b, c and 2 more');
  assert.equal(said('member_left', { users: ['irc:ann'], removed: false }), 'ann left');
  assert.equal(said('member_left', { users: ['bob'], removed: true }), 'ann removed bob');
  assert.equal(said('member_left', { users: ['me'], removed: false }, 'me'), 'You left');
  assert.equal(said('title_changed', { title: '<b>' }), 'ann named the group “<b>”');
  assert.equal(said('role_changed', { user: 'me', role: 'owner' }), 'ann made you an owner');
  assert.equal(said('conversation_added', { kind: 'group' }), 'ann added you');
  assert.equal(said('message_rejected', { held: 1, reason: 'No links.' }, 'me'), 'A message of yours was not let through: No links.');
  assert.equal(said('message_rejected', { held: 1 }), 'A message of ann was not let through');
  for (const [kind, body, actor] of [['conversation_added', { kind: 'direct' }], ['conversation_added', { kind: 'group' }, 'me'], ['message_posted', {}], ['', null]]) {
    assert.equal(said(kind, body, actor), '');
  }
});

test('a notice stands after the message it came after, in the part that is shown only', () => {
  const message = (seq) => ({ type: 'message', message: { seq } });
  const notice = (after, key) => ({ type: 'notice', after, key });
  const names = (items) => items.map((item) => (item.type === 'message' ? item.message.seq : (item.key ?? item.type)));
  const notices = [notice(0, 'a'), notice(2, 'b'), notice(2, 'c'), notice(4, 'd')];
  const all = [message(1), message(2), message(3), message(4), { type: 'pending', pending: {} }];
  assert.deepEqual(names(withNotices(all, 0, 5, notices)), ['a', 1, 2, 'b', 'c', 3, 4, 'd', 'pending']);
  assert.deepEqual(names(withNotices(all, 1, 2, notices)), [2, 'b', 'c']);
  assert.deepEqual(names(withNotices(all, 2, 4, notices)), [3, 4, 'd']);
  assert.deepEqual(names(withNotices([], 0, 0, notices)), ['a', 'b', 'c', 'd']);
  // Nothing is told before a hole: it happened somewhere in there.
  const holed = [{ type: 'hole', after: 0, before: 4 }, message(4)];
  assert.deepEqual(names(withNotices(holed, 0, 2, notices)), ['hole', 4, 'd']);
});
