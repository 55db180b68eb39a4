/** Dialogs: starting a conversation, and the details of one. */

import { h, icon, iconButton } from './dom.js';
import { titleOf } from './list.js';
import { avatar, beside, everybody, nameOf } from './people.js';
import { plural } from './text.js';

/**
 * @param {string} title
 * @param {...(Node | string)} children
 */
export const dialog = (title, ...children) => dialogWithin(document.body, title, ...children);

/**
 * @param {HTMLElement} parent whose styles are the dialog's
 * @param {string} title
 * @param {...(Node | string)} children
 */
export function dialogWithin(parent, title, ...children) {
  const element = h(
    'dialog',
    { 'aria-label': title, onclick: (/** @type {MouseEvent} */ event) => event.target === element && element.close() },
    h('header', null, h('h2', null, title), iconButton('close', 'Close', () => element.close())),
    ...children,
  );
  element.addEventListener('close', () => element.remove());
  parent.append(element);
  element.showModal();
  return element;
}

/**
 * Lets choose one person for a conversation of two, or several for a group.
 * @param {string} me
 * @returns {Promise<{ users: string[], title: string } | null>}
 */
export function startConversation(me) {
  return new Promise((resolve) => {
    const title = h('input', { type: 'text', maxLength: 120, placeholder: 'Name of the group', 'aria-label': 'Name of the group' });
    const titleRow = h('p.group-title', { hidden: true }, title);
    const go = h('button.primary', { type: 'submit', disabled: true }, 'Start');
    const list = people(everybody().filter((user) => user !== me), refresh);
    const form = h(
      'form',
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          const users = list.chosen();
          chosen = { users, title: users.length > 1 ? title.value.trim() || users.map(nameOf).join(', ').slice(0, 80) : '' };
          element.close();
        },
      },
      list.element,
      titleRow,
      h('footer', null, go),
    );
    /** @type {{ users: string[], title: string } | null} */
    let chosen = null;
    const element = dialog('New conversation', form);
    element.addEventListener('close', () => resolve(chosen));

    function refresh() {
      const count = list.chosen().length;
      go.disabled = count === 0;
      go.textContent = count > 1 ? `Start group of ${count + 1}` : 'Start';
      titleRow.hidden = count < 2;
    }
  });
}

/**
 * Asks before something is done; whatever closes the dialog otherwise is a no.
 * @param {string} title
 * @param {string} text what it does
 * @param {string} label of the button that does it
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, label) {
  return new Promise((resolve) => {
    let sure = false;
    const cancel = h('button', { type: 'button', onclick: () => element.close() }, 'Cancel');
    const go = h('button.danger', { type: 'button', onclick: () => {
      sure = true;
      element.close();
    } }, label);
    const element = dialog(title, h('p.question', null, text), h('div.actions', null, go, cancel));
    element.addEventListener('close', () => resolve(sure));
    // Enter alone does no harm.
    cancel.focus();
  });
}

/**
 * @param {string[]} users
 * @param {() => void} onChange
 */
function people(users, onChange) {
  const boxes = users.map((user) => h('input', { type: 'checkbox', value: user, onchange: onChange }));
  const rows = users.map((user, i) => h('label.person', null, boxes[i], avatar(nameOf(user), user), h('span', null, nameOf(user), ...beside(nameOf(user) === user ? '' : user))));
  const left = new Set(users);
  const find = h('input.find', { type: 'search', placeholder: 'Find a person', 'aria-label': 'Find a person', oninput: show });
  return {
    element: h('div.people', null, users.length > 8 ? find : '', ...rows),
    chosen: () => boxes.filter(({ checked, value }) => checked && left.has(value)).map(({ value }) => value),
    /** @type {(user: string, hidden: boolean) => void} somebody who cannot be chosen, or can again */
    hide(user, hidden) {
      if (!users.includes(user)) return;
      if (hidden) left.delete(user);
      else left.add(user);
      show();
    },
  };

  function show() {
    const words = find.value.toLowerCase();
    rows.forEach((row, i) => (row.hidden = !left.has(users[i]) || !`${nameOf(users[i])} ${users[i]}`.toLowerCase().includes(words)));
  }
}

/**
 * @param {import('../sdk/js/src/index.js').Conversation} conversation
 * @param {import('../sdk/js/src/index.js').Tidings} client
 * @param {{ toast: (error: any) => void, profile: (user: string) => void }} actions
 */
export function details(conversation, client, { toast, profile }) {
  const group = conversation.kind === 'group';
  const leads = conversation.role === 'owner' || conversation.role === 'moderator';
  /** Does it and closes; a refusal is shown by the client's error event. @param {() => Promise<unknown>} action */
  const act = (action) => async () => {
    element.close();
    await action().catch(() => {});
  };
  const parts = [];
  if (group && leads) {
    const title = h('input', { type: 'text', maxLength: 120, value: conversation.title, 'aria-label': 'Name of the group' });
    parts.push(
      h('form.inline', { onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void act(() => conversation.setTitle(title.value.trim()))();
      } }, title, h('button', { type: 'submit' }, 'Rename')),
    );
  }
  const actions = h('div.actions');
  if (conversation.role !== '') {
    actions.append(h('button', { type: 'button', onclick: act(() => conversation.setMuted(!conversation.muted)) }, conversation.muted ? 'Unmute' : 'Mute'));
  }
  if (group && conversation.role !== '') actions.append(h('button.danger', { type: 'button', onclick: leave }, 'Leave group…'));
  if (!group) {
    actions.append(h('button', { type: 'button', onclick: () => {
      element.close();
      profile(conversation.peer);
    } }, 'Profile'));
    const blocked = client.blocked.has(conversation.peer);
    actions.append(
      h('button.danger', { type: 'button', onclick: blocked ? act(() => client.unblock(conversation.peer)) : block }, blocked ? 'Unblock' : 'Block…'),
    );
  }
  parts.push(actions);
  if (group && conversation.role !== '') {
    const add = leads ? adding() : null;
    if (add) parts.push(add.element);
    parts.push(h('h3', null, plural(conversation.memberCount, 'member')), members(conversation, client, toast, (user, is) => add?.hide(user, is)));
  }
  const element = dialog(titleOf(conversation), ...parts);

  async function leave() {
    element.close();
    const sure = await confirm(
      `Leave ${titleOf(conversation)}?`,
      'You will not get its messages any more, and only somebody who leads it can add you again. What was written so far you can still read.',
      'Leave group',
    );
    if (sure) await conversation.leave().catch(() => {});
  }

  async function block() {
    element.close();
    const name = nameOf(conversation.peer);
    const sure = await confirm(
      `Block ${name}?`,
      `You will not see any more what ${name} writes, here and in groups, nor what they wrote before. They are not told. You can unblock them here at any time.`,
      `Block ${name}`,
    );
    // A refusal is shown by the client's error event.
    if (sure) await client.block(conversation.peer).catch(() => {});
  }

  function adding() {
    const list = people(everybody().filter((user) => user !== client.user), () => (go.disabled = list.chosen().length === 0));
    const go = h('button', { type: 'button', disabled: true, onclick: act(() => conversation.addMembers(list.chosen())) }, 'Add');
    const element = h('details', null, h('summary', null, icon('people'), 'Add people'), list.element, h('footer', null, go));
    return { element, hide: list.hide };
  }
}

/**
 * The members, page by page as one scrolls.
 * @param {import('../sdk/js/src/index.js').Conversation} conversation
 * @param {import('../sdk/js/src/index.js').Tidings} client
 * @param {(error: any) => void} toast
 * @param {(user: string, is: boolean) => void} onMember told of each one that is found to be, or is not any more
 */
function members(conversation, client, toast, onMember) {
  const foot = h('li.list-foot', null, h('span.spinner', { role: 'img', 'aria-label': 'Loading' }));
  const list = h('ul.members', { tabIndex: 0 }, foot);
  let after = '';
  let loading = false;
  const observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && load(), { root: list, rootMargin: '200px' });
  observer.observe(foot);
  return list;

  async function load() {
    if (loading) return;
    loading = true;
    try {
      const page = await conversation.listMembers({ after });
      foot.before(...page.members.map(row));
      for (const { user } of page.members) onMember(user, true);
      after = page.members.at(-1)?.user ?? after;
      observer.unobserve(foot);
      if (page.more) observer.observe(foot);
      else foot.remove();
    } catch (error) {
      toast(error);
    } finally {
      loading = false;
    }
  }

  /** @param {import('../sdk/js/types/index.js').Member} member */
  function row({ user, role }) {
    const mayRemove = user !== client.user && (conversation.role === 'owner' || (conversation.role === 'moderator' && role === 'member'));
    const element = h(
      'li.person',
      null,
      avatar(nameOf(user), user),
      h('span', null, nameOf(user), ...beside(role === 'member' ? '' : role)),
      conversation.role === 'owner' && user !== client.user ? roles() : '',
      mayRemove ? iconButton('close', `Remove ${nameOf(user)}`, () => conversation.removeMember(user).then(() => {
        element.remove();
        onMember(user, false);
      }, () => {})) : '',
    );
    return element;

    function roles() {
      return h(
        'select',
        { 'aria-label': `Role of ${nameOf(user)}`, onchange: (/** @type {any} */ event) => conversation.setRole(user, event.target.value).catch(() => (event.target.value = role)) },
        ...['member', 'moderator', 'owner'].map((each) => h('option', { value: each, selected: each === role }, each)),
      );
    }
  }
}
