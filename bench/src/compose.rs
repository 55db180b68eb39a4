//! Client frames, written straight into a buffer. Tests hold them against the protocol's own writer.

use std::io::Write;

use bytes::Bytes;
use tidings_protocol::frame::Request;
use tidings_protocol::{ClientFrame, Encoding, command};
use uuid::Uuid;

/// Bytes of the tag and number every text starts with.
pub(crate) const STAMP: usize = 24;

/// Writes the frames of one run.
pub(crate) struct Composer {
    encoding: Encoding,
    tag: u64,
    /// The text, after its stamp.
    filler: Vec<u8>,
    /// Milliseconds since 1970 at the start of the run.
    start_ms: u64,
}

impl Composer {
    pub(crate) fn new(encoding: Encoding, tag: u64, text_bytes: usize, start_ms: u64) -> Composer {
        let words = b" the quick brown fox jumps over the lazy dog";
        let filler = words
            .iter()
            .copied()
            .cycle()
            .take(text_bytes.saturating_sub(STAMP))
            .collect();
        Composer {
            encoding,
            tag,
            filler,
            start_ms,
        }
    }

    /// The id of a message's command: a UUIDv7 of this run.
    fn command_id(&self, number: u32, elapsed_ms: u64) -> Uuid {
        let mut random = [0; 10];
        random[..6].copy_from_slice(&self.tag.to_be_bytes()[2..]);
        random[6..].copy_from_slice(&number.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.start_ms + elapsed_ms, &random).into_uuid()
    }

    /// `post_message` of the message with this number, into the conversation.
    pub(crate) fn post(
        &self,
        frame_id: u64,
        number: u32,
        elapsed_ms: u64,
        conversation: &Uuid,
        out: &mut Vec<u8>,
    ) {
        let command_id = self.command_id(number, elapsed_ms);
        match self.encoding {
            Encoding::Protobuf => {
                out.push(0x08);
                varint(frame_id, out);
                out.extend_from_slice(&[0x12, 16]);
                out.extend_from_slice(command_id.as_bytes());
                let text = STAMP + self.filler.len();
                let message = 2 + 16 + 1 + varint_len(text as u64) + text;
                out.extend_from_slice(&[0xf2, 0x01]);
                varint(message as u64, out);
                out.extend_from_slice(&[0x0a, 16]);
                out.extend_from_slice(conversation.as_bytes());
                out.push(0x12);
                varint(text as u64, out);
                self.text(number, out);
            }
            Encoding::Json => {
                let (frame_id, id) = (frame_id, command_id.hyphenated());
                let _ = write!(
                    out,
                    r#"{{"id":{frame_id},"command_id":"{id}","request":{{"post_message":{{"conversation":"{}","text":""#,
                    conversation.hyphenated()
                );
                self.text(number, out);
                out.extend_from_slice(br#""}}}"#);
            }
        }
    }

    fn text(&self, number: u32, out: &mut Vec<u8>) {
        hex(self.tag, 16, out);
        hex(number.into(), 8, out);
        out.extend_from_slice(&self.filler);
    }

    /// The number of a message of this run, from its text.
    pub(crate) fn number(&self, text: &[u8]) -> Option<u32> {
        let stamp = std::str::from_utf8(text.get(..STAMP)?).ok()?;
        let (tag, number) = stamp.split_at(16);
        let ours = u64::from_str_radix(tag, 16) == Ok(self.tag);
        u32::from_str_radix(number, 16).ok().filter(|_| ours)
    }

    /// `ack` of everything up to an event.
    pub(crate) fn ack(&self, position: u64, index: u32, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Protobuf => {
                out.push(0x6a);
                let len = 1
                    + varint_len(position)
                    + if index == 0 {
                        0
                    } else {
                        1 + varint_len(index.into())
                    };
                varint(len as u64, out);
                out.push(0x08);
                varint(position, out);
                if index != 0 {
                    out.push(0x10);
                    varint(index.into(), out);
                }
            }
            Encoding::Json => {
                let _ = write!(
                    out,
                    r#"{{"request":{{"ack":{{"position":{position},"index":{index}}}}}}}"#
                );
            }
        }
    }

    /// `mark_read` up to a message.
    pub(crate) fn mark_read(&self, conversation: &Uuid, seq: u64, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Protobuf => {
                out.extend_from_slice(&[0x9a, 0x02]);
                varint((2 + 16 + 1 + varint_len(seq)) as u64, out);
                out.extend_from_slice(&[0x0a, 16]);
                out.extend_from_slice(conversation.as_bytes());
                out.push(0x10);
                varint(seq, out);
            }
            Encoding::Json => {
                let conversation = conversation.hyphenated();
                let _ = write!(
                    out,
                    r#"{{"request":{{"mark_read":{{"conversation":"{conversation}","seq":{seq}}}}}}}"#
                );
            }
        }
    }

    /// Any other frame, by the protocol's own writer.
    pub(crate) fn frame(&self, id: u64, command_id: Option<Uuid>, request: Request) -> Bytes {
        let command_id = command_id
            .map(tidings_protocol::id::to_wire)
            .unwrap_or_default();
        self.encoding.encode_client(&ClientFrame {
            id,
            command_id,
            request: Some(request),
        })
    }

    /// A command that prepares the run.
    pub(crate) fn preparation(&self, frame_id: u64, number: u32, request: Request) -> Bytes {
        // The numbers of messages end far below.
        let command_id = self.command_id(u32::MAX - number, 0);
        self.frame(frame_id, Some(command_id), request)
    }

    pub(crate) fn hello(&self, token: String, device: String) -> Bytes {
        let client = concat!("tidings-bench/", env!("CARGO_PKG_VERSION")).to_owned();
        let hello = command::Hello {
            token,
            device,
            client,
            ..command::Hello::default()
        };
        self.frame(1, None, Request::Hello(hello))
    }

    pub(crate) fn ping(&self) -> Bytes {
        self.frame(0, None, Request::Ping(command::Ping {}))
    }
}

fn hex(value: u64, digits: u32, out: &mut Vec<u8>) {
    out.extend(
        (0..digits)
            .rev()
            .map(|i| b"0123456789abcdef"[(value >> (4 * i)) as usize & 15]),
    );
}

pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    prost::encoding::encoded_len_varint(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidings_protocol::id;

    fn read(encoding: Encoding, bytes: Vec<u8>) -> ClientFrame {
        encoding.decode_client(bytes.into()).unwrap()
    }

    proptest! {
        #[test]
        fn frames_are_those_of_the_protocol(
            json in any::<bool>(), tag: u64, frame_id: u64, number: u32, elapsed in 0u64..1_000_000,
            conversation: u128, position: u64, index: u32, seq: u64, text_bytes in 0usize..5000,
        ) {
            let encoding = if json { Encoding::Json } else { Encoding::Protobuf };
            let composer = Composer::new(encoding, tag, text_bytes, 1_764_000_000_000);
            let conversation = Uuid::from_u128(conversation);
            // Absent and zero read the same in Protobuf, so they are not told apart here.
            let (position, seq) = (position.max(1), seq.max(1));

            let mut out = Vec::new();
            composer.post(frame_id, number, elapsed, &conversation, &mut out);
            let frame = read(encoding, out);
            prop_assert_eq!(frame.id, frame_id);
            let command_id = id::from_wire(&frame.command_id).unwrap();
            prop_assert_eq!(command_id.get_version_num(), 7);
            prop_assert_eq!(command_id, composer.command_id(number, elapsed));
            match frame.request {
                Some(Request::PostMessage(post)) => {
                    prop_assert_eq!(id::from_wire(&post.conversation), Some(conversation));
                    prop_assert_eq!(post.text.len(), text_bytes.max(STAMP));
                    prop_assert_eq!(composer.number(post.text.as_bytes()), Some(number));
                }
                other => prop_assert!(false, "{:?}", other),
            }

            let mut out = Vec::new();
            composer.ack(position, index, &mut out);
            let expected = Request::Ack(command::Ack { position, index });
            prop_assert_eq!(read(encoding, out).request, Some(expected));

            let mut out = Vec::new();
            composer.mark_read(&conversation, seq, &mut out);
            let conversation = id::to_wire(conversation);
            let expected = Request::MarkRead(command::MarkRead { conversation, seq });
            prop_assert_eq!(read(encoding, out).request, Some(expected));
        }
    }

    #[test]
    fn texts_of_other_runs_are_told_apart() {
        let (one, other) = (7u64, 8u64);
        let composer = |tag| Composer::new(Encoding::Protobuf, tag, 100, 0);
        let mut out = Vec::new();
        composer(one).text(5, &mut out);
        assert_eq!(out.len(), 100);
        assert_eq!(composer(one).number(&out), Some(5));
        assert_eq!(composer(other).number(&out), None);
        assert_eq!(composer(one).number(b"hello"), None);
    }
}
