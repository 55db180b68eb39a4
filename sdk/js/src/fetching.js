/**
 * Questions whose answers go into the store, and what has to be asked again after a reset, a block
 * or an event about something that is not loaded.
 */

import { TidingsError } from './error.js';
import { holes, stretchOf } from './window.js';
import { messageFromWire } from './wire.js';

/** Messages a page. */
const PAGE = 50;
/** An answer can become useless before it arrives (a reset came first); that does not go on for ever. */
const ASK_AGAIN = 5;

/**
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Reading} Reading
 * @typedef {import('./calls.js').Request} Request
 * @typedef {import('./calls.js').Outcome} Outcome
 */

export class Fetching {
  #store;
  #queries;
  /** Everything above this activity is loaded. */
  #frontier = 0;
  /** Conversations to fetch. @type {Set<string>} */
  #wanted = new Set();
  #wantAll = false;
  #wantUnread = false;
  /** Open conversations whose latest messages have to be loaded. @type {Set<string>} */
  #wantLatest = new Set();
  #running = false;
  #online = false;
  /** One question of a kind at a time. @type {Map<string, Promise<any>>} */
  #asking = new Map();
  #onError;

  /**
   * @param {Store} store
   * @param {import('./queries.js').Queries} queries
   * @param {(error: TidingsError) => void} onError
   */
  constructor(store, queries, onError) {
    this.#store = store;
    this.#queries = queries;
    this.#onError = onError;
  }

  /** @param {import('../types/wire.js').Reset} reset */
  onReset(reset) {
    this.#frontier = lowestActivity(reset.conversations);
    this.#wanted.clear();
    this.#wantAll = false;
    this.#wantUnread = false;
    for (const id of this.#store.open) this.#wantLatest.add(id);
  }

  /**
   * What an event has left to do.
   * @param {{ fetch: string, fetchAll: boolean, fetchUnread: boolean }} todo
   */
  onEvent({ fetch, fetchAll, fetchUnread }) {
    if (fetch) this.#wanted.add(fetch);
    this.#wantAll ||= fetchAll;
    this.#wantUnread ||= fetchUnread;
    if (fetch || fetchAll || fetchUnread) void this.#work();
  }

  online() {
    this.#online = true;
    void this.#work();
  }

  offline() {
    this.#online = false;
  }

  /**
   * Loads a conversation that is not in the list.
   * @param {string} id
   */
  conversation(id) {
    return this.#once(`conversation ${id}`, () =>
      this.#ask({ get_conversation: { conversation: id } }, (reading, outcome) =>
        this.#store.mergeConversation(reading, expect(outcome, 'conversation')),
      ),
    );
  }

  /** The next page of older conversations. */
  conversations() {
    return this.#once('conversations', async () => {
      // Conversations that share a position are in one page: none is left out.
      if (this.#store.more) await this.#list(this.#frontier, 20, false);
      return this.#store.more;
    });
  }

  /**
   * The latest messages of a conversation, if they are not there.
   * @param {string} id
   */
  async latest(id) {
    await this.#loaded(id);
    const window = this.#store.conversations.get(id)?.window;
    if (!window || window.messages.length >= PAGE / 2 || holes(window).length === 0) return;
    await this.messages(id, {});
  }

  /**
   * A page of messages. Resolves to whether there are more in the direction asked.
   * @param {string} id
   * @param {{ before?: number, after?: number }} asked
   * @param {{ replace?: boolean }} [options]
   * @returns {Promise<boolean>}
   */
  async messages(id, asked, options) {
    await this.#loaded(id);
    return this.#once(`messages ${id} ${asked.before ?? ''} ${asked.after ?? ''} ${options?.replace ?? false}`, async () => {
      const request = { list_messages: { conversation: id, before: asked.before ?? 0, after: asked.after ?? null, limit: PAGE } };
      const outcome = await this.#ask(request, (reading, outcome) => {
        const page = expect(outcome, 'messages');
        const stretch = stretchOf(asked, page.messages.map(messageFromWire), page.more);
        if (stretch) return this.#store.mergeMessages(reading, id, stretch, page, options);
        this.#store.forget(reading);
        return true;
      });
      return expect(outcome, 'messages').more;
    });
  }

  /** @param {string} id */
  async #loaded(id) {
    if (!this.#store.conversations.has(id)) await this.conversation(id);
  }

  async #work() {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#online && (await this.#step()));
    } catch (thrown) {
      const error = TidingsError.from(thrown, 'internal');
      // Without a connection it goes on when there is one.
      if (error.code !== 'offline' && error.code !== 'closed') this.#onError(error);
    } finally {
      this.#running = false;
    }
  }

  /** Does one thing there is to do. False when there is none. */
  async #step() {
    // Crossed off before it is done: what comes up in the meantime has to be done anew.
    if (this.#wantAll) {
      this.#wantAll = false;
      await this.#orLater(this.#everything(), () => (this.#wantAll = true));
      this.#wantUnread = true;
      return true;
    }
    for (const id of this.#wanted) {
      this.#wanted.delete(id);
      await this.#orLater(this.#again(id), () => this.#wanted.add(id));
      return true;
    }
    for (const id of this.#wantLatest) {
      this.#wantLatest.delete(id);
      const latest = this.latest(id).catch((error) => this.#unlessGone(id, error));
      await this.#orLater(latest, () => this.#wantLatest.add(id));
      return true;
    }
    if (!this.#wantUnread) return false;
    this.#wantUnread = false;
    // With everything loaded, the sum is the total.
    if (this.#store.more) await this.#orLater(this.#unread(), () => (this.#wantUnread = true));
    return true;
  }

  /**
   * @param {Promise<unknown>} work
   * @param {() => void} wantAgain
   */
  async #orLater(work, wantAgain) {
    try {
      await work;
    } catch (error) {
      wantAgain();
      throw error;
    }
  }

  #unread() {
    return this.#ask({ get_unread: {} }, (reading, outcome) => this.#store.mergeUnread(reading, expect(outcome, 'unread')));
  }

  /** The loaded part of the list once more, and the open conversations. */
  async #everything() {
    const store = this.#store;
    const frontier = this.#frontier;
    const seen = new Set();
    let before = 0;
    for (;;) {
      const page = await this.#list(before, 100, true);
      for (const { id } of page.conversations) seen.add(id);
      if (!page.more || this.#frontier <= frontier) break;
      before = this.#frontier;
    }
    for (const id of [...store.conversations.keys()]) if (!seen.has(id)) await this.#again(id);
    for (const id of [...store.open]) await this.messages(id, {}, { replace: true }).catch((error) => this.#unlessGone(id, error));
  }

  /**
   * A conversation once more; a block may have made it vanish.
   * @param {string} id
   */
  async #again(id) {
    try {
      await this.conversation(id);
    } catch (error) {
      ifGone(error);
      this.#store.remove(id);
    }
  }

  /**
   * An open conversation that could not be loaded: after a reset it may be none any more.
   * @param {string} id
   * @param {unknown} error
   */
  #unlessGone(id, error) {
    ifGone(error);
    if (!this.#store.conversations.has(id)) this.#store.remove(id);
  }

  /**
   * @param {number} before
   * @param {number} limit
   * @param {boolean} replace
   */
  async #list(before, limit, replace) {
    const outcome = await this.#ask({ list_conversations: { before, limit } }, (reading, outcome) => {
      const page = expect(outcome, 'conversations');
      if (!this.#store.mergeConversations(reading, page, { last: true, replace })) return false;
      this.#frontier = page.conversations.length > 0 ? lowestActivity(page.conversations) : 0;
      return true;
    });
    return expect(outcome, 'conversations');
  }

  /**
   * Asks, and asks again while the answer cannot be used.
   * @param {Request} request
   * @param {(reading: Reading, outcome: Outcome) => boolean} merge
   */
  async #ask(request, merge) {
    for (let tries = 0; tries < ASK_AGAIN; tries += 1) {
      /** @type {Reading | null} */
      let reading = null;
      const start = () => {
        if (reading) this.#store.forget(reading);
        reading = this.#store.read();
      };
      try {
        const outcome = await this.#queries.ask(request, start);
        if (merge(/** @type {any} */ (reading), outcome)) return outcome;
      } catch (error) {
        if (reading) this.#store.forget(reading);
        throw error;
      }
    }
    throw new TidingsError({ code: 'unavailable', message: 'the answers came too late each time', retry: true });
  }

  /**
   * @template T
   * @param {string} key
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  #once(key, task) {
    const running = this.#asking.get(key);
    if (running) return running;
    const promise = task().finally(() => this.#asking.delete(key));
    this.#asking.set(key, promise);
    return promise;
  }
}

/**
 * @template {keyof import('../types/wire.js').Outcomes} K
 * @param {Outcome} outcome
 * @param {K} name
 * @returns {import('../types/wire.js').Outcomes[K]}
 */
export function expect(outcome, name) {
  const body = outcome[name];
  if (body === undefined) throw new TidingsError({ code: 'internal', message: `the reply holds no ${name}` });
  return /** @type {any} */ (body);
}

/** @param {readonly import('../types/wire.js').Conversation[]} conversations */
function lowestActivity(conversations) {
  return conversations.reduce((lowest, { activity_position }) => Math.min(lowest, activity_position), Infinity);
}

/** @param {unknown} error a conversation or message that is not there for this user is no reason to stop */
function ifGone(error) {
  const gone = error instanceof TidingsError && (error.code === 'not_found' || error.code === 'not_member');
  if (!gone) throw error;
}
