import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../src/connection.js';
import { TidingsError } from '../src/error.js';
import { ManualClock, settled } from './support/clock.mjs';
import { scriptedSockets, welcome } from './support/socket.mjs';

async function setUp({ hello, start = true, url = 'https://chat.example.com', refuse = '' } = {}) {
  const clock = new ManualClock();
  const { WebSocket: Scripted, sockets, last } = scriptedSockets();
  class WebSocket extends Scripted {
    constructor(address, protocols) {
      if (refuse && address.includes(refuse)) throw new Error('the port is blocked');
      super(address, protocols);
    }
  }
  const states = [];
  const frames = [];
  const lost = [];
  const refreshes = [];
  const connection = new Connection({
    url,
    WebSocket,
    clock,
    random: () => 0.5,
    hello:
      hello ??
      (async (refresh) => {
        refreshes.push(refresh);
        return { token: 't', device: 'd', cursor: null, client: 'test', window: 0 };
      }),
    onWelcome: (body) => frames.push({ welcome: body }),
    onFrame: (frame) => frames.push(frame),
    onLost: () => lost.push(clock.now()),
    onState: (state) => states.push(state),
  });
  if (start) connection.start();
  await settled();
  const connect = async (more) => {
    await settled();
    last().open();
    last().receive(welcome(more));
  };
  return { clock, connection, sockets, last, states, frames, lost, refreshes, connect, names: () => states.map(({ state }) => state) };
}

test('opens with hello and the JSON subprotocol', async () => {
  const { last, frames, connect, names } = await setUp();
  assert.equal(last().url, 'wss://chat.example.com/v1/ws');
  assert.deepEqual(last().protocols, ['tidings.1.json']);
  assert.deepEqual(last().sent, []);
  await connect();
  assert.deepEqual(last().sent[0], { id: 1, request: { hello: { token: 't', device: 'd', cursor: null, client: 'test', window: 0 } } });
  assert.equal(frames[0].welcome.user, 'alice');
  assert.deepEqual(names(), ['connecting', 'syncing']);
});

test('a connection that is lost comes back, later each time, until one lasts', async () => {
  const { clock, sockets, last, connect, states, lost } = await setUp();
  await connect();
  await clock.advance(60_000);
  last().receive({ typing: { conversation: 'c', user: 'bob', active: true } });
  last().end(1006);
  assert.equal(lost.length, 1);
  assert.equal(states.at(-1).retryAtMs - clock.now(), 375);
  for (const wait of [375, 750, 1500]) {
    const count = sockets.length;
    await clock.advance(wait - 1);
    assert.equal(sockets.length, count);
    await clock.advance(1);
    await settled();
    assert.equal(sockets.length, count + 1);
    last().end(1006);
  }
  assert.equal(lost.length, 1);
  await clock.advance(3000);
  await connect();
  // It did not last: no start from the beginning yet.
  last().end(1006);
  assert.equal(states.at(-1).retryAtMs - clock.now(), 6000);
  await clock.advance(6000);
  await connect();
  await clock.advance(10_000);
  last().end(1006);
  assert.equal(states.at(-1).retryAtMs - clock.now(), 375);
});

test('closing says when and where to come back', async () => {
  const { clock, last, sockets, connect, states } = await setUp();
  await connect();
  last().receive({ closing: { code: 'draining', message: 'soon', reconnect: true, after_ms: 1840, address: 'https://b.example.com' } });
  last().end(4004);
  assert.equal(states.at(-1).error.code, 'draining');
  await clock.advance(1840);
  await settled();
  assert.equal(last().url, 'wss://b.example.com/v1/ws');
  // If nobody is there, the one the app named is the next.
  last().end(1006);
  await clock.advance(100);
  await settled();
  assert.equal(sockets.length, 3);
  assert.equal(last().url, 'wss://chat.example.com/v1/ws');
});

const node = (name) => `wss://${name}.example.com/v1/ws`;
const nodes = (...names) => names.map((name) => `https://${name}.example.com`);

test('a lost connection goes to another node, and each is tried before it is waited for any', async () => {
  const { clock, sockets, last, connect, states } = await setUp();
  await connect({ nodes: nodes('b', 'c') });
  await clock.advance(10_000);
  last().end(1006);
  const tried = [];
  for (let i = 0; i < 3; i += 1) {
    assert.ok(states.at(-1).retryAtMs - clock.now() <= 100);
    await clock.advance(100);
    await settled();
    assert.equal(sockets.length, i + 2);
    tried.push(last().url);
    last().end(1006);
  }
  assert.deepEqual([tried.slice(0, 2).sort(), tried[2]], [[node('b'), node('c')], node('chat')]);
  assert.equal(states.at(-1).retryAtMs - clock.now(), 750);
  // The second round, at a slower pace.
  const again = [];
  for (let i = 0; i < 3; i += 1) {
    await clock.advance(749);
    assert.equal(sockets.length, i + 4);
    await clock.advance(1);
    await settled();
    again.push(last().url);
    if (i < 2) last().end(1006);
  }
  assert.deepEqual(new Set(again), new Set([node('b'), node('c'), node('chat')]));
  // One that lasts lets it start from the beginning.
  await connect({ nodes: nodes('b', 'c') });
  await clock.advance(10_000);
  last().end(1006);
  assert.ok(states.at(-1).retryAtMs - clock.now() <= 100);
});

test('nodes that end every session at once are not besieged', async () => {
  const { clock, last, connect, states } = await setUp();
  const waits = [];
  for (let i = 0; i < 4; i += 1) {
    await connect({ nodes: nodes('b') });
    last().end(1006);
    waits.push(states.at(-1).retryAtMs - clock.now());
    await clock.advance(waits.at(-1));
  }
  assert.deepEqual(waits, [50, 750, 750, 1500]);
});

test('nodes come and go; those the app named stay', async () => {
  const { clock, last, connect } = await setUp();
  await connect({ nodes: nodes('b') });
  last().receive({ nodes: { nodes: nodes('c') } });
  await clock.advance(10_000);
  last().end(1006);
  await clock.advance(100);
  assert.equal(last().url, node('c'));
  // That one knows none beside itself.
  await connect({ nodes: [] });
  await clock.advance(10_000);
  last().end(1006);
  await clock.advance(100);
  assert.equal(last().url, node('chat'));
});

test('a server that goes away is followed or awaited, as it says', async () => {
  for (const [address, expected] of [['', 'chat'], ['https://c.example.com', 'c'], ['no address', 'chat']]) {
    const { clock, sockets, last, connect, states } = await setUp();
    await connect({ nodes: nodes('b') });
    last().receive({ closing: { code: 'draining', message: 'soon', reconnect: true, after_ms: 1840, address } });
    last().end(4004);
    assert.equal(states.at(-1).retryAtMs - clock.now(), 1840);
    await clock.advance(1839);
    assert.equal(sockets.length, 1);
    await clock.advance(1);
    assert.equal(last().url, node(expected));
    // Nobody there: the others, at once.
    last().end(1006);
    await clock.advance(100);
    assert.equal(sockets.length, 3);
  }
});

test('what a server names is used only if it can be, and never has a token sent in the clear', async () => {
  const { clock, last, connect, states } = await setUp();
  await connect({ nodes: ['http://plain.example.com', 'nowhere', 'ftp://files.example.com', ...nodes('b')] });
  await clock.advance(10_000);
  const urls = [];
  last().end(1006);
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(states.at(-1).retryAtMs - clock.now());
    urls.push(last().url);
    last().end(1006);
  }
  assert.deepEqual(new Set(urls), new Set([node('b'), node('chat')]));
});

test('an address no socket can be opened to is passed over while there are others', async () => {
  const { clock, last, connect, states } = await setUp({ refuse: 'b.example' });
  await connect({ nodes: nodes('b') });
  await clock.advance(10_000);
  last().end(1006);
  await clock.advance(200);
  assert.deepEqual([last().url, states.at(-1).state], [node('chat'), 'connecting']);
  const alone = await setUp({ refuse: 'chat' });
  assert.deepEqual([alone.states.at(-1).state, alone.states.at(-1).error.code], ['closed', 'invalid']);
});

test('the app may name several', async () => {
  const { clock, sockets, last } = await setUp({ url: [...nodes('a', 'b', 'c'), 'wss://a.example.com/v1/ws'] });
  const tried = [];
  for (let i = 0; i < 3; i += 1) {
    tried.push(last().url);
    last().end(1006);
    assert.equal(sockets.length, i + 1);
    await clock.advance(i < 2 ? 100 : 749);
  }
  assert.deepEqual(tried.sort(), ['a', 'b', 'c'].map(node));
  assert.equal(sockets.length, 3);
  await assert.rejects(setUp({ url: [] }), { code: 'invalid' });
  await assert.rejects(setUp({ url: ['https://a.example.com', 'nowhere'] }), { code: 'invalid' });
});

test('a fault of ours ends it', async () => {
  const { clock, last, sockets, connect, states } = await setUp();
  await connect();
  last().receive({ closing: { code: 'protocol', message: 'that was no frame', reconnect: false, after_ms: 0, address: '' } });
  last().end(4000);
  assert.equal(states.at(-1).state, 'closed');
  assert.equal(states.at(-1).error.message, 'that was no frame');
  await clock.advance(120_000);
  assert.equal(sockets.length, 1);
});

test('a refused token is fetched anew once, then it ends', async () => {
  const { last, clock, states, refreshes } = await setUp();
  last().open();
  last().receive({ reply: { id: 1, outcome: { error: { code: 'unauthenticated', message: 'no', retry: false, retry_after_ms: 0 } } } });
  assert.ok(last().closed);
  await clock.advance(0);
  await settled();
  last().open();
  last().end(4001);
  assert.equal(states.at(-1).state, 'closed');
  assert.deepEqual(refreshes, [false, true]);
});

test('a token that expires is fetched anew, each time', async () => {
  const { last, clock, connect, refreshes, states } = await setUp();
  for (let i = 0; i < 3; i += 1) {
    await connect();
    await clock.advance(11_000);
    last().end(4002);
    assert.equal(states.at(-1).state, 'waiting');
    await clock.advance(0);
    await settled();
  }
  assert.deepEqual(refreshes, [false, true, true, true]);
});

test('a token that cannot be fetched is tried again; an app that says no is believed', async () => {
  let thrown = new Error('backend down');
  const { clock, sockets, states } = await setUp({
    hello: async () => {
      throw thrown;
    },
  });
  assert.equal(states.at(-1).state, 'waiting');
  assert.match(states.at(-1).error.message, /backend down/);
  assert.equal(sockets.length, 0);
  thrown = new TidingsError({ code: 'unauthenticated', message: 'signed out' });
  await clock.advance(1000);
  await settled();
  assert.deepEqual([states.at(-1).state, states.at(-1).error.message], ['closed', 'signed out']);
});

test('pings when idle, and notices when nobody is there any more', async () => {
  const { clock, last, sockets, connect, states, lost } = await setUp();
  await connect({ heartbeat_ms: 10_000 });
  const pings = () => last().requests('ping').length;
  await clock.advance(4_000);
  assert.equal(pings(), 0);
  await clock.advance(1_000);
  assert.equal(pings(), 1);
  // Any frame proves that somebody is there.
  for (let i = 0; i < 6; i += 1) {
    last().receive({ reply: { id: 1, outcome: { pong: { now_ms: 1, token_expires_ms: 0 } } } });
    await clock.advance(10_000);
  }
  assert.ok(pings() >= 7);
  assert.equal(lost.length, 0);
  await clock.advance(22_500);
  assert.equal(lost.length, 1);
  assert.equal(states.filter(({ state }) => state === 'waiting').length, 1);
  assert.ok(sockets[0].closed);
});

test('what is sent counts as a sign of life', async () => {
  const { clock, connection, last, connect } = await setUp();
  await connect({ heartbeat_ms: 10_000 });
  for (let i = 0; i < 10; i += 1) {
    connection.send({ id: 2, request: { list_blocked: {} } });
    await clock.advance(2_500);
  }
  assert.equal(last().requests('ping').length, 0);
});

test('a server that accepts and says nothing is left', async () => {
  const { clock, last, states } = await setUp();
  last().open();
  await clock.advance(15_000);
  assert.equal(states.at(-1).state, 'waiting');
  assert.ok(last().closed);
});

test('coming back to the page does not wait, and checks what seems to be there', async () => {
  const { clock, connection, last, sockets, connect, lost } = await setUp();
  last().end(1006);
  connection.retryNow();
  await settled();
  assert.equal(sockets.length, 2);
  await connect({ heartbeat_ms: 60_000 });
  connection.retryNow();
  assert.equal(last().requests('ping').length, 1);
  await clock.advance(5_000);
  assert.equal(lost.length, 1);
});

test('a network that is gone is not waited for; when it is there again, nothing is', async () => {
  const { clock, connection, last, sockets, connect, lost, names } = await setUp();
  await connect();
  connection.networkLost();
  // At once, though the socket has noticed nothing.
  assert.deepEqual([lost.length, names().at(-1)], [1, 'waiting']);
  assert.ok(last().closed);
  connection.networkFound();
  await settled();
  assert.deepEqual([sockets.length, names().at(-1)], [2, 'connecting']);
  // An attempt begun on a network that is gone is begun anew.
  connection.networkFound();
  await settled();
  assert.deepEqual([sockets.length, sockets[1].closed], [3, true]);
  await connect({ heartbeat_ms: 60_000 });
  // Nothing was said of a loss: it is checked.
  connection.networkFound();
  assert.equal(last().requests('ping').length, 1);
  await clock.advance(5_000);
  assert.equal(lost.length, 2);
  connection.stop();
  connection.networkLost();
  connection.networkFound();
  await settled();
  assert.deepEqual([sockets.length, names().at(-1)], [3, 'idle']);
});

test('what is no frame ends the connection, a frame from the future does not', async () => {
  const { last, connect, states, frames } = await setUp();
  await connect();
  last().receive({ firework: { colour: 'red' } });
  last().receive('null');
  assert.equal(states.at(-1).state, 'syncing');
  assert.equal(frames.length, 2);
  last().receive('{"event":');
  assert.equal(states.at(-1).state, 'waiting');
});

test('stopping ends it, whatever is under way', async () => {
  const { clock, connection, last, sockets, connect, names } = await setUp();
  await connect();
  connection.stop();
  assert.ok(last().closed);
  assert.equal(connection.send({ id: 2, request: { ping: {} } }), false);
  await clock.advance(120_000);
  assert.equal(sockets.length, 1);
  assert.equal(names().at(-1), 'idle');
  connection.start();
  connection.stop();
  await settled();
  assert.equal(sockets.length, 1);
});

test('a server that cannot be reached is named, one that was there is lost', async () => {
  const { states, last, connect, clock } = await setUp();
  const saying = () => states.at(-1).error.message;
  last().end(1006);
  assert.equal(saying(), 'cannot reach wss://chat.example.com/v1/ws');
  await clock.advance(500);
  await connect();
  last().end(1006);
  assert.equal(saying(), 'the connection was lost');
});
