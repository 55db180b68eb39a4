// Looking for messages, and who is looking at a conversation: the page, in a browser, on the real server.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { MemoryStorage, Tidings } from '../../sdk/js/src/index.js';
import { Server, skipReason as noServer, until } from '../../sdk/js/test/support/server.mjs';
import { launch, openPage, screenshot, skipReason as noBrowser } from './browser.mjs';

const { WebSocket } = createRequire(new URL('../../sdk/js/package.json', import.meta.url))('ws');
const skip = noServer() || noBrowser();
const SHORT = { timeout: 10_000 };
let server;
let browser;
const clients = [];

before(async () => {
  if (skip) return;
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await browser?.close();
  await server?.stop();
});

async function connect(user, options) {
  const client = new Tidings({ url: server.url, getToken: () => `dev:${user}`, WebSocket, storage: new MemoryStorage(), ...options });
  clients.push(client);
  await client.connect();
  return client;
}

/** Runs `body` on a page of its own, which must have nothing to complain of. */
async function onPage(query, body, options) {
  const opened = await openPage(browser, `${server.url}/?${query}`, options);
  try {
    await body({ ...opened, left: opened.side('left'), right: opened.side('right') });
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.page.context().close();
  }
}

const field = (side) => side.pane.getByRole('searchbox', { name: 'Search messages' });
const found = (side) => side.pane.locator('.found-message');
const count = (side, text) => side.pane.locator('.found-view .count').getByText(text, { exact: true }).waitFor(SHORT);
const lookers = (side, text) => side.pane.locator('.lookers').getByText(text, { exact: true });
const hasFocus = (locator) => locator.evaluate((element) => element === document.activeElement);

async function find(side, query) {
  await field(side).fill(query);
  await field(side).press('Enter');
}

/** A conversation of so many messages that the first of them is not loaded with the page, all of them found. */
async function history(user, reader, title, texts) {
  const client = await connect(user);
  const group = await client.createGroup({ title, members: [reader] });
  for (let from = 0; from < texts.length; from += 15) await Promise.all(texts.slice(from, from + 15).map((text) => group.send(text)));
  // A message is found within a second.
  const last = texts.at(-1).split(' ').at(-1);
  await until(async () => (await client.searchMessages({ query: `"${last}" in:${group.id}` })).messages.length > 0, 'the last one is found');
  return group;
}

test('a message is found by its words, and opened where it was said', { skip }, async () => {
  const texts = Array.from({ length: 150 }, (_, i) => (i === 4 ? '🏔 The Größe of the quetzal surprised me' : i === 120 ? 'quetzal quetzal quetzal' : `about the birds, ${i}`));
  await history('karl', 'alice', 'Birds', texts);
  await onPage('left=alice&right=bob', async ({ page, left }) => {
    await left.entry('Birds').waitFor(SHORT);
    await page.keyboard.press('/');
    assert.equal(await hasFocus(field(left)), true);
    await field(left).pressSequentially('quetzal');
    await count(left, '2 messages');
    assert.deepEqual(await found(left).locator('mark').allTextContents(), ['quetzal', 'quetzal', 'quetzal', 'quetzal']);
    assert.deepEqual(await found(left).locator('.title').allTextContents(), ['Birds', 'Birds']);
    assert.match(await found(left).first().textContent(), /Karl: quetzal quetzal quetzal$/);
    assert.equal(await left.pane.locator('.list').isVisible(), false);
    await screenshot(page, 'messages-found');
    await find(left, 'grosse');
    await count(left, '1 message');
    assert.deepEqual(await found(left).locator('mark').allTextContents(), ['Größe']);
    await found(left).click();
    const row = left.row('surprised me');
    await row.waitFor(SHORT);
    await until(() => row.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      const seen = element.closest('.scroller').getBoundingClientRect();
      return top >= seen.top && bottom <= seen.bottom;
    }), 'it is in sight');
    assert.match(await row.getAttribute('class'), /\bflash\b/);
    assert.equal(await found(left).getAttribute('aria-current'), 'true');
    // Another one of the conversation that is open.
    await find(left, '"quetzal quetzal"');
    await count(left, '1 message');
    await found(left).click();
    await until(() => left.row('quetzal quetzal').evaluate((element) => element.classList.contains('flash')), 'the other one is shown');
    await page.keyboard.press('Escape');
    await left.entry('Birds').waitFor(SHORT);
    assert.deepEqual([await field(left).inputValue(), await hasFocus(field(left)), await found(left).count()], ['', true, 0]);
    // Where one types, it is a character.
    await left.field.focus();
    await page.keyboard.press('/');
    assert.equal(await left.field.inputValue(), '/');
    await left.field.fill('');
  });
});

test('newest or best first, page by page, also in conversations the list has not loaded', { skip }, async () => {
  await history('lena', 'carol', 'Maps', Array.from({ length: 30 }, (_, i) => (i === 3 ? 'atlas atlas atlas' : `an atlas and other things, number ${i}`)));
  // Others come first in the list.
  const carol = await connect('carol');
  for (let i = 0; i < 22; i += 1) await carol.createGroup({ title: `Later ${i}` });
  await onPage('left=carol&right=bob', async ({ left }) => {
    await left.entry('Later 21').waitFor(SHORT);
    await find(left, 'atlas');
    await count(left, 'The first 20 messages');
    const seqs = () => found(left).evaluateAll((buttons) => buttons.map(({ dataset }) => Number(dataset.seq)));
    assert.deepEqual(await seqs(), Array.from({ length: 20 }, (_, i) => 30 - i));
    await until(async () => (await found(left).first().locator('.title').textContent()) === 'Maps', 'the title is known');
    await left.pane.getByRole('button', { name: 'More messages' }).press('Enter');
    await count(left, '30 messages');
    assert.equal(await hasFocus(found(left).nth(20)), true, 'the keyboard goes on with what is new');
    assert.equal(await left.pane.getByRole('button', { name: 'More messages' }).isVisible(), false);
    assert.deepEqual(await seqs(), Array.from({ length: 30 }, (_, i) => 30 - i));
    await left.pane.getByRole('radio', { name: 'Best first' }).check();
    await until(async () => (await seqs())[0] === 4, 'the best one is first');
    await found(left).first().click();
    await left.row('atlas atlas atlas').waitFor(SHORT);
    await left.pane.getByRole('heading', { name: 'Maps' }).waitFor(SHORT);
  });
});

test('what is wrong is pointed at, and that nothing is found is said', { skip }, async () => {
  await onPage('left=alice&right=bob', async ({ page, left }) => {
    await left.entry('Bob').waitFor(SHORT);
    await find(left, 'lunch form:bob');
    const fault = left.pane.locator('.aside .fault');
    await fault.waitFor(SHORT);
    assert.match(await fault.locator('pre').textContent(), /^lunch form:bob\n {6}\^+$/);
    assert.match(await fault.locator('pre').evaluate((element) => getComputedStyle(element).fontFamily), /mono/i);
    assert.match(await fault.locator('p').textContent(), /from/);
    assert.equal(await field(left).getAttribute('aria-invalid'), 'true');
    await screenshot(page, 'messages-fault');
    await find(left, 'nobodysaysthis');
    await count(left, 'No message is found');
    assert.equal(await fault.isVisible(), false);
    assert.equal(await field(left).getAttribute('aria-invalid'), 'false');
    await left.pane.locator('.aside').getByRole('button', { name: 'How to search' }).click();
    await left.pane.locator('.aside').getByRole('button', { name: 'from:bob,carol' }).click();
    await until(async () => (await found(left).count()) > 0, 'an example finds something');
  });
});

test('who looks at the open conversation is said, for as long as they do', { skip }, async () => {
  const dave = await connect('dave');
  const group = await dave.createGroup({ title: 'Looks', members: ['alice', 'bob'] });
  await onPage('left=alice&right=bob', async ({ page, left, right }) => {
    await left.open('Looks');
    await until(() => group.looking.join() === 'alice', 'dave is told');
    await right.open('Looks');
    await lookers(left, 'Bob is looking at this').waitFor(SHORT);
    await lookers(right, 'Alice is looking at this').waitFor(SHORT);
    dave.look(group.id);
    await lookers(left, 'Bob and Dave are looking at this').waitFor(SHORT);
    await screenshot(page, 'looking');
    dave.look(null);
    await lookers(left, 'Bob is looking at this').waitFor(SHORT);
    // Another view, another conversation, another tab.
    await right.pane.locator('.views').getByRole('button', { name: 'People' }).click();
    await lookers(left, '').waitFor({ state: 'attached', ...SHORT });
    await right.pane.locator('.views').getByRole('button', { name: 'Conversations' }).click();
    await lookers(left, 'Bob is looking at this').waitFor(SHORT);
    await right.open('Alice');
    await lookers(left, '').waitFor({ state: 'attached', ...SHORT });
    await until(() => group.looking.join() === 'alice', 'dave sees alice only');
    const visible = (state) => page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
    await visible('hidden');
    await until(() => group.looking.length === 0, 'nobody looks at a page in the background');
    await visible('visible');
    await until(() => group.looking.join() === 'alice', 'alice is back');
  });
});

test('messages are found on a phone', { skip }, async () => {
  await onPage(
    'left=alice&right=bob',
    async ({ page, left }) => {
      await left.entry('Bob').waitFor(SHORT);
      await find(left, 'from:bob');
      await until(async () => (await found(left).count()) > 0, 'something is found');
      const overflows = () => left.pane.evaluate((pane) => [...pane.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && element.checkVisibility()).map(({ className }) => String(className)));
      assert.deepEqual(await overflows(), []);
      await screenshot(page, 'messages-phone');
      const text = await found(left).first().getAttribute('data-seq');
      await found(left).first().press('Enter');
      const row = left.pane.locator(`.row[data-seq="${text}"]`);
      await row.waitFor(SHORT);
      await until(() => hasFocus(row), 'the keyboard is at the message, as the list is not to be seen');
      await left.pane.getByRole('button', { name: 'Back to the conversations' }).click();
      await found(left).first().waitFor(SHORT);
      await find(left, 'lunch form:bob and a query that is much longer than such a screen is wide');
      await left.pane.locator('.aside .fault').waitFor(SHORT);
      // The query itself goes on to the side.
      assert.deepEqual((await overflows()).filter((name) => name !== ''), []);
      await screenshot(page, 'messages-phone-fault');
    },
    { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' },
  );
});
