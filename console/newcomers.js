/** How many more people have come online who would be found: a line that asks anew when it is pressed. */

import { h } from './dom.js';

/**
 * @typedef {import('../sdk/js/types/index.js').PeopleSearch} PeopleSearch
 * @typedef {import('../sdk/js/types/index.js').FoundPeople} FoundPeople
 */

export class Newcomers {
  #client;
  #button;
  /** Those that an earlier connection told of, or that came while nothing was watched. */
  #before = 0;
  #count = 0;
  /** Which page is watched, of all that were. */
  #page = 0;
  #off;

  /**
   * @param {import('../sdk/js/src/index.js').Tidings} client
   * @param {() => void} ask
   */
  constructor(client, ask) {
    this.#client = client;
    this.#button = h('button', { type: 'button', onclick: ask });
    // It is always there, so that what comes into it is read out.
    this.element = h('div.newcomers', { role: 'status' });
    this.#off = client.on('connection', ({ state }) => {
      if (state !== 'waiting') return;
      this.#before += this.#count;
      this.#count = 0;
    });
  }

  /**
   * Asks, and watches from then on.
   * @param {PeopleSearch} search
   * @returns {Promise<FoundPeople>}
   */
  watch(search) {
    const page = this.#begin(0);
    return this.#client.watchPeople(search, (news) => this.#told(page, news.count));
  }

  /**
   * Watches a page again that was left: who came meanwhile is on the page as it would be now.
   * @param {PeopleSearch} search
   * @param {ReadonlyMap<string, unknown>} shown
   */
  async rewatch(search, shown) {
    const page = this.#begin(this.#before + this.#count);
    const { people } = await this.#client.watchPeople(search, (news) => this.#told(page, news.count));
    if (page !== this.#page) return;
    this.#before = people.filter(({ user, state }) => state !== 'offline' && !shown.has(user)).length;
    this.#show();
  }

  unwatch() {
    this.#page += 1;
    this.#client.unwatchPeople();
  }

  close() {
    this.#off();
    this.unwatch();
  }

  /** @param {number} before */
  #begin(before) {
    this.#before = before;
    this.#count = 0;
    this.#show();
    return (this.#page += 1);
  }

  /**
   * @param {number} page
   * @param {number} count
   */
  #told(page, count) {
    if (page !== this.#page) return;
    this.#count = count;
    this.#show();
  }

  #show() {
    const count = this.#before + this.#count;
    if (count === 0) return this.element.replaceChildren();
    const text = `${count.toLocaleString()} more ${count === 1 ? 'is' : 'are'} online`;
    if (this.#button.textContent !== text) this.#button.textContent = text;
    if (!this.#button.isConnected) this.element.append(this.#button);
  }
}
