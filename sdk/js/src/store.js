/**
 * Everything known: conversations, blocks, the cursor. Events come in order and once; answers to
 * questions come at any time, are as of a position of their own, and are fitted in exactly: what
 * the store had applied beyond an answer is applied to it again, what the answer was ahead of the
 * store with is skipped when it arrives.
 */

import { applyEvent, applyToWindow, fromView } from './state.js';
import { findMessage, mergePage, settle, trim } from './window.js';
import { kindOf, messageFromWire } from './wire.js';

/**
 * @typedef {import('../types/wire.js').Event} Event
 * @typedef {import('./state.js').ConversationState} ConversationState
 * @typedef {{ epoch: string, position: number, index: number }} Cursor
 * @typedef {{ readonly generation: number, readonly start: number, readonly position: number }} Reading what was known
 *   when a question was asked
 */

/** A conversation nobody looks at keeps this many messages, and may grow to twice as many before it is cut. */
const CLOSED_MESSAGES = 50;

export class Store {
  me = '';
  /** @type {Cursor | null} */
  cursor = null;
  /** @type {Map<string, ConversationState>} */
  conversations = new Map();
  /** @type {Set<string>} */
  blocked = new Set();
  /** Whether older conversations exist. */
  more = false;
  /** Conversations that are looked at: their messages are all kept. @type {Set<string>} */
  open = new Set();
  /** Conversations the server says there are none of, for this user. @type {Set<string>} */
  gone = new Set();
  /** Whether others see this user as offline. */
  invisible = false;
  /** Called with the conversation that changed (empty for none), and whether the list did. */
  onChange = (/** @type {string} */ _conversation, /** @type {boolean} */ _list) => {};
  /** Puts in texts that are known here where the server sends stubs. @type {Pick<import('./own-texts.js').OwnTexts, 'whole' | 'wholeView'>} */
  texts = { whole: (_conversation, message) => message, wholeView: (view) => view };

  /** Unread messages of conversations that are not loaded. */
  #rest = 0;
  #restAsOf = 0;
  #generation = 0;
  /** Events applied while questions are open, for answers that are older. @type {Event[]} */
  #journal = [];
  #journalStart = 0;
  /** @type {Set<Reading>} */
  #readings = new Set();
  /** @type {ConversationState[] | null} */
  #sorted = null;

  /** Latest activity first. */
  get sorted() {
    this.#sorted ??= [...this.conversations.values()].sort(
      (a, b) => b.activityPosition - a.activityPosition || (a.id < b.id ? -1 : 1),
    );
    return this.#sorted;
  }

  get unreadTotal() {
    return Math.max(0, this.#rest + this.#loadedUnread());
  }

  /**
   * Replaces everything.
   * @param {import('../types/wire.js').Reset} reset
   */
  reset(reset) {
    const position = reset.cursor?.position ?? 0;
    const gone = [...this.conversations.keys()];
    this.cursor = reset.cursor;
    this.blocked = new Set(reset.blocked ?? []);
    this.invisible = reset.invisible ?? false;
    this.more = reset.more ?? false;
    this.gone.clear();
    this.conversations = new Map((reset.conversations ?? []).map((view) => [view.id, fromView(this.texts.wholeView(view), position)]));
    this.#rest = this.more ? (reset.unread_total ?? 0) - this.#loadedUnread() : 0;
    this.#restAsOf = 0;
    this.#generation += 1;
    this.#journal = [];
    this.#journalStart = 0;
    this.#readings.clear();
    for (const id of [...gone, ...this.conversations.keys()]) this.#changed(id, true);
    this.#changed('', true);
  }

  /**
   * Moves the cursor to where the server says the session stands.
   * @param {Cursor | null} cursor
   */
  advance(cursor) {
    if (cursor && (!this.cursor || this.cursor.epoch !== cursor.epoch || isAfter(cursor, this.cursor))) this.cursor = cursor;
  }

  /**
   * Applies an event, once. What it returns is left to do: conversations to fetch, or all of them.
   * @param {Event} event
   * @returns {{ applied: boolean, fetch: string, fetchAll: boolean, fetchUnread: boolean }}
   */
  apply(event) {
    const todo = { applied: false, fetch: '', fetchAll: false, fetchUnread: false };
    if (this.cursor && !isAfter(event, this.cursor)) return todo;
    todo.applied = true;
    this.cursor = { epoch: this.cursor?.epoch ?? '', position: event.position, index: event.index };
    if (this.#readings.size > 0) this.#journal.push(event);
    const kind = kindOf(event);
    if (!kind) return todo;
    const { name, body } = kind;

    if (name === 'user_blocked' || name === 'user_unblocked') {
      const blocked = new Set(this.blocked);
      if (name === 'user_blocked') blocked.add(body.user);
      else blocked.delete(body.user);
      this.blocked = blocked;
      todo.fetchAll = true;
      this.#changed('', true);
      return todo;
    }
    if (name === 'visibility_changed') {
      this.invisible = body.invisible ?? false;
      this.#changed('', true);
      return todo;
    }
    if (name === 'conversation_added') {
      this.#added(body, event);
      return todo;
    }
    const id = event.conversation ?? '';
    const before = this.conversations.get(id);
    if (!before) {
      // Older than the window: what happens there moves it into sight, or the total.
      todo.fetch = name === 'message_posted' ? id : '';
      todo.fetchUnread = UNREAD_KINDS.has(name);
      return todo;
    }
    const after = this.#fold(before, event);
    if (this.#restAsOf >= event.position) this.#rest -= counted(after) - counted(before);
    if (after.stale && !before.stale) todo.fetch = id;
    return todo;
  }

  /**
   * A question is about to be asked. Every reading ends with one of the `merge` functions or `forget`.
   * @returns {Reading}
   */
  read() {
    const reading = {
      generation: this.#generation,
      start: this.#journalStart + this.#journal.length,
      position: this.cursor?.position ?? 0,
    };
    this.#readings.add(reading);
    return reading;
  }

  /** @param {Reading} reading */
  forget(reading) {
    this.#readings.delete(reading);
    if (this.#readings.size > 0) return;
    this.#journalStart += this.#journal.length;
    this.#journal = [];
  }

  /**
   * A page of the list.
   * @param {Reading} reading
   * @param {import('../types/wire.js').Outcomes['conversations']} page
   * @param {{ last: boolean, replace?: boolean }} options whether `more` is about everything that is loaded;
   *   whether messages of conversations that are not open are forgotten, since a block may have changed them
   * @returns {boolean} false when the answer has become useless: ask again
   */
  mergeConversations(reading, page, { last, replace = false }) {
    const newer = this.#finish(reading, page.position);
    if (!newer) return false;
    for (const view of page.conversations) this.#mergeView(view, page.position, newer, replace);
    if (last) {
      this.more = page.more;
      // Everything is loaded: the total is exact by itself.
      if (!page.more) this.#rest = 0;
    }
    this.#changed('', true);
    return true;
  }

  /**
   * One conversation.
   * @param {Reading} reading
   * @param {import('../types/wire.js').Conversation} view
   */
  mergeConversation(reading, view) {
    const position = view.as_of || (this.cursor?.position ?? 0);
    const newer = this.#finish(reading, position);
    if (!newer) return false;
    this.#mergeView(view, position, newer, false);
    return true;
  }

  /**
   * A page of messages, complete for a stretch.
   * @param {Reading} reading
   * @param {string} id
   * @param {import('./window.js').Stretch} stretch
   * @param {import('../types/wire.js').Outcomes['messages']} page
   * @param {{ replace?: boolean }} [options] whether everything else that was loaded is forgotten
   */
  mergeMessages(reading, id, stretch, page, { replace = false } = {}) {
    const newer = this.#finish(reading, page.position);
    const state = this.conversations.get(id);
    if (!newer) return false;
    if (!state) return true;
    const messages = page.messages.map((message) => {
      const now = messageFromWire(this.texts.whole(id, message));
      const known = now.stub ? findMessage(state.window, now.seq) : undefined;
      // What was loaded before is not taken away again.
      return known && !known.stub && known.text !== '' && known.editedMs === now.editedMs ? { ...now, text: known.text, stub: false } : now;
    });
    const base = replace ? { messages: [], stretches: [], fresh: [] } : state.window;
    let window = mergePage(base, { ...stretch, messages, asOf: page.position });
    for (const event of newer) {
      const kind = event.conversation === id && kindOf(event);
      if (kind) window = applyToWindow(window, event, kind, { me: this.me, blocked: this.blocked });
    }
    this.#set({ ...state, window: settle(window, this.cursor?.position ?? 0) });
    return true;
  }

  /**
   * The total over all conversations.
   * @param {Reading} reading
   * @param {import('../types/wire.js').Outcomes['unread']} unread
   */
  mergeUnread(reading, unread) {
    const position = unread.as_of;
    if (!this.#finish(reading, position) || position < (this.cursor?.position ?? 0)) return false;
    this.#rest = this.more ? unread.total - this.#loadedUnread() : 0;
    this.#restAsOf = position;
    this.#changed('', true);
    return true;
  }

  /**
   * The text of a message that came as a stub.
   * @param {string} id
   * @param {import('../types/wire.js').Message} message
   */
  mergeText(id, message) {
    const state = this.conversations.get(id);
    if (!state) return;
    const full = messageFromWire(message);
    this.#replace(state, full.seq, (known) =>
      // An edit that came in between is newer than the answer.
      known.stub && known.editedMs <= full.editedMs ? { ...full, reactions: known.reactions } : known,
    );
  }

  /**
   * The text of a message of one's own whose stub came before the answer.
   * @param {string} id
   * @param {{ seq: number, text: string, editedMs: number }} own
   */
  keepText(id, { seq, text, editedMs }) {
    const state = this.conversations.get(id);
    if (!state) return;
    this.#replace(state, seq, (known) => (known.stub && known.author === this.me && known.editedMs === editedMs ? { ...known, text, stub: false } : known));
  }

  /**
   * @param {ConversationState} state
   * @param {number} seq
   * @param {(message: import('../types/index.js').Message) => import('../types/index.js').Message} change
   */
  #replace(state, seq, change) {
    const messages = state.window.messages.map((message) => (message.seq === seq ? change(message) : message));
    const { lastMessage } = state;
    this.#set({ ...state, lastMessage: lastMessage?.seq === seq ? change(lastMessage) : lastMessage, window: { ...state.window, messages } });
  }

  /**
   * It is not there for this user any more.
   * @param {string} id
   */
  remove(id) {
    this.conversations.delete(id);
    this.gone.add(id);
    this.#changed(id, true);
  }

  /**
   * @param {import('../types/wire.js').Conversation} view
   * @param {Event} event
   */
  #added(view, event) {
    const before = this.conversations.get(view.id);
    const state = fromView(this.texts.wholeView(view), event.position - 1);
    if (this.#restAsOf >= event.position) this.#rest -= counted(state) - (before ? counted(before) : 0);
    this.#set(state, true);
  }

  /**
   * @param {import('../types/wire.js').Conversation} view
   * @param {number} position
   * @param {Event[]} newer
   * @param {boolean} replace
   */
  #mergeView(view, position, newer, replace) {
    const before = this.conversations.get(view.id);
    let state = fromView(this.texts.wholeView(view), position);
    if (!before && !view.muted) this.#rest -= view.unread;
    const viewer = { me: this.me, blocked: this.blocked };
    for (const event of newer) {
      if (event.conversation === view.id) state = applyEvent(state, event, viewer);
    }
    // A window that is there follows the events by itself.
    if (before && (!replace || this.open.has(view.id))) state = { ...state, window: before.window };
    this.#set(state, true);
  }

  /**
   * @param {ConversationState} before
   * @param {Event} event
   */
  #fold(before, event) {
    let after = applyEvent(before, event, { me: this.me, blocked: this.blocked });
    const { id } = before;
    if (!this.open.has(id) && after.window.messages.length > 2 * CLOSED_MESSAGES) {
      after = { ...after, window: trim(after.window, CLOSED_MESSAGES) };
    }
    if (after !== before) this.#set(after);
    return after;
  }

  /**
   * @param {ConversationState} state
   * @param {boolean} [list]
   */
  #set(state, list = false) {
    const before = this.conversations.get(state.id);
    this.conversations.set(state.id, state);
    this.gone.delete(state.id);
    // Only what the list shows makes the list change.
    const window = before?.window;
    this.#changed(state.id, list || !before || !sameBut(before, { ...state, window: /** @type {any} */ (window) }));
  }

  /**
   * @param {string} id
   * @param {boolean} list
   */
  #changed(id, list) {
    if (list) this.#sorted = null;
    this.onChange(id, list);
  }

  /**
   * Ends a reading: the events that an answer as of `position` does not hold; null when it is useless.
   * @param {Reading} reading
   * @param {number} position
   */
  #finish(reading, position) {
    const valid = this.#readings.has(reading) && position >= reading.position;
    const newer = valid
      ? this.#journal.slice(reading.start - this.#journalStart).filter((event) => event.position > position)
      : null;
    this.forget(reading);
    return newer;
  }

  #loadedUnread() {
    let sum = 0;
    for (const state of this.conversations.values()) sum += counted(state);
    return sum;
  }
}

/** What moves a count of unread messages. @type {ReadonlySet<string>} */
const UNREAD_KINDS = new Set(['message_posted', 'message_retracted', 'read_up_to', 'muted_changed', 'member_left']);

/** @param {ConversationState} state */
function counted(state) {
  return state.muted ? 0 : state.unread;
}

/**
 * @param {ConversationState} a
 * @param {ConversationState} b
 */
function sameBut(a, b) {
  return /** @type {(keyof ConversationState)[]} */ (Object.keys(a)).every((key) => a[key] === b[key]);
}

/**
 * @param {{ position: number, index: number }} a
 * @param {{ position: number, index: number }} b
 */
export function isAfter(a, b) {
  return a.position > b.position || (a.position === b.position && a.index > b.index);
}
