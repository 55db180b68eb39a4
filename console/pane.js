/** One person's side of the page: their client, their conversations, the one that is open. */

import { IndexedDbStorage, Tidings } from '../sdk/js/src/index.js';
import { Banner } from './banner.js';
import { Contacts } from './contacts.js';
import { startConversation } from './dialogs.js';
import { eachFrame, h, icon, iconButton } from './dom.js';
import { Finder } from './finder.js';
import { List } from './list.js';
import { Live } from './live.js';
import { Notices } from './notices.js';
import { avatar, fullName, learnNames, nameOf, shortName, tokenFor } from './people.js';
import { Product } from './product.js';
import { openProfile } from './profile.js';
import { Roster } from './roster.js';
import { MessageSearch } from './search.js';
import { badge, explain } from './text.js';
import { Thread } from './thread.js';
import { Toasts } from './toasts.js';

const TOAST_MS = 8_000;
/** How often it is said that somebody is here, while they move: well within what the server waits before it takes them for away. */
const HERE_MS = 30_000;
/** Of the people one talks to in twos, so many are watched: those at the top of the list. */
const PEERS = 200;
/** In larger conversations nobody is told who looks. */
const SEEN_BY = 32;

/** What a side can show. */
const VIEWS = /** @type {const} */ ({ conversations: ['message', 'Conversations'], people: ['search', 'People'], contacts: ['people', 'Contacts'] });

/** @typedef {keyof typeof VIEWS} View */

/** @param {unknown} name @returns {name is View} */
const isView = (name) => typeof name === 'string' && Object.hasOwn(VIEWS, name);

export class Pane {
  /** @type {Tidings | null} */
  client = null;
  /** Called when the name or the number beside it changes. */
  onTitle = (/** @type {string} */ _name, /** @type {number} */ _unread) => {};
  /** Called when another conversation is opened. */
  onSelect = () => {};
  /** Called once there are conversations to be seen, or nothing to wait for. */
  onSettled = () => {};
  /** @type {Set<string>} */
  #changed = new Set();
  #off = () => {};
  #notices = new Notices();
  /** Messages of an earlier visit that wait to be sent. */
  #kept = 0;
  /** Whether no conversation has been shown since signing in. */
  #blank = true;
  /** @type {Live | null} */
  #live = null;
  /** @type {Contacts | null} */
  #contacts = null;
  /** Made when it is first looked at. @type {Finder | null} */
  #finder = null;
  /** @type {Roster | null} */
  #roster = null;
  /** @type {Product | null} */
  #product = null;
  /** Where the product's backend is; empty for none. */
  #productAt;
  /** The profile that is open. @type {ReturnType<typeof openProfile> | null} */
  #profile = null;
  /** Ends the watching of the people one talks to. */
  #unwatch = () => {};
  #peers = '';
  /** When it was last said that somebody is here. */
  #here = 0;

  /** @param {{ side: string, people: { id: string, name: string }[], user: string, conversation: string, view: string | null, product: string }} options */
  constructor({ side, people, user, conversation, view, product }) {
    this.#productAt = product;
    this.side = side;
    this.user = user;
    /** @type {View} */
    this.view = isView(view) ? view : 'conversations';
    /** To be opened once it is there. */
    this.wanted = conversation;
    this.picker = h(
      'select.picker',
      { 'aria-label': `Person on the ${side}`, onchange: () => this.#become(this.picker.value) },
      // Two may be called the same: their ids tell them apart.
      ...people.map(({ id }) => h('option', { value: id, selected: id === user }, people.some((other) => other.id !== id && nameOf(other.id) === nameOf(id)) ? fullName(id) : nameOf(id))),
    );
    this.face = h('span');
    this.status = h('span.status', { role: 'status' });
    this.invisible = h('button.icon-button.invisible', { type: 'button', role: 'switch', 'aria-checked': 'false', 'aria-label': 'Invisible', onclick: () => this.#hide() });
    this.requests = h('span.badge', { hidden: true });
    this.views = h('nav.views', { 'aria-label': `What is shown on the ${side}` }, ...Object.entries(VIEWS).map(([view, [name, label]]) =>
      h('button', { type: 'button', 'data-view': view, onclick: () => this.look(/** @type {View} */ (view)) }, icon(name), h('span', null, label), view === 'contacts' ? this.requests : ''),
    ));
    this.banner = new Banner(() => this.client?.retryNow(), () => this.signIn());
    this.list = new List({ open: (id) => this.open(id), more: () => this.client?.loadConversations() });
    this.search = new MessageSearch({ side, list: this.list.element, open: (id, seq) => this.open(id, false, seq), opened: () => this.openId });
    this.thread = new Thread({ back: () => this.open(''), toast: (error) => this.toast(error), isShown: () => this.isShown, notices: this.#notices, profile: (user) => this.#open(user) });
    this.toasts = h('div.toasts', { role: 'alert' });
    this.news = new Toasts({ open: (id) => this.open(id), profile: (user) => this.#open(user), seen: product ? (badge) => this.#product?.seen(badge) ?? Promise.resolve() : null, toast: (error) => this.toast(error) });
    this.element = h(
      'section.pane',
      { 'data-side': side, 'aria-label': `${side === 'left' ? 'Left' : 'Right'} person` },
      h(
        'header.pane-head',
        null,
        this.face,
        h('div.who', null, this.picker, this.status),
        this.views,
        this.news.bell,
        this.invisible,
        iconButton('plus', 'New conversation', () => this.#start(), { className: 'icon-button start' }),
      ),
      this.news.badges,
      this.banner.element,
      this.news.element,
      (this.body = h('div.pane-body', null, this.search.element, this.thread.element)),
      this.toasts,
    );
    this.#showInvisible();
    this.#showView();
    this.update = eachFrame(() => this.#update());
    document.addEventListener('visibilitychange', () => this.shown());
    for (const name of ['pointermove', 'pointerdown', 'wheel', 'keydown']) this.element.addEventListener(name, () => this.#isHere(), { passive: true });
  }

  /** Who reads asks for nothing: the server would take them for away. */
  #isHere() {
    const now = Date.now();
    if (now - this.#here < HERE_MS) return;
    this.#here = now;
    this.client?.setAway(false);
  }

  get openId() {
    return this.thread.conversation?.id ?? '';
  }

  /** Whether somebody may be looking at a conversation: not in a background tab, not the hidden side of a narrow screen, nothing else is shown. */
  get isShown() {
    return document.visibilityState === 'visible' && this.body.offsetParent !== null;
  }

  /**
   * Shows conversations, people or contacts.
   * @param {View} view
   */
  look(view) {
    if (view === this.view) return;
    this.view = view;
    this.#showView();
    this.onSelect();
    this.shown();
    if (this.wanted) this.update();
  }

  /** It may have come into sight, or gone out of it. */
  shown() {
    this.thread.look();
    this.#tellWhere();
  }

  /** Goes to where one types what is looked for. */
  find() {
    if (this.view === 'people' && this.#finder) return this.#finder.field.focus();
    this.look('conversations');
    // A narrow screen shows the open conversation only.
    if (!this.search.field.checkVisibility()) this.open('');
    this.search.field.focus();
  }

  /** Others may see which conversation is looked at. */
  #tellWhere() {
    const { conversation } = this.thread;
    const seen = conversation?.loaded && conversation.role !== '' && conversation.memberCount <= SEEN_BY && this.isShown;
    this.client?.look(seen ? conversation.id : null);
    if (seen) this.news.looksAt(conversation.id);
  }

  /** Connects as the person chosen. */
  signIn() {
    this.#signOut();
    const { user } = this;
    const storage = globalThis.indexedDB ? new IndexedDbStorage({ name: `tidings-console-${user}` }) : undefined;
    const client = new Tidings({
      url: location.origin,
      getToken: () => tokenFor(user),
      device: device(this.side),
      storage,
      client: 'tidings-console',
    });
    this.client = client;
    this.#kept = 0;
    this.#blank = true;
    this.#product = this.#productAt ? new Product(this.#productAt, user) : null;
    this.#live = new Live(this.element, client);
    this.thread.presence = this.#live;
    this.#contacts = new Contacts(client, (users) => this.#contactsChanged(users));
    const offs = [
      client.on('change', ({ conversations, list }) => {
        for (const id of conversations) this.#changed.add(id);
        this.listChanged ||= list;
        // What one waits for to see at all is in the next frame; what changes later, in the one after that.
        if (this.#blank && client.conversations.length > 0) this.#update();
        else this.update();
      }),
      client.on('connection', () => {
        this.listChanged = true;
        this.update();
        // Without a connection there is no conversation yet to show them in.
        if (storage && client.connection.state === 'waiting' && client.user === '') void this.#countKept(client, storage);
      }),
      client.on('error', (error) => this.toast(error)),
      client.on('event', (event) => {
        if (!this.#notices.note(event, client)) return;
        this.#changed.add(event.conversation);
        this.update();
      }),
    ];
    this.#off = () => offs.forEach((off) => off());
    this.face.replaceChildren(avatar(nameOf(user), user));
    this.list.setClient(client, this.#live, nameOf(user));
    this.search.setClient(client);
    this.news.setClient(client);
    this.#showInvisible();
    this.#contactsChanged(null);
    this.#showView();
    this.listChanged = true;
    this.#update();
    // The banner shows how it goes.
    client.connect().catch(() => {});
  }

  /**
   * @param {string} id conversation; empty for the list only
   * @param {boolean} [focus] whether to begin writing
   * @param {number} [seq] a message to begin at
   */
  open(id, focus = true, seq = 0) {
    this.wanted = '';
    if (id) this.look('conversations');
    const conversation = id && this.client ? this.client.conversation(id) : null;
    // The thread comes last: it measures itself, and what changes after that is measured once more.
    this.list.select(id);
    this.element.classList.toggle('has-thread', conversation !== null);
    this.thread.show(conversation, this.client, focus);
    if (seq) void this.thread.history.toMessage(seq);
    this.search.render();
    this.onSelect();
    this.update();
  }

  /** @param {{ code: string, message: string, commandId?: string }} error */
  toast(error) {
    // The banner says it already, or the message itself.
    const atMessage = (/** @type {{ commandId: string }} */ { commandId }) => commandId === error.commandId;
    if (error.code === 'closed' || this.client?.conversations.some(({ pending }) => pending.some(atMessage)) || this.thread.shows(error.commandId)) return;
    const element = h('div.toast', null, h('p', null, explain(error)), iconButton('close', 'Dismiss', () => element.remove()));
    this.toasts.append(element);
    while (this.toasts.childElementCount > 3) this.toasts.firstElementChild.remove();
    setTimeout(() => element.remove(), TOAST_MS);
  }

  /** @param {string} user */
  #become(user) {
    this.user = user;
    this.#notices.clear();
    this.open('');
    this.signIn();
  }

  /**
   * @param {Tidings} client
   * @param {IndexedDbStorage} storage
   */
  async #countKept(client, storage) {
    // What cannot be read the client tells of itself.
    const entries = await storage.load().catch(() => []);
    if (client !== this.client) return;
    this.#kept = entries.filter(({ request, error }) => 'post_message' in request && !error).length;
    this.update();
  }

  #signOut() {
    this.#off();
    this.thread.show(null, null);
    this.search.setClient(null);
    this.news.setClient(null);
    this.element.classList.remove('has-thread');
    for (const part of [this.#live, this.#contacts, this.#finder, this.#roster]) part?.close();
    for (const part of [this.#finder, this.#roster]) part?.element.remove();
    this.#live = this.#contacts = this.#finder = this.#roster = null;
    this.#profile?.element.close();
    this.#unwatch();
    this.#peers = '';
    this.client?.close();
    this.client = null;
  }

  #showView() {
    for (const button of this.views.children) button.setAttribute('aria-current', button.dataset.view === this.view ? 'page' : 'false');
    this.element.dataset.view = this.view;
    this.body.hidden = this.view !== 'conversations';
    const { client } = this;
    if (client && this.#live && this.#contacts) {
      const common = { client, live: this.#live, contacts: this.#contacts, message: (/** @type {string} */ user) => this.#talk(user), profile: (/** @type {string} */ user) => this.#open(user) };
      if (this.view === 'people' && !this.#finder) {
        this.#finder = new Finder({ ...common, add: (user) => client.addContact(user), side: this.side });
        this.body.after(this.#finder.element);
      }
      if (this.view === 'contacts' && !this.#roster) {
        this.#roster = new Roster({ ...common, find: () => this.look('people') });
        this.body.after(this.#roster.element);
      }
    }
    this.#finder?.show(this.view === 'people');
    this.#roster?.show(this.view === 'contacts');
  }

  /** @param {readonly string[] | null} users */
  #contactsChanged(users) {
    const asking = this.#contacts?.all('asking').length ?? 0;
    this.requests.hidden = asking === 0;
    this.requests.textContent = badge(asking);
    this.requests.setAttribute('aria-label', `${asking} waiting`);
    this.#finder?.contactsChanged(users);
    this.#profile?.contactsChanged();
    this.#roster?.render();
  }

  /** @param {string} user whose profile to open */
  #open(user) {
    const { client } = this;
    if (!client || !this.#live || !this.#contacts) return;
    this.#profile?.element.close();
    const profile = openProfile(user, {
      client, live: this.#live, contacts: this.#contacts, product: this.#product, within: this.element,
      message: (user) => this.#talk(user), add: (user) => client.addContact(user),
    });
    this.#profile = profile;
    profile.element.addEventListener('close', () => {
      if (this.#profile === profile) this.#profile = null;
    });
  }

  /** @param {string} user to write to */
  async #talk(user) {
    const { client } = this;
    if (!client) return;
    const conversation = await client.startDirect(user);
    if (client === this.client) this.open(conversation.id);
  }

  async #hide() {
    // A refusal is shown by the client's error event.
    await this.client?.setInvisible(!this.client.invisible).catch(() => {});
  }

  #showInvisible() {
    const invisible = this.client?.invisible ?? false;
    if (this.invisible.getAttribute('aria-checked') === String(invisible) && this.invisible.firstChild) return;
    this.invisible.setAttribute('aria-checked', String(invisible));
    this.invisible.title = invisible ? 'Others see you as not here. Show yourself again' : 'Be invisible: others see you as not here';
    this.invisible.replaceChildren(icon(invisible ? 'hidden' : 'eye'));
  }

  /** Watches whom one talks to, and learns their names. */
  #watchPeers() {
    const { client } = this;
    if (client?.connection.state !== 'online') return;
    const users = client.conversations.filter(({ kind }) => kind === 'direct').map(({ peer }) => peer).slice(0, PEERS);
    const peers = users.toSorted().join('\n');
    if (peers === this.#peers) return;
    this.#peers = peers;
    const before = this.#unwatch;
    this.#unwatch = client.watchUsers(users);
    before();
    void learnNames(client, users).then((learnt) => {
      if (!learnt || client !== this.client) return;
      this.listChanged = true;
      this.update();
    });
  }

  async #start() {
    const { client } = this;
    if (!client) return;
    const chosen = await startConversation(this.user);
    if (!chosen) return;
    try {
      const conversation = chosen.title
        ? await client.createGroup({ title: chosen.title, members: chosen.users })
        : await client.startDirect(chosen.users[0]);
      if (client === this.client) this.open(conversation.id);
    } catch {
      // The client's error event has said so.
    }
  }

  #update() {
    const { client } = this;
    if (!client) return;
    const { connection } = client;
    const before = client.user !== '';
    this.banner.show(connection, before, before ? 0 : this.#kept);
    const signedOut = 'error' in connection && SIGN_IN.has(connection.error.code);
    this.status.textContent = signedOut ? 'Not signed in' : connection.state === 'online' && client.invisible ? 'Invisible' : STATUS[connection.state];
    this.status.dataset.state = connection.state;
    this.status.classList.toggle('hides', client.invisible);
    if (this.listChanged) {
      this.#blank &&= client.conversations.length === 0;
      this.#showInvisible();
      this.#watchPeers();
      this.list.render();
      this.thread.offer(client.conversations.length > 0);
    }
    if (this.listChanged) this.onTitle(shortName(this.user), client.unreadTotal);
    // In another view it waits until conversations are shown.
    const opens = this.wanted !== '' && this.view === 'conversations' && client.conversation(this.wanted).loaded;
    if (opens) this.open(this.wanted, false);
    if (this.thread.conversation?.gone) {
      this.thread.lose();
      this.list.select('');
      this.onSelect();
    }
    if (!opens && this.openId && (this.#changed.has(this.openId) || this.listChanged)) this.thread.render();
    if (this.#changed.has(this.thread.lostId)) this.thread.renderLost();
    this.#tellWhere();
    this.#changed.clear();
    this.listChanged = false;
    if (!this.#blank || ['online', 'waiting', 'closed'].includes(connection.state)) this.#settle();
  }

  /** What comes after it comes after the frame, too. */
  #settle() {
    const { onSettled } = this;
    this.onSettled = () => {};
    requestAnimationFrame(() => setTimeout(onSettled));
  }
}

const STATUS = { idle: 'Signed out', connecting: 'Connecting…', syncing: 'Connecting…', online: 'Online', waiting: 'Offline', closed: 'Offline' };

/** Codes that say that there is no token, rather than no connection. */
const SIGN_IN = new Set(['token_unavailable', 'unauthenticated', 'token_expired']);

/** @param {string} side one device for each side, so that both may sign in as the same person */
function device(side) {
  const key = `tidings.console.${side}`;
  try {
    const known = localStorage.getItem(key);
    if (known) return known;
    const made = `console-${side}-${Math.random().toString(36).slice(2, 12)}`;
    localStorage.setItem(key, made);
    return made;
  } catch {
    return `console-${side}`;
  }
}
