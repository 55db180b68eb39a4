/** Who is here, wherever somebody is shown: dots and words that change as soon as the server says so. */

import { h } from './dom.js';
import { agoWords } from './text.js';

/** Words about how long ago something was do not stay true. */
const REPAINT_MS = 30_000;

/**
 * @typedef {{ state: 'available' | 'away' | 'offline', seenMs: number }} How
 * @typedef {import('../sdk/js/src/index.js').Tidings} Tidings
 */

export class Live {
  /** How somebody was when that was last told; unknown without a connection. @type {Map<string, How>} */
  #known = new Map();
  #root;
  #client;
  #off;

  /**
   * @param {HTMLElement} root whatever is shown of people in there is kept right
   * @param {Tidings} client
   */
  constructor(root, client) {
    this.#root = root;
    this.#client = client;
    const offs = [
      client.on('presence', ({ users }) => {
        for (const how of users) this.#known.set(how.user, how);
        this.#paint(new Set(users.map(({ user }) => user)));
      }),
      client.on('connection', ({ state }) => {
        if (state === 'online' || state === 'syncing') return;
        this.#known.clear();
        this.#paint();
      }),
    ];
    const timer = setInterval(() => this.#paint(), REPAINT_MS);
    this.#off = () => {
      clearInterval(timer);
      offs.forEach((off) => off());
    };
  }

  close() {
    this.#off();
  }

  /**
   * What an answer said of people. Of those who are watched more is known.
   * @param {readonly (How & { user: string })[]} people
   */
  learn(people) {
    for (const { user, state, seenMs } of people) {
      if (!this.#client.presence.has(user)) this.#known.set(user, { state, seenMs });
    }
  }

  /**
   * A dot for somebody.
   * @param {string} user
   */
  dot(user) {
    return this.#shown(h('span.dot', { 'data-of': user }));
  }

  /**
   * The same in words.
   * @param {string} user
   */
  words(user) {
    return this.#shown(h('span.seen', { 'data-of': user }));
  }

  /** @param {Set<string>} [users] all if left out */
  #paint(users) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll('.dot, .seen'))) {
      if (!users || users.has(element.dataset.of ?? '')) this.#shown(element);
    }
  }

  /**
   * @param {HTMLElement} element
   */
  #shown(element) {
    const how = this.#known.get(element.dataset.of ?? '');
    const state = how?.state ?? '';
    if (element.dataset.state !== state) element.dataset.state = state;
    if (element.classList.contains('seen')) {
      const words = how ? wordsFor(how) : '';
      if (element.textContent !== words) element.textContent = words;
    } else if (state === 'available' || state === 'away') {
      // It is seen only, where nothing else says so.
      element.setAttribute('role', 'img');
      element.setAttribute('aria-label', WORDS[state]);
    } else {
      element.removeAttribute('role');
      element.removeAttribute('aria-label');
    }
    return element;
  }
}

const WORDS = { available: 'Available', away: 'Away' };

/** @param {How} how */
const wordsFor = ({ state, seenMs }) => (state !== 'offline' ? WORDS[state] : seenMs ? `Last seen ${agoWords(seenMs)}` : 'Not here');
