/** A handle to one conversation: reads the store, acts through the session. */

import { TidingsError, refused } from './error.js';
import { expect } from './fetching.js';
import { faultOfOptions, unsendable } from './sendable.js';
import { CURSOR_MEMBERS, counts } from './state.js';
import { TypingSelf } from './typing.js';
import { findMessage, holes } from './window.js';
import { cursorFromWire, heldFromWire } from './wire.js';

/**
 * @typedef {import('../types/index.js').Message} Message
 * @typedef {import('../types/index.js').TimelineItem} TimelineItem
 * @typedef {import('../types/index.js').Accepted} Accepted
 */

export class Conversation {
  #session;
  #typing;
  #opened = 0;
  /** @type {{ version: number, items: TimelineItem[] } | null} */
  #timeline = null;

  /**
   * @param {import('./session.js').Session} session
   * @param {string} id
   */
  constructor(session, id) {
    this.#session = session;
    this.id = id;
    this.#typing = new TypingSelf(session.clock, (active) => {
      session.calls.tell({ typing: { conversation: id, active } });
    });
  }

  get #state() {
    return this.#session.store.conversations.get(this.id);
  }

  get loaded() {
    return this.#state !== undefined;
  }
  get gone() {
    return this.#session.store.gone.has(this.id);
  }
  get version() {
    return this.#session.versions.get(this.id) ?? 0;
  }
  get kind() {
    return this.#state?.kind ?? 'direct';
  }
  get title() {
    return this.#state?.title ?? '';
  }
  get peer() {
    return this.#state?.peer ?? '';
  }
  get context() {
    return this.#state?.context ?? '';
  }
  get role() {
    return this.#state?.role ?? '';
  }
  get memberCount() {
    return this.#state?.memberCount ?? 0;
  }
  get lastMessage() {
    return this.#state?.lastMessage ?? null;
  }
  get lastSeq() {
    return this.#state?.lastSeq ?? 0;
  }
  get readSeq() {
    return Math.max(this.#state?.readSeq ?? 0, this.#session.marks.seq(this.id));
  }
  get unread() {
    const state = this.#state;
    if (!state) return 0;
    const marked = this.#session.marks.seq(this.id);
    if (marked <= state.readSeq) return state.unread;
    if (marked >= state.lastSeq) return 0;
    const { me, blocked } = this.#session.store;
    const complete = holes(state.window).every(({ before }) => before <= marked + 1);
    if (!complete) return state.unread;
    return state.window.messages.filter((message) => !message.retracted && counts(message, marked, { me, blocked })).length;
  }
  get muted() {
    return this.#state?.muted ?? false;
  }
  get cursors() {
    return this.#state?.cursors ?? [];
  }
  get activityMs() {
    return this.#state?.activityMs ?? 0;
  }
  get typing() {
    return this.#session.typing.users(this.id);
  }
  get looking() {
    return this.#session.lookers.users(this.id);
  }
  get messages() {
    return this.#state?.window.messages ?? [];
  }
  get pending() {
    return this.#session.pending.of(this.id);
  }

  get timeline() {
    if (this.#timeline?.version === this.version) return this.#timeline.items;
    /** @type {TimelineItem[]} */
    const items = [];
    const window = this.#state?.window;
    const missing = window ? holes(window) : [];
    let next = 0;
    for (const message of this.messages) {
      while (next < missing.length && missing[next].before <= message.seq) items.push({ type: 'hole', ...missing[next++] });
      items.push({ type: 'message', message });
    }
    while (next < missing.length) items.push({ type: 'hole', ...missing[next++] });
    for (const pending of this.pending) items.push({ type: 'pending', pending });
    this.#timeline = { version: this.version, items };
    return items;
  }

  /** @param {number} seq */
  message(seq) {
    const state = this.#state;
    return state && findMessage(state.window, seq);
  }

  /**
   * @param {Message} message
   * @returns {import('../types/index.js').Tick}
   */
  tick({ seq }) {
    const others = this.memberCount - 1;
    if (others < 1 || this.memberCount > CURSOR_MEMBERS) return 'sent';
    const reached = (/** @type {'readSeq' | 'deliveredSeq'} */ key) => this.cursors.filter((cursor) => cursor[key] >= seq).length;
    if (reached('readSeq') >= others) return 'read';
    return reached('deliveredSeq') >= others ? 'delivered' : 'sent';
  }

  async load() {
    if (!this.loaded) await this.#session.fetching.conversation(this.id);
  }

  async open() {
    this.#opened += 1;
    this.#session.store.open.add(this.id);
    await this.#session.fetching.latest(this.id);
  }

  close() {
    this.#opened = Math.max(0, this.#opened - 1);
    if (this.#opened === 0) this.#session.store.open.delete(this.id);
    this.#typing.set(false);
  }

  /** @param {number} [before] */
  async loadOlder(before) {
    const at = before ?? this.#state?.window.stretches.at(-1)?.from;
    if (at !== undefined && at <= 1) return false;
    return this.#session.fetching.messages(this.id, at === undefined || at === Infinity ? {} : { before: at });
  }

  /** @param {number} [after] */
  async loadNewer(after) {
    const at = after ?? this.#state?.window.stretches.at(0)?.to;
    if (at === undefined) return this.#session.fetching.messages(this.id, {});
    return at === Infinity ? false : this.#session.fetching.messages(this.id, { after: at });
  }

  /** @param {number} seq */
  async loadAround(seq) {
    const unreadable = unsendable({ get_message: { seq } });
    if (unreadable) throw unreadable;
    if (this.message(seq)) return;
    await Promise.all([
      this.#session.fetching.messages(this.id, { before: seq + 1 }),
      this.#session.fetching.messages(this.id, { after: seq }),
    ]);
  }

  /** @param {number} seq */
  async loadText(seq) {
    const known = this.message(seq);
    if (known && !known.stub) return known.text;
    const message = expect(await this.#session.ask({ get_message: { conversation: this.id, seq } }), 'message');
    this.#session.store.mergeText(this.id, message);
    return message.text;
  }

  /**
   * @param {string} text
   * @param {{ replyTo?: number, mentions?: string[] }} [options]
   * @returns {Promise<Accepted>}
   */
  send(text, options) {
    const fault = this.#faultOfText(text) ?? faultOfOptions(options);
    if (fault) return refused(fault);
    const { replyTo = 0, mentions = [] } = options ?? {};
    this.#typing.sent();
    return this.#session.command({ post_message: { conversation: this.id, text, reply_to: replyTo, mentions } });
  }

  /**
   * @param {number} seq
   * @param {string} text
   * @param {{ mentions?: string[] }} [options]
   * @returns {Promise<Accepted>}
   */
  edit(seq, text, options) {
    const fault = this.#faultOfText(text) ?? faultOfOptions(options);
    if (fault) return refused(fault);
    const { mentions = [] } = options ?? {};
    return this.#session.command({ edit_message: { conversation: this.id, seq, text, mentions } });
  }

  /** @param {number} seq */
  retract(seq) {
    return this.#session.command({ retract_message: { conversation: this.id, seq } });
  }

  /**
   * @param {number} [after]
   * @param {number} [limit]
   * @returns {Promise<import('../types/index.js').HeldPage>}
   */
  async held(after = 0, limit = 0) {
    const { held, more } = expect(
      await this.#session.ask({ list_held: { conversation: this.id, after, limit } }),
      'held',
    );
    return { held: held.map(heldFromWire), more };
  }

  /**
   * @param {number} held
   * @param {{ release: boolean, reason?: string }} settlement
   */
  settleHeld(held, { release, reason = '' }) {
    return this.#session.command({ settle_held: { conversation: this.id, held, release, reason } });
  }

  /**
   * @param {number} seq
   * @param {string} reaction
   */
  react(seq, reaction) {
    return this.#session.command({ add_reaction: { conversation: this.id, seq, reaction } });
  }

  /**
   * @param {number} seq
   * @param {string} reaction
   */
  unreact(seq, reaction) {
    return this.#session.command({ remove_reaction: { conversation: this.id, seq, reaction } });
  }

  /** @param {number} [seq] */
  markRead(seq = this.lastSeq) {
    const state = this.#state;
    const unreadable = unsendable({ mark_read: { seq } });
    if (unreadable) throw unreadable;
    if (!state || state.role === '' || seq <= state.readSeq) return;
    if (this.#session.marks.set(this.id, Math.min(seq, state.lastSeq))) this.#session.changed(this.id, true);
  }

  /** @param {boolean} active */
  setTyping(active) {
    if (unsendable({ typing: { conversation: this.id } })) return;
    this.#typing.set(Boolean(active));
  }

  /** @param {string[]} users */
  addMembers(users) {
    return this.#session.command({ add_members: { conversation: this.id, users } });
  }

  /** @param {string} user */
  removeMember(user) {
    return this.#session.command({ remove_member: { conversation: this.id, user } });
  }

  leave() {
    return this.#session.command({ leave: { conversation: this.id } });
  }

  /**
   * @param {string} user
   * @param {import('../types/index.js').Role} role
   */
  setRole(user, role) {
    return this.#session.command({ set_role: { conversation: this.id, user, role } });
  }

  /** @param {string} title */
  setTitle(title) {
    return this.#session.command({ set_title: { conversation: this.id, title } });
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    return this.#session.command({ set_muted: { conversation: this.id, muted } });
  }

  /** @param {{ after?: string, limit?: number }} [page] */
  async listMembers(page) {
    const fault = faultOfOptions(page);
    if (fault) throw fault;
    const { after = '', limit = 0 } = page ?? {};
    const outcome = await this.#session.ask({ list_members: { conversation: this.id, after, limit } });
    const { members, more } = expect(outcome, 'members');
    return { members: members.map(({ user, role, joined_ms }) => ({ user, role, joinedMs: joined_ms })), more };
  }

  /** @param {number} seq */
  async receipts(seq) {
    const { read, delivered, members, cursors } = expect(
      await this.#session.ask({ get_receipts: { conversation: this.id, seq } }),
      'receipts',
    );
    return { read, delivered, members, cursors: cursors.map(cursorFromWire) };
  }

  /** @param {string} text */
  #faultOfText(text) {
    const fault = unsendable({ post_message: { text } });
    if (fault) return fault;
    if (text.trim() === '') return new TidingsError({ code: 'invalid', message: 'a message has text' });
    const bytes = new TextEncoder().encode(text).length;
    const limit = this.#session.limits?.text_bytes || Infinity;
    return bytes > limit ? new TidingsError({ code: 'too_large', message: `a text of ${bytes} bytes, the limit is ${limit}` }) : null;
  }
}
