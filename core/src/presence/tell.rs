//! Telling those who watch, as fast as their sessions take it.
//!
//! Each diff wakes the task of a session, and what wakes tasks from outside the runtime goes into one queue of
//! it, with the answers to commands and the frames of messages. While thousands log in, each of whom dozens
//! are told of, nothing else would get through there. So it is told no further while that queue is not nearly
//! empty, and what changes meanwhile is told together later.

use std::{cell::RefCell, time::Duration};

use hashbrown::HashMap;

use super::{Presence, UserId, watch::Seen};

/// Watches are told at most so often.
const TELL_EVERY: Duration = Duration::from_millis(15);

/// Whoever could not be told is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Watches told at a time.
const TOLD: usize = 128;

/// Tasks waiting in the runtime's queue beside which others are told.
const WAITING: usize = 32;

/// How often it is looked whether there is room in the queue, and how often at most until all are told.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 1_000;

impl Presence {
    /// Tells those who watch. Nobody waits for those who are slow.
    pub(super) async fn tell(&self) {
        loop {
            self.due.notified().await;
            while self.tell_all().await {
                tokio::time::sleep(TELL_EVERY).await;
                let _ = tokio::time::timeout(TRY_AGAIN, self.due.notified()).await;
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    /// Tells those who are due now. True when some could not be told.
    async fn tell_all(&self) -> bool {
        let mut due = self.inner.lock().watching.due();
        let mut slow = 0;
        let mut looks = LOOKS;
        while due > 0 {
            self.room(&mut looks).await;
            let some = due.min(TOLD);
            due -= some;
            slow += self.tell_some(some);
        }
        slow > 0
    }

    /// Tells so many of those who are due: sessions that come and go do not wait for all of them. How many could
    /// not be told.
    pub(super) fn tell_some(&self, some: usize) -> usize {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let states = (&inner.roll, inner.before.as_ref());
        // Who has gone is told of to many.
        let known: RefCell<HashMap<UserId, u64>> = RefCell::default();
        let seen_ms = |user: &UserId| {
            let before = known.borrow().get(user).copied();
            before.unwrap_or_else(|| {
                let seen_ms = self.seen_ms(user);
                known.borrow_mut().insert(user.clone(), seen_ms);
                seen_ms
            })
        };
        let see = |viewer: &UserId, user: &UserId, unseen: bool| -> Seen {
            self.see(states, viewer, user, unseen, &seen_ms)
        };
        inner.watching.tell(
            some,
            |to| to.takes_presence(),
            see,
            |to, diff| to.presence(diff),
        )
    }

    /// Waits for room among what sessions have to do, but not for ever: with so many more looks at most.
    async fn room(&self, looks: &mut usize) {
        let Some(sessions) = &self.sessions else {
            return;
        };
        let metrics = sessions.metrics();
        while *looks > 0 && metrics.global_queue_depth() > WAITING {
            *looks -= 1;
            tokio::time::sleep(LOOK).await;
        }
    }
}
