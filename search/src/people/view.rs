//! What queries see: a searcher and who is online in its segments, replaced together.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tantivy::columnar::StrColumn;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

use super::browse::Ranks;
use super::online::{OnlineState, SegmentOnline};
use super::schema::{Fields, HIDDEN, KEY, USER};

/// How many documents are entered in one turn of the lock, so that no transition waits long.
const TURN: usize = 256;

/// One segment as queries need it.
pub(super) struct SegmentView {
    pub(super) online: Arc<SegmentOnline>,
    /// Who must not be found by clients: ascending.
    pub(super) hidden: Arc<[DocId]>,
    /// What breaks ties, by document: in memory, as browsing compares it for everybody who fits.
    pub(super) keys: Box<[u64]>,
    /// Who comes first where there is no condition: 12 bytes a document.
    pub(super) ranks: Ranks,
    /// Whose document it is.
    pub(super) users: StrColumn,
}

/// What queries see.
pub(super) struct View {
    pub(super) searcher: Searcher,
    /// In the order of the searcher's segments.
    pub(super) segments: Vec<Arc<SegmentView>>,
}

impl View {
    /// The view before there is any.
    pub(super) fn empty(searcher: Searcher) -> View {
        View {
            searcher,
            segments: Vec::new(),
        }
    }

    /// Makes the view of a searcher; segments that `before` has, too, are taken from there. When it
    /// returns, every transition reaches it; it remains to be published under the lock.
    pub(super) fn new(
        searcher: Searcher,
        before: &View,
        fields: &Fields,
        state: &Mutex<OnlineState>,
    ) -> tantivy::Result<View> {
        enum Part<'a> {
            Known(Arc<SegmentView>),
            New(&'a SegmentReader, Box<Read>),
        }
        // Everything that can fail comes first.
        let mut parts = Vec::with_capacity(searcher.segment_readers().len());
        for reader in searcher.segment_readers() {
            let known = before
                .searcher
                .segment_readers()
                .iter()
                .zip(&before.segments)
                .find(|(known, _)| known.segment_id() == reader.segment_id());
            parts.push(match known {
                Some((_, segment)) => Part::Known(Arc::clone(segment)),
                None => Part::New(reader, Box::new(Read::new(reader, fields)?)),
            });
        }
        let segments = parts
            .into_iter()
            .map(|part| match part {
                Part::Known(segment) => segment,
                Part::New(reader, read) => Arc::new(read.enter(reader, state)),
            })
            .collect();
        Ok(View { searcher, segments })
    }

    /// The bits of all segments.
    pub(super) fn online(&self) -> Vec<Arc<SegmentOnline>> {
        self.segments
            .iter()
            .map(|segment| Arc::clone(&segment.online))
            .collect()
    }
}

/// What was read of a new segment.
struct Read {
    hidden: Arc<[DocId]>,
    keys: Box<[u64]>,
    ranks: Ranks,
    users: StrColumn,
    /// All users of the segment, in the order of the column's terms.
    names: Names,
}

impl Read {
    fn new(reader: &SegmentReader, fields: &Fields) -> tantivy::Result<Read> {
        let users = reader
            .fast_fields()
            .str(USER)?
            .ok_or_else(|| missing(USER))?;
        let mut names = Names::default();
        let mut stream = users.dictionary().stream()?;
        while stream.advance() {
            let name = std::str::from_utf8(stream.key())
                .map_err(|_| tantivy::TantivyError::InternalError("a user is not text".into()))?;
            names.push(name);
        }
        let column = reader.fast_fields().u64(KEY)?;
        let keys: Box<[u64]> = (0..reader.max_doc())
            .map(|doc| column.first(doc).unwrap_or(0))
            .collect();
        Ok(Read {
            hidden: hidden(reader, fields)?,
            ranks: Ranks::new(reader, &keys)?,
            keys,
            names,
            users,
        })
    }

    fn enter(self, reader: &SegmentReader, state: &Mutex<OnlineState>) -> SegmentView {
        let segment = state.lock().add_segment(reader.max_doc());
        let alive = reader.alive_bitset();
        let ordinals = self.users.ords();
        let mut doc = 0;
        while doc < reader.max_doc() {
            let end = reader.max_doc().min(doc + TURN as u32);
            let mut turn = state.lock();
            for doc in doc..end {
                if alive.is_none_or(|alive| alive.is_alive(doc))
                    && let Some(name) = ordinals.first(doc).and_then(|ord| self.names.get(ord))
                {
                    turn.enter(&segment, name, doc);
                }
            }
            // Whoever waits comes before the next turn.
            MutexGuard::unlock_fair(turn);
            doc = end;
        }
        SegmentView {
            online: segment,
            hidden: self.hidden,
            keys: self.keys,
            ranks: self.ranks,
            users: self.users,
        }
    }
}

fn missing(column: &str) -> tantivy::TantivyError {
    tantivy::TantivyError::InternalError(format!("a segment lacks the column {column}"))
}

fn hidden(reader: &SegmentReader, fields: &Fields) -> tantivy::Result<Arc<[DocId]>> {
    let term = Term::from_field_text(fields.hidden, HIDDEN);
    let postings = reader
        .inverted_index(fields.hidden)?
        .read_postings(&term, IndexRecordOption::Basic)?;
    let mut docs = Vec::new();
    if let Some(mut postings) = postings {
        while postings.doc() != TERMINATED {
            docs.push(postings.doc());
            postings.advance();
        }
    }
    Ok(docs.into())
}

/// Many names, one after the other.
#[derive(Default)]
struct Names {
    bytes: String,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &str) {
        self.bytes.push_str(name);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, index: u64) -> Option<&str> {
        let index = usize::try_from(index).ok()?;
        let end = *self.ends.get(index)?;
        let from = if index == 0 { 0 } else { self.ends[index - 1] };
        self.bytes.get(from..end)
    }
}
