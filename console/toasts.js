/** What the product tells somebody wherever they are on the page: toasts, until they are seen on one device, and badges. */

import { arrange, h, iconButton } from './dom.js';
import { agoWords, badge } from './text.js';

/** Shown at a time, the newest first; of more, how many. */
const SHOWN = 3;

/**
 * @typedef {import('../sdk/js/src/index.js').Tidings} Tidings
 * @typedef {import('../sdk/js/types/index.js').Toast} Toast
 */

export class Toasts {
  /** @type {Map<number, HTMLElement>} */
  #cards = new Map();
  /** @type {Tidings | null} */
  #client = null;
  #off = () => {};

  /** @param {{ open: (conversation: string) => void }} actions */
  constructor({ open }) {
    this.open = open;
    this.list = h('ul.news');
    this.rest = h('div.news-rest', { hidden: true });
    this.element = h('aside.news-pane', { 'aria-label': 'News', 'aria-live': 'polite' }, this.list, this.rest);
    this.badges = h('ul.badges', { 'aria-label': 'Badges', hidden: true });
  }

  /** @param {Tidings | null} client */
  setClient(client) {
    this.#off();
    this.#off = () => {};
    this.#client = client;
    this.#cards.clear();
    this.render();
    if (!client) return;
    const offs = [
      client.on('notifications', () => this.render()),
      // Nothing is asked for before what one waits for to see at all is there.
      client.on('connection', ({ state }) => {
        // Why it cannot be answered the banner says, and it is asked again in the next session.
        if (state === 'online') client.notifications().catch(() => {});
      }),
    ];
    this.#off = () => offs.forEach((off) => off());
  }

  render() {
    const toasts = this.#client?.toasts.toReversed() ?? [];
    for (const number of this.#cards.keys()) if (!toasts.some(({ toast }) => toast === number)) this.#cards.delete(number);
    arrange(this.list, toasts.slice(0, SHOWN).map((toast) => this.#card(toast)));
    const more = toasts.length - SHOWN;
    this.rest.hidden = toasts.length < 2;
    this.rest.replaceChildren(
      more > 0 ? h('span', null, `${more} more`) : '',
      h('button.text-button', { type: 'button', onclick: () => this.#see(toasts) }, 'Dismiss all'),
    );
    const badges = this.#client?.badges ?? [];
    this.badges.hidden = badges.length === 0;
    this.badges.replaceChildren(
      ...badges.map(({ source, name, count }) =>
        h('li', { title: `${name} of ${source}` }, name.replaceAll('_', ' '), ' ', h('span.badge', { 'aria-label': `${count}` }, badge(count))),
      ),
    );
  }

  /** @param {Toast} toast */
  #card(toast) {
    const known = this.#cards.get(toast.toast);
    if (known) return known;
    const { title, body, link, aboutConversation, atMs } = toast;
    const words = [h('strong', null, title), body ? h('span', { title: body }, body) : '', h('time', { title: new Date(atMs).toLocaleString() }, agoWords(atMs))];
    const content = aboutConversation
      ? h('button.news-words', { type: 'button', onclick: () => this.#follow(toast) }, ...words)
      : link
        ? h('a.news-words', { href: link, target: '_blank', rel: 'noopener noreferrer', onclick: () => this.#see([toast]) }, ...words)
        : h('div.news-words', null, ...words);
    const card = h('li', { 'data-toast': String(toast.toast) }, content, iconButton('close', 'Dismiss', () => this.#see([toast])));
    this.#cards.set(toast.toast, card);
    return card;
  }

  /** @param {Toast} toast */
  #follow(toast) {
    this.#see([toast]);
    this.open(toast.aboutConversation);
  }

  /** @param {readonly Toast[]} toasts */
  #see(toasts) {
    // A refusal is shown by the client's error event.
    this.#client?.seeToasts(toasts.map(({ toast }) => toast)).catch(() => {});
  }
}
