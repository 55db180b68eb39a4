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

/// What moderation holds in a conversation: of oneself, and for owners and moderators of everybody.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListHeld {
    /// Which conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Those after this number; 0 for all.
    #[prost(uint64, tag = "2")]
    pub after: u64,
    /// How many, at most 50; 0 for 20.
    #[prost(uint32, tag = "3")]
    pub limit: u32,
}

/// Answer to [`ListHeld`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldMessages {
    /// In the order in which they were sent.
    #[prost(message, repeated, tag = "1")]
    pub held: Vec<view::Held>,
    /// Whether there are more.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// Everything up to this position is in it.
    #[prost(uint64, tag = "3")]
    pub position: u64,
}

/// One's toasts that wait to be seen, oldest first, and one's badges. To be asked for after a `reset`: changes
/// since then come as events.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ListNotifications {
    /// Only toasts with a higher number; 0 for the first page.
    #[prost(uint64, tag = "1")]
    pub after: u64,
    /// At most this many toasts, 1 to 100; 0 for 50.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

/// Answer to [`ListNotifications`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Notifications {
    /// The page.
    #[prost(message, repeated, tag = "1")]
    pub toasts: Vec<view::Toast>,
    /// Whether more toasts wait.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// All badges, whichever page it is: those that are not here are at 0.
    #[prost(message, repeated, tag = "3")]
    pub badges: Vec<view::Badge>,
    /// The answer holds everything up to this position, and nothing after it. All events up to there have been sent
    /// before this answer, and some after it perhaps.
    #[prost(uint64, tag = "4")]
    pub position: u64,
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

/// Finds people by what their profiles say and by whether they are here. Who blocks the viewer, or is
/// blocked, is not found, nor is the viewer.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchPeople {
    /// In the query language; empty for everybody.
    #[prost(string, tag = "1")]
    pub query: String,
    /// A filter as a tree, for programs: JSON, as text. With `query` both have to fit.
    #[prost(string, tag = "2")]
    pub filter: String,
    /// `any` (the default), `first` (who is online comes first) or `only` (who is not is left out).
    #[prost(string, tag = "3")]
    pub online: String,
    /// Whether who is away does not count as online.
    #[prost(bool, tag = "4")]
    pub without_away: bool,
    /// `relevance` (the default), `distance` (from where the query is near to, or from `from`), `active` (last
    /// seen) or `newest` (the profile).
    #[prost(string, tag = "5")]
    pub sort: String,
    /// With `distance`: latitude and longitude, as in `52.52,13.40`.
    #[prost(string, tag = "6")]
    pub from: String,
    /// Keyword and boolean attributes whose values are to be counted, at most 16.
    #[prost(string, repeated, tag = "7")]
    pub facets: Vec<String>,
    /// At most this many, 1 to 100; 0 for 20.
    #[prost(uint32, tag = "8")]
    pub limit: u32,
    /// Goes on after an earlier page: its `next`.
    #[prost(string, tag = "9")]
    pub after: String,
    /// Whether to say where the words stand.
    #[prost(bool, tag = "10")]
    pub highlight: bool,
    /// Whether to say why each ranks where they do.
    #[prost(bool, tag = "11")]
    pub explain: bool,
    /// Whether to leave out whom one has a direct conversation with.
    #[prost(bool, tag = "12")]
    pub without_contacted: bool,
    /// Users to leave out, at most 1,000.
    #[prost(string, repeated, tag = "13")]
    pub exclude: Vec<String>,
}

/// Answer to [`SearchPeople`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct People {
    /// Best first.
    #[prost(message, repeated, tag = "1")]
    pub people: Vec<view::Person>,
    /// How many fit, on all pages.
    #[prost(uint64, tag = "2")]
    pub total: u64,
    /// Whether there are at least `total`, perhaps more.
    #[prost(bool, tag = "3")]
    pub at_least: bool,
    /// Goes on after the last one; empty where there are no more.
    #[prost(string, tag = "4")]
    pub next: String,
    /// For each attribute of `facets`.
    #[prost(message, repeated, tag = "5")]
    pub facets: Vec<view::Facet>,
    /// Whether the beginning of a word stood for too many words, so that people may be missing.
    #[prost(bool, tag = "6")]
    pub cut: bool,
}

/// Profiles of users, as others see them.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct GetProfiles {
    /// Whose, at most 100.
    #[prost(string, repeated, tag = "1")]
    pub users: Vec<String>,
}

/// Answer to [`GetProfiles`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Profiles {
    /// In the order asked for; who has none, or blocks the viewer, is left out.
    #[prost(message, repeated, tag = "1")]
    pub profiles: Vec<view::Profile>,
}

/// Finds people as `search_people` does, and watches: who comes online later, would be found and is not shown
/// is counted in `people_online` frames. A session watches one page at a time, the last it asked for. How those
/// who are shown come and go is told to who watches their presence.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchPeople {
    /// What is asked.
    #[prost(message, optional, tag = "1")]
    pub search: Option<SearchPeople>,
}

/// Watches no result page any more.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct UnwatchPeople {}

/// Finds messages of one's conversations, by their words and by who wrote them where and when.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchMessages {
    /// In the query language; empty for all messages.
    #[prost(string, tag = "1")]
    pub query: String,
    /// `newest` (the default) or `relevance`.
    #[prost(string, tag = "2")]
    pub sort: String,
    /// At most this many, 1 to 100; 0 for 20.
    #[prost(uint32, tag = "3")]
    pub limit: u32,
    /// Goes on after an earlier page: its `next`.
    #[prost(string, tag = "4")]
    pub after: String,
    /// Whether to say where the words stand.
    #[prost(bool, tag = "5")]
    pub highlight: bool,
}

/// Answer to [`SearchMessages`].
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundMessages {
    /// Newest or best first. Fewer than asked for may be on a page that is not the last.
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<view::FoundMessage>,
    /// Goes on after the last one; empty where there are no more.
    #[prost(string, tag = "2")]
    pub next: String,
    /// With `relevance`, where very many fit: only messages since then were ranked, milliseconds since 1970; 0
    /// where all were.
    #[prost(uint64, tag = "3")]
    pub since_ms: u64,
    /// Whether the beginning of a word stood for too many words, so that messages may be missing.
    #[prost(bool, tag = "4")]
    pub cut: bool,
}
