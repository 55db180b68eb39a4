//! Either of two words, best first.
//!
//! Tantivy's pruning of a union has to look at nearly everybody who has one of two common words: whoever
//! has both scores highest, and whether somebody has both is found out one document at a time. So those
//! with both are asked for first, which Tantivy does by whole blocks, and then those with one word alone,
//! few of whom can still be among the best.

use tantivy::query::{BooleanQuery, EnableScoring, Occur, Query, TermQuery, Weight};
use tantivy::{DocId, DocSet as _, Score, SegmentReader};

/// A query for words, as it is pruned.
pub(super) struct Pruning<'a> {
    whole: &'a dyn Weight,
    parts: Option<Parts>,
}

struct Parts {
    both: Box<dyn Weight>,
    words: [Box<dyn Weight>; 2],
}

/// Documents of a segment that are gone through in one go, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// All that fit.
    Whole,
    /// Those with both words.
    Both,
    /// Those with one word only.
    Alone {
        /// Which: 0 or 1.
        word: usize,
    },
}

const WHOLE: [Pass; 1] = [Pass::Whole];
const PARTS: [Pass; 3] = [Pass::Both, Pass::Alone { word: 0 }, Pass::Alone { word: 1 }];

impl<'a> Pruning<'a> {
    /// Of a query and its weight.
    pub(super) fn new(
        query: &dyn Query,
        whole: &'a dyn Weight,
        scoring: EnableScoring<'_>,
    ) -> tantivy::Result<Pruning<'a>> {
        let parts = match two_words(query) {
            None => None,
            Some(words) => {
                let both = words.map(|word| {
                    let word: Box<dyn Query> = Box::new(word.clone());
                    (Occur::Must, word)
                });
                Some(Parts {
                    both: BooleanQuery::new(both.into()).weight(scoring)?,
                    words: [words[0].weight(scoring)?, words[1].weight(scoring)?],
                })
            }
        };
        Ok(Pruning { whole, parts })
    }

    /// Together they are all that fit, each in one of them.
    pub(super) fn passes(&self) -> &'static [Pass] {
        match self.parts {
            None => &WHOLE,
            Some(_) => &PARTS,
        }
    }

    /// Hands on what scores higher than the threshold, which each answer sets anew.
    pub(super) fn for_each(
        &self,
        pass: Pass,
        threshold: Score,
        reader: &SegmentReader,
        callback: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        match (&self.parts, pass) {
            (Some(parts), Pass::Both) => parts.both.for_each_pruning(threshold, reader, callback),
            (Some(parts), Pass::Alone { word }) => {
                let mut other = parts.words[1 - word].scorer(reader, 1.0)?;
                let mut threshold = threshold;
                parts.words[word].for_each_pruning(threshold, reader, &mut |doc, score| {
                    if other.doc() < doc {
                        other.seek(doc);
                    }
                    if other.doc() != doc {
                        threshold = callback(doc, score);
                    }
                    threshold
                })
            }
            _ => self.whole.for_each_pruning(threshold, reader, callback),
        }
    }
}

/// The words of a query for either of two different ones.
fn two_words(query: &dyn Query) -> Option<[&TermQuery; 2]> {
    let union = query.downcast_ref::<BooleanQuery>()?;
    let [(Occur::Should, one), (Occur::Should, other)] = union.clauses() else {
        return None;
    };
    let words = [
        one.downcast_ref::<TermQuery>()?,
        other.downcast_ref::<TermQuery>()?,
    ];
    (words[0].term() != words[1].term()).then_some(words)
}
