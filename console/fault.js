/** What is wrong with a search, said where it is asked. */

import { h } from './dom.js';
import { explain } from './text.js';

/**
 * @param {string} id of its element
 */
export const faultBox = (id) => h('div.fault', { id, role: 'alert', hidden: true });

/**
 * @param {HTMLElement} box
 * @param {HTMLElement} field where it was asked
 * @param {any} error null for none
 */
export function showFault(box, field, error) {
  const invalid = error?.code === 'invalid';
  field.setAttribute('aria-invalid', String(invalid));
  box.hidden = !error;
  if (!error) return box.replaceChildren();
  // Where the query is wrong: its text, a line that points at the place, what is wrong.
  const [what, text, place, ...why] = String(error.message).split('\n');
  const points = invalid && what === 'query:' && place?.includes('^');
  box.replaceChildren(...(points ? [h('pre', null, `${text}\n${place}`), h('p', null, why.join('\n'))] : [h('p', null, explain(error))]));
}
