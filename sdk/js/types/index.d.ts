/** Client of the Tidings messaging server. See `README.md` for a working snippet. */

import type * as wire from './wire.js';
export type { wire };

// ---------------------------------------------------------------------------------------------
// Errors

/** What the server may answer. More may come, so treat an unknown code by its `retry`. */
export type ServerErrorCode =
  | 'invalid' | 'unknown_request' | 'not_ready' | 'unauthenticated' | 'not_found' | 'not_member'
  | 'forbidden' | 'blocked_by_you' | 'retracted' | 'full' | 'last_owner' | 'wrong_kind' | 'rejected' | 'too_old'
  | 'command_id_reused' | 'too_large' | 'rate_limited' | 'unavailable' | 'internal';

/**
 * What the SDK itself says: no connection in time, closed or discarded by the app, storage that fails, a kept command that is
 * damaged, misuse. `token_unavailable`: `getToken` failed, and is asked again.
 */
export type LocalErrorCode =
  | 'offline' | 'closed' | 'discarded' | 'storage' | 'damaged' | 'protocol' | 'token_expired' | 'token_unavailable' | 'wrong_user' | 'no_websocket';

export class TidingsError extends Error {
  constructor(init: { code: string; message: string; retry?: boolean; retryAfterMs?: number; commandId?: string; cause?: unknown });
  readonly code: ServerErrorCode | LocalErrorCode | (string & {});
  /** Whether the same request may succeed later without being changed. */
  readonly retry: boolean;
  /** Not before this many milliseconds from then; 0 when the caller may choose. */
  readonly retryAfterMs: number;
  /** The command that was refused; empty when it is about none. */
  readonly commandId: string;
}

/** Every code of the server's catalogue. */
export const SERVER_ERROR_CODES: readonly ServerErrorCode[];

// ---------------------------------------------------------------------------------------------
// What there is to see

export type Role = wire.Role;

export interface Reaction {
  readonly reaction: string;
  readonly count: number;
  /** Whether the signed-in user gave it. */
  readonly mine: boolean;
}

export interface Message {
  /** Number in its conversation. */
  readonly seq: number;
  readonly author: string;
  /** Recorded time, milliseconds since 1970. */
  readonly atMs: number;
  /** Empty when `retracted`, `erased` or `stub`. */
  readonly text: string;
  /** `seq` of the message replied to; 0 for none. */
  readonly replyTo: number;
  readonly mentions: readonly string[];
  /** Time of the last edit; 0 for never. */
  readonly editedMs: number;
  readonly retracted: boolean;
  readonly erased: boolean;
  /** Too long to push: `Conversation.loadText(seq)` fetches it. */
  readonly stub: boolean;
  readonly countable: boolean;
  /** Most used first. */
  readonly reactions: readonly Reaction[];
  readonly commandId: string;
}

/** A message of one's own that is not in the history yet. */
export interface PendingMessage {
  readonly commandId: string;
  readonly text: string;
  readonly replyTo: number;
  readonly mentions: readonly string[];
  /** When it was written, by this device's clock. */
  readonly createdMs: number;
  /** Waiting to be sent or answered; recorded by the server; held by moderation until it is settled; refused (see `error`). */
  readonly state: 'pending' | 'sent' | 'held' | 'failed';
  readonly error: TidingsError | null;
}

/** An entry of a conversation's timeline, oldest first. */
export type TimelineItem =
  | { readonly type: 'message'; readonly message: Message }
  /** History that is not loaded: messages with `after < seq < before`. */
  | { readonly type: 'hole'; readonly after: number; readonly before: number }
  | { readonly type: 'pending'; readonly pending: PendingMessage };

export interface MemberCursor {
  readonly user: string;
  readonly readSeq: number;
  readonly deliveredSeq: number;
}

export interface Member {
  readonly user: string;
  readonly role: Role;
  readonly joinedMs: number;
}

/** What a user is to the signed-in one: both have added each other, asked by the latter, asking the latter, or none. */
export interface Contact {
  readonly user: string;
  readonly state: 'contact' | 'asked' | 'asking' | 'none';
  /** Since when, milliseconds since 1970; 0 for `none`. */
  readonly atMs: number;
}

export interface UserPresence {
  readonly user: string;
  readonly state: 'available' | 'away' | 'offline';
  /** Where offline: when they were here last; 0 where that is not known or not shown. */
  readonly seenMs: number;
}

/** What a profile says, by attribute: as it was set, with a list where an attribute may have several values. */
export type Attributes = { readonly [attribute: string]: unknown };

export interface Profile {
  readonly user: string;
  readonly attributes: Attributes;
}

/** Whom to look for, as in `docs/search.md`. What is left out does not narrow it. */
export interface PeopleSearch {
  /** In the query language. */
  readonly query?: string;
  /** A filter as a tree, for programs; with `query` both have to fit. */
  readonly filter?: object;
  /** `first`: who is online comes first; `only`: who is not is left out. `any` if left out. */
  readonly online?: 'any' | 'first' | 'only';
  /** Whether who is away counts as online. True if left out. */
  readonly away?: boolean;
  /** `relevance` if left out; `distance` is from where the query is near to, or from `from`. */
  readonly sort?: 'relevance' | 'distance' | 'active' | 'newest';
  /** For `distance` only. */
  readonly from?: { readonly lat: number; readonly lon: number };
  /** Keyword and boolean attributes whose values are counted. */
  readonly facets?: readonly string[];
  /** At most this many, up to 100. 20 if left out. */
  readonly limit?: number;
  /** `next` of an earlier page of the same search. */
  readonly after?: string;
  /** Whether `highlights` are wanted. */
  readonly highlight?: boolean;
  /** Whether an `explanation` is wanted. */
  readonly explain?: boolean;
  /** Leaves out whom one has a direct conversation with. */
  readonly withoutContacted?: boolean;
  /** Users to leave out. */
  readonly exclude?: readonly string[];
}

export interface Person extends UserPresence, Profile {
  /** From where the query is near to, or from `from`; null where it is not known. */
  readonly distanceM: number | null;
  readonly score: number;
  readonly highlights: readonly Highlight[];
  /** Why they rank where they do; null where that was not asked for. */
  readonly explanation: Attributes | null;
}

/** Where a word that was looked for stands in a text. */
export interface Highlight {
  readonly attribute: string;
  /** In which of its values; 0 where it has one. */
  readonly value: number;
  /** `slice(from, to)` of the string is the word. */
  readonly from: number;
  readonly to: number;
}

export interface Facet {
  readonly attribute: string;
  /** Most frequent first. */
  readonly values: readonly { readonly value: string; readonly count: number }[];
  /** Whether there are more values. */
  readonly more: boolean;
}

export interface FoundPeople {
  /** Best first; as they were when it was answered: `watchUsers` keeps them live. */
  readonly people: readonly Person[];
  /** How many fit, on all pages. */
  readonly total: number;
  /** Whether there may be more than `total`. */
  readonly atLeast: boolean;
  /** For `after`; empty where there are no more. */
  readonly next: string;
  readonly facets: readonly Facet[];
  /** Whether the beginning of a word stood for too many words, so that people may be missing. */
  readonly cut: boolean;
}

/** Of those who come online while a page of people is watched. */
export interface PeopleOnline {
  /** How many since it was asked for, or since the last connection; those who have gone again are counted. */
  readonly count: number;
  /** The last of them, at most 10. */
  readonly users: readonly string[];
}

/** Which messages to look for, as in `docs/search.md`. What is left out does not narrow it. */
export interface MessageSearch {
  /** In the query language; empty for all messages of one's conversations. */
  readonly query?: string;
  /** `newest` first if left out. */
  readonly sort?: 'newest' | 'relevance';
  /** At most this many, up to 100. 20 if left out. */
  readonly limit?: number;
  /** `next` of an earlier page of the same search. */
  readonly after?: string;
  /** Whether `highlights` are wanted. */
  readonly highlight?: boolean;
}

export interface FoundMessage {
  /** Its id: `client.conversation(id)`, which may have to be loaded. */
  readonly conversation: string;
  readonly message: Message;
  /** How well the words fit; 0 where none were looked for, or the newest come first. */
  readonly score: number;
  /** `text.slice(from, to)` is a word that was looked for. None where the message is a `stub`. */
  readonly highlights: readonly { readonly from: number; readonly to: number }[];
}

export interface FoundMessages {
  /** Newest or best first. Fewer than asked for, or none, may be on a page that is not the last. */
  readonly messages: readonly FoundMessage[];
  /** For `after`; empty where there are no more. */
  readonly next: string;
  /** With `relevance`, where very many fit: only messages since then were ranked, milliseconds since 1970; 0 where all were. */
  readonly sinceMs: number;
  /** Whether the beginning of a word stood for too many words, so that messages may be missing. */
  readonly cut: boolean;
}

export interface Receipts {
  readonly read: number;
  readonly delivered: number;
  /** Members beside the author. */
  readonly members: number;
  readonly cursors: readonly MemberCursor[];
}

/** The server has recorded it. */
export interface Accepted {
  readonly position: number;
  readonly atMs: number;
  /** The conversation concerned; empty when it is about none. */
  readonly conversation: string;
  /** For a message: its number. */
  readonly seq: number;
  /** For a message or a new text: its number among those that moderation holds in the conversation; 0 where it is not held. */
  readonly held: number;
  /** It had been recorded before (a retry). */
  readonly duplicate: boolean;
  /** For a command of an extension: its answer, as JSON text; empty otherwise. */
  readonly answer: string;
}

/** A message, or a new text of one, that moderation holds. */
export interface HeldMessage {
  /** Its number among those held in the conversation. */
  readonly held: number;
  readonly author: string;
  readonly atMs: number;
  /** The message that it is a new text of; 0 for a new message. */
  readonly edits: number;
  readonly text: string;
  readonly erased: boolean;
  readonly replyTo: number;
  readonly mentions: readonly string[];
  readonly commandId: string;
  /** Why, for its author. */
  readonly reason: string;
  /** What was said of it, for those who settle it. */
  readonly reviews: readonly Review[];
}

/** What an extension said of a message. */
export interface Review {
  readonly extension: string;
  readonly version: string;
  readonly verdict: string;
  readonly reason: string;
  readonly labels: readonly string[];
  /** It failed, and this is what its manifest says counts then. */
  readonly failed: boolean;
}

/** Something to be shown for a while, wherever the user is in the product, until they have seen it on one of their devices. */
export interface Toast {
  /** Its number among the user's: a later one is higher. */
  readonly toast: number;
  /** Who wants it shown: an extension, or `backend`. */
  readonly source: string;
  readonly title: string;
  readonly body: string;
  /** What opens at a click: a path of the product's, or an https address; empty for nothing. */
  readonly link: string;
  /** Of whom it tells; empty for nobody. */
  readonly aboutUser: string;
  /** Of which conversation it tells; empty for none. */
  readonly aboutConversation: string;
  readonly atMs: number;
  /** From when on it is not to be shown any more, milliseconds since 1970. */
  readonly expiresMs: number;
}

/** A number beside something on the user's screen. */
export interface Badge {
  /** Whose badge it is: an extension, or `backend`. */
  readonly source: string;
  readonly name: string;
  readonly count: number;
}

/** What waits to be seen, oldest first, and the badges that are not 0. */
export interface Notifications {
  readonly toasts: readonly Toast[];
  readonly badges: readonly Badge[];
}

export interface HeldPage {
  readonly held: readonly HeldMessage[];
  readonly more: boolean;
}

/** How far one's own message has come. */
export type Tick = 'sent' | 'delivered' | 'read';

/** A recorded event as it was applied. */
export interface AppliedEvent {
  readonly position: number;
  readonly index: number;
  /** Empty for events of the user's own stream. */
  readonly conversation: string;
  readonly actor: string;
  readonly atMs: number;
  /** Name of what happened; empty for a kind this version does not know. */
  readonly kind: keyof wire.EventKinds | '';
  /** Its body as on the wire; null for a kind this version does not know. */
  readonly body: wire.EventKinds[keyof wire.EventKinds] | null;
  /** True when it came with a resume rather than live. */
  readonly replayed: boolean;
}

export type ConnectionState =
  /** `connect()` has not been called, or `close()` has. */
  | { readonly state: 'idle' }
  | { readonly state: 'connecting'; readonly attempt: number }
  /** Connected; what was missed is being applied. */
  | { readonly state: 'syncing' }
  | { readonly state: 'online' }
  /** The connection was lost; the next attempt starts at `retryAtMs` (this device's clock). */
  | { readonly state: 'waiting'; readonly attempt: number; readonly retryAtMs: number; readonly error: TidingsError }
  /** Given up: `error` says why, `connect()` tries again. */
  | { readonly state: 'closed'; readonly error: TidingsError };

/** What has changed since the last `change`. */
export interface Change {
  /** Conversations whose state, messages, typing, looking or pending messages changed. */
  readonly conversations: ReadonlySet<string>;
  /** The list, its order or the total of unread messages changed. */
  readonly list: boolean;
}

// ---------------------------------------------------------------------------------------------
// The client

export interface Events {
  /** Something to show has changed. Several changes are reported together. */
  change: Change;
  event: AppliedEvent;
  /** A message was posted, by whomever: one's own too. */
  message: { readonly conversation: Conversation; readonly message: Message; readonly replayed: boolean };
  connection: ConnectionState;
  /** How users are who are watched: all of them (`snapshot`), or those who changed. */
  presence: { readonly snapshot: boolean; readonly users: readonly UserPresence[] };
  /** A toast came: live, or with a resume (`replayed`). Once on each device. Not those that waited before `notifications()`. */
  toast: { readonly toast: Toast; readonly replayed: boolean };
  /** What waits or a badge changed, from the first call of `notifications()` on. */
  notifications: Notifications;
  /** A command was refused (what it returned rejects as well), storage failed, or a token could not be renewed. */
  error: TidingsError;
}

export interface Options {
  /**
   * `https://chat.example.com`, or the socket's full address `wss://chat.example.com/v1/ws`. Of several nodes' addresses one is
   * taken by chance, and the next when it cannot be reached; nodes the server tells of are added by themselves.
   */
  url: string | readonly string[];
  /**
   * A token for the user who is signed in. Called for every connection; `refresh` when the last one was refused. When it throws
   * it is asked again, and `connection` says `token_unavailable`; no token at all, or a `TidingsError` without `retry`, ends
   * the connection: nobody is signed in.
   */
  getToken(context: { refresh: boolean }): Promise<string> | string;
  /** This installation. Kept in `localStorage` where there is one, else made anew. */
  device?: string;
  /** Where unanswered commands are kept. IndexedDB where there is one, else memory. */
  storage?: OutboxStorage;
  /** For Node.js before 22: `import { WebSocket } from 'ws'`. */
  WebSocket?: WebSocketConstructor;
  /** Conversations in the first window, at most 100. 20 if left out. */
  window?: number;
  /** Name and version of the app, for the operator. */
  client?: string;
  /** Whether this tab still lives, for outboxes shared between tabs. Web Locks where there are any. */
  locks?: TabLocks;
  /** Time and timers; the tests hand in their own. */
  clock?: Clock;
  /** A number in [0, 1) for jitter. */
  random?: () => number;
}

export class Tidings {
  constructor(options: Options);

  /** Connects, and stays connected until `close()`. Resolves once the state is there; rejects when it is pointless to try. */
  connect(): Promise<void>;
  /** Closes the connection. Commands that wait stay in the outbox. */
  close(): Promise<void>;
  /** Tries now instead of at `retryAtMs`. */
  retryNow(): void;

  /** Who is signed in; empty before the first connection. */
  readonly user: string;
  readonly device: string;
  readonly connection: ConnectionState;
  /** The server's limits; null before the first connection. */
  readonly limits: Readonly<wire.Limits> | null;

  /** Those loaded, latest activity first. */
  readonly conversations: readonly Conversation[];
  /** Whether older ones exist: `loadConversations()`. */
  readonly moreConversations: boolean;
  /** Loads the next page of older conversations. Resolves to whether there are more. */
  loadConversations(): Promise<boolean>;
  /** Unread messages over all conversations that are not muted. */
  readonly unreadTotal: number;
  /** Users blocked by this user. */
  readonly blocked: ReadonlySet<string>;

  /** A handle, whether or not the conversation is loaded. The same one each time. */
  conversation(id: string): Conversation;

  /** Starts or finds the direct conversation with a user (about `context`, such as a listing). */
  startDirect(user: string, options?: { context?: string }): Promise<Conversation>;
  createGroup(group: { title: string; members?: string[]; historyFromStart?: boolean; maxMembers?: number }): Promise<Conversation>;
  block(user: string): Promise<Accepted>;
  unblock(user: string): Promise<Accepted>;
  listBlocked(): Promise<readonly string[]>;

  /** Asks a user to be a contact, or accepts that they ask. `event` tells of every change (`contact_changed`). */
  addContact(user: string): Promise<Accepted>;
  /** Ends a contact, takes a request back or declines one. */
  removeContact(user: string): Promise<Accepted>;
  listContacts(page?: { after?: string; limit?: number }): Promise<{ contacts: readonly Contact[]; more: boolean }>;

  /**
   * Watches exactly these users (at most 500) from now on, and with `roster` one's contacts as well; said anew in each session.
   * What the server refuses of it comes as `error`.
   */
  watchPresence(users: readonly string[], options?: { roster?: boolean }): void;
  /**
   * Watches these as well, until the function it returns is called: for parts of an app that know nothing of one another, such as a
   * page of people found. All together are told to the server as one, and at most 500: of more, those of the latest calls.
   */
  watchUsers(users: readonly string[], options?: { roster?: boolean }): () => void;
  /** How those who are watched are, by user; empty without a connection. */
  readonly presence: ReadonlyMap<string, UserPresence>;
  /**
   * Away from this device until something is done here, or back at it; said anew in each session. Without it the server goes by
   * what is asked of it: who reads or scrolls asks for nothing, so an app says `setAway(false)` about once a minute while they do.
   */
  setAway(away: boolean): void;
  /** Whether others see this user as offline. */
  readonly invisible: boolean;
  setInvisible(invisible: boolean): Promise<Accepted>;

  /** Finds people. A query that is wrong is `invalid`, with a `message` of several lines that shows the place. */
  searchPeople(search?: PeopleSearch): Promise<FoundPeople>;
  /**
   * Finds people, and tells of who comes online later, would be found and is not on the page: one page at a time, the last that
   * was asked for. Asked anew in each session.
   */
  watchPeople(search: PeopleSearch, listener: (news: PeopleOnline) => void): Promise<FoundPeople>;
  /** Watches no page any more. */
  unwatchPeople(): void;
  /** Profiles of at most 100 users, in the order asked for; who has none, or cannot be seen, is left out. */
  profiles(users: readonly string[]): Promise<readonly Profile[]>;

  /** Finds messages of one's conversations. A query that is wrong is `invalid`, as with `searchPeople`. */
  searchMessages(search?: MessageSearch): Promise<FoundMessages>;

  /**
   * The toasts that wait to be seen and the badges. From the first call on they are kept as they are, through interruptions and
   * resets: `toasts` and `badges` are current, and `notifications` tells of each change.
   */
  notifications(): Promise<Notifications>;
  /**
   * Calls a command of an extension by name, carried out once whatever happens to the connection.
   * @returns its answer; rejected with `invalid` where the arguments are wrong, `rejected` where it cannot be done.
   */
  invoke(extension: string, command: string, args?: Record<string, unknown>, options?: { conversation?: string }): Promise<unknown>;
  /** Toasts that wait, oldest first; complete once `notifications()` has been called. */
  readonly toasts: readonly Toast[];
  readonly badges: readonly Badge[];
  /** These have been seen, or put away: they go from all devices of the user, from this one at once. */
  seeToasts(toasts: readonly number[]): Promise<Accepted>;

  /**
   * Tells the others of a conversation (of up to 32 members) that this user is looking at it, until another one is looked at, or
   * null for none. Repeated by itself, also in each session. A conversation one is not in comes as `error`, and is not repeated.
   */
  look(conversation: string | null): void;

  /** Sends a refused message again, as a new command. */
  retry(commandId: string): Promise<Accepted>;
  /** Drops a message that was refused or not sent yet. */
  discard(commandId: string): void;
  /** Commands not answered yet. */
  readonly waiting: number;
  /** One's own messages that are not in the history, of all conversations: also of those that are `gone` or not loaded. */
  readonly pending: readonly { readonly conversation: Conversation; readonly message: PendingMessage }[];

  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void;
  off<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): void;
}

/** One conversation: what is known of it, and what can be done in it. */
export class Conversation {
  private constructor();
  readonly id: string;
  /** Whether anything is known of it yet. */
  readonly loaded: boolean;
  /**
   * The server says that there is no such conversation for this user, or not any more: close it. What was written there and not
   * recorded stays in `pending`, as `failed` once the server has refused it.
   */
  readonly gone: boolean;
  /** Goes up with every change to what is shown of it. */
  readonly version: number;

  readonly kind: 'direct' | 'group';
  readonly title: string;
  /** A direct conversation's other user. */
  readonly peer: string;
  readonly context: string;
  /** One's own role; empty after leaving. */
  readonly role: Role | '';
  readonly memberCount: number;
  readonly lastMessage: Message | null;
  readonly lastSeq: number;
  /** Read up to this message, what was just marked included. */
  readonly readSeq: number;
  /** Unread messages, what was just marked as read excluded. */
  readonly unread: number;
  readonly muted: boolean;
  /** Cursors of the others, in conversations of up to 32 members. */
  readonly cursors: readonly MemberCursor[];
  readonly activityMs: number;
  /** Who is typing. */
  readonly typing: readonly string[];
  /** Who else is looking at it, in conversations of up to 32 members; empty without a connection. */
  readonly looking: readonly string[];

  /** The loaded messages in order; may have holes, see `timeline`. */
  readonly messages: readonly Message[];
  readonly pending: readonly PendingMessage[];
  /** Messages, holes and pending messages in order, ready to be shown. */
  readonly timeline: readonly TimelineItem[];
  message(seq: number): Message | undefined;
  /** How far a message has come among the others. Above 32 members always `sent`: ask `receipts`. */
  tick(message: Message): Tick;

  /** Loads what it is, without its messages, where that is not known yet: of one that is not in the list. */
  load(): Promise<void>;
  /** Keeps the latest messages loaded, also after a reset, until `close()`. */
  open(): Promise<void>;
  close(): void;
  /** Loads messages before `before` (or before the oldest of the latest stretch). Resolves to whether there are more. */
  loadOlder(before?: number): Promise<boolean>;
  /** Loads messages after `after` (or after the oldest stretch). Resolves to whether there are more. */
  loadNewer(after?: number): Promise<boolean>;
  /** Loads the messages around one, leaving a hole to the rest. */
  loadAround(seq: number): Promise<void>;
  /** Fetches the text of a message that came as a stub. */
  loadText(seq: number): Promise<string>;

  /** Shows at once as pending; resolves when the server has recorded it. */
  send(text: string, options?: { replyTo?: number; mentions?: string[] }): Promise<Accepted>;
  edit(seq: number, text: string, options?: { mentions?: string[] }): Promise<Accepted>;
  retract(seq: number): Promise<Accepted>;
  /** What moderation holds here: of oneself, and for owners and moderators of everybody. Those after a number, 0 for all. */
  held(after?: number, limit?: number): Promise<HeldPage>;
  /** Settles what is held of somebody else, as owner or moderator of a group. */
  settleHeld(held: number, settlement: { release: true } | { release: false; reason?: string }): Promise<Accepted>;
  react(seq: number, reaction: string): Promise<Accepted>;
  unreact(seq: number, reaction: string): Promise<Accepted>;
  /** Everything up to `seq` (or the last message) has been read. */
  markRead(seq?: number): void;
  /** Call at every keystroke; the SDK paces it and stops by itself. */
  setTyping(active: boolean): void;

  addMembers(users: string[]): Promise<Accepted>;
  removeMember(user: string): Promise<Accepted>;
  leave(): Promise<Accepted>;
  setRole(user: string, role: Role): Promise<Accepted>;
  setTitle(title: string): Promise<Accepted>;
  setMuted(muted: boolean): Promise<Accepted>;
  listMembers(page?: { after?: string; limit?: number }): Promise<{ members: readonly Member[]; more: boolean }>;
  receipts(seq: number): Promise<Receipts>;
}

// ---------------------------------------------------------------------------------------------
// What can be handed in

/** A command that has not been answered yet, as it is stored. */
export interface OutboxEntry {
  /** UUIDv7: the command's id, and the order. */
  id: string;
  /** The tab (or process) that sends it. */
  owner: string;
  /** Whose command it is; empty until the first connection says who is signed in. */
  user: string;
  request: wire.Request;
  createdMs: number;
  /** Whether it may have reached the server. */
  sent: boolean;
  /** Why the server refused it, kept for messages until they are retried or discarded. */
  error: wire.ErrorBody | null;
}

/** Where unanswered commands survive a restart. */
export interface OutboxStorage {
  /** All entries, of every tab; the order does not matter. */
  load(): Promise<OutboxEntry[]>;
  /** Writes an entry, or replaces the one with its id. */
  put(entry: OutboxEntry): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Tells tabs that share an outbox which of them are alive. */
export interface TabLocks {
  /** Holds the name for as long as this tab lives. Resolves once held; the result lets go. */
  hold(name: string): Promise<() => void>;
  /**
   * Runs `task` once the name's holder is gone (at once if there is none), one tab at a time. The result cancels. A task that
   * rejects has said why elsewhere; it may be given again.
   */
  whenGone(name: string, task: () => Promise<void>): () => void;
  /** Names held at present, by this tab and others. */
  held(): Promise<string[]>;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(task: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The part of the WebSocket API that is used. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: any }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => any;

/** Keeps entries for as long as the process lives. */
export class MemoryStorage implements OutboxStorage {
  load(): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Keeps entries in the browser, shared by all tabs of the origin. */
export class IndexedDbStorage implements OutboxStorage {
  constructor(options?: { name?: string; indexedDB?: IDBFactory });
  load(): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(id: string): Promise<void>;
}

/** UUIDv7 ids in the order made, also when the clock is adjusted a little. */
export function uuidv7Maker(options?: { now?: () => number; randomBytes?: (bytes: Uint8Array) => void }): () => string;
