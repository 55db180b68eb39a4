//! Leaving an extension alone that keeps failing, and giving it up when that does not help.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row after which it is left alone for a while.
const OPENS: u32 = 5;

/// Failures in a row after which it is quarantined.
const GIVES_UP: u32 = 12;

/// How long it is left alone at first, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// One for each extension and hook.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

/// What a failure leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    Go,
    /// It is left alone for a while.
    Pause,
    /// It is to be quarantined.
    GiveUp,
}

impl Breaker {
    /// Whether it may be called now. After a pause one call may, and the others wait for what becomes of it.
    pub(crate) fn lets(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        match state.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.until = Some(now + PAUSE);
                true
            }
        }
    }

    /// Whether it is left alone at present.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.0.lock().until.is_some_and(|until| now < until)
    }

    /// A call went well.
    pub(crate) fn well(&self) {
        let mut state = self.0.lock();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// A call failed, by the extension's fault. One that may not be given up is left alone again and again.
    pub(crate) fn failed(&self, now: Instant, may_give_up: bool) -> Then {
        let mut state = self.0.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= GIVES_UP && may_give_up {
            return Then::GiveUp;
        }
        if state.failures < OPENS {
            return Then::Go;
        }
        let pause = PAUSE * 2_u32.pow((state.failures - OPENS).min(GIVES_UP));
        state.until = Some(now + pause.min(PAUSE_MAX));
        Then::Pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_left_alone_tried_again_and_given_up() {
        let breaker = Breaker::default();
        let mut now = Instant::from_std(std::time::Instant::now());
        for _ in 1..OPENS {
            assert_eq!(breaker.failed(now, true), Then::Go);
        }
        assert!(breaker.lets(now));
        assert_eq!(breaker.failed(now, true), Then::Pause);
        assert!(!breaker.lets(now) && breaker.is_open(now));
        now += PAUSE;
        assert!(breaker.lets(now), "one may try");
        assert!(!breaker.lets(now), "and only one");
        for _ in OPENS + 1..GIVES_UP {
            assert_eq!(breaker.failed(now, true), Then::Pause);
        }
        assert_eq!(breaker.failed(now, true), Then::GiveUp);
    }

    #[test]
    fn one_that_may_not_be_given_up_is_left_alone_instead() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..100 {
            assert_ne!(breaker.failed(now, false), Then::GiveUp);
        }
        assert!(breaker.is_open(now) && !breaker.is_open(now + PAUSE_MAX));
    }

    #[test]
    fn one_that_goes_well_is_forgiven() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..OPENS {
            breaker.failed(now, true);
        }
        breaker.well();
        assert!(breaker.lets(now));
        assert_eq!(breaker.failed(now, true), Then::Go);
    }
}
