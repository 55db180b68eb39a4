/** Which values of some attributes people are to have: chosen from those that there are, with how many have each. */

import { CHOICES, labelOf, valueName } from './card.js';
import { h, icon, iconButton } from './dom.js';

/**
 * @typedef {import('../sdk/js/types/index.js').Facet} Facet
 * @typedef {import('../sdk/js/types/index.js').PeopleSearch} PeopleSearch
 */

export class Facets {
  /** Those that the server has. */
  attributes = CHOICES;
  /** @type {Map<string, Set<string>>} */
  #chosen = new Map();
  /** @type {Map<string, { element: HTMLDetailsElement, values: HTMLElement, count: HTMLElement }>} */
  #menus = new Map();
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.element = h('div.filters');
    this.chips = h('ul.chosen', { 'aria-label': 'Chosen' });
    // A click elsewhere ends it, as does Escape.
    this.element.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape') return;
      for (const { element } of this.#menus.values()) {
        if (!element.open) continue;
        element.open = false;
        element.querySelector('summary')?.focus();
        event.stopPropagation();
      }
    });
    this.element.addEventListener('focusout', (/** @type {FocusEvent} */ event) => {
      const to = /** @type {Node | null} */ (event.relatedTarget);
      for (const { element } of this.#menus.values()) if (element.open && to && !element.contains(to)) element.open = false;
    });
    this.close = (/** @type {Event} */ event) => {
      for (const { element } of this.#menus.values()) if (element.open && !element.contains(/** @type {Node} */ (event.target))) element.open = false;
    };
    document.addEventListener('pointerdown', this.close);
  }

  /** The page does not show it any more. */
  end() {
    document.removeEventListener('pointerdown', this.close);
  }

  /**
   * @param {string} [without] an attribute that does not count
   * @returns {object | undefined} the filter for what is chosen
   */
  filter(without) {
    const all = [...this.#chosen].filter(([attribute, values]) => attribute !== without && values.size > 0);
    if (all.length === 0) return undefined;
    return { all: all.map(([attribute, values]) => ({ any: [...values].map((keyword) => ({ is: { attribute, value: { keyword } } })) })) };
  }

  /** Attributes of which some values are chosen: of these the others are counted apart. */
  get narrowed() {
    return this.attributes.filter((attribute) => this.#chosen.get(attribute)?.size);
  }

  /** @param {readonly Facet[]} facets */
  show(facets) {
    for (const attribute of this.attributes) {
      const facet = facets.find((each) => each.attribute === attribute);
      if (facet) this.#fill(facet);
    }
    this.#showChosen();
  }

  /** @param {Facet} facet */
  #fill({ attribute, values }) {
    let menu = this.#menus.get(attribute);
    if (!menu) {
      const list = h('div.filter-values', { role: 'group', 'aria-label': labelOf(attribute) });
      const count = h('span.badge', { hidden: true });
      const element = h('details.filter', { name: 'filter' }, h('summary', null, labelOf(attribute), count, icon('down')), list);
      menu = { element, values: list, count };
      this.#menus.set(attribute, menu);
      this.element.append(...this.attributes.flatMap((each) => this.#menus.get(each)?.element ?? []));
    }
    const chosen = this.#chosen.get(attribute) ?? new Set();
    // What is chosen can be taken back, also where nobody has it any more.
    const shown = [...values, ...[...chosen].filter((value) => !values.some((each) => each.value === value)).map((value) => ({ value, count: 0 }))];
    const focused = /** @type {HTMLInputElement | null} */ (menu.values.contains(document.activeElement) ? document.activeElement : null)?.value;
    menu.values.replaceChildren(
      ...shown.map(({ value, count }) =>
        h('label', null, h('input', { type: 'checkbox', value, checked: chosen.has(value), onchange: (/** @type {any} */ { target }) => this.#choose(attribute, value, target.checked) }), h('span', null, valueName(attribute, value)), h('small', null, String(count))),
      ),
    );
    if (focused !== undefined) [...menu.values.querySelectorAll('input')].find(({ value }) => value === focused)?.focus();
    menu.element.hidden = shown.length === 0;
  }

  #showChosen() {
    for (const [attribute, { count }] of this.#menus) {
      const size = this.#chosen.get(attribute)?.size ?? 0;
      count.hidden = size === 0;
      count.textContent = String(size);
    }
    const chips = [...this.#chosen].flatMap(([attribute, values]) =>
      [...values].map((value) => {
        const name = valueName(attribute, value);
        return h('li', null, name, iconButton('close', `Without ${labelOf(attribute)}: ${name}`, () => this.#choose(attribute, value, false)));
      }),
    );
    this.chips.hidden = chips.length === 0;
    this.chips.replaceChildren(...chips);
  }

  /**
   * @param {string} attribute
   * @param {string} value
   * @param {boolean} on
   */
  #choose(attribute, value, on) {
    const values = this.#chosen.get(attribute) ?? new Set();
    if (on) values.add(value);
    else values.delete(value);
    this.#chosen.set(attribute, values);
    for (const input of this.#menus.get(attribute)?.values.querySelectorAll('input') ?? []) if (input.value === value) input.checked = on;
    this.#showChosen();
    this.#onChange();
  }
}
