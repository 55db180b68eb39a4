/**
 * A conversation as its member sees it, and how events change it. Pure: `state + events` is what a
 * fresh view would say.
 */

import { addMessage, changeMessage, findMessage, settle, tailWindow, touches } from './window.js';
import { cursorFromWire, kindOf, messageFromWire } from './wire.js';

/** Above this many members the server sends no cursors of others. */
export const CURSOR_MEMBERS = 32;

/**
 * @typedef {import('../types/index.js').Message} Message
 * @typedef {import('../types/index.js').MemberCursor} MemberCursor
 * @typedef {import('./window.js').Window} Window
 * @typedef {import('../types/wire.js').Event} Event
 */

/**
 * @typedef {object} ConversationState
 * @property {string} id
 * @property {'direct' | 'group'} kind
 * @property {string} title
 * @property {string} peer
 * @property {string} context
 * @property {import('../types/index.js').Role | ''} role
 * @property {number} memberCount
 * @property {Message | null} lastMessage
 * @property {number} lastSeq
 * @property {number} readSeq
 * @property {number} deliveredSeq
 * @property {number} unread
 * @property {boolean} muted
 * @property {readonly MemberCursor[]} cursors
 * @property {number} activityPosition
 * @property {number} activityMs
 * @property {number} asOf events up to this position are in the view it came from
 * @property {number} unreadAsOf events up to this position do not change `unread` any more
 * @property {boolean} stale something about it can only be asked for: fetch its view
 * @property {Window} window
 */

/**
 * @typedef {object} Viewer
 * @property {string} me
 * @property {ReadonlySet<string>} blocked
 */

/**
 * @param {import('../types/wire.js').Conversation} view
 * @param {number} otherwise position it is as of, where it does not say so itself
 * @returns {ConversationState}
 */
export function fromView(view, otherwise) {
  const asOf = view.as_of || otherwise;
  const lastMessage = view.last_message ? messageFromWire(view.last_message) : null;
  return {
    id: view.id,
    kind: view.kind,
    title: view.title ?? '',
    peer: view.peer ?? '',
    context: view.context ?? '',
    role: view.role ?? '',
    memberCount: view.member_count ?? 0,
    lastMessage,
    lastSeq: view.last_seq ?? 0,
    readSeq: view.read_seq ?? 0,
    deliveredSeq: view.delivered_seq ?? 0,
    unread: view.unread ?? 0,
    muted: view.muted ?? false,
    cursors: (view.cursors ?? []).map(cursorFromWire),
    activityPosition: view.activity_position ?? 0,
    activityMs: view.activity_ms ?? 0,
    asOf,
    unreadAsOf: asOf,
    stale: false,
    window: tailWindow(lastMessage, view.last_seq ?? 0, asOf),
  };
}

/**
 * The conversation after an event of it, `conversation_added` aside.
 * @param {ConversationState} state
 * @param {Event} event
 * @param {Viewer} viewer
 * @returns {ConversationState}
 */
export function applyEvent(state, event, viewer) {
  const kind = kindOf(event);
  if (!kind) return state;
  const window = applyToWindow(state.window, event, kind, viewer);
  const settled = settle(window, event.position);
  const next = event.position > state.asOf ? applyToView(state, event, kind, viewer) : state;
  return settled === next.window ? next : { ...next, window: settled };
}

/**
 * @param {Window} window
 * @param {Event} event
 * @param {NonNullable<ReturnType<typeof kindOf>>} kind
 * @param {Viewer} viewer
 * @returns {Window}
 */
export function applyToWindow(window, event, kind, viewer) {
  if (kind.name === 'message_posted') {
    const message = messageFromWire(kind.body);
    return viewer.blocked.has(message.author) ? window : addMessage(window, message, event.position);
  }
  const change = messageChange(event, kind, viewer.me);
  return change ? changeMessage(window, kind.body.seq, event.position, change) : window;
}

/**
 * @param {ConversationState} state
 * @param {Event} event
 * @param {NonNullable<ReturnType<typeof kindOf>>} kind
 * @param {Viewer} viewer
 * @returns {ConversationState}
 */
function applyToView(state, event, { name, body }, viewer) {
  switch (name) {
    case 'message_posted': {
      const message = messageFromWire(body);
      // A view that came later than its position says may hold the message already.
      if (message.seq <= state.lastSeq || viewer.blocked.has(message.author)) return state;
      return {
        ...state,
        lastMessage: message,
        lastSeq: message.seq,
        unread: state.unread + (event.position > state.unreadAsOf && counts(message, state.readSeq, viewer) ? 1 : 0),
        activityPosition: event.position,
        activityMs: event.at_ms,
      };
    }
    case 'message_retracted': {
      // A message that came as taken back was never counted.
      const known = touches(state.window, body.seq, event.position) ? findMessage(state.window, body.seq) : undefined;
      const less = !known?.retracted && event.position > state.unreadAsOf && counts(body, state.readSeq, viewer) ? 1 : 0;
      return changeLast({ ...state, unread: Math.max(0, state.unread - less) }, event, { name, body }, viewer);
    }
    case 'message_edited':
    case 'reaction_added':
    case 'reaction_removed':
      return changeLast(state, event, { name, body }, viewer);
    case 'read_up_to':
      if (body.user === viewer.me) {
        if (body.seq <= state.readSeq) return state;
        const deliveredSeq = Math.max(state.deliveredSeq, body.seq);
        return { ...state, readSeq: body.seq, deliveredSeq, unread: body.unread ?? 0, unreadAsOf: body.as_of ?? 0 };
      }
      return withCursor(state, body.user, body.seq, body.seq);
    case 'delivered_up_to':
      if (body.user === viewer.me) return { ...state, deliveredSeq: Math.max(state.deliveredSeq, body.seq) };
      return withCursor(state, body.user, 0, body.seq);
    case 'members_joined':
      return withMembers(state, body.member_count, [
        ...state.cursors.filter(({ user }) => !body.users.includes(user)),
        // Who joins has nothing to catch up with.
        ...body.users
          .filter((/** @type {string} */ user) => user !== viewer.me)
          .map((/** @type {string} */ user) => ({ user, readSeq: state.lastSeq, deliveredSeq: state.lastSeq })),
      ]);
    case 'member_left': {
      const left = withMembers(state, body.member_count, state.cursors.filter(({ user }) => !body.users.includes(user)));
      if (!body.users.includes(viewer.me)) return left;
      // Leaving reads everything.
      return { ...left, role: '', unread: 0, readSeq: state.lastSeq, deliveredSeq: state.lastSeq, cursors: [], stale: false };
    }
    case 'role_changed':
      return body.user === viewer.me ? { ...state, role: body.role } : state;
    case 'title_changed':
      return { ...state, title: body.title };
    case 'muted_changed':
      return { ...state, muted: body.muted };
    default:
      return state;
  }
}

/**
 * Whether a message is among the unread ones of the viewer.
 * @param {{ seq: number, author: string, countable: boolean }} message
 * @param {number} readSeq
 * @param {Viewer} viewer
 */
export function counts(message, readSeq, viewer) {
  return message.countable && message.seq > readSeq && message.author !== viewer.me && !viewer.blocked.has(message.author);
}

/**
 * @param {ConversationState} state
 * @param {Event} event
 * @param {NonNullable<ReturnType<typeof kindOf>>} kind
 * @param {Viewer} viewer
 * @returns {ConversationState}
 */
function changeLast(state, event, kind, viewer) {
  const last = state.lastMessage;
  const change = messageChange(event, kind, viewer.me);
  if (!change || !last || last.seq !== kind.body.seq) return state;
  const lastMessage = change(last);
  return lastMessage === last ? state : { ...state, lastMessage };
}

/**
 * What an event does to the message it is about; null when it is about none.
 * @param {Event} event
 * @param {NonNullable<ReturnType<typeof kindOf>>} kind
 * @param {string} me
 * @returns {((message: Message) => Message) | null}
 */
function messageChange(event, { name, body }, me) {
  switch (name) {
    case 'message_edited':
      return (message) =>
        // What has been taken back stays so, whatever an older event says.
        message.retracted
          ? message
          : {
              ...message,
              text: body.text ?? '',
              mentions: body.mentions ?? [],
              stub: body.stub ?? false,
              erased: body.erased ?? false,
              editedMs: event.at_ms,
            };
    case 'message_retracted':
      return (message) => ({ ...message, text: '', mentions: [], reactions: [], stub: false, countable: false, retracted: true, editedMs: 0 });
    case 'reaction_added':
    case 'reaction_removed':
      return (message) => {
        if (message.retracted) return message;
        const before = message.reactions.find(({ reaction }) => reaction === body.reaction);
        const mine = event.actor === me ? name === 'reaction_added' : (before?.mine ?? false);
        const others = message.reactions.filter(({ reaction }) => reaction !== body.reaction);
        const reactions = body.count > 0 ? [...others, { reaction: body.reaction, count: body.count, mine }] : others;
        reactions.sort((a, b) => b.count - a.count || (a.reaction < b.reaction ? -1 : 1));
        return { ...message, reactions };
      };
    default:
      return null;
  }
}

/**
 * @param {ConversationState} state
 * @param {string} user
 * @param {number} readSeq
 * @param {number} deliveredSeq
 * @returns {ConversationState}
 */
function withCursor(state, user, readSeq, deliveredSeq) {
  const at = state.cursors.findIndex((cursor) => cursor.user === user);
  const before = state.cursors[at] ?? { user, readSeq: 0, deliveredSeq: 0 };
  const after = {
    user,
    readSeq: Math.max(before.readSeq, readSeq),
    deliveredSeq: Math.max(before.deliveredSeq, deliveredSeq, readSeq),
  };
  if (after.readSeq === before.readSeq && after.deliveredSeq === before.deliveredSeq) return state;
  const cursors = at < 0 ? [...state.cursors, after] : state.cursors.with(at, after);
  return { ...state, cursors };
}

/**
 * @param {ConversationState} state
 * @param {number} memberCount
 * @param {readonly MemberCursor[]} cursors
 * @returns {ConversationState}
 */
function withMembers(state, memberCount, cursors) {
  if (memberCount > CURSOR_MEMBERS) return { ...state, memberCount, cursors: [] };
  // A group that shrinks to this size has cursors again, and only the server knows them.
  const stale = state.stale || state.memberCount > CURSOR_MEMBERS;
  return { ...state, memberCount, cursors, stale };
}
