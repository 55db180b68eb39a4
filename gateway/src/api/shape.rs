//! What is shown, in the shapes of this API: those of the client protocol, in JSON.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use tidings_protocol::{id, view};

/// A conversation as one of its members sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Conversation {
    /// Its id, a UUID.
    id: String,
    /// `direct` or `group`.
    kind: String,
    /// A group's title.
    title: String,
    /// A direct conversation's other user.
    peer: String,
    /// A direct conversation's context.
    context: String,
    /// The viewer's role: `owner`, `moderator`, `member`; empty when they have left.
    role: String,
    /// Present members.
    member_count: u32,
    /// The last message the viewer may see.
    last_message: Option<Message>,
    /// `seq` of the last message the viewer may see; 0 for none.
    last_seq: u64,
    /// The viewer has read up to this message.
    read_seq: u64,
    /// Messages that count as unread for the viewer.
    unread: u64,
    /// Whether the viewer has muted it.
    muted: bool,
    /// Position of the last activity the viewer may see: what lists are sorted and paged by.
    activity_position: u64,
    /// Its time, milliseconds since 1970.
    activity_ms: u64,
}

/// A message.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Message {
    /// Number in its conversation, from 1, without gaps.
    seq: u64,
    /// Who wrote it.
    author: String,
    /// When, milliseconds since 1970.
    at_ms: u64,
    /// The text; empty when `retracted`, `erased` or `stub`.
    text: String,
    /// `seq` of the message replied to; 0 for none.
    reply_to: u64,
    /// Members mentioned.
    mentions: Vec<String>,
    /// Time of the last edit; 0 for never.
    edited_ms: u64,
    /// Taken back: a place without text.
    retracted: bool,
    /// Its content has been erased for good.
    erased: bool,
    /// The text is too long for a list: get the message by itself.
    stub: bool,
    /// Reactions, most used first.
    reactions: Vec<Reaction>,
}

/// A reaction and how many gave it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reaction {
    /// The emoji or short code.
    reaction: String,
    /// How many gave it.
    count: u32,
    /// Whether the viewer did.
    mine: bool,
}

/// A member.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Member {
    /// Who.
    user: String,
    /// `owner`, `moderator` or `member`.
    role: String,
    /// When they joined, milliseconds since 1970.
    joined_ms: u64,
}

fn uuid(bytes: &Bytes) -> String {
    id::from_wire(bytes)
        .map(|id| id.to_string())
        .unwrap_or_default()
}

impl From<view::Conversation> for Conversation {
    fn from(view: view::Conversation) -> Conversation {
        Conversation {
            id: uuid(&view.id),
            kind: view.kind,
            title: view.title,
            peer: view.peer,
            context: view.context,
            role: view.role,
            member_count: view.member_count,
            last_message: view.last_message.map(Message::from),
            last_seq: view.last_seq,
            read_seq: view.read_seq,
            unread: view.unread,
            muted: view.muted,
            activity_position: view.activity_position,
            activity_ms: view.activity_ms,
        }
    }
}

impl From<view::Message> for Message {
    fn from(view: view::Message) -> Message {
        let reaction = |reaction: view::Reaction| Reaction {
            reaction: reaction.reaction,
            count: reaction.count,
            mine: reaction.mine,
        };
        Message {
            seq: view.seq,
            author: view.author,
            at_ms: view.at_ms,
            text: view.text,
            reply_to: view.reply_to,
            mentions: view.mentions,
            edited_ms: view.edited_ms,
            retracted: view.retracted,
            erased: view.erased,
            stub: view.stub,
            reactions: view.reactions.into_iter().map(reaction).collect(),
        }
    }
}

impl From<view::Member> for Member {
    fn from(view: view::Member) -> Member {
        Member {
            user: view.user,
            role: view.role,
            joined_ms: view.joined_ms,
        }
    }
}
