/** Somebody's profile, opened: what they say of themselves, and what one can do about them. */

import { busy, contactState, details } from './card.js';
import { dialogWithin } from './dialogs.js';
import { h, icon } from './dom.js';
import { avatar, introduce, nameOf } from './people.js';
import { explain } from './text.js';

/**
 * Opens it. That it was looked at is told the product, which may tell whose it is.
 * @param {string} user
 * @param {{
 *   client: import('../sdk/js/src/index.js').Tidings, live: import('./live.js').Live, contacts: import('./contacts.js').Contacts,
 *   product: import('./product.js').Product | null, message: (user: string) => Promise<unknown>, add: (user: string) => Promise<unknown>,
 *   within: HTMLElement,
 * }} options
 */
export function openProfile(user, { client, live, contacts, product, message, add, within }) {
  const heading = h('h3', null, nameOf(user));
  const says = h('div.profile-says', null, h('span.spinner', { role: 'img', 'aria-label': 'Loading' }));
  const told = h('p.profile-told', { role: 'status' });
  const fault = h('p.fault', { role: 'alert', hidden: true });
  const contact = contactState(user, { contacts, add });
  const like = h('button.action.like', { type: 'button', 'aria-pressed': 'false', onclick: busy(() => tell(async () => {
    const between = await product?.liked(user);
    if (between) show(between);
  })) });
  const flirt = h('button.action', { type: 'button', onclick: busy(() => tell(async () => {
    await product?.flirted(user);
    told.textContent = `${nameOf(user)} is told that you flirt.`;
  })) }, icon('smile'), 'Flirt');
  const write = h('button.action', { type: 'button', onclick: busy(async () => {
    element.close();
    await message(user);
  }) }, icon('message'), 'Message');
  const own = user === client.user;
  // In its pane: it has that side's colour, and who is here is kept right in it.
  const element = dialogWithin(
    within,
    'Profile',
    h('div.profile', null, h('div.profile-head', null, h('span.portrait', null, avatar(nameOf(user), user), live.dot(user)), h('div', null, heading, live.words(user))), says, told, fault),
    own ? '' : h('div.profile-actions', null, ...(product ? [like, flirt] : []), write, contact.element),
  );
  element.classList.add('profile-dialog');
  show({ liked: false, matched: false });
  void load();
  if (product && !own) void tell(async () => show(await product.viewed(user)));
  return { element, contactsChanged: () => contact.render() };

  async function load() {
    try {
      const [profile] = await client.profiles([user]);
      introduce(user, profile?.attributes.name);
      heading.textContent = typeof profile?.attributes.name === 'string' ? profile.attributes.name : nameOf(user);
      const all = profile ? details(profile.attributes, () => [], Infinity) : [];
      says.replaceChildren(...(all.some(Boolean) ? all : [h('p.soft', null, 'No profile that you can see.')]));
    } catch (error) {
      says.replaceChildren();
      blame(error);
    }
  }

  /** @param {import('./product.js').Between} between */
  function show({ liked, matched }) {
    like.setAttribute('aria-pressed', String(liked));
    like.replaceChildren(icon('heart'), liked ? 'Liked' : 'Like');
    like.disabled = liked;
    if (matched) told.textContent = `You and ${nameOf(user)} like each other.`;
    else if (liked) told.textContent = `You like ${nameOf(user)}.`;
  }

  /** @param {() => Promise<unknown>} action */
  async function tell(action) {
    fault.hidden = true;
    await action().catch(blame);
  }

  /** @param {any} error */
  function blame(error) {
    fault.hidden = false;
    fault.textContent = explain(error);
  }
}
