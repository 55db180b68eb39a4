/** What operators see: what moderation holds anywhere, and the extensions. Asked over the backend API, with a key of their own. */

import { Backend, developmentKey } from './backend.js';
import { elementId, h, icon, iconButton } from './dom.js';
import { Extensions } from './extensions.js';
import { nameOf } from './people.js';
import { Queue } from './queue.js';
import { badge, explain } from './text.js';

/** How often what is shown is asked for again. */
const EVERY_MS = 2_000;
/** Held messages that are shown; those who are first are settled first. */
const HELD = 50;

const VIEWS = /** @type {const} */ ({ held: 'Held messages', extensions: 'Extensions' });

/** What helps an operator, where that is not what helps those who chat. */
const ADVICE = /** @type {Record<string, string>} */ ({
  forbidden: 'Use a key that has both scopes.',
  unauthenticated: 'Keys stand in the server’s configuration, at auth.api_keys.',
  offline: 'It is tried again.',
});

/** @typedef {keyof typeof VIEWS} View */

export class Operator {
  /** @type {Backend | null} */
  #backend = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #shown = false;
  /** @type {View} */
  #view = 'held';
  /** @type {Queue | null} */
  #queue = null;
  /** @type {Extensions | null} */
  #extensions = null;
  /** Which round of questions is the latest one. */
  #round = 0;

  /** @param {{ development: boolean, close: () => void }} options whether the server lets anybody in who asks */
  constructor({ development, close }) {
    this.count = h('span.badge', { hidden: true });
    this.views = h('nav.views', { 'aria-label': 'What the operator is shown', hidden: true }, ...Object.entries(VIEWS).map(([view, label]) =>
      h('button', { type: 'button', 'data-view': view, onclick: () => this.#look(/** @type {View} */ (view)) }, h('span', null, label), view === 'held' ? this.count : ''),
    ));
    this.out = iconButton('close', 'Close the operator’s view', close);
    this.fault = h('p.fault', { role: 'alert', hidden: true });
    this.body = h('div.operator-body', { tabIndex: -1 });
    this.element = h(
      'section.pane.operator',
      { 'data-side': 'operator', 'aria-label': 'Operator', hidden: true },
      h('header.pane-head', null, h('span.avatar.operator-face', { 'aria-hidden': 'true' }, icon('shield')), h('div.who', null, h('h2', null, 'Operator'), h('span.soft', null, 'Moderation and extensions')), this.views, this.out),
      this.fault,
      this.body,
    );
    this.body.append(this.#entry(development));
    document.addEventListener('visibilitychange', () => this.#go());
  }

  /** @param {boolean} shown */
  show(shown) {
    this.#shown = shown;
    this.element.hidden = !shown;
    this.#go();
    if (shown) (this.body.querySelector('input, button') ?? this.body).focus({ preventScroll: true });
  }

  /**
   * How one is let in: nobody is an operator without having said so.
   * @param {boolean} development
   */
  #entry(development) {
    const enter = async (/** @type {() => Promise<string>} */ key) => {
      this.fault.hidden = true;
      try {
        await this.#signIn(await key());
      } catch (error) {
        this.#blame(error);
      }
    };
    if (development) {
      return h(
        'div.entry',
        null,
        h('p', null, 'Operators settle what moderation holds, everywhere, and look after extensions. This server is for development: it lets in whoever asks.'),
        h('button.action', { type: 'button', onclick: () => enter(developmentKey) }, icon('shield'), 'Sign in as operator'),
      );
    }
    const id = elementId('key');
    const key = h('input', { type: 'password', id, autocomplete: 'off', spellcheck: false, required: true });
    return h(
      'form.entry',
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          const given = key.value.trim();
          key.value = '';
          void enter(async () => given);
        },
      },
      h('label', { for: id }, 'API key, or a token, with the scopes operate and moderation'),
      key,
      h('p.soft', null, 'It is kept for as long as this page is open, and nowhere else.'),
      h('button.action', { type: 'submit' }, icon('shield'), 'Sign in as operator'),
    );
  }

  /** @param {string} key */
  async #signIn(key) {
    const backend = new Backend(key);
    // Whether it lets in, before anything is shown.
    await backend.ask('GET', '/v1/held?limit=1');
    this.#backend = backend;
    this.#queue = new Queue({
      label: 'Held messages',
      settle: async ({ conversation, held }, settlement) => {
        await backend.ask('PUT', `/v1/conversations/${encodeURIComponent(conversation)}/held/${held}`, settlement);
        void this.#go();
      },
    });
    this.#extensions = new Extensions(backend, () => this.#go());
    this.views.hidden = false;
    this.body.replaceChildren(this.#queue.element, this.#extensions.element);
    this.#look(this.#view);
    this.body.focus();
  }

  /** @param {View} view */
  #look(view) {
    this.#view = view;
    for (const button of this.views.children) button.setAttribute('aria-current', button.dataset.view === view ? 'page' : 'false');
    if (this.#queue) this.#queue.element.hidden = view !== 'held';
    if (this.#extensions) this.#extensions.element.hidden = view !== 'extensions';
    void this.#go();
  }

  /** Asks what is so now, and again after a while for as long as somebody looks. */
  async #go() {
    clearTimeout(this.#timer);
    const backend = this.#backend;
    const round = (this.#round += 1);
    if (!backend || !this.#shown || document.visibilityState !== 'visible') return;
    try {
      // How many wait is seen from the other view, too.
      const [{ held, next }, extensions] = await Promise.all([
        backend.ask('GET', `/v1/held?limit=${HELD}`),
        this.#view === 'extensions' ? backend.ask('GET', '/v1/extensions') : null,
      ]);
      if (round !== this.#round) return;
      this.fault.hidden = true;
      this.#queue?.show(held.map(itemOf).toSorted((/** @type {any} */ a, /** @type {any} */ b) => a.atMs - b.atMs));
      this.count.hidden = held.length === 0;
      this.count.textContent = next ? `${held.length}+` : badge(held.length);
      this.count.setAttribute('aria-label', `${this.count.textContent} waiting`);
      if (extensions) this.#extensions?.show(extensions);
    } catch (error) {
      if (round === this.#round) this.#blame(error);
    }
    if (round === this.#round) this.#timer = setTimeout(() => void this.#go(), EVERY_MS);
  }

  /** @param {any} error */
  #blame(error) {
    this.fault.hidden = false;
    const sentence = explain({ ...error, code: '', message: error.message });
    this.fault.textContent = ADVICE[error.code] ? `${sentence} ${ADVICE[error.code]}` : sentence;
  }
}

/** @param {any} held as the API has it */
function itemOf({ conversation, to, title, held, author, at_ms, edits = 0, text, erased, reviews }) {
  const place = to ? `to ${nameOf(to)}` : title ? `in ${title}` : '';
  return { conversation, place, held, author, atMs: at_ms, edits, text, erased, reviews };
}
