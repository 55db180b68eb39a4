//! Bytes to frames and back, in either encoding.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use serde::{
    Deserialize,
    de::{IgnoredAny, MapAccess, Visitor},
};

use crate::{ClientFrame, ServerFrame, forward};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text; identifiers as strings.
    Json,
    /// Compact binary.
    Protobuf,
}

/// A frame that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not this encoding's syntax, or a field of the wrong type. The connection it came from is
    /// closed with `protocol`.
    #[error("malformed frame: {0}")]
    Malformed(String),
    /// A JSON frame names a request of a kind that is not known here. It is answered with
    /// `unknown_request`. (In Protobuf such a frame reads as one without a request.)
    #[error("unknown request {name:?}")]
    UnknownRequest {
        /// The frame's `id`, for the answer; 0 when it has none.
        id: u64,
        /// What was asked.
        name: String,
    },
}

impl Encoding {
    /// Writes a server frame.
    pub fn encode(self, frame: &ServerFrame) -> Bytes {
        match self {
            Encoding::Json => to_json(frame),
            Encoding::Protobuf => frame.encode_to_vec().into(),
        }
    }

    /// Writes a client frame.
    pub fn encode_client(self, frame: &ClientFrame) -> Bytes {
        match self {
            Encoding::Json => to_json(frame),
            Encoding::Protobuf => frame.encode_to_vec().into(),
        }
    }

    /// Reads a client frame. Unknown fields are ignored.
    pub fn decode_client(self, bytes: Bytes) -> Result<ClientFrame, DecodeError> {
        match self {
            Encoding::Json => client_from_json(&bytes),
            Encoding::Protobuf => ClientFrame::decode(bytes).map_err(malformed),
        }
    }

    /// Reads a server frame. Unknown fields are ignored, and of unknown kinds only what stands around
    /// them is read.
    pub fn decode_server(self, bytes: Bytes) -> Result<ServerFrame, DecodeError> {
        match self {
            Encoding::Json => serde_json::from_slice(&bytes).map_err(malformed),
            Encoding::Protobuf => ServerFrame::decode(bytes).map_err(malformed),
        }
    }
}

fn to_json<T: serde::Serialize>(frame: &T) -> Bytes {
    // Serialising plain structures with string keys into memory cannot fail.
    serde_json::to_vec(frame).expect("frames serialise").into()
}

fn malformed(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}

fn client_from_json(bytes: &[u8]) -> Result<ClientFrame, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if let Some(why) = not_one_request(bytes) {
            return DecodeError::Malformed(why);
        }
        if !forward::is_unknown(&error) {
            return malformed(error);
        }
        // Rare, so it may be read a second time: the answer needs the id.
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Err(error) => malformed(error),
            Ok(frame) => DecodeError::UnknownRequest {
                id: frame["id"].as_u64().unwrap_or(0),
                name: match &frame["request"] {
                    serde_json::Value::Object(request) => {
                        request.keys().next().cloned().unwrap_or_default()
                    }
                    other => other.as_str().unwrap_or_default().to_owned(),
                },
            },
        }
    })
}

/// What is wrong with a frame that asks for several things at once, or for nothing. The reader of an enum
/// complains of a brace.
fn not_one_request(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Frame {
        request: Names,
    }
    let Frame {
        request: Names(names),
    } = serde_json::from_slice(bytes).ok()?;
    match &names[..] {
        [] => Some(
            "`request` is empty: name what is asked in it, such as {\"request\":{\"ping\":{}}}"
                .to_owned(),
        ),
        [_] => None,
        [first, second, ..] => Some(format!(
            "`request` holds {} requests, {} and {} among them: a frame takes one, so send a frame for each",
            names.len(),
            shown(first),
            shown(second),
        )),
    }
}

/// A name for a message, which has to fit into a close frame.
fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(24)]
}

/// The keys of an object, those that are there twice twice.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Keys)
    }
}

/// Frames on a byte stream (QUIC): each is preceded by its length as a Protobuf varint.
pub mod delimited {
    use super::*;

    /// The stream's next frame is longer than allowed, or its length is malformed.
    #[derive(Debug, PartialEq, Eq, thiserror::Error)]
    pub enum FrameError {
        /// Longer than the limit.
        #[error("frame of {len} bytes, the limit is {max}")]
        TooLarge {
            /// Announced length in bytes.
            len: u64,
            /// The limit in bytes.
            max: usize,
        },
        /// The length is no varint of 64 bits.
        #[error("malformed frame length")]
        Length,
    }

    /// Appends one frame to `out`.
    pub fn write(frame: &[u8], out: &mut BytesMut) {
        prost::encoding::encode_varint(frame.len() as u64, out);
        out.put_slice(frame);
    }

    /// The length prefix of a frame of `len` bytes.
    pub fn prefix(len: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(5);
        prost::encoding::encode_varint(len as u64, &mut out);
        out.freeze()
    }

    /// Takes the next complete frame off `buffer`; `None` until more bytes have come.
    pub fn read(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, FrameError> {
        let mut len: u64 = 0;
        for (i, byte) in buffer.iter().take(10).enumerate() {
            if i == 9 && *byte > 1 {
                return Err(FrameError::Length);
            }
            len |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                if len > max as u64 {
                    return Err(FrameError::TooLarge { len, max });
                }
                let (head, len) = (i + 1, len as usize);
                if buffer.len() < head + len {
                    return Ok(None);
                }
                buffer.advance(head);
                return Ok(Some(buffer.split_to(len).freeze()));
            }
        }
        Ok(None)
    }
}
