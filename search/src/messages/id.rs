//! Conversations as text: 36 characters, as in `0198c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f`.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// A conversation, by the bytes of its id.
pub type Conversation = [u8; 16];

/// Where hyphens stand, in bytes of the id.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

/// As text.
pub fn write(conversation: &Conversation) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in conversation.iter().enumerate() {
        if HYPHENS.contains(&at) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

/// The conversation of a text, which may have capitals, and no hyphens.
pub fn read(text: &str) -> Option<Conversation> {
    let hyphens = text.bytes().filter(|byte| *byte == b'-').count();
    let hyphens_stand_right = [8, 13, 18, 23]
        .iter()
        .all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    if hyphens > 0 && !(hyphens == 4 && hyphens_stand_right) {
        return None;
    }
    let mut digits = text.chars().filter(|digit| *digit != '-');
    let mut conversation = [0; 16];
    for byte in &mut conversation {
        let high = digits.next()?.to_digit(16)?;
        let low = digits.next()?.to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    digits.next().is_none().then_some(conversation)
}

/// For serde: one as text.
pub(super) fn serialize<S: Serializer>(
    conversation: &Conversation,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&write(conversation))
}

/// For serde: several as texts.
pub(super) mod several {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        conversations: &[Conversation],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(conversations.iter().map(write))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Conversation>, D::Error> {
        let texts: Vec<String> = Vec::deserialize(from)?;
        texts
            .iter()
            .map(|text| {
                read(text).ok_or_else(|| {
                    let told: String = text.chars().take(64).collect();
                    D::Error::custom(format!("`{told}` is not the id of a conversation"))
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let id: Conversation = std::array::from_fn(|at| (at * 17) as u8);
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(write(&id), text);
        assert_eq!(read(text), Some(id));
        assert_eq!(read(&text.to_uppercase()), Some(id));
        assert_eq!(read(&text.replace('-', "")), Some(id));
        for wrong in [
            "",
            "lunch",
            &text[1..],
            "00112233-4455-6677-8899-aabbccddeeff0",
            "0011223-34455-6677-8899-aabbccddeeff",
            "00112233-44556677-8899-aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeefg",
            "+0112233-4455-6677-8899-aabbccddeeff",
            "００112233-4455-6677-8899-aabbccddeef",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
