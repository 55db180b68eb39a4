/** The conversations of one person. */

import { arrange, h, icon } from './dom.js';
import { mentionsMe } from './mentions.js';
import { avatar, fullName, nameOf, shortName } from './people.js';
import { badge, shortTime } from './text.js';

export class List {
  /** @type {Map<string, { element: HTMLElement, version: number, selected: boolean, day: string, title: string }>} */
  #rows = new Map();
  #selected = '';
  #loading = false;
  #looking = false;
  /** Conversations whose unread messages were looked through for mentions. @type {Set<string>} */
  #lookedAt = new Set();
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  /** @type {import('./live.js').Live | null} */
  #live = null;

  /** @param {{ open: (id: string) => void, more: () => Promise<boolean> | undefined }} actions */
  constructor({ open, more }) {
    this.open = open;
    this.more = more;
    this.items = h('ul.conversations');
    this.foot = h('div.list-foot');
    this.element = h('nav.list', { 'aria-label': 'Conversations' }, this.items, this.foot);
    // The next page before the end is reached.
    new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) void this.#fill();
    }, { root: this.element, rootMargin: '300px' }).observe(this.foot);
  }

  /**
   * @param {import('../sdk/js/src/index.js').Tidings} client
   * @param {import('./live.js').Live} live
   * @param {string} name of whose conversations they are
   */
  setClient(client, live, name) {
    this.#client = client;
    this.#live = live;
    this.element.setAttribute('aria-label', `Conversations of ${name}`);
    this.#rows.clear();
    this.#lookedAt.clear();
    this.items.replaceChildren();
  }

  /** @param {string} id */
  select(id) {
    this.#selected = id;
    this.render();
  }

  render() {
    const client = this.#client;
    if (!client) return;
    const elements = client.conversations.map((conversation) => this.#row(conversation, client.user));
    arrange(this.items, elements);
    const empty = elements.length === 0;
    this.element.classList.toggle('empty', empty);
    this.foot.replaceChildren(
      client.moreConversations ? h('span.spinner', { role: 'img', 'aria-label': 'Loading' })
      : !empty ? ''
      : client.connection.state === 'online' ? h('p', null, 'No conversations yet. Start one with the plus sign above.')
      : client.connection.state === 'waiting' || client.connection.state === 'closed' ? h('p', null, 'Conversations are shown when there is a connection.')
      : h('span.spinner', { role: 'img', 'aria-label': 'Loading' }),
    );
    if (client.connection.state === 'online' && client.moreConversations) void this.#fill();
    void this.#lookForMentions();
  }

  /** Loads a page of what is unread in groups, one after the other: whether one was mentioned is only known then. */
  async #lookForMentions() {
    const client = this.#client;
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (;;) {
        if (client !== this.#client || client?.connection.state !== 'online') return;
        const next = client.conversations.find(
          ({ id, kind, unread, readSeq, messages }) => kind === 'group' && unread > 0 && !this.#lookedAt.has(id) && (messages[0]?.seq ?? Infinity) > readSeq + 1,
        );
        if (!next) return;
        this.#lookedAt.add(next.id);
        await next.loadOlder();
        // What was loaded changes the row only, which nothing else makes anew.
        this.render();
      }
    } catch {
      // Then there is no mark; opening the conversation says more, and why it cannot be loaded.
    } finally {
      this.#looking = false;
    }
  }

  /**
   * @param {import('../sdk/js/src/index.js').Conversation} conversation
   * @param {string} me
   */
  #row(conversation, me) {
    const { id, version } = conversation;
    const selected = id === this.#selected;
    // Times are told by the day, so rows change at midnight too.
    const day = new Date().toDateString();
    const known = this.#rows.get(id);
    const title = titleOf(conversation);
    if (known && known.version === version && known.selected === selected && known.day === day && known.title === title) return known.element;
    // The button stays whatever it shows: a click that has begun, and the focus, are not lost.
    const element = known?.element ?? h('li', null, h('button.conversation', { type: 'button', 'data-id': id, onclick: () => this.open(id) }));
    const button = /** @type {HTMLElement} */ (element.firstElementChild);
    const { unread, muted, typing } = conversation;
    const peer = conversation.kind === 'direct' ? conversation.peer : '';
    button.setAttribute('aria-current', String(selected));
    // In full what the row shows in short; the parts of the row are no target of the pointer.
    const from = conversation.kind === 'group' && conversation.lastMessage?.author;
    button.title = (conversation.kind === 'direct' ? fullName(conversation.peer) : title) + (from && from !== me ? `\nLast: ${fullName(from)}` : '');
    button.replaceChildren(
      h('span.portrait', null, avatar(title, peer || id), peer ? this.#live?.dot(peer) : ''),
      h(
        'span.lines',
        null,
        h(
          'span.line1',
          null,
          h('span.title', null, title),
          conversation.context ? h('span.context', null, conversation.context) : '',
          h('time', null, conversation.activityMs ? shortTime(conversation.activityMs) : ''),
        ),
        h(
          'span.line2',
          null,
          typing.length > 0 ? h('span.preview.typing', null, `${shortName(typing[0])} is typing…`) : h('span.preview', null, ...preview(conversation, me)),
          muted ? h('span.muted', { title: 'Muted', role: 'img', 'aria-label': 'Muted' }, icon('muted')) : '',
          mentionsMe(conversation, me) ? h('span.at', { title: 'You were mentioned', role: 'img', 'aria-label': 'You were mentioned' }, '@') : '',
          unread > 0 ? h(`span.badge${muted ? '.quiet' : ''}`, { 'aria-label': `${unread} unread` }, badge(unread)) : '',
        ),
      ),
    );
    this.#rows.set(id, { element, version, selected, day, title });
    return element;
  }

  /** Loads older conversations for as long as the end of the list is in sight. */
  async #fill() {
    const client = this.#client;
    const inSight = () => this.foot.getBoundingClientRect().top < this.element.getBoundingClientRect().bottom + 300;
    if (this.#loading) return;
    this.#loading = true;
    try {
      while (client === this.#client && client?.moreConversations && this.element.offsetParent && inSight()) {
        await this.more();
        this.render();
      }
    } catch {
      // Without a connection; it is tried again when the end comes into sight again.
    } finally {
      this.#loading = false;
    }
  }
}

/** @param {import('../sdk/js/src/index.js').Conversation} conversation */
export function titleOf({ kind, title, peer }) {
  return kind === 'direct' ? nameOf(peer) : title || 'Group';
}

/**
 * @param {import('../sdk/js/src/index.js').Conversation} conversation
 * @param {string} me
 */
function preview(conversation, me) {
  const failed = conversation.pending.some(({ state }) => state === 'failed');
  if (failed) return [h('span.failed', null, icon('warning'), 'Not sent')];
  const pending = conversation.pending.at(-1);
  if (pending) return [h('span.author', null, 'You: '), pending.text];
  const last = conversation.lastMessage;
  if (!last) return [conversation.role === '' ? 'You have left' : 'No messages yet'];
  const author = last.author === me ? 'You: ' : conversation.kind === 'group' ? `${cut(shortName(last.author))}: ` : '';
  return [author ? h('span.author', null, author) : '', said(last)];
}

/** @param {string} name so that what somebody says has room beside it */
const cut = (name) => ([...name].length > 14 ? `${[...name].slice(0, 13).join('')}…` : name);

/**
 * What a message says, in a line.
 * @param {import('../sdk/js/types/index.js').Message} message
 */
export function said(message) {
  if (message.retracted) return 'Message taken back';
  if (message.erased) return 'Message erased';
  return message.stub ? 'A long message' : message.text.slice(0, 200);
}
