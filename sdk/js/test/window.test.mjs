import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMessage, changeMessage, findMessage, holes, mergePage, stretchOf, tailWindow, trim } from '../src/window.js';

const message = (seq, text = `${seq}`) => ({ seq, text });
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
const seqs = (window) => window.messages.map(({ seq }) => seq);

test('the list knows the last message only, so everything before it is a hole', () => {
  const window = tailWindow(message(12), 12, 5);
  assert.deepEqual(seqs(window), [12]);
  assert.deepEqual(holes(window), [{ after: 0, before: 12 }]);
});

test('an empty conversation has no holes', () => {
  assert.deepEqual(holes(tailWindow(null, 0, 5)), []);
});

test('a last message that is not shown leaves the hole before it', () => {
  const window = tailWindow(null, 7, 5);
  assert.deepEqual(holes(window), [{ after: 0, before: 8 }]);
  assert.deepEqual(seqs(addMessage(window, message(8), 6)), [8]);
});

test('pages upwards close the hole', () => {
  let window = tailWindow(message(100), 100, 5);
  window = mergePage(window, { ...stretchOf({}, range(51, 100), true), messages: range(51, 100), asOf: 5 });
  assert.deepEqual(holes(window), [{ after: 0, before: 51 }]);
  window = mergePage(window, { ...stretchOf({ before: 51 }, range(1, 50), false), messages: range(1, 50), asOf: 5 });
  assert.deepEqual(holes(window), []);
  assert.deepEqual(seqs(window), seqs({ messages: range(1, 100) }));
});

test('a jump leaves holes on both sides, and pages from either side close them', () => {
  let window = tailWindow(message(100), 100, 5);
  window = mergePage(window, { ...stretchOf({ before: 31 }, range(21, 30), true), messages: range(21, 30), asOf: 5 });
  window = mergePage(window, { ...stretchOf({ after: 30 }, range(31, 40), true), messages: range(31, 40), asOf: 5 });
  assert.deepEqual(holes(window), [{ after: 0, before: 21 }, { after: 40, before: 100 }]);
  window = mergePage(window, { ...stretchOf({ after: 40 }, range(41, 100), false), messages: range(41, 100), asOf: 5 });
  assert.deepEqual(holes(window), [{ after: 0, before: 21 }]);
  assert.deepEqual(seqs(window), seqs({ messages: range(21, 100) }));
});

test('a gap within a page is history that is not shown, not a hole', () => {
  const shown = [message(3), message(9)];
  const window = mergePage(tailWindow(message(9), 9, 5), { ...stretchOf({}, shown, false), messages: shown, asOf: 5 });
  assert.deepEqual(holes(window), []);
  assert.deepEqual(seqs(window), [3, 9]);
});

test('a page replaces what it covers and nothing else', () => {
  let window = mergePage(tailWindow(message(6), 6, 5), { from: 1, to: Infinity, messages: range(1, 6), asOf: 5 });
  window = mergePage(window, { from: 3, to: 4, messages: [message(4, 'new')], asOf: 9 });
  assert.deepEqual(seqs(window), [1, 2, 4, 5, 6]);
  assert.equal(findMessage(window, 4).text, 'new');
  // What had been read as of 5 outside of it still counts as such.
  assert.equal(findMessage(changeMessage(window, 2, 5, () => message(2, 'older')), 2).text, '2');
  assert.equal(findMessage(changeMessage(window, 2, 6, () => message(2, 'newer')), 2).text, 'newer');
  assert.equal(findMessage(changeMessage(window, 4, 9, () => message(4, 'older')), 4).text, 'new');
});

test('an empty answer covers what was asked for', () => {
  assert.deepEqual(stretchOf({ before: 8 }, [], false), { from: 1, to: 7 });
  assert.deepEqual(stretchOf({ after: 8 }, [], false), { from: 9, to: Infinity });
  assert.deepEqual(stretchOf({}, [], false), { from: 1, to: Infinity });
  assert.equal(stretchOf({ before: 8 }, [], true), null);
  assert.deepEqual(stretchOf({ after: 0 }, range(1, 3), true), { from: 1, to: 3 });
});

test('a message in a hole stays unknown', () => {
  const window = tailWindow(message(12), 12, 5);
  assert.equal(addMessage(window, message(4), 6), window);
  assert.equal(changeMessage(window, 4, 6, () => message(4)), window);
});

test('cutting leaves a hole where it cut', () => {
  const whole = mergePage(tailWindow(message(9), 9, 5), { from: 1, to: Infinity, messages: range(1, 9), asOf: 5 });
  const cut = trim(whole, 4);
  assert.deepEqual(seqs(cut), [6, 7, 8, 9]);
  assert.deepEqual(holes(cut), [{ after: 0, before: 6 }]);
  assert.equal(trim(cut, 4), cut);
});
