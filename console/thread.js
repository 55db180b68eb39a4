/**
 * The open conversation: a window of rows over its timeline, so that a long history costs no more
 * than a short one, and the place one reads at stays where it is whatever comes above or below.
 */

import { Composer } from './composer.js';
import { details } from './dialogs.js';
import { arrange, eachFrame, h, icon, iconButton } from './dom.js';
import { titleOf } from './list.js';
import { avatar, nameOf, shortName } from './people.js';
import { dayRow, holeRow, messageRow, newRow, pendingRow } from './rows.js';
import { badge, day, listed, plural } from './text.js';

/** Rows there are at first, added at a time, and at most. */
const FIRST = 60;
const STEP = 60;
const MOST = 240;
/** Closer than this to an end, more rows are wanted. */
const NEAR_PX = 700;
/** Messages of one author within this belong together. */
const TOGETHER_MS = 5 * 60_000;

export class Thread {
  /** @type {import('../sdk/js/src/index.js').Conversation | null} */
  conversation = null;
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  /** The part of the timeline that has rows; `to` is infinite at the newest message. */
  #from = 0;
  #to = Infinity;
  /** Whether to stay at the newest message as more come. */
  #following = true;
  /** The first message that was new when the conversation was opened. */
  #newAfter = 0;
  /** @type {Map<string, { element: HTMLElement, says: readonly unknown[] }>} */
  #rows = new Map();
  #placed = false;
  #loading = false;
  #lastSeq = 0;

  /** @param {{ back: () => void, toast: (error: any) => void, isShown: () => boolean }} actions */
  constructor({ back, toast, isShown }) {
    this.toast = toast;
    this.isShown = isShown;
    this.head = h('header.thread-head');
    this.back = iconButton('back', 'Back to the conversations', back, { className: 'icon-button back' });
    this.rows = h('div.rows');
    this.scroller = h('div.scroller', { tabIndex: 0, role: 'region', 'aria-label': 'Messages' }, this.rows);
    this.jump = h('button.jump', { type: 'button', hidden: true, 'aria-label': 'To the newest message', onclick: () => this.toNewest() });
    /** Read out what comes in, and only that. */
    this.live = h('div.unseen', { 'aria-live': 'polite' });
    this.typingLine = h('div.typing-line', { 'aria-live': 'off' });
    this.composer = new Composer({ scrollDown: () => this.toNewest(), toast });
    this.empty = h('div.nothing', null, h('p', null, 'Choose a conversation'));
    this.view = h('div.thread-view', { hidden: true }, this.head, h('div.stage', null, this.scroller, this.jump), this.typingLine, this.composer.element, this.live);
    this.element = h('div.thread', null, this.empty, this.view);
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
   * @param {boolean} [focus] whether to begin writing
   */
  show(conversation, client, focus = false) {
    if (conversation === this.conversation) return;
    this.conversation?.close();
    this.conversation = conversation;
    this.#client = client;
    this.#from = 0;
    this.#to = Infinity;
    this.#following = true;
    this.#placed = false;
    this.#newAfter = 0;
    this.#lastSeq = conversation?.lastSeq ?? 0;
    this.#rows.clear();
    this.rows.replaceChildren();
    this.live.textContent = '';
    this.empty.hidden = conversation !== null;
    this.view.hidden = conversation === null;
    this.composer.setConversation(conversation, client);
    if (!conversation) return;
    if (conversation.unread > 0) this.#newAfter = conversation.readSeq;
    this.render();
    conversation.open().then(
      () => conversation === this.conversation && this.render(),
      (error) => conversation === this.conversation && error.code !== 'closed' && this.toast(error),
    );
    if (focus && matchMedia('(hover: hover)').matches) this.composer.focus();
  }

  render() {
    const { conversation } = this;
    if (!conversation || !this.#client) return;
    this.#renderHead();
    const { typing } = conversation;
    this.typingLine.textContent = typing.length === 0 ? '' : typing.length > 3 ? 'Several people are typing…' : `${listed(typing.map(shortName))} ${typing.length === 1 ? 'is' : 'are'} typing…`;
    this.composer.render();
    this.#announce();

    const anchor = this.#following ? null : this.#anchor();
    const sections = this.#build();
    for (const { element, rows } of sections) arrange(element, rows);
    arrange(this.rows, sections.map(({ element }) => element));
    const newest = [...this.rows.querySelectorAll('.row')].at(-1);
    if (newest && !this.rows.querySelector('.row[tabindex="0"]')) setTabbable(newest, true);
    if (!this.#placed && conversation.timeline.some(({ type }) => type !== 'hole')) this.#place();
    else if (this.#following) this.#bottom();
    else if (anchor) this.#restore(anchor);
    this.#renderJump();
    this.look();
  }

  /** Shows the newest messages. */
  toNewest() {
    this.#from = 0;
    this.#to = Infinity;
    this.#following = true;
    this.render();
  }

  /** @param {number} seq shows a message, loaded or not */
  async toMessage(seq) {
    const { conversation } = this;
    if (!conversation) return;
    try {
      await conversation.loadAround(seq);
    } catch (error) {
      return this.toast(error);
    }
    if (conversation !== this.conversation) return;
    const items = conversation.timeline;
    const at = items.findIndex((item) => item.type === 'message' && item.message.seq >= seq);
    if (at < 0) return;
    if (!this.#rows.has(`m${seq}`) || !this.rows.contains(this.#rows.get(`m${seq}`)?.element ?? null)) {
      this.#from = Math.max(0, seqOf(items[Math.max(0, at - STEP / 2)]));
      this.#to = seqOf(items[Math.min(items.length - 1, at + STEP / 2)]);
    }
    this.#following = false;
    this.render();
    const row = this.#rows.get(`m${seq}`)?.element;
    if (!row) return;
    row.scrollIntoView({ block: 'center' });
    row.classList.remove('flash');
    // Restarts the animation.
    void row.offsetWidth;
    row.classList.add('flash');
  }

  #renderHead() {
    const conversation = /** @type {import('../sdk/js/src/index.js').Conversation} */ (this.conversation);
    const { kind, memberCount, muted, context, role } = conversation;
    const title = titleOf(conversation);
    const says = [title, kind, memberCount, muted, context, role];
    if (this.#unchanged('head', says)) return;
    const under = [
      kind === 'group' ? (role === '' ? 'You have left' : plural(memberCount, 'member')) : '',
      context ? `About ${context}` : '',
      muted ? 'Muted' : '',
    ].filter(Boolean);
    this.head.replaceChildren(
      this.back,
      avatar(title, kind === 'direct' ? conversation.peer : conversation.id),
      h('div.thread-title', null, h('h2', null, title), under.length > 0 ? h('p', null, under.join(' · ')) : ''),
      iconButton('more', 'Details and settings', () => this.#details()),
    );
  }

  async #details() {
    if (this.conversation && this.#client) await details(this.conversation, this.#client, this.toast);
  }

  /**
   * The rows of the part that is shown, made anew only where they say something new. A section for each
   * day, so that its name stays at the top for as long as it is about what is seen.
   */
  #build() {
    const conversation = /** @type {import('../sdk/js/src/index.js').Conversation} */ (this.conversation);
    const client = /** @type {import('../sdk/js/src/index.js').Tidings} */ (this.#client);
    const all = conversation.timeline;
    let first = this.#from === 0 && this.#to === Infinity ? Math.max(0, all.length - FIRST) : all.findIndex((item) => seqOf(item) >= this.#from);
    if (first < 0) first = Math.max(0, all.length - FIRST);
    let last = this.#to === Infinity ? all.length : all.findIndex((item) => seqOf(item) > this.#to);
    if (last < 0) last = all.length;
    // From here on it is by message, so that what is loaded before does not shift it.
    if (this.#to !== Infinity || first > 0) this.#from = all[first] ? seqOf(all[first]) : 0;
    if (this.#to === Infinity && this.#following && last - first > MOST) {
      first = last - FIRST;
      this.#from = seqOf(all[first]);
    }
    const items = all.slice(first, last);

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
        const focused = known?.element.contains(document.activeElement);
        known = { element: make(), says };
        if (known.element.classList.contains('row')) setTabbable(known.element, false);
        this.#rows.set(key, known);
        if (focused) queueMicrotask(() => known?.element.focus({ preventScroll: true }));
      }
      sections[sections.length - 1].rows.push(known.element);
    };
    // What comes before the first row decides how it is grouped.
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
      const after = all[first + i + 1];
      const at = atOf(item);
      if (day(at) !== lastDay) {
        lastDay = day(at);
        section(`s${lastDay}-${sections.length === 0 || before?.type !== 'hole' ? '' : before.before}`);
        row(`d${lastDay}`, [new Date().toDateString()], () => dayRow(at));
      }
      if (item.type === 'message' && this.#newAfter > 0 && item.message.seq > this.#newAfter && (before?.type !== 'message' || before.message.seq <= this.#newAfter) && item.message.author !== client.user) {
        row('new', [], newRow);
      }
      const starts = !together(before, item, client.user);
      const ends = !together(item, after, client.user);
      const context = { conversation, client, starts, ends, thread: this };
      if (item.type === 'pending') {
        row(`p${item.pending.commandId}`, [item.pending.state, starts, ends], () => pendingRow(item.pending, context));
      } else {
        const { message } = item;
        const reply = message.replyTo ? conversation.message(message.replyTo) : null;
        const tick = message.author === client.user ? conversation.tick(message) : '';
        row(`m${message.seq}`, [message, starts, ends, reply, tick, conversation.role], () => messageRow(message, { ...context, reply, tick }));
      }
      before = item;
    });
    for (const key of this.#rows.keys()) if (!used.has(key) && key !== 'head') this.#rows.delete(key);
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

  /** Where to look first: the oldest new message, or the newest message. */
  #place() {
    this.#placed = true;
    const fresh = this.#rows.get('new')?.element;
    if (fresh && fresh.offsetTop < this.rows.scrollHeight - this.scroller.clientHeight) {
      this.#following = false;
      this.scroller.scrollTop = fresh.offsetTop - 40;
    } else {
      this.#bottom();
    }
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
    if (!conversation || !this.isShown() || !this.#placed) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const all = conversation.timeline;
    const shownFirst = all.findIndex((item) => seqOf(item) >= this.#from);
    if (scrollTop < NEAR_PX && shownFirst > 0) {
      const first = Math.max(0, shownFirst - STEP);
      this.#from = seqOf(all[first]);
      if (!this.#following && all[first + MOST]) this.#to = seqOf(all[first + MOST]);
      this.render();
    } else if (scrollHeight - clientHeight - scrollTop < NEAR_PX && this.#to !== Infinity) {
      const shownLast = all.findIndex((item) => seqOf(item) > this.#to);
      const last = shownLast < 0 ? all.length : Math.min(all.length, shownLast + STEP);
      this.#to = last >= all.length ? Infinity : seqOf(all[last]);
      if (last - shownFirst > MOST) this.#from = seqOf(all[last - MOST]);
      this.render();
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
    if (!away || this.#unchanged('jump', [unread])) return;
    this.jump.setAttribute('aria-label', unread > 0 ? `To the newest message, ${unread} unread` : 'To the newest message');
    this.jump.replaceChildren(unread > 0 ? h('span.badge', null, badge(unread)) : '', icon('down'));
  }

  #announce() {
    const conversation = /** @type {import('../sdk/js/src/index.js').Conversation} */ (this.conversation);
    const last = conversation.lastMessage;
    if (!last || last.seq <= this.#lastSeq) return;
    this.#lastSeq = last.seq;
    if (last.author !== this.#client?.user) this.live.textContent = `${nameOf(last.author)}: ${last.text}`;
  }

  /** @type {Map<string, readonly unknown[]>} */
  #said = new Map();

  /**
   * @param {string} key
   * @param {readonly unknown[]} says
   */
  #unchanged(key, says) {
    const id = `${this.conversation?.id} ${key}`;
    if (same(this.#said.get(key) ?? [], [id, ...says])) return true;
    this.#said.set(key, [id, ...says]);
    return false;
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

/** @typedef {import('../sdk/js/types/index.js').TimelineItem} TimelineItem */

/** @param {TimelineItem} item */
function seqOf(item) {
  if (item.type === 'message') return item.message.seq;
  // A hole lies between two messages, what is pending after all of them.
  return item.type === 'hole' ? item.before - 0.5 : Number.MAX_SAFE_INTEGER;
}

/** @param {Exclude<TimelineItem, { type: 'hole' }>} item */
function atOf(item) {
  return item.type === 'message' ? item.message.atMs : item.pending.createdMs;
}

/**
 * Whether two neighbours are shown as one group.
 * @param {TimelineItem | undefined} a
 * @param {TimelineItem | undefined} b
 * @param {string} me
 */
function together(a, b, me) {
  if (!a || !b || a.type === 'hole' || b.type === 'hole') return false;
  const author = (/** @type {typeof a} */ item) => (item.type === 'message' ? item.message.author : me);
  return author(a) === author(b) && atOf(b) - atOf(a) < TOGETHER_MS && day(atOf(a)) === day(atOf(b));
}

/**
 * @param {readonly unknown[]} a
 * @param {readonly unknown[]} b
 */
function same(a, b) {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
