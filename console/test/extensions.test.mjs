// The standard extensions on the page, from what causes them to what they do: toasts, badges, held messages, and the
// operator who sees it all. In a browser, on the real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, skipReason as noServer, until } from '../../sdk/js/test/support/server.mjs';
import { launch, openPage, screenshot, skipReason as noBrowser } from './browser.mjs';

const skip = noServer() || noBrowser();
const SHORT = { timeout: 10_000 };
/** Held, as a link in the first message to somebody is. */
const LINK = 'Have a look at https://offers.example.com/today';
let server;
let browser;

before(async () => {
  if (skip) return;
  server = await Server.start({ extensions: true });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function onPage(query, body, options) {
  const opened = await openPage(browser, `${server.url}/?${query}`, options);
  try {
    await body({ ...opened, left: opened.side('left'), right: opened.side('right'), operator: opened.page.locator('.operator') });
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.page.context().close();
  }
}

const view = (side, name) => side.pane.locator('.views').getByRole('button', { name }).click();
const card = (side, user) => side.pane.locator(`.card[data-user="${user}"]`);
const profile = (page) => page.getByRole('dialog', { name: 'Profile' });
const news = (side, text) => side.pane.locator('.news li').filter({ hasText: text });
const badge = (side, name) => side.pane.locator('.badges li').filter({ hasText: name }).locator('.badge');
/** Takes what lies over a side from there: it waits behind the bell. */
async function putAside(side) {
  const bell = side.pane.getByRole('button', { name: /^News: \d/ });
  await bell.waitFor(SHORT);
  if ((await bell.getAttribute('aria-expanded')) === 'true') await bell.click();
}
const focused = (locator) => locator.evaluate((element) => element === document.activeElement);

async function openProfile(side, name) {
  const field = side.pane.getByRole('searchbox', { name: 'Find people' });
  await field.fill(`name:${name}`);
  await field.press('Enter');
  await side.pane.locator('.count').getByText('1 person', { exact: true }).waitFor(SHORT);
  await card(side, name).locator('.opens-profile').click();
  await profile(side.page).getByRole('heading', { level: 3 }).waitFor(SHORT);
}

async function signIn(page, operator) {
  await page.getByRole('button', { name: 'Operator' }).click();
  await operator.getByRole('button', { name: 'Sign in as operator' }).click();
  await operator.getByRole('button', { name: 'Held messages' }).waitFor(SHORT);
}

/** What sticks out of the window on the right. */
const overflows = (place) =>
  place.evaluate((root) => [...root.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && element.checkVisibility()).map(({ className }) => String(className)));

test('who is invisible looks at profiles unseen', { skip }, async () => {
  await onPage('left=dave&right=carol&left-view=people&right-view=people', async ({ page, left, right }) => {
    const hide = left.pane.getByRole('switch', { name: 'Invisible' });
    await hide.click();
    await left.pane.locator('.status').getByText('Invisible').waitFor(SHORT);
    await openProfile(left, 'carol');
    await page.keyboard.press('Escape');
    await profile(page).waitFor({ state: 'detached', ...SHORT });
    await hide.click();
    await left.pane.locator('.status').getByText('Invisible').waitFor({ state: 'detached', ...SHORT });
    await openProfile(left, 'carol');
    await news(right, 'Dave viewed your profile').waitFor(SHORT);
    await badge(right, 'profile views').getByText('1').waitFor(SHORT);
  });
});

test('a profile that is opened, a like and a match are told as toasts and counted in badges', { skip }, async () => {
  await onPage('left=alice&right=mei&left-view=people&right-view=people', async ({ page, left, right }) => {
    await openProfile(left, 'mei');
    await profile(page).getByText('登山').first().waitFor(SHORT);
    await news(right, 'Alice viewed your profile').waitFor(SHORT);
    await badge(right, 'profile views').getByText('1').waitFor(SHORT);
    const like = profile(page).getByRole('button', { name: 'Like' });
    assert.equal(await like.getAttribute('aria-pressed'), 'false');
    await screenshot(page, 'profile');
    await like.click();
    await profile(page).getByText('You like Mei').waitFor(SHORT);
    await news(right, 'Alice likes you').waitFor(SHORT);
    await badge(right, 'likes').getByText('1').waitFor(SHORT);
    await profile(page).getByRole('button', { name: 'Flirt' }).click();
    await news(right, 'Alice').filter({ hasText: /flirt/i }).waitFor(SHORT);
    await page.keyboard.press('Escape');
    await profile(page).waitFor({ state: 'detached', ...SHORT });

    // A click on the toast leads to whose it is.
    await news(right, 'Alice likes you').getByRole('button', { name: /Alice/ }).click();
    await news(right, 'Alice likes you').waitFor({ state: 'detached', ...SHORT });
    await profile(page).getByRole('heading', { name: 'Alice' }).waitFor(SHORT);
    await profile(page).getByRole('button', { name: 'Like' }).click();
    await profile(page).getByText('You and Alice like each other').waitFor(SHORT);
    await page.keyboard.press('Escape');
    for (const [side, other] of [[left, 'Mei'], [right, 'Alice']]) {
      await badge(side, 'matches').getByText('1').waitFor(SHORT);
      await side.pane.locator('.news li').filter({ hasText: other }).filter({ hasText: 'a match' }).waitFor(SHORT);
    }
    await screenshot(page, 'toasts-match');
    // Who likes twice likes once; it is known after a reload.
    await page.reload();
    await openProfile(left, 'mei');
    await profile(page).getByText('You and Mei').waitFor(SHORT);
    assert.equal(await profile(page).getByRole('button', { name: 'Liked' }).isDisabled(), true);
    await page.keyboard.press('Escape');
    // What has been looked at is not counted any more.
    await right.pane.locator('.badges').getByRole('button', { name: 'likes' }).click();
    await badge(right, 'likes').waitFor({ state: 'detached', ...SHORT });
    await badge(right, 'matches').waitFor(SHORT);
  });
});

test('a request that is accepted, and a message while one looks elsewhere, are told', { skip }, async () => {
  await onPage('left=bob&right=carol&left-view=people&right-view=contacts', async ({ left, right, page }) => {
    await openProfile(left, 'carol');
    await profile(page).getByRole('button', { name: 'Add Carol as a contact' }).click();
    await profile(page).getByText('Asked').waitFor(SHORT);
    await page.keyboard.press('Escape');
    await right.pane.getByRole('button', { name: 'Accept Bob' }).click();
    await news(left, 'Carol accepted your request').waitFor(SHORT);
    await putAside(right);
    await right.pane.locator('.contact[data-user="bob"]').getByRole('button', { name: 'Message Bob' }).click();
    await right.write('Shall we meet at nine?');
    // It leads to the conversation, and is not shown to whoever looks at that.
    await news(left, 'Shall we meet at nine?').getByRole('button', { name: /Carol/ }).click();
    await left.row('Shall we meet at nine?').waitFor(SHORT);
    await news(left, 'Shall we meet').waitFor({ state: 'detached', ...SHORT });
    await right.write('Or at ten?');
    await left.row('Or at ten?').waitFor(SHORT);
    assert.equal(await news(left, 'Or at ten?').count(), 0);
    // So is what was told of it before.
    await view(left, 'People');
    await right.write('Are you there?');
    await news(left, 'Are you there?').waitFor(SHORT);
    await view(left, 'Conversations');
    await news(left, 'Are you there?').waitFor({ state: 'detached', ...SHORT });
  });
});

test('a held message is seen by its author and the operator, who lets it go or says why not', { skip }, async () => {
  await onPage('left=dave&right=omar&left-view=people', async ({ page, left, right, operator }) => {
    await openProfile(left, 'omar');
    await profile(page).getByRole('button', { name: 'Message' }).click();
    await left.write(LINK);
    await left.row('offers.example.com').getByText('held').waitFor(SHORT);
    await left.write('And at https://offers.example.com/tomorrow');
    await left.row('/tomorrow').getByText('held').waitFor(SHORT);
    assert.doesNotMatch(await right.pane.locator('.list').textContent(), /offers/, 'the other one knows of nothing');

    await signIn(page, operator);
    const held = (text) => operator.locator('.held').filter({ hasText: text });
    await held(LINK).getByText('moderation holds it').waitFor(SHORT);
    await held(LINK).getByText('to Omar').waitFor(SHORT);
    await screenshot(page, 'operator-held');
    await held('/today').getByRole('button', { name: 'Release the message of Dave' }).click();
    await held('/today').waitFor({ state: 'detached', ...SHORT });
    await operator.getByRole('status').getByText('is released').waitFor(SHORT);
    await right.open('Dave');
    await right.row('offers.example.com/today').waitFor(SHORT);
    await until(async () => (await left.row('/today').locator('.meta').textContent()).includes('held') === false, 'it is a message as any other');

    // By keyboard: asked why, and back.
    const reject = held('/tomorrow').getByRole('button', { name: 'Reject the message of Dave' });
    await reject.press('Enter');
    const why = held('/tomorrow').getByRole('textbox', { name: 'Why, for Dave' });
    await until(() => focused(why), 'one can type at once');
    await held('/tomorrow').getByRole('button', { name: 'Cancel' }).click();
    await until(() => focused(reject), 'back where it began');
    await reject.click();
    await why.fill('No advertising, please.');
    await screenshot(page, 'operator-reject');
    await why.press('Enter');
    await held('/tomorrow').waitFor({ state: 'detached', ...SHORT });
    await left.pane.locator('.note').getByText('was not let through: No advertising, please.').waitFor(SHORT);
    await operator.getByText('Nothing waits.').waitFor(SHORT);
    assert.equal(await right.row('/tomorrow').count(), 0);
  });
});

test('who leads a group settles what is held in it, and an author sees what waits after a reload', { skip }, async () => {
  await onPage('left=carol&right=omar', async ({ page, left, right }) => {
    await left.pane.getByRole('button', { name: 'New conversation' }).click();
    const dialog = page.getByRole('dialog', { name: 'New conversation' });
    for (const name of ['Omar', 'Dave']) await dialog.getByRole('checkbox', { name }).check();
    await dialog.getByRole('textbox', { name: 'Name of the group' }).fill('Book club');
    await dialog.getByRole('button', { name: /Start group/ }).click();
    await left.pane.getByRole('heading', { name: 'Book club' }).waitFor(SHORT);
    await right.open('Book club');
    const same = 'Come to my shop, everything must go today and tomorrow';
    // The same again and again is not for everybody to read.
    for (let nth = 0; nth < 6; nth += 1) {
      await right.write(same);
      await until(async () => (await right.rows.filter({ hasText: 'my shop' }).count()) === nth + 1, 'it is there');
    }
    await right.row('my shop').getByText('held').waitFor(SHORT);
    const bar = left.pane.locator('.held-bar');
    await bar.getByText('1 message waits for a moderator').waitFor(SHORT);
    assert.equal(await right.pane.locator('.held-bar').isVisible(), false, 'its author sees it where it was written');
    await page.reload();
    await right.pane.locator('.held-bar').getByText('Only you see it until then').waitFor(SHORT);
    await right.pane.locator('.held-bar').getByRole('button', { name: 'Look' }).click();
    const queue = page.getByRole('dialog', { name: 'Held messages' });
    await queue.getByText('my shop').waitFor(SHORT);
    assert.equal(await queue.getByRole('button', { name: /Release|Reject/ }).count(), 0, 'nobody settles their own');
    await page.keyboard.press('Escape');
    await bar.getByRole('button', { name: 'Look' }).click();
    await queue.getByText('moderation holds it').waitFor(SHORT);
    await screenshot(page, 'held-group');
    await queue.getByRole('button', { name: 'Release the message of Omar' }).click();
    await queue.getByText('Nothing waits.').waitFor(SHORT);
    await page.keyboard.press('Escape');
    for (const side of [left, right]) {
      await until(async () => (await side.rows.filter({ hasText: 'my shop' }).count()) === 6, 'everybody has it');
      await side.pane.locator('.held-bar').waitFor({ state: 'hidden', ...SHORT });
    }
  });
});

test('the operator sees extensions live, what they log, and ends and begins them', { skip }, async () => {
  await onPage('left=alice&right=bob', async ({ page, left, operator }) => {
    await signIn(page, operator);
    await operator.getByRole('button', { name: 'Extensions' }).click();
    const one = (id) => operator.locator(`.extension[data-extension="${id}"]`);
    const figure = (place, name) => place.locator('div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd').first();
    for (const id of ['badges', 'moderation', 'toasts']) await one(id).locator('.state').getByText('active', { exact: true }).waitFor(SHORT);
    assert.equal(await operator.locator('.extension').count(), 3);
    const hook = one('moderation').locator('[data-hook="moderation"]');
    const calls = async () => Number(((await figure(hook, 'Calls').textContent()) ?? '').replace(/\D/g, ''));
    const before = await calls();
    await left.open('Bob');
    await left.write('Does the extension see this?');
    await until(async () => (await calls()) > before, 'it is counted');
    assert.match(await figure(hook, '99 % within').textContent(), /^[\d.,]+ (µs|ms|s)$/);
    assert.equal(await figure(hook, 'Breaker').textContent(), 'closed');
    assert.match(await figure(one('toasts'), 'Lag').textContent(), /^\d+ positions?$/);
    await one('moderation').getByText('Log', { exact: true }).click();
    await one('moderation').getByRole('list', { name: 'Log of moderation' }).getByRole('listitem').first().waitFor(SHORT);
    await screenshot(page, 'operator-extensions');

    await one('badges').getByRole('button', { name: 'Deactivate: badges' }).click();
    await page.getByRole('dialog', { name: 'Deactivate badges?' }).getByRole('button', { name: 'Deactivate badges' }).click();
    await one('badges').locator('.state').getByText('inactive').waitFor(SHORT);
    await one('badges').getByRole('button', { name: 'Activate 0.1.0: badges' }).click();
    await one('badges').locator('.state').getByText('active', { exact: true }).waitFor(SHORT);

    // Put away, and there again as it was.
    await operator.getByRole('button', { name: 'Close the operator’s view' }).click();
    assert.equal(await operator.isVisible(), false);
    assert.equal(await focused(page.getByRole('button', { name: 'Operator', exact: true })), true);
    await page.getByRole('button', { name: 'Operator', exact: true }).click();
    await one('badges').waitFor(SHORT);
    // Nobody stays an operator without saying so again.
    assert.deepEqual(await page.evaluate(() => Object.values({ ...localStorage, ...sessionStorage }).filter((value) => /operator/.test(value))), []);
    await page.reload();
    await page.getByRole('button', { name: 'Operator', exact: true }).click();
    await operator.getByRole('button', { name: 'Sign in as operator' }).waitFor(SHORT);
  });
});

test('the operator is told what is wrong with an extension, and what helps', { skip }, async () => {
  const at_ms = Date.now() - 120_000;
  const version = (version) => ({ version, digest: '00', size: 1000, at_ms });
  const acting = (version, more) => ({ version, settings: {}, order: 1000, position: 5, at_ms, hooks: ['moderation'], left_alone: [], ...more });
  const one = (id, more) => ({ id, summary: `What ${id} is for`, versions: [version('0.1.0'), version('0.2.0')], waiting: 0, parked: 0, store_bytes: 0, timers: 0, counters: {}, ...more });
  const extensions = [
    one('failing', { quarantine: { version: '0.2.0', hook: 'reactor', cause: 'trap: <b>unreachable</b>', at_ms }, rollback: '0.1.0', waiting: 3, parked: 2 }),
    one('resting', { active: acting('0.2.0', { left_alone: ['moderation'] }), rollback: '0.1.0', waiting: 1 }),
    one('lacking', { active: acting('0.2.0', { lacks_secrets: ['key'] }) }),
    one('trying', { active: acting('0.1.0', { left_alone_for: { moderation: ['eve'] } }), shadow: acting('0.2.0') }),
    one('unable', { active: acting('0.2.0', { broken: 'its component is not here' }) }),
  ];
  const row = (extension, version, more) => ({ extension, version, hook: 'moderation', calls: 12_345_678, outcomes: { allow: 12_345_600, trap: 78 }, fuel: 12_345_678_000, fuel_max: 4_000_000, memory_peak: 3 << 20, p50_us: 11.2, p99_us: 61_300, ...more });
  const calls = [row('resting', '0.2.0', { last_error: 'trap: out of bounds' }), row('trying', '0.1.0'), row('trying', '0.2.0')];
  await onPage('left=alice&right=bob', async ({ page, operator }) => {
    await page.route('**/v1/extensions', (route) => route.fulfill({ json: { extensions, calls } }));
    await signIn(page, operator);
    await operator.getByRole('button', { name: 'Extensions' }).click();
    const of = (id) => operator.locator(`.extension[data-extension="${id}"]`);
    await of('failing').locator('.state').getByText('quarantined').waitFor(SHORT);
    await of('failing').getByRole('alert').getByText('0.2.0 failed too often in reactor and was stopped 2 minutes ago: trap: <b>unreachable</b>.').waitFor(SHORT);
    assert.deepEqual(await of('failing').locator('.held-actions button').allTextContents(), ['Activate 0.2.0', 'Roll back to 0.1.0', 'Forget what is set aside…', 'Deactivate…']);
    assert.deepEqual(await of('resting').locator('.held-actions button').allTextContents(), ['Roll back to 0.1.0', 'Tell again', 'Deactivate…']);
    await of('lacking').getByRole('alert').getByText('It lacks a secret on this server: key.').waitFor(SHORT);
    await of('resting').getByText('open: left alone for now').waitFor(SHORT);
    await of('resting').getByText('Failed last with: trap: out of bounds').waitFor(SHORT);
    await of('trying').getByText('open for eve').waitFor(SHORT);
    await of('trying').locator('.state').getByText('active, 0.2.0 in its shadow').waitFor(SHORT);
    await of('trying').getByRole('button', { name: 'End the shadow: trying' }).waitFor(SHORT);
    await of('unable').getByRole('alert').getByText('It cannot act on this server: its component is not here').waitFor(SHORT);
    assert.deepEqual(await overflows(operator), []);
    await screenshot(page, 'operator-extensions-wrong');
    // What is refused is said where it was asked.
    await of('resting').getByRole('button', { name: 'Roll back to 0.1.0: resting' }).click();
    await of('resting').getByRole('alert').getByText('No such extension resting').waitFor(SHORT);
    await of('resting').getByRole('button', { name: 'Tell again: resting' }).click();
    await of('resting').getByRole('alert').getByText('No such extension resting').waitFor(SHORT);
    await of('failing').getByRole('button', { name: 'Forget what is set aside: failing' }).click();
    await page.getByRole('dialog', { name: 'Forget what is set aside?' }).getByRole('button', { name: 'Forget them' }).click();
    await of('failing').getByRole('alert').getByText('No such extension failing').waitFor(SHORT);
    // A server that is away does not take away what is shown.
    await page.route('**/v1/extensions', (route) => route.abort());
    await operator.locator('> .fault').getByText('The server cannot be reached').waitFor(SHORT);
    assert.equal(await operator.locator('.extension').count(), 5);
  });
});

test('a server that is not for development wants a key of its operator', { skip }, async () => {
  await onPage('left=alice&right=bob', async ({ page, operator }) => {
    await page.route('**/v1/dev/**', (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await page.getByRole('heading', { name: 'Nobody to sign in as' }).waitFor(SHORT);
    await page.getByRole('button', { name: 'Operator' }).click();
    const key = operator.getByLabel(/API key/);
    assert.equal(await key.getAttribute('type'), 'password');
    await key.fill('not a key of this server');
    await key.press('Enter');
    await operator.getByRole('alert').getByText(/key/i).waitFor(SHORT);
    await screenshot(page, 'operator-key');
    // Here a development token does for one.
    await key.fill('dev:somebody');
    await key.press('Enter');
    await operator.getByRole('button', { name: 'Extensions' }).waitFor(SHORT);
  });
});

test('it all fits on a phone, dark as well', { skip }, async () => {
  await onPage(
    'left=alice&right=bob&left-view=people',
    async ({ page, left, operator }) => {
      await openProfile(left, 'karl');
      await profile(page).getByText('Add contact').waitFor(SHORT);
      assert.deepEqual(await overflows(page.locator('body')), []);
      await screenshot(page, 'profile-phone');
      await profile(page).getByRole('button', { name: 'Message' }).click();
      await left.write(LINK);
      await left.row('offers.example.com').getByText('held').waitFor(SHORT);
      await signIn(page, operator);
      await operator.locator('.held').first().waitFor(SHORT);
      assert.equal(await left.pane.isVisible(), false);
      assert.deepEqual(await overflows(page.locator('body')), []);
      await screenshot(page, 'operator-held-phone');
      await page.emulateMedia({ colorScheme: 'dark' });
      await screenshot(page, 'operator-held-phone-dark');
      await operator.getByRole('button', { name: 'Extensions' }).click();
      await operator.locator('.extension').nth(2).waitFor(SHORT);
      assert.deepEqual(await overflows(operator), []);
      await screenshot(page, 'operator-extensions-phone-dark');
      // To one of the people again.
      await page.locator('.switch').getByRole('button', { name: 'Bob' }).click();
      await operator.waitFor({ state: 'hidden', ...SHORT });
    },
    { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  );
});
