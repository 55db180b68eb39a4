//! What queries see: a searcher, the columns of its segments, and what was changed since.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tantivy::columnar::{BytesColumn, Column, StrColumn};
use tantivy::{DocId, InvertedIndexReader, Searcher, SegmentReader, TantivyError};

use super::schema::{AT, AUTHOR, CONVERSATION, Fields, Id, SEQ};

/// Documents of a chunk. Messages come into the index in the order of time, mostly, so that each chunk is
/// of a short time, and what is newest is in few of them.
pub(super) const CHUNK: u32 = 4_096;

/// Some documents that lie together, and when they were sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) from: DocId,
    /// Not in it any more.
    pub(super) to: DocId,
    pub(super) earliest: i64,
    pub(super) latest: i64,
}

/// One segment as queries need it.
pub(super) struct SegmentView {
    pub(super) chunks: Vec<Chunk>,
    pub(super) at: Column<i64>,
    pub(super) seqs: Column<u64>,
    pub(super) conversations: BytesColumn,
    pub(super) authors: StrColumn,
    ids: Arc<InvertedIndexReader>,
}

impl SegmentView {
    fn new(reader: &SegmentReader, fields: &Fields) -> tantivy::Result<SegmentView> {
        let columns = reader.fast_fields();
        let missing =
            |column| TantivyError::InternalError(format!("a segment lacks the column {column}"));
        let at = columns.i64(AT)?;
        Ok(SegmentView {
            chunks: chunks(&at, reader.max_doc()),
            at,
            seqs: columns.u64(SEQ)?,
            conversations: columns
                .bytes(CONVERSATION)?
                .ok_or_else(|| missing(CONVERSATION))?,
            authors: columns.str(AUTHOR)?.ok_or_else(|| missing(AUTHOR))?,
            ids: reader.inverted_index(fields.id)?,
        })
    }

    #[inline]
    pub(super) fn at(&self, doc: DocId) -> i64 {
        self.at.first(doc).unwrap_or(i64::MIN)
    }
}

fn chunks(at: &Column<i64>, documents: DocId) -> Vec<Chunk> {
    let begins = (0..documents).step_by(CHUNK as usize);
    begins
        .map(|from| {
            let to = documents.min(from + CHUNK);
            let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
            for doc in from..to {
                let at = at.first(doc).unwrap_or(i64::MIN);
                earliest = earliest.min(at);
                latest = latest.max(at);
            }
            Chunk {
                from,
                to,
                earliest,
                latest,
            }
        })
        .collect()
}

/// What was written after what a view holds, and with which turn: turns are counted by commits.
#[derive(Default)]
pub(super) struct Changes {
    ids: HashMap<Id, u64>,
}

impl Changes {
    /// Whether what the index says of a message is out of date.
    pub(super) fn hold(&self, id: &Id) -> bool {
        self.ids.contains_key(id)
    }

    /// What was written after a turn.
    fn after(&self, turn: u64) -> Changes {
        let later = self.ids.iter().filter(|(_, made)| **made > turn);
        Changes {
            ids: later.map(|(id, made)| (*id, *made)).collect(),
        }
    }
}

/// What queries see.
///
/// What is changed is written down in the view that is published at that moment, and taken over by the next
/// one unless it holds it. A search that began with an older view does not see later changes there, which is
/// as if it had come before them.
pub(super) struct View {
    pub(super) searcher: Searcher,
    /// In the order of the searcher's segments.
    pub(super) segments: Vec<Arc<SegmentView>>,
    pub(super) changes: RwLock<Changes>,
}

impl View {
    /// The view before there is any.
    pub(super) fn empty(searcher: Searcher) -> View {
        View {
            searcher,
            segments: Vec::new(),
            changes: RwLock::default(),
        }
    }

    /// Makes the view of a searcher, without what was changed since; segments that `before` has, too, are
    /// taken from there.
    pub(super) fn new(searcher: Searcher, before: &View, fields: &Fields) -> tantivy::Result<View> {
        let known = |reader: &SegmentReader| {
            let mut known = before
                .searcher
                .segment_readers()
                .iter()
                .zip(&before.segments);
            known.find(|(known, _)| known.segment_id() == reader.segment_id())
        };
        let segments = searcher
            .segment_readers()
            .iter()
            .map(|reader| match known(reader) {
                Some((_, segment)) => Ok(Arc::clone(segment)),
                None => SegmentView::new(reader, fields).map(Arc::new),
            })
            .collect::<tantivy::Result<_>>()?;
        Ok(View {
            searcher,
            segments,
            changes: RwLock::default(),
        })
    }

    /// Takes over what was changed in the view before and is not in this one, which holds all turns up to
    /// `turn`.
    pub(super) fn take_over(&mut self, before: &View, turn: u64) {
        *self.changes.get_mut() = before.changes.read().after(turn);
    }

    /// Notes that a message is written or removed. Returns whether it may have been in the index before.
    pub(super) fn change(&self, id: Id, turn: u64) -> tantivy::Result<bool> {
        let before = {
            let mut changes = self.changes.write();
            changes.ids.insert(id, turn).is_some()
        };
        if before {
            return Ok(true);
        }
        let key = id.bytes();
        for segment in &self.segments {
            if segment.ids.terms().term_ord(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
