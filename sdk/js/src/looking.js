/** Says which conversation one is looking at: at a pace, in each session, and to those who come to look at it too. */

import { TidingsError } from './error.js';
import { unsendable } from './sendable.js';

/** Others forget it after this long without a repeat. */
export const LOOK_EXPIRES_MS = 90_000;
const REPEAT_MS = 30_000;
/** Not more often than this, whoever comes. */
const LEAST_MS = 2_000;

export class LookingSelf {
  /** At which conversation; empty for none. */
  #at = '';
  #online = false;
  #saidMs = -Infinity;
  /** @type {unknown} until it is said next */
  #timer = null;
  #clock;
  #calls;
  #onError;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {import('./calls.js').Calls} calls
   * @param {(error: TidingsError) => void} onError
   */
  constructor(clock, calls, onError) {
    this.#clock = clock;
    this.#calls = calls;
    this.#onError = onError;
  }

  /** @param {string | null} conversation */
  look(conversation) {
    const fault = conversation === null ? null : unsendable({ look: { conversation } });
    if (fault) throw fault;
    const at = conversation ?? '';
    if (at === this.#at) return;
    this.#at = at;
    if (this.#online) this.#say();
  }

  /**
   * Somebody else has begun to look: they do not know yet who was here before.
   * @param {string} conversation
   */
  met(conversation) {
    if (!this.#online || conversation !== this.#at) return;
    const waitMs = this.#saidMs + LEAST_MS - this.#clock.now();
    if (waitMs <= 0) this.#say();
    else this.#sayIn(waitMs);
  }

  online() {
    this.#online = true;
    if (this.#at) this.#say();
  }

  offline() {
    this.#online = false;
    this.#stop();
  }

  #say() {
    this.#stop();
    const at = this.#at;
    // To none is said once, and nobody waits for an answer.
    if (!at) return void this.#calls.tell({ look: {} });
    this.#saidMs = this.#clock.now();
    this.#sayIn(REPEAT_MS);
    this.#calls.call({ look: { conversation: at } }, ({ error }) => {
      if (!error || at !== this.#at || !this.#online) return;
      if (error.retry) return this.#sayIn(Math.max(LEAST_MS, error.retry_after_ms));
      this.#stop();
      this.#at = '';
      this.#onError(TidingsError.fromWire(error));
    });
  }

  /** @param {number} ms */
  #sayIn(ms) {
    this.#stop();
    this.#timer = this.#clock.setTimeout(() => this.#say(), ms);
  }

  #stop() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
