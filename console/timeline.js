/** Places in a conversation's timeline, which has messages, holes and what is on its way. */

import { day } from './text.js';

/** Messages of one author within this belong together. */
const TOGETHER_MS = 5 * 60_000;

/** @typedef {import('../sdk/js/types/index.js').TimelineItem} TimelineItem */

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

/** @param {Exclude<TimelineItem, { type: 'hole' }>} item */
export function atOf(item) {
  return item.type === 'message' ? item.message.atMs : item.pending.createdMs;
}

/**
 * Whether two neighbours are shown as one group.
 * @param {TimelineItem | undefined} a
 * @param {TimelineItem | undefined} b
 * @param {string} me
 */
export function together(a, b, me) {
  if (!a || !b || a.type === 'hole' || b.type === 'hole') return false;
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
