/**
 * The part of a conversation's history that is loaded: messages in order, and which stretches of
 * `seq` they are complete for. Pure: every function returns a new window.
 *
 * The last stretch reaches to infinity, because everything new arrives as an event. What lies
 * between two stretches is a hole. A gap in `seq` within a stretch is history this user may not see.
 */

/**
 * @typedef {import('../types/index.js').Message} Message
 * @typedef {{ readonly from: number, readonly to: number }} Stretch
 * @typedef {Stretch & { readonly asOf: number }} Fresh a stretch that was read as of a position which
 *   the event stream has not reached yet: events up to there are in it already
 * @typedef {{ readonly messages: readonly Message[], readonly stretches: readonly Stretch[], readonly fresh: readonly Fresh[] }} Window
 * @typedef {{ readonly from: number, readonly to: number, readonly messages: readonly Message[], readonly asOf: number }} Page
 */

/**
 * What the list of conversations says: the last message, and nothing before it.
 * @param {Message | null} lastMessage
 * @param {number} lastSeq
 * @param {number} asOf
 * @returns {Window}
 */
export function tailWindow(lastMessage, lastSeq, asOf) {
  const from = lastMessage ? lastMessage.seq : lastSeq + 1;
  const stretch = { from, to: Infinity };
  return { messages: lastMessage ? [lastMessage] : [], stretches: [stretch], fresh: [{ ...stretch, asOf }] };
}

/**
 * The stretch an answer to `list_messages` is complete for.
 * @param {{ before?: number, after?: number }} asked
 * @param {readonly Message[]} messages
 * @param {boolean} more
 * @returns {Stretch | null} null when it says nothing
 */
export function stretchOf(asked, messages, more) {
  if (more && messages.length === 0) return null;
  if (asked.after !== undefined) {
    return { from: asked.after + 1, to: more ? messages[messages.length - 1].seq : Infinity };
  }
  return { from: more ? messages[0].seq : 1, to: asked.before ? asked.before - 1 : Infinity };
}

/**
 * Replaces a stretch by what a page says. Events newer than the page that are known already are for the
 * caller to apply again.
 * @param {Window} window
 * @param {Page} page
 * @returns {Window}
 */
export function mergePage(window, page) {
  if (page.from > page.to) return window;
  const outside = window.messages.filter(({ seq }) => seq < page.from || seq > page.to);
  const at = outside.findIndex(({ seq }) => seq > page.to);
  const messages =
    at < 0 ? [...outside, ...page.messages] : [...outside.slice(0, at), ...page.messages, ...outside.slice(at)];
  const { from, to, asOf } = page;
  return {
    messages,
    stretches: union([...window.stretches, { from, to }]),
    fresh: [...window.fresh.flatMap((stretch) => without(stretch, page)), { from, to, asOf }],
  };
}

/**
 * Adds a message that was posted, if its place is within what is loaded.
 * @param {Window} window
 * @param {Message} message
 * @param {number} position of the event
 * @returns {Window}
 */
export function addMessage(window, message, position) {
  if (!touches(window, message.seq, position)) return window;
  const at = lowerBound(window.messages, message.seq);
  const messages = window.messages.slice();
  messages.splice(at, messages[at]?.seq === message.seq ? 1 : 0, message);
  return { ...window, messages };
}

/**
 * Changes a message, if it is loaded.
 * @param {Window} window
 * @param {number} seq
 * @param {number} position of the event
 * @param {(message: Message) => Message} change
 * @returns {Window}
 */
export function changeMessage(window, seq, position, change) {
  const at = lowerBound(window.messages, seq);
  const message = window.messages[at];
  if (message?.seq !== seq || !touches(window, seq, position)) return window;
  const changed = change(message);
  if (changed === message) return window;
  const messages = window.messages.slice();
  messages[at] = changed;
  return { ...window, messages };
}

/**
 * Forgets which pages were ahead of the event stream once it has passed them.
 * @param {Window} window
 * @param {number} position everything before it has been applied
 * @returns {Window}
 */
export function settle(window, position) {
  if (!window.fresh.some(({ asOf }) => asOf < position)) return window;
  return { ...window, fresh: window.fresh.filter(({ asOf }) => asOf >= position) };
}

/**
 * Keeps the newest messages only.
 * @param {Window} window
 * @param {number} keep
 * @returns {Window}
 */
export function trim(window, keep) {
  if (window.messages.length <= keep) return window;
  const messages = window.messages.slice(-keep);
  const first = messages[0].seq;
  const stretches = window.stretches
    .filter(({ to }) => to >= first)
    .map(({ from, to }) => ({ from: Math.max(from, first), to }));
  return { messages, stretches, fresh: window.fresh };
}

/**
 * @param {Window} window
 * @param {number} seq
 */
export function findMessage(window, seq) {
  const message = window.messages[lowerBound(window.messages, seq)];
  return message?.seq === seq ? message : undefined;
}

/**
 * The holes, oldest first: messages with `after < seq < before` are not loaded.
 * @param {Window} window
 */
export function holes(window) {
  let after = 0;
  const found = [];
  for (const { from, to } of window.stretches) {
    if (from > after + 1) found.push({ after, before: from });
    after = to;
  }
  return found;
}

/**
 * Whether an event says something new about a place that is loaded.
 * @param {Window} window
 * @param {number} seq
 * @param {number} position
 */
export function touches(window, seq, position) {
  /** @param {Stretch} stretch */
  const covers = ({ from, to }) => from <= seq && seq <= to;
  return window.stretches.some(covers) && !window.fresh.some((page) => covers(page) && page.asOf >= position);
}

/**
 * @param {readonly Stretch[]} stretches
 * @returns {Stretch[]}
 */
function union(stretches) {
  /** @type {Stretch[]} */
  const joined = [];
  for (const next of [...stretches].sort((a, b) => a.from - b.from)) {
    const last = joined[joined.length - 1];
    if (last && next.from <= last.to + 1) joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, next.to) };
    else joined.push({ from: next.from, to: next.to });
  }
  return joined;
}

/**
 * @param {Fresh} stretch
 * @param {Stretch} hole
 * @returns {Fresh[]}
 */
function without(stretch, hole) {
  const parts = [];
  if (stretch.from < hole.from) parts.push({ ...stretch, to: Math.min(stretch.to, hole.from - 1) });
  if (stretch.to > hole.to) parts.push({ ...stretch, from: Math.max(stretch.from, hole.to + 1) });
  return parts;
}

/**
 * @param {readonly Message[]} messages
 * @param {number} seq
 */
function lowerBound(messages, seq) {
  let low = 0;
  let high = messages.length;
  // Almost always about the newest message.
  if (high > 0 && messages[high - 1].seq < seq) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
