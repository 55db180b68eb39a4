/**
 * The messages of the open conversation: a window of rows over its timeline, so that a long history
 * costs no more than a short one, and the place one reads at stays where it is whatever comes above or
 * below.
 */

import { arrange, eachFrame, h, icon } from './dom.js';
import { dayRow, holeRow, messageRow, newRow, noticeRow, pendingRow } from './rows.js';
import { badge, day } from './text.js';
import { atOf, firstNewSeq, indexAfter, indexOf, reach, seqOf, together, withNotices } from './timeline.js';

/** Rows there are at first, added at a time, and at most. */
const FIRST = 60;
const STEP = 60;
const MOST = 240;
/** Closer than this to an end, more rows are wanted. */
const NEAR_PX = 700;

export class History {
  /** @type {import('../sdk/js/src/index.js').Conversation | null} */
  conversation = null;
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  /**
   * The part of the timeline that has rows: null for as many as there are at first, infinite for up to the
   * newest message.
   * @type {number | null}
   */
  #from = null;
  #to = Infinity;
  /** Whether to stay at the newest message as more come. */
  #following = true;
  /** What comes after this message was new when the conversation was opened; -1 when nothing was. */
  #newAfter = -1;
  /** @type {Map<string, { element: HTMLElement, says: readonly unknown[] }>} */
  #rows = new Map();
  /**
   * The first page is awaited; the place where reading begins is; or one reads.
   * @type {'opening' | 'placing' | 'reading'}
   */
  #stage = 'opening';
  /** Where reading is to begin; 0 for where one left off. */
  #at = 0;
  #loading = false;
  /** Unread messages the button to the newest shows. */
  #jumped = -1;

  /**
   * @param {{
   *   toast: (error: any) => void, isShown: () => boolean, notices: import('./notices.js').Notices,
   *   reply: (message: import('../sdk/js/types/index.js').Message) => void,
   *   edit: (message: import('../sdk/js/types/index.js').Message) => void,
   * }} actions
   */
  constructor({ toast, isShown, notices, reply, edit }) {
    this.notices = notices;
    this.toast = toast;
    this.isShown = isShown;
    this.reply = reply;
    this.edit = edit;
    this.rows = h('div.rows');
    this.scroller = h('div.scroller', { tabIndex: 0, role: 'region', 'aria-label': 'Messages' }, this.rows);
    this.jump = h('button.jump', { type: 'button', hidden: true, 'aria-label': 'To the newest message', onclick: () => this.toNewest() });
    this.blank = h('p.blank', { hidden: true }, 'No messages yet');
    this.element = h('div.stage', null, this.scroller, this.blank, this.jump);
    this.look = eachFrame(() => this.#look());
    this.rows.addEventListener('focusin', (/** @type {FocusEvent} */ event) => this.#focused(event.target));
    this.rows.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => this.#key(event));
    this.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => {
      if (this.#following) this.#bottom();
      this.look();
    }).observe(this.scroller);
  }

  /**
   * @param {import('../sdk/js/src/index.js').Conversation | null} conversation
   * @param {import('../sdk/js/src/index.js').Tidings | null} client
   */
  show(conversation, client) {
    this.conversation = conversation;
    this.#client = client;
    this.#from = null;
    this.#to = Infinity;
    this.#following = true;
    this.#stage = 'opening';
    this.#at = 0;
    this.#newAfter = conversation && conversation.unread > 0 ? conversation.readSeq : -1;
    this.#rows.clear();
    this.rows.replaceChildren();
  }

  /** What there is to begin with is loaded. */
  opened() {
    if (this.#stage !== 'opening') return;
    this.#stage = 'placing';
    this.render();
    void this.#place();
  }

  render() {
    const { conversation } = this;
    if (!conversation || !this.#client) return;
    const anchor = this.#following ? null : this.#anchor();
    this.blank.hidden = !conversation.loaded || conversation.timeline.length > 0 || this.notices.of(conversation.id).length > 0;
    const sections = this.#build(Number(anchor?.element.getAttribute('data-seq') || Infinity));
    for (const { element, rows } of sections) arrange(element, rows);
    arrange(this.rows, sections.map(({ element }) => element));
    const newest = [...this.rows.querySelectorAll('.row')].at(-1);
    if (newest && !this.rows.querySelector('.row[tabindex="0"]')) setTabbable(newest, true);
    if (this.#following) this.#bottom();
    else if (anchor) this.#restore(anchor);
    this.#renderJump();
    this.look();
  }

  /** Shows the newest messages. */
  toNewest() {
    this.#from = null;
    this.#to = Infinity;
    this.#following = true;
    this.render();
  }

  /**
   * Shows a message, loaded or not; in a conversation that is just being opened as soon as that is.
   * @param {number} seq
   */
  async toMessage(seq) {
    if (this.#stage === 'opening') {
      this.#at = seq;
      return;
    }
    const row = await this.#bring(seq);
    if (!row) return;
    row.scrollIntoView({ block: 'center' });
    row.classList.remove('flash');
    // Restarts the animation.
    void row.offsetWidth;
    row.classList.add('flash');
    // What led here may not be seen any more, on a narrow screen.
    const { activeElement } = document;
    if (!activeElement || activeElement === document.body || !activeElement.checkVisibility()) row.focus({ preventScroll: true });
  }

  /**
   * Makes the rows around a message; gives its own, or that of the next one there is.
   * @param {number} seq
   */
  async #bring(seq) {
    const { conversation } = this;
    if (!conversation) return null;
    try {
      await conversation.loadAround(seq);
    } catch (error) {
      this.toast(error);
      return null;
    }
    if (conversation !== this.conversation) return null;
    const items = conversation.timeline;
    const at = items.findIndex((item) => item.type === 'message' && item.message.seq >= seq);
    if (at < 0) return null;
    const key = `m${seqOf(items[at])}`;
    if (!this.#rows.has(key)) {
      this.#from = seqOf(items[reach(items, at, -STEP / 2)]);
      this.#to = seqOf(items[reach(items, at, STEP / 2)]);
    }
    this.#following = false;
    this.render();
    return this.#rows.get(key)?.element ?? null;
  }

  /**
   * The part of the timeline that has rows, cut if it has become too long. It is kept by message, so that
   * what is loaded before does not shift it.
   * @param {readonly TimelineItem[]} all
   * @param {number} anchorSeq
   */
  #span(all, anchorSeq) {
    let last = this.#to === Infinity ? all.length : indexAfter(all, this.#to);
    let first = this.#from === null ? Math.max(0, reach(all, last - 1, 1 - FIRST)) : Math.min(indexOf(all, this.#from), last);
    if (last - first > MOST && this.#following) first = reach(all, last - 1, 1 - FIRST);
    else if (last - first > MOST) {
      first = Math.max(first, Math.min(indexOf(all, anchorSeq), last) - MOST / 2);
      last = Math.min(last, first + MOST);
    }
    // What is pending moves behind what is recorded: nothing can begin there.
    this.#from = all[first] && all[first].type !== 'pending' ? seqOf(all[first]) : null;
    this.#to = last < all.length ? seqOf(all[last - 1]) : Infinity;
    return { first, last };
  }

  /**
   * The rows of the part that is shown, made anew only where they say something new. A section for each
   * day, so that its name stays at the top for as long as it is about what is seen.
   * @param {number} anchorSeq the message that is looked at
   */
  #build(anchorSeq) {
    const conversation = /** @type {import('../sdk/js/src/index.js').Conversation} */ (this.conversation);
    const client = /** @type {import('../sdk/js/src/index.js').Tidings} */ (this.#client);
    const all = conversation.timeline;
    const { first, last } = this.#span(all, anchorSeq);
    const items = withNotices(all, first, last, this.notices.of(conversation.id));

    /** @type {{ element: HTMLElement, rows: HTMLElement[] }[]} */
    const sections = [];
    const section = (/** @type {string} */ key) => {
      used.add(key);
      const element = this.#rows.get(key)?.element ?? h('div.section');
      this.#rows.set(key, { element, says: [] });
      sections.push({ element, rows: [] });
    };
    const used = new Set();
    const row = (/** @type {string} */ key, /** @type {unknown[]} */ says, /** @type {() => HTMLElement} */ make) => {
      used.add(key);
      let known = this.#rows.get(key);
      if (!known || !same(known.says, says)) {
        const before = known?.element;
        const focused = before?.contains(document.activeElement) ? placeOf(document.activeElement) : null;
        known = { element: make(), says };
        if (before) carryOver(before, known.element);
        if (known.element.classList.contains('row')) setTabbable(known.element, false);
        this.#rows.set(key, known);
        if (focused !== null) queueMicrotask(() => known && focus(known.element, focused));
      }
      sections[sections.length - 1].rows.push(known.element);
    };
    const firstNew = firstNewSeq(all, this.#newAfter, client.user);
    // What comes before the first row decides how it is grouped.
    /** @type {(typeof items)[number] | undefined} */
    let before = all[first - 1];
    let lastDay = 0;
    items.forEach((item, i) => {
      if (item.type === 'hole') {
        section(`sh${item.after}`);
        row(`h${item.after}-${item.before}`, [], () => holeRow(item));
        lastDay = 0;
        before = item;
        return;
      }
      // The end of the part is not the end of a group.
      const after = i + 1 < items.length ? items[i + 1] : all[last];
      const at = atOf(item);
      if (day(at) !== lastDay) {
        lastDay = day(at);
        section(`s${lastDay}-${sections.length === 0 || before?.type !== 'hole' ? '' : before.before}`);
        row(`d${lastDay}`, [new Date().toDateString()], () => dayRow(at));
      }
      if (item.type === 'notice') {
        row(`n${item.key}`, [], () => noticeRow(item));
        before = item;
        return;
      }
      if (item.type === 'message' && item.message.seq === firstNew) {
        row('new', [], newRow);
      }
      const starts = !together(before, item, client.user);
      const ends = !together(item, after, client.user);
      const context = { conversation, client, starts, ends, history: this };
      if (item.type === 'pending') {
        row(`p${item.pending.commandId}`, [item.pending.state, starts, ends], () => pendingRow(item.pending, context));
      } else {
        const { message } = item;
        const reply = message.replyTo ? conversation.message(message.replyTo) : null;
        const tick = message.author === client.user ? conversation.tick(message) : '';
        row(`m${message.seq}`, [message, starts, ends, reply, tick, tick && conversation.kind === 'group' ? conversation.cursors : '', conversation.role], () => messageRow(message, { ...context, reply, tick }));
      }
      before = item;
    });
    for (const key of this.#rows.keys()) if (!used.has(key)) this.#rows.delete(key);
    return sections;
  }

  /**
   * One row at a time is in the order of tabs, with what can be done there: nobody wants to tab through
   * a whole history.
   * @param {EventTarget | null} target
   */
  #focused(target) {
    const row = target instanceof Element ? target.closest('.row') : null;
    for (const other of this.rows.querySelectorAll('.row[tabindex="0"]')) if (other !== row) setTabbable(other, false);
    if (row) setTabbable(row, true);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { target, key } = event;
    if (!(target instanceof HTMLElement) || !target.classList.contains('row')) return;
    const rows = [...this.rows.querySelectorAll('.row')];
    const step = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[key];
    if (step === undefined) return;
    event.preventDefault();
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(target) + step))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  }

  /** Where reading begins: at the oldest new message, or else at the newest one. */
  async #place() {
    const { conversation } = this;
    if (this.#at) {
      await this.toMessage(this.#at);
      if (conversation !== this.conversation) return;
      this.#stage = 'reading';
      return this.look();
    }
    let row = this.#rows.get('new')?.element;
    if (!row && this.#newAfter >= 0) {
      // More is new than is loaded.
      const next = await this.#bring(this.#newAfter + 1);
      if (conversation !== this.conversation) return;
      row = this.#rows.get('new')?.element ?? next ?? undefined;
    }
    // From here on, what is seen is read.
    this.#stage = 'reading';
    if (row) this.#placeAt(row);
    else this.#bottom();
    this.look();
  }

  /** @param {HTMLElement} row to have near the top, unless all from there on fits anyway */
  #placeAt(row) {
    this.scroller.scrollTop += row.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - 48;
    this.#scrolled();
  }

  #bottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** The row at the top of what is seen, and where exactly. */
  #anchor() {
    const top = this.scroller.getBoundingClientRect().top;
    for (const element of this.rows.querySelectorAll('.row')) {
      const rect = element.getBoundingClientRect();
      if (rect.bottom > top) return { element, offset: rect.top - top };
    }
    return null;
  }

  /** @param {{ element: Element, offset: number }} anchor */
  #restore({ element, offset }) {
    let row = element;
    if (!row.isConnected) {
      // It was made anew.
      const key = row.getAttribute('data-key');
      row = (key && this.rows.querySelector(`[data-key="${key}"]`)) || row;
    }
    if (!row.isConnected) return;
    this.scroller.scrollTop += row.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - offset;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const toBottom = scrollHeight - clientHeight - scrollTop;
    this.#following = this.#to === Infinity && toBottom < 40;
    this.#renderJump();
    this.look();
  }

  /** After scrolling or a change: what is in sight is read, and what is nearly so is loaded. */
  #look() {
    const { conversation } = this;
    if (!conversation || !this.isShown() || this.#stage !== 'reading') return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const all = conversation.timeline;
    if (scrollTop < NEAR_PX && this.#from !== null) {
      const first = indexOf(all, this.#from);
      const wider = reach(all, first, -STEP);
      if (wider < first) {
        this.#from = seqOf(all[wider]);
        this.render();
      }
    } else if (scrollHeight - clientHeight - scrollTop < NEAR_PX && this.#to !== Infinity) {
      const last = indexAfter(all, this.#to) - 1;
      const wider = reach(all, last, STEP);
      if (wider > last) {
        this.#to = wider === all.length - 1 ? Infinity : seqOf(all[wider]);
        this.render();
      }
    }
    this.#fillHoles();
    this.#markRead();
  }

  #fillHoles() {
    const { conversation } = this;
    if (this.#loading || !conversation) return;
    const { top, bottom } = this.scroller.getBoundingClientRect();
    for (const element of this.rows.querySelectorAll('.hole')) {
      const rect = element.getBoundingClientRect();
      if (rect.bottom < top - NEAR_PX || rect.top > bottom + NEAR_PX) continue;
      this.#loading = true;
      // From the side one comes from.
      const load = rect.bottom > (top + bottom) / 2 && element.dataset.after !== '0' ? conversation.loadNewer(Number(element.dataset.after)) : conversation.loadOlder(Number(element.dataset.before));
      load
        .catch(() => {
          // Without a connection; it is tried again when that is back.
        })
        .finally(() => {
          this.#loading = false;
          this.look();
        });
      return;
    }
  }

  #markRead() {
    const { conversation } = this;
    if (!conversation || conversation.readSeq >= conversation.lastSeq) return;
    const bottom = this.scroller.getBoundingClientRect().bottom + 8;
    const rows = this.rows.querySelectorAll('[data-seq]');
    for (let i = rows.length - 1; i >= 0; i -= 1) {
      if (rows[i].getBoundingClientRect().bottom > bottom) continue;
      // At the very end, what is not shown (a hidden message) is read too.
      const seq = i === rows.length - 1 && this.#to === Infinity ? conversation.lastSeq : Number(rows[i].dataset.seq);
      if (seq > conversation.readSeq) conversation.markRead(seq);
      return;
    }
  }

  #renderJump() {
    const { conversation } = this;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const away = this.#to !== Infinity || scrollHeight - clientHeight - scrollTop > 300;
    this.jump.hidden = !away;
    const unread = conversation?.unread ?? 0;
    if (!away || unread === this.#jumped) return;
    this.#jumped = unread;
    this.jump.setAttribute('aria-label', unread > 0 ? `To the newest message, ${unread} unread` : 'To the newest message');
    this.jump.replaceChildren(unread > 0 ? h('span.badge', null, badge(unread)) : '', icon('down'));
  }
}

/**
 * @param {Element} row
 * @param {boolean} tabbable
 */
function setTabbable(row, tabbable) {
  const tabIndex = tabbable ? 0 : -1;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll('button, a'))) element.tabIndex = tabIndex;
  /** @type {HTMLElement} */ (row).tabIndex = tabIndex;
}

/**
 * Which of a row's buttons it is, so that it is known again when the row is made anew; empty for the row itself.
 * @param {Element | null} element
 */
const placeOf = (element) => (element?.matches('button, a') ? element.getAttribute('data-place') || element.getAttribute('aria-label') || element.textContent || '' : '');

/**
 * @param {HTMLElement} row
 * @param {string} place
 */
function focus(row, place) {
  const controls = /** @type {HTMLElement[]} */ ([...row.querySelectorAll('button, a')]);
  (place && controls.find((control) => placeOf(control) === place) || row).focus({ preventScroll: true });
  // It may be hidden or disabled now.
  if (!row.contains(document.activeElement)) row.focus({ preventScroll: true });
}

/**
 * What somebody has opened at a row stays open when the row is made anew, as a tick or another's reaction makes it.
 * @param {Element} before
 * @param {Element} after
 */
function carryOver(before, after) {
  after.classList.toggle('active', before.classList.contains('active'));
  const faces = /** @type {HTMLElement | null} */ (after.querySelector('.faces'));
  const open = /** @type {HTMLElement | null} */ (before.querySelector('.faces'));
  if (faces && open) faces.hidden = open.hidden;
  if (open && !open.hidden) after.querySelector('[aria-expanded]')?.setAttribute('aria-expanded', 'true');
  const receipts = /** @type {HTMLElement | null} */ (after.querySelector('.receipts'));
  const shown = /** @type {HTMLElement | null} */ (before.querySelector('.receipts'));
  if (receipts && shown && !shown.hidden) {
    receipts.replaceChildren(...shown.childNodes);
    receipts.hidden = false;
  }
}

/** @typedef {import('../sdk/js/types/index.js').TimelineItem} TimelineItem */

/**
 * @param {readonly unknown[]} a
 * @param {readonly unknown[]} b
 */
function same(a, b) {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
