/**
 * Which tabs are alive. Every tab holds a lock named after itself for as long as it lives; whoever
 * gets that lock knows that the tab is gone, and is the only one to take over what it left.
 */

/** @typedef {import('../types/index.js').TabLocks} TabLocks */

/**
 * @param {LockManager} manager
 * @returns {TabLocks}
 */
export function webLocks(manager) {
  return {
    hold: (name) =>
      new Promise((held, failed) => {
        manager
          .request(name, () => new Promise((/** @type {(value?: unknown) => void} */ release) => held(() => release())))
          .catch(failed);
      }),
    whenGone: (name, task) => {
      const cancel = new AbortController();
      manager.request(name, { signal: cancel.signal }, task).catch(() => {
        // Cancelled, or the page is going away: somebody else takes over.
      });
      return () => cancel.abort();
    },
    held: async () => ((await manager.query()).held ?? []).map(({ name }) => name ?? ''),
  };
}

/**
 * Without Web Locks (Node.js, pages not on https): whoever starts takes over what is there, once. In the
 * worst case two tabs send the same commands, and the server executes each once.
 * @returns {TabLocks}
 */
export function noLocks() {
  /** Taken over already: whoever writes under that name now lives. @type {Set<string>} */
  const taken = new Set();
  return {
    hold: async () => () => {},
    whenGone: (name, task) => {
      if (!taken.has(name)) {
        taken.add(name);
        task().catch(() => taken.delete(name));
      }
      return () => taken.delete(name);
    },
    held: async () => [...taken],
  };
}

/** @returns {TabLocks} */
export function defaultLocks() {
  const manager = globalThis.navigator?.locks;
  return manager ? webLocks(manager) : noLocks();
}
