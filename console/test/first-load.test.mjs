// What the page's first load asks for, and how much comes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, skipReason as noServer } from '../../sdk/js/test/support/server.mjs';
import { launch, skipReason as noBrowser } from './browser.mjs';
import { onFreshPage, received, receivedBy } from './first-load.mjs';

/** Of everything but the WebSockets, headers counted in. */
const MOST_BYTES = 150_000;
const SHOWN = { list: '.pane[data-side=left] .conversation', other: '.pane[data-side=right] .conversation' };
const skip = noServer() || noBrowser();
let server;
let browser;

before(async () => {
  if (skip) return;
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const pathOf = ({ url }) => new URL(url).pathname;

test('a first load is small, and the page itself names every file it needs', { skip }, async () => {
  const { bytes, requests, each } = await received(browser, `${server.url}/?left=alice&right=bob`, SHOWN);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
  assert.ok(bytes > 10_000, `${bytes} bytes cannot be all`);
  assert.equal(requests, each.length);
  for (const { url, status } of each) assert.equal(status, 200, url);
  const answer = await fetch(server.url);
  assert.match(answer.headers.get('content-security-policy'), /connect-src 'self'; .*frame-ancestors 'none'/);
  const page = await answer.text();
  const named = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path]) => path);
  assert.equal(new Set(named).size, named.length, 'named once');
  assert.ok(named.includes('/v1/dev/users'), 'asked for before the script that needs it has come');
  // So nothing is found only after something else has come, and all modules are one file.
  const files = each.map(pathOf).filter((path) => path.startsWith('/static/'));
  const isIcon = (path) => path.endsWith('.svg');
  assert.deepEqual(files.filter((path) => !isIcon(path)).toSorted(), named.filter((path) => path.startsWith('/static/') && !isIcon(path)).toSorted());
  assert.equal(files.filter((path) => path.endsWith('.js')).length, 1);
  // What else there is: the page, who there is, a token for each side.
  const others = each.map(pathOf).filter((path) => !path.startsWith('/static/'));
  assert.deepEqual(others.toSorted(), ['/', '/v1/dev/token', '/v1/dev/token', '/v1/dev/users']);
});

test('another load asks for the page only, and all its files are of one version', { skip }, async () => {
  const url = `${server.url}/?left=alice&right=bob`;
  await onFreshPage(browser, async (page) => {
    const first = await receivedBy(page, url, SHOWN);
    const again = await receivedBy(await page.context().newPage(), url, SHOWN);
    const fromServer = again.each.filter(({ url, bytes }) => bytes > 0 && url.startsWith('http')).map(pathOf);
    assert.deepEqual(fromServer.filter((path) => path.startsWith('/static/')), []);
    assert.ok(fromServer.includes('/'));
    const versions = new Set([...first.each, ...again.each].map(pathOf).filter((path) => path.startsWith('/static/')).map((path) => path.split('/')[2]));
    assert.equal(versions.size, 1, [...versions].join(', '));
  });
});

test('a file of another version is not there, rather than a wrong one', { skip }, async () => {
  const page = await fetch(server.url);
  assert.equal(page.headers.get('cache-control'), 'no-cache');
  const [entry] = (await page.text()).match(/\/static\/[^"]*\/console\/app\.js/);
  const answers = async (path, headers = {}) => {
    const answer = await fetch(server.url + path, { headers });
    const text = await answer.text();
    return { status: answer.status, caching: answer.headers.get('cache-control'), encoding: answer.headers.get('content-encoding'), text };
  };
  const kept = await answers(entry);
  assert.deepEqual([kept.status, kept.caching, kept.encoding], [200, 'public, max-age=31536000, immutable', 'gzip']);
  const plain = await answers(entry, { 'accept-encoding': 'identity' });
  assert.equal(plain.encoding, null);
  assert.equal(plain.text, kept.text);
  const other = await answers(entry.replace(/^\/static\/[^/]*/, '/static/0000000000000000'));
  assert.deepEqual([other.status, other.caching], [404, 'no-store']);
  assert.equal((await answers('/app.js')).status, 404);
  const known = await fetch(server.url, { headers: { 'if-none-match': page.headers.get('etag') } });
  assert.equal(known.status, 304);
});
