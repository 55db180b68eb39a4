//! What waits to be sent on one connection: bounded in bytes, shed by rank.
//!
//! Messages are never shed: a client that does not keep up is cut with a code that tells it to
//! resume. Typing is shed first.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tidings_core::domain::ConversationId;
use tidings_protocol::CloseCode;
use tokio::sync::Notify;

/// Messages told and not acknowledged that are remembered, to turn an acknowledgement into
/// delivered cursors. Beyond it the oldest are forgotten: a later message of the same conversation,
/// once acknowledged, covers them; where none comes they are delivered once they are read.
const UNACKNOWLEDGED: usize = 4_096;

/// Most bytes sent at a time, unless one frame is longer: what is being sent has left the queue and does
/// not count in its limit.
const BATCH_BYTES: usize = 64 * 1024;

/// Room for frames that an idle connection keeps.
const KEPT_FRAMES: usize = 8;

/// The queue of one connection.
#[derive(Debug)]
pub struct Outgoing {
    state: Mutex<State>,
    changed: Notify,
    /// Signalled once, when the connection is cut.
    cut: Notify,
    limit: usize,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Frame>,
    /// Bytes waiting, the session's own opening aside: these are limited here.
    bytes: usize,
    /// Bytes of the opening that wait: limited by whoever makes it.
    opening: usize,
    /// Bytes taken to be sent, until the next are asked for.
    sending: usize,
    /// Until the session is open, live frames wait here and nothing is sent.
    held: bool,
    /// Whoever sends has been told that there is something, and has not come for it yet.
    woken: bool,
    close: Option<(CloseCode, Bytes)>,
    unacknowledged: VecDeque<((u64, u32), ConversationId, u64)>,
}

#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    /// Position in the log; 0 for what is no event.
    position: u64,
    opening: bool,
}

/// What to send next.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order.
    pub frames: Vec<Bytes>,
    /// Then close, after a last frame that says why.
    pub close: Option<(CloseCode, Bytes)>,
}

impl Outgoing {
    /// A queue of at most `limit` bytes, holding back until [`Outgoing::open`].
    pub fn new(limit: usize) -> Outgoing {
        Outgoing {
            state: Mutex::new(State {
                frames: VecDeque::new(),
                bytes: 0,
                opening: 0,
                sending: 0,
                held: true,
                woken: false,
                close: None,
                unacknowledged: VecDeque::new(),
            }),
            changed: Notify::new(),
            cut: Notify::new(),
            limit,
        }
    }

    /// Adds the frame of a recorded event. False when the queue is full: the caller cuts the connection.
    #[must_use]
    pub fn event(
        &self,
        frame: Bytes,
        at: (u64, u32),
        message: Option<(ConversationId, u64)>,
    ) -> bool {
        let mut state = self.state.lock();
        if let Some((conversation, seq)) = message {
            state.remember(at, conversation, seq);
        }
        self.push(state, frame, at.0, true)
    }

    /// Adds a reply. False when the queue is full: the caller cuts the connection.
    #[must_use]
    pub fn reply(&self, frame: Bytes) -> bool {
        self.push(self.state.lock(), frame, 0, true)
    }

    /// Adds a reply that goes with what comes next, or at [`Outgoing::wake`]. False when the queue is
    /// full: the caller cuts the connection.
    #[must_use]
    pub fn reply_aside(&self, frame: Bytes) -> bool {
        self.push(self.state.lock(), frame, 0, false)
    }

    /// Sends what was put aside.
    pub fn wake(&self) {
        let mut state = self.state.lock();
        if !state.frames.is_empty() && state.take_wake() {
            drop(state);
            self.changed.notify_one();
        }
    }

    fn push(
        &self,
        mut state: parking_lot::MutexGuard<'_, State>,
        bytes: Bytes,
        position: u64,
        wake: bool,
    ) -> bool {
        if state.close.is_some() {
            return true;
        }
        if state.bytes + bytes.len() > self.limit {
            return false;
        }
        state.bytes += bytes.len();
        state.frames.push_back(Frame {
            bytes,
            position,
            opening: false,
        });
        let wake = wake && state.take_wake();
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        true
    }

    /// Adds a volatile signal, or sheds it when a quarter of the queue is full.
    pub fn volatile(&self, bytes: Bytes) {
        let state = self.state.lock();
        if !state.held && state.bytes + bytes.len() <= self.limit / 4 {
            let _ = self.push(state, bytes, 0, true);
        }
    }

    /// Opens the session: `opening`, which its maker keeps within [`crate::Limits::replay_bytes`], goes
    /// first, then live events after `position`, which the opening includes.
    pub fn open(
        &self,
        opening: VecDeque<Bytes>,
        position: u64,
        windows: Vec<(ConversationId, u64)>,
    ) {
        let mut state = self.state.lock();
        let mut dropped = 0;
        state.frames.retain(|frame| {
            let known = frame.position != 0 && frame.position <= position;
            dropped += if known { frame.bytes.len() } else { 0 };
            !known
        });
        state.bytes -= dropped;
        state.opening = opening.iter().map(Bytes::len).sum();
        for bytes in opening.into_iter().rev() {
            state.frames.push_front(Frame {
                bytes,
                position: 0,
                opening: true,
            });
        }
        for (conversation, seq) in windows {
            state.remember((position, u32::MAX), conversation, seq);
        }
        state.held = false;
        state.woken = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Closes the connection after what waits already, or at once (`Slow`: nothing that waits would help).
    pub fn close(&self, code: CloseCode, last: Bytes) {
        let mut state = self.state.lock();
        if state.close.is_some() {
            return;
        }
        if code == CloseCode::Slow {
            state.frames = VecDeque::new();
            state.bytes = 0;
            state.opening = 0;
        } else if state.held {
            // Of what happens nothing is told before the opening; why it is refused is.
            let mut dropped = 0;
            state.frames.retain(|frame| {
                let event = frame.position != 0;
                dropped += if event { frame.bytes.len() } else { 0 };
                !event
            });
            state.bytes -= dropped;
        }
        state.close = Some((code, last));
        drop(state);
        self.changed.notify_one();
        if code == CloseCode::Slow {
            self.cut.notify_one();
        }
    }

    /// Whether it is being closed.
    pub fn is_closing(&self) -> bool {
        self.state.lock().close.is_some()
    }

    /// How it is being closed, if it is.
    pub fn closing(&self) -> Option<(CloseCode, Bytes)> {
        self.state.lock().close.clone()
    }

    /// Bytes waiting or being sent.
    pub fn bytes(&self) -> usize {
        let state = self.state.lock();
        state.bytes + state.opening + state.sending
    }

    /// Waits for the next things to send; what it gave before has been sent. Cancel-safe.
    pub async fn next(&self) -> Batch {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                state.woken = false;
                state.sending = 0;
                if !state.held && !state.frames.is_empty() || state.close.is_some() {
                    return state.take_batch();
                }
            }
            changed.await;
        }
    }

    /// Waits until the connection is cut because its client is too slow. For use beside a write
    /// that may be stuck.
    pub async fn cut(&self) {
        self.cut.notified().await;
    }

    /// What an acknowledgement covers: the last message of each conversation up to it.
    pub fn acknowledged(&self, at: (u64, u32)) -> Vec<(ConversationId, u64)> {
        let mut state = self.state.lock();
        let mut covered: Vec<(ConversationId, u64)> = Vec::new();
        while let Some((told, conversation, seq)) = state.unacknowledged.front().copied() {
            if told > at {
                break;
            }
            state.unacknowledged.pop_front();
            match covered.iter_mut().find(|(known, _)| *known == conversation) {
                Some((_, known)) => *known = (*known).max(seq),
                None => covered.push((conversation, seq)),
            }
        }
        if state.unacknowledged.is_empty() {
            // An idle connection holds no memory for what it once had to remember.
            state.unacknowledged = VecDeque::new();
        }
        covered
    }
}

impl State {
    fn take_batch(&mut self) -> Batch {
        let mut frames = Vec::with_capacity(self.frames.len());
        while let Some(frame) = self.frames.front() {
            let len = frame.bytes.len();
            if self.sending + len > BATCH_BYTES && self.sending > 0 {
                break;
            }
            self.sending += len;
            match frame.opening {
                true => self.opening -= len,
                false => self.bytes -= len,
            }
            frames.extend(self.frames.pop_front().map(|frame| frame.bytes));
        }
        if self.frames.is_empty() && self.frames.capacity() > KEPT_FRAMES {
            self.frames = VecDeque::new();
        }
        let close = self.close.clone().filter(|_| self.frames.is_empty());
        Batch { frames, close }
    }

    /// Whether to wake whoever sends; after that it counts as done.
    fn take_wake(&mut self) -> bool {
        !self.held && !std::mem::replace(&mut self.woken, true)
    }

    fn remember(&mut self, at: (u64, u32), conversation: ConversationId, seq: u64) {
        // The same conversation's message just before is covered by this one once both are acknowledged,
        // but may be acknowledged alone: both are kept.
        if self.unacknowledged.len() == UNACKNOWLEDGED {
            self.unacknowledged.pop_front();
        }
        self.unacknowledged.push_back((at, conversation, seq));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn open() -> Outgoing {
        let outgoing = Outgoing::new(100);
        outgoing.open(VecDeque::new(), 0, Vec::new());
        // The opening itself wakes.
        assert!(outgoing.next().now_or_never().is_none());
        outgoing
    }

    /// A sender that waits, as a transport does.
    async fn taken(outgoing: &Outgoing, meanwhile: impl FnOnce()) -> Option<Vec<Bytes>> {
        let mut next = std::pin::pin!(outgoing.next());
        assert!(next.as_mut().now_or_never().is_none());
        meanwhile();
        next.now_or_never().map(|batch| batch.frames)
    }

    #[tokio::test]
    async fn a_reply_put_aside_goes_with_what_comes_next() {
        let outgoing = open();
        let both = taken(&outgoing, || {
            assert!(outgoing.reply_aside(frame("reply")));
            assert!(outgoing.event(frame("event"), (1, 0), None));
        });
        assert_eq!(both.await, Some(vec![frame("reply"), frame("event")]));
    }

    #[tokio::test]
    async fn a_reply_put_aside_waits_until_it_is_called_for() {
        let outgoing = open();
        let silent = taken(&outgoing, || assert!(outgoing.reply_aside(frame("reply"))));
        assert_eq!(silent.await, None);
        outgoing.wake();
        let batch = outgoing.next().now_or_never().expect("woken");
        assert_eq!(batch.frames, [frame("reply")]);
        let nothing = taken(&outgoing, || outgoing.wake());
        assert_eq!(nothing.await, None);
    }

    #[tokio::test]
    async fn each_sender_is_woken_for_what_comes_after_it_has_taken() {
        let outgoing = open();
        for _ in 0..3 {
            let one = taken(&outgoing, || assert!(outgoing.reply(frame("reply"))));
            assert_eq!(one.await, Some(vec![frame("reply")]));
        }
    }
    #[tokio::test]
    async fn an_opening_leaves_in_pieces_and_is_counted_until_it_has_left() {
        let outgoing = Outgoing::new(100);
        let piece = Bytes::from(vec![b'x'; BATCH_BYTES / 4]);
        outgoing.open(vec![piece.clone(); 10].into(), 0, Vec::new());
        // What the session began with does not stand in the way of what happens now.
        assert!(outgoing.event(frame("event"), (1, 0), None));
        let all = 10 * piece.len() + "event".len();
        assert_eq!(outgoing.bytes(), all);
        let mut sent = 0;
        for frames in [4, 4, 3] {
            let batch = outgoing.next().now_or_never().expect("more waits");
            assert_eq!(batch.frames.len(), frames);
            // It is there until it has been sent.
            assert_eq!(outgoing.bytes(), all - sent);
            sent += batch.frames.iter().map(Bytes::len).sum::<usize>();
        }
        assert!(outgoing.next().now_or_never().is_none());
        assert_eq!(outgoing.bytes(), 0);
    }

    #[tokio::test]
    async fn the_end_comes_with_the_last_piece() {
        let outgoing = Outgoing::new(100);
        let piece = Bytes::from(vec![b'x'; BATCH_BYTES]);
        outgoing.open(vec![piece; 2].into(), 0, Vec::new());
        outgoing.close(CloseCode::Draining, frame("last"));
        assert!(outgoing.next().await.close.is_none());
        assert!(outgoing.next().await.close.is_some());
        // Who is too slow gets nothing else.
        let outgoing = Outgoing::new(100);
        outgoing.open(vec![frame("piece")].into(), 0, Vec::new());
        outgoing.close(CloseCode::Slow, frame("last"));
        let batch = outgoing.next().await;
        assert!(batch.frames.is_empty() && batch.close.is_some());
        assert_eq!(outgoing.bytes(), 0);
    }
}
