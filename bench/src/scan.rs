//! What the generator needs of a server frame, without building the frame. A test holds the Protobuf
//! scanner against the protocol's own reader.

use tidings_protocol::event::Kind;
use tidings_protocol::frame::{Body, Outcome};
use tidings_protocol::{Encoding, ServerFrame};

/// The parts of a server frame that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    Welcome {
        heartbeat_ms: u64,
    },
    Accepted {
        id: u64,
        conversation: &'a [u8],
        seq: u64,
    },
    Refused {
        id: u64,
        code: &'a str,
        retry: bool,
    },
    Posted {
        position: u64,
        index: u32,
        conversation: &'a [u8],
        seq: u64,
        text: &'a [u8],
    },
    /// The receiver is a member of this conversation now.
    Added {
        position: u64,
        index: u32,
        conversation: &'a [u8],
    },
    Event {
        position: u64,
        index: u32,
    },
    Closing {
        code: &'a str,
        message: &'a str,
    },
    Other,
}

/// A frame that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("malformed frame from the server")]
pub(crate) struct Malformed;

/// Reads a frame and hands over what matters.
pub(crate) fn with_seen<T>(
    encoding: Encoding,
    frame: &[u8],
    look: impl FnOnce(Seen<'_>) -> T,
) -> Result<T, Malformed> {
    match encoding {
        Encoding::Protobuf => Ok(look(scan(frame)?)),
        Encoding::Json => {
            let bytes = bytes::Bytes::copy_from_slice(frame);
            let frame = encoding.decode_server(bytes).map_err(|_| Malformed)?;
            Ok(look(see(&frame)))
        }
    }
}

/// The same of a frame that was built.
fn see(frame: &ServerFrame) -> Seen<'_> {
    match &frame.body {
        Some(Body::Welcome(welcome)) => Seen::Welcome {
            heartbeat_ms: welcome.heartbeat_ms.into(),
        },
        Some(Body::Reply(reply)) => match &reply.outcome {
            Some(Outcome::Accepted(accepted)) => Seen::Accepted {
                id: reply.id,
                conversation: &accepted.conversation,
                seq: accepted.seq,
            },
            Some(Outcome::Error(error)) => Seen::Refused {
                id: reply.id,
                code: &error.code,
                retry: error.retry,
            },
            _ => Seen::Other,
        },
        Some(Body::Event(event)) => {
            let (position, index) = (event.position, event.index);
            let conversation = &event.conversation;
            match &event.kind {
                Some(Kind::MessagePosted(message)) => {
                    let (seq, text) = (message.seq, message.text.as_bytes());
                    Seen::Posted {
                        position,
                        index,
                        conversation,
                        seq,
                        text,
                    }
                }
                Some(Kind::ConversationAdded(_)) => Seen::Added {
                    position,
                    index,
                    conversation,
                },
                _ => Seen::Event { position, index },
            }
        }
        Some(Body::Closing(closing)) => Seen::Closing {
            code: &closing.code,
            message: &closing.message,
        },
        Some(
            Body::Reset(_)
            | Body::Typing(_)
            | Body::Nodes(_)
            | Body::Presence(_)
            | Body::PeopleOnline(_)
            | Body::Looking(_),
        )
        | None => Seen::Other,
    }
}

const LEN: u64 = 2;

fn scan(frame: &[u8]) -> Result<Seen<'_>, Malformed> {
    let mut seen = Seen::Other;
    let mut fields = Fields(frame);
    while let Some(field) = fields.next()? {
        seen = match (field.tag, field.bytes) {
            (1, Some(welcome)) => Seen::Welcome {
                heartbeat_ms: number(welcome, 7)?,
            },
            (2, Some(reply)) => scan_reply(reply)?,
            (3, Some(event)) => scan_event(event)?,
            (6, Some(closing)) => Seen::Closing {
                code: text(closing, 1)?,
                message: text(closing, 2)?,
            },
            _ => seen,
        };
    }
    Ok(seen)
}

fn scan_reply(reply: &[u8]) -> Result<Seen<'_>, Malformed> {
    let mut id = 0;
    let mut outcome = None;
    let mut fields = Fields(reply);
    while let Some(field) = fields.next()? {
        match (field.tag, field.bytes) {
            (1, None) => id = field.number,
            (tag, Some(bytes)) => outcome = Some((tag, bytes)),
            _ => {}
        }
    }
    match outcome {
        Some((2, error)) => Ok(Seen::Refused {
            id,
            code: text(error, 1)?,
            retry: number(error, 3)? != 0,
        }),
        Some((3, accepted)) => Ok(Seen::Accepted {
            id,
            conversation: bytes(accepted, 3)?,
            seq: number(accepted, 4)?,
        }),
        _ => Ok(Seen::Other),
    }
}

fn scan_event(event: &[u8]) -> Result<Seen<'_>, Malformed> {
    let (mut position, mut index) = (0, 0);
    let mut conversation: &[u8] = &[];
    let mut kind = None;
    let mut fields = Fields(event);
    while let Some(field) = fields.next()? {
        match (field.tag, field.bytes) {
            (1, None) => position = field.number,
            (2, None) => index = field.number as u32,
            (3, Some(bytes)) => conversation = bytes,
            (4, _) => {}
            (tag, Some(bytes)) => kind = Some((tag, bytes)),
            _ => {}
        }
    }
    match kind {
        Some((10, message)) => {
            let (mut seq, mut text): (_, &[u8]) = (0, &[]);
            let mut fields = Fields(message);
            while let Some(field) = fields.next()? {
                match (field.tag, field.bytes) {
                    (1, None) => seq = field.number,
                    (4, Some(bytes)) => text = bytes,
                    _ => {}
                }
            }
            Ok(Seen::Posted {
                position,
                index,
                conversation,
                seq,
                text,
            })
        }
        Some((17, _)) => Ok(Seen::Added {
            position,
            index,
            conversation,
        }),
        _ => Ok(Seen::Event { position, index }),
    }
}

/// The last number with this tag, as Protobuf wants it; 0 where there is none.
fn number(message: &[u8], tag: u64) -> Result<u64, Malformed> {
    let mut found = 0;
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        if field.tag == tag && field.bytes.is_none() {
            found = field.number;
        }
    }
    Ok(found)
}

fn bytes(message: &[u8], tag: u64) -> Result<&[u8], Malformed> {
    let mut found: &[u8] = &[];
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        if let (true, Some(bytes)) = (field.tag == tag, field.bytes) {
            found = bytes;
        }
    }
    Ok(found)
}

fn text(message: &[u8], tag: u64) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes(message, tag)?).map_err(|_| Malformed)
}

/// The fields of a Protobuf message, one by one.
struct Fields<'a>(&'a [u8]);

struct Field<'a> {
    tag: u64,
    /// Of a length-delimited field.
    bytes: Option<&'a [u8]>,
    /// Of a varint field.
    number: u64,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let (tag, mut number, mut bytes) = (key >> 3, 0, None);
        match key & 7 {
            0 => number = self.varint()?,
            LEN => {
                let len = self.varint()?;
                bytes = Some(self.take(len)?);
            }
            1 => drop(self.take(8)?),
            5 => drop(self.take(4)?),
            _ => return Err(Malformed),
        }
        Ok(Some(Field { tag, bytes, number }))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (i, &byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i as u32).min(63);
            if byte < 0x80 {
                self.0 = &self.0[i + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;
    use tidings_protocol::{event, frame, id, query, view};
    use uuid::Uuid;

    fn any_message() -> impl Strategy<Value = view::Message> {
        (
            any::<u64>(),
            ".{0,20}",
            any::<u64>(),
            ".{0,300}",
            any::<u64>(),
            any::<bool>(),
        )
            .prop_map(
                |(seq, author, at_ms, text, reply_to, countable)| view::Message {
                    seq,
                    author,
                    at_ms,
                    text,
                    reply_to,
                    countable,
                    mentions: vec!["ann".into()],
                    command_id: id::to_wire(Uuid::from_u128(3)),
                    ..view::Message::default()
                },
            )
    }

    fn any_kind() -> impl Strategy<Value = Option<Kind>> {
        prop_oneof![
            any_message().prop_map(|message| Some(Kind::MessagePosted(message))),
            any_message().prop_map(|last| {
                let view = view::Conversation {
                    last_message: Some(last),
                    ..Default::default()
                };
                Some(Kind::ConversationAdded(view))
            }),
            (any::<u64>(), any::<u64>()).prop_map(|(seq, unread)| {
                let moved = event::CursorMoved {
                    user: "ben".into(),
                    seq,
                    unread,
                    ..Default::default()
                };
                Some(Kind::ReadUpTo(moved))
            }),
            Just(None),
        ]
    }

    fn any_body() -> impl Strategy<Value = Option<Body>> {
        let id = any::<u128>().prop_map(|n| id::to_wire(Uuid::from_u128(n)));
        let accepted = (any::<u64>(), any::<u64>(), id.clone(), any::<bool>());
        let event = (any::<u64>(), any::<u32>(), id, ".{0,20}", any_kind());
        prop_oneof![
            any::<u32>().prop_map(|heartbeat_ms| {
                let user = "ann".into();
                Some(Body::Welcome(frame::Welcome {
                    heartbeat_ms,
                    user,
                    ..Default::default()
                }))
            }),
            accepted.prop_map(|(id, seq, conversation, duplicate)| {
                let position = seq ^ id;
                let accepted = frame::Accepted {
                    position,
                    at_ms: 5,
                    conversation,
                    seq,
                    duplicate,
                    held: u64::from(duplicate) * seq,
                    answer: String::new(),
                };
                ServerFrame::reply(id, Outcome::Accepted(accepted)).body
            }),
            (any::<u64>(), ".{0,20}", any::<bool>()).prop_map(|(id, code, retry)| {
                let message = "because".into();
                let error = frame::Error {
                    code,
                    message,
                    retry,
                    retry_after_ms: 9,
                };
                ServerFrame::reply(id, Outcome::Error(error)).body
            }),
            any::<u64>().prop_map(|total| {
                ServerFrame::reply(3, Outcome::Unread(query::Unread { total, as_of: 7 })).body
            }),
            event.prop_map(|(position, index, conversation, actor, kind)| {
                let at_ms = position / 2;
                let event = event::Event {
                    position,
                    index,
                    conversation,
                    actor,
                    at_ms,
                    kind,
                };
                Some(Body::Event(event))
            }),
            (".{0,20}", ".{0,40}").prop_map(|(code, message)| {
                Some(Body::Closing(frame::Closing {
                    code,
                    message,
                    reconnect: true,
                    ..Default::default()
                }))
            }),
            Just(Some(Body::Reset(frame::Reset::default()))),
            Just(None),
        ]
    }

    proptest! {
        #[test]
        fn the_scanner_sees_what_the_reader_sees(body in any_body()) {
            let frame = ServerFrame { body };
            let bytes = frame.encode_to_vec();
            prop_assert_eq!(scan(&bytes).unwrap(), see(&frame));
        }

        /// A damaged frame is refused or read as something else, and nothing worse.
        #[test]
        fn damage_does_no_harm(
            body in any_body(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index
        ) {
            let mut bytes = ServerFrame { body }.encode_to_vec();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes.truncate(cut.index(bytes.len()) + 1);
            }
            // With the damage undone it would be read, so this reaches every branch.
            let _ = scan(&bytes);
        }
    }

    #[test]
    fn golden_frames_are_seen_alike() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../protocol/vectors/server.json"
        );
        let text = std::fs::read_to_string(folder).unwrap();
        let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(vectors.len() > 20);
        for vector in vectors {
            let hex = vector["protobuf_hex"].as_str().unwrap();
            let digit = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
            let frame = ServerFrame::decode(&bytes[..]).unwrap();
            assert_eq!(scan(&bytes).unwrap(), see(&frame), "{}", vector["name"]);
            let json = serde_json::to_vec(&vector["json"]).unwrap();
            with_seen(Encoding::Json, &json, |seen| assert_eq!(seen, see(&frame))).unwrap();
        }
    }
}
