/** A person, as they are shown where people are found. */

import { h, icon } from './dom.js';
import { avatar, nameOf } from './people.js';
import { dateYear, distance } from './text.js';

/** Of a long text, about as much as three lines hold. */
const EXCERPT = 220;
/** What stands before the first word that was looked for. */
const BEFORE = 60;
/** Texts up to this length are said in a line with others. */
const SHORT = 32;

/** The demo's attributes whose values can be chosen from, where there are such. */
export const CHOICES = ['city', 'interests', 'languages'];

/**
 * @typedef {import('../sdk/js/types/index.js').Person} Person
 * @typedef {import('../sdk/js/types/index.js').Highlight} Highlight
 */

/** @param {string} attribute */
export const labelOf = (attribute) => attribute.charAt(0).toUpperCase() + attribute.slice(1).replaceAll('_', ' ');

/** @type {Intl.DisplayNames | undefined} */
let tongues;

/**
 * A value as people say it.
 * @param {string} attribute
 * @param {string} value
 */
export function valueName(attribute, value) {
  if (attribute !== 'languages') return value;
  try {
    return (tongues ??= new Intl.DisplayNames(['en'], { type: 'language' })).of(value) ?? value;
  } catch {
    // No code of a language.
    return value;
  }
}

/**
 * @param {Person} person
 * @param {{
 *   live: import('./live.js').Live, contacts: import('./contacts.js').Contacts,
 *   message: (user: string) => Promise<unknown>, add: (user: string) => Promise<unknown>, profile: (user: string) => void,
 * }} actions
 */
export function card(person, { live, contacts, message, add, profile }) {
  const { user, attributes, distanceM } = person;
  const name = typeof attributes.name === 'string' ? attributes.name : nameOf(user);
  const marksOf = (/** @type {string} */ attribute, /** @type {number} */ value) => person.highlights.filter((each) => each.attribute === attribute && each.value === value);
  const contact = contactState(user, { contacts, add, name });
  const element = h(
    'li.card',
    { 'data-user': user },
    h('span.portrait', null, avatar(name, user), live.dot(user)),
    h(
      'div.card-body',
      null,
      h(
        'div.card-head',
        null,
        h('h3', { title: user }, h('button.opens-profile', { type: 'button', onclick: () => profile(user) }, ...(typeof attributes.name === 'string' ? marked(name, marksOf('name', 0)) : [name]))),
        live.words(user),
        distanceM === null ? '' : h('span.distance', null, `${distance(distanceM)} away`),
      ),
      ...details(attributes, marksOf),
    ),
    h('div.card-actions', null, h('button.action', { type: 'button', 'aria-label': `Message ${name}`, onclick: busy(() => message(user)) }, icon('message'), 'Message'), contact.element),
  );
  return { element, user, renderContact: contact.render };
}

/**
 * What somebody is to one as a contact, and what one can do about it.
 * @param {string} user
 * @param {{ contacts: import('./contacts.js').Contacts, add: (user: string) => Promise<unknown>, name?: string }} options
 */
export function contactState(user, { contacts, add, name = nameOf(user) }) {
  const element = h('span.contact-state');
  render();
  return { element, render };

  function render() {
    const state = contacts.stateOf(user);
    if (element.dataset.state === state) return;
    const focused = element.contains(document.activeElement);
    element.dataset.state = state;
    element.replaceChildren(
      state === 'contact' ? h('span.is-contact', { tabIndex: -1 }, icon('check'), 'Contact')
      : state === 'asked' ? h('span.is-contact', { tabIndex: -1 }, icon('clock'), 'Asked')
      : state === 'asking' ? h('button.action', { type: 'button', 'aria-label': `Accept ${name} as a contact`, onclick: busy(() => add(user)) }, icon('check'), 'Accept')
      : h('button.action', { type: 'button', 'aria-label': `Add ${name} as a contact`, onclick: busy(() => add(user)) }, icon('contact'), 'Add contact'),
    );
    if (focused) /** @type {HTMLElement} */ (element.firstElementChild).focus();
  }
}

/**
 * Does it once, however often the button is pressed meanwhile. A refusal is shown by the client's error event.
 * @param {() => Promise<unknown>} action
 */
export function busy(action) {
  return async (/** @type {Event} */ event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    await action().catch(() => {});
    button.removeAttribute('aria-busy');
  };
}

/**
 * What a profile says but the name: texts first, then what is short, then lists.
 * @param {import('../sdk/js/types/index.js').Attributes} attributes
 * @param {(attribute: string, value: number) => Highlight[]} marksOf
 * @param {number} [most] characters of a text
 */
export function details(attributes, marksOf, most = EXCERPT) {
  const texts = [];
  const facts = [];
  const lists = [];
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === 'name') continue;
    if (Array.isArray(value)) {
      const items = value.flatMap((each, i) => (typeof each === 'string' || typeof each === 'number' ? [{ text: String(each), i }] : []));
      const chips = items.map(({ text, i }) => {
        const said = valueName(attribute, text);
        return h('li', null, ...(said === text ? marked(text, marksOf(attribute, i)) : [marksOf(attribute, i).length > 0 ? h('mark', null, said) : said]));
      });
      if (chips.length > 0) lists.push(h('ul.chips', { 'aria-label': labelOf(attribute), title: labelOf(attribute) }, ...chips));
    } else if (typeof value === 'number') {
      facts.push(h('span', null, `${labelOf(attribute)} ${value}`));
    } else if (typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value)) {
      facts.push(h('span', null, `${labelOf(attribute)} ${dateYear(Date.parse(value))}`));
    } else if (typeof value === 'string' && value.length <= SHORT) {
      facts.push(h('span', { title: labelOf(attribute) }, ...marked(value, marksOf(attribute, 0))));
    } else if (typeof value === 'string') {
      texts.push(h('p.card-text', { dir: 'auto', title: labelOf(attribute) }, ...marked(value, marksOf(attribute, 0), most)));
    }
  }
  return [...texts, facts.length > 0 ? h('p.facts', null, ...facts) : '', lists.length > 0 ? h('div.lists', null, ...lists) : ''];
}

/**
 * A text with what was looked for marked in it.
 * @param {string} text
 * @param {readonly { from: number, to: number }[]} marks
 * @param {number} [most] characters; around the first mark if there are more
 * @returns {(string | Node)[]}
 */
export function marked(text, marks, most = Infinity) {
  const inOrder = marks.toSorted((a, b) => a.from - b.from);
  const first = inOrder[0]?.from ?? 0;
  // Not in the middle of a word, where there are words.
  const start = text.length > most && first > BEFORE ? whole(text, first - BEFORE + Math.max(0, text.slice(first - BEFORE, first).search(/\s/))) : 0;
  const end = text.length - start > most ? whole(text, start + most) : text.length;
  const parts = [];
  let at = start;
  for (const { from, to } of inOrder) {
    // Two words may be found in one place.
    if (from < at || to > end) continue;
    parts.push(text.slice(at, from), h('mark', null, text.slice(from, to)));
    at = to;
  }
  parts.push(text.slice(at, end));
  if (start > 0) parts.unshift('…');
  if (end < text.length) parts.push('…');
  return parts.filter((part) => part !== '');
}

/**
 * @param {string} text
 * @param {number} at a place in it
 * @returns {number} the next one that is not within a character
 */
const whole = (text, at) => (/[\uDC00-\uDFFF]/.test(text.charAt(at)) ? at + 1 : at);
