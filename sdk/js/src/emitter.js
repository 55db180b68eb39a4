/** Listeners by name. A listener that throws does not keep the others from hearing. */

/** @template {Record<string, any>} T */
export class Emitter {
  /** @type {Map<keyof T, Set<(event: any) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof T} K
   * @param {K} name
   * @param {(event: T[K]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) {
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => this.off(name, listener);
  }

  /**
   * @template {keyof T} K
   * @param {K} name
   * @param {(event: T[K]) => void} listener
   */
  off(name, listener) {
    this.#listeners.get(name)?.delete(listener);
  }

  /**
   * @template {keyof T} K
   * @param {K} name
   * @param {T[K]} event
   */
  emit(name, event) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        // Into the app's own error reporting, not into ours.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
