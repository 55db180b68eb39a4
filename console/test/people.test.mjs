// Finding people, seeing who is here, and contacts: the page, in a browser, on the real server.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { MemoryStorage, Tidings } from '../../sdk/js/src/index.js';
import { Server, skipReason as noServer, until } from '../../sdk/js/test/support/server.mjs';
import { launch, openPage, screenshot, skipReason as noBrowser } from './browser.mjs';

const { WebSocket } = createRequire(new URL('../../sdk/js/package.json', import.meta.url))('ws');
const skip = noServer() || noBrowser();
const SHORT = { timeout: 10_000 };
/** Who leaves is shown for 15 seconds more. */
const LEFT = { timeout: 40_000 };
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

async function connect(user) {
  const client = new Tidings({ url: server.url, getToken: () => `dev:${user}`, WebSocket, storage: new MemoryStorage() });
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

const view = (side, name) => side.pane.locator('.views').getByRole('button', { name }).click();
const field = (side) => side.pane.getByRole('searchbox', { name: 'Find people' });
const card = (side, user) => side.pane.locator(`.card[data-user="${user}"]`);
const contact = (side, user) => side.pane.locator(`.contact[data-user="${user}"]`);
const dot = (place, state) => place.locator(`.dot[data-state="${state}"]`);
const found = (side) => side.pane.locator('.card').evaluateAll((cards) => cards.map(({ dataset }) => dataset.user).toSorted());

/** Looks for something, and waits until so many are said to be found. */
async function find(side, query, count) {
  await field(side).fill(query);
  await field(side).press('Enter');
  await side.pane.locator('.count').getByText(count, { exact: true }).waitFor(SHORT);
}

test('people are found by what they say, with the words marked, page by page', { skip }, async () => {
  await onPage('left=alice&right=bob', async ({ page, left }) => {
    await left.entry('Bob').waitFor(SHORT);
    assert.equal(await left.pane.locator('.finder').count(), 0, 'made when it is looked at');
    await view(left, 'People');
    await left.pane.locator('.count').getByText('23 people').waitFor(SHORT);
    // One can type at once.
    assert.equal(await field(left).evaluate((element) => element === document.activeElement), true);
    assert.equal(await left.pane.locator('.card').count(), 20);
    await left.pane.getByRole('button', { name: 'More people' }).click();
    await until(async () => (await left.pane.locator('.card').count()) === 23, 'all are there');
    assert.equal(await left.pane.getByRole('button', { name: 'More people' }).isVisible(), false);
    assert.equal(new Set(await found(left)).size, 23);
    // While one types, too.
    await field(left).pressSequentially('climbing ');
    await until(async () => (await left.pane.locator('.card mark').count()) > 0, 'the word is marked');
    await find(left, '登山', '1 person');
    assert.deepEqual(await card(left, 'mei').locator('mark').allTextContents(), ['登山']);
    await find(left, 'near:52.52,13.40,30km', '4 people');
    await card(left, 'bob').getByText('1.7 km away').waitFor(SHORT);
    await find(left, 'nobodysaysthis', 'Nobody is found.');
    assert.deepEqual(await found(left), []);
    // The address leads here again.
    assert.match(page.url(), /left-view=people/);
    await page.reload();
    await field(left).waitFor(SHORT);
    await left.pane.locator('.count').getByText('23 people').waitFor(SHORT);
    await view(left, 'Conversations');
    await left.entry('Bob').waitFor(SHORT);
    assert.doesNotMatch(page.url(), /view=/);
  });
});

test('what is wrong with a query is said with its place, and the last answer stays', { skip }, async () => {
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left }) => {
    await left.pane.locator('.count').getByText('23 people').waitFor(SHORT);
    const fault = left.pane.locator('.finder .fault');
    assert.equal(await fault.isVisible(), false);
    await field(left).fill('hiking ctiy:berlin');
    await field(left).press('Enter');
    await fault.getByText('there is no attribute `ctiy`, did you mean `city`?').waitFor(SHORT);
    const lines = (await fault.locator('pre').textContent()).split('\n');
    assert.equal(lines[0], 'hiking ctiy:berlin');
    // What is pointed at.
    assert.equal(lines[0].slice(lines[1].indexOf('^'), lines[1].lastIndexOf('^') + 1).trim().replace(/:$/, ''), 'ctiy');
    assert.match(await fault.locator('pre').evaluate((element) => getComputedStyle(element).fontFamily), /mono/i);
    assert.equal(await field(left).getAttribute('aria-invalid'), 'true');
    assert.equal(await left.pane.locator('.card').count(), 20);
    assert.equal(await left.pane.locator('.toast').count(), 0);
    await screenshot(page, 'people-fault');
    await left.pane.getByRole('button', { name: 'How to search' }).click();
    await left.pane.getByRole('button', { name: 'city:berlin,hamburg' }).click();
    await fault.waitFor({ state: 'hidden', ...SHORT });
    await left.pane.locator('.count').getByText('5 people', { exact: true }).or(left.pane.locator('.count').getByText('6 people', { exact: true })).waitFor(SHORT);
    assert.equal(await field(left).inputValue(), 'city:berlin,hamburg');
  });
});

test('values that there are can be chosen, with how many have them, also of several attributes', { skip }, async () => {
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left }) => {
    const menu = (name) => left.pane.locator('.filter').filter({ has: page.locator('summary', { hasText: name }) });
    const box = (name, value) => menu(name).getByRole('checkbox', { name: value });
    await menu('City').locator('summary').click();
    await box('City', 'Berlin').check();
    await left.pane.locator('.count').getByText('4 people', { exact: true }).waitFor(SHORT);
    assert.deepEqual(await found(left), ['bob', 'carol', 'nora', 'olga']);
    // What else there is can still be chosen.
    await box('City', 'Hamburg').check();
    await left.pane.locator('.count').getByText('6 people', { exact: true }).waitFor(SHORT);
    assert.equal(await box('City', 'Hamburg').evaluate((element) => element === document.activeElement), true, 'the keyboard stays where it is');
    await page.keyboard.press('Escape');
    assert.equal(await box('City', 'Berlin').isVisible(), false);
    await menu('Languages').locator('summary').click();
    // Codes are shown as names.
    await box('Languages', 'Russian').check();
    await left.pane.locator('.count').getByText('1 person', { exact: true }).waitFor(SHORT);
    assert.deepEqual(await found(left), ['olga']);
    await page.keyboard.press('Escape');
    await left.pane.getByRole('button', { name: 'Without Languages: Russian' }).click();
    await left.pane.getByRole('button', { name: 'Without City: Hamburg' }).click();
    await find(left, 'interests:hiking', '3 people');
    assert.deepEqual(await found(left), ['bob', 'carol', 'olga']);
  });
});

test('a dot turns when somebody comes, goes away, and leaves; only who is online can be asked for', { skip }, async () => {
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left }) => {
    await find(left, 'name:quinn', '1 person');
    const quinn = card(left, 'quinn');
    await quinn.locator('.seen').getByText('Not here').waitFor(SHORT);
    const other = await openPage(browser, `${server.url}/?left=bob&right=bob`);
    const there = await connect('quinn');
    await dot(quinn, 'available').waitFor(SHORT);
    await quinn.locator('.seen').getByText('Available').waitFor(SHORT);
    there.setAway(true);
    await dot(quinn, 'away').waitFor(SHORT);
    await find(left, '', '23 people');
    await dot(card(left, 'quinn'), 'away').waitFor(SHORT);
    await left.pane.getByRole('radio', { name: 'Only online' }).check();
    await until(async () => (await found(left)).includes('quinn') && !(await found(left)).includes('pedro'), 'only who is online');
    await screenshot(page, 'people-online');
    // In the list of conversations, as well.
    await view(left, 'Conversations');
    await dot(left.entry('Bob'), 'available').waitFor(SHORT);
    await left.open('Bob');
    await left.pane.locator('.thread-title').getByText('Available').waitFor(SHORT);
    await view(left, 'People');
    await there.close();
    await other.page.context().close();
    // Who was found stays where they are, and is seen to have left.
    await card(left, 'quinn').locator('.seen').getByText(/^Last seen just now$/).waitFor(LEFT);
    assert.equal(await dot(card(left, 'quinn'), 'offline').count(), 1);
  });
});

test('who comes online later is told of, and shown when that is wanted', { skip }, async () => {
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left }) => {
    await left.pane.getByRole('radio', { name: 'Only online' }).check();
    await find(left, 'name:elif OR name:omar OR name:karl', 'Nobody is found.');
    const line = left.pane.locator('.newcomers');
    assert.deepEqual([await line.getAttribute('role'), await line.textContent()], ['status', '']);
    const elif = await connect('elif');
    const more = (text) => line.getByRole('button', { name: text, exact: true });
    await more('1 more is online').waitFor(SHORT);
    assert.equal(await field(left).evaluate((element) => element === document.activeElement), true, 'the focus stays');
    assert.deepEqual(await found(left), [], 'nothing moves by itself');
    await connect('omar');
    await more('2 more are online').waitFor(SHORT);
    await screenshot(page, 'people-newcomers');
    await more('2 more are online').press('Enter');
    await until(async () => (await found(left)).join() === 'elif,omar', 'they are shown');
    assert.equal(await line.textContent(), '');
    assert.equal(await card(left, (await left.pane.locator('.card').first().getAttribute('data-user'))).getByRole('button').first().evaluate((element) => element === document.activeElement), true, 'the keyboard goes on with them');
    await connect('karl');
    await more('1 more is online').waitFor(SHORT);
    // Another question is not about them; the page is not watched once it is left.
    await find(left, 'name:elif', '1 person');
    assert.equal(await line.textContent(), '');
    await find(left, 'name:grace', 'Nobody is found.');
    await view(left, 'Conversations');
    // Who watches is told.
    let told = 0;
    await elif.watchPeople({ query: 'name:grace', online: 'only' }, ({ count }) => (told = count));
    const grace = await connect('grace');
    await until(() => told === 1, 'grace has come');
    await until(async () => (await elif.searchPeople({ query: 'name:grace', online: 'only' })).total === 1, 'and is found');
    assert.equal(await line.textContent(), '');
    await view(left, 'People');
    await more('1 more is online').waitFor(SHORT);
    await grace.close();
  });
});

test('without a connection nobody is said to be here', { skip }, async () => {
  await onPage('left=alice&right=carol&left-view=people', async ({ left, line }) => {
    await find(left, 'name:carol', '1 person');
    await dot(card(left, 'carol'), 'available').waitFor(SHORT);
    await line.cut();
    await dot(card(left, 'carol'), '').waitFor({ state: 'attached', ...SHORT });
    assert.equal(await card(left, 'carol').locator('.seen').textContent(), '');
    line.mend();
    await dot(card(left, 'carol'), 'available').waitFor({ timeout: 40_000 });
  });
});

test('a message begins from where somebody was found', { skip }, async () => {
  const ines = await connect('ines');
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left }) => {
    await find(left, 'name:inês', '1 person');
    await card(left, 'ines').getByRole('button', { name: 'Message Inês' }).click();
    await left.pane.locator('.thread-title').getByText('Inês').waitFor(SHORT);
    assert.equal(await left.pane.locator('.finder').isVisible(), false);
    await left.write('Olá!');
    await left.row('Olá!').waitFor(SHORT);
    await until(() => ines.conversations.some(({ peer, lastMessage }) => peer === 'alice' && lastMessage?.text === 'Olá!'), 'ines has it');
    // What is written while people are looked at is unread, though its conversation is open.
    await view(left, 'People');
    await ines.conversations[0].send('Tudo bem?');
    await view(left, 'Contacts');
    await until(async () => /^\(\d+\)/.test(await page.title()), 'something is unread');
    assert.equal(await left.entry('Inês').locator('.badge').textContent(), '1');
    await view(left, 'Conversations');
    await left.entry('Inês').locator('.badge').waitFor({ state: 'detached', ...SHORT });
    // The name is known after a reload, too.
    await page.reload();
    await left.entry('Inês').waitFor(SHORT);
  });
});

test('what is shown on either side is shown again after a reload', { skip }, async () => {
  await onPage('left=alice&right=bob&left-view=people', async ({ page, left, right }) => {
    await right.entry('Alice').click();
    await right.pane.locator('.thread-title').getByText('Alice').waitFor(SHORT);
    await until(() => /conversation=/.test(page.url()) && /left-view=people/.test(page.url()), 'the address says it');
    await page.reload();
    await right.pane.locator('.thread-title').getByText('Alice').waitFor(SHORT);
    await left.pane.locator('.finder').waitFor(SHORT);
    assert.match(page.url(), /left-view=people/);
    await view(left, 'Conversations');
    await left.pane.locator('.thread-title').getByText('Bob').first().waitFor(SHORT);
  });
});

test('who is invisible is seen to leave, at every device of theirs', { skip }, async () => {
  const bob = await connect('bob');
  await onPage('left=alice&right=bob&left-view=people', async ({ left, right }) => {
    await find(left, 'name:bob', '1 person');
    await dot(card(left, 'bob'), 'available').waitFor(SHORT);
    const hide = right.pane.getByRole('switch', { name: 'Invisible' });
    assert.equal(await hide.getAttribute('aria-checked'), 'false');
    await hide.click();
    // Others may be told before the answer is here.
    await dot(card(left, 'bob'), 'offline').waitFor({ state: 'attached', ...SHORT });
    await until(async () => (await hide.getAttribute('aria-checked')) === 'true', 'the switch follows');
    await right.pane.locator('.status').getByText('Invisible').waitFor(SHORT);
    await until(() => bob.invisible, 'the other device knows');
    await left.pane.getByRole('radio', { name: 'Only online' }).check();
    await left.pane.locator('.count').getByText('Nobody is found.').waitFor(SHORT);
    await left.pane.getByRole('radio', { name: 'Everybody' }).check();
    // From the other device.
    await bob.setInvisible(false);
    await dot(card(left, 'bob'), 'available').waitFor(SHORT);
    await until(async () => (await hide.getAttribute('aria-checked')) === 'false', 'the page follows');
  });
});

test('contacts: asked, declined, accepted, seen here, removed after a question', { skip }, async () => {
  await onPage('left=alice&right=dave&left-view=people&right-view=contacts', async ({ page, left, right }) => {
    await right.pane.getByText('No contacts yet.').waitFor(SHORT);
    await find(left, 'name:dave', '1 person');
    const add = card(left, 'dave').getByRole('button', { name: 'Add Dave as a contact' });
    await add.click();
    await card(left, 'dave').getByText('Asked').waitFor(SHORT);
    const waiting = right.pane.locator('.views .badge');
    await contact(right, 'alice').getByRole('button', { name: 'Decline Alice' }).waitFor(SHORT);
    assert.equal(await waiting.textContent(), '1');
    await contact(right, 'alice').getByRole('button', { name: 'Decline Alice' }).click();
    await contact(right, 'alice').waitFor({ state: 'detached', ...SHORT });
    // Once more, and now the other one wants it.
    await add.click();
    await view(left, 'Contacts');
    await contact(left, 'dave').getByRole('button', { name: 'Take the request to Dave back' }).waitFor(SHORT);
    await contact(right, 'alice').getByRole('button', { name: 'Accept Alice' }).click();
    await contact(left, 'dave').getByRole('button', { name: 'Message Dave' }).waitFor(SHORT);
    await dot(contact(left, 'dave'), 'available').waitFor(SHORT);
    await dot(contact(right, 'alice'), 'available').waitFor(SHORT);
    assert.equal(await waiting.isVisible(), false);
    await screenshot(page, 'contacts');
    await right.pane.getByRole('switch', { name: 'Invisible' }).click();
    await dot(contact(left, 'dave'), 'offline').waitFor({ state: 'attached', ...SHORT });
    await right.pane.getByRole('switch', { name: 'Invisible' }).click();
    await dot(contact(left, 'dave'), 'available').waitFor(SHORT);
    // Whoever thinks again keeps the contact.
    const question = page.getByRole('dialog', { name: 'Remove Dave?' });
    await contact(left, 'dave').getByRole('button', { name: 'Remove Dave' }).click();
    await question.getByRole('button', { name: 'Cancel' }).click();
    await question.waitFor({ state: 'detached', ...SHORT });
    assert.equal(await contact(left, 'dave').count(), 1);
    await contact(left, 'dave').getByRole('button', { name: 'Remove Dave' }).click();
    await question.getByRole('button', { name: 'Remove Dave' }).click();
    await contact(left, 'dave').waitFor({ state: 'detached', ...SHORT });
    await contact(right, 'alice').waitFor({ state: 'detached', ...SHORT });
    await right.pane.getByText('No contacts yet.').waitFor(SHORT);
  });
});

test('it all fits on a phone', { skip }, async () => {
  await onPage(
    'left=alice&right=bob&left-view=people',
    async ({ page, left }) => {
      await left.pane.locator('.card').first().waitFor(SHORT);
      const overflows = () => left.pane.evaluate((pane) => [...pane.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && element.checkVisibility()).map(({ className }) => String(className)));
      assert.deepEqual(await overflows(), []);
      await left.pane.locator('.filter summary').last().click();
      await left.pane.getByRole('checkbox', { name: 'English' }).waitFor(SHORT);
      assert.deepEqual(await overflows(), []);
      await screenshot(page, 'people-phone');
      await page.keyboard.press('Escape');
      await view(left, 'Contacts');
      assert.deepEqual(await overflows(), []);
      await view(left, 'People');
      await card(left, 'bob').getByRole('button', { name: 'Message Bob' }).click();
      await left.pane.locator('.thread-title').getByText('Bob').first().waitFor(SHORT);
      assert.equal(await left.pane.locator('.views').isVisible(), false);
      await left.pane.getByRole('button', { name: 'Back to the conversations' }).click();
      await left.entry('Bob').waitFor(SHORT);
    },
    { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  );
});
