//! The windows of `rates`, which slide by the world's clock in steps of a sixteenth.

use std::collections::{BTreeMap, BTreeSet};

const STEPS: u64 = 16;

/// What was counted, by name and key.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    counts: BTreeMap<(String, String), BTreeMap<u64, u32>>,
    /// What was counted already, of drafts that are reviewed again.
    counted: BTreeSet<(String, String, String)>,
}

impl Rates {
    /// Adds to the window, once for each draft, and answers what it comes to.
    pub(super) fn bump(
        &mut self,
        about: &str,
        name: &str,
        key: &str,
        window_ms: u32,
        by: u32,
        now: u64,
    ) -> u32 {
        let step = u64::from(window_ms).div_ceil(STEPS).max(1);
        let this = now / step;
        let place = (name.to_owned(), key.to_owned());
        let steps = self.counts.entry(place).or_default();
        steps.retain(|at, _| at + STEPS >= this);
        let counted = (about.to_owned(), name.to_owned(), key.to_owned());
        if by > 0 && self.counted.insert(counted) {
            let count = steps.entry(this).or_default();
            *count = count.saturating_add(by);
        }
        steps
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_with_the_clock() {
        let mut rates = Rates::default();
        let mut bump = |about: &str, now| rates.bump(about, "texts", "ann", 16_000, 1, now);
        assert_eq!(bump("a", 0), 1);
        assert_eq!(bump("b", 8_000), 2);
        // Reviewed again, it is not counted again.
        assert_eq!(bump("b", 8_000), 2);
        assert_eq!(bump("c", 17_000), 2);
        assert_eq!(bump("d", 60_000), 1);
    }

    #[test]
    fn zero_only_asks() {
        let mut rates = Rates::default();
        assert_eq!(rates.bump("a", "texts", "ann", 1_000, 0, 5), 0);
        assert_eq!(rates.bump("a", "texts", "ann", 1_000, 3, 5), 3);
        assert_eq!(rates.bump("a", "texts", "bob", 1_000, 0, 5), 0);
    }
}
