// A bot that answers. It needs no memory of its own: what it has read is its place, kept by the server,
// so messages that came while it was not running are answered when it starts again.
//
//   npm ci --prefix sdk/js          (once; before Node.js 22 the bot needs the package ws from there)
//   node examples/js/bot.mjs http://127.0.0.1:8080 omar

import { FileStorage, Tidings } from '../../sdk/js/src/node.js';

const [url = 'http://127.0.0.1:8080', user = 'omar'] = process.argv.slice(2);

const bot = new Tidings({
  url,
  // A development token; a product's backend would sign one for the bot.
  getToken: () => `dev:${user}`,
  // Node.js has WebSocket since version 22.
  WebSocket: globalThis.WebSocket ?? (await webSocketOfPackage()),
  // Answers that were not sent yet survive a restart, and are sent once.
  storage: new FileStorage(`tidings-data/bot-${user}`),
  client: 'example-bot',
});

/** What the bot says. @param {string} text */
function answer(text) {
  const sum = text.match(/^\s*(-?\d+)\s*([+*-])\s*(-?\d+)\s*$/);
  if (sum) {
    const [a, b] = [Number(sum[1]), Number(sum[3])];
    return String({ '+': a + b, '-': a - b, '*': a * b }[sum[2]]);
  }
  if (/\b(hi|hello|hey)\b|你好/i.test(text)) return 'Hello! I add, subtract and multiply: try 6 * 7.';
  return `You said “${text}”.`;
}

// One conversation is worked on at a time by one worker; a change meanwhile makes it look again.
const working = new Set();

/** Answers everything in a conversation that has not been read. @param {import('../../sdk/js/src/node.js').Conversation} conversation */
async function work(conversation) {
  if (working.has(conversation.id) || conversation.unread === 0 || conversation.role === '') return;
  working.add(conversation.id);
  try {
    await conversation.open();
    // Back to where it has read, also when more came than one page holds.
    while (conversation.messages[0]?.seq > conversation.readSeq + 1 && (await conversation.loadOlder()));
    for (const message of conversation.messages) {
      const { seq, author, retracted } = message;
      if (seq <= conversation.readSeq || author === bot.user) continue;
      // Of a long one only that it is there has come.
      const text = message.stub ? await conversation.loadText(seq) : message.text;
      // In a group it speaks when it is spoken to.
      const meant = conversation.kind === 'direct' || text.includes(`@${user}`);
      if (meant && !retracted) await conversation.send(answer(text.replace(`@${user}`, '').trim()), { replyTo: seq });
      // Only now: a bot that is stopped between the two answers twice rather than never.
      conversation.markRead(seq);
      console.log(`${author}: ${text}`);
    }
  } catch (error) {
    console.error(`${conversation.id}: ${error.message}`);
  } finally {
    conversation.close();
    working.delete(conversation.id);
  }
  // What came while it worked.
  if (conversation.unread > 0 && bot.connection.state === 'online') setTimeout(() => work(conversation), 100);
}

bot.on('change', ({ conversations }) => {
  for (const id of conversations) void work(bot.conversation(id));
});
bot.on('connection', (connection) => {
  console.log(connection.state, 'error' in connection ? connection.error.message : '');
});
bot.on('error', (error) => console.error(`${error.code}: ${error.message}`));

process.on('SIGINT', async () => {
  await bot.close();
  process.exit(0);
});

await bot.connect();
console.log(`${bot.user} listens`);

async function webSocketOfPackage() {
  const { createRequire } = await import('node:module');
  return createRequire(new URL('../../sdk/js/package.json', import.meta.url))('ws').WebSocket;
}
