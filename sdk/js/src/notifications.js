/**
 * Toasts that wait to be seen, and badges. From when the app first asks for them they are kept as they are: events change them,
 * and after a reset they are asked for anew.
 */

import { expect } from './fetching.js';
import { badgeFromWire, kindOf, toastFromWire } from './wire.js';

/** Longest time a timer is set for; a toast may wait longer. */
const TIMER_MS = 3_600_000;
const PAGE = 100;

/**
 * @typedef {import('../types/index.js').Toast} Toast
 * @typedef {import('../types/index.js').Badge} Badge
 * @typedef {import('../types/wire.js').Event} Event
 */

export class Notifications {
  #by;
  /** Those that wait, oldest first. @type {Map<number, Toast>} */
  #toasts = new Map();
  /** By source and name. @type {Map<string, Badge>} */
  #badges = new Map();
  /** Put away here, and not told yet that they are gone. @type {Set<number>} */
  #away = new Set();
  /** Events while they are being asked for. @type {Event[]} */
  #journal = [];
  /** @type {Promise<void> | null} */
  #loading = null;
  /** Whether what is here is whole, and is to be. */
  #whole = false;
  #kept = false;
  #generation = 0;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {{
   *   ask: (request: import('../types/wire.js').Request) => Promise<Partial<import('../types/wire.js').Outcomes>>,
   *   clock: import('../types/index.js').Clock,
   *   serverNow: () => number,
   *   emitter: import('./emitter.js').Emitter<import('../types/index.js').Events>,
   *   report: (error: import('./error.js').TidingsError) => void,
   * }} by
   */
  constructor(by) {
    this.#by = by;
  }

  /** @returns {readonly Toast[]} */
  get toasts() {
    const now = this.#by.serverNow();
    return [...this.#toasts.values()].filter(({ toast, expiresMs }) => expiresMs > now && !this.#away.has(toast));
  }

  /** @returns {readonly Badge[]} */
  get badges() {
    return [...this.#badges.values()];
  }

  /** They are kept from now on. */
  async load() {
    this.#kept = true;
    if (!this.#whole) await this.#read();
    return { toasts: this.toasts, badges: this.badges };
  }

  /** @param {Event} event @param {boolean} replayed */
  onEvent(event, replayed) {
    const kind = kindOf(event);
    if (kind?.name !== 'toast_queued' && kind?.name !== 'toasts_seen' && kind?.name !== 'badge_set') return;
    if (this.#loading) this.#journal.push(event);
    this.#apply(event);
    if (kind.name === 'toast_queued' && kind.body.toast) {
      const toast = toastFromWire(kind.body.toast);
      if (toast.expiresMs > this.#by.serverNow()) this.#by.emitter.emit('toast', { toast, replayed });
    }
    this.#changed();
  }

  /** Nothing that is here holds any more. */
  onReset() {
    this.#generation += 1;
    this.#toasts.clear();
    this.#badges.clear();
    this.#away.clear();
    this.#journal = [];
    this.#whole = false;
    if (this.#kept) this.#changed();
  }

  online() {
    if (this.#kept && !this.#whole) this.#read().catch(this.#by.report);
  }

  /**
   * Put away on this device: not shown from now on, whatever becomes of the command.
   * @param {readonly number[]} toasts
   */
  putAway(toasts) {
    for (const toast of toasts) if (this.#toasts.has(toast)) this.#away.add(toast);
    this.#changed();
  }

  /**
   * They were not put away after all.
   * @param {readonly number[]} toasts
   */
  bringBack(toasts) {
    for (const toast of toasts) this.#away.delete(toast);
    this.#changed();
  }

  close() {
    this.#by.clock.clearTimeout(this.#timer);
  }

  #read() {
    this.#loading ??= this.#readAll().finally(() => {
      this.#loading = null;
      this.#journal = [];
    });
    return this.#loading;
  }

  async #readAll() {
    for (;;) {
      const generation = this.#generation;
      this.#journal = [];
      /** @type {import('../types/wire.js').Toast[]} */
      const toasts = [];
      let first = null;
      for (let more = true; more && generation === this.#generation; ) {
        const after = toasts.at(-1)?.toast ?? 0;
        const page = expect(await this.#by.ask({ list_notifications: { after, limit: PAGE } }), 'notifications');
        first ??= page;
        toasts.push(...page.toasts);
        ({ more } = page);
      }
      if (generation !== this.#generation || !first) continue;
      this.#toasts = new Map(toasts.map((toast) => [toast.toast, toastFromWire(toast)]));
      this.#badges = new Map(first.badges.map((badge) => [keyOf(badge), badgeFromWire(badge)]));
      // What came before the first page is in it, and what came since may be in none.
      for (const event of this.#journal) if (event.position > first.position) this.#apply(event);
      for (const toast of this.#away) if (!this.#toasts.has(toast)) this.#away.delete(toast);
      this.#whole = true;
      this.#changed();
      return;
    }
  }

  /** @param {Event} event */
  #apply(event) {
    const kind = kindOf(event);
    if (kind?.name === 'toast_queued') {
      this.#forget(kind.body.replaces ?? []);
      if (kind.body.toast) this.#toasts.set(kind.body.toast.toast, toastFromWire(kind.body.toast));
    } else if (kind?.name === 'toasts_seen') {
      this.#forget(kind.body.toasts ?? []);
    } else if (kind?.name === 'badge_set') {
      if (kind.body.count > 0) this.#badges.set(keyOf(kind.body), badgeFromWire(kind.body));
      else this.#badges.delete(keyOf(kind.body));
    }
  }

  /** @param {readonly number[]} toasts */
  #forget(toasts) {
    for (const toast of toasts) {
      this.#toasts.delete(toast);
      this.#away.delete(toast);
    }
  }

  #changed() {
    this.#expire();
    if (this.#kept) this.#by.emitter.emit('notifications', { toasts: this.toasts, badges: this.badges });
  }

  /** Forgets those that have expired, and comes again when the next one does. */
  #expire() {
    const { clock, serverNow } = this.#by;
    clock.clearTimeout(this.#timer);
    const now = serverNow();
    let next = Infinity;
    for (const { toast, expiresMs } of [...this.#toasts.values()]) {
      if (expiresMs <= now) this.#forget([toast]);
      else next = Math.min(next, expiresMs);
    }
    if (next < Infinity) this.#timer = clock.setTimeout(() => this.#changed(), Math.min(next - now, TIMER_MS));
  }
}

/** @param {{ source: string, name: string }} badge */
function keyOf({ source, name }) {
  return `${source} ${name}`;
}
