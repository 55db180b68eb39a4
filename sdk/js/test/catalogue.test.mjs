import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CLOSE_CODES } from '../src/close.js';
import { SERVER_ERROR_CODES } from '../src/error.js';
import { EVENT_KINDS, SUBPROTOCOL } from '../src/wire.js';

const source = (name) => readFileSync(new URL(`../../../protocol/src/${name}.rs`, import.meta.url), 'utf8');
const snake = (name) => name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

test('close codes are those of the protocol', () => {
  const entries = [...source('close').matchAll(/^ {4}\w+ = (\d+), "(\w+)", reconnect: (true|false);$/gm)];
  const expected = Object.fromEntries(entries.map(([, code, name, reconnect]) => [code, { name, reconnect: reconnect === 'true' }]));
  assert.ok(entries.length >= 10);
  assert.deepEqual({ ...CLOSE_CODES }, expected);
});

test('error codes are those of the protocol', () => {
  const names = [...source('error').matchAll(/^ {4}\w+ = "(\w+)", retry: (?:true|false);$/gm)].map(([, name]) => name);
  assert.ok(names.length >= 18);
  assert.deepEqual([...SERVER_ERROR_CODES], names);
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
