/** Messages that were looked for: what is asked of the search, and what it answers, with places as JavaScript has them. */

import { walk } from './people.js';
import { messageFromWire } from './wire.js';

/**
 * @param {import('../types/index.js').MessageSearch} search
 * @returns {import('../types/wire.js').Requests['search_messages']}
 */
export function messageSearchToWire({ query = '', sort = 'newest', limit = 0, after = '', highlight = false }) {
  return { query, sort, limit, after, highlight };
}

/**
 * @param {import('../types/wire.js').Outcomes['found_messages']} answer
 * @returns {import('../types/index.js').FoundMessages}
 */
export function foundMessagesFromWire({ messages, next, since_ms, cut }) {
  return {
    messages: (messages ?? []).flatMap(({ conversation, message, score, highlights }) =>
      message ? [{ conversation, message: messageFromWire(message), score: score ?? 0, highlights: placesIn(message, highlights ?? []) }] : [],
    ),
    next: next ?? '',
    sinceMs: since_ms ?? 0,
    cut: cut ?? false,
  };
}

/**
 * From places in UTF-8 to places in the text, where it came.
 * @param {import('../types/wire.js').Message} message
 * @param {readonly import('../types/wire.js').Highlight[]} highlights
 */
function placesIn({ text, stub }, highlights) {
  if (stub || !text) return [];
  const at = walk(text);
  return highlights.map(({ from, to }) => ({ from: at(from), to: at(to) }));
}
