// Measures the page's first load on a demo server of its own: prints a line of JSON. `cargo xtask bench page`
// runs it; TIDINGS_BIN names the server's program, TIDINGS_CHROMIUM the browser.

import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { MemoryStorage, Tidings } from '../../sdk/js/src/index.js';
import { Server, skipReason as noServer } from '../../sdk/js/test/support/server.mjs';
import { launch, skipReason as noBrowser } from './browser.mjs';
import { paintedMs, received } from './first-load.mjs';

const { values } = parseArgs({ options: { loads: { type: 'string', default: '20' }, json: { type: 'boolean' }, help: { type: 'boolean' } } });
if (values.help) {
  console.log('--loads N   how many times the page is loaded, each with an empty profile; 20 unless told');
  process.exit(0);
}
const loads = Number(values.loads);
if (!Number.isSafeInteger(loads) || loads < 1) throw new Error(`--loads ${values.loads} is no number of loads`);
const missing = noServer() || noBrowser();
if (missing) throw new Error(missing);

const server = await Server.start();
const browser = await launch();
try {
  const conversation = await groupOf('alice');
  const page = `${server.url}/?left=alice&right=bob&conversation=${conversation}`;
  const whole = { list: '.pane[data-side=left] .conversation', messages: '.pane[data-side=left] .row .text' };
  const wanted = () => paintedMs(browser, page, whole);
  // An answer of a few bytes, shown as it is: the least a navigation to this server can take here.
  const least = () => paintedMs(browser, `${server.url}/healthz`, { page: 'body' });
  // What the server and the browser do once is not what is measured.
  await least();
  await wanted();
  const measured = [];
  const baseline = [];
  for (let i = 0; i < loads; i += 1) {
    baseline.push(await least());
    measured.push(await wanted());
  }
  const messages = percentiles(measured.map((load) => load.messages));
  const empty = percentiles(baseline.map((load) => load.page));
  const { requests, bytes, socketBytes } = await received(browser, page, whole);
  console.log(
    JSON.stringify({
      loads,
      browser: `chromium ${browser.version()}`,
      requests,
      bytes,
      socket_bytes: socketBytes,
      list_ms: percentiles(measured.map((load) => load.list)),
      messages_ms: messages,
      baseline_ms: empty,
      messages_ratio: round(messages.p50 / empty.p50),
    }),
  );
} finally {
  await browser.close();
  await server.stop();
}

/** A conversation with some messages in it. @param {string} user */
async function groupOf(user) {
  const { WebSocket } = createRequire(new URL('../../sdk/js/package.json', import.meta.url))('ws');
  const client = new Tidings({ url: server.url, getToken: () => `dev:${user}`, WebSocket, storage: new MemoryStorage() });
  await client.connect();
  const found = client.conversations.find(({ kind }) => kind === 'group');
  await client.close();
  if (!found) throw new Error(`${user} has no group on a demo server`);
  return found.id;
}

/** @param {number[]} values */
function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
