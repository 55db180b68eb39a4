//! Recorded events as clients see them, and the volatile typing signal.

use bytes::Bytes;
use prost::{Message, Oneof};
use serde::{Deserialize, Serialize};

use crate::{forward, id, view};

/// One recorded event. Applying one twice changes nothing: every body carries absolute facts.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Position of its commit; with `index` the next cursor.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Index within the commit.
    #[prost(uint32, tag = "2")]
    pub index: u32,
    /// The conversation; empty for events of the user's own stream.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub conversation: Bytes,
    /// Who caused it.
    #[prost(string, tag = "4")]
    pub actor: String,
    /// Recorded time, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "5")]
    pub at_ms: u64,
    /// What happened. Unknown kinds are skipped (the cursor still moves).
    #[prost(
        oneof = "Kind",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32"
    )]
    #[serde(deserialize_with = "forward::lenient")]
    pub kind: Option<Kind>,
}

/// What happened.
#[derive(Clone, PartialEq, Oneof, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// Made once and encoded at once: a box would cost an allocation a frame and save nothing.
#[allow(clippy::large_enum_variant)]
pub enum Kind {
    /// A message was posted.
    #[prost(message, tag = "10")]
    MessagePosted(view::Message),
    /// A message's text changed.
    #[prost(message, tag = "11")]
    MessageEdited(MessageEdited),
    /// A message was taken back. Members who have left are told, too, of messages they saw.
    #[prost(message, tag = "12")]
    MessageRetracted(MessageRetracted),
    /// A reaction was added.
    #[prost(message, tag = "13")]
    ReactionAdded(ReactionChanged),
    /// A reaction was removed.
    #[prost(message, tag = "14")]
    ReactionRemoved(ReactionChanged),
    /// A member has read up to a message. Above 32 members only one's own are sent.
    #[prost(message, tag = "15")]
    ReadUpTo(CursorMoved),
    /// A member has received up to a message. Above 32 members only one's own are sent.
    #[prost(message, tag = "16")]
    DeliveredUpTo(CursorMoved),
    /// The viewer is in this conversation now (it was started, or they joined): its whole view.
    #[prost(message, tag = "17")]
    ConversationAdded(view::Conversation),
    /// Others joined, by one command: at most 250 in one event.
    #[prost(message, tag = "18")]
    MembersJoined(MembersChanged),
    /// Somebody left or was removed; the viewer too, if named.
    #[prost(message, tag = "19")]
    MemberLeft(MembersChanged),
    /// A role changed.
    #[prost(message, tag = "20")]
    RoleChanged(RoleChanged),
    /// The title changed.
    #[prost(message, tag = "21")]
    TitleChanged(TitleChanged),
    /// The viewer muted or unmuted the conversation.
    #[prost(message, tag = "22")]
    MutedChanged(MutedChanged),
    /// The viewer blocked a user: what that user wrote is hidden; fetch the conversations shown anew.
    #[prost(message, tag = "23")]
    UserBlocked(UserChanged),
    /// The viewer unblocked a user: fetch the conversations shown anew.
    #[prost(message, tag = "24")]
    UserUnblocked(UserChanged),
    /// The viewer became invisible, or visible again.
    #[prost(message, tag = "25")]
    VisibilityChanged(VisibilityChanged),
    /// A user is another thing to the viewer now: a contact, asked, asking, or none.
    #[prost(message, tag = "26")]
    ContactChanged(view::Contact),
    /// Moderation holds a message, or a new text of one: told its author, owners and moderators.
    #[prost(message, tag = "27")]
    MessageHeld(view::Held),
    /// What was held was let go: what comes of it follows. Told the same.
    #[prost(message, tag = "28")]
    MessageReleased(MessageReleased),
    /// What was held will not be. Told the same.
    #[prost(message, tag = "29")]
    MessageRejected(MessageRejected),
    /// A toast is to be shown to the viewer, on all their devices, until they see it on one.
    #[prost(message, tag = "30")]
    ToastQueued(ToastQueued),
    /// The viewer has seen toasts on one of their devices, or is not to be shown them any more.
    #[prost(message, tag = "31")]
    ToastsSeen(ToastsSeen),
    /// A number beside something on the viewer's screen changed.
    #[prost(message, tag = "32")]
    BadgeSet(view::Badge),
}

/// A toast to be shown.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ToastQueued {
    /// The toast.
    #[prost(message, optional, tag = "1")]
    pub toast: Option<view::Toast>,
    /// Toasts that wait no longer: it takes their place, or they make room for it.
    #[prost(uint64, repeated, tag = "2")]
    pub replaces: Vec<u64>,
}

/// Toasts that wait no longer.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ToastsSeen {
    /// Their numbers. A device need not have been told of all of them.
    #[prost(uint64, repeated, tag = "1")]
    pub toasts: Vec<u64>,
}

/// What was held is no longer.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageReleased {
    /// Its number among those held.
    #[prost(uint64, tag = "1")]
    pub held: u64,
}

/// What was held will not be.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageRejected {
    /// Its number among those held.
    #[prost(uint64, tag = "1")]
    pub held: u64,
    /// Why, for its author.
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// New text of a message.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageEdited {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The new text; empty when `stub`.
    #[prost(string, tag = "2")]
    pub text: String,
    /// The new mentions.
    #[prost(string, repeated, tag = "3")]
    pub mentions: Vec<String>,
    /// The text is too long to push: fetch it with `get_message`.
    #[prost(bool, tag = "4")]
    pub stub: bool,
    /// The content has been erased for good.
    #[prost(bool, tag = "5")]
    pub erased: bool,
}

/// A message taken back.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageRetracted {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Its author: with `countable` enough to correct an unread count.
    #[prost(string, tag = "2")]
    pub author: String,
    /// Whether it had counted.
    #[prost(bool, tag = "3")]
    pub countable: bool,
}

/// A reaction added or removed by the event's actor.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ReactionChanged {
    /// Which message.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The reaction.
    #[prost(string, tag = "2")]
    pub reaction: String,
    /// How many give it now.
    #[prost(uint32, tag = "3")]
    pub count: u32,
}

/// A member's cursor moved forward.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct CursorMoved {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// Up to this message.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// For one's own `read_up_to`: what is left unread in this conversation.
    #[prost(uint64, tag = "3")]
    pub unread: u64,
    /// `unread` holds everything up to this position, which may be later than this event's own:
    /// events at or before it do not change the count again. 0 when `unread` is not given.
    #[prost(uint64, tag = "4")]
    pub as_of: u64,
}

/// Members came or went.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MembersChanged {
    /// Who.
    #[prost(string, repeated, tag = "1")]
    pub users: Vec<String>,
    /// Members now.
    #[prost(uint32, tag = "2")]
    pub member_count: u32,
    /// Whether somebody else removed them.
    #[prost(bool, tag = "3")]
    pub removed: bool,
}

/// A role changed.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleChanged {
    /// Whose.
    #[prost(string, tag = "1")]
    pub user: String,
    /// `owner`, `moderator` or `member`.
    #[prost(string, tag = "2")]
    pub role: String,
}

/// The title changed.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct TitleChanged {
    /// The new title.
    #[prost(string, tag = "1")]
    pub title: String,
}

/// Muted or not.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MutedChanged {
    /// Now.
    #[prost(bool, tag = "1")]
    pub muted: bool,
}

/// A user the viewer blocked or unblocked.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct UserChanged {
    /// Whom.
    #[prost(string, tag = "1")]
    pub user: String,
}

/// Somebody is typing, or stopped.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Typing {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Who.
    #[prost(string, tag = "2")]
    pub user: String,
    /// Started or stopped. Forget it after 6 s without a repeat.
    #[prost(bool, tag = "3")]
    pub active: bool,
}

/// The viewer's visibility.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct VisibilityChanged {
    /// Now.
    #[prost(bool, tag = "1")]
    pub invisible: bool,
}

/// How users are who are watched.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Presence {
    /// Rises by one with each such frame of a session, from 1.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Whether these are all that are watched now; otherwise those who changed.
    #[prost(bool, tag = "2")]
    pub snapshot: bool,
    /// How they are.
    #[prost(message, repeated, tag = "3")]
    pub users: Vec<view::Presence>,
}

/// How many people have come online, and would be found by what is watched, whom its page does not show.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PeopleOnline {
    /// How many since it was asked for; those who have gone again meanwhile are counted.
    #[prost(uint64, tag = "1")]
    pub count: u64,
    /// The last of them, at most 10.
    #[prost(string, repeated, tag = "2")]
    pub users: Vec<String>,
}

/// Somebody is looking at a conversation, or is not any more.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Looking {
    /// Which.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Who.
    #[prost(string, tag = "2")]
    pub user: String,
    /// Looks, or does not any more. Forget it after 90 s without a repeat.
    #[prost(bool, tag = "3")]
    pub active: bool,
}
