//! Transports: each turns what it accepts into sessions, and carries their frames.

mod line;
pub mod quic;
pub mod tcp;
pub mod websocket;

use std::time::Duration;

use line::Line;

/// How long the last frames of a closed connection may take to leave.
const LINGER: Duration = Duration::from_secs(5);

/// Send buffer of a connection in the kernel, in bytes: large enough to keep the line busy, small
/// enough that a stuck client is noticed.
const SEND_BUFFER: usize = 64 * 1024;
