import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, planAfter, socketUrl } from '../src/close.js';
import { closes } from './support/catalogue.mjs';

const ending = (more = {}) => ({ code: 1006, closing: null, refusal: null, attempt: 0, tokenRefreshed: false, stable: false, ...more });
const closing = (code, more = {}) => ({ code, message: code, reconnect: true, after_ms: 0, address: '', ...more });
const half = () => 0.5;

test('waits grow to half a minute, half of each is chance', () => {
  assert.deepEqual([0, 1, 2, 6, 50].map((attempt) => backoff(attempt, () => 0)), [250, 500, 1000, 15000, 15000]);
  assert.deepEqual([0, 1, 2, 6, 50].map((attempt) => backoff(attempt, () => 1)), [500, 1000, 2000, 30000, 30000]);
});

test('a lost connection is tried again, later each time', () => {
  assert.equal(planAfter(ending(), half).delayMs, 375);
  assert.equal(planAfter(ending({ attempt: 3 }), half).delayMs, 3000);
  assert.equal(planAfter(ending({ attempt: 3, stable: true }), half).delayMs, 375);
  assert.equal(planAfter(ending(), half).reconnect, true);
});

test('the server sets the pace and the place', () => {
  const plan = planAfter(ending({ code: 4004, closing: closing('draining', { after_ms: 1840, address: 'wss://b.example.com' }) }), half);
  assert.deepEqual([plan.reconnect, plan.delayMs, plan.address, plan.error.code], [true, 1840, 'wss://b.example.com', 'draining']);
});

test('too slow comes back at once, unless it never worked', () => {
  assert.equal(planAfter(ending({ code: 4003, closing: closing('slow'), stable: true }), half).delayMs, 0);
  assert.equal(planAfter(ending({ code: 4003, closing: closing('slow'), attempt: 2 }), half).delayMs, 1500);
});

test('a fault of the client ends it', () => {
  for (const [code, name] of [[4000, 'protocol'], [4007, 'too_large']]) {
    const plan = planAfter(ending({ code }), half);
    assert.deepEqual([plan.reconnect, plan.error.code, plan.error.retry], [false, name, false]);
  }
  assert.equal(planAfter(ending({ code: 4999, closing: closing('haunted', { reconnect: false }) }), half).reconnect, false);
  assert.equal(planAfter(ending({ code: 4999 }), half).reconnect, true);
});

test('a refused token is fetched anew once', () => {
  const first = planAfter(ending({ code: 4001 }), half);
  assert.deepEqual([first.reconnect, first.refreshToken, first.delayMs], [true, true, 0]);
  const second = planAfter(ending({ code: 4001, tokenRefreshed: true, attempt: 1 }), half);
  assert.deepEqual([second.reconnect, second.error.code], [false, 'unauthenticated']);
});

test('an expired token is fetched anew, without haste when that does not help', () => {
  const first = planAfter(ending({ code: 4002, stable: true }), half);
  assert.deepEqual([first.reconnect, first.refreshToken, first.delayMs], [true, true, 0]);
  const again = planAfter(ending({ code: 4002, attempt: 2, tokenRefreshed: true }), half);
  assert.deepEqual([again.reconnect, again.refreshToken, again.delayMs], [true, true, 1500]);
});

test('every close code does what the catalogue says', () => {
  for (const { number, name, after, reconnect } of closes) {
    // Said in a last frame, and with a number only.
    for (const last of [null, closing(name, { reconnect }), closing(name, { reconnect, after_ms: 4321 })]) {
      const plan = planAfter(ending({ code: number, closing: last, stable: true }), half);
      const done = { reconnect: plan.reconnect, refreshToken: plan.refreshToken, delayMs: plan.delayMs };
      const told = last?.after_ms;
      const expected = {
        AtOnce: { reconnect: true, refreshToken: false, delayMs: told || 0 },
        AsTold: { reconnect: true, refreshToken: false, delayMs: told || 375 },
        Backoff: { reconnect: true, refreshToken: false, delayMs: told || 375 },
        NewToken: { reconnect: true, refreshToken: true, delayMs: told || 0 },
        Stop: { reconnect: false, refreshToken: false, delayMs: done.delayMs },
      }[after];
      assert.deepEqual(done, expected, `${name}, told ${told}`);
      assert.equal(plan.error.code, name);
    }
  }
  // A new token that is refused, too, is the end of it.
  const refused = planAfter(ending({ code: 4001, tokenRefreshed: true }), half);
  assert.equal(refused.reconnect, false);
});

test('a refused hello says itself whether to come back', () => {
  const refusal = (code, more = {}) => ({ code, message: 'm', retry: false, retry_after_ms: 0, ...more });
  const behind = planAfter(ending({ code: 1000, refusal: refusal('unavailable', { retry: true, retry_after_ms: 1200 }) }), half);
  assert.deepEqual([behind.reconnect, behind.delayMs, behind.error.code], [true, 1200, 'unavailable']);
  assert.equal(planAfter(ending({ code: 1000, refusal: refusal('invalid') }), half).reconnect, false);
  assert.equal(planAfter(ending({ code: 1000, refusal: refusal('unauthenticated') }), half).refreshToken, true);
});

test('a base URL gets the path of the socket', () => {
  assert.equal(socketUrl('https://chat.example.com'), 'wss://chat.example.com/v1/ws');
  assert.equal(socketUrl('http://127.0.0.1:7000/'), 'ws://127.0.0.1:7000/v1/ws');
  assert.equal(socketUrl('wss://chat.example.com/deep/ws?x=1'), 'wss://chat.example.com/deep/ws?x=1');
  assert.throws(() => socketUrl('chat.example.com'), { code: 'invalid' });
  assert.throws(() => socketUrl('ftp://chat.example.com'), { code: 'invalid' });
});
