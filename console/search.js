/** Looking for messages: in the place of the list of conversations, for as long as there is something to look for. */

import { marked } from './card.js';
import { h, icon, iconButton } from './dom.js';
import { faultBox, showFault } from './fault.js';
import { said, titleOf } from './list.js';
import { avatar, fullName, learnNames, shortName } from './people.js';
import { dateYear, fullTime, plural, shortTime } from './text.js';

/** Typing has paused. */
const PAUSE_MS = 250;
/** Who is still typing is not told that it is wrong so far. */
const FAULT_MS = 1_000;
/** Shown at a time. */
const PAGE = 20;
/** A page may be empty without being the last one: so many are asked for before that is left to whoever looks. */
const EMPTY_PAGES = 5;
/** Of a long text, about as much as two lines hold. */
const EXCERPT = 140;

const EXAMPLES = [
  ['"see you"', 'the words one after the other'],
  ['photo*', 'the beginning of a word'],
  ['lunch OR dinner', 'either'],
  ['lunch -monday', 'the first, but not the second'],
  ['from:bob,carol', 'one of them wrote it'],
  ['after:-7d', 'in the last seven days'],
  ['before:2026-06', 'before that month'],
];

/**
 * @typedef {import('../sdk/js/types/index.js').FoundMessage} FoundMessage
 * @typedef {import('../sdk/js/types/index.js').FoundMessages} FoundMessages
 * @typedef {import('../sdk/js/src/index.js').Tidings} Tidings
 */

export class MessageSearch {
  /** @type {Tidings | null} */
  #client = null;
  #open;
  #opened;
  #list;
  /** Which search is the latest one. */
  #search = 0;
  /** @type {readonly FoundMessage[]} */
  #found = [];
  /** What was chosen last. */
  #chosen = '';
  /** @type {import('../sdk/js/types/index.js').MessageSearch} */
  #asked = {};
  #next = '';
  /** What could not be asked is asked when there is a connection. */
  #failed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  #off = () => {};

  /**
   * @param {{ side: string, list: HTMLElement, open: (conversation: string, seq: number) => void, opened: () => string }} options
   */
  constructor({ side, list, open, opened }) {
    this.#list = list;
    this.#open = open;
    this.#opened = opened;
    const id = (/** @type {string} */ name) => `${side}-messages-${name}`;
    this.field = h('input', {
      type: 'search', 'aria-label': 'Search messages', 'aria-describedby': id('fault'), 'aria-keyshortcuts': '/', placeholder: 'Search messages',
      autocomplete: 'off', autocapitalize: 'none', spellcheck: false, enterKeyHint: 'search', maxLength: 4096,
      oninput: (/** @type {InputEvent} */ event) => event.isComposing || this.#typed(),
      oncompositionend: () => this.#typed(),
    });
    this.help = h('div.query-help', { id: id('help'), hidden: true }, h('p', null, 'Words are looked for in all your conversations. For example:'), h('dl', null, ...EXAMPLES.flatMap(([query, what]) => [
      h('dt', null, h('button', { type: 'button', onclick: () => this.#example(query) }, query)),
      h('dd', null, what),
    ])));
    const asks = iconButton('help', 'How to search', () => {
      this.help.hidden = !this.help.hidden;
      asks.setAttribute('aria-expanded', String(!this.help.hidden));
    }, { 'aria-expanded': 'false', 'aria-controls': id('help') });
    this.fault = faultBox(id('fault'));
    this.order = h('div.segments', { role: 'radiogroup', 'aria-label': 'Order' }, ...[['newest', 'Newest first'], ['relevance', 'Best first']].map(([value, label]) =>
      h('label', null, h('input', { type: 'radio', name: id('order'), value, checked: value === 'newest', onchange: () => this.#start() }), h('span', null, label)),
    ));
    this.count = h('p.count', { role: 'status' });
    this.results = h('ul.found', { 'aria-label': 'Messages found' });
    this.more = h('button.more-people', { type: 'button', hidden: true, onclick: () => this.#more() }, 'More messages');
    this.answer = h('div.found-view', { hidden: true }, h('div.summary', null, this.count, this.order), this.results, this.more);
    this.element = h(
      'div.aside',
      { onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      h(
        'form.find-messages',
        { role: 'search', onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          this.#start();
        } },
        h('div.query', null, icon('search'), this.field, asks),
        this.fault,
        this.help,
      ),
      this.answer,
      list,
    );
  }

  /** @param {Tidings | null} client whose messages; null for nobody's */
  setClient(client) {
    this.#off();
    this.#client = client;
    this.field.value = '';
    this.#leave();
    this.#off = client?.on('connection', ({ state }) => {
      if (state === 'online' && this.#failed) this.#start();
    }) ?? (() => {});
  }

  render() {
    const open = this.#opened();
    for (const item of this.results.children) {
      const { conversation, seq } = item.firstElementChild.dataset;
      item.firstElementChild.setAttribute('aria-current', String(open === conversation && this.#chosen === `${conversation} ${seq}`));
    }
  }

  #typed() {
    clearTimeout(this.#typing);
    if (this.field.value.trim() === '') return this.#leave();
    this.#typing = setTimeout(() => this.#start(FAULT_MS - PAUSE_MS), PAUSE_MS);
  }

  /** @param {string} query */
  #example(query) {
    this.field.value = query;
    this.field.focus();
    this.#start();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== 'Escape' || event.isComposing || (this.field.value === '' && this.answer.hidden)) return;
    event.preventDefault();
    event.stopPropagation();
    this.field.value = '';
    this.#leave();
    this.field.focus();
  }

  /** The conversations are shown again. */
  #leave() {
    clearTimeout(this.#typing);
    this.#search += 1;
    this.#failed = false;
    this.#found = [];
    this.#chosen = '';
    this.results.replaceChildren();
    this.results.removeAttribute('aria-busy');
    this.count.textContent = '';
    showFault(this.fault, this.field, null);
    this.answer.hidden = true;
    this.#list.hidden = false;
  }

  /**
   * Begins anew with what is asked now.
   * @param {number} [patienceMs] how long a fault is kept to oneself
   */
  async #start(patienceMs = 0) {
    clearTimeout(this.#typing);
    if (this.field.value.trim() === '') return this.#leave();
    const search = (this.#search += 1);
    const latest = () => search === this.#search;
    const asked = { query: this.field.value, sort: this.order.querySelector(':checked')?.value, limit: PAGE, highlight: true };
    this.results.setAttribute('aria-busy', 'true');
    this.#failed = false;
    try {
      const found = await this.#ask(asked);
      if (!latest()) return;
      this.#asked = asked;
      this.#found = [];
      this.#chosen = '';
      this.results.replaceChildren();
      showFault(this.fault, this.field, null);
      this.#add(found);
      this.answer.hidden = false;
      this.#list.hidden = true;
      this.answer.scrollTop = 0;
    } catch (error) {
      if (!latest()) return;
      const blame = () => latest() && showFault(this.fault, this.field, error);
      this.#failed = /** @type {any} */ (error).code === 'offline';
      if (patienceMs > 0 && /** @type {any} */ (error).code === 'invalid') this.#typing = setTimeout(blame, patienceMs);
      else blame();
    } finally {
      if (latest()) this.results.removeAttribute('aria-busy');
    }
  }

  /**
   * The next messages there are, on whichever page.
   * @param {import('../sdk/js/types/index.js').MessageSearch} asked
   * @returns {Promise<FoundMessages>}
   */
  async #ask(asked) {
    const client = /** @type {Tidings} */ (this.#client);
    let found = await client.searchMessages(asked);
    for (let pages = 1; found.messages.length === 0 && found.next !== '' && pages < EMPTY_PAGES; pages += 1) {
      found = await client.searchMessages({ ...asked, after: found.next });
    }
    return found;
  }

  /** @param {FoundMessages} found */
  #add({ messages, next, sinceMs, cut }) {
    this.#found = [...this.#found, ...messages];
    this.results.append(...messages.map((found) => this.#row(found)));
    this.#next = next;
    this.more.hidden = next === '';
    const count = this.#found.length;
    this.count.textContent = [
      count > 0 ? `${next === '' ? '' : 'The first '}${plural(count, 'message')}` : next === '' ? 'No message is found' : 'None of the first messages fits',
      sinceMs > 0 ? `Only messages since ${dateYear(sinceMs)} were compared` : '',
      cut ? 'The beginning of a word stands for too many words, so some may be missing: type more of it' : '',
    ].filter(Boolean).join('. ');
    this.render();
    void this.#learn(messages);
  }

  async #more() {
    const search = this.#search;
    if (this.more.getAttribute('aria-busy') === 'true') return;
    this.more.setAttribute('aria-busy', 'true');
    try {
      const found = await this.#ask({ ...this.#asked, after: this.#next });
      if (search !== this.#search) return;
      const last = this.results.lastElementChild;
      const focused = this.more.contains(document.activeElement);
      this.#add(found);
      if (focused) /** @type {HTMLElement | null} */ (last?.nextElementSibling?.querySelector('button'))?.focus();
    } catch (error) {
      if (search === this.#search) showFault(this.fault, this.field, error);
    } finally {
      this.more.removeAttribute('aria-busy');
    }
  }

  /**
   * Finds out what conversations and people are called that the page does not know.
   * @param {readonly FoundMessage[]} messages
   */
  async #learn(messages) {
    const client = /** @type {Tidings} */ (this.#client);
    const search = this.#search;
    const unknown = [...new Set(messages.map(({ conversation }) => conversation))].map((id) => client.conversation(id)).filter(({ loaded }) => !loaded);
    for (const conversation of unknown) {
      // One that is not there any more keeps a row that says so when it is opened.
      await conversation.load().catch(() => {});
      if (search !== this.#search) return;
    }
    const users = messages.flatMap(({ conversation, message }) => [message.author, client.conversation(conversation).peer]);
    const learnt = await learnNames(client, [...new Set(users)].filter(Boolean));
    if (search !== this.#search || (!learnt && unknown.length === 0)) return;
    for (const [i, found] of this.#found.entries()) this.#fill(this.results.children[i].firstElementChild, found);
  }

  /** @param {FoundMessage} found */
  #row(found) {
    const { conversation, message } = found;
    const choose = () => {
      this.#chosen = `${conversation} ${message.seq}`;
      this.#open(conversation, message.seq);
    };
    const button = h('button.conversation.found-message', { type: 'button', 'data-conversation': conversation, 'data-seq': String(message.seq), onclick: choose });
    this.#fill(button, found);
    return h('li', null, button);
  }

  /**
   * @param {HTMLElement} button
   * @param {FoundMessage} found
   */
  #fill(button, { conversation, message, highlights }) {
    const client = /** @type {Tidings} */ (this.#client);
    const where = client.conversation(conversation);
    const title = where.loaded ? titleOf(where) : 'Conversation';
    const peer = where.kind === 'direct' ? where.peer : '';
    const mine = message.author === client.user;
    const text = message.retracted || message.erased || message.stub ? [said(message)] : marked(message.text, highlights, EXCERPT);
    button.title = `${fullName(message.author)}, ${fullTime(message.atMs)}`;
    button.replaceChildren(
      avatar(title, peer || conversation),
      h(
        'span.lines',
        null,
        h('span.line1', null, h('span.title', null, title), where.context ? h('span.context', null, where.context) : '', h('time', null, shortTime(message.atMs))),
        h('span.excerpt', { dir: 'auto' }, h('span.author', null, mine ? 'You: ' : `${shortName(message.author)}: `), ...text),
      ),
    );
  }
}
