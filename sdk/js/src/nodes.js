/**
 * Where the server can be reached, when it is several nodes that serve one log: those the app names stay,
 * those the server tells of come and go. All hold the same, so that a lost one costs no more than a moment.
 */

import { backoff, socketUrl } from './close.js';
import { TidingsError } from './error.js';

/** Another node is tried within this time, chosen at random: many clients lose a node at once. */
const AT_ONCE_MS = 100;

export class Nodes {
  /** Address of the socket to open. */
  present;
  #named;
  /** What the app named, the present one, and those the server has told of. @type {string[]} */
  #known;
  /** Tried in vain in this round. @type {Set<string>} */
  #tried = new Set();
  /** How often each has been tried in vain. */
  #rounds = 0;
  #random;

  /**
   * @param {string | readonly string[]} url what the app names
   * @param {() => number} random
   */
  constructor(url, random) {
    this.#named = [...new Set([url].flat().map(socketUrl))];
    if (this.#named.length === 0) throw new TidingsError({ code: 'invalid', message: 'no url is given' });
    this.#known = this.#named;
    this.#random = random;
    this.present = this.#oneOf(this.#named);
  }

  /** Begins anew, where the app said. */
  home() {
    this.#tried.clear();
    this.#rounds = 0;
    this.#known = [...new Set([...this.#named, ...this.#known])];
    if (!this.#named.includes(this.present)) this.present = this.#oneOf(this.#named);
  }

  /** @param {readonly string[]} urls of the other nodes */
  learn(urls) {
    const told = urls.map((url) => this.#read(url)).filter((url) => url !== null);
    this.#known = [...new Set([...this.#named, this.present, ...told])];
  }

  /**
   * The server says where to go.
   * @param {string} url
   */
  sentTo(url) {
    this.present = this.#read(url) ?? this.#oneOf(this.#named);
    if (!this.#known.includes(this.present)) this.#known = [...this.#known, this.present];
  }

  /**
   * The present one is not to be had, or not any more: another becomes the present one. Each is tried before
   * it is waited for any of them.
   * @param {{ welcomed: boolean, stable: boolean }} was whether it was there at all, and for a while
   * @returns {number | null} after how many milliseconds to try it; null when there is no other
   */
  next({ welcomed, stable }) {
    if (stable) {
      this.#tried.clear();
      this.#rounds = 0;
    }
    // A connection that lasted may have been lost by no fault of the node: it is the last of its round.
    if (!welcomed || !stable) this.#tried.add(this.present);
    const others = this.#known.filter((url) => url !== this.present);
    if (others.length === 0) return null;
    let left = this.#known.filter((url) => !this.#tried.has(url));
    if (left.length === 0) {
      this.#tried.clear();
      this.#rounds += 1;
      left = others;
    }
    const elsewhere = left.filter((url) => url !== this.present);
    this.present = this.#oneOf(elsewhere.length > 0 ? elsewhere : left);
    return this.#rounds === 0 ? this.#random() * AT_ONCE_MS : backoff(this.#rounds, this.#random);
  }

  /**
   * No socket can be opened to the present one.
   * @returns {boolean} whether there are others
   */
  forget() {
    const others = this.#known.filter((url) => url !== this.present);
    if (others.length > 0) this.#known = others;
    return others.length > 0;
  }

  /**
   * @param {string} url named by a server
   * @returns {string | null} null for what cannot be used: a server cannot have a token sent in the clear either
   */
  #read(url) {
    try {
      const read = socketUrl(url);
      const secure = this.#named.every((named) => named.startsWith('wss:'));
      return secure && !read.startsWith('wss:') ? null : read;
    } catch {
      return null;
    }
  }

  /** @param {readonly string[]} urls at least one */
  #oneOf(urls) {
    return /** @type {string} */ (urls[Math.min(Math.floor(this.#random() * urls.length), urls.length - 1)]);
  }
}
