/** One person's side of the page: their client, their conversations, the one that is open. */

import { IndexedDbStorage, Tidings } from '../sdk/js/src/index.js';
import { Banner } from './banner.js';
import { startConversation } from './dialogs.js';
import { eachFrame, h, iconButton } from './dom.js';
import { List } from './list.js';
import { Notices } from './notices.js';
import { avatar, fullName, nameOf, shortName, tokenFor } from './people.js';
import { explain } from './text.js';
import { Thread } from './thread.js';

const TOAST_MS = 8_000;

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

  /** @param {{ side: string, people: { id: string, name: string }[], user: string, conversation: string }} options */
  constructor({ side, people, user, conversation }) {
    this.side = side;
    this.user = user;
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
    this.banner = new Banner(() => this.client?.retryNow(), () => this.signIn());
    this.list = new List({ open: (id) => this.open(id), more: () => this.client?.loadConversations() });
    this.thread = new Thread({ back: () => this.open(''), toast: (error) => this.toast(error), isShown: () => this.isShown, notices: this.#notices });
    this.toasts = h('div.toasts', { role: 'alert' });
    this.element = h(
      'section.pane',
      { 'data-side': side, 'aria-label': `${side === 'left' ? 'Left' : 'Right'} person` },
      h(
        'header.pane-head',
        null,
        this.face,
        h('div.who', null, this.picker, this.status),
        iconButton('plus', 'New conversation', () => this.#start(), { className: 'icon-button start' }),
      ),
      this.banner.element,
      h('div.pane-body', null, this.list.element, this.thread.element),
      this.toasts,
    );
    this.update = eachFrame(() => this.#update());
    document.addEventListener('visibilitychange', () => this.shown());
  }

  get openId() {
    return this.thread.conversation?.id ?? '';
  }

  /** Whether somebody may be looking: not in a background tab, not the hidden side of a narrow screen. */
  get isShown() {
    return document.visibilityState === 'visible' && this.element.offsetParent !== null;
  }

  /** It may have come into sight. */
  shown() {
    this.thread.look();
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
    this.list.setClient(client, nameOf(user));
    this.listChanged = true;
    this.#update();
    // The banner shows how it goes.
    client.connect().catch(() => {});
  }

  /**
   * @param {string} id conversation; empty for the list only
   * @param {boolean} [focus] whether to begin writing
   */
  open(id, focus = true) {
    this.wanted = '';
    const conversation = id && this.client ? this.client.conversation(id) : null;
    // The thread comes last: it measures itself, and what changes after that is measured once more.
    this.list.select(id);
    this.element.classList.toggle('has-thread', conversation !== null);
    this.thread.show(conversation, this.client, focus);
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
    this.element.classList.remove('has-thread');
    this.client?.close();
    this.client = null;
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
    this.status.textContent = signedOut ? 'Not signed in' : STATUS[connection.state];
    this.status.dataset.state = connection.state;
    if (this.listChanged) {
      this.#blank &&= client.conversations.length === 0;
      this.list.render();
      this.thread.offer(client.conversations.length > 0);
    }
    if (this.listChanged) this.onTitle(shortName(this.user), client.unreadTotal);
    const opens = this.wanted !== '' && client.conversation(this.wanted).loaded;
    if (opens) this.open(this.wanted, false);
    if (this.thread.conversation?.gone) {
      this.thread.lose();
      this.list.select('');
      this.onSelect();
    }
    if (!opens && this.openId && (this.#changed.has(this.openId) || this.listChanged)) this.thread.render();
    if (this.#changed.has(this.thread.lostId)) this.thread.renderLost();
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
