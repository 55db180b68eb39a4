// Who is named in a text; needs no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelOf, partsOf } from '../mentions.js';

const named = (text, users) => partsOf(text, users).map(({ text, user }) => (user ? [text, user] : text));

test('names are found where they stand for themselves', () => {
  assert.deepEqual(named('@alice, @Bob! mail@bob.example @bobby', ['alice', 'bob']), [['@alice', 'alice'], ', ', ['@Bob', 'bob'], '! mail@bob.example @bobby']);
  assert.deepEqual(named('nobody @here', []), ['nobody @here']);
  assert.deepEqual(named('', ['alice']), []);
});

test('the longer of two names, and strange ones', () => {
  assert.deepEqual(named('@ann-lee and @ann', ['ann', 'ann-lee']), [['@ann-lee', 'ann-lee'], ' and ', ['@ann', 'ann']]);
  assert.deepEqual(named('@irc:a.b+c(d) @nick', ['irc:a.b+c(d)', 'irc:nick']), [['@irc:a.b+c(d)', 'irc:a.b+c(d)'], ' ', ['@nick', 'irc:nick']]);
});

test('a short name that means two people is not used', () => {
  const users = ['irc:sam', 'web:sam', 'irc:kim'];
  assert.deepEqual(users.map((user) => labelOf(user, users)), ['irc:sam', 'web:sam', 'kim']);
});
