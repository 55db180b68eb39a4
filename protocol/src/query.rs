//! Requests that only read, and their answers.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{id, view};

/// A page of conversations, latest activity first.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListConversations {
    /// Only those whose `activity_position` is lower; 0 for the first page.
    #[prost(uint64, tag = "1")]
    pub before: u64,
    /// At most this many, 1 to 100; 0 for 20.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

/// Answer to [`ListConversations`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversations {
    /// The page.
    #[prost(message, repeated, tag = "1")]
    pub conversations: Vec<view::Conversation>,
    /// Whether there are more.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// The answer holds everything up to this position.
    #[prost(uint64, tag = "3")]
    pub position: u64,
}

/// One conversation.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct GetConversation {
    /// Which.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
}

/// A page of history. Give `before` or `after` or neither (the latest), not both.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMessages {
    /// Which conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Messages with a lower `seq`; 0 for none.
    #[prost(uint64, tag = "2")]
    pub before: u64,
    /// Messages with a higher `seq`; absent for none (0 means from the start).
    #[prost(uint64, optional, tag = "3")]
    pub after: Option<u64>,
    /// At most this many, 1 to 200; 0 for 50.
    #[prost(uint32, tag = "4")]
    pub limit: u32,
}

/// Answer to [`ListMessages`]: always in ascending `seq`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Messages {
    /// The page. A gap in `seq` is history this user may not see.
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<view::Message>,
    /// Whether there are more in the direction asked.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// The answer holds everything up to this position.
    #[prost(uint64, tag = "3")]
    pub position: u64,
}

/// One message, in full however long.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct GetMessage {
    /// Which conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which message.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
}

/// A page of members in order of user id.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMembers {
    /// Which conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Only user ids after this one; empty for the first page.
    #[prost(string, tag = "2")]
    pub after: String,
    /// At most this many, 1 to 1,000; 0 for 100.
    #[prost(uint32, tag = "3")]
    pub limit: u32,
}

/// Answer to [`ListMembers`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Members {
    /// The page.
    #[prost(message, repeated, tag = "1")]
    pub members: Vec<view::Member>,
    /// Whether there are more.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// The answer holds everything up to this position.
    #[prost(uint64, tag = "3")]
    pub position: u64,
}

/// Who has received and read a message. In groups above 32 members this is the only way to know.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct GetReceipts {
    /// Which conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which message.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
}

/// Answer to [`GetReceipts`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipts {
    /// How many members (the author aside) have read it.
    #[prost(uint32, tag = "1")]
    pub read: u32,
    /// How many have received it, readers included.
    #[prost(uint32, tag = "2")]
    pub delivered: u32,
    /// How many members there are beside the author.
    #[prost(uint32, tag = "3")]
    pub members: u32,
    /// Cursors of up to 100 members who have received it.
    #[prost(message, repeated, tag = "4")]
    pub cursors: Vec<view::MemberCursor>,
}

/// The users one has blocked.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListBlocked {}

/// Answer to [`ListBlocked`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Blocked {
    /// In order of user id.
    #[prost(string, repeated, tag = "1")]
    pub users: Vec<String>,
}

/// The total of unread messages.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct GetUnread {}

/// Answer to [`GetUnread`].
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Unread {
    /// Unread messages over all conversations that are not muted.
    #[prost(uint64, tag = "1")]
    pub total: u64,
    /// Position it includes every event up to. All of them have been sent before this answer.
    #[prost(uint64, tag = "2")]
    pub as_of: u64,
}

/// A page of contacts, those asked and asking included, in order of user id.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListContacts {
    /// Only user ids after this one; empty for the first page.
    #[prost(string, tag = "1")]
    pub after: String,
    /// At most this many, 1 to 1,000; 0 for 100.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

/// Answer to [`ListContacts`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Contacts {
    /// The page.
    #[prost(message, repeated, tag = "1")]
    pub contacts: Vec<view::Contact>,
    /// Whether there are more.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// The answer holds everything up to this position.
    #[prost(uint64, tag = "3")]
    pub position: u64,
}
