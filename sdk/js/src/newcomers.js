/** The page of people that is watched for newcomers: asked anew in each session, as the server forgets it with the connection. */

import { expect } from './fetching.js';

/**
 * @typedef {import('../types/wire.js').Requests['search_people']} Search
 * @typedef {(news: import('../types/index.js').PeopleOnline) => void} Listener
 * @typedef {{ search: Search, listener: Listener, answered: boolean }} Watched
 */

export class Newcomers {
  #ask;
  #tell;
  /** @type {Watched | null} */
  #watched = null;

  /**
   * @param {(request: import('../types/wire.js').Request) => Promise<Partial<import('../types/wire.js').Outcomes>>} ask
   * @param {(request: import('../types/wire.js').Request) => unknown} tell
   */
  constructor(ask, tell) {
    this.#ask = ask;
    this.#tell = tell;
  }

  /**
   * @param {Search} search
   * @param {Listener} listener
   */
  async watch(search, listener) {
    /** @type {Watched} */
    const watched = { search, listener, answered: false };
    this.#watched = watched;
    try {
      return expect(await this.#ask({ watch_people: { search } }), 'people');
    } catch (error) {
      if (this.#watched === watched) this.#watched = null;
      throw error;
    } finally {
      watched.answered = true;
      // It was asked again, and so after what took its place: the server watches the last it was asked for.
      if (this.#watched !== watched) this.online();
    }
  }

  unwatch() {
    if (!this.#watched) return;
    this.#watched = null;
    this.#tell({ unwatch_people: {} });
  }

  online() {
    const watched = this.#watched;
    // What was not answered yet is asked again by itself.
    if (!watched?.answered) return;
    watched.answered = false;
    this.#ask({ watch_people: { search: watched.search } }).then(
      () => (watched.answered = true),
      // What is refused now was not refused before: with the next connection, perhaps.
      () => (watched.answered = true),
    );
  }

  /** @param {{ count?: number, users?: string[] }} frame */
  receive({ count, users }) {
    // News of an earlier page may still come.
    if (this.#watched?.answered) this.#watched.listener({ count: count ?? 0, users: users ?? [] });
  }
}
