//! Those who are to be looked after, by when.

use std::collections::{BTreeSet, HashMap};

use tidings_core::domain::UserId;

/// Those who are to be looked after.
#[derive(Default)]
pub(super) struct Due {
    /// By when: the earliest first.
    by_time: BTreeSet<(u64, UserId)>,
    of: HashMap<UserId, Absentee>,
}

#[derive(Default)]
struct Absentee {
    /// When it is looked at; nothing while it is being looked at, and once it is settled.
    due_ms: Option<u64>,
    /// Asks that failed.
    attempts: u32,
    /// Counts what is forgotten: what is decided of an absence that is over counts no more.
    absence: u64,
    settled: bool,
}

/// Somebody whose time has come.
pub(super) struct Taken {
    pub(super) user: UserId,
    pub(super) attempts: u32,
    absence: u64,
}

/// What becomes of who was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// They are looked at again.
    Again {
        at_ms: u64,
        /// Asking failed.
        failed: bool,
    },
    /// Nothing more is to be done in this absence.
    Settle,
    /// There is nothing to look after, until there is something new.
    Forget,
}

impl Due {
    /// Somebody has gone, at the `n`th change that was heard of: another absence begins.
    pub(super) fn gone(&mut self, user: &UserId, due_ms: u64, n: u64) {
        self.back(user);
        let absentee = Absentee {
            due_ms: Some(due_ms),
            absence: n,
            ..Absentee::default()
        };
        self.of.insert(user.clone(), absentee);
        self.by_time.insert((due_ms, user.clone()));
    }

    /// Somebody is back.
    pub(super) fn back(&mut self, user: &UserId) {
        if let Some(known) = self.of.remove(user)
            && let Some(due_ms) = known.due_ms
        {
            self.by_time.remove(&(due_ms, user.clone()));
        }
    }

    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.of.contains_key(user)
    }

    /// Looks after somebody of whom nothing is known yet.
    pub(super) fn found(&mut self, user: &UserId, due_ms: u64) {
        if !self.knows(user) {
            self.gone(user, due_ms, 0);
        }
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(due_ms, _)| *due_ms)
    }

    /// The first whose time has come.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Taken> {
        let (due_ms, user) = self.by_time.first()?.clone();
        if due_ms > now_ms {
            return None;
        }
        self.by_time.remove(&(due_ms, user.clone()));
        let known = self.of.get_mut(&user)?;
        known.due_ms = None;
        Some(Taken {
            user,
            attempts: known.attempts,
            absence: known.absence,
        })
    }

    /// What was decided of somebody, unless they have been here since.
    pub(super) fn decided(&mut self, taken: &Taken, then: Then) {
        let Some(known) = self.of.get_mut(&taken.user) else {
            return;
        };
        if known.absence != taken.absence || known.due_ms.is_some() || known.settled {
            return;
        }
        match then {
            Then::Again { at_ms, failed } => {
                known.attempts = if failed { known.attempts + 1 } else { 0 };
                known.due_ms = Some(at_ms);
                self.by_time.insert((at_ms, taken.user.clone()));
            }
            Then::Settle => known.settled = true,
            Then::Forget => drop(self.of.remove(&taken.user)),
        }
    }

    /// Nobody is looked after any more.
    pub(super) fn clear(&mut self) {
        *self = Due::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn the_earliest_comes_first_and_once() {
        let mut due = Due::default();
        due.gone(&user("ann"), 20, 1);
        due.gone(&user("ben"), 10, 2);
        due.found(&user("ben"), 5);
        assert_eq!(due.next(), Some(10), "who is known stays as they are");
        assert!(due.take(9).is_none());
        let ben = due.take(15).unwrap();
        assert_eq!(&*ben.user, "ben");
        assert!(due.take(15).is_none());
        due.decided(&ben, Then::Settle);
        due.found(&user("ben"), 5);
        assert_eq!(due.next(), Some(20), "settled for this absence");
    }

    #[test]
    fn what_was_decided_of_another_absence_does_not_count() {
        let mut due = Due::default();
        due.gone(&user("ann"), 10, 1);
        let before = due.take(10).unwrap();
        due.back(&user("ann"));
        due.gone(&user("ann"), 30, 2);
        due.decided(&before, Then::Settle);
        assert_eq!(due.next(), Some(30));
    }

    #[test]
    fn only_asks_that_failed_are_counted() {
        let mut due = Due::default();
        due.gone(&user("ann"), 10, 1);
        let mut at_ms = 10;
        for (failed, attempts) in [(true, 0), (true, 1), (false, 2), (true, 0)] {
            let taken = due.take(at_ms).unwrap();
            assert_eq!(taken.attempts, attempts);
            at_ms += 10;
            due.decided(&taken, Then::Again { at_ms, failed });
        }
        let taken = due.take(at_ms).unwrap();
        due.decided(&taken, Then::Forget);
        assert!(!due.knows(&user("ann")));
    }
}
