//! What a client is shown: conversations, messages, members.

use bytes::Bytes;
use prost::Message as ProstMessage;
use serde::{Deserialize, Serialize};

use crate::id;

/// A conversation as one of its members sees it.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// Its id.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub id: Bytes,
    /// `direct` or `group`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// A group's title.
    #[prost(string, tag = "3")]
    pub title: String,
    /// A direct conversation's other user.
    #[prost(string, tag = "4")]
    pub peer: String,
    /// A direct conversation's context.
    #[prost(string, tag = "5")]
    pub context: String,
    /// The viewer's role: `owner`, `moderator`, `member`; empty when they have left.
    #[prost(string, tag = "6")]
    pub role: String,
    /// Present members.
    #[prost(uint32, tag = "7")]
    pub member_count: u32,
    /// The last message the viewer may see.
    #[prost(message, optional, tag = "8")]
    pub last_message: Option<Message>,
    /// `seq` of the last message the viewer may see; 0 for none.
    #[prost(uint64, tag = "9")]
    pub last_seq: u64,
    /// The viewer's read cursor.
    #[prost(uint64, tag = "10")]
    pub read_seq: u64,
    /// Countable, visible messages after the read cursor by others whom the viewer has not blocked.
    #[prost(uint64, tag = "11")]
    pub unread: u64,
    /// Muted by the viewer.
    #[prost(bool, tag = "12")]
    pub muted: bool,
    /// Cursors of the other members, in conversations of up to 32 members.
    #[prost(message, repeated, tag = "13")]
    pub cursors: Vec<MemberCursor>,
    /// Position of the last activity the viewer may see: the sort key of the list.
    #[prost(uint64, tag = "14")]
    pub activity_position: u64,
    /// Its time, milliseconds since 1970.
    #[prost(uint64, tag = "15")]
    pub activity_ms: u64,
    /// The viewer's delivered cursor.
    #[prost(uint64, tag = "16")]
    pub delivered_seq: u64,
    /// `unread` holds everything up to this position: events at or before it do not change it again.
    #[prost(uint64, tag = "17")]
    pub as_of: u64,
}

/// How far a member has come.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberCursor {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// Read up to this message.
    #[prost(uint64, tag = "2")]
    pub read_seq: u64,
    /// Received up to this message; never below `read_seq`.
    #[prost(uint64, tag = "3")]
    pub delivered_seq: u64,
}

/// A message.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Number in its conversation, from 1, without gaps.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Who wrote it.
    #[prost(string, tag = "2")]
    pub author: String,
    /// Recorded time, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "3")]
    pub at_ms: u64,
    /// The text; empty when `retracted`, `erased` or `stub`.
    #[prost(string, tag = "4")]
    pub text: String,
    /// `seq` of the message replied to; 0 for none.
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_zero")]
    pub reply_to: u64,
    /// Members mentioned.
    #[prost(string, repeated, tag = "6")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Time of the last edit; 0 for never.
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "is_zero")]
    pub edited_ms: u64,
    /// Taken back: a place without text.
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_false")]
    pub retracted: bool,
    /// Its content has been erased for good.
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// The text is longer than `Limits::push_text_bytes`: fetch it with `get_message`.
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "is_false")]
    pub stub: bool,
    /// Whether it counts as unread for those who have not read it.
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "is_false")]
    pub countable: bool,
    /// Reactions, most used first.
    #[prost(message, repeated, tag = "12")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// The command id it was posted with: matches the sender's outbox.
    #[prost(bytes = "bytes", tag = "13")]
    #[serde(with = "id::text")]
    pub command_id: Bytes,
}

/// A message, or a new text of one, that moderation holds.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    /// Its number among those held in the conversation, from 1, without gaps.
    #[prost(uint64, tag = "1")]
    pub held: u64,
    /// Who wrote it.
    #[prost(string, tag = "2")]
    pub author: String,
    /// Recorded time, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "3")]
    pub at_ms: u64,
    /// `seq` of the message that it is a new text of; 0 for a new message.
    #[prost(uint64, tag = "4")]
    #[serde(skip_serializing_if = "is_zero")]
    pub edits: u64,
    /// The text; empty when `erased`.
    #[prost(string, tag = "5")]
    pub text: String,
    /// Its content has been erased for good.
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// `seq` of the message replied to; 0 for none.
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "is_zero")]
    pub reply_to: u64,
    /// Members mentioned.
    #[prost(string, repeated, tag = "8")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// The command id it was sent with: matches the sender's outbox.
    #[prost(bytes = "bytes", tag = "9")]
    #[serde(with = "id::text")]
    pub command_id: Bytes,
    /// Why, for its author.
    #[prost(string, tag = "10")]
    pub reason: String,
    /// What was said of it, by extension; for those who settle it.
    #[prost(message, repeated, tag = "11")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
}

/// What an extension said of a message.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// Its id.
    #[prost(string, tag = "1")]
    pub extension: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// `allow`, `replace`, `hold` or `reject`.
    #[prost(string, tag = "3")]
    pub verdict: String,
    /// Why.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// Labels it gave.
    #[prost(string, repeated, tag = "5")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// It failed, and this is what its manifest says counts then.
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
}

/// A reaction and who gave it.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Reaction {
    /// The emoji or short code.
    #[prost(string, tag = "1")]
    pub reaction: String,
    /// How many gave it.
    #[prost(uint32, tag = "2")]
    pub count: u32,
    /// Whether the viewer did.
    #[prost(bool, tag = "3")]
    pub mine: bool,
}

/// A member.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// `owner`, `moderator` or `member`.
    #[prost(string, tag = "2")]
    pub role: String,
    /// When they joined (this time), milliseconds since 1970.
    #[prost(uint64, tag = "3")]
    pub joined_ms: u64,
}

/// What a user is to the viewer.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// `contact` (both have added each other), `asked` (by the viewer), `asking` (the viewer) or `none`.
    #[prost(string, tag = "2")]
    pub state: String,
    /// Since when, milliseconds since 1970 (UTC); 0 for `none`.
    #[prost(uint64, tag = "3")]
    pub at_ms: u64,
}

/// How a user is, as the viewer sees it.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Presence {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// `available`, `away` or `offline`.
    #[prost(string, tag = "2")]
    pub state: String,
    /// Where offline: when they were here last, milliseconds since 1970 (UTC); 0 where that is not known or
    /// not shown.
    #[prost(uint64, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub seen_ms: u64,
}

/// A person who was found.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// Who.
    #[prost(string, tag = "1")]
    pub user: String,
    /// `available`, `away` or `offline`, as they were when it was answered.
    #[prost(string, tag = "2")]
    pub state: String,
    /// Where offline: when they were here last, milliseconds since 1970 (UTC); 0 where that is not known or
    /// not shown.
    #[prost(uint64, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub seen_ms: u64,
    /// What the profile says: a JSON object, as text.
    #[prost(string, tag = "4")]
    pub attributes: String,
    /// How far they are from where the query is near to, in metres.
    #[prost(double, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<f64>,
    /// How well the words fit (BM25); 0 where none were looked for or the order is another.
    #[prost(double, tag = "6")]
    pub score: f64,
    /// Where the words stand, if that was asked for.
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Highlight>,
    /// Why they rank where they do, if that was asked for: a JSON object, as text.
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub explanation: String,
}

/// A place in a text that was looked for.
#[derive(Clone, PartialEq, Eq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Highlight {
    /// In which attribute of a profile; empty in a message.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attribute: String,
    /// In which of its values, from 0.
    #[prost(uint32, tag = "2")]
    pub value: u32,
    /// Where it begins, in bytes of UTF-8.
    #[prost(uint32, tag = "3")]
    pub from: u32,
    /// Where it ends, in bytes of UTF-8.
    #[prost(uint32, tag = "4")]
    pub to: u32,
}

/// The values of an attribute among all who were found.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Facet {
    /// Which attribute.
    #[prost(string, tag = "1")]
    pub attribute: String,
    /// Most frequent first.
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<FacetValue>,
    /// Whether there are more values.
    #[prost(bool, tag = "3")]
    pub more: bool,
}

/// How many have a value.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct FacetValue {
    /// The value.
    #[prost(string, tag = "1")]
    pub value: String,
    /// How many people.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// A message that was found.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundMessage {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// The message.
    #[prost(message, optional, tag = "2")]
    pub message: Option<Message>,
    /// How well the words fit (BM25); 0 where none were looked for or newest come first.
    #[prost(double, tag = "3")]
    pub score: f64,
    /// Where the words stand, if that was asked for; in the whole text, also where that is a stub.
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Highlight>,
}

/// What a user's profile says.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Whose.
    #[prost(string, tag = "1")]
    pub user: String,
    /// A JSON object, as text.
    #[prost(string, tag = "2")]
    pub attributes: String,
}

/// Something to be shown to a user for a while, wherever they are in the product.
#[derive(Clone, PartialEq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Toast {
    /// Its number among the user's, from 1: a later one is higher.
    #[prost(uint64, tag = "1")]
    pub toast: u64,
    /// Who wants it shown: an extension, or `backend`.
    #[prost(string, tag = "2")]
    pub source: String,
    /// What it says.
    #[prost(string, tag = "3")]
    pub title: String,
    /// What else it says.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// What opens at a click: a path of the product's, or an https address; empty for nothing.
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// Of whom it tells, if of somebody.
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about_user: String,
    /// Of which conversation it tells, if of one.
    #[prost(bytes = "bytes", tag = "7")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub about_conversation: Bytes,
    /// When it was queued, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "8")]
    pub at_ms: u64,
    /// From when on it is not to be shown any more, milliseconds since 1970 (UTC).
    #[prost(uint64, tag = "9")]
    pub expires_ms: u64,
}

/// A number beside something on a user's screen.
#[derive(Clone, PartialEq, Eq, ProstMessage, Serialize, Deserialize)]
#[serde(default)]
pub struct Badge {
    /// Whose badge it is: an extension, or `backend`.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Its name, of a-z, 0-9 and `_`.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The number; 0 where it was removed.
    #[prost(uint32, tag = "3")]
    pub count: u32,
}

pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !*value
}
