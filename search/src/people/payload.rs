//! What a commit carries besides documents.

use serde::{Deserialize, Serialize};

use super::Position;

/// For which declaration and format the documents are, and how far in the log.
#[derive(Debug, PartialEq)]

pub(super) struct Payload {
    pub(super) fingerprint: u64,
    pub(super) position: Position,
}

#[derive(Serialize, Deserialize)]
struct Written {
    fingerprint: u64,
    epoch: [u8; 16],
    position: u64,
}

impl From<Payload> for Written {
    fn from(
        Payload {
            fingerprint,
            position,
        }: Payload,
    ) -> Written {
        Written {
            fingerprint,
            epoch: position.epoch,
            position: position.position,
        }
    }
}

impl From<Written> for Payload {
    fn from(
        Written {
            fingerprint,
            epoch,
            position,
        }: Written,
    ) -> Payload {
        Payload {
            fingerprint,
            position: Position { epoch, position },
        }
    }
}

impl Payload {
    pub(super) fn write(self) -> String {
        serde_json::to_string(&Written::from(self)).expect("a payload is always written")
    }

    pub(super) fn read(payload: &str) -> Option<Payload> {
        serde_json::from_str::<Written>(payload)
            .ok()
            .map(Payload::from)
    }
}
