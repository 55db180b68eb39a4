//! Why a command was refused. Nothing was recorded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::id::UserId;

/// A refusal. The message is for people; callers match on the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// A field is wrong.
    #[error("{0}")]
    Invalid(String),
    /// No such conversation, message or member, or the actor may not know of it.
    #[error("no such {0}")]
    NotFound(Cow<'static, str>),
    /// The actor was a member once.
    #[error("you are no longer a member of this conversation")]
    NotMember,
    /// The actor's role does not allow it.
    #[error("{0}")]
    Forbidden(Cow<'static, str>),
    /// The actor has blocked the other user.
    #[error("you have blocked {0}: unblock them first")]
    BlockedByYou(UserId),
    /// The message was taken back.
    #[error("message {0} was taken back")]
    Retracted(u64),
    /// The group has no room.
    #[error("the group would have {would} members, the limit is {limit}")]
    Full {
        /// Members it would have.
        would: u64,
        /// The limit.
        limit: u32,
    },
    /// A group always has an owner.
    #[error("the last owner cannot leave or be demoted: make somebody else owner first")]
    LastOwner,
    /// Not for this kind of conversation.
    #[error("{0}")]
    WrongKind(Cow<'static, str>),
    /// The text is too long.
    #[error("the text has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// Moderation does not let it happen.
    #[error("{}", if .0.is_empty() { "not accepted here" } else { .0 })]
    Rejected(String),
    /// The command id is beyond the server's memory.
    #[error("the command id is older than 7 days: it may have been executed already")]
    TooOld,
    /// The command id named another command before.
    #[error("this command id was used for a different command")]
    CommandIdReused,
    /// An extension's state is no longer what this rests on. The server's own: it looks again.
    #[error("the extension has gone on meanwhile")]
    Moved,
}
