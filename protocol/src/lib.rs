//! The client protocol of Tidings: one schema, two encodings.
//!
//! A client sends [`ClientFrame`]s and receives [`ServerFrame`]s over any transport. The same
//! structures are JSON (text, identifiers as strings) or Protobuf, chosen by WebSocket subprotocol
//! or QUIC ALPN (see [`version`]). Nothing here is ever stored: the log has a codec of its own.
//!
//! `docs/protocol.md` describes the exchange; a test of this crate holds it against the code.

pub mod close;
pub mod codec;
pub mod command;
pub mod error;
pub mod event;
mod forward;
pub mod frame;
pub mod id;
pub mod import;
pub mod query;
pub mod version;
pub mod view;

pub use close::CloseCode;
pub use codec::{DecodeError, Encoding};
pub use error::ErrorCode;
pub use frame::{ClientFrame, ServerFrame};
