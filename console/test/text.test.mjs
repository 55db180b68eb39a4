// How times are said; needs no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayName, shortTime } from '../text.js';

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
