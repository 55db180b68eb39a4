/** Places in a conversation's timeline, which has messages, holes and what is on its way. */

import { day } from './text.js';

/** Messages of one author within this belong together. */
const TOGETHER_MS = 5 * 60_000;

/** @typedef {import('../sdk/js/types/index.js').TimelineItem} TimelineItem */

/** @typedef {import('./notices.js').Notice} Notice */

/**
 * A part of the timeline with what else happened put where it did: after the last message there was then.
 * @param {readonly TimelineItem[]} all
 * @param {number} first
 * @param {number} last the first that does not belong to it any more
 * @param {readonly Notice[]} notices oldest first
 * @returns {(TimelineItem | Notice)[]}
 */
export function withNotices(all, first, last, notices) {
  const items = /** @type {(TimelineItem | Notice)[]} */ (all.slice(first, last));
  // What happened before the part belongs to what is not shown, but at the very beginning.
  const from = first === 0 && all[0]?.type !== 'hole' ? 0 : seqOf(all[first]);
  const to = last < all.length ? seqOf(all[last]) : Infinity;
  // From the end, so that places before stay what they are.
  for (const notice of notices.filter(({ after }) => after >= from && after < to).reverse()) {
    let at = items.length;
    while (at > 0 && (items[at - 1].type === 'notice' || seqOf(/** @type {TimelineItem} */ (items[at - 1])) > notice.after)) at -= 1;
    items.splice(at, 0, notice);
  }
  return items;
}

/** @param {TimelineItem} item */
export function seqOf(item) {
  if (item.type === 'message') return item.message.seq;
  // A hole lies between two messages, what is pending after all of them.
  return item.type === 'hole' ? item.before - 0.5 : Number.MAX_SAFE_INTEGER;
}

/**
 * @param {readonly TimelineItem[]} all
 * @param {number} seq
 */
export function indexOf(all, seq) {
  const at = all.findIndex((item) => seqOf(item) >= seq);
  return at < 0 ? all.length : at;
}

/**
 * @param {readonly TimelineItem[]} all
 * @param {number} seq
 */
export function indexAfter(all, seq) {
  const at = all.findIndex((item) => seqOf(item) > seq);
  return at < 0 ? all.length : at;
}

/**
 * How far one gets from an item in so many steps: not past a hole, which is to be filled first.
 * @param {readonly TimelineItem[]} all
 * @param {number} from
 * @param {number} steps negative towards older items
 */
export function reach(all, from, steps) {
  const direction = Math.sign(steps);
  let at = from;
  for (let left = Math.abs(steps); left > 0 && all[at]?.type !== 'hole' && all[at + direction]; left -= 1) at += direction;
  return at;
}

/** @param {Exclude<TimelineItem, { type: 'hole' }> | Notice} item */
export function atOf(item) {
  if (item.type === 'notice') return item.atMs;
  return item.type === 'message' ? item.message.atMs : item.pending.createdMs;
}

/**
 * Whether two neighbours are shown as one group.
 * @param {TimelineItem | Notice | undefined} a
 * @param {TimelineItem | Notice | undefined} b
 * @param {string} me
 */
export function together(a, b, me) {
  if (!a || !b || a.type === 'hole' || b.type === 'hole' || a.type === 'notice' || b.type === 'notice') return false;
  const author = (/** @type {typeof a} */ item) => (item.type === 'message' ? item.message.author : me);
  return author(a) === author(b) && atOf(b) - atOf(a) < TOGETHER_MS && day(atOf(a)) === day(atOf(b));
}

/**
 * The first message of somebody else after one; 0 while it is not loaded, or nothing was new.
 * @param {readonly TimelineItem[]} all
 * @param {number} after -1 for none
 * @param {string} me
 */
export function firstNewSeq(all, after, me) {
  if (after < 0) return 0;
  for (const item of all) {
    if (item.type === 'hole' && item.before > after + 1) return 0;
    if (item.type === 'message' && item.message.seq > after && item.message.author !== me) return item.message.seq;
  }
  return 0;
}
