/** @implements {OutboxStorage} */
export class MemoryStorage {
  /** @typedef {import('../../types/index.js').OutboxStorage} OutboxStorage */
  /** @typedef {import('../../types/index.js').OutboxEntry} OutboxEntry */

  /** @type {Map<string, string>} */
  #entries = new Map();

  /** @returns {Promise<OutboxEntry[]>} */
  async load() {
    return [...this.#entries.values()].map((text) => JSON.parse(text));
  }

  /** @param {OutboxEntry} entry */
  async put(entry) {
    this.#entries.set(entry.id, JSON.stringify(entry));
  }

  /** @param {string} id */
  async remove(id) {
    this.#entries.delete(id);
  }
}
