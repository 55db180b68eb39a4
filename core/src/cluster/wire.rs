//! What nodes say to each other, beside announcements: commands one way, answers the other.
//!
//! A message holds several of either, one after the other (postcard, each behind its length as four
//! bytes). [`FORMAT`] is announced; nodes of another format forward nothing to each other.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    domain::{Command, CommandId, UserId},
    handler::Answer,
};

/// Changes with anything below, with [`Command`] and with [`Answer`].
pub(super) const FORMAT: u16 = 4;

/// Bytes of one message, about: half of what NATS takes by default.
pub(super) const MESSAGE_BYTES: usize = 512 * 1024;

/// A command for the writer of a shard.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forwarded<C> {
    pub(super) shard: u16,
    /// Names it between the two nodes.
    pub(super) number: u64,
    pub(super) actor: UserId,
    pub(super) command: C,
    pub(super) id: Option<CommandId>,
    pub(super) happened_ms: Option<u64>,
    pub(super) known: u64,
    pub(super) trace: Option<Uuid>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) shard: u16,
    pub(super) number: u64,
    pub(super) answer: Answer,
}

/// A command as it is read.
pub(super) type Arrived = Forwarded<Command>;

/// One item as it stands in a message.
pub(super) fn item<T: Serialize>(item: &T) -> Vec<u8> {
    let mut bytes = postcard::to_extend(item, vec![0; 4]).expect("what nodes say encodes");
    let len = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// The items of a message; fewer where the rest cannot be read.
pub(super) fn items<T: DeserializeOwned>(mut message: &[u8]) -> Vec<T> {
    let mut found = Vec::new();
    while let Some((len, rest)) = message.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len) as usize;
        let Some((item, rest)) = rest.split_at_checked(len) else {
            break;
        };
        match postcard::from_bytes(item) {
            Ok(item) => found.push(item),
            Err(error) => {
                tracing::warn!(%error, "what another node said cannot be read");
                break;
            }
        }
        message = rest;
    }
    found
}

#[cfg(test)]
mod tests;
