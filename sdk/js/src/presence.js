/** Who is here: whom to watch and how one is oneself, said anew in each session, and what the server tells of others. */

import { TidingsError } from './error.js';
import { unsendable } from './sendable.js';

/** Where the server does not say when to try again. */
const PAUSE_MS = 1_000;

/**
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {'watch_presence' | 'set_presence'} Name
 */

export class Presence {
  /** How those who are watched are; empty without a connection. @type {Map<string, import('../types/index.js').UserPresence>} */
  users = new Map();
  #clock;
  #calls;
  #onError;
  /** What the server is to know. @type {Map<Name, Request>} */
  #wanted = new Map();
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

  /**
   * @param {Name} name
   * @param {Request} request
   */
  want(name, request) {
    const fault = unsendable(request);
    if (fault) throw fault;
    this.#wanted.set(name, request);
    if (this.#online) this.#tell(name, request);
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
