/**
 * Long texts of one's own. The server pushes a long text as a stub only, also to who wrote it, who has
 * it anyway: what was sent from here is put where its stub would be.
 */

/** Texts kept after they have been recorded, for pages of the history and for resets that bring the stub again. */
const MOST = 32;

/** @typedef {import('../types/wire.js').Message} WireMessage */

export class OwnTexts {
  #outbox;
  /** By what the text belongs to; the oldest first. @type {Map<string, string>} */
  #recorded = new Map();

  /** @param {{ entries: readonly import('../types/index.js').OutboxEntry[] }} outbox */
  constructor(outbox) {
    this.#outbox = outbox;
  }

  /**
   * A command of one's own has been recorded.
   * @param {import('../types/index.js').OutboxEntry} entry
   * @param {import('../types/index.js').Accepted} accepted
   * @param {number} pushBytes texts up to this are pushed whole
   * @returns {{ seq: number, text: string, editedMs: number } | null} what its stub, if it came already, stands for
   */
  accepted({ id, request }, { atMs, seq }, pushBytes) {
    const post = 'post_message' in request ? request.post_message : null;
    const edit = 'edit_message' in request ? request.edit_message : null;
    const body = post ?? edit;
    if (!body || new TextEncoder().encode(body.text).length <= pushBytes) return null;
    const about = edit ? { seq: edit.seq, editedMs: atMs } : { seq, editedMs: 0 };
    this.#recorded.set(edit ? editKey(body.conversation, about.seq, atMs) : id, body.text);
    for (const key of this.#recorded.keys()) {
      if (this.#recorded.size <= MOST) break;
      this.#recorded.delete(key);
    }
    return { ...about, text: body.text };
  }

  /**
   * The message with its text, where it is a stub of one's own whose text is known.
   * @template {WireMessage | null | undefined} M
   * @param {string} conversation
   * @param {M} message
   * @returns {M}
   */
  whole(conversation, message) {
    if (!message?.stub) return message;
    const text = message.edited_ms ? this.#recorded.get(editKey(conversation, message.seq, message.edited_ms)) : this.#posted(message.command_id);
    return text === undefined ? message : { ...message, text, stub: false };
  }

  /**
   * The event with its text, likewise.
   * @param {import('../types/wire.js').Event} event
   * @returns {import('../types/wire.js').Event}
   */
  wholeEvent(event) {
    const { kind, conversation = '' } = event;
    const edited = kind?.message_edited;
    if (kind?.message_posted?.stub) return { ...event, kind: { message_posted: this.whole(conversation, kind.message_posted) } };
    if (!edited?.stub) return event;
    const text = this.#recorded.get(editKey(conversation, edited.seq, event.at_ms));
    return text === undefined ? event : { ...event, kind: { message_edited: { ...edited, text, stub: false } } };
  }

  /**
   * A view of a conversation with the text of its last message, likewise.
   * @template {import('../types/wire.js').Conversation} V
   * @param {V} view
   * @returns {V}
   */
  wholeView(view) {
    const message = this.whole(view.id, view.last_message);
    return message === view.last_message ? view : { ...view, last_message: message };
  }

  /** @param {string} commandId */
  #posted(commandId) {
    const waiting = this.#outbox.entries.find(({ id }) => id === commandId)?.request;
    return waiting && 'post_message' in waiting ? waiting.post_message.text : this.#recorded.get(commandId);
  }
}

/**
 * @param {string} conversation
 * @param {number} seq
 * @param {number} editedMs
 */
const editKey = (conversation, seq, editedMs) => `${conversation} ${seq} ${editedMs}`;
