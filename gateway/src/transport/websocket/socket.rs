//! One WebSocket: messages in and out over its stream.
//!
//! What waits nowhere has no memory: bytes are read into a buffer of the thread's and kept only while a
//! frame is not whole, and what is written is kept only while the kernel does not take it. So an idle
//! connection costs its stream and little else.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::frame::{self, Header, Opcode, SERVER_HEADER, Violation};
use crate::transport::{line::Broken, tcp::Stream};

/// Bytes read at a time.
const READ: usize = 16 * 1024;

/// Answers to pings that may wait; whoever lets more pile up is not read meanwhile.
const ANSWERS: usize = 4 * 1024;

thread_local! {
    static READING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What came from the other side.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Message(Kind, Bytes),
    /// A ping or a pong. Pings have been answered.
    Signal,
    /// A message beyond the limit. It is passed over.
    TooLong,
    /// Nothing more comes that would be looked at. [`Socket::drain`] is what is left to do.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// The server's end of a WebSocket.
pub(super) struct Socket {
    stream: Stream,
    /// Longest message, in bytes.
    limit: usize,
    /// Read, and not a whole frame yet, or not its turn.
    arrived: BytesMut,
    /// The first frames of a message that is not whole yet.
    begun: Option<Box<Begun>>,
    /// Bytes of a frame that is passed over.
    skip: u64,
    /// To be written, up to `written` done.
    leaving: Vec<u8>,
    written: usize,
    ending: Ending,
}

/// A message of which some frames are there.
struct Begun {
    kind: Kind,
    payload: BytesMut,
    /// Bytes of `payload` that are UTF-8, in a text.
    utf8: usize,
    /// It is beyond the limit: what comes of it is passed over.
    too_long: bool,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// It has not.
    Open,
    /// A close frame has been written here; the other side's may still come.
    Closing,
    /// The other side has written its close frame. The answer may still have to leave.
    Closed,
    /// The other side did not keep to the protocol and has been told so: what it sends is not looked at.
    Failed,
}

impl Socket {
    /// Over a stream that has been upgraded. `arrived` came behind the request for that.
    pub(super) fn new(stream: Stream, arrived: &[u8], limit: usize) -> Socket {
        Socket {
            stream,
            limit,
            arrived: arrived.into(),
            begun: None,
            skip: 0,
            leaving: Vec::new(),
            written: 0,
            ending: Ending::Open,
        }
    }

    /// Sends messages of one kind. When this is dropped, what is left of them leaves before anything else.
    pub(super) async fn send(&mut self, kind: Kind, messages: &[Bytes]) -> Result<(), Broken> {
        if self.ending != Ending::Open {
            return Err(Broken);
        }
        let opcode = match kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        };
        let lens = messages.iter().map(|bytes| bytes.len() + SERVER_HEADER);
        self.leaving.reserve(lens.sum());
        for message in messages {
            frame::write(&mut self.leaving, opcode, message);
        }
        poll_fn(|cx| self.poll_flush(cx)).await.map_err(|_| Broken)
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn read(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Says why it ends, and waits until the other side has it.
    pub(super) async fn close(&mut self, status: u16, reason: &str) {
        if self.ending == Ending::Open {
            self.ending = Ending::Closing;
            let payload = frame::close(status, reason);
            frame::write(&mut self.leaving, Opcode::Close, &payload);
        }
        while self.read().await != Incoming::End {}
        self.drain().await;
    }

    /// After the end: sees to it that the other side learns why, which may take as long as it likes. Nothing
    /// else need wait for that.
    pub(super) async fn drain(&mut self) {
        if matches!(self.ending, Ending::Closed | Ending::Failed) {
            let _ = poll_fn(|cx| self.poll_drain(cx)).await;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if matches!(self.ending, Ending::Closed | Ending::Failed) {
                return Poll::Ready(Incoming::End);
            }
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Incoming::End),
                Poll::Pending if self.leaving.len() > ANSWERS => return Poll::Pending,
                Poll::Pending => {}
            }
            match self.next() {
                Ok(Some(incoming)) => return Poll::Ready(incoming),
                Ok(None) if self.ending == Ending::Closed => continue,
                Ok(None) => {}
                Err(violation) => {
                    self.fail(violation);
                    continue;
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Incoming::End),
                Ok(_) => {}
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        // Whoever has closed sends no more. From anybody else the rest is read, so that the close is not lost
        // to a reset.
        while self.ending == Ending::Failed && ready!(self.poll_fill(cx))? > 0 {}
        Poll::Ready(Ok(()))
    }

    fn fail(&mut self, violation: Violation) {
        tracing::debug!(%violation, "a WebSocket connection failed");
        if self.ending == Ending::Open {
            let payload = frame::close(violation.status(), &violation.to_string());
            frame::write(&mut self.leaving, Opcode::Close, &payload);
        }
        self.ending = Ending::Failed;
        self.begun = None;
        self.arrived = BytesMut::new();
    }

    /// Takes the next thing out of what has arrived.
    fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let skipped = self.skip.min(self.arrived.len() as u64);
            self.arrived.advance(skipped as usize);
            self.skip -= skipped;
            if self.arrived.is_empty() {
                // An idle connection holds no buffer.
                self.arrived = BytesMut::new();
                return Ok(None);
            }
            let Some(header) = Header::read(&self.arrived)? else {
                return Ok(None);
            };
            if !header.opcode.is_control() && self.begins_too_long(&header)? {
                return Ok(Some(Incoming::TooLong));
            }
            if self.skip > 0 {
                continue;
            }
            // Within the limit, so it fits.
            let len = header.len as usize;
            if self.arrived.len() < header.size + len {
                return Ok(None);
            }
            self.arrived.advance(header.size);
            let mut payload = self.arrived.split_to(len);
            frame::mask(&mut payload, header.mask);
            if let Some(incoming) = self.take(&header, payload)? {
                return Ok(Some(incoming));
            }
            if self.ending == Ending::Closed {
                return Ok(None);
            }
        }
    }

    /// Whether a message exceeds the limit with this frame; then the frame is passed over. One of a
    /// message that did before is passed over without a word.
    fn begins_too_long(&mut self, header: &Header) -> Result<bool, Violation> {
        let known = match (&self.begun, header.opcode) {
            (None, Opcode::Continuation) => {
                return Err(Violation::Protocol("there is no message to continue"));
            }
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(Violation::Protocol("the message before is not finished"));
            }
            (Some(begun), _) if begun.too_long => {
                self.pass_over(header);
                return Ok(false);
            }
            (begun, _) => begun.as_ref().map_or(0, |begun| begun.payload.len()),
        };
        if header.len <= (self.limit - known) as u64 {
            return Ok(false);
        }
        self.pass_over(header);
        Ok(true)
    }

    fn pass_over(&mut self, header: &Header) {
        self.skip = header.len + header.size as u64;
        let rest = Begun {
            kind: Kind::Binary,
            payload: BytesMut::new(),
            utf8: 0,
            too_long: true,
        };
        self.begun = (!header.is_final).then(|| Box::new(rest));
    }

    /// Takes a whole frame; gives back what it makes known.
    fn take(&mut self, header: &Header, payload: BytesMut) -> Result<Option<Incoming>, Violation> {
        match header.opcode {
            Opcode::Text | Opcode::Binary => {
                let kind = match header.opcode {
                    Opcode::Text => Kind::Text,
                    _ => Kind::Binary,
                };
                let mut begun = Begun {
                    kind,
                    payload,
                    utf8: 0,
                    too_long: false,
                };
                if header.is_final {
                    return begun.finish().map(Some);
                }
                begun.check()?;
                self.begun = Some(Box::new(begun));
                Ok(None)
            }
            Opcode::Continuation => {
                let Some(mut begun) = self.begun.take() else {
                    return Err(Violation::Protocol("there is no message to continue"));
                };
                begun.payload.extend_from_slice(&payload);
                if header.is_final {
                    return begun.finish().map(Some);
                }
                begun.check()?;
                self.begun = Some(begun);
                Ok(None)
            }
            Opcode::Ping => {
                if self.ending == Ending::Open {
                    frame::write(&mut self.leaving, Opcode::Pong, &payload);
                }
                Ok(Some(Incoming::Signal))
            }
            Opcode::Pong => Ok(Some(Incoming::Signal)),
            Opcode::Close => {
                let status = frame::closed(&payload)?;
                if self.ending == Ending::Open {
                    let answer = status.map_or(Vec::new(), |status| frame::close(status, ""));
                    frame::write(&mut self.leaving, Opcode::Close, &answer);
                }
                self.ending = Ending::Closed;
                Ok(None)
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READING.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if self.ending != Ending::Failed {
                self.arrived.extend_from_slice(read);
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.leaving.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.leaving.len() {
            let rest = &self.leaving[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.leaving = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl Begun {
    /// Refuses a text as soon as it cannot become UTF-8.
    fn check(&mut self) -> Result<(), Violation> {
        if self.kind == Kind::Text {
            match std::str::from_utf8(&self.payload[self.utf8..]) {
                Ok(_) => self.utf8 = self.payload.len(),
                Err(error) if error.error_len().is_none() => self.utf8 += error.valid_up_to(),
                Err(_) => return Err(Violation::Utf8),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Incoming, Violation> {
        self.check()?;
        if self.kind == Kind::Text && self.utf8 < self.payload.len() {
            return Err(Violation::Utf8);
        }
        Ok(Incoming::Message(self.kind, self.payload.freeze()))
    }
}
