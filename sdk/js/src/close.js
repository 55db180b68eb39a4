/** Close codes and what follows from them. */

import { TidingsError } from './error.js';

/** Codes of the server's catalogue. @type {Readonly<Record<number, { name: string, reconnect: boolean }>>} */
export const CLOSE_CODES = Object.freeze({
  4000: { name: 'protocol', reconnect: false },
  4001: { name: 'unauthenticated', reconnect: false },
  4002: { name: 'token_expired', reconnect: false },
  4003: { name: 'slow', reconnect: true },
  4004: { name: 'draining', reconnect: true },
  4005: { name: 'too_many_connections', reconnect: true },
  4006: { name: 'rate_limited', reconnect: true },
  4007: { name: 'too_large', reconnect: false },
  4008: { name: 'idle', reconnect: true },
  4010: { name: 'internal', reconnect: true },
});

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 30_000;

/**
 * Wait before an attempt: doubles up to half a minute, and half of it is chance, so that the clients
 * of a server that went away do not come back all at once.
 * @param {number} attempt from 0
 * @param {() => number} random
 */
export function backoff(attempt, random) {
  const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(most / 2 + (random() * most) / 2);
}

/**
 * @typedef {object} Ending how a connection came to its end
 * @property {number} code WebSocket close code
 * @property {import('../types/wire.js').Closing | null} closing the server's last frame, if it said goodbye
 * @property {import('../types/wire.js').ErrorBody | null} refusal why `hello` was refused, if it was
 * @property {number} attempt connections that failed in a row, this one not counted
 * @property {boolean} tokenRefreshed whether this connection's token had been fetched anew after a refusal
 * @property {boolean} stable whether the connection had been up for a while
 * @property {string} [unreached] address of a socket that was never opened
 */

/**
 * @typedef {object} Plan what to do then
 * @property {boolean} reconnect
 * @property {number} delayMs
 * @property {boolean} refreshToken
 * @property {string} address base URL of another node; empty for the same
 * @property {TidingsError} error
 */

/**
 * @param {Ending} ending
 * @param {() => number} random
 * @returns {Plan}
 */
export function planAfter(ending, random) {
  const { closing, refusal } = ending;
  const known = CLOSE_CODES[ending.code];
  const code = refusal?.code || closing?.code || known?.name || 'unavailable';
  const message = refusal?.message || closing?.message || goodbye(ending.code, known?.name, ending.unreached);
  const pace = ending.stable ? backoff(0, random) : backoff(ending.attempt, random);
  const asked = refusal?.retry_after_ms || closing?.after_ms || 0;
  const plan = { reconnect: true, delayMs: asked || pace, refreshToken: false, address: closing?.address ?? '' };

  if (code === 'unauthenticated' || code === 'token_expired') {
    // A token that was fetched for this very connection and still refused will not get better.
    const again = !(code === 'unauthenticated' && ending.tokenRefreshed);
    const delayMs = ending.attempt === 0 || ending.stable ? asked : Math.max(asked, pace);
    return { ...plan, reconnect: again, delayMs, refreshToken: true, error: error(again) };
  }
  if (refusal) plan.reconnect = refusal.retry;
  else if (closing) plan.reconnect = closing.reconnect;
  else if (known) plan.reconnect = known.reconnect;
  // "Connect at once" is meant for a session that worked, not for one that fails again and again.
  if ((code === 'slow' || code === 'idle') && ending.stable) plan.delayMs = asked;
  return { ...plan, error: error(plan.reconnect) };

  /** @param {boolean} retry */
  function error(retry) {
    return new TidingsError({ code, message, retry, retryAfterMs: asked });
  }
}

/**
 * @param {number} code
 * @param {string | undefined} name
 * @param {string | undefined} unreached
 */
function goodbye(code, name, unreached) {
  // Without what an app may have put into the address for the server only.
  if (unreached) return `cannot reach ${unreached.replace(/\?.*$/, '')}`;
  if (name) return `the server closed the connection: ${name}`;
  return code === 1006 ? 'the connection was lost' : `the connection was closed with code ${code}`;
}

/**
 * The socket's address for what the app was given: a base URL gets the server's path.
 * @param {string} url
 */
export function socketUrl(url) {
  let parsed;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new TidingsError({ code: 'invalid', message: `${JSON.stringify(url)} is not a URL`, cause });
  }
  const schemes = /** @type {Record<string, string>} */ ({ 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' });
  const scheme = schemes[parsed.protocol];
  if (!scheme) throw new TidingsError({ code: 'invalid', message: `${url} is neither http(s) nor ws(s)` });
  const path = parsed.pathname === '/' ? '/v1/ws' : parsed.pathname;
  return `${scheme}//${parsed.host}${path}${parsed.search}`;
}
