//! The two frames: what a client sends, what a server sends.

use bytes::Bytes;
use prost::{Message, Oneof};
use serde::{Deserialize, Serialize};

use crate::{command, event, forward, id, query, view};

/// One frame from a client.
///
/// JSON: `{"id":7,"command_id":"0198...","request":{"post_message":{...}}}`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientFrame {
    /// Chosen by the client, echoed in the reply. 0 asks for no reply (errors are still answered).
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// UUIDv7 naming the command for ever: a retry with the same id is executed at most once and
    /// gets the same answer. Required for every request that changes something, except `hello`,
    /// `ack`, `mark_read` and `typing`, which are safe to repeat by themselves.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub command_id: Bytes,
    /// What is asked. Absent (or of a kind this server does not know): `unknown_request`.
    #[prost(
        oneof = "Request",
        tags = "10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63"
    )]
    pub request: Option<Request>,
}

/// Everything a client can ask.
#[derive(Clone, PartialEq, Oneof, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// First frame of every connection: who, which device, where to resume.
    #[prost(message, tag = "10")]
    Hello(command::Hello),
    /// Keeps the connection alive; answered with `pong`.
    #[prost(message, tag = "11")]
    Ping(command::Ping),
    /// Renews the token of this session before it expires.
    #[prost(message, tag = "12")]
    RenewToken(command::RenewToken),
    /// Acknowledges, cumulatively, every event up to a cursor.
    #[prost(message, tag = "13")]
    Ack(command::Ack),

    /// Starts (or finds) the direct conversation with a user.
    #[prost(message, tag = "20")]
    StartDirect(command::StartDirect),
    /// Creates a group.
    #[prost(message, tag = "21")]
    CreateGroup(command::CreateGroup),
    /// Adds members to a group.
    #[prost(message, tag = "22")]
    AddMembers(command::AddMembers),
    /// Removes a member from a group.
    #[prost(message, tag = "23")]
    RemoveMember(command::RemoveMember),
    /// Leaves a group.
    #[prost(message, tag = "24")]
    Leave(command::Leave),
    /// Changes a member's role.
    #[prost(message, tag = "25")]
    SetRole(command::SetRole),
    /// Changes a group's title.
    #[prost(message, tag = "26")]
    SetTitle(command::SetTitle),
    /// Mutes or unmutes a conversation for oneself.
    #[prost(message, tag = "27")]
    SetMuted(command::SetMuted),

    /// Posts a message.
    #[prost(message, tag = "30")]
    PostMessage(command::PostMessage),
    /// Replaces the text of one's own message.
    #[prost(message, tag = "31")]
    EditMessage(command::EditMessage),
    /// Takes a message back.
    #[prost(message, tag = "32")]
    RetractMessage(command::RetractMessage),
    /// Adds a reaction.
    #[prost(message, tag = "33")]
    AddReaction(command::AddReaction),
    /// Removes a reaction.
    #[prost(message, tag = "34")]
    RemoveReaction(command::RemoveReaction),
    /// Moves one's read cursor forward.
    #[prost(message, tag = "35")]
    MarkRead(command::MarkRead),
    /// Tells the others that one is typing. Never stored.
    #[prost(message, tag = "36")]
    Typing(command::Typing),

    /// Settles what moderation holds.
    #[prost(message, tag = "37")]
    SettleHeld(command::SettleHeld),
    /// Says that one has seen toasts: they go from all of one's devices.
    #[prost(message, tag = "38")]
    SeeToasts(command::SeeToasts),
    /// Calls a command of an extension.
    #[prost(message, tag = "39")]
    Invoke(command::Invoke),

    /// Blocks a user.
    #[prost(message, tag = "40")]
    BlockUser(command::BlockUser),
    /// Unblocks a user.
    #[prost(message, tag = "41")]
    UnblockUser(command::UnblockUser),
    /// Lists the users one has blocked.
    #[prost(message, tag = "42")]
    ListBlocked(query::ListBlocked),

    /// Asks a user to be a contact, or accepts that they ask.
    #[prost(message, tag = "43")]
    AddContact(command::AddContact),
    /// Ends a contact, takes a request back or declines one.
    #[prost(message, tag = "44")]
    RemoveContact(command::RemoveContact),
    /// Lists one's contacts, those asked and asking included.
    #[prost(message, tag = "45")]
    ListContacts(query::ListContacts),
    /// Becomes invisible to others, or visible again.
    #[prost(message, tag = "46")]
    SetInvisible(command::SetInvisible),
    /// Says whether one is at the device or away from it.
    #[prost(message, tag = "47")]
    SetPresence(command::SetPresence),
    /// Watches who is here: answered with `pong`, behind a `presence` frame that says how all of them are.
    #[prost(message, tag = "48")]
    WatchPresence(command::WatchPresence),
    /// Tells the others in a conversation that one is looking at it. Never stored.
    #[prost(message, tag = "49")]
    Look(command::Look),

    /// Lists one's conversations by last activity.
    #[prost(message, tag = "50")]
    ListConversations(query::ListConversations),
    /// One conversation.
    #[prost(message, tag = "51")]
    GetConversation(query::GetConversation),
    /// A page of history, either way.
    #[prost(message, tag = "52")]
    ListMessages(query::ListMessages),
    /// A page of members.
    #[prost(message, tag = "53")]
    ListMembers(query::ListMembers),
    /// Who has read and received a message.
    #[prost(message, tag = "54")]
    GetReceipts(query::GetReceipts),
    /// One message in full.
    #[prost(message, tag = "55")]
    GetMessage(query::GetMessage),
    /// The user's total of unread messages.
    #[prost(message, tag = "56")]
    GetUnread(query::GetUnread),
    /// Finds people.
    #[prost(message, tag = "57")]
    SearchPeople(query::SearchPeople),
    /// Profiles of users.
    #[prost(message, tag = "58")]
    GetProfiles(query::GetProfiles),
    /// Finds people, and tells of those who come online later and would be found.
    #[prost(message, tag = "59")]
    WatchPeople(query::WatchPeople),
    /// Finds messages of one's conversations.
    #[prost(message, tag = "60")]
    SearchMessages(query::SearchMessages),
    /// Watches no result page any more.
    #[prost(message, tag = "61")]
    UnwatchPeople(query::UnwatchPeople),
    /// Lists what moderation holds in a conversation.
    #[prost(message, tag = "62")]
    ListHeld(query::ListHeld),
    /// Lists one's toasts that wait to be seen, and one's badges.
    #[prost(message, tag = "63")]
    ListNotifications(query::ListNotifications),
}

/// One frame from a server. JSON: `{"reply":{...}}`, `{"event":{...}}` and so on.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerFrame {
    /// The frame. Clients ignore kinds they do not know.
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    #[serde(deserialize_with = "forward::lenient")]
    pub body: Option<Body>,
}

/// Everything a server can say.
#[derive(Clone, PartialEq, Oneof, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Answer to `hello`: the session is open.
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    /// Answer to any other request.
    #[prost(message, tag = "2")]
    Reply(Reply),
    /// A recorded event of one of the user's streams.
    #[prost(message, tag = "3")]
    Event(event::Event),
    /// Throw away what you hold: here is the current window.
    #[prost(message, tag = "4")]
    Reset(Reset),
    /// Somebody is typing. Volatile: outside the cursor.
    #[prost(message, tag = "5")]
    Typing(event::Typing),
    /// The connection is about to be closed: when to come back.
    #[prost(message, tag = "6")]
    Closing(Closing),
    /// Other nodes have come or gone.
    #[prost(message, tag = "7")]
    Nodes(Nodes),
    /// How users are who are watched. Outside the cursor: a new session watches anew.
    #[prost(message, tag = "8")]
    Presence(event::Presence),
    /// People have come online whom the result page that is watched does not show. Outside the cursor.
    #[prost(message, tag = "9")]
    PeopleOnline(event::PeopleOnline),
    /// Who is looking at a conversation. Outside the cursor.
    #[prost(message, tag = "10")]
    Looking(event::Looking),
}

/// A place in the log: everything up to it is known. Compare only within one epoch.
#[derive(Clone, PartialEq, Eq, Hash, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Names one history of the log, as UUID text in JSON.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub epoch: Bytes,
    /// Position of a commit, from 1.
    #[prost(uint64, tag = "2")]
    pub position: u64,
    /// Index of the event within its commit; `4294967295` stands for the whole commit.
    #[prost(uint32, tag = "3")]
    pub index: u32,
}

/// Answer to `hello`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Welcome {
    /// The `id` of the hello.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The user the token names.
    #[prost(string, tag = "2")]
    pub user: String,
    /// This connection's session.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "id::text")]
    pub session: Bytes,
    /// Server time in milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "4")]
    pub now_ms: u64,
    /// True when the changes since the cursor follow as `event` frames; false when a `reset` follows.
    #[prost(bool, tag = "5")]
    pub resumed: bool,
    /// Where the session stands once what follows is applied: the next cursor.
    #[prost(message, optional, tag = "6")]
    pub cursor: Option<Cursor>,
    /// Send any frame (a `ping` if nothing else) at least this often.
    #[prost(uint32, tag = "7")]
    pub heartbeat_ms: u32,
    /// When the token expires, milliseconds since 1970; 0 for never.
    #[prost(uint64, tag = "8")]
    pub token_expires_ms: u64,
    /// The limits in force.
    #[prost(message, optional, tag = "9")]
    pub limits: Option<Limits>,
    /// Number of `event` frames that follow for this resume.
    #[prost(uint32, tag = "10")]
    pub replayed: u32,
    /// Base URLs of the other nodes. When this one is lost, connect to one of them and resume there.
    #[prost(string, repeated, tag = "11")]
    pub nodes: Vec<String>,
}

/// Limits a client should know.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Longest frame in bytes.
    #[prost(uint32, tag = "1")]
    pub frame_bytes: u32,
    /// Longest message text in bytes of UTF-8.
    #[prost(uint32, tag = "2")]
    pub text_bytes: u32,
    /// Requests a second per connection, sustained.
    #[prost(uint32, tag = "3")]
    pub requests_per_second: u32,
    /// Texts longer than this are pushed as a stub and fetched with `get_message`.
    #[prost(uint32, tag = "4")]
    pub push_text_bytes: u32,
}

/// Replaces everything the client holds, except its outbox.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Reset {
    /// Why: `first`, `epoch`, `gap`, `ahead`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// The state below is as of this cursor.
    #[prost(message, optional, tag = "2")]
    pub cursor: Option<Cursor>,
    /// The latest conversations by last activity.
    #[prost(message, repeated, tag = "3")]
    pub conversations: Vec<view::Conversation>,
    /// Whether older conversations exist: fetch them with `list_conversations`.
    #[prost(bool, tag = "4")]
    pub more: bool,
    /// Unread messages over all conversations that are not muted.
    #[prost(uint64, tag = "5")]
    pub unread_total: u64,
    /// Users blocked by this user.
    #[prost(string, repeated, tag = "6")]
    pub blocked: Vec<String>,
    /// Whether this user is invisible.
    #[prost(bool, tag = "7")]
    pub invisible: bool,
}

/// Sent before the server closes.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Closing {
    /// The close code's name, see `CloseCode`.
    #[prost(string, tag = "1")]
    pub code: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Whether the client should connect again.
    #[prost(bool, tag = "3")]
    pub reconnect: bool,
    /// Earliest reconnect, milliseconds from now; chosen by the server, jitter included.
    #[prost(uint32, tag = "4")]
    pub after_ms: u32,
    /// Base URL of another node to use, if not the same.
    #[prost(string, tag = "5")]
    pub address: String,
}

/// Sent when other nodes have come or gone: takes the place of what `welcome` said of them.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Nodes {
    /// Base URLs of the other nodes.
    #[prost(string, repeated, tag = "1")]
    pub nodes: Vec<String>,
}

/// Answer to a request.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// The request's `id`.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The outcome.
    #[prost(
        oneof = "Outcome",
        tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18"
    )]
    #[serde(deserialize_with = "forward::lenient")]
    pub outcome: Option<Outcome>,
}

/// What came of a request.
#[derive(Clone, PartialEq, Oneof, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// Made once and encoded at once: a box would cost an allocation a frame and save nothing.
#[allow(clippy::large_enum_variant)]
pub enum Outcome {
    /// Refused; nothing changed.
    #[prost(message, tag = "2")]
    Error(Error),
    /// Durable.
    #[prost(message, tag = "3")]
    Accepted(Accepted),
    /// Answer to `ping`, `renew_token`, and to an `ack`, `mark_read`, `typing`, `set_presence`,
    /// `watch_presence`, `look` or `unwatch_people` that asked for a reply.
    #[prost(message, tag = "4")]
    Pong(Pong),
    /// Answer to `list_conversations`.
    #[prost(message, tag = "5")]
    Conversations(query::Conversations),
    /// Answer to `get_conversation`.
    #[prost(message, tag = "6")]
    Conversation(view::Conversation),
    /// Answer to `list_messages`.
    #[prost(message, tag = "7")]
    Messages(query::Messages),
    /// Answer to `list_members`.
    #[prost(message, tag = "8")]
    Members(query::Members),
    /// Answer to `get_receipts`.
    #[prost(message, tag = "9")]
    Receipts(query::Receipts),
    /// Answer to `get_message`.
    #[prost(message, tag = "10")]
    Message(view::Message),
    /// Answer to `list_blocked`.
    #[prost(message, tag = "11")]
    Blocked(query::Blocked),
    /// Answer to `get_unread`.
    #[prost(message, tag = "12")]
    Unread(query::Unread),
    /// Answer to `list_contacts`.
    #[prost(message, tag = "13")]
    Contacts(query::Contacts),
    /// Answer to `search_people` and `watch_people`.
    #[prost(message, tag = "14")]
    People(query::People),
    /// Answer to `get_profiles`.
    #[prost(message, tag = "15")]
    Profiles(query::Profiles),
    /// Answer to `search_messages`.
    #[prost(message, tag = "16")]
    FoundMessages(query::FoundMessages),
    /// Answer to `list_held`.
    #[prost(message, tag = "17")]
    Held(query::HeldMessages),
    /// Answer to `list_notifications`.
    #[prost(message, tag = "18")]
    Notifications(query::Notifications),
}

/// A refusal.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Error {
    /// Stable name, see `ErrorCode`.
    #[prost(string, tag = "1")]
    pub code: String,
    /// For people; names the offending value and what to do.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Whether the same request (same command id) may succeed later.
    #[prost(bool, tag = "3")]
    pub retry: bool,
    /// Not before this many milliseconds from now; 0 when the client may choose.
    #[prost(uint32, tag = "4")]
    pub retry_after_ms: u32,
}

/// The command is durable in the log.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Accepted {
    /// Position of its commit. Reads that follow on any session of this node include it.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Recorded time, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "2")]
    pub at_ms: u64,
    /// The conversation concerned, also when it was just made.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub conversation: Bytes,
    /// For `post_message`: the message's number in its conversation, from 1.
    #[prost(uint64, tag = "4")]
    pub seq: u64,
    /// True when this command id had been executed before: nothing new was recorded.
    #[prost(bool, tag = "5")]
    pub duplicate: bool,
    /// For `post_message` and `edit_message`: its number among those that moderation holds in the conversation; 0
    /// where it is not held. What is held is seen by its author and moderators alone until it is settled.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "view::is_zero")]
    pub held: u64,
    /// For `invoke`: what the extension answers, JSON of at most 64 KiB.
    #[prost(string, tag = "7")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// Nothing but "yes".
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Pong {
    /// Server time in milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "1")]
    pub now_ms: u64,
    /// For `renew_token`: when the new token expires; 0 for never.
    #[prost(uint64, tag = "2")]
    pub token_expires_ms: u64,
}

impl ServerFrame {
    /// A reply frame.
    pub fn reply(id: u64, outcome: Outcome) -> ServerFrame {
        ServerFrame {
            body: Some(Body::Reply(Reply {
                id,
                outcome: Some(outcome),
            })),
        }
    }
}
