/** What the product tells somebody wherever they are on the page: toasts, until they are seen on one device, and badges. */

import { arrange, elementId, h, icon, iconButton } from './dom.js';
import { agoWords, badge } from './text.js';

/** Shown at a time, the newest first; of more, how many. */
const SHOWN = 3;
/** How long what is new lies over what somebody is doing. Then it is behind the bell, until it has been seen. */
const OVER_MS = 6_000;
/** A link to somebody's profile, which the page opens itself. */
const PERSON = /^\/people\/([^/]+)$/;
/** The extension whose badges the product takes back when they have been looked at. */
const COUNTED_BY = 'badges';

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
  /** Those that were shown. @type {Set<number>} */
  #known = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {{
   *   open: (conversation: string) => void, profile: (user: string) => void,
   *   seen: ((badge: string) => Promise<unknown>) | null, toast: (error: any) => void,
   * }} actions `seen` is null where there is no product to tell
   */
  constructor({ open, profile, seen, toast }) {
    this.open = open;
    this.profile = profile;
    this.seen = seen;
    this.toast = toast;
    this.list = h('ul.news');
    this.rest = h('div.news-rest', { hidden: true });
    const id = elementId('news');
    this.shown = h('div', { id, hidden: true }, this.list, this.rest);
    this.element = h('aside.news-pane', { 'aria-label': 'News', 'aria-live': 'polite' }, this.shown);
    this.count = h('span.badge');
    this.bell = h('button.icon-button.bell', { type: 'button', title: 'News', hidden: true, 'aria-expanded': 'false', 'aria-controls': id, onclick: () => this.#lay(this.shown.hidden) }, icon('bell'), this.count);
    this.badges = h('ul.badges', { 'aria-label': 'Badges', hidden: true });
  }

  /** @param {Tidings | null} client */
  setClient(client) {
    this.#off();
    this.#off = () => {};
    this.#client = client;
    this.#cards.clear();
    this.#known.clear();
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

  /**
   * Whoever looks at a conversation has seen what was told of it.
   * @param {string} conversation
   */
  looksAt(conversation) {
    const about = this.#client?.toasts.filter(({ aboutConversation }) => aboutConversation === conversation) ?? [];
    if (about.length > 0) this.#see(about);
  }

  render() {
    const toasts = this.#client?.toasts.toReversed() ?? [];
    for (const number of this.#cards.keys()) if (!toasts.some(({ toast }) => toast === number)) this.#cards.delete(number);
    arrange(this.list, toasts.slice(0, SHOWN).map((toast) => this.#card(toast)));
    this.bell.hidden = toasts.length === 0;
    this.bell.setAttribute('aria-label', `News: ${toasts.length}`);
    this.count.textContent = badge(toasts.length);
    if (toasts.length === 0) this.#lay(false);
    else if (toasts.some(({ toast }) => !this.#known.has(toast))) this.#lay(true, OVER_MS);
    this.#known = new Set(toasts.map(({ toast }) => toast));
    const more = toasts.length - SHOWN;
    this.rest.hidden = toasts.length < 2;
    this.rest.replaceChildren(
      more > 0 ? h('span', null, `${more} more`) : '',
      h('button.text-button', { type: 'button', onclick: () => this.#see(toasts) }, 'Dismiss all'),
    );
    const badges = this.#client?.badges ?? [];
    this.badges.hidden = badges.length === 0;
    const focused = /** @type {HTMLElement | null} */ (this.badges.contains(document.activeElement) ? document.activeElement : null)?.dataset.badge;
    this.badges.replaceChildren(...badges.map((one) => this.#badge(one)));
    if (focused) (this.badges.querySelector(`[data-badge="${CSS.escape(focused)}"]`) ?? this.badges.querySelector('button'))?.focus();
  }

  /**
   * Lays them over what else is shown, or takes them from there.
   * @param {boolean} shown
   * @param {number} [ms] for how long; until the bell is pressed if left out
   */
  #lay(shown, ms = 0) {
    clearTimeout(this.#timer);
    this.shown.hidden = !shown;
    this.bell.setAttribute('aria-expanded', String(shown));
    if (!shown || !ms) return;
    // Who is reading, or about to press something, is not interrupted.
    this.#timer = setTimeout(() => this.#lay(this.element.matches(':hover, :focus-within'), ms), ms);
  }

  /** @param {import('../sdk/js/types/index.js').Badge} badge */
  #badge({ source, name, count }) {
    const words = [name.replaceAll('_', ' '), ' ', h('span.badge', { 'aria-label': `${count}` }, badge(count))];
    const { seen } = this;
    if (!seen || source !== COUNTED_BY) return h('li', { title: `${name} of ${source}` }, ...words);
    // It goes when the extension has been told that they have been looked at.
    return h('li', null, h('button', { type: 'button', title: 'Seen', 'data-badge': name, onclick: () => seen(name).catch(this.toast) }, ...words));
  }

  /** @param {Toast} toast */
  #card(toast) {
    const known = this.#cards.get(toast.toast);
    if (known) return known;
    const { title, body, link, aboutConversation, atMs } = toast;
    const words = [h('strong', null, title), body ? h('span', { title: body }, body) : '', h('time', { title: new Date(atMs).toLocaleString() }, agoWords(atMs))];
    const person = personIn(link);
    const content = aboutConversation || person
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
    if (toast.aboutConversation) this.open(toast.aboutConversation);
    else this.profile(personIn(toast.link));
  }

  /** @param {readonly Toast[]} toasts */
  #see(toasts) {
    // A refusal is shown by the client's error event.
    this.#client?.seeToasts(toasts.map(({ toast }) => toast)).catch(() => {});
  }
}

/**
 * @param {string} link
 * @returns {string} whose profile it leads to; empty for nobody's
 */
function personIn(link) {
  try {
    return decodeURIComponent(PERSON.exec(link)?.[1] ?? '');
  } catch {
    return '';
  }
}
