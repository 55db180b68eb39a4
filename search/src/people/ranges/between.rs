//! Numbers and dates within a range, told from the column of their values.
//!
//! There is no list of documents by value. Where another condition leads and stands on few documents, each
//! is looked up; where it stands on many, or nothing else leads, values are compared a block at a time,
//! which takes a tenth as long for each and leaves a bit a document.

use std::ops::RangeInclusive;

use tantivy::columnar::{Cardinality, Column, ColumnType};
use tantivy::query::{
    AllScorer, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader, TERMINATED, TantivyError};

/// Documents of a block.
const BLOCK: u32 = 1_024;

const WORDS: usize = BLOCK as usize / 64;

/// A block is compared as a whole if so many of the one before it were asked for.
const DENSE: u32 = 96;

/// Finds whoever has a value in a range, and scores nothing.
#[derive(Clone, Debug)]
pub(in super::super) struct BetweenQuery {
    column: String,
    kind: ColumnType,
    /// As columns have it: whole numbers in the order of the values.
    range: RangeInclusive<u64>,
}

impl BetweenQuery {
    pub(in super::super) fn new(
        column: &str,
        kind: ColumnType,
        range: RangeInclusive<u64>,
    ) -> BetweenQuery {
        BetweenQuery {
            column: column.to_owned(),
            kind,
            range,
        }
    }
}

impl Query for BetweenQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(BetweenWeight(self.clone())))
    }
}

struct BetweenWeight(BetweenQuery);

impl Weight for BetweenWeight {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let BetweenQuery {
            column,
            kind,
            range,
        } = &self.0;
        let column = match reader.fast_fields().dynamic_column_handle(column, *kind)? {
            None => None,
            Some(handle) => handle.open_u64_lenient().map_err(TantivyError::from)?,
        };
        let Some(column) = column else {
            return Ok(Box::new(EmptyScorer));
        };
        let (least, greatest) = (column.min_value(), column.max_value());
        if range.is_empty() || *range.start() > greatest || *range.end() < least {
            return Ok(Box::new(EmptyScorer));
        }
        if *range.start() <= least
            && *range.end() >= greatest
            && column.get_cardinality() == Cardinality::Full
        {
            let all = AllScorer::new(reader.max_doc());
            return Ok(Box::new(ConstScorer::new(all, 0.0)));
        }
        let docset = Between::new(column, range.clone());
        Ok(Box::new(ConstScorer::new(docset, 0.0)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!(
                "document {doc} does not match"
            )));
        }
        Ok(Explanation::new("a range of values", 0.0))
    }
}

struct Between {
    column: Column<u64>,
    range: RangeInclusive<u64>,
    documents: u32,
    /// The block that was compared as a whole, and its bits.
    block: Option<u32>,
    bits: [u64; WORDS],
    found: Vec<DocId>,
    /// The block that is being asked for, how often so far, and whether the one before was often.
    asked: u32,
    often: u32,
    dense: bool,
    doc: DocId,
}

impl Between {
    fn new(column: Column<u64>, range: RangeInclusive<u64>) -> Between {
        let documents = column.num_docs();
        let mut between = Between {
            column,
            range,
            documents,
            block: None,
            bits: [0; WORDS],
            found: Vec::with_capacity(BLOCK as usize),
            asked: 0,
            often: 0,
            dense: false,
            doc: 0,
        };
        between.doc = between.from(0);
        between
    }

    fn compare(&mut self, block: u32) {
        let from = block * BLOCK;
        let to = (from + BLOCK).min(self.documents);
        // Not every kind of column does it.
        self.found.clear();
        self.column
            .get_docids_for_value_range(self.range.clone(), from..to, &mut self.found);
        self.bits = [0; WORDS];
        for doc in &self.found {
            let at = doc % BLOCK;
            self.bits[(at / 64) as usize] |= 1 << (at % 64);
        }
        self.block = Some(block);
    }

    /// The first from `doc` on in its block, which was compared.
    #[inline]
    fn in_block(&self, doc: DocId) -> Option<DocId> {
        let at = doc % BLOCK;
        let mut index = (at / 64) as usize;
        let mut word = self.bits[index] & (u64::MAX << (at % 64));
        while word == 0 {
            index += 1;
            word = *self.bits.get(index)?;
        }
        Some(doc - at + index as u32 * 64 + word.trailing_zeros())
    }

    /// The first from `doc` on.
    fn from(&mut self, mut doc: DocId) -> DocId {
        while doc < self.documents {
            let block = doc / BLOCK;
            if self.block != Some(block) {
                self.compare(block);
            }
            match self.in_block(doc) {
                Some(found) => return found,
                None => doc = (block + 1) * BLOCK,
            }
        }
        TERMINATED
    }
}

impl DocSet for Between {
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

    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= self.documents {
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        let block = target / BLOCK;
        if block != self.asked {
            self.dense = self.often >= DENSE;
            (self.asked, self.often) = (block, 0);
        }
        self.often += 1;
        if self.block != Some(block) {
            if !self.dense {
                let mut values = self.column.values_for_doc(target);
                return if values.any(|value| self.range.contains(&value)) {
                    self.doc = target;
                    SeekDangerResult::Found
                } else {
                    SeekDangerResult::SeekLowerBound(target + 1)
                };
            }
            self.compare(block);
        }
        match self.in_block(target) {
            Some(found) if found == target => {
                self.doc = target;
                SeekDangerResult::Found
            }
            Some(found) => SeekDangerResult::SeekLowerBound(found),
            None => SeekDangerResult::SeekLowerBound((block + 1) * BLOCK),
        }
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    /// A guess, as Tantivy makes it of ranges.
    fn size_hint(&self) -> u32 {
        self.documents / 10
    }

    /// All values are gone through if nothing else leads, each for a little less than a posting.
    fn cost(&self) -> u64 {
        u64::from(self.documents) * 4 / 5
    }
}

#[cfg(test)]
mod tests;
