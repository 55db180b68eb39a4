/** Contacts: who asks to be one, who is one and whether they are here, who has been asked. */

import { busy } from './card.js';
import { confirm } from './dialogs.js';
import { h, icon } from './dom.js';
import { avatar, beside, learnNames, nameOf } from './people.js';

/**
 * @typedef {import('../sdk/js/types/index.js').Contact} Contact
 */

export class Roster {
  #client;
  #live;
  #contacts;
  #message;
  #profile;
  #shown = false;
  #off = () => {};

  /**
   * @param {{
   *   client: import('../sdk/js/src/index.js').Tidings, live: import('./live.js').Live, contacts: import('./contacts.js').Contacts,
   *   message: (user: string) => Promise<unknown>, profile: (user: string) => void, find: () => void,
   * }} options
   */
  constructor({ client, live, contacts, message, profile, find }) {
    this.#client = client;
    this.#live = live;
    this.#contacts = contacts;
    this.#message = message;
    this.#profile = profile;
    this.find = find;
    this.element = h('div.roster', { hidden: true, tabIndex: -1 });
  }

  /** @param {boolean} shown whether it is looked at: only then contacts are watched */
  show(shown) {
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.hidden = !shown;
    this.#off();
    this.#off = () => {};
    if (!shown) return;
    this.render();
  }

  close() {
    this.#off();
  }

  render() {
    if (!this.#shown) return;
    const before = this.#off;
    const [asking, contacts, asked] = [this.#contacts.all('asking'), this.#contacts.all('contact'), this.#contacts.all('asked')];
    contacts.sort((a, b) => nameOf(a.user).localeCompare(nameOf(b.user)));
    // Those who are no contacts yet are not watched as such.
    this.#off = this.#client.watchUsers([...asking, ...asked].map(({ user }) => user), { roster: true });
    before();
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const at = this.element.contains(focused) ? { user: focused?.closest('li')?.dataset.user, label: focused?.getAttribute('aria-label') } : null;
    const empty = asking.length + contacts.length + asked.length === 0;
    this.element.replaceChildren(
      ...this.#part('Requests', asking, (user) => [this.#button('check', 'Accept', `Accept ${nameOf(user)}`, () => this.#client.addContact(user)), this.#button('close', 'Decline', `Decline ${nameOf(user)}`, () => this.#client.removeContact(user))]),
      ...this.#part('Contacts', contacts, (user) => [this.#button('message', 'Message', `Message ${nameOf(user)}`, () => this.#message(user)), this.#button('trash', 'Remove…', `Remove ${nameOf(user)}`, () => this.#remove(user))]),
      ...this.#part('Asked', asked, (user) => [this.#button('close', 'Take back', `Take the request to ${nameOf(user)} back`, () => this.#client.removeContact(user))]),
      ...(empty && this.#contacts.loaded ? [h('div.nothing', null, h('p', null, 'No contacts yet. Whom you add, and who accepts, is here with whether they are here, too.'), h('button.text-button', { type: 'button', onclick: this.find }, 'Find people'))] : []),
      ...(this.#contacts.loaded ? [] : [h('div.nothing', null, h('span.spinner', { role: 'img', 'aria-label': 'Loading' }))]),
    );
    if (at) this.#focus(at.user, at.label);
    void learnNames(this.#client, [...asking, ...contacts, ...asked].map(({ user }) => user)).then((any) => any && this.render());
  }

  /**
   * @param {string} title
   * @param {readonly Contact[]} contacts
   * @param {(user: string) => Node[]} actions
   */
  #part(title, contacts, actions) {
    if (contacts.length === 0) return [];
    return [
      h('h3', null, title, ' ', h('small', null, String(contacts.length))),
      h('ul', { 'aria-label': title }, ...contacts.map(({ user }) =>
        h('li.contact', { 'data-user': user }, h('span.portrait', null, avatar(nameOf(user), user), this.#live.dot(user)), h('div.contact-name', null, h('button.opens-profile', { type: 'button', title: 'Open the profile', onclick: () => this.#profile(user) }, nameOf(user), ...beside(nameOf(user).toLowerCase() === user ? '' : user)), this.#live.words(user)), h('div.contact-actions', null, ...actions(user))),
      )),
    ];
  }

  /**
   * @param {Parameters<typeof icon>[0]} name
   * @param {string} label
   * @param {string} whole
   * @param {() => Promise<unknown>} action
   */
  #button(name, label, whole, action) {
    return h('button.action', { type: 'button', 'aria-label': whole, title: whole, onclick: busy(action) }, icon(name), h('span', null, label));
  }

  /** @param {string} user */
  async #remove(user) {
    const name = nameOf(user);
    const sure = await confirm(`Remove ${name}?`, `Neither of you is a contact of the other any more. What you have written to each other stays.`, `Remove ${name}`);
    if (sure) await this.#client.removeContact(user);
  }

  /**
   * @param {string | undefined} user
   * @param {string | null | undefined} label
   */
  #focus(user, label) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll('button')]);
    const there = buttons.find((button) => button.getAttribute('aria-label') === label) ?? buttons.find((button) => button.closest('li')?.dataset.user === user);
    (there ?? this.element).focus();
  }
}
