/** One installation's id: tabs of a browser share it, a process has its own. */

const KEY = 'tidings.device';

/**
 * @param {() => string} newId
 * @returns {string}
 */
export function defaultDevice(newId) {
  try {
    const storage = globalThis.localStorage;
    const known = storage.getItem(KEY);
    if (known) return known;
    const made = newId();
    storage.setItem(KEY, made);
    // Two tabs may have started at once; the one that wrote last is right for both.
    return storage.getItem(KEY) ?? made;
  } catch {
    // No storage, or none allowed: a device for as long as this page lives.
    return newId();
  }
}
