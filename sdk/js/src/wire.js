/** From frames to what the API shows: JSON text in, camel case and filled-in defaults out. */

import { TidingsError } from './error.js';

export const SUBPROTOCOL = 'tidings.1.json';
/** Index that stands for a whole commit. */
export const WHOLE_COMMIT = 4294967295;

/**
 * @typedef {import('../types/wire.js').ServerFrame} ServerFrame
 * @typedef {import('../types/index.js').Message} Message
 * @typedef {import('../types/index.js').MemberCursor} MemberCursor
 */

/**
 * @param {unknown} data
 * @returns {NonNullable<ServerFrame> | null} null for a frame to be skipped
 */
export function parseFrame(data) {
  if (typeof data !== 'string') throw new TidingsError({ code: 'protocol', message: 'a binary frame came where text is spoken' });
  let frame;
  try {
    frame = JSON.parse(data);
  } catch (cause) {
    throw new TidingsError({ code: 'protocol', message: 'a frame is not JSON', cause });
  }
  return typeof frame === 'object' && frame !== null ? frame : null;
}

/**
 * @param {import('../types/wire.js').Message} message
 * @returns {Message}
 */
export function messageFromWire(message) {
  return {
    seq: message.seq,
    author: message.author,
    atMs: message.at_ms,
    text: message.text ?? '',
    replyTo: message.reply_to ?? 0,
    mentions: message.mentions ?? [],
    editedMs: message.edited_ms ?? 0,
    retracted: message.retracted ?? false,
    erased: message.erased ?? false,
    stub: message.stub ?? false,
    countable: message.countable ?? false,
    reactions: (message.reactions ?? []).map(({ reaction, count, mine }) => ({ reaction, count, mine })),
    commandId: message.command_id ?? '',
  };
}

/**
 * @param {import('../types/wire.js').MemberCursor} cursor
 * @returns {MemberCursor}
 */
export function cursorFromWire(cursor) {
  return { user: cursor.user, readSeq: cursor.read_seq, deliveredSeq: cursor.delivered_seq };
}

/**
 * @param {import('../types/wire.js').Accepted} accepted
 * @returns {import('../types/index.js').Accepted}
 */
export function acceptedFromWire(accepted) {
  return {
    position: accepted.position,
    atMs: accepted.at_ms,
    answer: accepted.answer ?? '',
    conversation: accepted.conversation ?? '',
    seq: accepted.seq ?? 0,
    held: accepted.held ?? 0,
    duplicate: accepted.duplicate ?? false,
  };
}

/**
 * @param {import('../types/wire.js').Held} held
 * @returns {import('../types/index.js').HeldMessage}
 */
export function heldFromWire(held) {
  return {
    held: held.held,
    author: held.author,
    atMs: held.at_ms,
    edits: held.edits ?? 0,
    text: held.text ?? '',
    erased: held.erased ?? false,
    replyTo: held.reply_to ?? 0,
    mentions: held.mentions ?? [],
    commandId: held.command_id ?? '',
    reason: held.reason ?? '',
    reviews: (held.reviews ?? []).map((review) => ({ ...review, labels: review.labels ?? [], failed: review.failed ?? false })),
  };
}

/**
 * @param {import('../types/wire.js').Toast} toast
 * @returns {import('../types/index.js').Toast}
 */
export function toastFromWire(toast) {
  return {
    toast: toast.toast,
    source: toast.source,
    title: toast.title,
    body: toast.body ?? '',
    link: toast.link ?? '',
    aboutUser: toast.about_user ?? '',
    aboutConversation: toast.about_conversation ?? '',
    atMs: toast.at_ms,
    expiresMs: toast.expires_ms,
  };
}

/**
 * @param {import('../types/wire.js').Badge} badge
 * @returns {import('../types/index.js').Badge}
 */
export function badgeFromWire({ source, name, count }) {
  return { source, name, count };
}

/**
 * The known body of an event's kind, and its name.
 * @param {import('../types/wire.js').Event} event
 */
export function kindOf(event) {
  for (const name of /** @type {(keyof import('../types/wire.js').EventKinds)[]} */ (Object.keys(event.kind ?? {}))) {
    if (EVENT_KINDS.has(name)) return { name, body: /** @type {any} */ (event.kind)[name] };
  }
  return null;
}

/** @type {ReadonlySet<string>} */
export const EVENT_KINDS = new Set([
  'message_posted', 'message_edited', 'message_retracted', 'reaction_added', 'reaction_removed',
  'read_up_to', 'delivered_up_to', 'conversation_added', 'members_joined', 'member_left', 'role_changed',
  'title_changed', 'muted_changed', 'user_blocked', 'user_unblocked', 'visibility_changed',
  'contact_changed', 'message_held', 'message_released', 'message_rejected', 'toast_queued', 'toasts_seen', 'badge_set',
]);
