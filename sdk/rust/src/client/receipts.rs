//! What was taken and read, told to the server at most once a second each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tidings_protocol::frame::Request;
use tidings_protocol::{command, id};
use tokio::time::Instant;
use uuid::Uuid;

use super::updates::At;
use crate::{Backoff, State};

const EVERY: Duration = Duration::from_secs(1);
/// Between two that are sent again: what was refused together, or was lost with a session, would be refused
/// together again.
const APART: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Receipts {
    backoff: Backoff,
    /// Rounds that were refused since something was confirmed or a session opened.
    refusals: u32,
    /// What was refused is not sent again before: refusals until then are of the same round.
    again: Option<Instant>,
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
    /// not confirmed is told again later, one after another.
    pub(super) fn refused(&mut self, retry_after: Duration, now: Instant) {
        let mut refused = Vec::new();
        let mut planned = Vec::new();
        for (conversation, read) in &mut self.reads {
            if read.confirmed < read.sent {
                read.sent = read.confirmed;
                refused.push(*conversation);
            } else if let Some(due) = read.due.filter(|_| read.sent < read.wanted) {
                planned.push((due, *conversation));
            }
        }
        let earliest = match self.again.filter(|again| *again > now) {
            // There is a frame for each that was refused, and it says nothing new.
            Some(again) => again.max(now + retry_after),
            None => {
                self.refusals += 1;
                let own = self.backoff.random_delay(self.refusals);
                now + EVERY.max(retry_after).max(own)
            }
        };
        let is_later = self.again.is_none_or(|again| again < earliest);
        if refused.is_empty() && !is_later {
            return;
        }
        self.again = Some(earliest);
        // Those that have waited for longest come first.
        planned.sort_unstable();
        let waiting = planned.into_iter().map(|(_, conversation)| conversation);
        self.plan(waiting.chain(refused).collect(), earliest);
    }

    /// What the state says was read is recorded, however that came to be known: by an event or a reset.
    fn confirm_by(&mut self, state: &State, conversation: Uuid) {
        let read_seq = state
            .conversation(conversation)
            .map(|one| one.view().read_seq);
        if let (Some(read), Some(read_seq)) = (self.reads.get_mut(&conversation), read_seq) {
            read.confirmed = read.confirmed.max(read_seq);
            read.sent = read.sent.max(read_seq);
        }
    }

    /// Tells them one after another.
    fn plan(&mut self, conversations: Vec<Uuid>, mut due: Instant) {
        for conversation in conversations {
            let Some(read) = self.reads.get_mut(&conversation) else {
                continue;
            };
            if let Some(planned) = read.due.replace(due) {
                self.reads_due.remove(&(planned, conversation));
            }
            self.reads_due.insert((due, conversation));
            due += APART;
        }
    }

    /// An event says that the server has recorded it.
    pub(super) fn confirmed(&mut self, conversation: Uuid, seq: u64) {
        self.refusals = 0;
        let Some(read) = self.reads.get_mut(&conversation) else {
            return;
        };
        read.confirmed = read.confirmed.max(seq);
        if read.confirmed >= read.wanted && read.due.is_none() {
            self.reads.remove(&conversation);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let read = self.reads_due.first().map(|&(at, _)| at);
        self.ack_due.into_iter().chain(read).min()
    }

    /// What is due, to be sent without asking for a reply. What `state` has as read up to there already is
    /// not: the server says nothing to that, so it would never be confirmed.
    pub(super) fn take_due(
        &mut self,
        taken: Option<At>,
        state: &Mutex<State>,
        now: Instant,
    ) -> Vec<Request> {
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
            self.confirm_by(&super::lock(state), conversation);
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
        self.again = None;
        self.reads_due.clear();
        self.reads.retain(|_, read| read.confirmed < read.wanted);
        for read in self.reads.values_mut() {
            read.sent = read.confirmed;
            read.due = None;
        }
        self.plan(self.reads.keys().copied().collect(), now);
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
    use tidings_protocol::frame::Reset;
    use tidings_protocol::view;

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

    fn unknown() -> Mutex<State> {
        Mutex::default()
    }

    #[tokio::test]
    async fn acknowledgements_are_cumulative_and_at_most_one_a_second() {
        let mut receipts = Receipts::default();
        let start = Instant::now();
        receipts.taken(Some((5, 0)), start);
        assert_eq!(receipts.take_due(Some((5, 0)), &unknown(), start), [ack(5)]);
        receipts.taken(Some((6, 0)), start);
        assert_eq!(receipts.deadline(), Some(start + EVERY));
        assert_eq!(
            receipts.take_due(Some((6, 0)), &unknown(), start + EVERY / 2),
            []
        );
        // Taken in the meantime: the one that goes out covers it.
        assert_eq!(
            receipts.take_due(Some((9, 0)), &unknown(), start + EVERY),
            [ack(9)]
        );
        receipts.taken(Some((9, 0)), start + EVERY);
        assert_eq!(receipts.deadline(), None);
    }

    #[tokio::test]
    async fn reading_is_told_at_most_once_a_second_and_again_after_an_interruption() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        receipts.read(one, 3, start);
        assert_eq!(receipts.take_due(None, &unknown(), start), [mark(one, 3)]);
        receipts.read(one, 4, start);
        receipts.read(one, 7, start);
        receipts.read(one, 6, start);
        assert_eq!(receipts.take_due(None, &unknown(), start), []);
        assert_eq!(
            receipts.take_due(None, &unknown(), start + EVERY),
            [mark(one, 7)]
        );

        receipts.connected(None, start + EVERY);
        assert_eq!(
            receipts.take_due(None, &unknown(), start + EVERY),
            [mark(one, 7)]
        );
        receipts.confirmed(one, 7);
        receipts.connected(None, start + 2 * EVERY);
        assert_eq!(receipts.take_due(None, &unknown(), start + 2 * EVERY), []);
        assert!(receipts.reads.is_empty());
    }

    #[tokio::test]
    async fn reading_that_was_refused_for_now_is_told_again() {
        let (mut receipts, one, two) =
            (Receipts::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let start = Instant::now();
        receipts.read(one, 3, start);
        receipts.read(two, 5, start);
        assert_eq!(receipts.take_due(None, &unknown(), start).len(), 2);
        receipts.confirmed(two, 5);
        let wait = 3 * EVERY;
        receipts.refused(wait, start);
        // More is no reason to hurry.
        receipts.read(one, 4, start + EVERY);
        assert_eq!(receipts.deadline(), Some(start + EVERY));
        assert_eq!(receipts.take_due(None, &unknown(), start + 2 * EVERY), []);
        assert_eq!(
            receipts.take_due(None, &unknown(), start + wait),
            [mark(one, 4)]
        );
        // Refused again, and again, it is asked less often.
        let mut now = start + wait;
        for _ in 0..10 {
            receipts.refused(Duration::ZERO, now);
            let due = receipts.deadline().unwrap();
            assert!(due >= now + EVERY);
            now = due;
            assert_eq!(receipts.take_due(None, &unknown(), now), [mark(one, 4)]);
        }
        receipts.refused(Duration::ZERO, now);
        assert!(receipts.deadline().unwrap() >= now + Backoff::default().longest / 2);
        // On another connection it is a new beginning.
        receipts.connected(None, now);
        assert_eq!(receipts.take_due(None, &unknown(), now), [mark(one, 4)]);
        receipts.confirmed(one, 4);
        receipts.refused(Duration::ZERO, now);
        assert_eq!(receipts.take_due(None, &unknown(), now + 60 * EVERY), []);
    }

    #[tokio::test]
    async fn a_round_is_refused_once_and_told_again_one_after_another() {
        let longest = Duration::from_secs(3_600);
        let mut receipts = Receipts::new(Backoff {
            first: EVERY,
            longest,
        });
        let start = Instant::now();
        let many = 40;
        for nth in 1..=many {
            receipts.read(Uuid::from_u128(nth), 3, start);
        }
        assert_eq!(
            receipts.take_due(None, &unknown(), start).len(),
            many as usize
        );
        // As many frames as were refused, and one of something else a little later.
        for _ in 0..many {
            receipts.refused(Duration::ZERO, start);
        }
        receipts.refused(Duration::ZERO, start + EVERY / 2);
        assert_eq!(receipts.refusals, 1);
        let first = receipts.deadline().unwrap();
        assert!(first <= start + EVERY, "they count as one");
        let mut now = first;
        let mut seen = BTreeSet::new();
        while seen.len() < many as usize {
            let due = receipts.take_due(None, &unknown(), now);
            assert!(due.len() <= 1, "{due:?}");
            for request in due {
                let Request::MarkRead(mark) = request else {
                    panic!("{request:?}")
                };
                let conversation = id::from_wire(&mark.conversation).unwrap();
                seen.insert(conversation);
                receipts.confirmed(conversation, 3);
            }
            now = receipts.deadline().unwrap();
        }
    }

    #[tokio::test]
    async fn a_refusal_holds_back_the_rest_of_its_round() {
        let mut receipts = Receipts::new(Backoff::default());
        let start = Instant::now();
        for nth in 1..=10 {
            receipts.read(Uuid::from_u128(nth), 3, start);
        }
        receipts.take_due(None, &unknown(), start);
        receipts.refused(EVERY, start);
        let first = receipts.deadline().unwrap();
        assert_eq!(receipts.take_due(None, &unknown(), first).len(), 1);
        // The first of them is refused again: the others have no better prospects.
        let wait = 5 * EVERY;
        receipts.refused(wait, first);
        assert_eq!(
            receipts.take_due(None, &unknown(), first + wait - APART),
            []
        );
        let mut told = 0;
        while told < 10 {
            told += receipts
                .take_due(None, &unknown(), receipts.deadline().unwrap())
                .len();
        }
        assert_eq!(receipts.refusals, 2);
    }

    #[tokio::test]
    async fn what_a_session_left_untold_is_told_to_the_next_one_after_another() {
        let mut receipts = Receipts::default();
        let start = Instant::now();
        for nth in 1..=10 {
            receipts.read(Uuid::from_u128(nth), 3, start);
        }
        assert_eq!(receipts.take_due(None, &unknown(), start).len(), 10);
        receipts.connected(None, start);
        for nth in 0..10 {
            assert_eq!(
                receipts
                    .take_due(None, &unknown(), start + APART * nth)
                    .len(),
                1
            );
        }
    }

    #[tokio::test]
    async fn what_the_state_has_as_read_is_not_told_again() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        let state = unknown();
        receipts.read(one, 3, start);
        assert_eq!(receipts.take_due(None, &state, start), [mark(one, 3)]);
        // A reset says what no event did.
        let view = view::Conversation {
            id: id::to_wire(one),
            last_seq: 5,
            read_seq: 4,
            ..view::Conversation::default()
        };
        super::super::lock(&state).apply_reset(&Reset {
            conversations: vec![view],
            ..Reset::default()
        });
        receipts.connected(None, start);
        receipts.refused(Duration::ZERO, start);
        let due = receipts.deadline().unwrap();
        assert_eq!(receipts.take_due(None, &state, due), []);
        assert!(receipts.reads.is_empty());
        // Nor is it told at all where it is old news; what is new is.
        receipts.read(one, 4, due);
        assert_eq!(receipts.take_due(None, &state, due), []);
        assert!(receipts.reads.is_empty());
        receipts.read(one, 5, due);
        assert_eq!(receipts.take_due(None, &state, due), [mark(one, 5)]);
    }

    #[tokio::test]
    async fn what_is_confirmed_late_is_not_kept() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        receipts.read(one, 3, start);
        receipts.take_due(None, &unknown(), start);
        receipts.take_due(None, &unknown(), start + EVERY);
        receipts.confirmed(one, 3);
        assert!(receipts.reads.is_empty());
    }

    #[tokio::test]
    async fn closing_tells_everything_left() {
        let (mut receipts, one) = (Receipts::default(), Uuid::from_u128(1));
        let start = Instant::now();
        receipts.read(one, 3, start);
        receipts.taken(Some((5, 0)), start);
        receipts.take_due(Some((5, 0)), &unknown(), start);
        receipts.read(one, 4, start);
        receipts.hurry(Some((8, 0)), start);
        assert_eq!(
            receipts.take_due(Some((8, 0)), &unknown(), start),
            [ack(8), mark(one, 4)]
        );
    }
}
