//! What stands in the presence lane.
//!
//! A record is what one node says of its own users, or of a node that is gone. It says how somebody *is*
//! there, not what changed: told twice, or told again after the lane was lost, it means the same.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::UserId;

/// How somebody is. The best of several is the greatest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum State {
    /// Not here.
    #[default]
    Offline,
    /// Here, and doing something else.
    Away,
    /// Here.
    Available,
}

impl State {
    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Offline => "offline",
            State::Away => "away",
            State::Available => "available",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<State> {
        match name {
            "offline" => Some(State::Offline),
            "away" => Some(State::Away),
            "available" => Some(State::Available),
            _ => None,
        }
    }
}

/// A record of the presence lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The incarnation of the node that says it.
    pub node: Uuid,
    /// The journal's position that the node had folded. Whoever reads this record folds as far first:
    /// otherwise it might show somebody who has chosen to be invisible since.
    pub as_of: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What.
    pub said: Vec<Said>,
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// How a user is at the node: the best of their sessions there.
    Is(UserId, State),
    /// An incarnation is gone, and with it all its sessions. Whatever it still says counts no more.
    Lost(Uuid),
}

/// How records are written.
const FORMAT: u8 = 1;

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Of a newer version.
    #[error("a record of the presence lane has format {0}, this version reads {FORMAT}")]
    Format(u8),
    /// Damaged.
    #[error("a record of the presence lane cannot be read: {0}")]
    Damaged(#[from] postcard::Error),
}

impl Record {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![FORMAT]).expect("what nodes say encodes")
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
        match bytes.split_first() {
            Some((&FORMAT, record)) => Ok(postcard::from_bytes(record)?),
            Some((other, _)) => Err(DecodeError::Format(*other)),
            None => Err(DecodeError::Format(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            node: Uuid::from_u128(7),
            as_of: 300,
            at_ms: 1_700_000_000_000,
            said: vec![
                Said::Is(UserId::new("ann").expect("an id"), State::Available),
                Said::Lost(Uuid::from_u128(6)),
            ],
        };
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).expect("reads"), record);
        assert!(matches!(
            Record::decode(&bytes[..bytes.len() - 1]),
            Err(DecodeError::Damaged(_))
        ));
        assert!(matches!(
            Record::decode(&[9, 1, 2]),
            Err(DecodeError::Format(9))
        ));
        assert!(matches!(Record::decode(&[]), Err(DecodeError::Format(0))));
    }
}
