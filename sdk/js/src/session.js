/**
 * Wires the parts together: what arrives goes to the store and to those who wait, what is asked for
 * goes through the outbox or as a question. The API (`client.js`, `conversation.js`) sits on top.
 */

import { Acks } from './acks.js';
import { Calls } from './calls.js';
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { Conversation } from './conversation.js';
import { defaultDevice } from './device.js';
import { Emitter } from './emitter.js';
import { TidingsError, refused, tokenFrom } from './error.js';
import { Fetching } from './fetching.js';
import { onForeground } from './foreground.js';
import { defaultLocks } from './locks.js';
import { LOOK_EXPIRES_MS, LookingSelf } from './looking.js';
import { Marks } from './marks.js';
import { Newcomers } from './newcomers.js';
import { Notifications } from './notifications.js';
import { Outbox } from './outbox.js';
import { OwnTexts } from './own-texts.js';
import { Pending } from './pending.js';
import { Presence } from './presence.js';
import { Queries } from './queries.js';
import { Renewal } from './renewal.js';
import { unsendable } from './sendable.js';
import { Signals } from './signals.js';
import { IndexedDbStorage } from './storage/indexeddb.js';
import { MemoryStorage } from './storage/memory.js';
import { Store } from './store.js';
import { TYPING_EXPIRES_MS } from './typing.js';
import { uuidv7Maker } from './uuid.js';
import { kindOf, messageFromWire } from './wire.js';

const VERSION = '0.1.0';

/**
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {import('../types/index.js').ConnectionState} ConnectionState
 * @typedef {import('../types/index.js').Accepted} Accepted
 */

export class Session {
  /** @type {Emitter<import('../types/index.js').Events>} */
  emitter = new Emitter();
  store = new Store();
  /** @type {ConnectionState} */
  state = { state: 'idle' };
  /** @type {Readonly<import('../types/wire.js').Limits> | null} */
  limits = null;
  /** How often what is shown of a conversation has changed. @type {Map<string, number>} */
  versions = new Map();
  /** @type {Map<string, Conversation>} */
  #handles = new Map();
  #options;
  #clock;
  /** The server's clock less ours. */
  #offsetMs = 0;
  /** What is still to come before the state is whole: events, or -1 for a reset. */
  #toCome = 0;
  /** @type {import('../types/wire.js').Cursor | null} */
  #welcomeCursor = null;
  /** @type {Set<string>} */
  #changed = new Set();
  #listChanged = false;
  #notifying = false;
  /** Takes listeners off the page. */
  #unhook = () => {};

  /** @param {import('../types/index.js').Options} options */
  constructor(options) {
    if (typeof options?.getToken !== 'function') {
      throw new TidingsError({ code: 'invalid', message: 'options: getToken is a function that gives the signed-in user’s token' });
    }
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) {
      throw new TidingsError({
        code: 'no_websocket',
        message: 'there is no WebSocket here: pass one as an option, such as that of the package ws',
      });
    }
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    const newId = uuidv7Maker({ now: () => this.serverNow() });
    this.device = options.device ?? defaultDevice(newId);

    this.connection = new Connection({
      url: options.url,
      WebSocket,
      clock: this.#clock,
      random,
      hello: (refresh) => this.#hello(refresh),
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onFrame: (frame) => this.#onFrame(frame),
      onLost: () => this.#onLost(),
      onFault: (error) => this.outbox.blame(error),
      onState: (state) => this.#setState(state),
    });
    this.calls = new Calls((frame) => this.connection.send(frame));
    this.queries = new Queries(this.calls, this.#clock, random);
    const report = (/** @type {TidingsError} */ error) => this.emitter.emit('error', error);
    this.outbox = new Outbox({
      storage: options.storage ?? (globalThis.indexedDB ? new IndexedDbStorage() : new MemoryStorage()),
      locks: options.locks ?? defaultLocks(),
      clock: this.#clock,
      random,
      newId,
      serverNow: () => this.serverNow(),
      calls: this.calls,
      faultOf: (request) => this.#faultOf(request),
      onChange: (entry) => this.#onOutbox(entry),
      onAccepted: (entry, accepted) => this.#onAccepted(entry, accepted),
      onError: report,
    });
    this.pending = new Pending(this.outbox, this.store);
    this.texts = new OwnTexts(this.outbox);
    this.store.texts = this.texts;
    this.renewal = new Renewal(this.#clock, () => this.serverNow(), options.getToken, this.calls, report);
    this.presence = new Presence(this.#clock, this.calls, report);
    this.newcomers = new Newcomers((request) => this.ask(request), (request) => this.calls.tell(request));
    this.fetching = new Fetching(this.store, this.queries, report);
    this.notifications = new Notifications({
      ask: (request) => this.ask(request),
      clock: this.#clock,
      serverNow: () => this.serverNow(),
      emitter: this.emitter,
      report,
    });
    this.typing = new Signals(this.#clock, TYPING_EXPIRES_MS, (id) => this.changed(id, false));
    this.lookers = new Signals(this.#clock, LOOK_EXPIRES_MS, (id) => this.changed(id, false));
    this.looking = new LookingSelf(this.#clock, this.calls, report);
    this.acks = new Acks(this.#clock, ({ position, index }) => this.calls.tell({ ack: { position, index } }));
    this.marks = new Marks(this.#clock, (conversation, seq, refused) =>
      this.calls.call({ mark_read: { conversation, seq } }, ({ error }) => {
        if (error) refused(error.retry ? error.retry_after_ms : null);
      }),
    );
    this.store.onChange = (id, list) => {
      const state = this.store.conversations.get(id);
      if (state) this.marks.known(id, state.readSeq);
      this.changed(id, list);
    };
  }

  get clock() {
    return this.#clock;
  }

  /**
   * The handle of a conversation, the same each time.
   * @param {string} id
   */
  conversation(id) {
    let handle = this.#handles.get(id);
    if (!handle) this.#handles.set(id, (handle = new Conversation(this, id)));
    return handle;
  }

  serverNow() {
    return this.#clock.now() + this.#offsetMs;
  }

  /** @returns {Promise<void>} */
  start() {
    const started = new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
      const off = this.emitter.on('connection', (state) => {
        if (state.state === 'online') resolve();
        else if (state.state === 'closed') reject(state.error);
        else if (state.state === 'idle') reject(new TidingsError({ code: 'closed', message: 'closed before it was connected', retry: true }));
        else return;
        off();
      });
      if (this.state.state === 'online') {
        off();
        resolve();
      }
    });
    this.#unhook();
    this.#unhook = onForeground({ back: () => this.connection.retryNow(), lost: () => this.connection.networkLost(), found: () => this.connection.networkFound() });
    this.connection.start();
    return started;
  }

  async stop() {
    this.#unhook();
    this.connection.stop();
    this.#onLost();
    this.marks.close();
    this.notifications.close();
    this.queries.rejectAll(new TidingsError({ code: 'closed', message: 'the client was closed', retry: true }));
    await this.outbox.close();
  }

  /**
   * Something to be recorded. Kept until it is answered.
   * @param {Request} request
   * @returns {Promise<Accepted>}
   */
  command(request) {
    const fault = this.#faultOf(request);
    if (fault) return refused(fault);
    this.presence.acted();
    const { answer } = this.outbox.add(request);
    return answer;
  }

  /**
   * @param {Request} request
   * @returns {TidingsError | null} why no server could read it, as far as that is known here
   */
  #faultOf(request) {
    const unreadable = unsendable(request);
    if (unreadable) return unreadable;
    const bytes = new TextEncoder().encode(JSON.stringify(request)).length + 100;
    const limit = this.limits?.frame_bytes ?? Infinity;
    return bytes > limit ? new TidingsError({ code: 'too_large', message: `a frame of ${bytes} bytes, the limit is ${limit}` }) : null;
  }

  /**
   * A question whose answer does not go into the store.
   * @param {Request} request
   * @returns {Promise<Partial<import('../types/wire.js').Outcomes>>}
   */
  ask(request) {
    return this.queries.ask(request);
  }

  /**
   * Something to show has changed.
   * @param {string} id conversation; empty for none
   * @param {boolean} list
   */
  changed(id, list) {
    if (id) {
      this.#changed.add(id);
      this.versions.set(id, (this.versions.get(id) ?? 0) + 1);
    }
    this.#listChanged ||= list;
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      const change = { conversations: this.#changed, list: this.#listChanged };
      this.#changed = new Set();
      this.#listChanged = false;
      this.emitter.emit('change', change);
    });
  }

  /** @param {boolean} refresh */
  async #hello(refresh) {
    const token = await tokenFrom(this.#options.getToken, refresh);
    return {
      token,
      device: this.device,
      cursor: this.store.cursor,
      client: this.#options.client ?? `tidings-js/${VERSION}`,
      window: this.#options.window ?? 0,
    };
  }

  /** @param {import('../types/wire.js').Welcome} welcome */
  #onWelcome(welcome) {
    if (this.store.me && this.store.me !== welcome.user) {
      const message = `this client is of ${this.store.me}, the token of ${welcome.user}: make a client for each user`;
      return this.connection.giveUp(new TidingsError({ code: 'wrong_user', message }));
    }
    this.store.me = welcome.user;
    this.limits = welcome.limits;
    this.#offsetMs = welcome.now_ms ? welcome.now_ms - this.#clock.now() : 0;
    this.#welcomeCursor = welcome.cursor;
    this.#toCome = welcome.resumed ? welcome.replayed : -1;
    this.renewal.before(welcome.token_expires_ms);
    if (this.#toCome === 0) this.#whole();
  }

  /** @param {NonNullable<import('../types/wire.js').ServerFrame>} frame */
  #onFrame(frame) {
    if (frame.event) this.#onEvent(frame.event);
    else if (frame.reply) this.calls.onReply(frame.reply);
    else if (frame.typing) this.typing.set(frame.typing.conversation, frame.typing.user, frame.typing.active);
    else if (frame.looking) this.#onLooking(frame.looking);
    else if (frame.presence) this.#onPresence(frame.presence);
    else if (frame.people_online) this.newcomers.receive(frame.people_online);
    else if (frame.reset) {
      const before = this.store.cursor;
      this.store.reset(frame.reset);
      this.fetching.onReset(frame.reset);
      this.notifications.onReset();
      this.pending.reset(frame.reset.cursor, before !== null && before.epoch !== frame.reset.cursor?.epoch);
      this.typing.clear();
      this.lookers.clear();
      this.#toCome = 0;
      this.#whole();
    }
  }

  /** @param {{ conversation: string, user: string, active: boolean }} looking */
  #onLooking({ conversation, user, active }) {
    if (user === this.store.me) return;
    if (this.lookers.set(conversation, user, active) && active) this.looking.met(conversation);
  }

  /** @param {NonNullable<NonNullable<import('../types/wire.js').ServerFrame>['presence']>} frame */
  #onPresence(frame) {
    const told = this.presence.receive(frame);
    for (const { user, state } of told.users) if (state === 'offline') this.lookers.gone(user);
    this.emitter.emit('presence', told);
  }

  /** @param {import('../types/wire.js').Event} event */
  #onEvent(event) {
    const replayed = this.#toCome > 0;
    event = this.texts.wholeEvent(event);
    const todo = this.store.apply(event);
    if (todo.applied) {
      this.fetching.onEvent(todo);
      this.notifications.onEvent(event, replayed);
      this.#report(event, replayed);
    }
    if (replayed && --this.#toCome === 0) this.#whole();
    else if (todo.applied && this.#toCome === 0) this.acks.note(event);
  }

  /**
   * @param {import('../types/wire.js').Event} event
   * @param {boolean} replayed
   */
  #report(event, replayed) {
    const kind = kindOf(event);
    const id = event.conversation ?? '';
    const message = kind?.name === 'message_posted' ? messageFromWire(kind.body) : null;
    if (message?.author === this.store.me) this.pending.arrived(message.commandId);
    else if (message) this.typing.set(id, message.author, false);
    if (kind?.name === 'message_released' || kind?.name === 'message_rejected') this.pending.settled(id, kind.body.held);
    if (kind?.name === 'member_left') for (const user of kind.body.users ?? []) this.lookers.set(id, user, false);
    if (kind?.name === 'user_blocked') this.lookers.gone(kind.body.user);
    this.emitter.emit('event', {
      position: event.position,
      index: event.index,
      conversation: id,
      actor: event.actor,
      atMs: event.at_ms,
      kind: kind?.name ?? '',
      body: kind?.body ?? null,
      replayed,
    });
    if (message) this.emitter.emit('message', { conversation: /** @type {any} */ (this.conversation(id)), message, replayed });
  }

  /** Everything missed is there: the session can be used. */
  #whole() {
    this.store.advance(this.#welcomeCursor);
    if (this.store.cursor) this.acks.note(this.store.cursor);
    this.#setState({ state: 'online' });
    this.queries.online();
    this.fetching.online();
    this.notifications.online();
    this.marks.online();
    // Asking for a page of people counts as being there: who is away says so after it.
    this.newcomers.online();
    this.presence.online();
    this.looking.online();
    void this.outbox.online(this.store.me);
  }

  #onLost() {
    this.calls.drop();
    this.queries.offline();
    this.fetching.offline();
    this.outbox.offline();
    this.acks.drop();
    this.typing.clear();
    this.lookers.clear();
    this.looking.offline();
    this.presence.offline();
    this.renewal.stop();
  }

  /**
   * @param {import('../types/index.js').OutboxEntry} entry
   * @param {Accepted} accepted
   */
  #onAccepted(entry, accepted) {
    this.pending.accepted(entry, accepted);
    const own = this.texts.accepted(entry, accepted, this.limits?.push_text_bytes ?? Infinity);
    const [body] = Object.values(entry.request);
    if (own && 'conversation' in body) this.store.keepText(body.conversation, own);
  }

  /** @param {import('../types/index.js').OutboxEntry} entry */
  #onOutbox(entry) {
    if ('post_message' in entry.request) this.changed(entry.request.post_message.conversation, true);
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    this.state = state;
    if (state.state === 'closed') this.queries.rejectAll(state.error);
    this.emitter.emit('connection', state);
  }
}
