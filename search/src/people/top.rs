//! The order of hits, and the best of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};
use tantivy::{DocId, Score};

/// Where a hit stands: the greatest comes first. The same for a person on every node and page, as long as
/// the person does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    /// With online people first: whether this one is.
    pub(super) online: bool,
    /// What is sorted by, as a number that grows with it.
    pub(super) value: u64,
    /// [`super::schema::user_key`].
    pub(super) tie: u64,
}

/// Steps of scores, per point. Sums of several words differ in the last bits by the order of adding, which
/// depends on segments: coarser steps make scores of one person the same on all pages.
const STEPS: f32 = 4_096.0;

/// A score as [`Key::value`].
pub(crate) fn value_of_score(score: Score) -> u64 {
    // The same as rounding the product, exactly, where processors have no instruction for that.
    (f64::from(score * STEPS) + 0.5) as u64
}

/// The highest score that everything with at least this value has more than.
pub(super) fn score_below(value: u64) -> Score {
    ((value as f32 - 0.5) / STEPS).next_down().next_down()
}

/// The score again.
pub(crate) fn score_of_value(value: u64) -> Score {
    value as f32 / STEPS
}

/// A hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) segment: usize,
    pub(super) doc: DocId,
}

/// Most ties that a page lists as shown.
const MAX_SHOWN: usize = 128;

/// Where an earlier page ended.
///
/// Pruning is what makes queries for words alone cheap, and it finds out nothing about those who tie with
/// the last hit, who may be thousands: it cannot tell who of them comes first by [`Key::tie`]. So pages of
/// such queries take any of them, and list whom they showed. Only when the list gets long, the rest of the
/// ties is gone through in order. All other queries see everybody who fits, and are in order always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct After {
    /// Of the last hit.
    pub(super) key: Key,
    /// Ties of those who were shown and tie with the last hit, ascending, if ties are in no order.
    shown: Vec<u64>,
    /// Whether ties that are not listed come in order.
    ordered: bool,
}

impl After {
    /// After a page; `listed` is whether its ties were in no order.
    pub(super) fn page(hits: &[Found], before: Option<&After>, listed: bool) -> Option<After> {
        let key = hits.last()?.key;
        let same = |other: &Key| (other.online, other.value) == (key.online, key.value);
        let before = before.filter(|before| same(&before.key));
        if !listed || before.is_some_and(|before| before.ordered) {
            let shown = before.map_or_else(Vec::new, |before| before.shown.clone());
            return Some(After {
                key,
                shown,
                ordered: true,
            });
        }
        let mut shown = before.map_or_else(Vec::new, |before| before.shown.clone());
        shown.extend(
            hits.iter()
                .map(|hit| hit.key)
                .filter(same)
                .map(|key| key.tie),
        );
        shown.sort_unstable();
        let ordered = shown.len() > MAX_SHOWN;
        // From here on the greatest tie that was not shown is next.
        let key = if ordered {
            Key {
                tie: u64::MAX,
                ..key
            }
        } else {
            key
        };
        Some(After {
            key,
            shown,
            ordered,
        })
    }

    fn comes(&self, key: Key) -> bool {
        match (key.online, key.value).cmp(&(self.key.online, self.key.value)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => {
                (!self.ordered || key.tie < self.key.tie)
                    && self.shown.binary_search(&key.tie).is_err()
            }
        }
    }

    /// Whether nobody with this key, or with a greater one, is on a page after it.
    pub(super) fn is_past(&self, key: Key) -> bool {
        match (key.online, key.value).cmp(&(self.key.online, self.key.value)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => self.ordered && key.tie >= self.key.tie,
        }
    }

    /// Whether ties come in order.
    pub(super) fn is_ordered(&self) -> bool {
        self.ordered
    }
}

/// The best so far, after an earlier page.
pub(super) struct Top {
    best: BinaryHeap<Reverse<Found>>,
    size: usize,
    /// Of the best, if there are as many as wanted.
    worst: Option<Key>,
    after: Option<After>,
}

impl Top {
    pub(super) fn new(size: usize, after: Option<After>) -> Top {
        Top {
            best: BinaryHeap::with_capacity(size + 1),
            size,
            worst: None,
            after,
        }
    }

    /// The worst of the best, if there are as many as wanted.
    #[inline]
    pub(super) fn worst(&self) -> Option<Key> {
        self.worst
    }

    /// Whether a hit with this beginning of a key may be among the best.
    #[inline]
    pub(super) fn wants(&self, online: bool, value: u64) -> bool {
        self.worst()
            .is_none_or(|worst| (online, value) >= (worst.online, worst.value))
            && self
                .after
                .as_ref()
                .is_none_or(|after| (online, value) <= (after.key.online, after.key.value))
    }

    /// Takes a hit if it is among the best.
    #[inline]
    pub(super) fn add(&mut self, found: Found) {
        if self.worst().is_none_or(|worst| found.key > worst)
            && self
                .after
                .as_ref()
                .is_none_or(|after| after.comes(found.key))
        {
            self.best.push(Reverse(found));
            if self.best.len() > self.size {
                self.best.pop();
            }
            if self.best.len() == self.size {
                self.worst = self.best.peek().map(|found| found.0.key);
            }
        }
    }

    /// Whether a document is among the best so far.
    pub(super) fn contains(&self, segment: usize, doc: DocId) -> bool {
        self.best
            .iter()
            .any(|found| found.0.segment == segment && found.0.doc == doc)
    }

    /// Best first.
    pub(super) fn into_sorted(self) -> Vec<Found> {
        self.best
            .into_sorted_vec()
            .into_iter()
            .map(|found| found.0)
            .collect()
    }
}
