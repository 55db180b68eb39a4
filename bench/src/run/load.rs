//! The load itself: messages at their times, receipts in their turns, everything that comes in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tidings_protocol::{Encoding, ErrorCode};

use super::{Run, RunError, Span};
use crate::compose::Composer;
use crate::ledger::{Delivery, Ledger};
use crate::plan::Plan;
use crate::receipts::Receipts;
use crate::report::Times;
use crate::scan::{Seen, with_seen};
use crate::transport::{Arrival, Transport};

/// Frame ids of messages start here; lower ones are older.
const FIRST_ID: u64 = 1 << 32;
/// Receipts are looked at this often where no message is due.
const TICK: Duration = Duration::from_millis(2);
/// How long the final receipts get before the connections are closed.
const FAREWELL: Duration = Duration::from_millis(200);

impl<T: Transport> Run<'_, T> {
    /// Sends every message at its time, then waits until all have arrived. Gives CPU seconds while
    /// measuring, and the projection lag at the end of sending.
    pub(super) fn load(&mut self) -> Result<(Span, Option<f64>), RunError> {
        let start = Instant::now();
        let length = self.options.warm_up + self.options.duration;
        let bar = self.progress("messages", self.plan.messages());
        let mut before = self.cpu();
        let mut measuring = self.plan.warm_up() == 0;
        let mut next = 0;
        let mut drawn = start;
        let resolution = self.resolution();

        while next < self.plan.messages() || start.elapsed() < length {
            let now = start.elapsed();
            while next < self.plan.messages() && self.plan.due_ns(next) <= nanos(now) {
                if !measuring && next == self.plan.warm_up() {
                    measuring = true;
                    before = self.cpu();
                }
                self.post(next, start);
                next += 1;
            }
            self.tell_receipts(start);
            let mut wait = TICK;
            if next < self.plan.messages() {
                let due = Duration::from_nanos(self.plan.due_ns(next));
                wait = wait.min(due.saturating_sub(start.elapsed()));
            }
            if !resolution.is_zero() {
                let into = nanos(start.elapsed()) % nanos(resolution);
                self.transport
                    .nap(resolution - Duration::from_nanos(into))?;
                wait = Duration::ZERO;
            }
            self.listen(start, wait)?;
            if drawn.elapsed() > Duration::from_millis(200) {
                drawn = Instant::now();
                bar.set_position(next.into());
            }
        }
        bar.finish_and_clear();
        // Asked on another thread: the answer may take longer than messages do.
        let lag = std::thread::spawn(self.ask_lag());

        let end = Instant::now();
        while !self.ledger.settled() && end.elapsed() < self.options.settle {
            self.tell_receipts(start);
            self.listen(start, TICK)?;
        }
        let after = self.cpu();
        self.farewell(start)?;
        let spent = |after: Option<f64>, before: Option<f64>| Some(after? - before?);
        let span = Span {
            server: spent(after.server, before.server),
            nats: spent(after.nats, before.nats),
            own: spent(after.own, before.own),
        };
        Ok((span, lag.join().unwrap_or_default()))
    }

    fn post(&mut self, number: u32, start: Instant) {
        let user = self.plan.sender(number);
        let conversation = self.ledger.conversation_id(self.plan.conversation_of(user));
        let now = start.elapsed();
        self.scratch.clear();
        let (id, elapsed_ms) = (FIRST_ID + u64::from(number), now.as_millis() as u64);
        self.composer
            .post(id, number, elapsed_ms, conversation, &mut self.scratch);
        self.transport.write(user, &self.scratch);
        self.transport.flush(user);
        self.ledger.sent(number);
        if number >= self.plan.warm_up() {
            self.late.record_ns(nanos(now) - self.plan.due_ns(number));
        }
    }

    /// Tells the receipts of those whose turn has come.
    fn tell_receipts(&mut self, start: Instant) {
        let now = nanos(start.elapsed());
        while let Some(user) = self.receipts.next(now) {
            self.tell(user);
            self.keep_alive(user);
        }
    }

    fn tell(&mut self, user: u32) {
        let due = self.receipts.take(user);
        if let Some((position, index)) = due.ack {
            self.scratch.clear();
            self.composer.ack(position, index, &mut self.scratch);
            self.transport.write(user, &self.scratch);
        }
        if let Some(seq) = due.read {
            let conversation = self.ledger.conversation_id(self.plan.conversation_of(user));
            self.scratch.clear();
            self.composer
                .mark_read(conversation, seq, &mut self.scratch);
            self.transport.write(user, &self.scratch);
        }
        if due.ack.is_some() || due.read.is_some() {
            self.transport.flush(user);
            self.spoke[user as usize] = Instant::now();
        }
    }

    /// Takes in whatever comes within the time.
    fn listen(&mut self, start: Instant, wait: Duration) -> Result<(), RunError> {
        let mut ear = Ear {
            start,
            encoding: self.options.encoding,
            plan: &self.plan,
            composer: &self.composer,
            ledger: &mut self.ledger,
            receipts: &mut self.receipts,
            errors: &mut self.errors,
            delivery: &mut self.delivery,
            last_delivery: &mut self.last_delivery,
            ack: &mut self.ack,
        };
        self.transport
            .poll(wait, &mut |user, arrival| ear.hear(user, arrival))?;
        Ok(())
    }

    /// The last receipts of everybody.
    fn farewell(&mut self, start: Instant) -> Result<(), RunError> {
        for user in 0..self.plan.users() {
            self.tell(user);
        }
        let end = Instant::now();
        while end.elapsed() < FAREWELL {
            self.listen(start, TICK)?;
        }
        Ok(())
    }
}

/// What listening touches.
struct Ear<'a> {
    start: Instant,
    encoding: Encoding,
    plan: &'a Plan,
    composer: &'a Composer,
    ledger: &'a mut Ledger,
    receipts: &'a mut Receipts,
    errors: &'a mut BTreeMap<String, u64>,
    delivery: &'a mut Times,
    last_delivery: &'a mut Times,
    ack: &'a mut Times,
}

impl Ear<'_> {
    fn hear(&mut self, user: u32, arrival: Arrival<'_>) {
        match arrival {
            Arrival::Frame(frame) => {
                if with_seen(self.encoding, frame, |seen| self.see(user, seen)).is_err() {
                    self.error("malformed frame");
                }
            }
            Arrival::Closed(reason) => self.error(&format!("disconnected: {reason}")),
            Arrival::Open => {}
        }
    }

    fn see(&mut self, user: u32, seen: Seen<'_>) {
        match seen {
            Seen::Posted {
                position,
                index,
                conversation,
                seq,
                text,
            } => {
                self.receipts.event(user, position, index);
                let number = self.composer.number(text);
                match self
                    .ledger
                    .received(self.plan, user, conversation, seq, number)
                {
                    Delivery::Received { number, last } => {
                        self.receipts.message(user, seq);
                        if let Some(ns) = self.since_due(number) {
                            self.delivery.record_ns(ns);
                            if last {
                                self.last_delivery.record_ns(ns);
                            }
                        }
                    }
                    Delivery::Echoed | Delivery::Wrong => {}
                }
            }
            Seen::Accepted { id, seq, .. } => {
                let Some(number) = number_of(id) else { return };
                if self.ledger.accepted(self.plan, number, seq)
                    && let Some(ns) = self.since_due(number)
                {
                    self.ack.record_ns(ns);
                }
            }
            Seen::Refused { id, code, .. } => {
                if let Some(number) = number_of(id) {
                    self.ledger.refused(number, unclear(code));
                }
                self.error(code);
            }
            Seen::Added {
                position, index, ..
            }
            | Seen::Event { position, index } => {
                self.receipts.event(user, position, index);
            }
            Seen::Closing { code, .. } => self.error(code),
            Seen::Welcome { .. } | Seen::Other => {}
        }
    }

    /// Nanoseconds since a message was due, if it is one that is measured.
    fn since_due(&self, number: u32) -> Option<u64> {
        let now = nanos(self.start.elapsed());
        (number >= self.plan.warm_up()).then(|| now.saturating_sub(self.plan.due_ns(number)))
    }

    fn error(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.to_owned(), 1)),
        }
    }
}

fn number_of(id: u64) -> Option<u32> {
    id.checked_sub(FIRST_ID)
        .and_then(|number| u32::try_from(number).ok())
}

/// Whether a refused message may have been recorded all the same.
fn unclear(code: &str) -> bool {
    matches!(
        ErrorCode::from_name(code),
        Some(ErrorCode::Unavailable | ErrorCode::Internal) | None
    )
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}
