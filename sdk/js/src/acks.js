/** Tells the server how far this device has come: cumulative, so a few a second are plenty. */

const EVERY_MS = 500;

export class Acks {
  #clock;
  #send;
  /** @type {{ position: number, index: number } | null} */
  #next = null;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {(ack: { position: number, index: number }) => void} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param {{ position: number, index: number }} cursor */
  note({ position, index }) {
    this.#next = { position, index };
    if (this.#timer === null) this.#flush();
  }

  /** The connection is gone; the next one starts from its own cursor. */
  drop() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#next = null;
  }

  #flush() {
    this.#timer = null;
    if (!this.#next) return;
    this.#send(this.#next);
    this.#next = null;
    this.#timer = this.#clock.setTimeout(() => this.#flush(), EVERY_MS);
  }
}
