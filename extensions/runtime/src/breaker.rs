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

/// Failures in a row after which one is quarantined that is told things in order, whoever caused them.
const GIVES_UP_IN_ORDER: u32 = 100;

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
    /// Failures in a row, whoever caused them.
    in_a_row: u32,
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

    /// One more failure: whether that makes a pause, where so many do. Each is longer than the one before.
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

/// When an extension is given up that keeps failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesUp {
    /// Never: anybody may ask for it, as often as they like.
    Never,
    /// When it fails for several users.
    ForSeveral,
    /// When it fails for several users, or very often for whomever: what it is told in order would be set aside.
    InOrder,
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
        let State { all, users, .. } = &mut *state;
        // Who is left alone does not use up the one call that is tried for all.
        let own = by.and_then(|by| users.get_mut(by));
        own.is_none_or(|one| one.own.lets(now)) && all.lets(now)
    }

    /// Whether it is left alone at present.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.0.lock().all.until.is_some_and(|until| now < until)
    }

    /// Those for whom alone it is left alone, until it goes well for them.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let state = self.0.lock();
        let alone = state.users.iter();
        let alone = alone.filter(|(_, one)| one.own.failures >= OF_ONE);
        let mut alone: Vec<UserId> = alone.map(|(user, _)| user.clone()).collect();
        alone.sort_unstable();
        alone
    }

    /// A call went well.
    pub(crate) fn well(&self, by: Option<&UserId>) {
        let mut state = self.0.lock();
        let State {
            all,
            in_a_row,
            users,
        } = &mut *state;
        if *in_a_row == 0 && users.is_empty() {
            return;
        }
        *in_a_row = 0;
        if let Some(by) = by {
            users.remove(by);
        }
        if all.failures > 0 {
            *all = Pause::default();
            users.values_mut().for_each(|one| one.counted = 0);
        }
    }

    /// A call failed, by the extension's fault.
    pub(crate) fn failed(&self, now: Instant, by: Option<&UserId>, gives_up: GivesUp) -> Then {
        let mut state = self.0.lock();
        let State {
            all,
            in_a_row,
            users,
        } = &mut *state;
        *in_a_row = in_a_row.saturating_add(1);
        let mut then = Then::Go;
        let mut counts = true;
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
            one.counted = one.counted.saturating_add(1);
            counts = one.counted <= OF_ONE;
        }
        // Who has failed enough keeps nobody else waiting: the pause for all grows by others.
        if counts && all.failed(now, OPENS) {
            then = Then::Pause;
        }
        // Also where it was to be given up before, and that could not be recorded.
        let enough = all.failures >= GIVES_UP;
        match gives_up {
            GivesUp::ForSeveral if enough => Then::GiveUp,
            GivesUp::InOrder if enough || *in_a_row >= GIVES_UP_IN_ORDER => Then::GiveUp,
            _ => then,
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
            assert_eq!(breaker.failed(now, None, GivesUp::ForSeveral), Then::Go);
        }
        assert!(breaker.lets(now, None));
        assert_eq!(breaker.failed(now, None, GivesUp::ForSeveral), Then::Pause);
        assert!(!breaker.lets(now, None) && breaker.is_open(now));
        now += PAUSE;
        assert!(breaker.lets(now, None), "one may try");
        assert!(!breaker.lets(now, None), "and only one");
        for _ in OPENS + 1..GIVES_UP {
            assert_eq!(breaker.failed(now, None, GivesUp::ForSeveral), Then::Pause);
        }
        assert_eq!(breaker.failed(now, None, GivesUp::ForSeveral), Then::GiveUp);
    }

    #[test]
    fn one_that_may_not_be_given_up_is_left_alone_instead() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..100 {
            assert_ne!(breaker.failed(now, None, GivesUp::Never), Then::GiveUp);
        }
        assert!(breaker.is_open(now) && !breaker.is_open(now + PAUSE_MAX));
    }

    #[test]
    fn one_that_goes_well_is_forgiven() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for _ in 0..OPENS {
            breaker.failed(now, None, GivesUp::ForSeveral);
        }
        breaker.well(None);
        assert!(breaker.lets(now, None));
        assert_eq!(breaker.failed(now, None, GivesUp::ForSeveral), Then::Go);
    }

    #[test]
    fn one_user_takes_it_from_nobody_else() {
        let breaker = Breaker::default();
        let mut now = Instant::from_std(std::time::Instant::now());
        let (eve, ann) = (user("eve"), user("ann"));
        for nth in 1..100 {
            let then = breaker.failed(now, Some(&eve), GivesUp::ForSeveral);
            assert_eq!(then == Then::Go, nth < OF_ONE, "{nth}: {then:?}");
        }
        assert!(!breaker.lets(now, Some(&eve)), "it is left alone for her");
        assert_eq!(breaker.users(), ["eve"].map(user));
        assert!(breaker.lets(now, Some(&ann)) && !breaker.is_open(now));
        // Going well for others does not make it go well for her.
        breaker.well(Some(&ann));
        assert!(!breaker.lets(now, Some(&eve)));
        now += PAUSE_MAX;
        assert!(breaker.lets(now, Some(&eve)), "one may try");
        assert!(!breaker.lets(now, Some(&eve)), "and only one");
        breaker.well(Some(&eve));
        assert!(breaker.lets(now, Some(&eve)) && breaker.users().is_empty());
    }

    #[test]
    fn one_that_fails_for_several_is_given_up() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        let failed = |id: &str| breaker.failed(now, Some(&user(id)), GivesUp::ForSeveral);
        for id in ["ann", "ben", "eve"] {
            for _ in 0..10 {
                assert_ne!(failed(id), Then::GiveUp, "{id}");
            }
        }
        assert!(breaker.is_open(now));
        let last: Vec<Then> = (0..OF_ONE).map(|_| failed("dave")).collect();
        assert_eq!(last.last(), Some(&Then::GiveUp), "{last:?}");
        assert_eq!(failed("ann"), Then::GiveUp, "that was not recorded");
    }

    #[test]
    fn what_is_told_in_order_is_not_all_set_aside() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        let shop = user("shop");
        for nth in 1..=GIVES_UP_IN_ORDER {
            let then = breaker.failed(now, Some(&shop), GivesUp::InOrder);
            assert_eq!(then == Then::GiveUp, nth == GIVES_UP_IN_ORDER, "{nth}");
        }
    }

    #[test]
    fn those_remembered_are_not_more_and_more() {
        let breaker = Breaker::default();
        let now = Instant::from_std(std::time::Instant::now());
        for nth in 0..REMEMBERED * 2 + 10 {
            breaker.failed(now, Some(&user(&format!("user{nth}"))), GivesUp::Never);
        }
        assert!(breaker.0.lock().users.len() <= REMEMBERED);
    }
}
