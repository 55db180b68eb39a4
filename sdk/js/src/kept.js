/**
 * Where commands are kept until they are answered, and how they go from one tab to another: each tab
 * keeps its own under its name, and those of a tab that is gone are taken over by one that lives.
 */

import { TidingsError } from './error.js';
import { UUID } from './uuid.js';

/** A tab holds a lock of this name and its own for as long as it lives. */
const LOCK = 'tidings.outbox.';
/** How often to look for other tabs and for what they left behind. */
const SCAN_MS = 30_000;
/** A storage that hangs must not hold up what is written now for ever. */
const PATIENCE_MS = 2_000;

/**
 * @typedef {import('../types/index.js').OutboxEntry} OutboxEntry
 */

/**
 * @typedef {object} Surroundings
 * @property {import('../types/index.js').OutboxStorage} storage
 * @property {import('../types/index.js').TabLocks} locks
 * @property {import('../types/index.js').Clock} clock
 * @property {(id: string) => OutboxEntry | undefined} find the entry of this id that this tab has already
 * @property {(entry: OutboxEntry) => void} onTaken an entry that is this tab's from now on
 * @property {() => void} onAllTaken what there was to take has been taken
 * @property {(error: TidingsError) => void} onError
 */

export class Kept {
  /** The name of this tab. */
  owner;
  #by;
  #user = '';
  #online = false;
  /** Entries whose stored copy says that they were not sent. @type {Set<string>} */
  #unsent = new Set();
  /** @type {unknown} */
  #timer = null;
  /** @type {Promise<() => void> | null} */
  #held = null;
  /** Whether entries of this very client may be in the storage only: after `close` and `connect`. */
  #reopened = false;
  /** Other tabs whose end is awaited. @type {Map<string, () => void>} */
  #watched = new Map();

  /**
   * @param {string} owner
   * @param {Surroundings} surroundings
   */
  constructor(owner, surroundings) {
    this.owner = owner;
    this.#by = surroundings;
  }

  /**
   * Resolves when what this client and tabs that are gone have left is there.
   * @param {string} user
   */
  async online(user) {
    this.#user = user;
    this.#online = true;
    await this.#atMost(this.#scan());
  }

  offline() {
    this.#online = false;
    if (this.#timer !== null) this.#by.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Lets go of everything: another tab may take it over. */
  async close() {
    this.offline();
    for (const cancel of this.#watched.values()) cancel();
    this.#watched.clear();
    this.#reopened = true;
    const release = await this.#held?.catch(() => null);
    this.#held = null;
    release?.();
  }

  /**
   * @param {OutboxEntry} entry
   * @returns {Promise<boolean>} whether it is kept now
   */
  async put(entry) {
    if (!entry.sent) this.#unsent.add(entry.id);
    const copy = structuredClone(entry);
    const done = await this.#guard(this.#hold().then(() => this.#by.storage.put(copy)).then(() => true));
    return done ?? false;
  }

  /** @param {string} id */
  remove(id) {
    this.#unsent.delete(id);
    void this.#guard(this.#hold().then(() => this.#by.storage.remove(id)));
  }

  /**
   * Notes that an entry is sent, and sends it.
   * @param {OutboxEntry} entry
   * @param {() => void} send
   */
  send(entry, send) {
    if (entry.sent) return send();
    entry.sent = true;
    const stored = this.put(entry);
    // The stored copy must not say "never sent" about a command that may have arrived.
    if (this.#unsent.delete(entry.id)) void stored.then(send);
    else send();
  }

  /**
   * An entry has another id now.
   * @param {string} before
   * @param {OutboxEntry} entry
   */
  rename(before, entry) {
    this.#unsent.delete(before);
    // First the new, then the old away: better twice in the storage than lost.
    void this.put(entry).then(() => this.remove(before));
  }

  /** Takes over what tabs that are gone have left; resolves when that is done. */
  async #scan() {
    if (this.#timer !== null) this.#by.clock.clearTimeout(this.#timer);
    this.#timer = this.#by.clock.setTimeout(() => void this.#scan(), SCAN_MS);
    await this.#guard(this.#hold());
    const stored = await this.#guard(this.#by.storage.load());
    const names = (await this.#guard(this.#by.locks.held())) ?? [];
    if (!this.#online) return;
    // Tabs that have left something, and those that live and may yet.
    const living = new Set(names.filter((name) => name.startsWith(LOCK)).map((name) => name.slice(LOCK.length)));
    const owners = new Set(living);
    for (const entry of stored ?? []) {
      if (!this.#isMine(entry)) continue;
      owners.add(entry.owner);
      if (entry.owner === this.owner && this.#reopened && this.#isWhole(entry)) this.#take(entry);
    }
    // A storage that could not be read may hold them still.
    if (stored) this.#reopened = false;
    this.#by.onAllTaken();
    owners.delete(this.owner);
    const adoptions = [];
    for (const owner of owners) {
      if (this.#watched.has(owner)) continue;
      const adoption = this.#watch(owner);
      if (!living.has(owner)) adoptions.push(adoption);
    }
    await Promise.all(adoptions);
  }

  /**
   * @param {string} owner
   * @returns {Promise<void>} resolves when what it left has been taken over
   */
  #watch(owner) {
    return new Promise((done) => {
      // Noted first: where there are no locks, the task begins at once.
      this.#watched.set(owner, () => {});
      const cancel = this.#by.locks.whenGone(LOCK + owner, () => this.#adopt(owner).finally(done));
      if (this.#watched.has(owner)) this.#watched.set(owner, cancel);
    });
  }

  /** @param {string} owner */
  async #adopt(owner) {
    this.#watched.delete(owner);
    const stored = await this.#guard(this.#by.storage.load());
    let whole = stored !== undefined;
    for (const entry of stored ?? []) {
      if (entry.owner !== owner || !this.#isMine(entry) || !this.#isWhole(entry)) continue;
      // Taken before, though the storage does not say so: what is known here is newer.
      const known = this.#by.find(entry.id);
      const mine = Object.assign(known ?? entry, { owner: this.owner, user: this.#user });
      whole = (await this.put(mine)) && whole;
      if (!known) this.#take(mine);
    }
    this.#by.onAllTaken();
    // Told already; whoever gave the task may give it again.
    if (!whole) throw new TidingsError({ code: 'storage', message: `what tab ${owner} left could not be taken over`, retry: true });
  }

  /** @param {OutboxEntry} entry */
  #take(entry) {
    if (this.#by.find(entry.id)) return;
    if (!entry.sent) this.#unsent.add(entry.id);
    this.#by.onTaken(entry);
  }

  /** @param {OutboxEntry} entry */
  #isMine(entry) {
    // Whose it is cannot be told where that is damaged.
    return entry.user === this.#user || !entry.user || typeof entry.user !== 'string';
  }

  /**
   * What a damaged storage gives is thrown away: nothing of it can be sent or shown.
   * @param {OutboxEntry} entry
   */
  #isWhole(entry) {
    const bodies = Object.values(entry.request ?? {});
    const whole = bodies.length === 1 && typeof bodies[0] === 'object' && bodies[0] !== null && UUID.test(entry.id);
    if (whole) return true;
    void this.#guard(this.#by.storage.remove(entry.id));
    this.#by.onError(new TidingsError({ code: 'damaged', message: 'a command kept here is damaged and was dropped', commandId: entry.id }));
    return false;
  }

  #hold() {
    // Before anything is written: an entry whose owner holds no lock is anybody's.
    this.#held ??= this.#by.locks.hold(LOCK + this.owner);
    return this.#held;
  }

  /**
   * A storage that fails costs durability, not the message.
   * @template T
   * @param {Promise<T>} work
   * @returns {Promise<T | undefined>}
   */
  async #guard(work) {
    try {
      return await work;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#by.onError(new TidingsError({ code: 'storage', message: `the outbox cannot be kept: ${reason}`, cause }));
      return undefined;
    }
  }

  /**
   * Waits for it, but not for ever.
   * @param {Promise<void>} work
   * @returns {Promise<void>}
   */
  #atMost(work) {
    const { clock } = this.#by;
    return new Promise((done) => {
      const timer = clock.setTimeout(done, PATIENCE_MS);
      void work.finally(() => {
        clock.clearTimeout(timer);
        done();
      });
    });
  }
}
