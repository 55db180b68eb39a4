import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CLOSE_CODES } from '../src/close.js';
import { SERVER_ERROR_CODES } from '../src/error.js';
import { EVENT_KINDS, SUBPROTOCOL } from '../src/wire.js';
import { closes, errors, source } from './support/catalogue.mjs';

const snake = (name) => name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

test('close codes are those of the protocol', () => {
  assert.ok(closes.length >= 10);
  const expected = Object.fromEntries(closes.map(({ number, name, reconnect }) => [number, { name, reconnect }]));
  assert.deepEqual({ ...CLOSE_CODES }, expected);
});

test('error codes are those of the protocol', () => {
  assert.ok(errors.length >= 18);
  assert.deepEqual([...SERVER_ERROR_CODES], errors.map(({ code }) => code));
});

test('event kinds are those of the protocol', () => {
  const body = source('event').match(/pub enum Kind \{([^}]*)\}/)[1];
  const names = [...body.matchAll(/^ {4}(\w+)\(/gm)].map(([, name]) => snake(name));
  assert.ok(names.length >= 15);
  assert.deepEqual([...EVENT_KINDS], names);
});

test('requests are typed as the protocol has them', () => {
  const typed = readFileSync(new URL('../types/wire.d.ts', import.meta.url), 'utf8').match(/interface Requests \{([^]*?)\n\}/)[1];
  const names = [...source('frame').match(/pub enum Request \{([^}]*)\}/)[1].matchAll(/^ {4}(\w+)\(/gm)].map(([, name]) => snake(name));
  assert.deepEqual([...typed.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name), names);
});

test('the subprotocol is the protocol’s', () => {
  assert.ok(source('version').includes(`SUBPROTOCOL_JSON: &str = "${SUBPROTOCOL}"`));
});
