/** The outbox in the browser: one object store, shared by all tabs of the origin. */

const STORE = 'outbox';

/** @implements {OutboxStorage} */
export class IndexedDbStorage {
  /** @typedef {import('../../types/index.js').OutboxStorage} OutboxStorage */
  /** @typedef {import('../../types/index.js').OutboxEntry} OutboxEntry */

  #name;
  #factory;
  /** @type {Promise<IDBDatabase> | null} */
  #opened = null;

  /** @param {{ name?: string, indexedDB?: IDBFactory }} [options] */
  constructor({ name = 'tidings', indexedDB = globalThis.indexedDB } = {}) {
    this.#name = name;
    this.#factory = indexedDB;
  }

  /** @returns {Promise<OutboxEntry[]>} */
  load() {
    return this.#run('readonly', (store) => store.getAll());
  }

  /** @param {OutboxEntry} entry */
  async put(entry) {
    await this.#run('readwrite', (store) => store.put(entry));
  }

  /** @param {string} id */
  async remove(id) {
    await this.#run('readwrite', (store) => store.delete(id));
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} action
   * @returns {Promise<any>}
   */
  async #run(mode, action) {
    const database = await this.#database();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = action(transaction.objectStore(STORE));
      // Otherwise the browser asks this page first whether there is more to come, and forgets all of it if the page
      // is gone by then: reloaded right after something was written.
      transaction.commit();
      // Done is when it is kept, not when it is asked.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  }

  #database() {
    this.#opened ??= new Promise((resolve, reject) => {
      const request = this.#factory.open(this.#name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
      request.onsuccess = () => {
        const database = request.result;
        // A later version of the page, or the browser clearing its data, must not hang on this tab.
        const forget = () => {
          database.close();
          this.#opened = null;
        };
        database.onversionchange = forget;
        database.onclose = forget;
        resolve(database);
      };
      request.onerror = () => {
        this.#opened = null;
        reject(request.error);
      };
    });
    return this.#opened;
  }
}
