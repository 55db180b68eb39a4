// How times are said; needs no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, dayName, duration, number, shortTime } from '../text.js';

const now = new Date();
const at = (year, month, day) => new Date(year, month, day, 15, 30).getTime();

test('a date of another year shows the year', () => {
  for (const say of [dayName, shortTime]) {
    assert.match(say(at(2004, 6, 5)), /2004/);
    assert.match(say(at(now.getFullYear() - 1, 0, 15)), new RegExp(String(now.getFullYear() - 1)));
  }
});

test('a date of this year does not, and days nearby have names', () => {
  const DAY = 86_400_000;
  for (const say of [dayName, shortTime]) {
    assert.doesNotMatch(say(Date.now() - 3 * DAY), /\d{4}/);
    // Only where there is such a day.
    const earlier = Date.now() - 20 * DAY;
    if (new Date(earlier).getFullYear() === now.getFullYear()) assert.doesNotMatch(say(earlier), /\d{4}/);
  }
  assert.deepEqual([dayName(Date.now()), dayName(Date.now() - DAY)], ['Today', 'Yesterday']);
});

test('figures are as short as they can be read', () => {
  assert.deepEqual([0, 41, 9_999.4].map(number), ['0', '41', (9_999).toLocaleString()]);
  assert.match(number(1_234_567), /^1[.,]23/);
  assert.deepEqual([0, 1023, 1024, 10 * 1024, 3 * 1024 ** 2].map(bytes), ['0 B', `${(1023).toLocaleString()} B`, '1 KiB', '10 KiB', '3 MiB']);
  assert.deepEqual([7, 990, 12_000, 3e6].map(duration), ['7 µs', '990 µs', '12 ms', '3 s']);
});
