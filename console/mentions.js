/** Mentions: who can be named in a conversation, offered while one writes, and found in what was written. */

import { elementId, h } from './dom.js';
import { avatar, beside, nameOf, shortName } from './people.js';

/** As many as can be taken in at a glance. */
const OFFERED = 6;
/** Members of a larger group than this have to be named by those who remember their names. */
const PAGES = 5;
const PAGE = 200;

/** @typedef {import('../sdk/js/src/index.js').Conversation} Conversation */

/**
 * What stands behind the `@`: the short name where it means one person only.
 * @param {string} user
 * @param {readonly string[]} among
 */
export function labelOf(user, among) {
  const short = shortName(user);
  return among.some((other) => other !== user && shortName(other) === short) ? user : short;
}

/**
 * A text in parts: who is named where.
 * @param {string} text
 * @param {readonly string[]} users who may be named
 * @returns {{ text: string, user: string }[]} `user` is empty for what names nobody
 */
export function partsOf(text, users) {
  /** @type {Map<string, string>} */
  const byLabel = new Map();
  for (const user of users) {
    byLabel.set(user.toLowerCase(), user);
    const label = labelOf(user, users).toLowerCase();
    if (!byLabel.has(label)) byLabel.set(label, user);
  }
  // Of two names the longer one: one may begin with the other.
  const labels = [...byLabel.keys()].sort((a, b) => b.length - a.length).map((label) => label.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  if (labels.length === 0) return [{ text, user: '' }];
  const parts = [];
  let from = 0;
  for (const { index, 0: found, 1: label } of text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}_@])@(${labels.join('|')})(?![\\p{L}\\p{N}_])`, 'giu'))) {
    if (index > from) parts.push({ text: text.slice(from, index), user: '' });
    parts.push({ text: found, user: byLabel.get(label.toLowerCase()) ?? '' });
    from = index + found.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), user: '' });
  return parts;
}

/**
 * Whether somebody is mentioned in what they have not read, as far as it is loaded.
 * @param {Conversation} conversation
 * @param {string} me
 */
export function mentionsMe({ unread, readSeq, messages }, me) {
  return unread > 0 && messages.some(({ seq, mentions, author, retracted }) => seq > readSeq && !retracted && author !== me && mentions.includes(me));
}

/** The list above the field. */
export class Mentions {
  /** @type {Conversation | null} */
  #conversation = null;
  #me = '';
  /** @type {readonly string[]} */
  #users = [];
  /** What `#users` was loaded for. */
  #loaded = '';
  /** @type {string[]} */
  #offered = [];
  #chosen = 0;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {() => void} onChange after a name was put in
   */
  constructor(field, onChange) {
    this.field = field;
    this.onChange = onChange;
    const id = elementId('mentions');
    this.element = h('ul.mentions', { id, role: 'listbox', 'aria-label': 'People to mention', hidden: true });
    field.setAttribute('aria-autocomplete', 'list');
    field.setAttribute('aria-controls', id);
    field.addEventListener('blur', () => this.#offer([]));
  }

  /**
   * @param {Conversation | null} conversation
   * @param {string} me
   */
  show(conversation, me) {
    this.#conversation = conversation;
    this.#me = me;
    this.#users = [];
    this.#loaded = '';
    this.#offer([]);
  }

  /**
   * Whom a text names.
   * @param {string} text
   */
  in(text) {
    return [...new Set(partsOf(text, this.#users).map(({ user }) => user).filter(Boolean))];
  }

  /** Something was written. */
  async typed() {
    if (!this.field.value.includes('@')) return this.#offer([]);
    await this.#load();
    const begun = this.#begun()?.name.toLowerCase();
    if (begun === undefined) return this.#offer([]);
    const fits = (/** @type {string} */ user) => [shortName(user), nameOf(user), user].some((name) => name.toLowerCase().startsWith(begun));
    this.#offer(this.#users.filter(fits).slice(0, OFFERED));
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was meant for the list
   */
  key(event) {
    if (this.#offered.length === 0) return false;
    const count = this.#offered.length;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') this.#choose((this.#chosen + (event.key === 'ArrowDown' ? 1 : count - 1)) % count);
    else if ((event.key === 'Enter' || event.key === 'Tab') && !event.shiftKey) this.#put(this.#offered[this.#chosen]);
    else if (event.key === 'Escape') this.#offer([]);
    else return false;
    event.preventDefault();
    return true;
  }

  async #load() {
    const conversation = this.#conversation;
    const key = `${conversation?.id} ${conversation?.memberCount}`;
    if (!conversation || key === this.#loaded) return;
    this.#loaded = key;
    if (conversation.kind === 'direct') {
      this.#users = [conversation.peer];
      return;
    }
    const users = [];
    try {
      for (let page = 0, after = '', more = true; more && page < PAGES; page += 1) {
        const part = await conversation.listMembers({ after, limit: PAGE });
        users.push(...part.members.map(({ user }) => user).filter((user) => user !== this.#me));
        after = users.at(-1) ?? '';
        ({ more } = part);
      }
    } catch {
      // Without a connection nobody is offered; it is asked again at the next letter.
      if (this.#loaded === key) this.#loaded = '';
    }
    if (this.#loaded === key) this.#users = users;
  }

  /** The name that is being written, and where it starts. */
  #begun() {
    const { value, selectionStart } = this.field;
    const found = value.slice(0, selectionStart).match(/(?<![\p{L}\p{N}_@])@([\p{L}\p{N}_:.-]*)$/u);
    return found ? { name: found[1], from: selectionStart - found[0].length, to: selectionStart } : null;
  }

  /** @param {string[]} users */
  #offer(users) {
    this.#offered = users;
    this.element.hidden = users.length === 0;
    this.element.replaceChildren(
      ...users.map((user, i) =>
        h(
          'li.person',
          // The field keeps the focus.
          { id: `${this.element.id}-${i}`, role: 'option', onmousedown: (/** @type {Event} */ event) => event.preventDefault(), onclick: () => this.#put(user) },
          avatar(nameOf(user), user),
          h('span', null, nameOf(user), ...beside(nameOf(user) === user ? '' : user)),
        ),
      ),
    );
    this.#choose(0);
  }

  /** @param {number} at */
  #choose(at) {
    this.#chosen = at;
    [...this.element.children].forEach((option, i) => option.setAttribute('aria-selected', String(i === at)));
    if (this.#offered.length > 0) this.field.setAttribute('aria-activedescendant', `${this.element.id}-${at}`);
    else this.field.removeAttribute('aria-activedescendant');
  }

  /** @param {string} user */
  #put(user) {
    const begun = this.#begun();
    this.#offer([]);
    if (!begun) return;
    this.field.setRangeText(`@${labelOf(user, this.#users)} `, begun.from, begun.to, 'end');
    this.onChange();
  }
}
