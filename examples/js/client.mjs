// A chat in the terminal.
//
//   npm ci --prefix sdk/js          (once; before Node.js 22 it needs the package ws from there)
//   node examples/js/client.mjs http://127.0.0.1:8080 alice bob
//
// Lines you type go to the other user; what they write appears. /older shows more history,
// /react N 👍 reacts to message N, /back N takes it back, /quit ends.

import { createInterface } from 'node:readline';
import { Tidings } from '../../sdk/js/src/node.js';

const [url, user, peer] = process.argv.slice(2);
if (!peer) {
  console.error('usage: node client.mjs URL USER OTHER-USER');
  process.exit(2);
}

const client = new Tidings({
  url,
  getToken: () => `dev:${user}`,
  WebSocket: globalThis.WebSocket ?? (await webSocketOfPackage()),
  client: 'example-client',
});
client.on('connection', (connection) => {
  if (connection.state === 'waiting') console.log(`-- no connection (${connection.error.message}), trying again`);
  else if (connection.state === 'online') console.log('-- online');
});

// What is to be shown before the next message.
let shown = Promise.resolve();

await client.connect();
const conversation = await client.startDirect(peer);
await conversation.open();
await showAll(conversation.messages.slice(-20));
conversation.markRead();

// Live from here on, also what was missed while there was no connection.
client.on('message', ({ conversation: { id }, message }) => {
  if (id !== conversation.id) return;
  void showAll([message]);
  conversation.markRead();
});
let typing = '';
client.on('change', () => {
  const now = conversation.typing.join();
  if (now !== typing && now) console.log(`-- ${now} is typing`);
  typing = now;
});

const commands = {
  async older() {
    const known = conversation.messages[0]?.seq ?? Infinity;
    if (!(await conversation.loadOlder()) && conversation.messages[0]?.seq === known) return console.log('-- that is the beginning');
    await showAll(conversation.messages.filter(({ seq }) => seq < known));
  },
  react: ([seq, reaction]) => conversation.react(Number(seq), reaction),
  back: ([seq]) => conversation.retract(Number(seq)),
  quit: () => input.close(),
};

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const [, name, rest] = line.match(/^\/(\w+)\s*(.*)$/) ?? [];
  try {
    if (!name) {
      // Kept until the server has it, whatever happens to the connection.
      if (line.trim()) await conversation.send(line);
    } else if (name in commands) {
      await commands[name](rest.split(/\s+/));
    } else {
      console.log(`-- no command /${name}; there are /${Object.keys(commands).join(', /')}`);
    }
  } catch (error) {
    console.log(`-- ${error.message}${error.retry ? ' (try again)' : ''}`);
  }
});
input.on('close', async () => {
  // What is on its way gets its answer first.
  const deadline = Date.now() + 5_000;
  while (client.waiting > 0 && Date.now() < deadline) await new Promise((next) => setTimeout(next, 50));
  await client.close();
  process.exit(0);
});

// One after the other: the text of a long message has to be fetched, and what came after it waits.
function showAll(messages) {
  shown = shown.then(async () => {
    for (const message of messages) await show(message);
  });
  return shown;
}

async function show({ seq, author, atMs, text, retracted, erased, stub }) {
  const says = retracted ? '(taken back)' : erased ? '(erased)' : stub ? await longText(seq) : text;
  console.log(`${String(seq).padStart(4)} ${new Date(atMs).toLocaleTimeString()} ${author}: ${says}`);
}

async function longText(seq) {
  try {
    return await conversation.loadText(seq);
  } catch (error) {
    return `(a long message, which could not be loaded: ${error.message})`;
  }
}

async function webSocketOfPackage() {
  const { createRequire } = await import('node:module');
  return createRequire(new URL('../../sdk/js/package.json', import.meta.url))('ws').WebSocket;
}
