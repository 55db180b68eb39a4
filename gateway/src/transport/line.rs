//! One connection's frames both ways, whatever carries them.

use std::pin::pin;

use bytes::Bytes;
use tidings_protocol::CloseCode;

use crate::session::Session;

/// What carries frames.
pub(super) trait Line: Send {
    /// Writes frames. Not cancel-safe: after a write that was dropped only [`Line::break_off`] may follow.
    fn write(&mut self, frames: Vec<Bytes>) -> impl Future<Output = Result<(), Broken>> + Send;

    /// The next thing that comes. Cancel-safe.
    fn read(&mut self) -> impl Future<Output = Read> + Send;

    /// Sends what is left and the last frame, waits a while for the client to have them, closes.
    fn finish(
        &mut self,
        frames: Vec<Bytes>,
        code: CloseCode,
        last: Bytes,
    ) -> impl Future<Output = ()> + Send;

    /// The client's side has ended: sees to it for a while that what it is still to be told leaves. By then
    /// the session is gone, so this costs a stream and no more.
    fn drain(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Closes after a write that was dropped. The client has its beginning, up to any byte.
    fn break_off(&mut self, code: CloseCode, last: Bytes) -> impl Future<Output = ()> + Send;
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

/// Serves a connection to its end, as the session it has got or with the words it is refused with.
///
/// What an idle connection waits in has few bytes: all else has its place while it lasts.
#[allow(
    clippy::manual_async_fn,
    reason = "an async function would keep its arguments twice"
)]
pub(super) fn serve(
    mut line: impl Line,
    mut accepted: Result<Session, (CloseCode, Bytes)>,
) -> impl Future<Output = ()> + Send {
    async move {
        match &mut accepted {
            Ok(session) => {
                let ended = carry(&mut line, session).await;
                drop(accepted);
                if ended == Ended::ByClient {
                    Box::pin(line.drain()).await;
                }
            }
            Err((code, last)) => {
                let last = std::mem::take(last);
                Box::pin(line.finish(Vec::new(), *code, last)).await;
            }
        }
    }
}

/// Who ended a connection.
#[derive(PartialEq)]
enum Ended {
    /// The client did, or what it sent: nothing has been said to that.
    ByClient,
    /// It was closed from here, or it broke: the line is of no more use.
    Here,
}

/// Carries frames both ways until the connection ends.
async fn carry(line: &mut impl Line, session: &mut Session) -> Ended {
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
                    Box::pin(line.finish(batch.frames, code, last)).await;
                    return Ended::Here;
                }
                let written = {
                    let mut writing = pin!(line.write(batch.frames));
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
                    Some(Err(Broken)) => return Ended::Here,
                    // Nobody knows how far it came: no event may follow what may be missing, and no
                    // byte what may be half a frame.
                    None => {
                        if let Some((code, last)) = outgoing.closing() {
                            Box::pin(line.break_off(code, last)).await;
                        }
                        return Ended::Here;
                    }
                }
            }
            () = &mut clock => {
                session.check_time();
                clock.as_mut().reset(session.deadline());
            }
            read = line.read() => match read {
                Read::Frame(bytes) => Box::pin(session.receive(bytes)).await,
                Read::Signal => session.signalled(),
                Read::Unreadable(code, why) => session.unreadable(code, &why),
                Read::End => return Ended::ByClient,
            },
        }
    }
}
