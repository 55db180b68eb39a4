/** Typing signals: when to say that oneself types. */

/** Others forget a signal after this long without a repeat. */
export const TYPING_EXPIRES_MS = 6_000;
const REPEAT_MS = 4_000;
/** No keystroke for this long: stopped. */
const PAUSE_MS = 5_000;

/** @typedef {import('../types/index.js').Clock} Clock */

/** Says that oneself is typing, at a pace. One per conversation. */
export class TypingSelf {
  #clock;
  #send;
  #sentMs = -Infinity;
  /** @type {unknown} */
  #pause = null;

  /**
   * @param {Clock} clock
   * @param {(active: boolean) => void} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param {boolean} active */
  set(active) {
    if (this.#pause !== null) this.#clock.clearTimeout(this.#pause);
    this.#pause = null;
    if (!active) {
      if (this.#sentMs !== -Infinity) this.#send(false);
      this.#sentMs = -Infinity;
      return;
    }
    if (this.#clock.now() - this.#sentMs >= REPEAT_MS) {
      this.#sentMs = this.#clock.now();
      this.#send(true);
    }
    this.#pause = this.#clock.setTimeout(() => this.set(false), PAUSE_MS);
  }

  /** A message was sent, which says by itself that typing is over. */
  sent() {
    if (this.#pause !== null) this.#clock.clearTimeout(this.#pause);
    this.#pause = null;
    this.#sentMs = -Infinity;
  }
}
