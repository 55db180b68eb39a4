//! How rare words are, told so roughly that it says nothing of what others write.
//!
//! How well a message fits depends on how rare the words are, and that is counted over everybody's messages:
//! one's own are not counted apart, and too few to tell. But scores are shown, and tokens of pages carry what
//! they were made of, so that exact counts would tell everybody how many messages of strangers hold a word,
//! and whether any does: a name, a disease, what a company plans. So all of it is told in steps that double.
//! What up to [`FEW`] messages hold counts as what nobody ever said.
//!
//! Whoever writes a word until it goes over a step would learn by how much strangers helped. So each word's
//! steps lie elsewhere, where nobody outside the process can know: over the first one goes what
//! [`FEW`] to twice as many messages hold.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// Words that so many messages hold are as rare as any.
const FEW: u64 = 64;

/// So many messages there are at least, so that rare words count in a small index, too.
const LEAST: u64 = FEW * 64;

/// Where the steps of each word lie. It differs from process to process, which does no harm: the pages that
/// follow a first one are scored by what their token carries.
static STEPS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The statistics of an index of messages, rounded.
pub(super) struct Coarse<'a>(pub(super) &'a Searcher);

impl Bm25StatisticsProvider for Coarse<'_> {
    /// As many as make the average length a power of two.
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let average = self.0.total_num_tokens(field)? / self.0.total_num_docs()?.max(1);
        Ok(average.max(1).next_power_of_two() * self.total_num_docs()?)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.0.total_num_docs()?.next_power_of_two().max(LEAST))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let step = rounded(self.0.doc_freq(term)?, STEPS.hash_one(term));
        Ok(step.min(self.total_num_docs()?))
    }
}

/// The step that a count is on: [`FEW`] times a power of two. `place` says how far each step reaches, from its
/// own height to twice that.
fn rounded(count: u64, place: u64) -> u64 {
    let mut step = FEW;
    // In 256ths.
    let shift = place % 256;
    while count > step + step * shift / 256 {
        step *= 2;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_as_none_and_many_are_not_far_off() {
        for place in 0..256 {
            assert!((0..=FEW).all(|count| rounded(count, place) == FEW));
            let mut before = FEW;
            for count in (0..100_000).step_by(7) {
                let step = rounded(count, place);
                assert!(step.is_power_of_two() && step >= before);
                assert!(
                    count <= FEW || (count / 2..=count * 2).contains(&step),
                    "{count}"
                );
                before = step;
            }
        }
        // Where a step lies cannot be known: over the first one goes what somewhere between one and two
        // times as many hold.
        let first = |place| (1..).find(|count| rounded(*count, place) > FEW);
        assert_eq!((first(0), first(255)), (Some(FEW + 1), Some(2 * FEW)));
    }
}
