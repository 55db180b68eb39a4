//! One connection's frames both ways, whatever carries them.

use std::pin::pin;

use bytes::Bytes;
use tidings_protocol::CloseCode;

use super::{quic, websocket};
use crate::session::Session;

/// What carries frames.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one to a connection, and it stays where it is"
)]
pub(super) enum Line {
    WebSocket(websocket::Line),
    Quic(quic::Line),
}

/// What came from the client.
pub(super) enum Read {
    Frame(Bytes),
    /// Something of the transport's own that the client made the server do, such as answer a ping.
    Signal,
    /// No frame could be made of it.
    Unreadable(CloseCode, String),
    /// Nothing more comes.
    End,
}

/// The line is broken: nobody is there to be told.
pub(super) struct Broken;

impl Line {
    /// Carries frames both ways until the connection ends. The line is of no more use then.
    pub(super) async fn carry(&mut self, session: &mut Session) {
        let outgoing = session.outgoing();
        // Kept over frames and moved only when it rings: setting a timer anew for each frame costs more
        // than ringing once too early.
        let mut clock = pin!(tokio::time::sleep_until(session.deadline()));
        loop {
            if session.deadline() < clock.deadline() {
                clock.as_mut().reset(session.deadline());
            }
            // Reading comes last: whoever sends without a pause does not stop the clock, and what a
            // frame is answered with leaves before the next one is looked at.
            tokio::select! {
                biased;
                batch = outgoing.next() => {
                    outgoing.sent(batch.frames.len());
                    if let Some((code, last)) = batch.close {
                        return self.finish(batch.frames, code, last).await;
                    }
                    let written = {
                        let mut writing = pin!(self.write(batch.frames));
                        loop {
                            tokio::select! {
                                biased;
                                written = &mut writing => break Some(written),
                                // A write can be stuck. Then the cut ends it, or the clock: who does not
                                // read is not heard either.
                                () = outgoing.cut() => break None,
                                () = &mut clock => {
                                    session.check_time();
                                    clock.as_mut().reset(session.deadline());
                                    if outgoing.is_closing() {
                                        break None;
                                    }
                                }
                            }
                        }
                    };
                    match written {
                        Some(Ok(())) => {}
                        Some(Err(Broken)) => return,
                        // Nobody knows how far it came: no event may follow what may be missing, and no
                        // byte what may be half a frame.
                        None => {
                            if let Some((code, last)) = outgoing.closing() {
                                self.break_off(code, last).await;
                            }
                            return;
                        }
                    }
                }
                () = &mut clock => {
                    session.check_time();
                    clock.as_mut().reset(session.deadline());
                }
                read = self.read() => match read {
                    Read::Frame(bytes) => session.receive(bytes).await,
                    Read::Signal => session.signalled(),
                    Read::Unreadable(code, why) => session.unreadable(code, &why),
                    Read::End => return,
                },
            }
        }
    }

    /// Refuses the connection before it has a session.
    pub(super) async fn refuse(&mut self, code: CloseCode, last: Bytes) {
        self.finish(Vec::new(), code, last).await;
    }

    /// Writes frames. Not cancel-safe: after a write that was dropped only [`Line::break_off`] may follow.
    async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        match self {
            Line::WebSocket(line) => line.write(frames).await,
            Line::Quic(line) => line.write(frames).await,
        }
    }

    /// The next thing that comes. Cancel-safe.
    async fn read(&mut self) -> Read {
        match self {
            Line::WebSocket(line) => line.read().await,
            Line::Quic(line) => line.read().await,
        }
    }

    /// Sends what is left and the last frame, waits a while for the client to have them, closes.
    async fn finish(&mut self, frames: Vec<Bytes>, code: CloseCode, last: Bytes) {
        match self {
            Line::WebSocket(line) => line.finish(frames, code, last).await,
            Line::Quic(line) => line.finish(frames, code, last).await,
        }
    }

    /// Closes after a write that was dropped. The client has its beginning, up to any byte.
    async fn break_off(&mut self, code: CloseCode, last: Bytes) {
        match self {
            // A message that was begun lies whole in the library's buffer, so another may follow it. What
            // came after it is lost, and with it everything later: only why may be said.
            Line::WebSocket(line) => line.finish(Vec::new(), code, last).await,
            // Here the stream may end in the middle of a frame: the code comes beside it.
            Line::Quic(line) => line.close(code),
        }
    }
}
