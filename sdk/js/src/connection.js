/**
 * One connection that comes back: opens the socket, says hello, notices when nobody is there any
 * more, and tries again at the pace the server asks for.
 */

import { planAfter } from './close.js';
import { TidingsError } from './error.js';
import { Nodes } from './nodes.js';
import { SUBPROTOCOL, parseFrame } from './wire.js';

/** From opening the socket to `welcome`. */
const OPEN_MS = 15_000;
/** A connection that lasted this long was a good one: the next loss starts counting anew. */
const STABLE_MS = 10_000;
/** Answer expected within this when the page comes back to the foreground. */
const PROBE_MS = 5_000;
/** What the server says of frames it cannot take; the same frame would end the next connection too. */
const FAULTS = new Set(['protocol', 'too_large']);
/** After these another node may do better than the one it came from. */
const ELSEWHERE = new Set(['unavailable', 'internal', 'draining']);
/** Of `hello` and pings; the ids of other requests are higher. */
const OWN_ID = 1;

/**
 * @typedef {import('../types/wire.js').ClientFrame} ClientFrame
 * @typedef {import('../types/wire.js').ServerFrame} ServerFrame
 * @typedef {import('../types/wire.js').Requests} Requests
 */

/**
 * @typedef {object} Surroundings
 * @property {string | readonly string[]} url
 * @property {import('../types/index.js').WebSocketConstructor} WebSocket
 * @property {import('../types/index.js').Clock} clock
 * @property {() => number} random
 * @property {(refresh: boolean) => Promise<Requests['hello']>} hello what to open the next connection with
 * @property {(welcome: import('../types/wire.js').Welcome) => void} onWelcome
 * @property {(frame: NonNullable<ServerFrame>) => void} onFrame everything but `welcome` and `closing`
 * @property {() => void} onLost a connection that was welcomed is gone
 * @property {(error: TidingsError) => boolean} [onFault] the server could not read what was sent; whether the cause was
 *   found, so that it is worth connecting again
 * @property {(state: import('../types/index.js').ConnectionState) => void} onState
 */

export class Connection {
  #by;
  #nodes;
  /** @type {import('../types/index.js').WebSocketLike | null} */
  #socket = null;
  /** Goes up with every attempt: what belongs to an earlier one is ignored. */
  #generation = 0;
  #running = false;
  #attempt = 0;
  #refresh = false;
  #welcomedMs = 0;
  /** Whether the socket was opened at all. */
  #reached = false;
  /** @type {import('../types/wire.js').Closing | null} */
  #closing = null;
  /** @type {import('../types/wire.js').ErrorBody | null} */
  #refusal = null;

  /** @type {unknown} */
  #timer = null;
  /** @type {unknown} */
  #beat = null;
  #heartbeatMs = 0;
  #sentMs = 0;
  /** When the ping that nothing has answered yet was sent; 0 for none. */
  #pingMs = 0;
  #pingLimitMs = 0;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#by = surroundings;
    this.#nodes = new Nodes(surroundings.url, surroundings.random);
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#attempt = 0;
    this.#refresh = false;
    this.#nodes.home();
    void this.#open();
  }

  stop() {
    const was = this.#running;
    this.#running = false;
    this.#drop(1000, 'bye');
    if (was) this.#by.onState({ state: 'idle' });
  }

  /** Does not wait any longer; checks a connection that seems to be there. */
  retryNow() {
    if (!this.#running) return;
    if (this.#socket && this.#welcomedMs) this.#ping(PROBE_MS);
    else if (!this.#socket && this.#timer !== null) void this.#open();
  }

  /**
   * The browser says that there is no network: the socket would find out much later. Where the server is on this very machine
   * that is not so, and the next attempt succeeds.
   */
  networkLost() {
    if (this.#running && this.#socket) this.#lost(false, 'the network is gone');
  }

  /** The browser says that there is a network again. What was begun before it was there may wait for ever. */
  networkFound() {
    if (!this.#running) return;
    if (this.#socket && !this.#welcomedMs) this.#drop(1000, '');
    else if (this.#socket) return this.#ping(PROBE_MS);
    else if (this.#timer === null) return;
    void this.#open();
  }

  /**
   * @param {ClientFrame} frame
   * @returns {boolean} whether there was a connection to send it on
   */
  send(frame) {
    if (!this.#socket || !this.#welcomedMs) return false;
    this.#write(frame);
    return true;
  }

  async #open() {
    this.#clearTimer();
    const generation = (this.#generation += 1);
    const { clock } = this.#by;
    this.#closing = null;
    this.#refusal = null;
    this.#welcomedMs = 0;
    this.#reached = false;
    this.#by.onState({ state: 'connecting', attempt: this.#attempt });
    const refreshed = this.#refresh;
    let hello;
    try {
      hello = await this.#by.hello(refreshed);
    } catch (thrown) {
      if (generation !== this.#generation) return;
      const error = TidingsError.from(thrown, 'offline');
      if (!error.retry) return this.giveUp(error);
      this.#refusal = { code: error.code, message: error.message, retry: true, retry_after_ms: error.retryAfterMs };
      this.#ended(1000, false, error);
      // A token that was to be a new one still is.
      this.#refresh ||= refreshed;
      return;
    }
    if (generation !== this.#generation) return;

    let socket;
    try {
      socket = new this.#by.WebSocket(this.#nodes.present, [SUBPROTOCOL]);
    } catch (thrown) {
      // Such as a browser that blocks the port: no retry makes that better, but another node may.
      if (this.#nodes.forget()) return this.#lost(refreshed, TidingsError.from(thrown, 'unavailable').message);
      return this.giveUp(new TidingsError({ code: 'invalid', message: TidingsError.from(thrown, 'invalid').message, cause: thrown }));
    }
    this.#socket = socket;
    this.#timer = clock.setTimeout(() => this.#lost(refreshed, 'no answer from the server'), OPEN_MS);
    socket.onopen = () => {
      this.#reached = true;
      this.#write({ id: OWN_ID, request: { hello } });
    };
    socket.onmessage = (/** @type {{ data: unknown }} */ event) => this.#receive(event.data, refreshed);
    // A close always follows, and says as much.
    socket.onerror = () => {};
    socket.onclose = (/** @type {{ code: number }} */ event) => this.#ended(event.code, refreshed);
  }

  /**
   * @param {unknown} data
   * @param {boolean} refreshed
   */
  #receive(data, refreshed) {
    this.#pingMs = 0;
    let frame;
    try {
      frame = parseFrame(data);
    } catch (error) {
      return this.#lost(refreshed, /** @type {TidingsError} */ (error).message);
    }
    if (!frame) return;
    if (frame.welcome) {
      this.#clearTimer();
      this.#refresh = false;
      this.#welcomedMs = this.#by.clock.now();
      this.#startHeartbeat(frame.welcome.heartbeat_ms || 30_000);
      this.#nodes.learn(frame.welcome.nodes ?? []);
      this.#by.onState({ state: 'syncing' });
      this.#by.onWelcome(frame.welcome);
    } else if (frame.nodes) {
      this.#nodes.learn(frame.nodes.nodes ?? []);
    } else if (frame.closing) {
      this.#closing = frame.closing;
    } else if (!this.#welcomedMs && frame.reply?.id === OWN_ID && frame.reply.outcome?.error) {
      this.#refusal = frame.reply.outcome.error;
      this.#ended(1000, refreshed);
    } else {
      this.#by.onFrame(frame);
    }
  }

  /**
   * Nobody is there: not worth waiting for the socket to find out.
   * @param {boolean} refreshed
   * @param {string} message
   */
  #lost(refreshed, message) {
    if (!this.#closing) this.#refusal ??= { code: 'unavailable', message, retry: true, retry_after_ms: 0 };
    this.#ended(1006, refreshed);
  }

  /**
   * @param {number} code
   * @param {boolean} refreshed
   * @param {TidingsError} [cause] what is behind it, where that did not come from the server
   */
  #ended(code, refreshed, cause) {
    const { clock, random } = this.#by;
    const welcomed = this.#welcomedMs > 0;
    const stable = welcomed && clock.now() - this.#welcomedMs >= STABLE_MS;
    const plan = planAfter(
      { code, closing: this.#closing, refusal: this.#refusal, attempt: this.#attempt, tokenRefreshed: refreshed, stable, unreached: this.#socket && !this.#reached ? this.#nodes.present : '' },
      random,
    );
    this.#drop(1000, '');
    // Before the connection is forgotten, and with it what was under way.
    const found = welcomed && FAULTS.has(plan.error.code) && (this.#by.onFault?.(plan.error) ?? false);
    if (welcomed) this.#by.onLost();
    if (!this.#running) return;
    if (!plan.reconnect && !found) return this.giveUp(plan.error);
    this.#attempt = stable ? 1 : this.#attempt + 1;
    this.#refresh = plan.refreshToken;
    let { delayMs } = plan;
    if (plan.address) this.#nodes.sentTo(plan.address);
    // A server that says goodbye means this very node to be come back to, if it names no other.
    else if (!this.#closing && ELSEWHERE.has(plan.error.code)) {
      const paceMs = this.#nodes.next({ welcomed, stable });
      if (paceMs !== null) delayMs = plan.error.retryAfterMs || paceMs;
    }
    this.#by.onState({ state: 'waiting', attempt: this.#attempt, retryAtMs: clock.now() + delayMs, error: cause ?? plan.error });
    this.#timer = clock.setTimeout(() => void this.#open(), delayMs);
  }

  /**
   * Ends it for good.
   * @param {TidingsError} error
   */
  giveUp(error) {
    this.#running = false;
    this.#drop(1000, '');
    this.#by.onState({ state: 'closed', error });
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #drop(code, reason) {
    this.#generation += 1;
    this.#clearTimer();
    if (this.#beat !== null) this.#by.clock.clearTimeout(this.#beat);
    this.#beat = null;
    this.#pingMs = 0;
    this.#welcomedMs = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    // A half-open socket takes its time to close; what it still says is about nothing.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    try {
      socket.close(code, reason);
    } catch {
      // Closed already, or never opened.
    }
  }

  /** @param {number} heartbeatMs */
  #startHeartbeat(heartbeatMs) {
    this.#heartbeatMs = heartbeatMs;
    const tick = () => {
      const now = this.#by.clock.now();
      if (this.#pingMs > 0 && now - this.#pingMs >= this.#pingLimitMs) return this.#lost(false, 'the server does not answer');
      // Checked four times a heartbeat, so a frame leaves in time whenever the last one was.
      if (now - this.#sentMs >= heartbeatMs / 2) this.#ping(2 * heartbeatMs);
      this.#beat = this.#by.clock.setTimeout(tick, heartbeatMs / 4);
    };
    this.#beat = this.#by.clock.setTimeout(tick, heartbeatMs / 4);
  }

  /** @param {number} limitMs */
  #ping(limitMs) {
    this.#write({ id: OWN_ID, request: { ping: {} } });
    if (this.#pingMs === 0) {
      this.#pingMs = this.#by.clock.now();
      this.#pingLimitMs = limitMs;
    } else {
      const untilMs = Math.min(this.#pingMs + this.#pingLimitMs, this.#by.clock.now() + limitMs);
      this.#pingLimitMs = untilMs - this.#pingMs;
    }
    if (limitMs >= 2 * this.#heartbeatMs) return;
    // Sooner than the heartbeat would look.
    const generation = this.#generation;
    this.#by.clock.setTimeout(() => {
      const silent = this.#pingMs > 0 && this.#by.clock.now() - this.#pingMs >= this.#pingLimitMs;
      if (generation === this.#generation && silent) this.#lost(false, 'the server does not answer');
    }, limitMs);
  }

  /** @param {ClientFrame} frame */
  #write(frame) {
    this.#sentMs = this.#by.clock.now();
    try {
      this.#socket?.send(JSON.stringify(frame));
    } catch {
      // Closing: whoever waits for an answer asks again on the next connection.
    }
  }

  #clearTimer() {
    if (this.#timer !== null) this.#by.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
