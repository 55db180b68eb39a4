//! The order of hits, and the best of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};
use tantivy::DocId;

use super::id::Conversation;

/// Where a hit stands: the greatest comes first. No two messages stand at one place, and a message stays at
/// its place when the index is changed or the message edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    /// How well words fit, if that counts ([`value_of_score`](crate::people::top::value_of_score)).
    pub(super) value: u64,
    pub(super) at_ms: i64,
    pub(super) conversation: Conversation,
    pub(super) seq: u64,
}

/// A hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) segment: usize,
    pub(super) doc: DocId,
}

/// The best so far, after an earlier page.
pub(super) struct Top {
    best: BinaryHeap<Reverse<Found>>,
    size: usize,
    /// Of the best, if there are as many as wanted.
    worst: Option<Key>,
    /// The last of the earlier page.
    after: Option<Key>,
}

impl Top {
    pub(super) fn new(size: usize, after: Option<Key>) -> Top {
        Top {
            best: BinaryHeap::with_capacity(size + 1),
            size,
            worst: None,
            after,
        }
    }

    /// Whether what begins so may be among the best.
    #[inline]
    pub(super) fn may_want(&self, value: u64, at_ms: i64) -> bool {
        self.worst
            .is_none_or(|worst| (value, at_ms) >= (worst.value, worst.at_ms))
            && self
                .after
                .is_none_or(|after| (value, at_ms) <= (after.value, after.at_ms))
    }

    /// Whether something with this value may be among the best.
    #[inline]
    pub(super) fn may_want_value(&self, value: u64) -> bool {
        self.worst.is_none_or(|worst| value >= worst.value)
            && self.after.is_none_or(|after| value <= after.value)
    }

    /// Whether this is among the best.
    pub(super) fn wants(&self, key: &Key) -> bool {
        self.worst.is_none_or(|worst| *key > worst) && self.after.is_none_or(|after| *key < after)
    }

    /// Takes what it wants.
    pub(super) fn add(&mut self, found: Found) {
        self.best.push(Reverse(found));
        if self.best.len() > self.size {
            self.best.pop();
        }
        if self.best.len() == self.size {
            self.worst = self.best.peek().map(|found| found.0.key);
        }
    }

    /// How many there are, and how many more are wanted.
    pub(super) fn filled(&self) -> (usize, usize) {
        (self.best.len(), self.size - self.best.len())
    }

    /// When the latest may have been sent that would still be among the best, newest first.
    pub(super) fn latest(&self) -> i64 {
        self.after.map_or(i64::MAX, |after| after.at_ms)
    }

    /// When the worst of the best was sent, if there are as many as wanted.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.worst.map(|worst| worst.at_ms)
    }

    /// Best first.
    pub(super) fn into_sorted(self) -> Vec<Found> {
        let sorted = self.best.into_sorted_vec().into_iter();
        sorted.map(|found| found.0).collect()
    }
}
