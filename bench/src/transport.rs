//! Many connections on one thread.

mod poller;
mod quic;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use quic::Quic;
pub(crate) use websocket::WebSocket;

/// What a connection has to say.
pub(crate) enum Arrival<'a> {
    /// It is open.
    Open,
    /// A frame has come.
    Frame(&'a [u8]),
    /// It is gone, or never came about; the code it was closed with, or why.
    Closed(String),
}

/// Connections by user number.
pub(crate) trait Transport {
    /// Begins to connect a user; `Open` or `Closed` follows.
    fn open(&mut self, user: u32, target: SocketAddr) -> io::Result<()>;

    /// Writes a frame into a user's buffer.
    fn write(&mut self, user: u32, frame: &[u8]);

    /// Sends off what was written.
    fn flush(&mut self, user: u32);

    /// Waits for something to arrive, at most for `timeout`, and hands over whatever has.
    fn poll(
        &mut self,
        timeout: Duration,
        arrived: &mut dyn FnMut(u32, Arrival<'_>),
    ) -> io::Result<()>;

    /// Sleeps, whatever arrives.
    fn nap(&mut self, time: Duration) -> io::Result<()>;

    /// Closes everything in an orderly way.
    fn close(&mut self);
}
