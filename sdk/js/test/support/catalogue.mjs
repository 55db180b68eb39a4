/** The catalogue of errors and close codes, read from where it is written. */

import { readFileSync } from 'node:fs';

export const source = (name) => readFileSync(new URL(`../../../../protocol/src/${name}.rs`, import.meta.url), 'utf8');

/** Error codes, and what a client does about each. */
export const errors = [...source('error').matchAll(/^ {4}\w+ = "(\w+)", (\w+), "/gm)].map(([, code, remedy]) => ({ code, remedy }));

/** Close codes, and what a client does then. */
export const closes = [...source('close').matchAll(/^ {4}\w+ = (\d+), "(\w+)", (\w+), "/gm)].map(([, number, name, after]) => ({
  number: Number(number),
  name,
  after,
  reconnect: after !== 'NewToken' && after !== 'Stop',
}));
