//! Which numbers of a sequence are known.

use serde::{Deserialize, Serialize};

/// A set of numbers as ascending, separate, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `first..=last`, joining ranges that touch.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let from = self
            .0
            .partition_point(|&(_, end)| end.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|&(start, _)| start <= last.saturating_add(1));
        let (mut first, mut last) = (first, last);
        if let (Some(&(start, _)), true) = (self.0.get(from), from < to) {
            first = first.min(start);
            last = last.max(self.0[to - 1].1);
        }
        self.0.splice(from..to, [(first, last)]);
    }

    /// Takes away everything up to `seq`.
    pub(super) fn forget_up_to(&mut self, seq: u64) {
        self.0.retain_mut(|(start, end)| {
            *start = (*start).max(seq + 1);
            *start <= *end
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is missing between 1 and `last`.
    pub(super) fn holes(&self, last: u64) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut next = 1;
        for &(start, end) in &self.0 {
            if start > last {
                break;
            }
            if next < start {
                holes.push((next, start - 1));
            }
            next = end.saturating_add(1);
        }
        if next <= last {
            holes.push((next, last));
        }
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_a_set_of_numbers(
            steps in prop::collection::vec((1u64..40, 0u64..8, prop::bool::weighted(0.2)), 0..30)
        ) {
            let mut ranges = Ranges::default();
            let mut set = std::collections::BTreeSet::new();
            for (start, len, forget) in steps {
                if forget {
                    ranges.forget_up_to(start);
                    set.retain(|&n| n > start);
                } else {
                    ranges.add(start, start + len);
                    set.extend(start..=start + len);
                }
                prop_assert!(ranges.0.windows(2).all(|w| w[0].1 + 1 < w[1].0), "{ranges:?}");
                let missing: Vec<u64> =
                    ranges.holes(50).into_iter().flat_map(|(a, b)| a..=b).collect();
                let expected: Vec<u64> = (1..=50).filter(|n| !set.contains(n)).collect();
                prop_assert_eq!(missing, expected);
            }
        }
    }
}
