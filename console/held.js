/** What moderation holds in the conversation that is open: of oneself, and for who leads a group of everybody, to be settled. */

import { dialogWithin } from './dialogs.js';
import { h, icon } from './dom.js';
import { Queue, waiting } from './queue.js';

const KINDS = new Set(['message_held', 'message_released', 'message_rejected']);

export class Held {
  /** @type {import('../sdk/js/src/index.js').Conversation | null} */
  #conversation = null;
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  #off = () => {};
  /** @type {readonly import('../sdk/js/types/index.js').HeldMessage[]} */
  #items = [];
  #more = false;
  /** As whom it was asked. */
  #role = '';
  /** Which question is the latest one. */
  #asked = 0;
  /** While it is looked at. @type {Queue | null} */
  #queue = null;

  constructor() {
    this.words = h('span', { role: 'status' });
    this.element = h('div.held-bar', { hidden: true }, icon('shield'), this.words, h('button.text-button', { type: 'button', onclick: () => this.#review() }, 'Look'));
  }

  /**
   * @param {import('../sdk/js/src/index.js').Conversation | null} conversation
   * @param {import('../sdk/js/src/index.js').Tidings | null} client
   */
  show(conversation, client) {
    this.#off();
    this.#off = () => {};
    this.#conversation = conversation;
    this.#client = client;
    this.#items = [];
    this.#role = conversation?.role ?? '';
    this.render();
    if (!conversation || !client) return;
    const offs = [
      client.on('event', (event) => event.conversation === conversation.id && KINDS.has(event.kind) && void this.#load()),
      client.on('connection', ({ state }) => state === 'online' && void this.#load()),
    ];
    this.#off = () => offs.forEach((off) => off());
    void this.#load();
  }

  render() {
    const conversation = this.#conversation;
    // Whom it concerns follows from who one is there.
    if (conversation && conversation.role !== this.#role) {
      this.#role = conversation.role;
      void this.#load();
    }
    // What one has written in this session stands in the history already, as held.
    const pending = new Set(conversation?.pending.map(({ commandId }) => commandId));
    const items = this.#leads ? this.#items : this.#items.filter(({ commandId }) => !pending.has(commandId));
    this.element.hidden = items.length === 0;
    const words = items.length === 0 ? '' : this.#leads ? waiting(items.length, this.#more) : `${waiting(items.length, this.#more)}. Only you see ${items.length === 1 ? 'it' : 'them'} until then`;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.#queue?.show(this.#listed(items));
  }

  get #leads() {
    return this.#conversation?.kind === 'group' && ['owner', 'moderator'].includes(this.#role);
  }

  async #load() {
    const conversation = this.#conversation;
    const asked = (this.#asked += 1);
    if (!conversation || conversation.role === '' || this.#client?.connection.state !== 'online') return;
    try {
      const { held, more } = await conversation.held();
      if (asked !== this.#asked || conversation !== this.#conversation) return;
      this.#items = held;
      this.#more = more;
      this.render();
    } catch {
      // Without a connection; it is asked again with the next one.
    }
  }

  #review() {
    const conversation = this.#conversation;
    if (!conversation) return;
    // What one has written oneself somebody else settles.
    const settle = this.#leads ? (/** @type {import('./queue.js').HeldItem} */ { held }, /** @type {any} */ settlement) => conversation.settleHeld(held, settlement) : null;
    const queue = (this.#queue = new Queue({ label: 'Held messages', settle }));
    const pane = /** @type {HTMLElement} */ (this.element.closest('.pane') ?? document.body);
    const element = dialogWithin(pane, 'Held messages', h('div.held-dialog', null, queue.element));
    element.addEventListener('close', () => {
      if (this.#queue === queue) this.#queue = null;
    });
    this.render();
  }

  /** @param {readonly import('../sdk/js/types/index.js').HeldMessage[]} items */
  #listed(items) {
    const conversation = this.#conversation?.id ?? '';
    return items.map((item) => ({ ...item, conversation, place: '' }));
  }
}
