import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuidTime, uuidv7Maker } from '../src/uuid.js';

test('ids are UUIDv7 with their time', () => {
  const id = uuidv7Maker({ now: () => 1_764_000_000_123 })();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(uuidTime(id), 1_764_000_000_123);
});

test('ids of one millisecond sort in the order made, however many, and do not repeat', () => {
  const make = uuidv7Maker({ now: () => 1_764_000_000_123 });
  const ids = Array.from({ length: 20_000 }, make);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test('a clock that is adjusted a little does not take the order along, one that is set right does', () => {
  let now = 1_764_000_000_123;
  const make = uuidv7Maker({ now: () => now });
  const first = make();
  now -= 5_000;
  assert.ok(make() > first);
  now -= 24 * 3600 * 1000;
  assert.equal(uuidTime(make()), now);
});
