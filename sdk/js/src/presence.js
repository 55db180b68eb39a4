/** Who is here: whom to watch and how one is oneself, said anew in each session, and what the server tells of others. */

import { TidingsError } from './error.js';
import { unsendable } from './sendable.js';

/** Where the server does not say when to try again. */
const PAUSE_MS = 1_000;
/** The server watches so many at a time, contacts not counted in. */
const WATCHED = 500;

/**
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {'watch_presence' | 'set_presence'} Name
 * @typedef {{ users: readonly string[], roster: boolean }} Watch
 */

export class Presence {
  /** How those who are watched are; empty without a connection. @type {Map<string, import('../types/index.js').UserPresence>} */
  users = new Map();
  #clock;
  #calls;
  #onError;
  /** What the server is to know. @type {Map<Name, Request>} */
  #wanted = new Map();
  /** What the app watches as a whole. @type {Watch} */
  #whole = { users: [], roster: false };
  /** What parts of it watch beside that, the latest last. @type {Set<Watch>} */
  #parts = new Set();
  #gathering = false;
  #online = false;
  /** Goes up with every session: refusals of an earlier one are about nothing. */
  #session = 0;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {import('./calls.js').Calls} calls
   * @param {(error: TidingsError) => void} onError
   */
  constructor(clock, calls, onError) {
    this.#clock = clock;
    this.#calls = calls;
    this.#onError = onError;
  }

  /** Users that the server lets one watch. */
  get most() {
    return WATCHED;
  }

  /**
   * Takes the place of the last one.
   * @param {readonly string[]} users
   * @param {boolean} roster
   */
  watch(users, roster) {
    this.#whole = checked(users, roster);
    this.#want('watch_presence', this.#watched());
  }

  /**
   * Watches them as well.
   * @param {readonly string[]} users
   * @param {boolean} roster
   * @returns {() => void} ends it
   */
  watchAlso(users, roster) {
    const part = checked(users, roster);
    this.#parts.add(part);
    this.#gather();
    return () => {
      if (this.#parts.delete(part)) this.#gather();
    };
  }

  /** @param {boolean} away */
  setAway(away) {
    this.#want('set_presence', { set_presence: { state: away ? 'away' : 'available' } });
  }

  /** Who does something is not away any more: so the server takes it, in this session. */
  acted() {
    const request = this.#wanted.get('set_presence');
    if (request && 'set_presence' in request && request.set_presence.state === 'away') this.#wanted.delete('set_presence');
  }

  online() {
    this.#online = true;
    this.#session += 1;
    for (const [name, request] of this.#wanted) this.#tell(name, request);
  }

  offline() {
    this.#online = false;
    this.users = new Map();
  }

  /**
   * @param {NonNullable<NonNullable<import('../types/wire.js').ServerFrame>['presence']>} frame
   * @returns {import('../types/index.js').Events['presence']}
   */
  receive({ snapshot, users }) {
    const told = (users ?? []).map(({ user, state, seen_ms }) => ({ user, state, seenMs: seen_ms ?? 0 }));
    // Not the map somebody may be reading.
    this.users = new Map([...(snapshot ? [] : this.users), ...told.map((each) => /** @type {const} */ ([each.user, each]))]);
    return { snapshot: snapshot ?? false, users: told };
  }

  /** What begins and ends at once is one change, or none. */
  #gather() {
    if (this.#gathering) return;
    this.#gathering = true;
    queueMicrotask(() => {
      this.#gathering = false;
      const request = this.#watched();
      const before = this.#wanted.get('watch_presence');
      if (!before || !('watch_presence' in before) || !same(before.watch_presence, request.watch_presence)) this.#want('watch_presence', request);
    });
  }

  /** All that is watched: where that is too much, what was begun last comes first, as it is what is looked at. */
  #watched() {
    const users = new Set(this.#whole.users);
    for (const part of [...this.#parts].reverse()) {
      for (const user of part.users) if (users.size < WATCHED) users.add(user);
    }
    const roster = [this.#whole, ...this.#parts].some(({ roster }) => roster);
    return { watch_presence: { users: [...users], roster } };
  }

  /**
   * @param {Name} name
   * @param {Request} request
   */
  #want(name, request) {
    this.#wanted.set(name, request);
    if (this.#online) this.#tell(name, request);
  }

  /**
   * @param {Name} name
   * @param {Request} request
   */
  #tell(name, request) {
    const session = this.#session;
    this.#calls.call(request, ({ error }) => {
      if (!error || session !== this.#session || this.#wanted.get(name) !== request) return;
      if (error.retry) {
        const again = () => {
          if (this.#online && session === this.#session && this.#wanted.get(name) === request) this.#tell(name, request);
        };
        this.#clock.setTimeout(again, error.retry_after_ms || PAUSE_MS);
        return;
      }
      this.#wanted.delete(name);
      this.#onError(TidingsError.fromWire(error));
    });
  }
}

/**
 * @param {readonly string[]} users
 * @param {boolean} roster
 * @returns {Watch}
 */
function checked(users, roster) {
  // What is no list is named where the request is looked at.
  const list = /** @type {string[]} */ (Array.isArray(users) ? [...users] : users);
  const fault = unsendable({ watch_presence: { users: list, roster } });
  if (fault) throw fault;
  return { users: list, roster };
}

/**
 * @param {Watch} a
 * @param {Watch} b
 */
function same(a, b) {
  const users = new Set(a.users);
  return a.roster === b.roster && users.size === b.users.length && b.users.every((user) => users.has(user));
}
