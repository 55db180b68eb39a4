/**
 * Frames as they stand in JSON (subprotocol `tidings.1.json`).
 *
 * They mirror the `protocol` crate; `protocol/vectors/` holds both to one another. Most users of
 * the SDK never see these: `index.d.ts` has the API.
 */

/** A UUID as hyphenated lower-case text; empty when absent. */
export type Uuid = string;

export interface Cursor {
  epoch: Uuid;
  position: number;
  /** 4294967295 stands for the whole commit. */
  index: number;
}

/** Everything a client can ask, by name. */
export interface Requests {
  hello: { token: string; device: string; cursor: Cursor | null; client: string; window: number };
  ping: Record<string, never>;
  renew_token: { token: string };
  ack: { position: number; index: number };
  start_direct: { user: string; context: string };
  create_group: { title: string; members: string[]; history_from_start: boolean; max_members: number };
  add_members: { conversation: Uuid; users: string[] };
  remove_member: { conversation: Uuid; user: string };
  leave: { conversation: Uuid };
  set_role: { conversation: Uuid; user: string; role: Role };
  set_title: { conversation: Uuid; title: string };
  set_muted: { conversation: Uuid; muted: boolean };
  post_message: { conversation: Uuid; text: string; reply_to: number; mentions: string[] };
  edit_message: { conversation: Uuid; seq: number; text: string; mentions: string[] };
  retract_message: { conversation: Uuid; seq: number };
  add_reaction: { conversation: Uuid; seq: number; reaction: string };
  remove_reaction: { conversation: Uuid; seq: number; reaction: string };
  mark_read: { conversation: Uuid; seq: number };
  typing: { conversation: Uuid; active: boolean };
  settle_held: { conversation: Uuid; held: number; release: boolean; reason: string };
  see_toasts: { toasts: number[] };
  invoke: { extension: string; command: string; args: string; conversation?: Uuid };
  block_user: { user: string };
  unblock_user: { user: string };
  list_blocked: Record<string, never>;
  add_contact: { user: string };
  remove_contact: { user: string };
  list_contacts: { after: string; limit: number };
  set_invisible: { invisible: boolean };
  set_presence: { state: 'available' | 'away' };
  watch_presence: { users: string[]; roster: boolean };
  look: { conversation?: Uuid };
  list_conversations: { before: number; limit: number };
  get_conversation: { conversation: Uuid };
  list_messages: { conversation: Uuid; before: number; after?: number | null; limit: number };
  list_members: { conversation: Uuid; after: string; limit: number };
  get_receipts: { conversation: Uuid; seq: number };
  get_message: { conversation: Uuid; seq: number };
  get_unread: Record<string, never>;
  search_people: SearchPeople;
  get_profiles: { users: string[] };
  watch_people: { search: SearchPeople };
  search_messages: { query: string; sort: string; limit: number; after: string; highlight: boolean };
  unwatch_people: Record<string, never>;
  list_held: { conversation: Uuid; after: number; limit: number };
  list_notifications: { after: number; limit: number };
}

export interface SearchPeople {
  query: string;
  /** A tree, as JSON. */
  filter: string;
  online: string;
  without_away: boolean;
  sort: string;
  /** Latitude and longitude, as in `52.52,13.40`. */
  from: string;
  facets: string[];
  limit: number;
  after: string;
  highlight: boolean;
  explain: boolean;
  without_contacted: boolean;
  exclude: string[];
}

/** Exactly one request: `{ post_message: {...} }`. */
export type Request = { [K in keyof Requests]: { [P in K]: Requests[K] } }[keyof Requests];

export interface ClientFrame {
  /** Echoed in the reply; 0 asks for none. */
  id: number;
  command_id?: Uuid;
  request: Request;
}

export type Role = 'owner' | 'moderator' | 'member';

export interface Reaction {
  reaction: string;
  count: number;
  mine: boolean;
}

/** Fields with a question mark are left out when they are zero, false or empty. */
export interface Message {
  seq: number;
  author: string;
  at_ms: number;
  text: string;
  reply_to?: number;
  mentions?: string[];
  edited_ms?: number;
  retracted?: boolean;
  erased?: boolean;
  stub?: boolean;
  countable?: boolean;
  reactions?: Reaction[];
  command_id: Uuid;
}

export interface MemberCursor {
  user: string;
  read_seq: number;
  delivered_seq: number;
}

export interface Conversation {
  id: Uuid;
  kind: 'direct' | 'group';
  title: string;
  peer: string;
  context: string;
  /** Empty once the viewer has left. */
  role: Role | '';
  member_count: number;
  last_message: Message | null;
  last_seq: number;
  read_seq: number;
  unread: number;
  muted: boolean;
  cursors: MemberCursor[];
  activity_position: number;
  activity_ms: number;
  delivered_seq: number;
  /** Events up to this position are in it. */
  as_of: number;
}

export interface Member {
  user: string;
  role: Role;
  joined_ms: number;
}

/** What a user is to the viewer: a contact, asked by the viewer, asking the viewer, or none of these. */
export interface Contact {
  user: string;
  state: 'contact' | 'asked' | 'asking' | 'none';
  at_ms: number;
}

export interface Presence {
  user: string;
  state: 'available' | 'away' | 'offline';
  /** Where offline: when they were here last; left out where that is not known or not shown. */
  seen_ms?: number;
}

export interface Person {
  user: string;
  state: 'available' | 'away' | 'offline';
  seen_ms?: number;
  /** A JSON object. */
  attributes: string;
  distance_m?: number;
  score: number;
  highlights?: Highlight[];
  /** A JSON object; left out where it was not asked for. */
  explanation?: string;
}

export interface Highlight {
  attribute?: string;
  value: number;
  /** In bytes of UTF-8. */
  from: number;
  to: number;
}

export interface FoundMessage {
  conversation: Uuid;
  message: Message | null;
  score: number;
  /** In the whole text, also where that is a stub. */
  highlights?: Highlight[];
}

export interface Facet {
  attribute: string;
  values: { value: string; count: number }[];
  more: boolean;
}

export interface Profile {
  user: string;
  /** A JSON object. */
  attributes: string;
}

/** A message, or a new text of one, that moderation holds. */
export interface Held {
  held: number;
  author: string;
  at_ms: number;
  edits?: number;
  text: string;
  erased?: boolean;
  reply_to?: number;
  mentions?: string[];
  command_id: Uuid;
  reason: string;
  reviews?: { extension: string; version: string; verdict: string; reason: string; labels?: string[]; failed?: boolean }[];
}

/** Something to be shown to a user for a while, wherever they are in the product. */
export interface Toast {
  /** Its number among the user's. */
  toast: number;
  source: string;
  title: string;
  body?: string;
  link?: string;
  about_user?: string;
  about_conversation?: Uuid;
  at_ms: number;
  expires_ms: number;
}

/** A number beside something on a user's screen. */
export interface Badge {
  source: string;
  name: string;
  /** 0 where it was removed. */
  count: number;
}

/** What can have happened, by name. */
export interface EventKinds {
  message_posted: Message;
  message_edited: { seq: number; text: string; mentions: string[]; stub: boolean; erased: boolean };
  message_retracted: { seq: number; author: string; countable: boolean };
  reaction_added: { seq: number; reaction: string; count: number };
  reaction_removed: { seq: number; reaction: string; count: number };
  /** `unread` (one's own only) holds events up to `as_of`, which may be later than this one. */
  read_up_to: { user: string; seq: number; unread: number; as_of: number };
  delivered_up_to: { user: string; seq: number; unread: number; as_of: number };
  conversation_added: Conversation;
  members_joined: { users: string[]; member_count: number; removed: boolean };
  member_left: { users: string[]; member_count: number; removed: boolean };
  role_changed: { user: string; role: Role };
  title_changed: { title: string };
  muted_changed: { muted: boolean };
  user_blocked: { user: string };
  user_unblocked: { user: string };
  visibility_changed: { invisible: boolean };
  contact_changed: Contact;
  message_held: Held;
  message_released: { held: number };
  message_rejected: { held: number; reason: string };
  toast_queued: { toast: Toast | null; replaces: number[] };
  toasts_seen: { toasts: number[] };
  badge_set: Badge;
}

export interface Event {
  position: number;
  index: number;
  /** Absent for events of the user's own stream. */
  conversation?: Uuid;
  actor: string;
  at_ms: number;
  /** One key of those known; null or another key for a kind this version does not know. */
  kind: Partial<EventKinds> | null;
}

export interface Limits {
  frame_bytes: number;
  text_bytes: number;
  requests_per_second: number;
  push_text_bytes: number;
}

export interface Welcome {
  id: number;
  user: string;
  session: Uuid;
  now_ms: number;
  resumed: boolean;
  cursor: Cursor | null;
  heartbeat_ms: number;
  token_expires_ms: number;
  limits: Limits | null;
  replayed: number;
  /** Base URLs of the other nodes. */
  nodes: string[];
}

export interface Reset {
  reason: string;
  cursor: Cursor | null;
  conversations: Conversation[];
  more: boolean;
  unread_total: number;
  blocked: string[];
  invisible: boolean;
}

export interface Closing {
  code: string;
  message: string;
  reconnect: boolean;
  after_ms: number;
  address: string;
}

export interface ErrorBody {
  code: string;
  message: string;
  retry: boolean;
  retry_after_ms: number;
}

export interface Accepted {
  position: number;
  at_ms: number;
  conversation?: Uuid;
  seq: number;
  duplicate: boolean;
  held?: number;
  answer?: string;
}

/** What can come of a request, by name. */
export interface Outcomes {
  error: ErrorBody;
  accepted: Accepted;
  pong: { now_ms: number; token_expires_ms: number };
  conversations: { conversations: Conversation[]; more: boolean; position: number };
  conversation: Conversation;
  messages: { messages: Message[]; more: boolean; position: number };
  members: { members: Member[]; more: boolean; position: number };
  receipts: { read: number; delivered: number; members: number; cursors: MemberCursor[] };
  message: Message;
  blocked: { users: string[] };
  /** `total` holds events up to `as_of`. */
  unread: { total: number; as_of: number };
  contacts: { contacts: Contact[]; more: boolean; position: number };
  people: { people: Person[]; total: number; at_least: boolean; next: string; facets: Facet[]; cut: boolean };
  profiles: { profiles: Profile[] };
  held: { held: Held[]; more: boolean; position: number };
  notifications: { toasts: Toast[]; more: boolean; badges: Badge[]; position: number };
  found_messages: { messages: FoundMessage[]; next: string; since_ms: number; cut: boolean };
}

export interface Reply {
  id: number;
  /** One key of those known; null or another key for an outcome this version does not know. */
  outcome: Partial<Outcomes> | null;
}

/** One frame from the server; exactly one key. Null or an unknown key is skipped. */
export type ServerFrame = {
  welcome?: Welcome;
  reply?: Reply;
  event?: Event;
  reset?: Reset;
  typing?: { conversation: Uuid; user: string; active: boolean };
  closing?: Closing;
  nodes?: { nodes: string[] };
  presence?: { version: number; snapshot: boolean; users: Presence[] };
  looking?: { conversation: Uuid; user: string; active: boolean };
  people_online?: { count: number; users: string[] };
} | null;
