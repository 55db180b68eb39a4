// The examples and the README's snippet, as a reader would run them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, skipReason, until } from './support/server.mjs';

const skip = skipReason();
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
let server;
let folder;
const running = [];

before(async () => {
  if (skip) return;
  server = await Server.start();
  folder = await mkdtemp(join(tmpdir(), 'tidings-example-'));
});

after(async () => {
  for (const child of running) child.kill('SIGKILL');
  await server?.stop();
  if (folder) await rm(folder, { recursive: true });
});

/** Runs a program and keeps what it says. */
function run(...args) {
  const child = spawn(process.execPath, args, { cwd: folder });
  running.push(child);
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said.text += data));
  return { child, said, ended: once(child, 'exit').then(([code]) => code) };
}

test('the bot answers the client, also what was asked while it was away', { skip, timeout: 60_000 }, async () => {
  const client = run(path('../../../examples/js/client.mjs'), server.url, 'alice', 'omar');
  client.child.stdin.write('6 * 7\n');
  await until(() => client.said.text.includes('alice: 6 * 7'), 'the question is posted').catch((error) => {
    throw new Error(`${error.message}: ${client.said.text}`);
  });
  const bot = run(path('../../../examples/js/bot.mjs'), server.url, 'omar');
  await until(() => client.said.text.includes('omar: 42'), 'the answer to the old question');
  client.child.stdin.write('hello\n');
  await until(() => client.said.text.includes('omar: Hello!'), 'the answer to the new one');
  // What the server does not push whole is fetched, by both ends.
  const long = 'a long question '.repeat(400).trim();
  client.child.stdin.write(`${long}\n`);
  await until(() => client.said.text.includes(`omar: You said “${long}”`), 'the long answer to a long question');
  client.child.stdin.write('/react 1 👍\n/back 3\n/quit\n');
  assert.equal(await client.ended, 0, client.said.text);
  assert.equal(client.said.text.match(/omar: 42/g).length, 1);
  bot.child.kill('SIGINT');
  assert.equal(await bot.ended, 0, bot.said.text);
});

test('the README’s snippet runs', { skip, timeout: 60_000 }, async () => {
  const readme = await readFile(path('../README.md'), 'utf8');
  const [, snippet] = readme.match(/```js\n([^]*?)```/);
  const file = path('./readme-snippet.tmp.mjs');
  await writeFile(file, snippet.replace("'./src/index.js'", "'../src/index.js'").replace(/http:\/\/127\.0\.0\.1:\d+/, server.url));
  try {
    const { said, ended } = run(file);
    assert.equal(await ended, 0, said.text);
    assert.match(said.text, /alice in bob: Hello Bob/);
  } finally {
    await rm(file);
  }
});
