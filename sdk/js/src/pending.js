/** One's own messages that are not in the history yet, as they are shown. */

import { TidingsError } from './error.js';

/**
 * @typedef {import('../types/index.js').PendingMessage} PendingMessage
 * @typedef {import('../types/index.js').OutboxEntry} OutboxEntry
 */

/** The index of a cursor that stands behind the whole commit at its position. */
const WHOLE = 0xffffffff;

export class Pending {
  #outbox;
  #store;
  /** Recorded, but their events have not come yet. @type {Map<string, { conversation: string, position: number, message: PendingMessage }>} */
  #sent = new Map();
  /** Held by moderation, by conversation and number. @type {Map<string, { conversation: string, message: PendingMessage }>} */
  #held = new Map();
  /** In the history already, though not answered yet. @type {Set<string>} */
  #seen = new Set();

  /**
   * @param {import('./outbox.js').Outbox} outbox
   * @param {import('./store.js').Store} store
   */
  constructor(outbox, store) {
    this.#outbox = outbox;
    this.#store = store;
  }

  /**
   * @param {string} conversation
   * @returns {PendingMessage[]}
   */
  of(conversation) {
    const sent = [...this.#sent.values()].filter((each) => each.conversation === conversation).map(({ message }) => message);
    const waiting = this.#outbox.entries
      .filter((entry) => postOf(entry)?.conversation === conversation && !this.#seen.has(entry.id))
      .map(shown);
    const held = [...this.#held.values()].filter((each) => each.conversation === conversation).map(({ message }) => message);
    return [...held, ...sent, ...waiting];
  }

  /**
   * What was held is posted as a message of its own now, or never will be.
   * @param {string} conversation
   * @param {number} held
   */
  settled(conversation, held) {
    this.#held.delete(`${conversation} ${held}`);
  }

  /** The conversations that have some, those that are gone or not loaded included. */
  get conversations() {
    const sent = [...this.#sent.values()].map(({ conversation }) => conversation);
    const waiting = this.#outbox.entries.filter(({ id }) => !this.#seen.has(id)).map((entry) => postOf(entry)?.conversation ?? '');
    return new Set([...sent, ...waiting].filter(Boolean));
  }

  /**
   * @param {OutboxEntry} entry
   * @param {import('../types/index.js').Accepted} accepted
   */
  accepted(entry, accepted) {
    const post = postOf(entry);
    if (!post || this.#seen.delete(entry.id)) return;
    const isPast = this.#isPast(entry.id, post.conversation, accepted.position);
    if (accepted.held > 0) {
      // Of an answer that comes again it is not known whether it has been settled since.
      if (accepted.duplicate && isPast) return;
      const message = { ...shown(entry), state: /** @type {const} */ ('held') };
      this.#held.set(`${post.conversation} ${accepted.held}`, { conversation: post.conversation, message });
      return;
    }
    if (isPast) return;
    const message = { ...shown(entry), state: /** @type {const} */ ('sent') };
    this.#sent.set(entry.id, { conversation: post.conversation, position: accepted.position, message });
  }

  /**
   * A message has come to the history.
   * @param {string} commandId
   */
  arrived(commandId) {
    if (!this.#sent.delete(commandId) && this.#outbox.entries.some(({ id }) => id === commandId)) this.#seen.add(commandId);
  }

  /**
   * The history is as of this cursor now.
   * @param {import('../types/wire.js').Cursor | null} cursor
   * @param {boolean} otherLog whether positions known until now mean nothing any more
   */
  reset(cursor, otherLog) {
    const position = cursor?.position ?? 0;
    for (const [id, each] of this.#sent) if (otherLog || each.position <= position) this.#sent.delete(id);
    if (otherLog) this.#seen.clear();
    // Whether they have been settled meanwhile is not known: who wants to know asks for what is held.
    this.#held.clear();
  }

  /**
   * Whether its event will not come any more: a reset held it already, or it came while another tab still
   * waited for the answer.
   * @param {string} commandId
   * @param {string} conversation
   * @param {number} position
   */
  #isPast(commandId, conversation, position) {
    const { cursor, conversations } = this.#store;
    if (!cursor || position > cursor.position) return false;
    if (position < cursor.position || cursor.index === WHOLE) return true;
    // In the midst of that very commit.
    return conversations.get(conversation)?.window.messages.some((message) => message.commandId === commandId) ?? false;
  }
}

/** @param {OutboxEntry} entry */
function postOf(entry) {
  return 'post_message' in entry.request ? entry.request.post_message : null;
}

/**
 * @param {OutboxEntry} entry
 * @returns {PendingMessage}
 */
function shown(entry) {
  const post = postOf(entry);
  return {
    commandId: entry.id,
    text: post?.text ?? '',
    replyTo: post?.reply_to ?? 0,
    mentions: post?.mentions ?? [],
    createdMs: entry.createdMs,
    state: entry.error ? 'failed' : 'pending',
    error: entry.error ? TidingsError.fromWire(entry.error, entry.id) : null,
  };
}
