/** Who there is, and how they are shown. */

import { TidingsError } from '../sdk/js/src/index.js';
import { h } from './dom.js';

/** @type {Map<string, string>} */
const names = new Map();
/** Tokens that were asked for before it was known whether they are needed. @type {Map<string, Promise<string>>} */
const early = new Map();

/**
 * The people one can sign in as, and where the product's backend is, if there is one. Only servers that allow development
 * tokens tell.
 * @returns {Promise<{ people: { id: string, name: string }[], product: string }>}
 */
export async function loadPeople() {
  let response;
  try {
    response = await fetch('/v1/dev/users');
  } catch (cause) {
    throw new TidingsError({ code: 'offline', message: 'the server cannot be reached', retry: true, cause });
  }
  const answered = `the server answers ${response.status} to /v1/dev/users`;
  // What fails there may pass; any other answer is that of a server without development tokens.
  if (response.status >= 500) throw new TidingsError({ code: 'unavailable', message: answered, retry: true });
  if (!response.ok) throw new TidingsError({ code: 'unauthenticated', message: answered });
  const { users, product = '' } = await response.json();
  for (const { id, name } of users) names.set(id, name && name !== id ? name : withoutSource(id));
  return { people: users, product };
}

/**
 * Asks for a token whose time has not come yet: the next one that is wanted for this user is that one.
 * @param {string} user
 */
export function tokenAhead(user) {
  const token = askForToken(user);
  // Whoever wants it gets to know.
  token.catch(() => {});
  early.set(user, token);
}

/**
 * @param {string} user
 * @returns {Promise<string>}
 */
export function tokenFor(user) {
  const asked = early.get(user);
  early.delete(user);
  return asked ?? askForToken(user);
}

/**
 * @param {string} user
 * @returns {Promise<string>}
 */
async function askForToken(user) {
  let response;
  try {
    response = await fetch('/v1/dev/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user }),
    });
  } catch (cause) {
    throw new TidingsError({ code: 'offline', message: 'the server cannot be reached', retry: true, cause });
  }
  if (response.ok) return (await response.json()).token;
  const message = `the server gives no token for ${user} (${response.status})`;
  // What it refuses it goes on refusing; that it fails may pass.
  if (response.status < 500) throw new TidingsError({ code: 'unauthenticated', message });
  throw new TidingsError({ code: 'token_unavailable', message, retry: true });
}

/**
 * What somebody is called, everywhere: their name, or else their id without where it comes from.
 * @param {string} user
 */
export const nameOf = (user) => names.get(user) ?? withoutSource(user);

/**
 * What somebody says they are called; whom the page knows already keeps the name.
 * @param {string} user
 * @param {unknown} name
 */
export function introduce(user, name) {
  if (!names.has(user) && typeof name === 'string' && name.trim() !== '') names.set(user, name);
}

/** Profiles asked for at a time, the most there is. */
const PROFILES = 100;
/** By whom whose name was asked for. @type {Set<string>} */
const asked = new Set();

/**
 * Asks what those are called whom the page does not know, once.
 * @param {import('../sdk/js/src/index.js').Tidings} client
 * @param {readonly string[]} users
 * @returns {Promise<boolean>} whether something was learnt
 */
export async function learnNames(client, users) {
  const key = (/** @type {string} */ user) => `${client.user} ${user}`;
  const unknown = users.filter((user) => !names.has(user) && !asked.has(key(user)));
  let learnt = false;
  for (const user of unknown) asked.add(key(user));
  for (let from = 0; from < unknown.length; from += PROFILES) {
    const some = unknown.slice(from, from + PROFILES);
    try {
      for (const { user, attributes } of await client.profiles(some)) {
        introduce(user, attributes.name);
        learnt ||= names.has(user);
      }
    } catch {
      // Another time, perhaps: until then the id is shown.
      for (const user of some) asked.delete(key(user));
      return learnt;
    }
  }
  return learnt;
}

/** @param {string} user what somebody is called, and their id where that says more */
export const fullName = (user) => (nameOf(user) === user ? user : `${nameOf(user)} (${user})`);

/** @param {string} user first name, for where there is little room */
export const shortName = (user) => nameOf(user).split(' ')[0];

/** @param {string} name such as `irc:nick`, of which all but the last part only says where somebody comes from */
const withoutSource = (name) => name.slice(name.lastIndexOf(':') + 1) || name;

export const everybody = () => [...names.keys()];

/**
 * What is shown after a name. The space is for those who hear it: without it both are one word.
 * @param {string} text empty for nothing
 * @returns {(string | Node)[]}
 */
export const beside = (text) => (text === '' ? [] : [' ', h('small', null, text)]);

/**
 * @param {string} name what it stands for
 * @param {string} key what its colour comes from
 */
export function avatar(name, key) {
  return tinted(h('span.avatar', { 'aria-hidden': 'true' }, initials(name)), key);
}

/**
 * Gives an element the colour of a person or group; the style sheet makes of it what suits.
 * @template {HTMLElement} T
 * @param {T} element
 * @param {string} key
 * @returns {T}
 */
export function tinted(element, key) {
  let hash = 0;
  for (const letter of key) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  element.style.setProperty('--hue', String((hash * 47) % 360));
  return element;
}

/** @param {string} name */
function initials(name) {
  const words = withoutSource(name).split(/[\s_-]+/).filter((word) => /^\p{L}/u.test(word));
  // A name in two scripts is the same name twice.
  const latin = words.filter((word) => /^\p{Script=Latin}/u.test(word));
  const of = latin.length > 0 ? latin : words;
  const ends = of.length > 1 ? [of[0], of[of.length - 1]] : of;
  return ends.map((word) => [...word][0].toUpperCase()).join('') || [...name][0] || '?';
}
