//! Transports: each turns what it accepts into sessions, and carries their frames.

mod line;
pub mod quic;
pub mod tcp;
pub mod websocket;

use std::time::Duration;

/// What carries a connection's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket, over TCP.
    WebSocket,
    /// Raw QUIC.
    Quic,
}

impl Transport {
    /// All of them, in order.
    pub const ALL: &'static [Transport] = &[Transport::WebSocket, Transport::Quic];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::Quic => "quic",
        }
    }
}

/// How long the last frames of a closed connection may take to leave.
const LINGER: Duration = Duration::from_secs(5);

/// Send buffer of a connection in the kernel, in bytes: large enough to keep the line busy, small
/// enough that a stuck client is noticed.
const SEND_BUFFER: usize = 64 * 1024;
