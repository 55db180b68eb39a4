/** How things are said: times, names, links, and what to do about an error. */

import { h } from './dom.js';

/**
 * Making a format takes milliseconds, of which there are few before the page is seen: each is made when it is needed,
 * or when there is nothing else to do.
 * @param {Intl.DateTimeFormatOptions} options
 * @returns {(ms: number) => string}
 */
function formatted(options) {
  /** @type {Intl.DateTimeFormat | undefined} */
  let format;
  return (ms) => (format ??= new Intl.DateTimeFormat(undefined, options)).format(ms);
}

const weekday = formatted({ weekday: 'long' });
const weekdayShort = formatted({ weekday: 'short' });
const date = formatted({ day: 'numeric', month: 'long' });
export const dateYear = formatted({ day: 'numeric', month: 'long', year: 'numeric' });
const dateShort = formatted({ day: 'numeric', month: 'short' });
const monthYear = formatted({ month: 'short', year: 'numeric' });

export const clock = formatted({ hour: 'numeric', minute: '2-digit' });
export const fullTime = formatted({ dateStyle: 'full', timeStyle: 'medium' });

/** Makes the formats that nearly every page shows, one at a time, so that what is waited for is not held up. */
export async function prepare() {
  for (const format of [clock, fullTime, weekdayShort, dateShort, date, (/** @type {number} */ ms) => ms.toLocaleString()]) {
    await new Promise((next) => setTimeout(next));
    format(Date.now());
  }
}

/** @param {number} ms the local day, as a number that goes up by one */
export function day(ms) {
  const at = new Date(ms);
  return Math.round(new Date(at.getFullYear(), at.getMonth(), at.getDate(), 12).getTime() / 86_400_000);
}

/** @param {number} ms */
export function dayName(ms) {
  const ago = day(Date.now()) - day(ms);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  if (ago > 0 && ago < 7) return weekday(ms);
  return isThisYear(ms) ? date(ms) : dateYear(ms);
}

/** @param {number} ms for a list: as short as it can be told apart */
export function shortTime(ms) {
  const ago = day(Date.now()) - day(ms);
  if (ago <= 0) return clock(ms);
  if (ago < 7) return weekdayShort(ms);
  return isThisYear(ms) ? dateShort(ms) : monthYear(ms);
}

/** @param {number} ms how long ago, roughly: as one would say it */
export function agoWords(ms) {
  const minutes = Math.floor((Date.now() - ms) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${plural(minutes, 'minute')} ago`;
  const ago = day(Date.now()) - day(ms);
  if (minutes < 6 * 60 || ago === 0) return `${plural(Math.floor(minutes / 60), 'hour')} ago`;
  if (ago === 1) return `yesterday at ${clock(ms)}`;
  if (ago < 7) return `on ${weekday(ms)}`;
  return `on ${isThisYear(ms) ? date(ms) : dateYear(ms)}`;
}

/** @param {number} ms */
const isThisYear = (ms) => new Date(ms).getFullYear() === new Date().getFullYear();

/** @param {number} count */
export const badge = (count) => (count > 999 ? '999+' : String(count));

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** @param {number} metres as one would say it */
export function distance(metres) {
  if (metres < 950) return `${Math.max(50, Math.round(metres / 50) * 50)} m`;
  const km = metres / 1000;
  return `${km < 10 ? Math.round(km * 10) / 10 : Math.round(km).toLocaleString()} km`;
}

/** @param {number} value as a whole number, in short where it is large */
export const number = (value) => (value < 10_000 ? Math.round(value).toLocaleString() : (short ??= new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })).format(value));

/** @type {Intl.NumberFormat | undefined} */
let short;

/** @param {number} count of bytes */
export function bytes(count) {
  const [unit, size] = count < 1024 ? ['B', 1] : count < 1024 ** 2 ? ['KiB', 1024] : ['MiB', 1024 ** 2];
  return `${(count / size).toLocaleString(undefined, { maximumFractionDigits: count / size < 10 && size > 1 ? 1 : 0 })} ${unit}`;
}

/** @param {number} us microseconds */
export function duration(us) {
  const [unit, size] = us < 1_000 ? ['µs', 1] : us < 1e6 ? ['ms', 1_000] : ['s', 1e6];
  return `${(us / size).toLocaleString(undefined, { maximumSignificantDigits: 2 })} ${unit}`;
}

/** @param {readonly string[]} names */
export function listed(names) {
  if (names.length < 2) return names[0] ?? '';
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

/**
 * Text with its web addresses made clickable; everything else stays text.
 * @param {string} text
 * @returns {(string | Node)[]}
 */
export function linked(text) {
  const parts = [];
  let from = 0;
  for (const { index, 0: found } of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/gi)) {
    // Punctuation after an address belongs to the sentence; a bracket only if it was opened there.
    let address = found.replace(/[.,;:!?…。，；：！？]+$/u, '');
    if (address.endsWith(')') && !address.includes('(')) address = address.slice(0, -1);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(from, index));
    parts.push(h('a', { href: new URL(address).href, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, address));
    from = index + address.length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== '');
}

/** Only emoji, and few: shown large. */
const FEW_EMOJI = /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F|\u200D\p{Extended_Pictographic})*){1,3}$/u;

/** @param {string} text */
export const isFewEmoji = (text) => text.length <= 40 && FEW_EMOJI.test(text.trim());

/** What a person can do about an error, where its message does not say so itself. */
const ADVICE = /** @type {Record<string, string>} */ ({
  full: 'Remove somebody first, or make another group.',
  not_member: 'Ask to be added again.',
  offline: 'It is tried again when the connection is back.',
  too_large: 'Make it shorter.',
  too_old: 'Look whether it has arrived before you send it again.',
  token_unavailable: 'It is tried again.',
  unauthenticated: 'Sign in again, or choose another person.',
  protocol: 'Reload the page; if it goes on, page and server do not fit together.',
  storage: 'Messages still go out, but are lost if this page closes before that.',
});

/** @param {{ code: string, message: string }} error */
export function explain({ code, message }) {
  const sentence = message.charAt(0).toUpperCase() + message.slice(1).replace(/\.$/, '');
  return ADVICE[code] ? `${sentence}. ${ADVICE[code]}` : `${sentence}.`;
}
