/** Time that stands still until a test moves it. */
export class ManualClock {
  #now;
  #timers = new Map();
  #next = 1;

  constructor(now = 1_764_000_000_000) {
    this.#now = now;
  }

  now() {
    return this.#now;
  }

  setTimeout(task, ms) {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + Math.max(0, ms), task });
    return id;
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  /** Moves on, running what is due in order, with everything it sets off. */
  async advance(ms) {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].task();
    }
    this.#now = until;
  }
}

/** Resolves when what is under way without timers has been done. */
export async function settled() {
  for (let i = 0; i < 3; i += 1) await new Promise((done) => setImmediate(done));
}
