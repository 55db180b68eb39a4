//! Leaving an extension alone that keeps failing, and giving it up when that does not help.
//!
//! Somebody who finds a text that breaks an extension can send it again and again. What one user causes is no reason to take the
//! extension from all others: it leaves that user alone, and counts but a little towards giving it up.

use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidings_core::domain::UserId;
use tokio::time::Instant;

/// Failures in a row after which it is left alone for a while.
const OPENS: u32 = 5;

/// Failures in a row after which it is quarantined.
const GIVES_UP: u32 = 12;

/// So many of those that one user caused count. After as many in a row it is left alone for what that user causes.
const OF_ONE: u32 = 3;

/// Users remembered because it failed for them.
const REMEMBERED: usize = 4_096;

/// How long it is left alone at first, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// One for each extension and hook.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: Pause,
    /// Those for whom it failed, until it goes well for them.
    users: HashMap<UserId, OfOne>,
}

#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

#[derive(Debug, Default)]
struct OfOne {
    own: Pause,
    /// How many of those in a row are theirs.
    counted: u32,
}

impl Pause {
    /// Whether a call may be made now. After a pause one may, and the others wait for what becomes of it.
    fn lets(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.until = Some(now + PAUSE);
                true
            }
        }
    }

    /// One more failure: whether that makes a pause, where so many do.
    fn failed(&mut self, now: Instant, opens: u32) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < opens {
            return false;
        }
        let pause = PAUSE * 2_u32.pow((self.failures - opens).min(GIVES_UP));
        self.until = Some(now + pause.min(PAUSE_MAX));
        true
    }
}

/// What a failure leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    Go,
    /// It is left alone for a while, by all or by who caused it.
    Pause,
    /// It is to be quarantined.
    GiveUp,
}

impl Breaker {
    /// Whether it may be called now, `by` reason of what a user does, if one does anything.
    pub(crate) fn lets(&self, now: Instant, by: Option<&UserId>) -> bool {
        let mut state = self.0.lock();
        let State { all, users } = &mut *state;
        // Who is left alone does not use up the one call that is tried for all.
        let own = by.and_then(|by| users.get_mut(by));
        own.is_none_or(|one| one.own.lets(now)) && all.lets(now)
    }

    /// Whether it is left alone at present.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.0.lock().all.until.is_some_and(|until| now < until)
    }

    /// A call went well.
    pub(crate) fn well(&self, by: Option<&UserId>) {
        let mut state = self.0.lock();
        let State { all, users } = &mut *state;
        if users.is_empty() && all.failures == 0 {
            return;
        }
        if let Some(by) = by {
            users.remove(by);
        }
        if all.failures > 0 {
            *all = Pause::default();
            users.values_mut().for_each(|one| one.counted = 0);
        }
    }

    /// A call failed, by the extension's fault. One that may not be given up is left alone again and again.
    pub(crate) fn failed(&self, now: Instant, by: Option<&UserId>, may_give_up: bool) -> Then {
        let mut state = self.0.lock();
        let State { all, users } = &mut *state;
        let mut then = Then::Go;
        if let Some(by) = by {
            if users.len() >= REMEMBERED && !users.contains_key(by) {
                users.retain(|_, one| one.own.until.is_some_and(|until| now < until));
                if users.len() >= REMEMBERED {
                    users.clear();
                }
            }
            let one = users.entry(by.clone()).or_default();
            if one.own.failed(now, OF_ONE) {
                then = Then::Pause;
            }
            one.counted += 1;
            if one.counted > OF_ONE {
                return then;
            }
        }
        if all.failures + 1 >= GIVES_UP && may_give_up {
            all.failures += 1;
            return Then::GiveUp;
        }
        match all.failed(now, OPENS) {
            true => Then::Pause,
            false => then,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn it_is_left_alone_tried_again_and_given_up() {
        let breaker = Breaker::default();
        let mut now = Instant::from_std(std::time::Instant::now());
        for _ in 1..OPENS {
            assert_eq!(breaker.failed(now, None, true), Then::Go);
        }
        assert!(breaker.lets(now, None));
        assert_eq!(breaker.failed(now, None, true), Then::Pause);
        assert!(!breaker.lets(now, None) && breaker.is_open(now));
        now += PAUSE;
        assert!(breaker.lets(now, None), "one may try");
        assert!(!breaker.lets(now, None), "and only one");
        for _ in OPENS + 1..GIVES_UP {
            assert_eq!(breaker.failed(now, None, true), Then::Pause);
        }
        assert_eq!(breaker.failed(now, None, true), Then::GiveUp);
    }

    #[test]
    fn one_that_may_not_be_given_up_is_left_alone_instead() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..100 {
            assert_ne!(breaker.failed(now, None, false), Then::GiveUp);
        }
        assert!(breaker.is_open(now) && !breaker.is_open(now + PAUSE_MAX));
    }

    #[test]
    fn one_that_goes_well_is_forgiven() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..OPENS {
            breaker.failed(now, None, true);
        }
        breaker.well(None);
        assert!(breaker.lets(now, None));
        assert_eq!(breaker.failed(now, None, true), Then::Go);
    }

    #[test]
    fn one_user_takes_it_from_nobody_else() {
        let breaker = Breaker::default();
        let mut now = Instant::from_std(std::time::Instant::now());
        let (eve, ann) = (user("eve"), user("ann"));
        for nth in 1..100 {
            let then = breaker.failed(now, Some(&eve), true);
            assert_eq!(then == Then::Go, nth < OF_ONE, "{nth}: {then:?}");
        }
        assert!(!breaker.lets(now, Some(&eve)), "it is left alone for her");
        assert!(breaker.lets(now, Some(&ann)) && !breaker.is_open(now));
        // Going well for others does not make it go well for her.
        breaker.well(Some(&ann));
        assert!(!breaker.lets(now, Some(&eve)));
        now += PAUSE_MAX;
        assert!(breaker.lets(now, Some(&eve)), "one may try");
        assert!(!breaker.lets(now, Some(&eve)), "and only one");
        breaker.well(Some(&eve));
        assert!(breaker.lets(now, Some(&eve)));
    }

    #[test]
    fn one_that_fails_for_several_is_given_up() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        let failed = |id: &str| breaker.failed(now, Some(&user(id)), true);
        for id in ["ann", "ben", "eve"] {
            for _ in 0..10 {
                assert_ne!(failed(id), Then::GiveUp, "{id}");
            }
        }
        assert!(breaker.is_open(now));
        let last: Vec<Then> = (0..OF_ONE).map(|_| failed("dave")).collect();
        assert_eq!(last.last(), Some(&Then::GiveUp), "{last:?}");
    }

    #[test]
    fn those_remembered_are_not_more_and_more() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for nth in 0..REMEMBERED * 2 + 10 {
            breaker.failed(now, Some(&user(&format!("user{nth}"))), false);
        }
        assert!(breaker.0.lock().users.len() <= REMEMBERED);
    }
}
