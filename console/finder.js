/** Finding people: what is looked for, who is found, and whether they are here. */

import { card } from './card.js';
import { h, icon, iconButton } from './dom.js';
import { Facets } from './facets.js';
import { faultBox, showFault } from './fault.js';
import { Newcomers } from './newcomers.js';
import { introduce } from './people.js';
import { plural } from './text.js';

/** Typing has paused. */
const PAUSE_MS = 250;
/** Who is still typing is not told that it is wrong so far. */
const FAULT_MS = 1_000;
/** Shown at a time. */
const PAGE = 20;

const EXAMPLES = [
  ['hiking', 'has the word anywhere'],
  ['"rock climbing"', 'the words one after the other'],
  ['photo*', 'the beginning of a word'],
  ['surfing OR sailing', 'either'],
  ['hiking -dogs', 'the first, but not the second'],
  ['interests:hiking', 'has this among them'],
  ['city:berlin,hamburg', 'lives in one of them'],
  ['age:25..35', 'from 25 to 35; open ends: 25.. or ..35'],
  ['joined:-26w..', 'joined in the last 26 weeks'],
  ['near:52.52,13.40,30km', 'no farther from that place'],
  ['has:photo', 'has one'],
];

/**
 * @typedef {import('../sdk/js/types/index.js').PeopleSearch} PeopleSearch
 * @typedef {import('../sdk/js/types/index.js').FoundPeople} FoundPeople
 */

export class Finder {
  #client;
  #live;
  #actions;
  /** @type {Map<string, ReturnType<typeof card>>} */
  #cards = new Map();
  /** End the watching of each page of people. @type {(() => void)[]} */
  #watches = [];
  /** Which search is the latest one. */
  #search = 0;
  /** What the answer shown goes on with. */
  #next = '';
  /** What is shown answers this. @type {PeopleSearch | null} */
  #asked = null;
  #shown = false;
  /** Whether it is known which attributes there are to choose from. */
  #probed = false;
  /** Where one is oneself; null if the profile does not say. @type {Promise<{ lat: number, lon: number } | null> | null} */
  #place = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  #off;

  /**
   * @param {{
   *   client: import('../sdk/js/src/index.js').Tidings, live: import('./live.js').Live, contacts: import('./contacts.js').Contacts,
   *   message: (user: string) => Promise<unknown>, add: (user: string) => Promise<unknown>, profile: (user: string) => void, side: string,
   * }} options
   */
  constructor({ client, live, contacts, message, add, profile, side }) {
    this.#client = client;
    this.#live = live;
    this.#actions = { live, contacts, message, add, profile };
    const id = (/** @type {string} */ name) => `${side}-${name}`;
    this.field = h('input', {
      type: 'search', 'aria-label': 'Find people', 'aria-describedby': id('fault'), placeholder: 'Find people: words, city:berlin, age:25..35',
      autocomplete: 'off', autocapitalize: 'none', spellcheck: false, enterKeyHint: 'search', maxLength: 4096,
      oninput: (/** @type {InputEvent} */ event) => event.isComposing || this.#typed(),
      oncompositionend: () => this.#typed(),
    });
    this.help = h('div.query-help', { id: id('help'), hidden: true }, h('p', null, 'Words are looked for in what people write of themselves. For example:'), h('dl', null, ...EXAMPLES.flatMap(([query, what]) => [
      h('dt', null, h('button', { type: 'button', onclick: () => this.#example(query) }, query)),
      h('dd', null, what),
    ])));
    const asks = iconButton('help', 'How to search', () => {
      this.help.hidden = !this.help.hidden;
      asks.setAttribute('aria-expanded', String(!this.help.hidden));
    }, { 'aria-expanded': 'false', 'aria-controls': id('help') });
    this.fault = faultBox(id('fault'));
    this.facets = new Facets(() => this.#start());
    this.online = h('div.segments', { role: 'radiogroup', 'aria-label': 'Who is here' }, ...[['any', 'Everybody'], ['first', 'Online first'], ['only', 'Only online']].map(([value, label]) =>
      h('label', null, h('input', { type: 'radio', name: id('online'), value, checked: value === 'first', onchange: () => this.#start() }), h('span', null, label)),
    ));
    this.sort = h('select', { 'aria-label': 'Order', onchange: () => this.#start() }, ...[['relevance', 'Best match'], ['active', 'Last active'], ['newest', 'Newest'], ['distance', 'Nearest']].map(([value, label]) => h('option', { value }, label)));
    this.count = h('p.count', { role: 'status' });
    this.newcomers = new Newcomers(client, () => this.#anew());
    this.results = h('ul.results', { 'aria-label': 'People found' });
    this.more = h('button.more-people', { type: 'button', hidden: true, onclick: () => this.#more() }, 'More people');
    this.element = h(
      'div.finder',
      { hidden: true },
      h(
        'form.find-people',
        { role: 'search', onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          this.#start(0);
        } },
        h('div.query', null, icon('search'), this.field, asks),
        this.fault,
        this.help,
        h('div.narrow', null, this.facets.element, this.online),
        this.facets.chips,
      ),
      h('div.summary', null, this.count, h('label.order', null, h('span', null, 'Order'), this.sort)),
      this.newcomers.element,
      this.results,
      this.more,
    );
    this.#off = client.on('connection', ({ state }) => {
      // What could not be asked for, or was not answered.
      if (state === 'online' && this.#shown && !this.#watches.length) this.#start();
    });
  }

  /** @param {boolean} shown whether it is looked at: only then people are watched */
  show(shown) {
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.hidden = !shown;
    if (!shown) {
      this.newcomers.unwatch();
      return this.#unwatch();
    }
    // What was left before it was answered is asked again.
    if (!this.#asked || this.results.hasAttribute('aria-busy')) this.#start();
    else {
      this.#watch([...this.#cards.keys()]);
      // Without a connection, the next question watches.
      this.newcomers.rewatch(this.#asked, this.#cards).catch(() => {});
    }
    // Who is at something on the other side goes on there.
    const at = document.activeElement;
    const free = !at || at === document.body || this.element.closest('.pane')?.contains(at);
    if (free && matchMedia('(hover: hover)').matches) this.field.focus();
  }

  close() {
    this.#off();
    this.newcomers.close();
    this.#unwatch();
    clearTimeout(this.#typing);
    this.#search += 1;
    this.facets.end();
  }

  /** @param {readonly string[] | null} users whose contact state has changed; null for all */
  contactsChanged(users) {
    for (const user of users ?? this.#cards.keys()) this.#cards.get(user)?.renderContact();
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#start(FAULT_MS - PAUSE_MS), PAUSE_MS);
  }

  /** @param {string} query */
  #example(query) {
    this.field.value = query;
    this.field.focus();
    this.#start();
  }

  /** Those who have come are wanted. */
  async #anew() {
    const search = this.#search + 1;
    await this.#start();
    // What was pressed is gone: whoever pressed it by the keyboard goes on with who is found.
    if (search === this.#search && document.activeElement === document.body) this.results.querySelector('button')?.focus({ preventScroll: true });
  }

  /**
   * Begins anew with what is asked now.
   * @param {number} [patienceMs] how long a fault is kept to oneself
   */
  async #start(patienceMs = 0) {
    clearTimeout(this.#typing);
    const search = (this.#search += 1);
    const latest = () => search === this.#search;
    this.results.setAttribute('aria-busy', 'true');
    try {
      const asked = await this.#question();
      if (!latest()) return;
      const found = await this.#answer(asked);
      if (!latest()) return;
      this.#asked = asked;
      this.#blame(null);
      this.#show(found);
    } catch (error) {
      if (!latest()) return;
      if (patienceMs > 0 && /** @type {any} */ (error).code === 'invalid') this.#typing = setTimeout(() => latest() && this.#blame(error), patienceMs);
      else this.#blame(error);
    } finally {
      if (latest()) this.results.removeAttribute('aria-busy');
    }
  }

  /** @returns {Promise<PeopleSearch>} */
  async #question() {
    const query = this.field.value;
    const sort = this.sort.value;
    // From where the query is near to, or else from oneself.
    const from = sort === 'distance' && !/:\s*-?[\d.]+,-?[\d.]+,[\d.]/.test(query) ? ((await this.#ownPlace()) ?? undefined) : undefined;
    return { query, filter: this.facets.filter(), online: this.online.querySelector(':checked')?.value, sort, from, limit: PAGE, highlight: true };
  }

  /**
   * @param {PeopleSearch} asked
   * @returns {Promise<FoundPeople>}
   */
  async #answer(asked) {
    const { narrowed, attributes } = this.facets;
    try {
      const [found, ...others] = await Promise.all([
        this.#firstPage({ ...asked, facets: attributes.filter((attribute) => !narrowed.includes(attribute)) }),
        // Of what is chosen from, also what else there is.
        ...narrowed.map((attribute) => this.#client.searchPeople({ ...asked, filter: this.facets.filter(attribute), facets: [attribute], limit: 1, highlight: false })),
      ]);
      return { ...found, facets: [...found.facets, ...others.flatMap(({ facets }) => facets)] };
    } catch (error) {
      if (this.#probed || /** @type {any} */ (error).code !== 'invalid') throw error;
      // Perhaps it is the attributes, which are another server's.
      this.#probed = true;
      const there = await Promise.all(attributes.map((attribute) => this.#client.searchPeople({ facets: [attribute], limit: 1 }).then(() => [attribute], () => [])));
      this.facets.attributes = there.flat();
      if (this.facets.attributes.length === attributes.length) throw error;
      return this.#answer(asked);
    }
  }

  /** @param {PeopleSearch} asked */
  #firstPage(asked) {
    return this.#shown ? this.newcomers.watch(asked) : this.#client.searchPeople(asked);
  }

  /** Where one's own profile says one is. */
  #ownPlace() {
    const isPlace = (/** @type {any} */ value) => typeof value?.lat === 'number' && typeof value?.lon === 'number';
    this.#place ??= this.#client.profiles([this.#client.user]).then(
      ([own]) => /** @type {any} */ (Object.values(own?.attributes ?? {}).find(isPlace)) ?? null,
      () => (this.#place = null),
    );
    return this.#place;
  }

  /** @param {FoundPeople} found */
  #show(found) {
    this.#probed = true;
    this.#cards.clear();
    this.results.replaceChildren();
    this.#unwatch();
    this.#add(found);
    this.facets.show(found.facets);
    const { total, atLeast, cut } = found;
    this.count.textContent = [
      total === 0 ? 'Nobody is found.' : `${atLeast ? 'At least ' : ''}${plural(total, 'person', 'people')}`,
      cut ? 'The beginning of a word stands for too many words, so some may be missing: type more of it.' : '',
    ].filter(Boolean).join('. ');
    this.element.scrollTop = 0;
  }

  /** @param {FoundPeople} found */
  #add({ people, next }) {
    // Between two pages somebody may have moved on.
    const fresh = people.filter(({ user }) => !this.#cards.has(user));
    this.#live.learn(fresh);
    for (const person of fresh) {
      introduce(person.user, person.attributes.name);
      this.#cards.set(person.user, card(person, this.#actions));
    }
    this.results.append(...fresh.map(({ user }) => /** @type {any} */ (this.#cards.get(user)).element));
    this.#watch(fresh.map(({ user }) => user));
    this.#next = next;
    this.more.hidden = next === '';
  }

  async #more() {
    const search = this.#search;
    const next = this.#next;
    if (this.more.getAttribute('aria-busy') === 'true') return;
    this.more.setAttribute('aria-busy', 'true');
    try {
      const found = await this.#client.searchPeople({ ...this.#asked, after: next });
      if (search !== this.#search) return;
      const last = this.results.lastElementChild;
      const focused = this.more.contains(document.activeElement);
      this.#add(found);
      if (focused) /** @type {HTMLElement | null} */ (last?.nextElementSibling?.querySelector('button'))?.focus();
    } catch (error) {
      if (search === this.#search) this.#blame(error);
    } finally {
      this.more.removeAttribute('aria-busy');
    }
  }

  /** @param {string[]} users */
  #watch(users) {
    if (this.#shown) this.#watches.push(this.#client.watchUsers(users));
  }

  #unwatch() {
    for (const off of this.#watches.splice(0)) off();
  }

  /** @param {any} error null for none */
  #blame(error) {
    showFault(this.fault, this.field, error);
  }
}
