/** The backend API, as an operator asks it from the page. */

import { TidingsError } from '../sdk/js/src/index.js';

/** Who an operator is where anybody can be anyone. */
const OPERATOR = 'console-operator';

/**
 * What a server for development lets an operator in by. Other servers give none.
 * @returns {Promise<string>}
 */
export async function developmentKey() {
  const response = await reach('/v1/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: OPERATOR }) });
  if (response.ok) return (await response.json()).token;
  throw new TidingsError({ code: 'unauthenticated', message: `the server gives no operator's token (${response.status})` });
}

export class Backend {
  #key;

  /** @param {string} key an API key or a token; kept here and nowhere else */
  constructor(key) {
    this.#key = key;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.#key}`, 'idempotency-key': crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const answer = await response.json().catch(() => null);
    if (response.ok && answer) return answer;
    const { code = 'unavailable', message = `the server answers ${response.status}`, retry = response.status >= 500 } = answer ?? {};
    throw new TidingsError({ code, message, retry });
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (cause) {
    throw new TidingsError({ code: 'offline', message: 'the server cannot be reached', retry: true, cause });
  }
}
