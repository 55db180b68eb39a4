//! What watches are told, read off the frame without building it: there are tens of thousands a second. A test holds it
//! against the protocol's own reader.

use prost::encoding::{WireType, decode_key, decode_varint};

/// Tag and wire type of `ServerFrame.presence`.
const PRESENCE: u8 = 8 << 3 | 2;

/// A frame that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("malformed frame of presence from the server")]
pub(crate) struct Malformed;

/// How somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Offline,
    Away,
    Available,
}

/// A frame of presence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    pub(crate) version: u64,
    pub(crate) snapshot: bool,
    users: &'a [u8],
}

/// A frame of presence, if it is one.
pub(crate) fn presence(frame: &[u8]) -> Result<Option<Told<'_>>, Malformed> {
    if frame.first() != Some(&PRESENCE) {
        return Ok(None);
    }
    let mut frame = frame;
    let (_, Value::Bytes(body)) = field(&mut frame)? else {
        return Err(Malformed);
    };
    let mut told = Told {
        version: 0,
        snapshot: false,
        users: body,
    };
    let mut rest = body;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Value::Number(version)) => told.version = version,
            (2, Value::Number(snapshot)) => told.snapshot = snapshot != 0,
            _ => {}
        }
    }
    Ok(Some(told))
}

impl<'a> Told<'a> {
    /// Who, by name, and how.
    pub(crate) fn each(&self, mut tell: impl FnMut(&'a [u8], State)) -> Result<(), Malformed> {
        let mut rest = self.users;
        while !rest.is_empty() {
            if let (3, Value::Bytes(mut one)) = field(&mut rest)? {
                let (mut user, mut state): (&[u8], _) = (&[], State::Offline);
                while !one.is_empty() {
                    match field(&mut one)? {
                        (1, Value::Bytes(name)) => user = name,
                        (2, Value::Bytes(name)) => {
                            state = match name {
                                b"available" => State::Available,
                                b"away" => State::Away,
                                b"offline" => State::Offline,
                                _ => return Err(Malformed),
                            }
                        }
                        _ => {}
                    }
                }
                tell(user, state);
            }
        }
        Ok(())
    }
}

/// The number behind the last `-` of a user's name.
pub(crate) fn number(name: &[u8]) -> Option<u32> {
    let at = name.iter().rposition(|byte| *byte == b'-')?;
    let digits = &name[at + 1..];
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn field<'a>(from: &mut &'a [u8]) -> Result<(u32, Value<'a>), Malformed> {
    let (tag, kind) = decode_key(from).map_err(|_| Malformed)?;
    let number = decode_varint(from).map_err(|_| Malformed)?;
    match kind {
        WireType::Varint => Ok((tag, Value::Number(number))),
        WireType::LengthDelimited => {
            let len = usize::try_from(number).map_err(|_| Malformed)?;
            let (bytes, rest) = from.split_at_checked(len).ok_or(Malformed)?;
            *from = rest;
            Ok((tag, Value::Bytes(bytes)))
        }
        // There is none in these frames.
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidings_protocol::{Encoding, ServerFrame, event, frame::Body, view};

    fn any_presence() -> impl Strategy<Value = event::Presence> {
        let states = prop_oneof![Just("available"), Just("away"), Just("offline")];
        let user = ("[a-z]{1,6}-[0-9]{1,6}", states, any::<u64>());
        let users = proptest::collection::vec(user, 0..20);
        (any::<u64>(), any::<bool>(), users).prop_map(|(version, snapshot, users)| {
            let users = users
                .into_iter()
                .map(|(user, state, seen_ms)| view::Presence {
                    user,
                    state: state.to_owned(),
                    seen_ms,
                });
            event::Presence {
                version,
                snapshot,
                users: users.collect(),
            }
        })
    }

    fn name(state: State) -> &'static str {
        match state {
            State::Offline => "offline",
            State::Away => "away",
            State::Available => "available",
        }
    }

    proptest! {
        #[test]
        fn the_scanner_sees_what_the_reader_sees(presence in any_presence()) {
            let bytes = Encoding::Protobuf.encode(&ServerFrame {
                body: Some(Body::Presence(presence.clone())),
            });
            let told = super::presence(&bytes).unwrap().unwrap();
            prop_assert_eq!(told.version, presence.version);
            prop_assert_eq!(told.snapshot, presence.snapshot);
            let mut seen = Vec::new();
            told.each(|user, state| seen.push((user.to_vec(), name(state)))).unwrap();
            let users = presence.users.iter();
            let expected: Vec<_> = users.map(|one| (one.user.clone().into_bytes(), &*one.state)).collect();
            prop_assert_eq!(seen, expected);
        }

        /// A damaged frame is refused or read as something else, and nothing worse.
        #[test]
        fn damage_does_no_harm(presence in any_presence(), at: prop::sample::Index, byte: u8) {
            let body = Some(Body::Presence(presence));
            let mut bytes = Encoding::Protobuf.encode(&ServerFrame { body }).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(Some(told)) = super::presence(&bytes) {
                let _ = told.each(|_, _| ());
            }
        }
    }

    #[test]
    fn other_frames_are_none() {
        let body = Some(Body::Nodes(tidings_protocol::frame::Nodes::default()));
        let bytes = Encoding::Protobuf.encode(&ServerFrame { body });
        assert_eq!(presence(&bytes).unwrap(), None);
    }

    #[test]
    fn names_end_in_numbers() {
        assert_eq!(number(b"toggler-120"), Some(120));
        assert_eq!(number(b"a-b-0"), Some(0));
        for odd in [&b"toggler"[..], b"toggler-", b"toggler-1x", b"t-1234567890"] {
            assert_eq!(number(odd), None);
        }
    }
}
