/** One's own messages that are not in the history yet, as they are shown. */

import { TidingsError } from './error.js';

/**
 * @typedef {import('../types/index.js').PendingMessage} PendingMessage
 * @typedef {import('../types/index.js').OutboxEntry} OutboxEntry
 */

export class Pending {
  #outbox;
  /** Recorded, but their events have not come yet. @type {Map<string, { conversation: string, position: number, message: PendingMessage }>} */
  #sent = new Map();
  /** In the history already, though not answered yet. @type {Set<string>} */
  #seen = new Set();

  /** @param {import('./outbox.js').Outbox} outbox */
  constructor(outbox) {
    this.#outbox = outbox;
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
    return [...sent, ...waiting];
  }

  /**
   * @param {OutboxEntry} entry
   * @param {import('../types/index.js').Accepted} accepted
   */
  accepted(entry, accepted) {
    const post = postOf(entry);
    if (!post || this.#seen.delete(entry.id)) return;
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
   * The history is as of this position now.
   * @param {number} position
   */
  reset(position) {
    for (const [id, each] of this.#sent) if (each.position <= position) this.#sent.delete(id);
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
