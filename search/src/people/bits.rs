//! Who is online within one segment: a bit per document, read by queries while it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tantivy::query::Scorer;
use tantivy::{DocId, DocSet, Score, SeekDangerResult, TERMINATED};

/// A set of documents that may change under a reader's eyes.
///
/// Public so that it can be measured against what else knows who is online.
///
/// A reader that starts after a write has returned sees it: whatever made the reader know that the write
/// is done (a lock, a channel) also made the bit visible, so the accesses themselves need no order.
pub struct AtomicBits {
    words: Box<[AtomicU64]>,
    count: AtomicU32,
}

impl AtomicBits {
    /// An empty set of documents below a number.
    pub fn new(documents: u32) -> AtomicBits {
        AtomicBits {
            words: (0..documents.div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
            count: AtomicU32::new(0),
        }
    }

    /// Whether a document is in it. Documents beyond the number are asked for by nobody: that panics.
    #[inline]
    pub fn contains(&self, doc: DocId) -> bool {
        self.words[(doc / 64) as usize].load(Ordering::Relaxed) & (1 << (doc % 64)) != 0
    }

    /// Puts a document in, or takes it out.
    pub fn set(&self, doc: DocId, on: bool) {
        let word = &self.words[(doc / 64) as usize];
        let bit = 1_u64 << (doc % 64);
        if on {
            if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        } else if word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many are in it; documents that were deleted since they came online count, too.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The first document of the set from `doc` on.
    #[inline]
    fn next(&self, doc: DocId) -> DocId {
        let mut index = (doc / 64) as usize;
        let Some(first) = self.words.get(index) else {
            return TERMINATED;
        };
        let mut word = first.load(Ordering::Relaxed) & (u64::MAX << (doc % 64));
        while word == 0 {
            index += 1;
            match self.words.get(index) {
                Some(next) => word = next.load(Ordering::Relaxed),
                None => return TERMINATED,
            }
        }
        index as u32 * 64 + word.trailing_zeros()
    }
}

/// Goes through the documents of such a set, as one side of an intersection. Its cost is how many they
/// are, so that it leads where they are few.
///
/// What it stands on is kept, so that a change while it stands there does not confuse whoever asks twice.
pub(super) struct OnlineScorer {
    bits: Arc<AtomicBits>,
    doc: DocId,
}

impl OnlineScorer {
    pub(super) fn new(bits: Arc<AtomicBits>) -> OnlineScorer {
        let doc = bits.next(0);
        OnlineScorer { bits, doc }
    }
}

impl DocSet for OnlineScorer {
    #[inline]
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.doc = self.bits.next(self.doc + 1);
        }
        self.doc
    }

    #[inline]
    fn seek(&mut self, target: DocId) -> DocId {
        if target > self.doc {
            self.doc = if target >= TERMINATED {
                TERMINATED
            } else {
                self.bits.next(target)
            };
        }
        self.doc
    }

    #[inline]
    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        let found = self.seek(target);
        if found == target && target != TERMINATED {
            SeekDangerResult::Found
        } else {
            SeekDangerResult::SeekLowerBound(found)
        }
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.bits.count()
    }
}

impl Scorer for OnlineScorer {
    fn score(&mut self) -> Score {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scorer_visits_what_is_set() {
        let bits = Arc::new(AtomicBits::new(1_000));
        let mut random = fastrand::Rng::with_seed(3);
        let mut truth = std::collections::BTreeSet::new();
        for _ in 0..2_000 {
            let doc = random.u32(0..1_000);
            let on = random.bool();
            bits.set(doc, on);
            if on {
                truth.insert(doc)
            } else {
                truth.remove(&doc)
            };
        }
        assert_eq!(bits.count() as usize, truth.len());
        let mut scorer = OnlineScorer::new(Arc::clone(&bits));
        for doc in &truth {
            assert_eq!(scorer.doc(), *doc);
            scorer.advance();
        }
        assert_eq!(scorer.doc(), TERMINATED);
        assert_eq!(scorer.advance(), TERMINATED);
        for _ in 0..1_000 {
            let target = random.u32(0..1_100);
            let wanted = truth.range(target..).next().copied().unwrap_or(TERMINATED);
            assert_eq!(OnlineScorer::new(Arc::clone(&bits)).seek(target), wanted);
        }
    }
}
