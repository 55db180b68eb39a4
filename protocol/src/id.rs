//! Identifiers on the wire: 16 bytes in Protobuf, hyphenated UUID text in JSON.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use uuid::Uuid;

/// Wire form of a UUID.
pub fn to_wire(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

/// The UUID behind a wire identifier; `None` unless it is exactly 16 bytes.
pub fn from_wire(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

/// `serde(with = "id::text")`: a 16-byte field as UUID text; empty text when absent.
pub mod text {
    use super::*;

    /// Writes the identifier as hyphenated UUID text.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        match from_wire(bytes) {
            Some(id) => {
                let mut buffer = Uuid::encode_buffer();
                serializer.serialize_str(id.hyphenated().encode_lower(&mut buffer))
            }
            None => serializer.serialize_str(""),
        }
    }

    /// Reads hyphenated UUID text; an empty string is an absent identifier.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Bytes::new());
        }
        match Uuid::try_parse(&text) {
            Ok(id) => Ok(to_wire(id)),
            Err(_) => Err(D::Error::custom(format!("{text:?} is not a UUID"))),
        }
    }
}
