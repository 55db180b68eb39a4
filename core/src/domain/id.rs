//! Identifiers of the domain.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::extension::ExtensionId;

/// A user, named by the product: opaque text of 1 to 128 bytes without control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

/// Longest user id in bytes.
pub const USER_ID_BYTES: usize = 128;

/// Not a user id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Empty or too long.
    #[error("a user id has 1 to {USER_ID_BYTES} bytes, this one has {0}")]
    Length(usize),
    /// It holds a control character.
    #[error("a user id holds no control characters: {0:?}")]
    Control(String),
}

impl UserId {
    /// Checks and keeps a user id.
    pub fn new(text: &str) -> Result<UserId, UserIdError> {
        if text.is_empty() || text.len() > USER_ID_BYTES {
            return Err(UserIdError::Length(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(UserIdError::Control(text.to_owned()));
        }
        Ok(UserId(text.into()))
    }

    /// A user id from the log or a projection, checked when it was written.
    pub(crate) fn trusted(text: &str) -> UserId {
        UserId(text.into())
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Deref for UserId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(pub Uuid);

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a command for ever: a UUIDv7 chosen by the client, or a UUIDv8 derived from what caused
/// it (imports, extensions). Only the former grow too old.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

/// How long a client's command id is remembered, milliseconds: 7 days.
pub const COMMAND_MEMORY_MS: u64 = 7 * 24 * 3600 * 1000;

/// How far into the future a client's clock may be, milliseconds: a day.
const CLOCK_SKEW_MS: u64 = 24 * 3600 * 1000;

impl CommandId {
    /// Time within a UUIDv7, milliseconds since 1970; `None` for derived ids.
    pub fn client_ms(self) -> Option<u64> {
        (self.0.get_version_num() == 7).then(|| {
            let bytes = self.0.as_bytes();
            bytes[..6]
                .iter()
                .fold(0, |ms, byte| ms << 8 | u64::from(*byte))
        })
    }

    /// Whether the id is so old that the server may have forgotten it.
    pub fn is_too_old(self, now_ms: u64) -> bool {
        self.client_ms()
            .is_some_and(|ms| ms + COMMAND_MEMORY_MS < now_ms)
    }

    /// Whether a client may use this id: a UUIDv7 that is not of the future. (An id from far ahead
    /// would be remembered far longer than others.)
    pub fn is_acceptable(self, now_ms: u64) -> bool {
        self.client_ms()
            .is_some_and(|ms| ms <= now_ms + CLOCK_SKEW_MS)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an event belongs to. Each event belongs to exactly one stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stream {
    /// A conversation.
    Conversation(ConversationId),
    /// A user's own facts: blocks, mutes.
    User(UserId),
    /// An extension: its versions, and what came of what it was told.
    Extension(ExtensionId),
}

impl Stream {
    /// A hash that decides the stream's shard. Recorded logs depend on it: it never changes (FNV-1a).
    pub fn hash(&self) -> u64 {
        let (tag, bytes): (u8, &[u8]) = match self {
            Stream::Conversation(id) => (1, id.0.as_bytes()),
            Stream::User(user) => (2, user.as_bytes()),
            Stream::Extension(id) => (3, id.as_bytes()),
        };
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in std::iter::once(&tag).chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The low bits of FNV are weak on their own, and shards are chosen by them.
        hash ^ hash >> 32
    }
}

#[cfg(test)]
mod tests;
