//! Whether anything comes from the other side once something has gone there.
//!
//! Over QUIC nobody tells that a server has been killed, but one that lives acknowledges what is sent within a
//! round trip and [25 ms](https://www.rfc-editor.org/rfc/rfc9000#section-18.2), whatever else it does. One that
//! has not is asked once more, and then left. Silence is often no server's: datagrams are lost in bursts, and
//! this process may itself have been held up, with all acknowledgements waiting to be read.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Datagrams;

/// After so long, in which what was sent has been sent again several times, the server is asked.
const ASK: Duration = Duration::from_millis(700);
/// The same on a slow path, in round trips.
const ASK_TRIPS: u32 = 5;
/// So long after that it is left.
const LEAVE: Duration = Duration::from_millis(600);
/// The same on a slow path, in round trips.
const LEAVE_TRIPS: u32 = 4;

#[derive(Default)]
pub(super) struct Silence(Option<Watch>);

/// Something is being sent, and nothing has come since.
struct Watch {
    /// When this period began.
    since: Instant,
    /// What had gone and come by then.
    datagrams: Datagrams,
    /// Whether this is the second period.
    asked: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    /// Send something that a server answers.
    Ask,
    /// The server is gone.
    Leave,
}

impl Watch {
    fn patience(&self) -> Duration {
        let trip = self.datagrams.trip;
        match self.asked {
            false => ASK.max(trip * ASK_TRIPS),
            true => LEAVE.max(trip * LEAVE_TRIPS),
        }
    }

    fn deadline(&self) -> Instant {
        self.since + self.patience()
    }
}

impl Silence {
    /// Something is about to be sent.
    pub(super) fn sending(&mut self, datagrams: Datagrams, now: Instant) {
        let silent = |watch: &Watch| watch.datagrams.received == datagrams.received;
        if !self.0.as_ref().is_some_and(silent) {
            self.0 = Some(Watch {
                since: now,
                datagrams,
                asked: false,
            });
        }
    }

    /// When to look.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(Watch::deadline)
    }

    /// Looks at what has gone and come.
    pub(super) fn look(&mut self, datagrams: Datagrams, now: Instant) -> Verdict {
        let Some(watch) = &mut self.0 else {
            return Verdict::Wait;
        };
        if datagrams.received != watch.datagrams.received {
            self.0 = None;
            return Verdict::Wait;
        }
        let deadline = watch.deadline();
        if now < deadline {
            return Verdict::Wait;
        }
        // Nobody acknowledges what has not gone out. And who looks that late was held up, and has not read what
        // may have come.
        let unsent = datagrams.sent == watch.datagrams.sent;
        let late = now >= deadline + watch.patience() / 2;
        let verdict = match watch.asked {
            _ if unsent => Verdict::Wait,
            false => Verdict::Ask,
            true if late => Verdict::Wait,
            true => return Verdict::Leave,
        };
        watch.asked |= verdict == Verdict::Ask;
        (watch.since, watch.datagrams) = (now, datagrams);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(20);

    fn after(sent: u64, received: u64) -> Datagrams {
        let trip = TRIP;
        Datagrams {
            sent,
            received,
            trip,
        }
    }

    /// Something is sent, at this time; nothing has come since but what the test says.
    fn silence(now: Instant) -> Silence {
        let mut silence = Silence::default();
        silence.sending(after(5, 9), now);
        silence
    }

    #[tokio::test]
    async fn a_server_that_acknowledges_nothing_is_asked_and_then_left() {
        let start = Instant::now();
        let mut silence = silence(start);
        // What is sent later begins no new period.
        silence.sending(after(6, 9), start + ASK / 2);
        assert_eq!(silence.deadline(), Some(start + ASK));
        let early = start + ASK / 2;
        assert_eq!(silence.look(after(7, 9), early), Verdict::Wait);
        assert_eq!(silence.look(after(7, 9), start + ASK), Verdict::Ask);
        silence.sending(after(7, 9), start + ASK);
        let end = start + ASK + LEAVE;
        assert_eq!(silence.deadline(), Some(end));
        assert_eq!(silence.look(after(9, 9), end), Verdict::Leave);
    }

    /// As when datagrams are lost for a while: the question is the first that gets through.
    #[tokio::test]
    async fn a_server_that_acknowledges_when_asked_stays() {
        let start = Instant::now();
        let mut silence = silence(start);
        assert_eq!(silence.look(after(8, 9), start + ASK), Verdict::Ask);
        let end = start + ASK + LEAVE;
        assert_eq!(silence.look(after(10, 10), end), Verdict::Wait);
        assert_eq!(silence.deadline(), None);
        // The next time it has both periods again.
        silence.sending(after(10, 10), end);
        assert_eq!(silence.look(after(12, 10), end + ASK), Verdict::Ask);
    }

    /// As when the process was stopped: what the server has sent meanwhile waits to be read.
    #[tokio::test]
    async fn who_was_held_up_does_not_take_the_server_for_gone() {
        let start = Instant::now();
        let mut silence = silence(start);
        let woken = start + 10 * ASK;
        assert_eq!(silence.look(after(6, 9), woken), Verdict::Ask);
        // And at once again.
        let woken = woken + 10 * LEAVE;
        assert_eq!(silence.look(after(7, 9), woken), Verdict::Wait);
        assert_eq!(silence.deadline(), Some(woken + LEAVE));
        assert_eq!(silence.look(after(8, 9), woken + LEAVE), Verdict::Leave);
    }

    #[tokio::test]
    async fn what_has_not_gone_out_is_acknowledged_by_nobody() {
        let start = Instant::now();
        let mut silence = silence(start);
        assert_eq!(silence.look(after(5, 9), start + ASK), Verdict::Wait);
        assert_eq!(silence.look(after(6, 9), start + 2 * ASK), Verdict::Ask);
        let end = start + 2 * ASK + LEAVE;
        assert_eq!(silence.look(after(6, 9), end), Verdict::Wait);
        assert_eq!(silence.look(after(7, 9), end + LEAVE), Verdict::Leave);
    }

    #[tokio::test]
    async fn a_slow_path_has_more_time() {
        let (start, slow) = (Instant::now(), Duration::from_millis(500));
        let mut silence = Silence::default();
        let datagrams = Datagrams {
            trip: slow,
            ..after(1, 1)
        };
        silence.sending(datagrams, start);
        assert_eq!(silence.deadline(), Some(start + slow * ASK_TRIPS));
    }
}
