//! What texts, names and keys may be.

use crate::host::Refusal;
use crate::limits::{KEY_BYTES, NAME_BYTES, REASON_BYTES};

/// Bytes of an id.
const ID_BYTES: usize = 128;

/// Cuts a text for people to what is kept of it.
pub(crate) fn reason(text: String) -> String {
    cut(text, REASON_BYTES)
}

/// Cuts at a letter's end.
pub(super) fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text.shrink_to_fit();
    text
}

/// Whether `text` has so many bytes.
pub(super) fn sized(what: &str, text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    if (least..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{what} has {} bytes, not {least} to {most}",
        text.len()
    )))
}

pub(super) fn id(what: &str, id: &str) -> Result<(), Refusal> {
    sized(what, id, 1, ID_BYTES)
}

pub(super) fn key(key: &str) -> Result<(), Refusal> {
    sized("the key", key, 1, KEY_BYTES)
}

/// 1 to 64 of a-z, 0-9, `_`, and `also`.
pub(super) fn name(what: &str, name: &str, also: &[u8]) -> Result<(), Refusal> {
    sized(what, name, 1, NAME_BYTES)?;
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || also.contains(&byte)
    };
    if name.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{what} `{name}` has other letters than a-z, 0-9, _{}",
        also.iter()
            .map(|byte| format!(", {}", char::from(*byte)))
            .collect::<String>()
    )))
}

/// A JSON object of up to so many bytes.
pub(super) fn object(what: &str, json: &str, most: usize) -> Result<(), Refusal> {
    sized(what, json, 2, most)?;
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::invalid(format!(
            "{what} is no JSON object: {error}"
        ))),
    }
}

/// What opens at a click: a path, or an https address.
pub(super) fn link(target: &str) -> Result<(), Refusal> {
    sized("the link", target, 1, 1_024)?;
    let is_path = target.starts_with('/') && !target.starts_with("//");
    if is_path || target.starts_with("https://") {
        return Ok(());
    }
    Err(Refusal::invalid(
        "the link is neither a path nor an https address",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_letters_end() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
        assert_eq!(cut("a".to_owned(), 100), "a");
    }

    #[test]
    fn names_and_links_are_held_to_their_letters() {
        assert!(name("the label", "spam-2", b"-").is_ok());
        assert!(name("the label", "Spam", b"-").is_err());
        assert!(name("the badge", "a-b", b"").is_err());
        assert!(name("the badge", "", b"").is_err());
        assert!(link("/inbox").is_ok());
        assert!(link("https://example.org").is_ok());
        assert!(link("//example.org").is_err());
        assert!(link("javascript:alert(1)").is_err());
    }

    #[test]
    fn an_object_is_no_other_json() {
        assert!(object("the payload", "{}", 10).is_ok());
        assert!(object("the payload", "[]", 10).is_err());
        assert!(object("the payload", "{\"a\":1}", 4).is_err());
    }
}
