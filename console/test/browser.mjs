/** A browser on the page of a real server. */

import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// The SDK's development dependencies are the console's.
const { chromium } = createRequire(new URL('../../sdk/js/package.json', import.meta.url))('playwright-core');
const root = new URL('../../', import.meta.url);
const shots = fileURLToPath(new URL('target/console/', root));

export const executablePath = process.env.TIDINGS_CHROMIUM ?? '/usr/bin/chromium';

/** @returns {string | false} why to skip; in CI that is a failure */
export function skipReason() {
  if (existsSync(executablePath)) return false;
  if (process.env.CI === 'true') throw new Error(`there is no browser at ${executablePath}`);
  return `there is no browser at ${executablePath}`;
}

/** @param {string[]} more switches */
export function launch(more = []) {
  const args = [...more, '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath, headless: true, args });
}

/**
 * Opens the page in a fresh profile. Whatever it complains of is kept in `complaints`.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    // Connections that fail are what some tests are about.
    if (message.type() === 'error' && !/WebSocket|ERR_CONNECTION|Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  if (process.env.TIDINGS_CONSOLE_TREE) await fromTree(context);
  const line = new Line();
  await page.routeWebSocket(/\/v1\/ws$/, (socket) => line.accept(socket));
  await page.goto(url);
  return { page, complaints, line, side: (name) => new Side(page, page.locator(`.pane[data-side=${name}]`)) };
}

/**
 * While working on the page: scripts and styles as they are in the tree, not as they were compiled into
 * the server. The document itself has to come from the server, or the browser does not let it connect there.
 */
async function fromTree(context) {
  await context.route(/\.(js|css)$/, async (route) => {
    // /static/VERSION/console/app.js
    const path = new URL(route.request().url()).pathname.split('/').slice(3).join('/');
    const contentType = path.endsWith('.css') ? 'text/css' : 'text/javascript';
    await route.fulfill({ body: await readFile(new URL(path, root), 'utf8'), contentType });
  });
}

/** @param {import('playwright-core').Page} page */
export async function screenshot(page, name) {
  await mkdir(shots, { recursive: true });
  await page.screenshot({ path: `${shots}${name}.png` });
}

/** What lies between page and server, and can be cut. */
class Line {
  #whole = true;
  #deaf = false;
  #sockets = new Set();

  accept(socket) {
    if (!this.#whole) return void socket.close();
    const server = socket.connectToServer();
    server.onMessage((message) => {
      if (!this.#deaf) socket.send(message);
    });
    this.#sockets.add(socket);
  }

  /** Nothing gets from the server to the page any more, on this connection and others, but all the other way. */
  deafen() {
    this.#deaf = true;
  }

  async cut() {
    this.#whole = false;
    const sockets = [...this.#sockets];
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  mend() {
    this.#whole = true;
    this.#deaf = false;
  }
}

/** One person's half of the page. */
export class Side {
  constructor(page, pane) {
    this.page = page;
    this.pane = pane;
    this.field = pane.getByRole('textbox', { name: 'Message' });
    this.rows = pane.locator('.row');
    this.scroller = pane.locator('.scroller');
  }

  /** The list's entry for a conversation. */
  entry(title) {
    return this.pane.locator('.conversation').filter({ has: this.page.locator('.title', { hasText: new RegExp(`^${title}$`) }) });
  }

  async open(title) {
    await this.entry(title).click();
    await this.pane.getByRole('heading', { name: title }).waitFor();
  }

  async write(text) {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  row(text) {
    return this.rows.filter({ has: this.page.locator('.text', { hasText: text }) }).last();
  }

  /** Does something with a message. */
  async act(row, name) {
    await row.hover();
    await row.getByRole('button', { name, exact: true }).click();
  }
}
