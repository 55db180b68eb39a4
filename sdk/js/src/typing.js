/** Typing signals: who types where, and when to say that oneself does. */

/** Others forget a signal after this long without a repeat. */
const EXPIRES_MS = 6_000;
const REPEAT_MS = 4_000;
/** No keystroke for this long: stopped. */
const PAUSE_MS = 5_000;

/** @typedef {import('../types/index.js').Clock} Clock */

/** Who is typing in which conversation. */
export class TypingOthers {
  /** @type {Map<string, Map<string, unknown>>} conversation, user, timer */
  #typing = new Map();
  #clock;
  #onChange;

  /**
   * @param {Clock} clock
   * @param {(conversation: string) => void} onChange
   */
  constructor(clock, onChange) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** @param {string} conversation */
  users(conversation) {
    return [...(this.#typing.get(conversation)?.keys() ?? [])];
  }

  /**
   * @param {string} conversation
   * @param {string} user
   * @param {boolean} active
   */
  set(conversation, user, active) {
    const users = this.#typing.get(conversation) ?? new Map();
    const was = users.has(user);
    if (was) this.#clock.clearTimeout(users.get(user));
    users.delete(user);
    if (active) users.set(user, this.#clock.setTimeout(() => this.set(conversation, user, false), EXPIRES_MS));
    if (users.size > 0) this.#typing.set(conversation, users);
    else this.#typing.delete(conversation);
    if (was !== active) this.#onChange(conversation);
  }

  clear() {
    for (const [conversation, users] of [...this.#typing]) {
      for (const user of [...users.keys()]) this.set(conversation, user, false);
    }
  }
}

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
