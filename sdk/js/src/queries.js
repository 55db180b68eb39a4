/** Questions: safe to ask again, so a lost connection or a busy server only delays the answer. */

import { backoff } from './close.js';
import { TidingsError } from './error.js';
import { unsendable } from './sendable.js';

/** How long a caller is kept waiting, connections lost and found included. */
const PATIENCE_MS = 30_000;
const TRIES = 5;

/**
 * @typedef {import('./calls.js').Request} Request
 * @typedef {import('./calls.js').Outcome} Outcome
 * @typedef {object} Query
 * @property {Request} request
 * @property {() => void} onSend
 * @property {(outcome: Outcome) => void} resolve
 * @property {(error: TidingsError) => void} reject
 * @property {number} tries
 * @property {unknown} timer until patience ends
 * @property {unknown} pause until the next try
 */

export class Queries {
  /** @type {Set<Query>} in the order asked */
  #open = new Set();
  #online = false;
  #calls;
  #clock;
  #random;

  /**
   * @param {import('./calls.js').Calls} calls
   * @param {import('../types/index.js').Clock} clock
   * @param {() => number} random
   */
  constructor(calls, clock, random) {
    this.#calls = calls;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * @param {Request} request
   * @param {() => void} [onSend] called each time just before it is sent
   * @returns {Promise<Outcome>}
   */
  ask(request, onSend = () => {}) {
    const unreadable = unsendable(request);
    if (unreadable) return Promise.reject(unreadable);
    return new Promise((resolve, reject) => {
      /** @type {Query} */
      const query = { request, onSend, resolve, reject, tries: 0, timer: null, pause: null };
      query.timer = this.#clock.setTimeout(() => {
        this.#end(query);
        reject(new TidingsError({ code: 'offline', message: 'no answer in time: there is no connection', retry: true }));
      }, PATIENCE_MS);
      this.#open.add(query);
      if (this.#online) this.#send(query);
    });
  }

  online() {
    this.#online = true;
    for (const query of [...this.#open]) {
      if (query.pause !== null) this.#clock.clearTimeout(query.pause);
      query.pause = null;
      this.#send(query);
    }
  }

  offline() {
    this.#online = false;
  }

  /** @param {TidingsError} error */
  rejectAll(error) {
    for (const query of [...this.#open]) {
      this.#end(query);
      query.reject(error);
    }
  }

  /** @param {Query} query */
  #send(query) {
    query.onSend();
    this.#calls.call(query.request, (outcome) => {
      if (!this.#open.has(query)) return;
      const refusal = outcome.error;
      if (refusal?.retry && ++query.tries < TRIES) {
        const ms = refusal.retry_after_ms || backoff(query.tries, this.#random);
        query.pause = this.#clock.setTimeout(() => {
          query.pause = null;
          if (this.#online) this.#send(query);
        }, ms);
        return;
      }
      this.#end(query);
      if (refusal) query.reject(TidingsError.fromWire(refusal));
      else query.resolve(outcome);
    });
  }

  /** @param {Query} query */
  #end(query) {
    this.#open.delete(query);
    this.#clock.clearTimeout(query.timer);
    if (query.pause !== null) this.#clock.clearTimeout(query.pause);
  }
}
