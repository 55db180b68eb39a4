/** Extensions of the server, live: which act and how, what their hooks do and take, and what they log. */

import { confirm } from './dialogs.js';
import { busy } from './card.js';
import { arrange, h } from './dom.js';
import { agoWords, bytes, duration, explain, fullTime, number } from './text.js';

/** Lines of a log that are shown. */
const LINES = 50;

/** @typedef {{ extensions: any[], calls: any[] }} Answer what `GET /v1/extensions` says */

export class Extensions {
  /** @type {Map<string, Extension>} */
  #shown = new Map();
  #backend;
  #again;

  /**
   * @param {import('./backend.js').Backend} backend
   * @param {() => Promise<void>} again asks what is so now
   */
  constructor(backend, again) {
    this.#backend = backend;
    this.#again = again;
    this.list = h('ul.extensions', { 'aria-label': 'Extensions' });
    this.none = h('p.soft.queue-none', { hidden: true }, 'None is installed: ', h('code', null, 'tidings ext install FILE --activate'), ' does that.');
    this.element = h('div', null, this.list, this.none);
  }

  /** @param {Answer} answer */
  show({ extensions, calls }) {
    for (const id of this.#shown.keys()) if (!extensions.some((one) => one.id === id)) this.#shown.delete(id);
    for (const one of extensions) {
      const shown = this.#shown.get(one.id) ?? new Extension(one.id, this.#backend, this.#again);
      this.#shown.set(one.id, shown);
      shown.show(one, calls.filter(({ extension }) => extension === one.id));
    }
    arrange(this.list, extensions.map(({ id }) => /** @type {Extension} */ (this.#shown.get(id)).element));
    this.none.hidden = extensions.length > 0;
  }
}

/** One of them. Its parts stay and change what they say, so that a click that has begun and the focus are not lost. */
class Extension {
  /** @type {any} */
  #status = {};
  #id;
  #backend;
  #again;
  /** What the buttons were made for. */
  #offered = '';

  /**
   * @param {string} id
   * @param {import('./backend.js').Backend} backend
   * @param {() => Promise<void>} again
   */
  constructor(id, backend, again) {
    this.#id = id;
    this.#backend = backend;
    this.#again = again;
    this.version = h('span.soft');
    this.state = h('span.state');
    this.summary = h('p.soft');
    this.wrong = h('p.fault', { role: 'alert', hidden: true });
    this.facts = h('dl.figures');
    this.hooks = h('div.hooks');
    this.actions = h('div.held-actions');
    this.fault = h('p.fault', { role: 'alert', hidden: true });
    this.lines = h('ol.log-lines', { tabIndex: 0, 'aria-label': `Log of ${id}` });
    this.log = h('details.log', { ontoggle: () => this.log.open && void this.#readLog() }, h('summary', null, 'Log'), this.lines);
    this.element = h(
      'li.extension',
      { 'data-extension': id },
      h('div.extension-head', null, h('h3', null, id, ' ', this.version), this.state),
      this.summary,
      this.wrong,
      this.facts,
      this.hooks,
      this.log,
      this.actions,
      this.fault,
    );
  }

  /**
   * @param {any} status
   * @param {any[]} calls
   */
  show(status, calls) {
    this.#status = status;
    const { active, shadow, quarantine, versions, summary, order = active?.order } = status;
    set(this.version, active?.version ?? quarantine?.version ?? versions.at(-1)?.version ?? '');
    const state = active?.broken ? 'broken' : active ? 'active' : quarantine ? 'quarantined' : shadow ? 'shadow' : 'inactive';
    this.state.dataset.state = state;
    set(this.state, state === 'active' && shadow ? `active, ${shadow.version} in its shadow` : state === 'shadow' ? `${shadow.version} in shadow` : state);
    set(this.summary, summary);
    const wrong = active?.broken
      ? `It cannot act on this server: ${active.broken}`
      : quarantine
        ? `${quarantine.version} failed too often in ${quarantine.hook} and was stopped ${agoWords(quarantine.at_ms)}: ${quarantine.cause}. Roll back, activate a version, or deactivate it.`
        : active?.lacks_secrets?.length
          ? `It lacks ${active.lacks_secrets.length === 1 ? 'a secret' : 'secrets'} on this server: ${active.lacks_secrets.join(', ')}. Name the files under extensions.secrets in its configuration.`
          : '';
    this.wrong.hidden = wrong === '';
    set(this.wrong, wrong);
    figures(this.facts, [
      ['Order', order === undefined ? '' : String(order)],
      ['Acts since', active ? agoWords(active.at_ms) : ''],
      ['Lag', status.lag === undefined ? '' : `${number(status.lag)} ${status.lag === 1 ? 'position' : 'positions'}`],
      ['To tell again', number(status.waiting)],
      ['Set aside', number(status.parked)],
      ['Timers', number(status.timers)],
      ['Store', bytes(status.store_bytes)],
      ...Object.entries(status.counters).map(([name, sum]) => /** @type {[string, string]} */ ([name.replaceAll('_', ' '), number(sum)])),
    ]);
    this.#showHooks(active ?? shadow, calls);
    this.#offer();
    if (this.log.open) void this.#readLog();
  }

  /**
   * @param {any} acts
   * @param {any[]} calls
   */
  #showHooks(acts, calls) {
    const hooks = acts?.hooks ?? [];
    const rows = [
      ...calls,
      // Those that were not called yet.
      ...hooks.filter((/** @type {string} */ hook) => !calls.some((call) => call.hook === hook && call.version === acts.version)).map((/** @type {string} */ hook) => ({ hook, version: acts.version, calls: 0, outcomes: {} })),
    ];
    const known = new Map([...this.hooks.children].map((element) => [element.dataset.key, element]));
    arrange(this.hooks, rows.map((row) => {
      const key = `${row.hook} ${row.version}`;
      const element = known.get(key) ?? h('section', { 'data-key': key, 'data-hook': row.hook }, h('h4'), h('dl.figures'), h('p.fault', { hidden: true }));
      const [title, list, error] = element.children;
      const open = row.version === acts?.version && acts.left_alone.includes(row.hook);
      const apart = acts?.left_alone_for?.[row.hook] ?? [];
      set(title, row.version === acts?.version ? row.hook : `${row.hook}, ${row.version}`);
      const outcomes = Object.entries(row.outcomes).map(([outcome, count]) => `${number(/** @type {number} */ (count))} ${outcome}`);
      figures(list, [
        ['Calls', number(row.calls)],
        ['Outcomes', outcomes.join(', ')],
        ['Half within', row.calls ? duration(row.p50_us) : ''],
        ['99 % within', row.calls ? duration(row.p99_us) : ''],
        ['Fuel a call', row.calls ? `${number(row.fuel / row.calls)}, at most ${number(row.fuel_max)}` : ''],
        ['Memory', row.calls ? `at most ${bytes(row.memory_peak)}` : ''],
        ['Breaker', row.version !== acts?.version ? '' : open ? 'open: left alone for now' : apart.length > 0 ? `open for ${apart.join(', ')}` : 'closed'],
      ]);
      error.hidden = !row.last_error;
      set(error, row.last_error ? `Failed last with: ${row.last_error}` : '');
      return element;
    }));
  }

  /** What can be done, made anew only where that is something else. */
  #offer() {
    const { active, shadow, quarantine, rollback, versions, waiting, parked } = this.#status;
    const id = this.#id;
    const last = versions.at(-1)?.version;
    const waits = Boolean(active) && waiting + parked > 0;
    const offered = JSON.stringify([active?.version, shadow?.version, quarantine?.version, rollback, last, waits, parked > 0]);
    if (offered === this.#offered) return;
    this.#offered = offered;
    const focused = this.actions.contains(document.activeElement);
    const newer = last && last !== active?.version && last !== shadow?.version && last !== rollback;
    this.actions.replaceChildren(
      last && (!active || newer) ? this.#button(`Activate ${last}`, () => this.#ask('PUT', '/active', { version: last })) : '',
      rollback && (active || rollback !== last) ? this.#button(`Roll back to ${rollback}`, () => this.#ask('POST', '/rollback')) : '',
      shadow ? this.#button('End the shadow', () => this.#ask('DELETE', '/active?shadow=true'), 'quiet') : '',
      waits ? this.#button('Tell again', () => this.#ask('POST', '/waiting/retry', {})) : '',
      parked > 0 ? this.#button('Forget what is set aside…', async () => {
        const sure = await confirm('Forget what is set aside?', `${id} is never told of these events. The command “tidings ext waiting ${id}” lists them.`, 'Forget them');
        if (sure) await this.#ask('POST', '/waiting/forget', {});
      }, 'danger') : '',
      active || quarantine ? this.#button('Deactivate…', async () => {
        const sure = await confirm(`Deactivate ${id}?`, quarantine ? 'What it would look at is let be from now on, instead of being treated as its manifest says for failures.' : 'It is called no more, from the next message on. What it has decided, and its store, stay.', `Deactivate ${id}`);
        if (sure) await this.#ask('DELETE', '/active');
      }, 'danger') : '',
    );
    if (focused) this.actions.querySelector('button')?.focus();
  }

  /**
   * @param {string} label
   * @param {() => Promise<unknown>} action
   * @param {string} [kind]
   */
  #button(label, action, kind = '') {
    return h(`button.action${kind && `.${kind}`}`, { type: 'button', 'aria-label': `${label.replace('…', '')}: ${this.#id}`, onclick: busy(action) }, label);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  async #ask(method, path, body) {
    this.fault.hidden = true;
    try {
      await this.#backend.ask(method, `/v1/extensions/${encodeURIComponent(this.#id)}${path}`, body);
      await this.#again();
    } catch (error) {
      this.fault.hidden = false;
      this.fault.textContent = explain(/** @type {any} */ (error));
    }
  }

  async #readLog() {
    try {
      const { lines } = await this.#backend.ask('GET', `/v1/extensions/${encodeURIComponent(this.#id)}/logs`);
      const last = lines.slice(-LINES);
      const atEnd = this.lines.scrollHeight - this.lines.clientHeight - this.lines.scrollTop < 30;
      const key = JSON.stringify(last.at(-1) ?? null) + lines.length;
      if (this.lines.dataset.key === key) return;
      this.lines.dataset.key = key;
      this.lines.replaceChildren(
        ...(last.length > 0
          ? last.map((/** @type {any} */ { at_ms, hook, level, line, version }) => h('li', { 'data-level': level, title: `${fullTime(at_ms)}, ${version}, ${hook}` }, h('time', null, new Date(at_ms).toLocaleTimeString()), ` ${level} `, line))
          : [h('li.soft', null, 'It has written nothing on this server since that was started.')]),
      );
      if (atEnd) this.lines.scrollTop = this.lines.scrollHeight;
    } catch (error) {
      this.lines.replaceChildren(h('li', { role: 'alert' }, explain(/** @type {any} */ (error))));
    }
  }
}

/**
 * What an element says, touched only where that is something else.
 * @param {Element} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} list
 * @param {readonly [string, string][]} pairs those with nothing to say are left out
 */
function figures(list, pairs) {
  const said = pairs.filter(([, value]) => value !== '');
  const names = said.map(([name]) => name).join('\n');
  if (/** @type {HTMLElement} */ (list).dataset.names !== names) {
    /** @type {HTMLElement} */ (list).dataset.names = names;
    list.replaceChildren(...said.map(([name]) => h('div', null, h('dt', null, name), h('dd'))));
  }
  said.forEach(([, value], i) => set(/** @type {Element} */ (list.children[i].lastElementChild), value));
}
