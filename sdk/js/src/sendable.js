/** What cannot be sent: found before it is, since a server that cannot read a frame ends the connection. */

import { TidingsError } from './error.js';
import { UUID } from './uuid.js';

/** What the fields of requests hold; those of the second kind may be left out. */
const TEXTS = new Set(['conversation', 'text', 'title', 'user', 'reaction', 'role', 'query', 'filter', 'online', 'sort', 'from']);
const TEXTS_OR_NONE = new Set(['context']);
const LISTS = new Set(['users', 'members', 'facets', 'exclude']);
const LISTS_OR_NONE = new Set(['mentions']);
const NUMBER_LISTS = new Set(['toasts']);
const NUMBERS = new Set(['seq']);
const NUMBERS_OR_NONE = new Set(['reply_to', 'max_members', 'before', 'limit']);
const ROLES = new Set(['owner', 'moderator', 'member']);
const FLAGS = new Set(['muted', 'active', 'invisible', 'roster', 'without_away', 'highlight', 'explain', 'without_contacted']);
const FLAGS_OR_NONE = new Set(['history_from_start']);
/** Requests that go on `after` a place which is text; of the others it is a number. */
const AFTER_TEXT = new Set(['list_members', 'list_contacts', 'search_people', 'search', 'search_messages']);

/**
 * @param {string} text
 * @returns {boolean} whether it holds half of a character, as cutting a text in the middle of an emoji leaves it
 */
function isTorn(text) {
  return /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

/**
 * @param {unknown} value
 * @returns {string} as it is named in an error: never all of it, it may be anything
 */
function shown(value) {
  if (value === null || ['undefined', 'number', 'boolean'].includes(typeof value)) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function faultOfText(value) {
  if (typeof value !== 'string') return `${shown(value)} is no text`;
  return isTorn(value) ? 'the text holds half of a character' : null;
}

/**
 * @param {string} name of a field
 * @param {unknown} value
 * @returns {string | null} what is wrong with it
 */
function faultOf(name, value) {
  if (TEXTS.has(name) || (TEXTS_OR_NONE.has(name) && value !== undefined)) {
    if (name === 'conversation' && !(typeof value === 'string' && UUID.test(value))) return `${shown(value)} is no id of one`;
    // Roles are names of an enumeration: another one cannot be read either.
    if (name === 'role' && !ROLES.has(/** @type {any} */ (value))) return `${shown(value)} is none of ${[...ROLES].join(', ')}`;
    return faultOfText(value);
  }
  if (LISTS.has(name) || (LISTS_OR_NONE.has(name) && value !== undefined)) {
    if (!Array.isArray(value)) return `${shown(value)} is no list`;
    // By index: a hole in the list is no text either.
    for (let i = 0; i < value.length; i += 1) {
      const fault = faultOfText(value[i]);
      if (fault) return fault;
    }
    return null;
  }
  if (NUMBER_LISTS.has(name)) {
    if (!Array.isArray(value)) return `${shown(value)} is no list`;
    for (let i = 0; i < value.length; i += 1) {
      const fault = faultOfNumber(value[i]);
      if (fault) return fault;
    }
    return null;
  }
  if (NUMBERS.has(name) || (NUMBERS_OR_NONE.has(name) && value !== undefined)) return faultOfNumber(value);
  if (FLAGS.has(name) || (FLAGS_OR_NONE.has(name) && value !== undefined)) {
    return typeof value === 'boolean' ? null : `${shown(value)} is neither true nor false`;
  }
  // A place in a list: by number in a history, by name among members. Null says that it is not set.
  if (value === undefined || value === null || typeof value === 'boolean') return null;
  if (typeof value === 'string') return faultOfText(value);
  return faultOfNumber(value);
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function faultOfNumber(value) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0 ? null : `${shown(value)} is no number from 0 up`;
}

/**
 * @param {object} request
 * @returns {TidingsError | null} why no server could read it
 */
export function unsendable(request) {
  for (const [kind, body] of Object.entries(request)) {
    for (const [name, value] of Object.entries(body ?? {})) {
      // A search that is watched is a part of the request.
      if (name === 'search') return unsendable({ search: value });
      const fault = name === 'after' && AFTER_TEXT.has(kind) ? faultOfText(value) : faultOf(name, value);
      if (fault) return new TidingsError({ code: 'invalid', message: `${name}: ${fault}` });
    }
  }
  return null;
}

/**
 * What an app may leave out altogether, or hand in as an object.
 * @param {unknown} options
 * @returns {TidingsError | null}
 */
export function faultOfOptions(options) {
  if (options === undefined || (typeof options === 'object' && options !== null && !Array.isArray(options))) return null;
  return new TidingsError({ code: 'invalid', message: `options: ${shown(options)} is no object` });
}
