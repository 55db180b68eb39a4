/**
 * What happened to a group beside its messages: who came and went, what it is called, who leads it. The
 * history the server keeps for reading has messages only, so this knows what it saw happen, for as long
 * as the page is open.
 */

import { nameOf } from './people.js';
import { listed } from './text.js';

/** Kept for each conversation. */
const MOST = 200;
/** Named; of more, how many. */
const NAMED = 3;

/**
 * @typedef {object} Notice
 * @property {'notice'} type
 * @property {number} after the message it came after
 * @property {string} key
 * @property {number} atMs
 * @property {string} text
 */

export class Notices {
  /** @type {Map<string, readonly Notice[]>} */
  #of = new Map();

  /**
   * @param {import('../sdk/js/types/index.js').AppliedEvent} event
   * @param {import('../sdk/js/src/index.js').Tidings} client
   * @returns {boolean} whether there is something new to show
   */
  note(event, client) {
    const text = textOf(event, client.user);
    if (!text) return false;
    const { conversation, atMs, position, index } = event;
    const before = this.of(conversation);
    const notice = { type: /** @type {const} */ ('notice'), after: client.conversation(conversation).lastSeq, key: `${position}-${index}`, atMs, text };
    this.#of.set(conversation, [...before, notice].slice(-MOST));
    return true;
  }

  /**
   * @param {string} conversation
   * @returns {readonly Notice[]} oldest first
   */
  of(conversation) {
    return this.#of.get(conversation) ?? NONE;
  }

  clear() {
    this.#of.clear();
  }
}

/** @type {readonly Notice[]} */
const NONE = [];

/**
 * What an event has to say in the history; empty for nothing.
 * @param {Pick<import('../sdk/js/types/index.js').AppliedEvent, 'kind' | 'actor' | 'body'>} event
 * @param {string} me
 */
export function textOf({ kind, actor, body: any }, me) {
  const body = /** @type {any} */ (any);
  const who = (/** @type {string} */ user) => (user === me ? 'you' : nameOf(user));
  const people = () => {
    const users = /** @type {string[]} */ (body.users).toSorted((a, b) => Number(b === me) - Number(a === me));
    return users.length > NAMED + 1 ? `${users.slice(0, NAMED).map(who).join(', ')} and ${users.length - NAMED} more` : listed(users.map(who));
  };
  const byOneself = () => body.users.length === 1 && body.users[0] === actor;
  switch (kind) {
    case 'members_joined':
      return sentence(byOneself() ? `${who(actor)} joined` : `${who(actor)} added ${people()}`);
    case 'member_left':
      return sentence(byOneself() || !body.removed ? `${people()} left` : `${who(actor)} removed ${people()}`);
    case 'title_changed':
      return sentence(`${who(actor)} named the group “${body.title}”`);
    case 'role_changed':
      return sentence(`${who(actor)} made ${who(body.user)} ${body.role === 'owner' ? 'an owner' : `a ${body.role}`}`);
    case 'conversation_added':
      return body.kind === 'group' && actor !== me ? sentence(`${who(actor)} added you`) : '';
    case 'message_rejected':
      return `A message ${actor === me ? 'of yours' : `of ${nameOf(actor)}`} was not let through${body.reason ? `: ${body.reason}` : ''}`;
    default:
      return '';
  }
}

/** @param {string} text begins large, but names are as they are */
const sentence = (text) => text.replace(/^you /, 'You ');
