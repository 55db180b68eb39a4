//! What was taken and read, told to the server at most once a second each.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tidings_protocol::frame::Request;
use tidings_protocol::{command, id};
use tokio::time::Instant;
use uuid::Uuid;

use super::updates::At;
use crate::Backoff;

const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Receipts {
    backoff: Backoff,
    /// Since something was confirmed or a session opened.
    refusals: u32,
    acknowledged: Option<At>,
    last_ack: Option<Instant>,
    ack_due: Option<Instant>,
    reads: HashMap<Uuid, Read>,
    reads_due: BTreeSet<(Instant, Uuid)>,
}

struct Read {
    /// The application has read up to here.
    wanted: u64,
    /// The server was told up to here, on this connection.
    sent: u64,
    /// An event has confirmed up to here.
    confirmed: u64,
    /// When something may be sent again, if that is already planned.
    due: Option<Instant>,
}

impl Receipts {
    pub(super) fn new(backoff: Backoff) -> Receipts {
        Receipts {
            backoff,
            ..Receipts::default()
        }
    }

    /// The application has taken events up to `taken`.
    pub(super) fn taken(&mut self, taken: Option<At>, now: Instant) {
        if taken.is_some() && taken != self.acknowledged && self.ack_due.is_none() {
            let earliest = self.last_ack.map_or(now, |last| last + EVERY);
            self.ack_due = Some(earliest.max(now));
        }
    }

    /// The application has read up to `seq`.
    pub(super) fn read(&mut self, conversation: Uuid, seq: u64, now: Instant) {
        let read = self.reads.entry(conversation).or_insert(Read {
            wanted: 0,
            sent: 0,
            confirmed: 0,
            due: None,
        });
        read.wanted = read.wanted.max(seq);
        if read.due.is_none() && read.wanted > read.sent {
            read.due = Some(now);
            self.reads_due.insert((now, conversation));
        }
    }

    /// Something that asked for no reply was refused for the time being. Which it was is not said: all that is
    /// not confirmed is told again later.
    pub(super) fn refused(&mut self, retry_after: Duration, now: Instant) {
        self.refusals += 1;
        let own = self.backoff.random_delay(self.refusals);
        let due = now + EVERY.max(retry_after).max(own);
        for (conversation, read) in &mut self.reads {
            if read.confirmed >= read.sent {
                continue;
            }
            read.sent = read.confirmed;
            if let Some(planned) = read.due.replace(due) {
                self.reads_due.remove(&(planned, *conversation));
            }
            self.reads_due.insert((due, *conversation));
        }
    }

    /// An event says that the server has recorded it.
    pub(super) fn confirmed(&mut self, conversation: Uuid, seq: u64) {
        self.refusals = 0;
        if let Some(read) = self.reads.get_mut(&conversation) {
            read.confirmed = read.confirmed.max(seq);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let read = self.reads_due.first().map(|&(at, _)| at);
        self.ack_due.into_iter().chain(read).min()
    }

    /// What is due, to be sent without asking for a reply.
    pub(super) fn take_due(&mut self, taken: Option<At>, now: Instant) -> Vec<Request> {
        let mut requests = Vec::new();
        if self.ack_due.is_some_and(|due| due <= now) {
            self.ack_due = None;
            if let Some((position, index)) = taken.filter(|&(position, _)| position > 0) {
                requests.push(Request::Ack(command::Ack { position, index }));
                self.last_ack = Some(now);
            }
            self.acknowledged = taken;
        }
        while let Some(&(due, conversation)) = self.reads_due.first() {
            if due > now {
                break;
            }
            self.reads_due.pop_first();
            let Some(read) = self.reads.get_mut(&conversation) else {
                continue;
            };
            read.due = None;
            if read.wanted > read.sent {
                read.sent = read.wanted;
                let seq = read.wanted;
                let conversation_id = id::to_wire(conversation);
                let request = command::MarkRead {
                    conversation: conversation_id,
                    seq,
                };
                requests.push(Request::MarkRead(request));
                let next = now + EVERY;
                read.due = Some(next);
                self.reads_due.insert((next, conversation));
            } else if read.confirmed >= read.wanted {
                self.reads.remove(&conversation);
            }
        }
        requests
    }

    /// A new session: what the last one was told may have been lost with it.
    pub(super) fn connected(&mut self, taken: Option<At>, now: Instant) {
        self.refusals = 0;
        self.acknowledged = None;
        self.last_ack = None;
        self.ack_due = None;
        self.taken(taken, now);
        self.reads_due.clear();
        self.reads.retain(|_, read| read.confirmed < read.wanted);
        for (conversation, read) in &mut self.reads {
            read.sent = read.confirmed;
            read.due = Some(now);
            self.reads_due.insert((now, *conversation));
        }
    }

    /// The client closes: everything is due.
    pub(super) fn hurry(&mut self, taken: Option<At>, now: Instant) {
        if taken.is_some() && taken != self.acknowledged {
            self.ack_due = Some(now);
        }
        self.reads_due.clear();
        for (conversation, read) in &mut self.reads {
            read.due = Some(now);
            self.reads_due.insert((now, *conversation));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(position: u64) -> Request {
        Request::Ack(command::Ack { position, index: 0 })
    }

    fn mark(conversation: Uuid, seq: u64) -> Request {
        Request::MarkRead(command::MarkRead {
            conversation: id::to_wire(conversation),
            seq,
        })
    }

    #[tokio::test]
    async fn acknowledgements_are_cumulative_and_at_most_one_a_second() {
        let mut receipts = Receipts::default();
        let start = Instant::now();
        receipts.taken(Some((5, 0)), start);
        assert_eq!(receipts.take_due(Some((5, 0)), start), [ack(5)]);
        receipts.taken(Some((6, 0)), start);
        assert_eq!(receipts.deadline(), Some(start + EVERY));
        assert_eq!(receipts.take_due(Some((6, 0)), start + EVERY / 2), []);
        // Taken in the meantime: the one that goes out covers it.
        assert_eq!(receipts.take_due(Some((9, 0)), start + EVERY), [ack(9)]);
        receipts.taken(Some((9, 0)), start + EVERY);
        assert_eq!(receipts.deadline(), None);
    }

    #[tokio::test]
    async fn reading_is_told_at_most_once_a_second_and_again_after_an_interruption() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        receipts.read(one, 3, start);
        assert_eq!(receipts.take_due(None, start), [mark(one, 3)]);
        receipts.read(one, 4, start);
        receipts.read(one, 7, start);
        receipts.read(one, 6, start);
        assert_eq!(receipts.take_due(None, start), []);
        assert_eq!(receipts.take_due(None, start + EVERY), [mark(one, 7)]);

        receipts.connected(None, start + EVERY);
        assert_eq!(receipts.take_due(None, start + EVERY), [mark(one, 7)]);
        receipts.confirmed(one, 7);
        receipts.connected(None, start + 2 * EVERY);
        assert_eq!(receipts.take_due(None, start + 2 * EVERY), []);
        assert!(receipts.reads.is_empty());
    }

    #[tokio::test]
    async fn reading_that_was_refused_for_now_is_told_again() {
        let (mut receipts, one, two) =
            (Receipts::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let start = Instant::now();
        receipts.read(one, 3, start);
        receipts.read(two, 5, start);
        assert_eq!(receipts.take_due(None, start).len(), 2);
        receipts.confirmed(two, 5);
        let wait = 3 * EVERY;
        receipts.refused(wait, start);
        // More is no reason to hurry.
        receipts.read(one, 4, start + EVERY);
        assert_eq!(receipts.deadline(), Some(start + EVERY));
        assert_eq!(receipts.take_due(None, start + 2 * EVERY), []);
        assert_eq!(receipts.take_due(None, start + wait), [mark(one, 4)]);
        // Refused again, and again, it is asked less often.
        let mut now = start + wait;
        for _ in 0..10 {
            receipts.refused(Duration::ZERO, now);
            let due = receipts.deadline().unwrap();
            assert!(due >= now + EVERY);
            now = due;
            assert_eq!(receipts.take_due(None, now), [mark(one, 4)]);
        }
        receipts.refused(Duration::ZERO, now);
        assert!(receipts.deadline().unwrap() >= now + Backoff::default().longest / 2);
        // On another connection it is a new beginning.
        receipts.connected(None, now);
        assert_eq!(receipts.take_due(None, now), [mark(one, 4)]);
        receipts.confirmed(one, 4);
        receipts.refused(Duration::ZERO, now);
        assert_eq!(receipts.take_due(None, now + 60 * EVERY), []);
    }

    #[tokio::test]
    async fn closing_tells_everything_left() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        receipts.read(one, 3, start);
        receipts.taken(Some((5, 0)), start);
        receipts.take_due(Some((5, 0)), start);
        receipts.read(one, 4, start);
        receipts.hurry(Some((8, 0)), start);
        assert_eq!(
            receipts.take_due(Some((8, 0)), start),
            [ack(8), mark(one, 4)]
        );
    }
}
