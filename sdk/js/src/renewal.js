/** Renews the token of a session before it expires, so that no connection is lost over it. */

import { TidingsError, tokenFrom } from './error.js';

/** This long before, or after four fifths of a short life. */
const AHEAD_MS = 60_000;
const SOONEST_MS = 1_000;
/** Timers cannot wait longer. */
const LONGEST_MS = 2 ** 31 - 1;

export class Renewal {
  #clock;
  #serverNow;
  #getToken;
  #calls;
  #onError;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {() => number} serverNow
   * @param {import('../types/index.js').Options['getToken']} getToken
   * @param {import('./calls.js').Calls} calls
   * @param {(error: TidingsError) => void} onError
   */
  constructor(clock, serverNow, getToken, calls, onError) {
    this.#clock = clock;
    this.#serverNow = serverNow;
    this.#getToken = getToken;
    this.#calls = calls;
    this.#onError = onError;
  }

  /**
   * @param {number} expiresMs by the server's clock; 0 for never
   * @param {number} [soonestMs] not before this has passed
   */
  before(expiresMs, soonestMs = 0) {
    this.stop();
    if (!expiresMs) return;
    const left = expiresMs - this.#serverNow();
    const wait = Math.max(left - AHEAD_MS, left * 0.8, SOONEST_MS, soonestMs);
    if (wait <= LONGEST_MS) this.#timer = this.#clock.setTimeout(() => void this.#renew(expiresMs), wait);
  }

  stop() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {number} expiresMs */
  async #renew(expiresMs) {
    const timer = this.#timer;
    try {
      const token = await tokenFrom(this.#getToken, true);
      this.#calls.call({ renew_token: { token } }, ({ pong, error }) => {
        if (pong) return this.before(pong.token_expires_ms);
        if (!error) return;
        if (!error.retry) this.#onError(TidingsError.fromWire(error));
        // Refused or put off: the session goes on until its own token ends, and another may be taken till then.
        if (this.#serverNow() < expiresMs) this.before(expiresMs, error.retry_after_ms);
      });
    } catch (thrown) {
      // The session it was for may be gone.
      if (timer !== this.#timer) return;
      const error = TidingsError.from(thrown, 'token_unavailable');
      this.#onError(error);
      // The server closes the connection when the token expires, and then it is asked for in any case.
      if (error.retry && this.#serverNow() < expiresMs) this.before(expiresMs);
    }
  }
}
