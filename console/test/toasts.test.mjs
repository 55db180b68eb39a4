// Toasts and badges on the page, in a browser, on the real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, skipReason as noServer, until } from '../../sdk/js/test/support/server.mjs';
import { launch, openPage, screenshot, skipReason as noBrowser } from './browser.mjs';

const skip = noServer() || noBrowser();
const SHORT = { timeout: 10_000 };
const KEY = 'a key of the tests that is for notifications';
let server;
let browser;

before(async () => {
  if (skip) return;
  server = await Server.start({ apiKey: { key: KEY, scopes: ['notifications'] } });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${KEY}` };
  const answer = await fetch(`${server.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(said));
  return said;
}

const toast = (user, body) => call('POST', `/v1/users/${user}/toasts`, body);
const setBadge = (user, name, count) => call('PUT', `/v1/users/${user}/badges/${name}`, { count });
const waiting = async (user) => (await call('GET', `/v1/users/${user}/notifications`)).toasts.map(({ title }) => title);
const cards = (side) => side.pane.locator('.news li');
const titles = (side) => side.pane.locator('.news strong').allTextContents();

async function onPage(query, body, options) {
  const opened = await openPage(browser, `${server.url}/?${query}`, options);
  try {
    await body({ ...opened, left: opened.side('left'), right: opened.side('right') });
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.page.context().close();
  }
}

test('a toast is shown on both devices, and goes from both when it is put away on one', { skip }, async () => {
  await onPage('left=alice&right=alice', async ({ page, left, right }) => {
    for (const side of [left, right]) await side.pane.getByText('Online').waitFor(SHORT);
    await toast('alice', { title: 'Bob likes your bicycle', body: 'He asked for a photo of the saddle.', link: 'https://example.com/bicycle' });
    await toast('alice', { title: 'Your profile was viewed 7 times', collapse_key: 'views' });
    await setBadge('alice', 'new_offers', 3);
    for (const side of [left, right]) {
      await until(async () => (await cards(side).count()) === 2, 'both are there');
      assert.deepEqual(await titles(side), ['Your profile was viewed 7 times', 'Bob likes your bicycle']);
      await side.pane.locator('.badges li', { hasText: 'new offers' }).locator('.badge', { hasText: '3' }).waitFor(SHORT);
    }
    await screenshot(page, 'toasts');
    // Text is text, whatever it says; what collapses is there once.
    await toast('alice', { title: '<b>Your profile</b> was viewed 8 times', collapse_key: 'views' });
    for (const side of [left, right]) await until(async () => (await titles(side))[0] === '<b>Your profile</b> was viewed 8 times', 'it takes the place of the other');
    assert.equal(await cards(left).count(), 2);
    await left.pane.locator('.news li', { hasText: 'viewed 8 times' }).getByRole('button', { name: 'Dismiss' }).click();
    for (const side of [left, right]) await until(async () => (await cards(side).count()) === 1, 'it is gone from both');
    // A click on a link opens it elsewhere, and is enough.
    const link = right.pane.locator('.news a');
    assert.deepEqual([await link.getAttribute('href'), await link.getAttribute('rel')], ['https://example.com/bicycle', 'noopener noreferrer']);
    await page.context().route('https://example.com/**', (route) => route.fulfill({ body: 'a bicycle' }));
    const opening = page.context().waitForEvent('page');
    await link.click();
    await (await opening).close();
    for (const side of [left, right]) await until(async () => (await cards(side).count()) === 0, 'it has been seen');
    assert.deepEqual(await waiting('alice'), []);
    await setBadge('alice', 'new_offers', 0);
    for (const side of [left, right]) await side.pane.locator('.badges').waitFor({ state: 'hidden', ...SHORT });
  });
});

test('what came while nobody was here is shown later, a few at a time, and all can be put away', { skip }, async () => {
  for (let nth = 1; nth <= 5; nth += 1) await toast('dave', { title: `Offer ${nth}`, body: 'A very long explanation '.repeat(8) });
  await onPage('left=dave&right=carol', async ({ page, left, right }) => {
    await until(async () => (await cards(left).count()) === 3, 'the newest are shown');
    assert.deepEqual(await titles(left), ['Offer 5', 'Offer 4', 'Offer 3']);
    await left.pane.getByText('2 more').waitFor(SHORT);
    assert.equal(await cards(right).count(), 0);
    await screenshot(page, 'toasts-many');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 800 });
    await screenshot(page, 'toasts-narrow-dark');
    await left.pane.getByRole('button', { name: 'Dismiss all' }).click();
    await until(async () => (await cards(left).count()) === 0, 'all are gone');
    assert.deepEqual(await until(async () => (await waiting('dave')).length === 0 && [], 'they are seen'), []);
  });
});

test('a toast about a conversation opens it, and none is shown of one that is looked at', { skip }, async () => {
  await onPage('left=bob&right=mei', async ({ page, left }) => {
    await left.open('Saturday hike');
    const group = new URL(page.url()).searchParams.get('conversation');
    await left.open('Alice');
    await toast('bob', { title: 'The hike is moved to ten', about_conversation: group });
    await cards(left).getByRole('button', { name: /moved to ten/ }).click();
    await left.pane.getByRole('heading', { name: 'Saturday hike' }).waitFor(SHORT);
    await until(async () => (await cards(left).count()) === 0, 'it has been seen');
    await toast('bob', { title: 'Somebody wrote here', about_conversation: group });
    await toast('bob', { title: 'Something else' });
    await until(async () => (await titles(left)).includes('Something else'), 'what comes behind it is there');
    assert.deepEqual(await titles(left), ['Something else']);
    await until(async () => (await waiting('bob')).length === 1, 'it counts as seen');
  });
});
