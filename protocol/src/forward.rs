//! Reading what a later version wrote: a kind that is not known here is `None`, not an error.
//!
//! Protobuf decoders do this by themselves. In JSON a `oneof` is an object with one key, and the
//! derived reader refuses a key it does not know, which would cost a client the whole frame and
//! with an event the position its cursor moves to.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// `serde(deserialize_with = "forward::lenient")` for the `oneof` fields of server frames.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Some(value) = Option::<Value>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match serde_json::from_value(value) {
        Ok(known) => Ok(Some(known)),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// Whether a JSON reader stopped at the name of a kind that is not known here. No other type of the
/// protocol is an enum, and serde offers nothing but the text of its error.
pub(crate) fn is_unknown(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("unknown variant")
}
