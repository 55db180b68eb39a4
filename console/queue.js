/** What moderation holds, for those who settle it: what it says, who wrote it, who held it and why, since when. */

import { arrange, elementId, h, icon } from './dom.js';
import { avatar, fullName, nameOf } from './people.js';
import { agoWords, explain, fullTime, plural } from './text.js';

/** The longest reason there is, in bytes. */
const REASON_BYTES = 512;

/**
 * @typedef {object} HeldItem
 * @property {string} conversation
 * @property {string} place to whom, or in which group; empty where that is clear
 * @property {number} held
 * @property {string} author
 * @property {number} atMs
 * @property {number} edits
 * @property {string} text
 * @property {boolean} erased
 * @property {string} [reason] what its author is told
 * @property {readonly { extension: string, verdict: string, reason: string, labels: readonly string[], failed: boolean }[]} reviews
 */

export class Queue {
  /** @type {Map<string, { element: HTMLElement, at: () => void }>} */
  #rows = new Map();
  #settle;

  /**
   * @param {{ label: string, settle: ((item: HeldItem, settlement: { release: true } | { release: false, reason: string }) => Promise<unknown>) | null }} options
   */
  constructor({ label, settle }) {
    this.#settle = settle;
    this.said = h('p.queue-said', { role: 'status', tabIndex: -1 });
    this.list = h('ul.queue', { 'aria-label': label });
    this.none = h('p.soft.queue-none', { hidden: true }, 'Nothing waits.');
    this.element = h('div', null, this.said, this.list, this.none);
  }

  /**
   * @param {readonly HeldItem[]} items oldest first
   */
  show(items) {
    const keys = new Set(items.map(keyOf));
    for (const key of this.#rows.keys()) if (!keys.has(key)) this.#rows.delete(key);
    const focused = this.list.contains(document.activeElement);
    arrange(this.list, items.map((item) => this.#row(item)));
    for (const { at } of this.#rows.values()) at();
    this.none.hidden = items.length > 0;
    // Whoever settles by the keyboard goes on with the next one.
    if (focused && !this.list.contains(document.activeElement)) (this.list.querySelector('button') ?? this.said).focus();
  }

  /** @param {HeldItem} item */
  #row(item) {
    const known = this.#rows.get(keyOf(item));
    if (known) return known.element;
    const { author, atMs, edits, text, erased, place, reviews, reason } = item;
    const name = nameOf(author);
    const time = h('time', { title: fullTime(atMs) });
    const at = () => {
      const words = agoWords(atMs);
      if (time.textContent !== words) time.textContent = words;
    };
    const fault = h('p.fault', { role: 'alert', hidden: true });
    const element = h(
      'li.held',
      { 'data-held': String(item.held), 'data-author': author },
      h('div.held-head', null, avatar(name, author), h('div', null, h('strong', { title: fullName(author) }, name), h('p.soft', null, edits > 0 ? 'New text of a message' : 'Message', place ? ` ${place}` : '', ' · ', time))),
      h('p.held-text', { dir: 'auto' }, erased ? h('em', null, 'Its text has been erased: it can only be rejected.') : text),
      ...reviews.filter((review) => review.verdict !== 'allow' || review.reason || review.labels.length > 0).map(why),
      reviews.length === 0 && reason ? h('p.held-why', null, reason) : '',
    );
    if (this.#settle) element.append(this.#actions(item, element, fault), fault);
    this.#rows.set(keyOf(item), { element, at });
    return element;
  }

  /**
   * @param {HeldItem} item
   * @param {HTMLElement} element
   * @param {HTMLElement} fault
   */
  #actions(item, element, fault) {
    const name = nameOf(item.author);
    const id = elementId('reason');
    const reason = h('input', { type: 'text', id, maxLength: REASON_BYTES, placeholder: 'Shown to the author', autocomplete: 'off' });
    const settle = async (/** @type {{ release: true } | { release: false, reason: string }} */ settlement) => {
      if (element.getAttribute('aria-busy') === 'true') return;
      element.setAttribute('aria-busy', 'true');
      fault.hidden = true;
      try {
        await this.#settle?.(item, settlement);
        this.said.textContent = settlement.release ? `${name}’s message is released.` : `${name}’s message is rejected.`;
      } catch (error) {
        fault.hidden = false;
        fault.textContent = explain(/** @type {any} */ (error));
      } finally {
        element.removeAttribute('aria-busy');
      }
    };
    const rejecting = h(
      'form.held-reject',
      {
        hidden: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          void settle({ release: false, reason: reason.value.trim() });
        },
      },
      h('label', { for: id }, `Why, for ${name}`),
      reason,
      h('div.held-actions', null, h('button.action.danger', { type: 'submit' }, icon('close'), 'Reject'), h('button.action.quiet', { type: 'button', onclick: () => ask(false) }, 'Cancel')),
    );
    const reject = h('button.action.danger', { type: 'button', 'aria-label': `Reject the message of ${name}`, onclick: () => ask(true) }, icon('close'), 'Reject…');
    const release = h('button.action', { type: 'button', disabled: item.erased, 'aria-label': `Release the message of ${name}`, onclick: () => settle({ release: true }) }, icon('check'), 'Release');
    const first = h('div.held-actions', null, release, reject);
    return h('div', null, first, rejecting);

    /** @param {boolean} asks */
    function ask(asks) {
      rejecting.hidden = !asks;
      first.hidden = asks;
      (asks ? reason : reject).focus();
    }
  }
}

/** @param {HeldItem} item */
const keyOf = ({ conversation, held }) => `${conversation} ${held}`;

const VERDICTS = /** @type {Record<string, string>} */ ({ allow: 'allows it', replace: 'changes its text', hold: 'holds it', reject: 'rejects it' });

/** @param {HeldItem['reviews'][number]} review */
function why({ extension, verdict, reason, labels, failed }) {
  return h(
    'p.held-why',
    null,
    h('strong', null, extension),
    ` ${VERDICTS[verdict] ?? verdict}`,
    failed ? ' since it failed' : '',
    reason ? `: ${reason}` : '',
    ...labels.map((label) => h('span.label', null, label)),
  );
}

/** @param {number} count */
export const waiting = (count, more = false) => `${plural(count, 'message')}${more ? ' or more' : ''} ${count === 1 ? 'waits' : 'wait'} for a moderator`;
