//! Names by which client and server agree on version and encoding.

use crate::Encoding;

/// WebSocket subprotocol for JSON text frames.
pub const SUBPROTOCOL_JSON: &str = "tidings.1.json";
/// WebSocket subprotocol for Protobuf binary frames.
pub const SUBPROTOCOL_PROTOBUF: &str = "tidings.1.protobuf";
/// ALPN of raw QUIC with Protobuf frames.
pub const ALPN_PROTOBUF: &str = "tidings/1";
/// ALPN of raw QUIC with JSON frames.
pub const ALPN_JSON: &str = "tidings/1+json";

/// The encoding a WebSocket subprotocol stands for.
pub fn encoding_of_subprotocol(name: &str) -> Option<Encoding> {
    match name {
        SUBPROTOCOL_JSON => Some(Encoding::Json),
        SUBPROTOCOL_PROTOBUF => Some(Encoding::Protobuf),
        _ => None,
    }
}

/// The encoding a QUIC ALPN stands for.
pub fn encoding_of_alpn(alpn: &[u8]) -> Option<Encoding> {
    match alpn {
        a if a == ALPN_PROTOBUF.as_bytes() => Some(Encoding::Protobuf),
        a if a == ALPN_JSON.as_bytes() => Some(Encoding::Json),
        _ => None,
    }
}
