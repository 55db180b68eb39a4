/**
 * Commands on their way: kept until they are answered, sent in order, sent again after a lost
 * connection with the same id, so that each happens once.
 *
 * Order holds within a lane (a conversation, or what is about none): one command of a lane is under
 * way at a time, because a refusal to be retried must not let the next one pass. Lanes do not wait
 * for one another.
 */

import { backoff } from './close.js';
import { TidingsError } from './error.js';
import { Kept } from './kept.js';
import { uuidTime } from './uuid.js';
import { acceptedFromWire } from './wire.js';

/** Commands under way at once, all lanes together. */
const IN_FLIGHT = 32;
/** A server that keeps failing at one command must not hold up those behind it for ever. */
const INTERNAL_TRIES = 10;
/** Commands never sent get a fresh id after this, long before the server calls the old one `too_old`. */
const STALE_MS = 24 * 3600 * 1000;
/** Nor does it take ids of the future, which a clock that runs ahead makes before the first connection. */
const FUTURE_MS = 10_000;

/**
 * @typedef {import('../types/index.js').OutboxEntry} OutboxEntry
 * @typedef {import('../types/index.js').Accepted} Accepted
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {{ promise: Promise<Accepted>, resolve: (accepted: Accepted) => void, reject: (error: TidingsError) => void }} Answer
 */

/**
 * @typedef {object} Surroundings
 * @property {import('../types/index.js').OutboxStorage} storage
 * @property {import('../types/index.js').TabLocks} locks
 * @property {import('../types/index.js').Clock} clock
 * @property {() => number} random
 * @property {() => string} newId
 * @property {() => number} serverNow milliseconds since 1970 by the server's clock
 * @property {import('./calls.js').Calls} calls
 * @property {(request: Request) => TidingsError | null} faultOf why no server could read a request
 * @property {(entry: OutboxEntry) => void} onChange
 * @property {(entry: OutboxEntry, accepted: Accepted) => void} onAccepted
 * @property {(error: TidingsError) => void} onError
 */

export class Outbox {
  /** This tab's entries, in order. @type {OutboxEntry[]} */
  entries = [];
  #by;
  #kept;
  #user = '';
  /** Whether commands may be sent: a connection is there, and so is what was kept. */
  #online = false;
  /** One command at a time: the last connection ended over something that was sent. */
  #careful = false;
  /** Goes up with every connection: what was sent on an earlier one is sent again. */
  #connection = 0;
  /** @type {Set<string>} */
  #inFlight = new Set();
  /** @type {Map<string, Answer>} */
  #answers = new Map();
  /** @type {Map<string, number>} */
  #tries = new Map();
  /** Lanes that wait, until when; `''` is all of them. @type {Map<string, number>} */
  #paused = new Map();
  /** @type {unknown} */
  #timer = null;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#by = surroundings;
    const { storage, locks, clock, newId, onError } = surroundings;
    this.#kept = new Kept(newId(), {
      storage,
      locks,
      clock,
      find: (id) => this.entries.find((entry) => entry.id === id),
      onTaken: (entry) => {
        this.entries.push(entry);
        this.#sort();
        this.#by.onChange(entry);
      },
      onAllTaken: () => this.#resume(),
      onError,
    });
  }

  /**
   * Takes a command on. What is returned resolves when the server has recorded it.
   * @param {Request} request
   * @returns {{ entry: OutboxEntry, answer: Promise<Accepted> }}
   */
  add(request) {
    /** @type {OutboxEntry} */
    const entry = {
      id: this.#by.newId(),
      owner: this.#kept.owner,
      user: this.#user,
      request,
      createdMs: this.#by.clock.now(),
      sent: false,
      error: null,
    };
    this.entries.push(entry);
    const { promise } = this.#answer(entry);
    this.#pump();
    if (!entry.sent) void this.#kept.put(entry);
    this.#by.onChange(entry);
    return { entry, answer: promise };
  }

  /**
   * A connection is there, for this user.
   * @param {string} user
   */
  async online(user) {
    this.#connection += 1;
    this.#inFlight.clear();
    this.#paused.clear();
    this.#user = user;
    const connection = this.#connection;
    for (const entry of this.entries) {
      if (entry.user !== '') continue;
      entry.user = user;
      void this.#kept.put(entry);
    }
    // What was kept goes before what is written now.
    await this.#kept.online(user);
    if (connection !== this.#connection) return;
    this.#online = true;
    this.#resume();
  }

  offline() {
    this.#online = false;
    this.#connection += 1;
    this.#inFlight.clear();
    this.#kept.offline();
  }

  /** Lets go of everything; it stays in the storage. */
  async close() {
    this.offline();
    if (this.#timer !== null) this.#by.clock.clearTimeout(this.#timer);
    this.#timer = null;
    const closed = new TidingsError({ code: 'closed', message: 'the client was closed; the command stays in the outbox', retry: true });
    for (const answer of this.#answers.values()) answer.reject(closed);
    this.#answers.clear();
    this.entries = [];
    await this.#kept.close();
  }

  /**
   * Sends a refused command again, as a new one.
   * @param {string} id
   */
  retry(id) {
    const entry = this.#entry(id);
    if (!entry.error) throw new TidingsError({ code: 'invalid', message: `command ${id} was not refused` });
    this.#drop(entry);
    return this.add(entry.request);
  }

  /** @param {string} id */
  discard(id) {
    const entry = this.#entry(id);
    if (entry.sent && !entry.error) {
      throw new TidingsError({ code: 'invalid', message: `command ${id} may have reached the server already` });
    }
    this.#drop(entry);
    this.#settle(entry.id)?.reject(new TidingsError({ code: 'discarded', message: 'discarded before it was sent' }));
    this.#by.onChange(entry);
  }

  /**
   * The server has ended the connection over a frame it could not read, and would do so again. Finds the
   * command behind it: at once when it was all the server had to read, else by sending commands alone.
   * @param {TidingsError} error
   * @returns {boolean} whether it is worth connecting again
   */
  blame(error) {
    const unread = this.#by.calls.unread();
    const suspect = this.entries.find(({ id }) => unread.includes(id));
    if (!suspect) return false;
    if (unread.length > 1) {
      this.#careful = true;
      return true;
    }
    this.#inFlight.clear();
    this.#refuse(suspect, { code: error.code, message: error.message, retry: false, retry_after_ms: 0 });
    this.#by.onChange(suspect);
    return true;
  }

  /** @param {string} id */
  #entry(id) {
    const entry = this.entries.find((each) => each.id === id);
    if (!entry) throw new TidingsError({ code: 'not_found', message: `no command ${id} waits here` });
    return entry;
  }

  /** Goes on with all there is. */
  #resume() {
    if (!this.#online) return;
    this.#freshen();
    this.#pump();
  }

  /** Sends what can be sent: the first entry of every lane that is free. */
  #pump() {
    if (!this.#online) return;
    const now = this.#by.clock.now();
    const busy = new Set();
    let wake = Infinity;
    const most = this.#careful ? 1 : IN_FLIGHT;
    for (const entry of this.entries) {
      if (entry.error || entry.user !== this.#user) continue;
      const lane = laneOf(entry);
      if (busy.has(lane)) continue;
      // Kept by an earlier version, or since before the server's limits were known.
      const fault = this.#inFlight.has(entry.id) ? null : this.#by.faultOf(entry.request);
      if (fault) {
        this.#refuse(entry, { code: fault.code, message: fault.message, retry: false, retry_after_ms: 0 });
        this.#by.onChange(entry);
        continue;
      }
      busy.add(lane);
      if (this.#inFlight.has(entry.id) || this.#inFlight.size >= most) continue;
      const until = Math.max(this.#paused.get('') ?? 0, this.#paused.get(lane) ?? 0);
      if (until > now) wake = Math.min(wake, until);
      else this.#send(entry);
    }
    if (this.#timer !== null) this.#by.clock.clearTimeout(this.#timer);
    this.#timer = wake === Infinity ? null : this.#by.clock.setTimeout(() => this.#pump(), wake - now);
  }

  /** @param {OutboxEntry} entry */
  #send(entry) {
    const connection = this.#connection;
    this.#inFlight.add(entry.id);
    this.#kept.send(entry, () => {
      if (connection !== this.#connection) return;
      const onOutcome = (/** @type {import('./calls.js').Outcome} */ outcome) => this.#onOutcome(entry, outcome);
      if (this.#careful) this.#by.calls.alone(entry.request, onOutcome, entry.id);
      else this.#by.calls.call(entry.request, onOutcome, entry.id);
    });
  }

  /**
   * @param {OutboxEntry} entry
   * @param {import('./calls.js').Outcome} outcome
   */
  #onOutcome(entry, outcome) {
    this.#inFlight.delete(entry.id);
    if (this.#inFlight.size === 0 && this.entries.every(({ id, error }) => error || id === entry.id)) this.#careful = false;
    if (!this.entries.includes(entry)) return;
    if (outcome.accepted) {
      const accepted = acceptedFromWire(outcome.accepted);
      this.#drop(entry);
      this.#by.onAccepted(entry, accepted);
      this.#settle(entry.id)?.resolve(accepted);
    } else {
      const refusal = outcome.error ?? { code: 'internal', message: 'the reply was not understood', retry: false, retry_after_ms: 0 };
      if (!this.#pause(entry, refusal)) this.#refuse(entry, refusal);
    }
    this.#by.onChange(entry);
    this.#pump();
  }

  /**
   * Keeps the entry where it is, to be sent again. False when it is no use.
   * @param {OutboxEntry} entry
   * @param {import('../types/wire.js').ErrorBody} refusal
   */
  #pause(entry, refusal) {
    const tries = (this.#tries.get(entry.id) ?? 0) + 1;
    if (!refusal.retry || (refusal.code === 'internal' && tries >= INTERNAL_TRIES)) return false;
    this.#tries.set(entry.id, tries);
    const wait = Math.max(refusal.retry_after_ms, refusal.code === 'rate_limited' ? 0 : backoff(tries - 1, this.#by.random));
    this.#paused.set(refusal.code === 'rate_limited' ? '' : laneOf(entry), this.#by.clock.now() + wait);
    return true;
  }

  /**
   * @param {OutboxEntry} entry
   * @param {import('../types/wire.js').ErrorBody} refusal
   */
  #refuse(entry, refusal) {
    if ('post_message' in entry.request) {
      // What somebody wrote is kept until they decide.
      entry.error = refusal;
      void this.#kept.put(entry);
    } else {
      this.#drop(entry);
    }
    const error = TidingsError.fromWire(refusal, entry.id);
    this.#settle(entry.id)?.reject(error);
    this.#by.onError(error);
  }

  /** Gives commands that were never sent a new id where theirs has a time the server would refuse. */
  #freshen() {
    const now = this.#by.serverNow();
    for (const entry of this.entries) {
      const ageMs = now - uuidTime(entry.id);
      if (entry.sent || entry.error || (ageMs < STALE_MS && ageMs > -FUTURE_MS)) continue;
      const before = entry.id;
      entry.id = this.#by.newId();
      const answer = this.#settle(before);
      if (answer) this.#answers.set(entry.id, answer);
      this.#kept.rename(before, entry);
    }
    this.#sort();
  }

  #sort() {
    this.entries.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @param {OutboxEntry} entry */
  #drop(entry) {
    this.entries = this.entries.filter((each) => each !== entry);
    this.#tries.delete(entry.id);
    this.#kept.remove(entry.id);
  }

  /** @param {OutboxEntry} entry */
  #answer(entry) {
    /** @type {any} */
    const answer = {};
    answer.promise = new Promise((resolve, reject) => Object.assign(answer, { resolve, reject }));
    // The state and the `error` event tell it too: nobody has to wait for it.
    answer.promise.catch(() => {});
    this.#answers.set(entry.id, answer);
    return /** @type {Answer} */ (answer);
  }

  /** @param {string} id */
  #settle(id) {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    return answer;
  }
}

/**
 * What goes one after the other.
 * @param {{ id: string, request: Request }} entry
 */
function laneOf({ id, request }) {
  // One that an extension cannot answer yet holds up no message.
  if ('invoke' in request) return `invoke ${id}`;
  const [body] = Object.values(request);
  return 'conversation' in body ? body.conversation : 'user';
}
