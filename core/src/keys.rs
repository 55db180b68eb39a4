//! Keys of sealed content.
//!
//! Personal content in the log is sealed with a key per [`KeyId`], so that destroying the key
//! erases the content for good: neither a rebuild nor an old backup of the log brings it back.
//!
//! # Contract of [`KeyStore`]
//!
//! 1. A key that [`KeyStore::ensure`] has returned is durable: it may be used in the log at once.
//! 2. The same id yields the same key for ever, on every node, until it is destroyed. Of two nodes
//!    that ensure the same new id at once, one makes the key and both get that one.
//! 3. A destroyed key never comes back: `get` answers [`KeyState::Destroyed`], and so does `ensure`.
//! 4. At rest keys are wrapped by the operator key; the store never holds one in the clear.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

mod cache;
pub mod embedded;
pub mod jetstream;
pub mod seal;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

pub use seal::{ContentKey, OpenError};

/// What a key is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyId {
    /// What one author wrote in one conversation.
    Content {
        /// The conversation.
        conversation: Uuid,
        /// The author's user id.
        author: Arc<str>,
    },
    /// What the product recorded about one user.
    User(
        /// The user's id.
        Arc<str>,
    ),
}

impl KeyId {
    /// The id's stored form: `c` + 16 bytes + the author, or `u` + the user.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            KeyId::Content {
                conversation,
                author,
            } => {
                let mut out = Vec::with_capacity(17 + author.len());
                out.push(b'c');
                out.extend_from_slice(conversation.as_bytes());
                out.extend_from_slice(author.as_bytes());
                out.into()
            }
            KeyId::User(user) => [b"u", user.as_bytes()].concat().into(),
        }
    }

    /// The id of a stored form; `None` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<KeyId> {
        match bytes.split_first()? {
            (b'c', rest) => {
                let (conversation, author) = rest.split_first_chunk()?;
                Some(KeyId::Content {
                    conversation: Uuid::from_bytes(*conversation),
                    author: std::str::from_utf8(author).ok()?.into(),
                })
            }
            (b'u', user) => Some(KeyId::User(std::str::from_utf8(user).ok()?.into())),
            _ => None,
        }
    }
}

/// What the store knows of a key.
#[derive(Clone, Debug)]
pub enum KeyState {
    /// It exists.
    Present(Arc<ContentKey>),
    /// It was destroyed: what it sealed is erased.
    Destroyed,
    /// No such key was ever made.
    Unknown,
}

/// Why the key store failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Try again.
    #[error("the key store cannot be reached at present: {0}")]
    Unavailable(String),
    /// A stored key does not unwrap: the operator key is another one, or the store is damaged.
    #[error("a stored key cannot be unwrapped: is this the operator key it was made with?")]
    WrongOperatorKey,
}

/// The store of content keys. See the [module](self) for its contract.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// The keys of `ids`, in order, made (together, with one sync) where they do not exist yet.
    async fn ensure(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError>;

    /// The key if it is in memory: no waiting. `None`: ask [`KeyStore::get`].
    fn cached(&self, id: &KeyId) -> Option<KeyState>;

    /// The states of `ids`, in order.
    async fn get(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError>;

    /// What was recorded first under `name`, durably and for every node: `value`, if nothing was.
    /// Names are short, of letters, and there are few of them.
    async fn recorded(&self, name: &str, value: &[u8]) -> Result<Bytes, KeyError>;

    /// Destroys keys, durably. Unknown ones are marked as destroyed too.
    async fn destroy(&self, ids: &[KeyId]) -> Result<(), KeyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_were_written_and_never_change() {
        let content = KeyId::Content {
            conversation: Uuid::from_u128(0x31),
            author: "ann".into(),
        };
        let user = KeyId::User("ann".into());
        assert_eq!(
            &content.to_bytes()[..],
            b"c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x31ann"
        );
        assert_eq!(&user.to_bytes()[..], b"uann");
        for id in [content, user] {
            assert_eq!(KeyId::from_bytes(&id.to_bytes()), Some(id));
        }
        for bad in [&b""[..], b"x", b"c", b"cann", b"u\xff"] {
            assert_eq!(KeyId::from_bytes(bad), None, "{bad:?}");
        }
    }
}
