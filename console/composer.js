/** Where one writes. Keeps a draft for each conversation. */

import { elementId, h, icon, iconButton } from './dom.js';
import { said } from './list.js';
import { Mentions } from './mentions.js';
import { nameOf, shortName } from './people.js';
import { plural } from './text.js';

/** From this share of the limit on, what is left is shown. */
const NEARLY_FULL = 0.9;

export class Composer {
  /** @type {import('../sdk/js/src/index.js').Conversation | null} */
  #conversation = null;
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  /** @type {Map<string, string>} */
  #drafts = new Map();
  /** @type {import('../sdk/js/types/index.js').Message | null} */
  #replyTo = null;
  /** @type {import('../sdk/js/types/index.js').Message | null} */
  #editing = null;
  #notice = '';

  /** @param {{ scrollDown: () => void }} actions */
  constructor({ scrollDown }) {
    this.scrollDown = scrollDown;
    this.field = h('textarea', {
      rows: 1,
      placeholder: 'Message',
      'aria-label': 'Message',
      enterKeyHint: 'send',
      oninput: () => this.#typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.send = h('button.send', { type: 'submit', 'aria-label': 'Send', title: 'Send (Enter)', disabled: true });
    this.send.append(icon('send'));
    this.left = h('span.left', { title: 'Bytes left' });
    this.problem = h('p.problem', { id: elementId('problem'), hidden: true });
    /** Reads the problem out when it comes up or stands in the way, not at every letter. */
    this.alert = h('p.unseen', { role: 'alert' });
    this.about = h('div.about', { hidden: true });
    this.mentions = new Mentions(this.field, () => this.#typed());
    this.form = h('form.composer', { onsubmit: (/** @type {Event} */ event) => this.#submit(event) }, this.mentions.element, this.about, h('div.field', null, this.field, this.left, this.send), this.problem, this.alert);
    this.instead = h('div.instead', { hidden: true });
    this.element = h('div.foot', null, this.form, this.instead);
  }

  /**
   * @param {import('../sdk/js/src/index.js').Conversation | null} conversation
   * @param {import('../sdk/js/src/index.js').Tidings | null} client
   */
  setConversation(conversation, client) {
    this.#keepDraft();
    this.#conversation = conversation;
    this.#client = client;
    this.#replyTo = null;
    this.#editing = null;
    this.#notice = '';
    this.mentions.show(conversation, client?.user ?? '');
    this.field.value = conversation ? (this.#drafts.get(this.#draftKey()) ?? '') : '';
    this.#refresh();
    if (conversation) this.render();
  }

  /** Whether one may write here at all. */
  render() {
    const conversation = this.#conversation;
    const client = this.#client;
    if (!conversation || !client) return;
    const blocked = conversation.kind === 'direct' && client.blocked.has(conversation.peer);
    const notice = !conversation.loaded ? 'loading' : conversation.role === '' ? 'left' : blocked ? 'blocked' : 'none';
    if (notice === this.#notice) return;
    this.#notice = notice;
    this.form.hidden = notice === 'left' || notice === 'blocked';
    this.instead.hidden = !this.form.hidden;
    if (notice === 'left') this.instead.replaceChildren('You are no longer a member of this group.');
    if (notice === 'blocked') {
      const unblock = h('button.text-button', { type: 'button', onclick: () => void client.unblock(conversation.peer) }, 'Unblock');
      this.instead.replaceChildren(`You have blocked ${shortName(conversation.peer)}. `, unblock);
    }
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** @param {import('../sdk/js/types/index.js').Message} message */
  reply(message) {
    if (this.#editing) this.field.value = '';
    this.#editing = null;
    this.#replyTo = message;
    this.#refresh();
    this.focus();
  }

  /** @param {import('../sdk/js/types/index.js').Message} message */
  async edit(message) {
    const conversation = this.#conversation;
    // Of a long one the text has to be fetched first: an empty field would be taken for it.
    const text = message.stub ? await conversation?.loadText(message.seq) : message.text;
    if (text === undefined || conversation !== this.#conversation) return;
    this.#keepDraft();
    this.#replyTo = null;
    this.#editing = { ...message, text, stub: false };
    this.field.value = text;
    this.#refresh();
    this.focus();
    this.field.setSelectionRange(text.length, text.length);
    // So that who is mentioned stays mentioned.
    if (message.mentions.length > 0) void this.mentions.typed();
  }

  #cancel() {
    if (this.#editing) this.field.value = this.#drafts.get(this.#draftKey()) ?? '';
    this.#editing = null;
    this.#replyTo = null;
    this.#refresh();
    this.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const conversation = this.#conversation;
    const text = this.field.value.trim();
    if (!conversation || text === '') return;
    if (this.#isTooLong(text)) return this.#say(this.problem.textContent);
    // A refusal is shown at the message, or by the client's error event.
    if (this.#editing) {
      if (text !== this.#editing.text) void conversation.edit(this.#editing.seq, text, { mentions: this.mentions.in(text) });
      this.#cancel();
    } else {
      void conversation.send(text, { replyTo: this.#replyTo?.seq ?? 0, mentions: this.mentions.in(text) });
      this.#replyTo = null;
      this.field.value = '';
      this.#drafts.delete(this.#draftKey());
      this.#refresh();
      this.focus();
      this.scrollDown();
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Enter also ends the choice of a word in Chinese or Japanese.
    if (event.isComposing || event.keyCode === 229) return;
    if (this.mentions.key(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) this.#submit(event);
    else if (event.key === 'Escape' && (this.#editing || this.#replyTo)) this.#cancel();
    else if (event.key === 'ArrowUp' && this.field.value === '' && !event.shiftKey) {
      const mine = this.#conversation?.messages.findLast(({ author, retracted, stub }) => author === this.#client?.user && !retracted && !stub);
      if (!mine) return;
      event.preventDefault();
      void this.edit(mine);
    }
  }

  #typed() {
    this.#refresh();
    void this.mentions.typed();
    if (!this.#editing) this.#conversation?.setTyping(this.field.value.trim() !== '');
  }

  #keepDraft() {
    if (!this.#conversation || this.#editing) return;
    if (this.field.value.trim() === '') this.#drafts.delete(this.#draftKey());
    else this.#drafts.set(this.#draftKey(), this.field.value);
  }

  #draftKey() {
    return `${this.#client?.user} ${this.#conversation?.id}`;
  }

  /** @param {string} text to be read out, also when it is the same as before */
  #say(text) {
    this.alert.textContent = '';
    if (text) requestAnimationFrame(() => (this.alert.textContent = text));
  }

  #refresh() {
    const { field } = this;
    field.style.height = 'auto';
    // Nothing to measure while it is empty, or not shown.
    if (field.value !== '' && field.scrollHeight > 0) field.style.height = `${field.scrollHeight}px`;
    const text = field.value.trim();
    const limit = this.#client?.limits?.text_bytes ?? Infinity;
    const bytes = text.length * 4 < limit * NEARLY_FULL ? 0 : new TextEncoder().encode(text).length;
    const over = bytes > limit;
    // Beyond the limit words say it.
    this.left.textContent = bytes > limit * NEARLY_FULL && !over ? (limit - bytes).toLocaleString() : '';
    this.send.disabled = text === '' || over;
    this.problem.textContent = over ? `Too long to send: ${plural(bytes - limit, 'byte')} over the limit of ${limit.toLocaleString()}. Make it shorter, or send it in parts.` : '';
    if (over === this.problem.hidden) {
      this.problem.hidden = !over;
      field.setAttribute('aria-invalid', String(over));
      if (over) field.setAttribute('aria-describedby', this.problem.id);
      else field.removeAttribute('aria-describedby');
      this.#say(this.problem.textContent);
    }
    const message = this.#editing ?? this.#replyTo;
    this.about.hidden = !message;
    if (message) {
      this.about.replaceChildren(
        h('p', null, h('strong', null, this.#editing ? 'Edit' : `Reply to ${nameOf(message.author)}`), ' ', said(message)),
        iconButton('close', 'Cancel', () => this.#cancel()),
      );
    }
  }

  /** @param {string} text */
  #isTooLong(text) {
    return new TextEncoder().encode(text).length > (this.#client?.limits?.text_bytes ?? Infinity);
  }
}

