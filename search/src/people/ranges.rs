//! Documents found by ranges of terms: the beginning of a word, the cells around a place. All of them are
//! put into a bitset first; a place is measured only when a query looks at its document, and not at all if
//! its whole cell is near enough. Ranges of values are in [`between`].

mod between;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::columnar::{Cardinality, Column};
use tantivy::query::{ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{
    COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SeekDangerResult, SegmentReader, TERMINATED,
    TantivyError,
};

use super::geo::{self, Origin};
use crate::profile::GeoPoint;

pub(super) use between::BetweenQuery;

/// Most words that one beginning stands for, in each segment; beyond, the first in the alphabet.
pub const MAX_EXPANSIONS: usize = 4_096;

/// Measures the place of a document.
#[derive(Clone)]
struct Within {
    column: String,
    origin: Origin,
    haversine: f64,
}

impl Within {
    /// Whether everybody in the cell of a term is near enough.
    fn holds(&self, term: &[u8]) -> bool {
        let cell = term.try_into().map(u64::from_be_bytes);
        cell.is_ok_and(|cell| self.origin.holds(cell, self.haversine))
    }
}

/// Finds whoever has a term in one of several ranges.
#[derive(Clone)]
pub(super) struct RangesQuery {
    field: Field,
    /// From, included, to, excluded; no end means that it goes on to the last.
    ranges: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    within: Option<Within>,
    score: Score,
    /// Set when there were more terms than are looked at.
    cut: Arc<AtomicBool>,
}

impl fmt::Debug for RangesQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ranges({:?}, {})", self.field, self.ranges.len())
    }
}

impl RangesQuery {
    /// Words that begin so; each scores `score`.
    pub(super) fn prefix(
        field: Field,
        begin: &str,
        score: Score,
        cut: &Arc<AtomicBool>,
    ) -> RangesQuery {
        let from = begin.as_bytes().to_vec();
        // The first that does not begin so any more. Bytes of UTF-8 are never 0xFF.
        let to = from
            .split_last()
            .map(|(last, front)| [front, &[last + 1]].concat());
        RangesQuery {
            field,
            ranges: vec![(from, to)],
            within: None,
            score,
            cut: Arc::clone(cut),
        }
    }

    /// Places within a distance.
    pub(super) fn near(field: Field, column: &str, at: GeoPoint, within_m: f64) -> RangesQuery {
        let ranges = geo::cover(at, within_m)
            .into_iter()
            .map(|(from, to)| {
                (
                    from.to_be_bytes().to_vec(),
                    Some((to + 1).to_be_bytes().to_vec()),
                )
            })
            .collect();
        RangesQuery {
            field,
            ranges,
            within: Some(Within {
                column: column.to_owned(),
                origin: Origin::new(at),
                haversine: geo::haversine_of(within_m),
            }),
            score: 0.0,
            cut: Arc::new(AtomicBool::new(false)),
        }
    }

    /// All that have one of the terms, and those of them that are to be measured.
    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<[Documents; 2]> {
        let mut documents = Documents::new(reader.max_doc());
        let mut edge = Documents::new(match self.within {
            Some(_) => reader.max_doc(),
            None => 0,
        });
        let inverted = reader.inverted_index(self.field)?;
        // Cells are bounded by their cover, words are not.
        let mut left = if self.within.is_some() {
            usize::MAX
        } else {
            MAX_EXPANSIONS
        };
        for (from, to) in &self.ranges {
            let mut range = inverted.terms().range().ge(from);
            if let Some(to) = to {
                range = range.lt(to);
            }
            let mut terms = range.into_stream()?;
            while terms.advance() {
                if left == 0 {
                    self.cut.store(true, Ordering::Relaxed);
                    break;
                }
                left -= 1;
                let is_edge = self
                    .within
                    .as_ref()
                    .is_some_and(|within| !within.holds(terms.key()));
                let into = if is_edge { &mut edge } else { &mut documents };
                let mut postings = inverted
                    .read_block_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                while !postings.docs().is_empty() {
                    for doc in postings.docs() {
                        into.insert(*doc);
                    }
                    postings.advance();
                }
            }
        }
        documents.add(&edge);
        Ok([documents, edge])
    }
}

impl Query for RangesQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(RangesWeight(self.clone())))
    }
}

struct RangesWeight(RangesQuery);

impl Weight for RangesWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let [documents, edge] = self.0.documents(reader)?;
        let measure = match &self.0.within {
            Some(within) if !edge.is_empty() => Some(Measure {
                edge,
                places: reader.fast_fields().u64(&within.column)?,
                origin: within.origin,
                haversine: within.haversine,
            }),
            _ => None,
        };
        let docset = Checked::new(documents, measure);
        Ok(Box::new(ConstScorer::new(docset, boost * self.0.score)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!(
                "document {doc} does not match"
            )));
        }
        Ok(Explanation::new("ranges of terms", scorer.score()))
    }
}

/// A set of documents.
struct Documents {
    words: Vec<u64>,
}

impl Documents {
    fn new(documents: u32) -> Documents {
        Documents {
            words: vec![0; documents.div_ceil(64) as usize],
        }
    }

    #[inline]
    fn insert(&mut self, doc: DocId) {
        let word = &mut self.words[(doc / 64) as usize];
        *word |= 1 << (doc % 64);
    }

    /// Those of another set, too, which is for as many documents, or for none.
    fn add(&mut self, other: &Documents) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    #[inline]
    fn contains(&self, doc: DocId) -> bool {
        self.words
            .get((doc / 64) as usize)
            .is_some_and(|word| word & (1 << (doc % 64)) != 0)
    }

    /// The first from `doc` on.
    #[inline]
    fn next(&self, doc: DocId) -> DocId {
        let index = (doc / 64) as usize;
        let Some(first) = self.words.get(index) else {
            return TERMINATED;
        };
        let first = first & (u64::MAX << (doc % 64));
        if first != 0 {
            return index as u32 * 64 + first.trailing_zeros();
        }
        let rest = &self.words[index + 1..];
        match rest.iter().position(|word| *word != 0) {
            Some(gap) => (index + 1 + gap) as u32 * 64 + rest[gap].trailing_zeros(),
            None => TERMINATED,
        }
    }
}

struct Measure {
    /// Who is in cells that are near enough in part only.
    edge: Documents,
    places: Column<u64>,
    origin: Origin,
    haversine: f64,
}

/// Most places that are read at once.
const MEASURED: usize = COLLECT_BLOCK_BUFFER_LEN;

impl Measure {
    fn is_near(&self, doc: DocId) -> bool {
        let mut places = self.places.values_for_doc(doc);
        places.any(|place| self.origin.is_within(place, self.haversine))
    }

    /// Moves those of a few documents to the front that are near enough. Returns how many they are.
    fn keep_near(&self, docs: &mut [DocId]) -> usize {
        let (mut asked, mut places) = ([0; MEASURED], [0; MEASURED]);
        let is_bulk = docs.len() <= MEASURED && self.places.get_cardinality() == Cardinality::Full;
        if is_bulk {
            let mut count = 0;
            for doc in docs.iter().filter(|doc| self.edge.contains(**doc)) {
                asked[count] = *doc;
                count += 1;
            }
            let places = &mut places[..count];
            self.places.values.get_vals(&asked[..count], places);
        }
        let mut places = places.iter();
        let mut kept = 0;
        for at in 0..docs.len() {
            let doc = docs[at];
            let is_near = !self.edge.contains(doc)
                || match is_bulk {
                    false => self.is_near(doc),
                    true => places
                        .next()
                        .is_some_and(|place| self.origin.is_within(*place, self.haversine)),
                };
            docs[kept] = doc;
            kept += usize::from(is_near);
        }
        kept
    }
}

/// A bitset of which each document is checked when somebody stands on it.
struct Checked {
    documents: Documents,
    count: u32,
    cost: u64,
    measure: Option<Measure>,
    doc: DocId,
}

impl Checked {
    fn new(documents: Documents, measure: Option<Measure>) -> Checked {
        let count = documents.count();
        // Measuring costs more than reading a posting.
        let measured = measure.as_ref().map_or(0, |measure| measure.edge.count());
        let mut checked = Checked {
            documents,
            count,
            cost: u64::from(count) + u64::from(measured),
            measure,
            doc: 0,
        };
        checked.doc = checked.from(0);
        checked
    }

    fn fits(&self, doc: DocId) -> bool {
        self.measure
            .as_ref()
            .is_none_or(|measure| !measure.edge.contains(doc) || measure.is_near(doc))
    }

    /// The first from `doc` on that fits.
    fn from(&self, doc: DocId) -> DocId {
        let mut doc = self.documents.next(doc);
        while doc != TERMINATED && !self.fits(doc) {
            doc = self.documents.next(doc + 1);
        }
        doc
    }
}

impl DocSet for Checked {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.doc = self.from(self.doc + 1);
        }
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target > self.doc {
            self.doc = self.from(target);
        }
        self.doc
    }

    /// Measures `target` alone: nobody is measured whom no other condition has found. Where it is not, the next of the set is
    /// said and not just `target + 1`: with two such conditions that agree on nobody, each would send the other on by one,
    /// past the last document up to `TERMINATED`, which takes tens of seconds.
    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= TERMINATED {
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        if self.documents.contains(target) && self.fits(target) {
            self.doc = target;
            SeekDangerResult::Found
        } else {
            SeekDangerResult::SeekLowerBound(self.documents.next(target + 1))
        }
    }

    /// Places of many documents are read at once: most of them are not in the processor's caches, and one
    /// need not be there before the next is asked for.
    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        let (mut filled, mut doc) = (0, self.doc);
        while filled < buffer.len() && doc != TERMINATED {
            let from = filled;
            while filled < buffer.len() && doc != TERMINATED {
                buffer[filled] = doc;
                filled += 1;
                doc = self.documents.next(doc + 1);
            }
            if let Some(measure) = &self.measure {
                filled = from + measure.keep_near(&mut buffer[from..filled]);
            }
        }
        self.doc = self.from(doc);
        filled
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.count
    }

    fn cost(&self) -> u64 {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said where a document is not of the set is the next one that is: two sets without a document in common are
    /// through after as many steps as they have documents, and do not count up to `TERMINATED`.
    #[test]
    fn who_is_not_of_the_set_is_sent_on_to_the_next() {
        let there = [3, 64, 65, 700];
        let mut documents = Documents::new(1_000);
        for doc in there {
            documents.insert(doc);
        }
        let mut checked = Checked::new(documents, None);
        for target in 0..1_100 {
            let next = there.into_iter().find(|doc| *doc >= target);
            let expected = match next {
                Some(next) if next == target => SeekDangerResult::Found,
                next => SeekDangerResult::SeekLowerBound(next.unwrap_or(TERMINATED)),
            };
            assert_eq!(checked.seek_danger(target), expected, "{target}");
        }
        let last = checked.seek_danger(TERMINATED);
        assert_eq!(last, SeekDangerResult::SeekLowerBound(TERMINATED));
    }
}
