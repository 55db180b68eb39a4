/** Elements without a framework. Text only ever becomes text: nothing here reads markup. */

/**
 * @param {string} tag with classes: `div.row.mine`
 * @param {Record<string, any> | null} [props] properties, `on…` listeners, `aria-…`/`data-…`/`role` attributes
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (/^(aria-|data-|role$|for$|list$)/.test(key)) element.setAttribute(key, value);
    else /** @type {any} */ (element)[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => /** @type {Node} */ (child)));
  return element;
}

let made = 0;

/**
 * An id that no other element of the page has.
 * @param {string} name
 */
export const elementId = (name) => `${name}-${(made += 1)}`;

/** Strokes on a field of 20 by 20. */
const PATHS = {
  plus: 'M10 4v12M4 10h12',
  back: 'M12.5 4.5 7 10l5.5 5.5',
  send: 'M3.5 10 17 3.5 11.5 17 9.3 11z M9.3 11 17 3.5',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  reply: 'M8 5 3.5 9.5 8 14M4 9.5h7a5.5 5.5 0 0 1 5.5 5.5',
  edit: 'M4 16l.8-3.4L13.4 4a1.7 1.7 0 0 1 2.5 2.5L7.4 15.2z',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10',
  smile: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7 12c.8 1 1.8 1.5 3 1.5s2.2-.5 3-1.5M7.7 8h.01M12.3 8h.01',
  check: 'm4.5 10.5 3.5 3.5 7.5-8',
  checks: 'm1.8 10.5 3.5 3.5L12.5 6M10 13.5l.5.5L18 6',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.5 2',
  warning: 'M10 3 18 16.5H2zM10 8v4M10 14.3h.01',
  down: 'M4.5 7.5 10 13l5.5-5.5',
  close: 'm5 5 10 10M15 5 5 15',
  muted: 'M7 15h6M5 12.5V9a5 5 0 0 1 8.5-3.6M15 9v3.5H8M3.5 3.5l13 13',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.5V13M10 7h.01',
  search: 'M8.8 14.2a5.4 5.4 0 1 0 0-10.8 5.4 5.4 0 0 0 0 10.8zM12.8 12.8 17 17',
  contact: 'M8 9.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM2.8 16.2c.3-2.8 2.3-4.4 5.2-4.4s4.9 1.6 5.2 4.4M15.5 6.5v5M13 9h5',
  message: 'M3.5 4.5h13v9H9l-3.5 3v-3h-2z',
  eye: 'M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5zM10 12.3a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6z',
  hidden: 'M7.6 5.4A7.4 7.4 0 0 1 10 5c4.8 0 7.5 5 7.5 5s-.9 1.6-2.5 3M12.7 14.5A7.6 7.6 0 0 1 10 15c-4.8 0-7.5-5-7.5-5s1-1.9 2.9-3.4M3.5 3.5l13 13',
  bell: 'M5 13.5V9a5 5 0 0 1 10 0v4.5l1.2 1.3H3.8zM8.3 17h3.4',
  heart: 'M10 16.5S3.2 12.6 3.2 7.9A3.6 3.6 0 0 1 10 6.3a3.6 3.6 0 0 1 6.8 1.6c0 4.7-6.8 8.6-6.8 8.6z',
  shield: 'M10 3 4 5.3v4.4c0 3.7 2.5 6 6 7.3 3.5-1.3 6-3.6 6-7.3V5.3zM7.3 9.9l2 2 3.4-3.8',
  help: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM8 8.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.3v.2M10 13.6h.01',
  people: 'M7.5 9.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM2.5 16c.3-2.7 2.2-4.3 5-4.3s4.7 1.6 5 4.3M13 4.4a2.6 2.6 0 0 1 0 5M14.3 11.9c1.9.4 3 1.8 3.2 4.1',
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that shows an icon and says what it does.
 * @param {keyof typeof PATHS} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [props]
 */
export function iconButton(name, label, onclick, props) {
  return h('button.icon-button', { type: 'button', title: label, 'aria-label': label, onclick, ...props }, icon(name));
}

/**
 * The children of `parent`, in this order, with as little moving as possible.
 * @param {Element} parent
 * @param {readonly Element[]} wanted
 */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const element of wanted) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}

/**
 * At most once a frame.
 * @param {() => void} task
 */
export function eachFrame(task) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      task();
    });
  };
}
