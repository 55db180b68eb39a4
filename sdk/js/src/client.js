/** The client: what an app holds. */

import { TidingsError, refused } from './error.js';
import { expect } from './fetching.js';
import { foundMessagesFromWire, messageSearchToWire } from './messages.js';
import { peopleFromWire, profileFromWire, searchToWire } from './people.js';
import { faultOfOptions, unsendable } from './sendable.js';
import { Session } from './session.js';

/** @typedef {import('../types/index.js').Events} Events */

export class Tidings {
  #session;
  /** @type {{ of: readonly unknown[], list: import('./conversation.js').Conversation[] } | null} */
  #list = null;

  /** @param {import('../types/index.js').Options} options */
  constructor(options) {
    this.#session = new Session(options);
  }

  connect() {
    return this.#session.start();
  }
  close() {
    return this.#session.stop();
  }
  retryNow() {
    this.#session.connection.retryNow();
  }

  get user() {
    return this.#session.store.me;
  }
  get device() {
    return this.#session.device;
  }
  get connection() {
    return this.#session.state;
  }
  get limits() {
    return this.#session.limits;
  }

  get conversations() {
    const { sorted } = this.#session.store;
    if (this.#list?.of !== sorted) this.#list = { of: sorted, list: sorted.map(({ id }) => this.conversation(id)) };
    return this.#list.list;
  }
  get moreConversations() {
    return this.#session.store.more;
  }
  loadConversations() {
    return this.#session.fetching.conversations();
  }

  get unreadTotal() {
    const { store } = this.#session;
    let total = store.unreadTotal;
    for (const { id, unread, muted } of store.conversations.values()) {
      if (!muted) total -= unread - this.conversation(id).unread;
    }
    return total;
  }
  get blocked() {
    return this.#session.store.blocked;
  }

  /** @param {string} id */
  conversation(id) {
    return this.#session.conversation(id);
  }

  /**
   * @param {string} user
   * @param {{ context?: string }} [options]
   */
  startDirect(user, options) {
    const fault = faultOfOptions(options);
    if (fault) return refused(fault);
    const { context = '' } = options ?? {};
    return this.#started({ start_direct: { user, context } });
  }

  /** @param {{ title: string, members?: string[], historyFromStart?: boolean, maxMembers?: number }} group */
  createGroup(group) {
    const fault = faultOfOptions(group);
    if (fault) return refused(fault);
    // Without a title it is refused where it is looked at as a whole.
    const { title, members = [], historyFromStart = false, maxMembers = 0 } = group ?? /** @type {any} */ ({});
    return this.#started({
      create_group: { title, members, history_from_start: historyFromStart, max_members: maxMembers },
    });
  }

  /** @param {string} user */
  block(user) {
    return this.#session.command({ block_user: { user } });
  }
  /** @param {string} user */
  unblock(user) {
    return this.#session.command({ unblock_user: { user } });
  }
  async listBlocked() {
    return expect(await this.#session.ask({ list_blocked: {} }), 'blocked').users;
  }

  /** @param {string} user */
  addContact(user) {
    return this.#session.command({ add_contact: { user } });
  }
  /** @param {string} user */
  removeContact(user) {
    return this.#session.command({ remove_contact: { user } });
  }
  /** @param {{ after?: string, limit?: number }} [page] */
  async listContacts(page) {
    const fault = faultOfOptions(page);
    if (fault) throw fault;
    const { after = '', limit = 0 } = page ?? {};
    const { contacts, more } = expect(await this.#session.ask({ list_contacts: { after, limit } }), 'contacts');
    return { contacts: contacts.map(({ user, state, at_ms }) => ({ user, state, atMs: at_ms })), more };
  }

  /** @param {import('../types/index.js').PeopleSearch} [search] */
  async searchPeople(search) {
    const fault = faultOfOptions(search);
    if (fault) throw fault;
    const request = { search_people: searchToWire(search ?? {}) };
    return peopleFromWire(expect(await this.#session.ask(request), 'people'));
  }
  /**
   * @param {import('../types/index.js').PeopleSearch} search
   * @param {(news: import('../types/index.js').PeopleOnline) => void} listener
   */
  async watchPeople(search, listener) {
    const fault = faultOfOptions(search) ?? unsendable({ search_people: searchToWire(search ?? {}) });
    if (fault) throw fault;
    if (typeof listener !== 'function') throw new TidingsError({ code: 'invalid', message: 'watchPeople: what listens is no function' });
    return peopleFromWire(await this.#session.newcomers.watch(searchToWire(search ?? {}), listener));
  }
  unwatchPeople() {
    this.#session.newcomers.unwatch();
  }
  /** @param {readonly string[]} users */
  async profiles(users) {
    // What is no list is named where the request is looked at.
    const list = /** @type {string[]} */ (Array.isArray(users) ? [...users] : users);
    const { profiles } = expect(await this.#session.ask({ get_profiles: { users: list } }), 'profiles');
    return profiles.map(profileFromWire);
  }

  /** @param {import('../types/index.js').MessageSearch} [search] */
  async searchMessages(search) {
    const fault = faultOfOptions(search);
    if (fault) throw fault;
    const request = { search_messages: messageSearchToWire(search ?? {}) };
    return foundMessagesFromWire(expect(await this.#session.ask(request), 'found_messages'));
  }

  /**
   * @param {string} extension
   * @param {string} command
   * @param {Record<string, unknown>} [args]
   * @param {{ conversation?: string }} [options]
   */
  async invoke(extension, command, args, options) {
    const fault = faultOfOptions(args) ?? faultOfOptions(options);
    if (fault) throw fault;
    const { conversation } = options ?? {};
    const body = { extension, command, args: JSON.stringify(args ?? {}), ...(conversation ? { conversation } : {}) };
    const { answer } = await this.#session.command({ invoke: body });
    return answer ? JSON.parse(answer) : null;
  }

  /** They are kept as they are from then on. */
  notifications() {
    return this.#session.notifications.load();
  }
  get toasts() {
    return this.#session.notifications.toasts;
  }
  get badges() {
    return this.#session.notifications.badges;
  }
  /** @param {readonly number[]} toasts */
  seeToasts(toasts) {
    // What is no list is named where the request is looked at.
    const list = /** @type {number[]} */ (Array.isArray(toasts) ? [...toasts] : toasts);
    const { notifications } = this.#session;
    const seen = this.#session.command({ see_toasts: { toasts: list } });
    if (Array.isArray(list)) {
      notifications.putAway(list);
      seen.catch(() => notifications.bringBack(list));
    }
    return seen;
  }

  /** @param {string | null} conversation */
  look(conversation) {
    this.#session.looking.look(conversation);
  }

  get invisible() {
    return this.#session.store.invisible;
  }
  /** @param {boolean} invisible */
  setInvisible(invisible) {
    return this.#session.command({ set_invisible: { invisible } });
  }
  /** @param {boolean} away */
  setAway(away) {
    this.#session.presence.setAway(away);
  }
  /**
   * @param {readonly string[]} users
   * @param {{ roster?: boolean }} [options]
   */
  watchPresence(users, options) {
    const fault = faultOfOptions(options);
    if (fault) throw fault;
    const { roster = false } = options ?? {};
    const most = this.#session.presence.most;
    const count = Array.isArray(users) ? new Set(users).size : 0;
    if (count > most) throw new TidingsError({ code: 'invalid', message: `${count} users are to be watched: at most ${most}` });
    this.#session.presence.watch(users, roster);
  }
  /**
   * @param {readonly string[]} users
   * @param {{ roster?: boolean }} [options]
   */
  watchUsers(users, options) {
    const fault = faultOfOptions(options);
    if (fault) throw fault;
    const { roster = false } = options ?? {};
    return this.#session.presence.watchAlso(users, roster);
  }
  get presence() {
    return this.#session.presence.users;
  }

  /** @param {string} commandId */
  async retry(commandId) {
    return this.#session.outbox.retry(commandId).answer;
  }
  /** @param {string} commandId */
  discard(commandId) {
    this.#session.outbox.discard(commandId);
  }
  get waiting() {
    return this.#session.outbox.entries.filter(({ error }) => !error).length;
  }

  get pending() {
    const { pending } = this.#session;
    return [...pending.conversations].flatMap((id) => pending.of(id).map((message) => ({ conversation: this.conversation(id), message })));
  }

  /**
   * @template {keyof Events} K
   * @param {K} name
   * @param {(event: Events[K]) => void} listener
   */
  on(name, listener) {
    if (typeof listener !== 'function') throw new TidingsError({ code: 'invalid', message: `on: what listens to ${String(name)} is no function` });
    return this.#session.emitter.on(name, listener);
  }
  /**
   * @template {keyof Events} K
   * @param {K} name
   * @param {(event: Events[K]) => void} listener
   */
  off(name, listener) {
    this.#session.emitter.off(name, listener);
  }

  /** @param {import('../types/wire.js').Request} request that makes or finds a conversation */
  async #started(request) {
    const { conversation } = await this.#session.command(request);
    if (!conversation) throw new TidingsError({ code: 'internal', message: 'the reply names no conversation' });
    const handle = this.conversation(conversation);
    if (!handle.loaded) await this.#session.fetching.conversation(conversation);
    return handle;
  }
}
