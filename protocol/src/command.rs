//! Requests that change something, and the session's own.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{frame::Cursor, id};

/// Opens the session.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// A JWT (or, where the server allows it, a development token `dev:<user>`).
    #[prost(string, tag = "1")]
    pub token: String,
    /// One client installation, kept by the client; tabs of one browser share it. At most 64 bytes.
    #[prost(string, tag = "2")]
    pub device: String,
    /// Where to resume; absent on a first visit.
    #[prost(message, optional, tag = "3")]
    pub cursor: Option<Cursor>,
    /// Name and version of the client software, for the operator. At most 128 bytes.
    #[prost(string, tag = "4")]
    pub client: String,
    /// Conversations in the window of a `reset`, at most 100; 0 for the server's default (20).
    #[prost(uint32, tag = "5")]
    pub window: u32,
}

/// Keeps the connection alive.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Ping {}

/// A fresh token for the same user.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RenewToken {
    /// The new token.
    #[prost(string, tag = "1")]
    pub token: String,
}

/// Everything up to here has been stored or shown by this device: the messages among it are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Ack {
    /// Position of an event received.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Its index.
    #[prost(uint32, tag = "2")]
    pub index: u32,
}

/// Starts or finds a direct conversation. The same pair and context always reach the same one.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct StartDirect {
    /// The other user.
    #[prost(string, tag = "1")]
    pub user: String,
    /// What it is about, such as a listing's id; empty for the pair's plain conversation. At most 128 bytes.
    #[prost(string, tag = "2")]
    pub context: String,
}

/// Creates a group; the caller becomes its owner.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateGroup {
    /// Title, at most 256 bytes.
    #[prost(string, tag = "1")]
    pub title: String,
    /// First members beside the caller.
    #[prost(string, repeated, tag = "2")]
    pub members: Vec<String>,
    /// Whether members see history from the start rather than from joining.
    #[prost(bool, tag = "3")]
    pub history_from_start: bool,
    /// Cap on members, 0 for the server's (10,000).
    #[prost(uint32, tag = "4")]
    pub max_members: u32,
}

/// Adds members. Owners and moderators may.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct AddMembers {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Users to add, at most 1,000 at a time; who is a member already is skipped.
    #[prost(string, repeated, tag = "2")]
    pub users: Vec<String>,
}

/// Removes a member. Owners may remove anyone, moderators may remove members.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveMember {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// The member.
    #[prost(string, tag = "2")]
    pub user: String,
}

/// Leaves a group. The last owner hands over ownership first.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Leave {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
}

/// Changes a role. Owners may.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SetRole {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// The member.
    #[prost(string, tag = "2")]
    pub user: String,
    /// `owner`, `moderator` or `member`.
    #[prost(string, tag = "3")]
    pub role: String,
}

/// Changes the title. Owners and moderators may.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SetTitle {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// The new title, at most 256 bytes.
    #[prost(string, tag = "2")]
    pub title: String,
}

/// Mutes or unmutes for oneself: a muted conversation does not count in `unread_total`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SetMuted {
    /// The conversation.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Muted or not.
    #[prost(bool, tag = "2")]
    pub muted: bool,
}

/// Posts a message.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PostMessage {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Text, not empty, within `Limits::text_bytes`.
    #[prost(string, tag = "2")]
    pub text: String,
    /// `seq` of the message replied to; 0 for none.
    #[prost(uint64, tag = "3")]
    pub reply_to: u64,
    /// Members mentioned, at most 50.
    #[prost(string, repeated, tag = "4")]
    pub mentions: Vec<String>,
}

/// Replaces the text of one's own message.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct EditMessage {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// The new text.
    #[prost(string, tag = "3")]
    pub text: String,
    /// The new mentions.
    #[prost(string, repeated, tag = "4")]
    pub mentions: Vec<String>,
}

/// Takes a message back: one's own, or in a group as owner or moderator anyone's.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RetractMessage {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
}

/// Settles what moderation holds of somebody else, in a group, as its owner or moderator. It is posted as if
/// it were sent now, or its text replaced; or its author is told that it will not be.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SettleHeld {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Its number among those held.
    #[prost(uint64, tag = "2")]
    pub held: u64,
    /// Whether it is let go; otherwise it is rejected.
    #[prost(bool, tag = "3")]
    pub release: bool,
    /// Why it is rejected: its author is shown this. At most 512 bytes.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// Says that one has seen toasts, or has put them away: they go from all of one's devices. Those that do not wait
/// are passed over.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SeeToasts {
    /// Their numbers, 1 to 1,000.
    #[prost(uint64, repeated, tag = "1")]
    pub toasts: Vec<u64>,
}

/// Calls a command of an extension by name, and waits for its answer.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Invoke {
    /// Which extension.
    #[prost(string, tag = "1")]
    pub extension: String,
    /// Which of its commands.
    #[prost(string, tag = "2")]
    pub command: String,
    /// The arguments: a JSON object, at most 64 KiB; empty for none.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub args: String,
    /// From which conversation, of which one is a member; empty for none.
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub conversation: Bytes,
}

/// Adds one's reaction to a message.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct AddReaction {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// An emoji or short code, 1 to 32 bytes.
    #[prost(string, tag = "3")]
    pub reaction: String,
}

/// Removes one's reaction from a message.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveReaction {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Which.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// The reaction to remove.
    #[prost(string, tag = "3")]
    pub reaction: String,
}

/// Moves the read cursor forward; a lower `seq` than the present cursor changes nothing.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct MarkRead {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Everything up to this message has been read.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
}

/// Typing started or stopped. Repeat every 4 s while it lasts; others forget it after 6 s.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Typing {
    /// Where.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
    /// Started or stopped.
    #[prost(bool, tag = "2")]
    pub active: bool,
}

/// Blocks a user. The blocked one is not told and sees no difference.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockUser {
    /// Whom.
    #[prost(string, tag = "1")]
    pub user: String,
}

/// Unblocks a user.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct UnblockUser {
    /// Whom.
    #[prost(string, tag = "1")]
    pub user: String,
}

/// Asks a user to be a contact, or accepts that they ask. The other one is told, unless they have blocked
/// the user.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct AddContact {
    /// Whom.
    #[prost(string, tag = "1")]
    pub user: String,
}

/// Ends a contact, takes a request back or declines one: for both.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveContact {
    /// Whom.
    #[prost(string, tag = "1")]
    pub user: String,
}

/// Becomes invisible to others, or visible again. Who is invisible sees others and reads as offline to
/// them: in what they watch and search, and nobody sees them type, read or receive.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SetInvisible {
    /// From now on.
    #[prost(bool, tag = "1")]
    pub invisible: bool,
}

/// How one is at this device. Without it the server takes who asks for something for available, and who has
/// asked for nothing but heartbeats for five minutes for away. `available` counts as such a request: a client says it about once a
/// minute while somebody reads or scrolls.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SetPresence {
    /// `available` or `away`.
    #[prost(string, tag = "1")]
    pub state: String,
}

/// Watches exactly these users from now on, instead of those watched before.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchPresence {
    /// Whom: those on the screen, at most 500.
    #[prost(string, repeated, tag = "1")]
    pub users: Vec<String>,
    /// Whether one's contacts are watched as well.
    #[prost(bool, tag = "2")]
    pub roster: bool,
}

/// Tells the others in a conversation, of up to 32 members, that one is looking at it. It holds until the
/// session looks at another one or ends; repeat it every 30 s, and when somebody else begins to look, so that
/// they know. Nobody sees it of who is invisible or blocked.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// At which conversation; empty for none.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text", skip_serializing_if = "Bytes::is_empty")]
    pub conversation: Bytes,
}
