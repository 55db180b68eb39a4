/**
 * The product's backend, which an app tells what its user does. What of that is a fact it records itself, and extensions
 * are told of facts: the page records nothing.
 */

import { TidingsError } from '../sdk/js/src/index.js';
import { tokenFor } from './people.js';

/** @typedef {{ liked: boolean, matched: boolean }} Between how two people are with each other, as one of them may know */

export class Product {
  #at;
  #user;

  /**
   * @param {string} at where its paths begin
   * @param {string} user whose app this is
   */
  constructor(at, user) {
    this.#at = at;
    this.#user = user;
  }

  /** @param {string} user @returns {Promise<Between>} */
  viewed(user) {
    return this.#tell(`/people/${encodeURIComponent(user)}/viewed`);
  }

  /** @param {string} user @returns {Promise<Between>} */
  flirted(user) {
    return this.#tell(`/people/${encodeURIComponent(user)}/flirted`);
  }

  /** @param {string} user @returns {Promise<Between>} */
  liked(user) {
    return this.#tell(`/people/${encodeURIComponent(user)}/liked`);
  }

  /** @param {string} badge @returns {Promise<unknown>} */
  seen(badge) {
    return this.#tell(`/badges/${encodeURIComponent(badge)}/seen`);
  }

  /** @param {string} path @returns {Promise<any>} */
  async #tell(path) {
    const token = await tokenFor(this.#user);
    let response;
    try {
      response = await fetch(this.#at + path, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    } catch (cause) {
      throw new TidingsError({ code: 'offline', message: 'the product cannot be reached', retry: true, cause });
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new TidingsError({ code: 'product', message: answer.message ?? `the product answers ${response.status}`, retry: response.status >= 500 });
  }
}
