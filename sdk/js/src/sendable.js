/** What cannot be sent: found before it is, since a server that cannot read a frame ends the connection. */

import { TidingsError } from './error.js';
import { UUID } from './uuid.js';

/**
 * @param {string} text
 * @returns {boolean} whether it holds half of a character, as cutting a text in the middle of an emoji leaves it
 */
function isTorn(text) {
  return /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

/**
 * @param {unknown} value
 * @param {string} name
 * @returns {string | null} what is wrong with it
 */
function faultOf(value, name) {
  switch (typeof value) {
    case 'string':
      if (name === 'conversation' && !UUID.test(value)) return `conversation: ${JSON.stringify(value)} is no id of one`;
      return isTorn(value) ? `${name}: the text holds half of a character` : null;
    case 'number':
      return Number.isSafeInteger(value) && value >= 0 ? null : `${name}: ${value} is no number from 0 up`;
    case 'object':
      // Null says that something is not set.
      for (const [key, inner] of Object.entries(value ?? {})) {
        const fault = faultOf(inner, Array.isArray(value) ? name : key);
        if (fault) return fault;
      }
      return null;
    case 'boolean':
    case 'undefined':
      return null;
    default:
      return `${name}: a ${typeof value}`;
  }
}

/**
 * @param {object} request
 * @returns {TidingsError | null} why no server could read it
 */
export function unsendable(request) {
  const message = faultOf(request, 'request');
  return message === null ? null : new TidingsError({ code: 'invalid', message });
}
