/** What others do in conversations at this moment, such as typing: never recorded, forgotten without a repeat. */

export class Signals {
  /** @type {Map<string, Map<string, unknown>>} conversation, user, timer */
  #active = new Map();
  #clock;
  #expiresMs;
  #onChange;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {number} expiresMs how long a signal holds without a repeat
   * @param {(conversation: string) => void} onChange
   */
  constructor(clock, expiresMs, onChange) {
    this.#clock = clock;
    this.#expiresMs = expiresMs;
    this.#onChange = onChange;
  }

  /** @param {string} conversation */
  users(conversation) {
    return [...(this.#active.get(conversation)?.keys() ?? [])];
  }

  /**
   * @param {string} conversation
   * @param {string} user
   * @param {boolean} active
   * @returns {boolean} whether that is news
   */
  set(conversation, user, active) {
    const users = this.#active.get(conversation) ?? new Map();
    const was = users.has(user);
    if (was) this.#clock.clearTimeout(users.get(user));
    // Who was there stays at the same place among the others.
    if (active) users.set(user, this.#clock.setTimeout(() => this.set(conversation, user, false), this.#expiresMs));
    else users.delete(user);
    if (users.size > 0) this.#active.set(conversation, users);
    else this.#active.delete(conversation);
    if (was !== active) this.#onChange(conversation);
    return was !== active;
  }

  /**
   * Somebody does nothing anywhere any more.
   * @param {string} user
   */
  gone(user) {
    for (const conversation of [...this.#active.keys()]) this.set(conversation, user, false);
  }

  clear() {
    for (const [conversation, users] of [...this.#active]) {
      for (const user of [...users.keys()]) this.set(conversation, user, false);
    }
  }
}
