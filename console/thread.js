/** The open conversation: its title, its history, and where one writes. */

import { Composer } from './composer.js';
import { details } from './dialogs.js';
import { h, iconButton } from './dom.js';
import { Held } from './held.js';
import { History } from './history.js';
import { titleOf } from './list.js';
import { avatar, fullName, nameOf, shortName } from './people.js';
import { listed, plural } from './text.js';

/** A screen reader has begun to read by then. */
const SAID_MS = 3000;

export class Thread {
  /** @type {import('../sdk/js/src/index.js').Conversation | null} */
  conversation = null;
  /** @type {import('../sdk/js/src/index.js').Tidings | null} */
  #client = null;
  /** Who is here, as the signed-in person sees it. @type {import('./live.js').Live | null} */
  presence = null;
  /** The one that was shown until it was no more. @type {import('../sdk/js/src/index.js').Conversation | null} */
  #lost = null;
  /** What the title was made from. */
  #titled = '';
  /** The newest message that was read out. */
  #lastSeq = 0;
  /** The newest notice that was. */
  #lastNotice = '';

  /** @param {{ back: () => void, toast: (error: any) => void, isShown: () => boolean, notices: import('./notices.js').Notices, profile: (user: string) => void }} actions */
  constructor({ back, toast, isShown, notices, profile }) {
    this.profile = profile;
    this.held = new Held();
    this.notices = notices;
    this.toast = toast;
    this.leave = back;
    this.head = h('header.thread-head');
    /** Who else is looking at it. */
    this.lookers = h('span.lookers');
    this.back = iconButton('back', 'Back to the conversations', back, { className: 'icon-button back' });
    /** Reads out what comes in, and only that. */
    this.live = h('div.unseen', { 'aria-live': 'polite' });
    this.typingLine = h('div.typing-line', { 'aria-live': 'off' });
    this.composer = new Composer({ scrollDown: () => this.history.toNewest() });
    this.history = new History({
      toast,
      isShown,
      notices,
      reply: (message) => this.composer.reply(message),
      edit: (message) => void this.composer.edit(message).catch(toast),
    });
    this.unsent = h('div.unsent');
    this.choose = h('p', { hidden: true }, 'Choose a conversation');
    this.empty = h('div.nothing', null, this.choose);
    this.view = h('div.thread-view', { hidden: true }, this.head, this.held.element, this.history.element, this.typingLine, this.composer.element, this.live);
    this.element = h('div.thread', null, this.empty, this.view);
  }

  /**
   * @param {import('../sdk/js/src/index.js').Conversation | null} conversation
   * @param {import('../sdk/js/src/index.js').Tidings | null} client
   * @param {boolean} [focus] whether to begin writing
   */
  show(conversation, client, focus = false) {
    this.#lost = null;
    if (!conversation) this.empty.replaceChildren(this.choose);
    if (conversation === this.conversation) return;
    this.conversation?.close();
    this.conversation = conversation;
    this.#client = client;
    this.#lastSeq = conversation?.lastSeq ?? 0;
    this.#lastNotice = (conversation && this.notices.of(conversation.id).at(-1)?.key) || '';
    this.live.textContent = '';
    this.empty.hidden = conversation !== null;
    this.view.hidden = conversation === null;
    this.held.show(conversation, client);
    this.composer.setConversation(conversation, client);
    this.history.show(conversation, client);
    if (!conversation) return;
    this.render();
    conversation
      .open()
      .catch((error) => conversation === this.conversation && this.toast(error))
      .then(() => conversation === this.conversation && this.history.opened());
    if (focus && matchMedia('(hover: hover)').matches) this.composer.focus();
  }

  /** @param {string} [commandId] of a message, perhaps of a conversation that is no more */
  shows(commandId) {
    return this.#lost?.pending.some((message) => message.commandId === commandId) ?? false;
  }

  /** The conversation that is no more, while that is said; empty for none. */
  get lostId() {
    return this.#lost?.id ?? '';
  }

  /** @param {boolean} any whether there is a conversation to choose */
  offer(any) {
    this.choose.hidden = !any;
  }

  /** The conversation is no more: says so in its place, with what was written there and not sent. */
  lose() {
    const lost = this.conversation;
    this.show(null, this.#client);
    this.#lost = lost;
    this.unsent = h('div.unsent');
    this.empty.replaceChildren(
      h('p', { role: 'status' }, 'This conversation is not on the server any more.'),
      this.unsent,
      h('button.text-button', { type: 'button', onclick: this.leave }, 'Back to the conversations'),
    );
    this.renderLost();
  }

  /** What was written in a conversation that is no more can still be copied. */
  renderLost() {
    const pending = this.#lost?.pending ?? [];
    this.unsent.hidden = pending.length === 0;
    if (pending.length === 0) return this.unsent.replaceChildren();
    this.unsent.replaceChildren(
      h('p', null, 'Not sent:'),
      ...pending.map(({ commandId, text, state }) =>
        h(
          'div.unsent-message',
          null,
          h('span.text', null, text),
          state === 'failed' ? h('button.text-button', { type: 'button', onclick: () => this.#client?.discard(commandId) }, 'Delete') : '',
        ),
      ),
    );
  }

  render() {
    const { conversation } = this;
    if (!conversation) return;
    this.#renderHead(conversation);
    const { typing, looking } = conversation;
    const watching = looking.length === 0 ? '' : `${named(looking)} ${looking.length === 1 ? 'is' : 'are'} looking at this`;
    if (this.lookers.textContent !== watching) this.lookers.textContent = watching;
    this.typingLine.textContent = typing.length === 0 ? '' : `${named(typing)} ${typing.length === 1 ? 'is' : 'are'} typing…`;
    this.held.render();
    this.composer.render();
    this.history.render();
    this.#announce(conversation);
  }

  /** It may have come into sight. */
  look() {
    this.history.look();
  }

  /** @param {import('../sdk/js/src/index.js').Conversation} conversation */
  #renderHead(conversation) {
    const { id, kind, memberCount, muted, context, role } = conversation;
    const title = titleOf(conversation);
    const under = [
      kind === 'group' ? (role === '' ? 'You have left' : plural(memberCount, 'member')) : '',
      context ? `About ${context}` : '',
      muted ? 'Muted' : '',
    ].filter(Boolean).join(' · ');
    const titled = JSON.stringify([id, title, under]);
    if (titled === this.#titled) return;
    this.#titled = titled;
    this.history.scroller.setAttribute('aria-label', `Messages: ${title}, as ${nameOf(this.#client?.user ?? '')} sees them`);
    this.head.replaceChildren(
      this.back,
      avatar(title, kind === 'direct' ? conversation.peer : id),
      h(
        'div.thread-title',
        null,
        h('h2', { title: kind === 'direct' ? fullName(conversation.peer) : title }, title),
        h('p', null, kind === 'direct' ? this.presence?.dot(conversation.peer) : '', kind === 'direct' ? this.presence?.words(conversation.peer) : '', under ? h('span.under', null, under) : '', this.lookers),
      ),
      iconButton('more', 'Details and settings', () => {
        if (this.#client) details(conversation, this.#client, this);
      }),
    );
  }

  /** @param {import('../sdk/js/src/index.js').Conversation} conversation */
  #announce({ id, lastMessage }) {
    const notice = this.notices.of(id).at(-1);
    if (notice && notice.key !== this.#lastNotice) {
      this.#lastNotice = notice.key;
      this.#say(notice.text);
    }
    if (!lastMessage || lastMessage.seq <= this.#lastSeq) return;
    this.#lastSeq = lastMessage.seq;
    if (lastMessage.author !== this.#client?.user) this.#say(`${nameOf(lastMessage.author)}: ${lastMessage.text}`);
  }

  /**
   * Tells a screen reader. What was told does not stay in the page: it may be taken back.
   * @param {string} text
   */
  #say(text) {
    this.live.textContent = text;
    setTimeout(() => {
      if (this.live.textContent === text) this.live.textContent = '';
    }, SAID_MS);
  }
}

/** @param {readonly string[]} users */
const named = (users) => (users.length > 3 ? 'Several people' : listed(users.map(shortName)));
