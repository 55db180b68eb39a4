/** The rows of a conversation: messages, days, holes. Each is made whole and replaced whole. */

import { confirm } from './dialogs.js';
import { h, icon, iconButton } from './dom.js';
import { said } from './list.js';
import { partsOf } from './mentions.js';
import { avatar, fullName, nameOf, shortName, tinted } from './people.js';
import { clock, dayName, explain, fullTime, isFewEmoji, linked, listed, plural } from './text.js';

const REACTIONS = ['👍', '❤️', '😂', '🎉', '😮'];

/**
 * @typedef {import('../sdk/js/types/index.js').Message} Message
 * @typedef {object} Context
 * @property {import('../sdk/js/src/index.js').Conversation} conversation
 * @property {import('../sdk/js/src/index.js').Tidings} client
 * @property {boolean} starts whether a group of messages starts here
 * @property {boolean} ends
 * @property {import('./history.js').History} history
 */

/** @param {number} ms */
export function dayRow(ms) {
  // What is in a separator is not read out, but its name is.
  return h('div.day', { role: 'separator', 'aria-label': dayName(ms) }, h('span', null, dayName(ms)));
}

export function newRow() {
  return h('div.new', { role: 'separator', 'aria-label': 'New messages' }, h('span', null, 'New'));
}

/** @param {import('./notices.js').Notice} notice */
export function noticeRow({ text, atMs }) {
  return h('p.note', { role: 'note', title: fullTime(atMs) }, text);
}

/** @param {{ after: number, before: number }} hole */
export function holeRow({ after, before }) {
  return h('div.hole', { 'data-after': String(after), 'data-before': String(before) }, h('span.spinner', { role: 'img', 'aria-label': 'Loading messages' }));
}

/**
 * @param {Message} message
 * @param {Context & { reply: Message | null | undefined, tick: import('../sdk/js/types/index.js').Tick | '' }} context
 */
export function messageRow(message, context) {
  const { conversation, client, starts, ends, reply, tick, history } = context;
  const mine = message.author === client.user;
  const gone = message.retracted || message.erased;
  const inGroup = conversation.kind === 'group';
  const body = gone ? h('span.gone', null, message.retracted ? 'Message taken back' : 'Message erased') : text(message, context);
  const large = !gone && !message.stub && !message.replyTo && isFewEmoji(message.text);
  const bubble = h(
    `div.bubble${large ? '.large' : ''}`,
    null,
    inGroup && !mine && starts ? tinted(h('span.author', { title: fullName(message.author) }, nameOf(message.author)), message.author) : '',
    message.replyTo && !gone ? quote(message.replyTo, reply, history) : '',
    body,
    h(
      'span.meta',
      { title: fullTime(message.atMs) + (message.editedMs && !gone ? `, edited ${fullTime(message.editedMs)}` : '') },
      message.editedMs && !gone ? h('span.edited', null, 'edited') : '',
      h('time', null, clock(message.atMs)),
      mine && !gone ? (inGroup && conversation.role !== '' ? readers() : ticks(tick)) : '',
    ),
  );
  const bar = gone || conversation.role === '' ? null : tools(message, context);
  const row = h(
    `div.row${mine ? '.mine' : ''}${starts ? '.starts' : ''}${ends ? '.ends' : ''}${gone ? '.is-gone' : ''}`,
    {
      role: 'article',
      'aria-label': `${mine ? 'You' : nameOf(message.author)}, ${clock(message.atMs)}: ${said(message)}`,
      'data-seq': String(message.seq),
      'data-key': `m${message.seq}`,
    },
    inGroup && !mine ? h('span.gutter', null, ends ? avatar(nameOf(message.author), message.author) : '') : '',
    h('div.column', null, h('div.line', null, bubble, bar?.element), reactions(message, context)),
  );
  // Without a pointer that hovers, a tap shows what can be done.
  bubble.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    if (event.target instanceof Element && event.target.closest('a, button')) return;
    const active = row.classList.contains('active');
    for (const other of history.rows.querySelectorAll('.row.active')) other.classList.remove('active');
    row.classList.toggle('active', !active);
  });
  return row;

  /** The tick of a message in a group says how many have read it, and on a click who. */
  function readers() {
    const { cursors } = conversation;
    const read = cursors.filter(({ readSeq }) => readSeq >= message.seq).length;
    const so = cursors.length > 0 && read > 0 && tick !== 'read' ? `Read by ${read} of ${cursors.length}` : TICKS[tick || 'sent'];
    return h('button.ticks', { type: 'button', title: `${so}. Who has read it?`, 'aria-label': `${so}. Who has read it?`, onclick: () => {
      for (const other of history.rows.querySelectorAll('.row.active')) if (other !== row) other.classList.remove('active');
      row.classList.add('active');
      void bar?.showReceipts();
    } }, ticks(tick));
  }
}

/**
 * @param {import('../sdk/js/types/index.js').PendingMessage} pending
 * @param {Context} context
 */
export function pendingRow(pending, { client, conversation, starts, ends, history }) {
  const failed = pending.state === 'failed';
  const way = { failed: 'not sent', held: 'waiting for a moderator', sent: 'sending', pending: 'sending' }[pending.state];
  const large = isFewEmoji(pending.text);
  const act = (/** @type {() => unknown} */ action) => async () => {
    try {
      await action();
    } catch {
      // It is shown as refused again.
    }
  };
  return h(
    `div.row.mine.pending${failed ? '.failed' : ''}${starts ? '.starts' : ''}${ends ? '.ends' : ''}`,
    { role: 'article', 'aria-label': `You, ${way}: ${pending.text.slice(0, 200)}`, 'data-key': `p${pending.commandId}` },
    h(
      'div.column',
      null,
      h(
        'div.line',
        null,
        h(
          `div.bubble${large ? '.large' : ''}`,
          null,
          pending.replyTo ? quote(pending.replyTo, conversation.message(pending.replyTo), history) : '',
          h('span.text', null, ...named(pending.text, pending.mentions, client.user)),
          h(
            'span.meta',
            null,
            h('time', null, clock(pending.createdMs)),
            failed ? icon('warning') : pending.state === 'sent' ? ticks('sent') : pending.state === 'held' ? h('span.tick', { title: 'Waiting for a moderator' }, 'held') : h('span.tick', { title: 'Sending', role: 'img', 'aria-label': 'Sending' }, icon('clock')),
          ),
        ),
      ),
      failed
        ? h(
            'div.failure',
            { role: 'alert' },
            h('span', null, `Not sent: ${pending.error ? explain(pending.error) : ''}`),
            h('button.text-button', { type: 'button', onclick: act(() => client.retry(pending.commandId)) }, 'Try again'),
            h('button.text-button', { type: 'button', onclick: act(() => client.discard(pending.commandId)) }, 'Delete'),
          )
        : '',
    ),
  );
}

/**
 * @param {Message} message
 * @param {Context} context
 */
function text(message, { conversation, client, history }) {
  if (!message.stub) return h('span.text', null, ...named(message.text, message.mentions, client.user));
  const button = h('button.text-button', { type: 'button', onclick: load }, 'Show the whole message');
  return h('span.text', null, 'A long message. ', button);

  async function load() {
    button.disabled = true;
    try {
      await conversation.loadText(message.seq);
    } catch (error) {
      history.toast(error);
      button.disabled = false;
    }
  }
}

/**
 * A text with those it mentions made visible, and its links.
 * @param {string} text
 * @param {readonly string[]} mentions
 * @param {string} me
 */
function named(text, mentions, me) {
  return partsOf(text, mentions).flatMap(({ text, user }) =>
    user ? [h(`span.mention${user === me ? '.me' : ''}`, { title: fullName(user) }, text)] : linked(text),
  );
}

/**
 * @param {number} seq
 * @param {Message | null | undefined} message
 * @param {import('./history.js').History} history
 */
function quote(seq, message, history) {
  return h(
    'button.quote',
    { type: 'button', onclick: () => void history.toMessage(seq) },
    h('span.quote-author', null, h('span.unseen', null, 'In reply to: '), message ? nameOf(message.author) : 'Earlier message'),
    h('span.quote-text', null, message ? said(message) : 'Go there'),
  );
}

const TICKS = { sent: 'Sent', delivered: 'Delivered', read: 'Read' };

/** @param {import('../sdk/js/types/index.js').Tick | ''} tick */
function ticks(tick) {
  const label = TICKS[tick || 'sent'];
  return h('span.tick', { 'data-tick': tick, title: label, role: 'img', 'aria-label': label }, icon(tick === 'sent' ? 'check' : 'checks'));
}

/**
 * @param {Message} message
 * @param {Context} context
 */
function reactions(message, { conversation }) {
  if (message.reactions.length === 0) return '';
  return h(
    'div.reactions',
    null,
    ...message.reactions.map(({ reaction, count, mine }) =>
      h(
        'button.reaction',
        {
          type: 'button',
          'data-place': `reaction ${reaction}`,
          disabled: conversation.role === '',
          'aria-pressed': String(mine),
          'aria-label': `${reaction}, ${plural(count, 'person', 'people')}${mine ? ', you too' : ''}`,
          onclick: () => void (mine ? conversation.unreact(message.seq, reaction) : conversation.react(message.seq, reaction)),
        },
        reaction,
        h('span', null, String(count)),
      ),
    ),
  );
}

/**
 * What can be done with a message.
 * @param {Message} message
 * @param {Context} context
 */
function tools(message, { conversation, client, history }) {
  const mine = message.author === client.user;
  const mayRetract = mine || (conversation.kind === 'group' && (conversation.role === 'owner' || conversation.role === 'moderator'));
  const faces = h(
    'div.faces',
    { hidden: true },
    ...REACTIONS.map((reaction) =>
      h('button.face', { type: 'button', 'aria-label': `React with ${reaction}`, onclick: (/** @type {MouseEvent} */ event) => {
        // Without a pointer: what has the focus is about to be hidden.
        if (event.detail === 0) react.focus({ preventScroll: true });
        close();
        const given = message.reactions.some((each) => each.reaction === reaction && each.mine);
        void (given ? conversation.unreact(message.seq, reaction) : conversation.react(message.seq, reaction));
      } }, reaction),
    ),
  );
  const toggleFaces = () => {
    receipts.hidden = true;
    faces.hidden = !faces.hidden;
    react.setAttribute('aria-expanded', String(!faces.hidden));
    // They stand before it, where Tab does not go next.
    if (!faces.hidden) faces.querySelector('button')?.focus();
  };
  const react = iconButton('smile', 'React', toggleFaces, { 'aria-expanded': 'false' });
  /** What was wanted has been done. */
  const close = () => {
    faces.hidden = true;
    react.setAttribute('aria-expanded', 'false');
    receipts.hidden = true;
    bar.closest('.row')?.classList.remove('active');
  };
  const then = (/** @type {() => unknown} */ action) => () => {
    close();
    void action();
  };
  const receipts = h('div.receipts', { role: 'status', hidden: true });
  const bar = h(
    'div.tools',
    { role: 'toolbar', 'aria-label': 'Message actions', onkeydown: escape },
    faces,
    react,
    iconButton('reply', 'Reply', then(() => history.reply(message))),
    mine ? iconButton('edit', 'Edit', then(() => history.edit(message))) : '',
    mine ? iconButton('info', 'Who has read it', () => (receipts.hidden ? void showReceipts() : (receipts.hidden = true))) : '',
    mayRetract ? iconButton('trash', 'Take back', then(takeBack)) : '',
    receipts,
  );
  return { element: bar, showReceipts };

  /** @param {KeyboardEvent} event */
  function escape(event) {
    if (event.key !== 'Escape' || event.isComposing || (faces.hidden && receipts.hidden)) return;
    event.preventDefault();
    event.stopPropagation();
    if (faces.contains(document.activeElement)) react.focus({ preventScroll: true });
    faces.hidden = true;
    receipts.hidden = true;
    react.setAttribute('aria-expanded', 'false');
  }

  async function takeBack() {
    const whose = mine ? 'your message' : `the message of ${nameOf(message.author)}`;
    const sure = await confirm(`Take back ${whose}?`, `“${shortened(said(message))}” is removed for everybody. Nobody can bring it back.`, 'Take back');
    // A refusal is shown by the client's error event.
    if (sure) await conversation.retract(message.seq).catch(() => {});
  }

  async function showReceipts() {
    try {
      const found = await conversation.receipts(message.seq);
      const { read, delivered } = found;
      // The row may have been made anew meanwhile, with another place for it.
      const place = /** @type {HTMLElement} */ (bar.isConnected ? receipts : (history.rows.querySelector(`[data-seq="${message.seq}"] .receipts`) ?? receipts));
      if (conversation.kind === 'group') place.replaceChildren(...whoHasRead(found, message.seq));
      else place.textContent = `${shortName(conversation.peer)} has ${read ? 'read' : delivered ? 'received' : 'not received'} it${read || delivered ? '' : ' yet'}`;
      faces.hidden = true;
      react.setAttribute('aria-expanded', 'false');
      place.hidden = false;
    } catch (error) {
      history.toast(error);
    }
  }
}

/** @param {string} text so that it can be recognised */
const shortened = (text) => ([...text].length > 80 ? `${[...text].slice(0, 79).join('')}…` : text);

/**
 * Who has read a message of a group, who has only received it, and how many have neither.
 * @param {import('../sdk/js/types/index.js').Receipts} receipts
 * @param {number} seq
 */
function whoHasRead({ read, delivered, members, cursors }, seq) {
  const line = (/** @type {string} */ what, /** @type {number} */ count, /** @type {readonly import('../sdk/js/types/index.js').MemberCursor[]} */ who) => {
    if (count === 0) return '';
    const names = who.map(({ user }) => nameOf(user));
    // The server names no more than so many.
    const more = count - names.length;
    const said = more > 0 ? [...names, `${more.toLocaleString()} more`] : names;
    return h('p', { title: who.map(({ user }) => fullName(user)).join('\n') }, h('strong', null, what), ' ', listed(said));
  };
  const hasRead = (/** @type {{ readSeq: number }} */ { readSeq }) => readSeq >= seq;
  const missing = members - delivered;
  return [
    line('Read by', read, cursors.filter(hasRead)),
    line('Received by', delivered - read, cursors.filter((cursor) => !hasRead(cursor))),
    missing > 0 ? h('p', null, `Not yet received by ${delivered === 0 ? 'anybody' : plural(missing, 'other')}`) : '',
  ];
}
