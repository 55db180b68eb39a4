/** The outbox of a bot: a folder with a file for each entry. */

import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^[0-9a-f-]{36}\.json$/;

/** @implements {OutboxStorage} */
export class FileStorage {
  /** @typedef {import('../../types/index.js').OutboxStorage} OutboxStorage */
  /** @typedef {import('../../types/index.js').OutboxEntry} OutboxEntry */

  #folder;
  /** Writes of one process, one after the other: a removal must not overtake the write before it. */
  #last = Promise.resolve();

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
  }

  /** @returns {Promise<OutboxEntry[]>} */
  async load() {
    await mkdir(this.#folder, { recursive: true });
    // What has another name was not put here.
    const names = (await readdir(this.#folder)).filter((name) => NAME.test(name));
    const entries = await Promise.all(names.map((name) => this.#read(name)));
    return entries.filter((entry) => entry !== null);
  }

  /**
   * An entry that is answered while the folder is read is gone, which is as good as never listed.
   *
   * @param {string} name
   * @returns {Promise<OutboxEntry | null>}
   */
  async #read(name) {
    try {
      const entry = JSON.parse(await readFile(join(this.#folder, name), 'utf8'));
      return { ...entry, id: name.slice(0, -'.json'.length) };
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return null;
      // One that is damaged must not hide the others. The outbox, which cannot use it, drops it.
      if (error instanceof SyntaxError) return /** @type {any} */ ({ id: name.slice(0, -'.json'.length), owner: '', user: '' });
      throw error;
    }
  }

  /** @param {OutboxEntry} entry */
  put(entry) {
    return this.#queue(async () => {
      await mkdir(this.#folder, { recursive: true });
      const temporary = this.#path(entry.id, 'tmp');
      const file = await open(temporary, 'w');
      try {
        await file.writeFile(JSON.stringify(entry));
        await file.sync();
      } finally {
        await file.close();
      }
      // Either the whole entry is there or the one before it.
      await rename(temporary, this.#path(entry.id, 'json'));
    });
  }

  /** @param {string} id */
  remove(id) {
    return this.#queue(() => rm(this.#path(id, 'json'), { force: true }));
  }

  /**
   * @param {string} id
   * @param {string} extension
   */
  #path(id, extension) {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new TypeError(`${id} is not a command id`);
    return join(this.#folder, `${id}.${extension}`);
  }

  /** @param {() => Promise<void>} write */
  #queue(write) {
    const done = this.#last.then(write);
    this.#last = done.catch(() => {});
    return done;
  }
}
