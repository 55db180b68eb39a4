/** A first load of the page, with nothing in any cache: what goes over the wire, and when something is painted. */

/**
 * @typedef {object} Received
 * @property {number} requests but the WebSockets
 * @property {number} bytes of all answers, headers counted in, but what goes over the WebSockets
 * @property {number} socketBytes what came over WebSockets: their handshakes' answers and frames
 * @property {{ url: string, status: number, bytes: number }[]} each
 */

/**
 * When the first element that matches was painted, in milliseconds from the start of the navigation, for each selector.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {Record<string, string>} selectors by name
 * @returns {Promise<Record<string, number>>}
 */
export function paintedMs(browser, url, selectors) {
  return onFreshPage(browser, async (page) => {
    await load(page, url, selectors);
    return page.evaluate(() => globalThis.paintedMs);
  });
}

/**
 * What comes over the wire on a first load until everything that was asked for has come. Counting takes time of its
 * own, so this says nothing of when.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {Record<string, string>} selectors what to wait for
 * @returns {Promise<Received>}
 */
export function received(browser, url, selectors) {
  return onFreshPage(browser, (page) => receivedBy(page, url, selectors));
}

/**
 * The same, on a page that may have something in its cache.
 * @param {import('playwright-core').Page} page
 * @param {string} url
 * @param {Record<string, string>} selectors
 */
export async function receivedBy(page, url, selectors) {
  const session = await page.context().newCDPSession(page);
  const wire = new Wire(session);
  await session.send('Network.enable');
  await load(page, url, selectors);
  await page.waitForLoadState('load');
  const counted = await wire.quiet();
  await session.detach();
  return counted;
}

/**
 * Runs `body` on a page of a profile of its own.
 * @template T
 * @param {import('playwright-core').Browser} browser
 * @param {(page: import('playwright-core').Page) => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function onFreshPage(browser, body) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'UTC' });
  try {
    return await body(await context.newPage());
  } finally {
    await context.close();
  }
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} url
 * @param {Record<string, string>} selectors
 */
async function load(page, url, selectors) {
  await page.addInitScript(watch, selectors);
  await page.goto(url, { waitUntil: 'commit' });
  await page.waitForFunction((count) => Object.keys(globalThis.paintedMs).length === count, Object.keys(selectors).length, { timeout: 30_000 });
}

/** Runs in the page before anything else there. @param {Record<string, string>} selectors */
function watch(selectors) {
  /** @type {Record<string, number>} */
  globalThis.paintedMs = {};
  const waiting = new Map(Object.entries(selectors));
  const observer = new MutationObserver(() => {
    for (const [name, selector] of waiting) {
      if (!document.querySelector(selector)) continue;
      waiting.delete(name);
      // A task that is posted in a frame comes after that frame has been painted.
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => (globalThis.paintedMs[name] = performance.now());
        port2.postMessage(null);
      });
    }
    if (waiting.size === 0) observer.disconnect();
  });
  observer.observe(document, { childList: true, subtree: true });
}

/** Counts what a page receives. */
class Wire {
  #requests = new Map();
  #open = new Set();
  #socketBytes = 0;
  /** @type {() => void} */
  #changed = () => {};

  /** @param {import('playwright-core').CDPSession} session */
  constructor(session) {
    session.on('Network.requestWillBeSent', ({ requestId, request }) => {
      this.#requests.set(requestId, { url: request.url, status: 0, bytes: 0 });
      this.#open.add(requestId);
    });
    session.on('Network.responseReceived', ({ requestId, response }) => {
      const request = this.#requests.get(requestId);
      if (request) request.status = response.status;
    });
    const ended = (/** @type {string} */ requestId, /** @type {number} */ bytes) => {
      const request = this.#requests.get(requestId);
      if (request) request.bytes = bytes;
      this.#open.delete(requestId);
      this.#changed();
    };
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => ended(requestId, encodedDataLength));
    session.on('Network.loadingFailed', ({ requestId }) => ended(requestId, 0));
    session.on('Network.webSocketHandshakeResponseReceived', ({ response }) => (this.#socketBytes += response.headersText?.length ?? 0));
    session.on('Network.webSocketFrameReceived', ({ response: { opcode, payloadData } }) => {
      this.#socketBytes += opcode === 1 ? Buffer.byteLength(payloadData) : Buffer.byteLength(payloadData, 'base64');
    });
  }

  /** Waits until every request has ended. */
  async quiet() {
    while (this.#open.size > 0) await new Promise((next) => (this.#changed = () => next(undefined)));
    const each = [...this.#requests.values()];
    return { requests: each.length, bytes: each.reduce((sum, { bytes }) => sum + bytes, 0), socketBytes: this.#socketBytes, each };
  }
}
