/** The page: two people signed in side by side, so that both ends of a conversation can be seen. */

import { TidingsError } from '../sdk/js/src/index.js';
import { h, icon, iconButton } from './dom.js';
import { Operator } from './operator.js';
import { Pane } from './pane.js';
import { loadPeople, nameOf, tokenAhead } from './people.js';
import { badge, prepare } from './text.js';

const SIDES = /** @type {const} */ (['left', 'right']);
/** The other side does not wait longer than this for the first one. */
const FIRST_ALONE_MS = 250;
/** There is room for the operator's view beside both people. */
const roomy = matchMedia('(min-width: 1180px)');
const query = new URLSearchParams(location.search);
const main = /** @type {HTMLElement} */ (document.querySelector('.panes'));
const tabs = /** @type {HTMLElement} */ (document.querySelector('.switch'));
const top = /** @type {HTMLElement} */ (document.querySelector('.top'));

start().catch((error) => {
  const notice = h('section.notice', { role: 'alert' }, ...reasons(error));
  main.replaceChildren(notice);
  // A server that signs nobody in here has an operator all the same.
  if (error instanceof TidingsError && !error.retry) operate(false, (shown) => (notice.hidden = shown));
});

/**
 * Offers the operator's view, beside the people where there is room, otherwise in their place.
 * @param {boolean} development whether the server lets in whoever asks
 * @param {(shown: boolean) => void} onShow
 */
function operate(development, onShow) {
  /** @type {Operator | null} */
  let operator = null;
  const button = h('button.operate', { type: 'button', 'aria-label': 'Operator', 'aria-expanded': 'false', onclick: () => show(!('operator' in main.dataset)) }, icon('shield'), h('span', null, 'Operator'));
  top.append(button);
  return { show };

  /** @param {boolean} shown */
  function show(shown) {
    if (shown === 'operator' in main.dataset) return;
    if (!operator) {
      operator = new Operator({ development, close: () => {
        show(false);
        button.focus();
      } });
      main.append(operator.element);
    }
    if (shown) main.dataset.operator = '';
    else delete main.dataset.operator;
    button.setAttribute('aria-expanded', String(shown));
    operator.show(shown);
    onShow(shown);
  }
}

/**
 * Why there is nothing to be seen, and what helps.
 * @param {any} error
 */
function reasons(error) {
  const what = h('p', null, `${error?.message ?? error}.`);
  if (!(error instanceof TidingsError)) return [h('h2', null, 'The page cannot be shown'), what, h('p', null, 'The fault is in the page, or the browser lacks something it needs.')];
  const again = h('button.text-button', { type: 'button', onclick: () => location.reload() }, 'Try again');
  if (error.retry) return [h('h2', null, 'No answer from the server'), what, again];
  return [
    h('h2', null, 'Nobody to sign in as'),
    what,
    h('p', null, 'This page signs in with development tokens. Start the server with ', h('code', null, 'tidings demo'), ' to allow them.'),
  ];
}

async function start() {
  const loading = loadPeople();
  // Nearly always they are there, and then neither has to wait for the other.
  for (const user of new Set(SIDES.map((side) => query.get(side)))) if (user) tokenAhead(user);
  const { people, product } = await loading;
  main.replaceChildren();
  /** @type {Map<string, number>} */
  const unreadOf = new Map();
  if (people.length === 0) throw new TidingsError({ code: 'unauthenticated', message: 'the server knows no users' });
  /** @type {string[]} */
  const unknown = [];
  const panes = SIDES.map((side, i) => {
    const asked = query.get(side);
    const user = people.find(({ id }) => id === asked)?.id ?? people[Math.min(i, people.length - 1)].id;
    if (asked && asked !== user) unknown.push(`There is nobody called “${asked.length > 60 ? `${asked.slice(0, 60)}…` : asked}” here. On the ${side} you see ${nameOf(user)} instead.`);
    const pane = new Pane({ side, people, user, conversation: query.get('conversation') ?? '', view: query.get(`${side}-view`), product });
    const tab = h('button', { type: 'button', 'data-side': side, onclick: () => show(side) });
    pane.onTitle = (name, unread) => {
      tab.replaceChildren(name, unread > 0 ? h('span.badge', { 'aria-label': `${unread} unread` }, badge(unread)) : '');
      unreadOf.set(side, unread);
      const sum = [...unreadOf.values()].reduce((a, b) => a + b, 0);
      document.title = sum > 0 ? `(${badge(sum)}) Tidings` : 'Tidings';
      remember(panes);
    };
    pane.onSelect = () => remember(panes);
    tabs.append(tab);
    main.append(pane.element);
    return pane;
  });
  if (unknown.length > 0) main.before(warning(unknown));
  const operator = operate(true, () => panes.forEach((pane) => pane.shown()));
  show('left');
  // One after the other: a first conversation is to be seen before a second pane takes its time from it.
  const others = panes.slice(1);
  const rest = () => others.splice(0).forEach((pane) => pane.client ?? pane.signIn());
  panes[0].onSettled = rest;
  setTimeout(rest, FIRST_ALONE_MS);
  panes[0].signIn();
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (!(target instanceof HTMLElement) || target.isContentEditable || target.matches('input, textarea, select') || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    (panes.find(({ element }) => element.contains(target)) ?? panes.find(({ side }) => side === main.dataset.shown))?.find();
  });
  // While the connections are made.
  void prepare();

  /** @param {string} side of the two, the one a narrow screen shows */
  function show(side) {
    main.dataset.shown = side;
    if (!roomy.matches) operator.show(false);
    SIDES.forEach((each, i) => tabs.children[i].setAttribute('aria-pressed', String(each === side)));
    for (const pane of panes) pane.shown();
  }
}

/**
 * Says what of the address could not be followed.
 * @param {readonly string[]} lines
 */
function warning(lines) {
  const element = h('div.warning', { role: 'alert' }, h('div', null, ...lines.map((line) => h('p', null, line))), iconButton('close', 'Dismiss', () => element.remove()));
  return element;
}

/**
 * Keeps the address so that a reload, or somebody else, gets the same view.
 * @param {Pane[]} panes
 */
function remember(panes) {
  if (!panes) return;
  const parameters = new URLSearchParams();
  for (const pane of panes) parameters.set(pane.side, pane.user);
  for (const pane of panes) if (pane.view !== 'conversations') parameters.set(`${pane.side}-view`, pane.view);
  // What is to be opened once there is a connection is still wanted after a reload.
  const open = panes.map(({ openId }) => openId).find(Boolean) ?? panes.map(({ wanted }) => wanted).find(Boolean);
  if (open) parameters.set('conversation', open);
  const address = `?${parameters}`;
  if (address !== location.search) history.replaceState(null, '', address);
}
