/** People: what is asked of the search, and what it answers, with texts and places as JavaScript has them. */

import { TidingsError } from './error.js';

/**
 * @typedef {import('../types/index.js').PeopleSearch} PeopleSearch
 * @typedef {import('../types/index.js').Attributes} Attributes
 * @typedef {import('../types/wire.js').Person} WirePerson
 */

/**
 * @param {PeopleSearch} search
 * @returns {import('../types/wire.js').Requests['search_people']}
 */
export function searchToWire(search) {
  const { query = '', filter, online = 'any', away = true, sort = 'relevance', from, facets = [], limit = 0, after = '' } = search;
  const { highlight = false, explain = false, withoutContacted = false, exclude = [] } = search;
  return {
    query,
    filter: filter === undefined ? '' : filterText(filter),
    online,
    // What is neither true nor false is named where the request is looked at.
    without_away: typeof away === 'boolean' ? !away : away,
    sort,
    from: from === undefined ? '' : placeText(from),
    facets: copyOf(facets),
    limit,
    after,
    highlight,
    explain,
    without_contacted: withoutContacted,
    exclude: copyOf(exclude),
  };
}

/**
 * @param {import('../types/wire.js').Outcomes['people']} answer
 * @returns {import('../types/index.js').FoundPeople}
 */
export function peopleFromWire({ people, total, at_least, next, facets, cut }) {
  return {
    people: (people ?? []).map(personFromWire),
    total,
    atLeast: at_least ?? false,
    next: next ?? '',
    facets: (facets ?? []).map(({ attribute, values, more }) => ({
      attribute,
      values: (values ?? []).map(({ value, count }) => ({ value, count })),
      more: more ?? false,
    })),
    cut: cut ?? false,
  };
}

/**
 * @param {import('../types/wire.js').Profile} profile
 * @returns {import('../types/index.js').Profile}
 */
export function profileFromWire({ user, attributes }) {
  return { user, attributes: objectIn(attributes) };
}

/**
 * @param {WirePerson} person
 * @returns {import('../types/index.js').Person}
 */
function personFromWire({ user, state, seen_ms, attributes, distance_m, score, highlights, explanation }) {
  const said = objectIn(attributes);
  return {
    user,
    state,
    seenMs: seen_ms ?? 0,
    attributes: said,
    distanceM: distance_m ?? null,
    score: score ?? 0,
    highlights: highlightsFromWire(highlights ?? [], said),
    explanation: explanation ? objectIn(explanation) : null,
  };
}

/**
 * From places in UTF-8 to places in the strings they are about.
 * @param {readonly import('../types/wire.js').Highlight[]} highlights
 * @param {Attributes} attributes
 */
function highlightsFromWire(highlights, attributes) {
  /** @type {Map<string, (bytes: number) => number>} */
  const walks = new Map();
  return highlights.flatMap(({ attribute = '', value, from, to }) => {
    const values = attributes[attribute];
    const text = Array.isArray(values) ? values[value] : values;
    if (typeof text !== 'string') return [];
    const key = `${value} ${attribute}`;
    const at = walks.get(key) ?? walk(text);
    walks.set(key, at);
    return [{ attribute, value, from: at(from), to: at(to) }];
  });
}

/**
 * Where in a string the bytes of its UTF-8 lie. Places that are asked for in order are found in one walk.
 * @param {string} text
 * @returns {(bytes: number) => number}
 */
export function walk(text) {
  let index = 0;
  let passed = 0;
  return (bytes) => {
    if (bytes < passed) index = passed = 0;
    while (passed < bytes && index < text.length) {
      const point = /** @type {number} */ (text.codePointAt(index));
      passed += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      index += point < 0x10000 ? 1 : 2;
    }
    return index;
  };
}

/** @param {string} text @returns {Attributes} */
function objectIn(text) {
  try {
    const object = JSON.parse(text || '{}');
    if (typeof object === 'object' && object !== null && !Array.isArray(object)) return object;
  } catch {
    // Said below.
  }
  throw new TidingsError({ code: 'protocol', message: `a profile is no JSON object: ${text.slice(0, 60)}` });
}

/** @param {unknown} filter */
function filterText(filter) {
  if (typeof filter === 'object' && filter !== null && !Array.isArray(filter)) {
    try {
      return JSON.stringify(filter);
    } catch (cause) {
      throw new TidingsError({ code: 'invalid', message: 'filter: it cannot be written as JSON', cause });
    }
  }
  throw new TidingsError({ code: 'invalid', message: 'filter: it is no object, as in { has: { attribute: "photo" } }' });
}

/** @param {{ lat: number, lon: number }} from */
function placeText(from) {
  const { lat, lon } = from ?? {};
  if (Number.isFinite(lat) && Number.isFinite(lon)) return `${lat},${lon}`;
  throw new TidingsError({ code: 'invalid', message: 'from: it is no place, as in { lat: 52.52, lon: 13.4 }' });
}

/**
 * What is no list is named where the request is looked at.
 * @param {readonly string[]} list
 */
const copyOf = (list) => (Array.isArray(list) ? [...list] : /** @type {any} */ (list));
