//! What readers share with the writer: how far the journal is durable, and its last records.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::format::SEGMENT_HEADER;
use super::recover::Segment;
use super::segment::{self, Stop};
use crate::log::{Position, ReadError, Record, Tail};

/// Most bytes of payload that one [`Tail::next`] returns from memory.
const BATCH: usize = 4 * 1024 * 1024;

/// The durable part of the journal.
pub(super) struct Journal {
    dir: PathBuf,
    recent_limit: usize,
    state: Mutex<State>,
    grown: Notify,
}

struct State {
    last: u64,
    segments: Vec<Segment>,
    recent: Recent,
    life: Life,
}

/// Whether the journal may grow.
#[derive(Clone, Debug)]
pub(super) enum Life {
    Open,
    Closed,
    /// Whether the last append is on the disk is unknown, for this reason.
    Unsettled(String),
}

/// The newest records of a lane, without a gap.
#[derive(Default)]
pub(super) struct Recent {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Recent {
    /// Adds the next record and drops old ones until at most `limit` bytes are left.
    pub(super) fn push(&mut self, record: Record, limit: usize) {
        self.bytes += cost(&record);
        self.records.push_back(record);
        while self.bytes > limit
            && let Some(old) = self.records.pop_front()
        {
            self.bytes -= cost(&old);
        }
    }

    /// All that are held, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = Record> {
        self.records.iter().cloned()
    }

    /// Position of the oldest record held.
    pub(super) fn first(&self) -> Option<u64> {
        self.records.front().map(|record| record.position.0)
    }

    /// Records from `next` on: a few megabytes at most, `None` if `next` is not held.
    pub(super) fn from(&self, next: u64) -> Option<Vec<Record>> {
        let skip = next.checked_sub(self.first()?)? as usize;
        let mut bytes = 0;
        let fits = |record: &&Record| {
            let first = bytes == 0;
            bytes += cost(record);
            first || bytes <= BATCH
        };
        let found: Vec<Record> = self
            .records
            .iter()
            .skip(skip)
            .take_while(fits)
            .cloned()
            .collect();
        (!found.is_empty()).then_some(found)
    }
}

fn cost(record: &Record) -> usize {
    size_of::<Record>() + record.payload.len()
}

impl Journal {
    pub(super) fn new(dir: &Path, recent_limit: usize, last: u64, segments: Vec<Segment>) -> Self {
        let state = State {
            last,
            segments,
            recent: Recent::default(),
            life: Life::Open,
        };
        let grown = Notify::new();
        Journal {
            dir: dir.to_owned(),
            recent_limit,
            state: Mutex::new(state),
            grown,
        }
    }

    /// Makes a durable record visible; `end` is where it ends in the last segment.
    pub(super) fn publish(&self, record: Record, end: u64) {
        {
            let state = &mut *self.state.lock();
            state.last = record.position.0;
            state.segments.last_mut().expect("a log has a segment").end = end;
            state.recent.push(record, self.recent_limit);
        }
        self.grown.notify_waiters();
    }

    pub(super) fn begin_segment(&self, segment: Segment) {
        self.state.lock().segments.push(segment);
    }

    /// No more records will come, for now or for ever; or they will again.
    pub(super) fn set_life(&self, life: Life) {
        self.state.lock().life = life;
        self.grown.notify_waiters();
    }

    /// Position of the last durable record, or why the outcome of an append is unknown.
    pub(super) fn last(&self) -> Result<u64, String> {
        let state = self.state.lock();
        match &state.life {
            Life::Unsettled(why) => Err(format!(
                "whether its last record is on the disk is not known: {why}"
            )),
            Life::Open | Life::Closed => Ok(state.last),
        }
    }

    /// Position of the last durable record, number of segments, and bytes used in them.
    pub(super) fn size(&self) -> (u64, usize, u64) {
        let state = self.state.lock();
        let bytes = state.segments.iter().map(|segment| segment.end).sum();
        (state.last, state.segments.len(), bytes)
    }

    pub(super) fn tail(self: &Arc<Self>, after: Position) -> JournalTail {
        JournalTail {
            journal: self.clone(),
            next: after.0 + 1,
            reader: None,
        }
    }

    fn look(&self, next: u64) -> Found {
        let state = self.state.lock();
        if next > state.last {
            return match &state.life {
                Life::Open | Life::Unsettled(_) => Found::Nothing,
                Life::Closed => Found::Ended("it has been closed"),
            };
        }
        if let Some(records) = state.recent.from(next) {
            return Found::InMemory(records);
        }
        let index = state
            .segments
            .partition_point(|segment| segment.first <= next);
        Found::OnDisk(state.segments[index.checked_sub(1).expect("the log starts at 1")])
    }
}

enum Found {
    Nothing,
    Ended(&'static str),
    InMemory(Vec<Record>),
    OnDisk(Segment),
}

/// A reader following the journal: from files while behind, from memory at the head.
pub(super) struct JournalTail {
    journal: Arc<Journal>,
    next: u64,
    reader: Option<Reader>,
}

/// A place in a segment file: where record `next` of the tail starts.
struct Reader {
    file: File,
    first: u64,
    offset: u64,
    next: u64,
}

#[async_trait]
impl Tail for JournalTail {
    async fn next(&mut self) -> Result<Vec<Record>, ReadError> {
        loop {
            if let Some(records) = self.ready()? {
                return Ok(records);
            }
            let journal = self.journal.clone();
            let mut grown = std::pin::pin!(journal.grown.notified());
            grown.as_mut().enable();
            // Once more: a record may have come before we were listening.
            if let Some(records) = self.ready()? {
                return Ok(records);
            }
            grown.await;
        }
    }
}

impl JournalTail {
    /// What can be had without waiting. Moves on by exactly what it returns.
    fn ready(&mut self) -> Result<Option<Vec<Record>>, ReadError> {
        let records = match self.journal.look(self.next) {
            Found::Nothing => return Ok(None),
            Found::Ended(why) => return Err(ReadError::Unavailable(why.to_owned())),
            Found::InMemory(records) => {
                self.reader = None;
                records
            }
            Found::OnDisk(segment) => self.read(segment)?,
        };
        self.next += records.len() as u64;
        Ok(Some(records))
    }

    fn read(&mut self, segment: Segment) -> Result<Vec<Record>, ReadError> {
        let reader = match self.reader.take() {
            Some(reader) if reader.first == segment.first && reader.next == self.next => reader,
            _ => self.open(segment)?,
        };
        let reader = self.reader.insert(reader);
        let path = segment::path(&self.journal.dir, segment.first);
        let chunk = segment::read_chunk(&reader.file, reader.offset, segment.end, self.next)
            .map_err(|error| unavailable(&path, &error))?;
        if chunk.records.is_empty() {
            let reason = match chunk.stop {
                Stop::Invalid(reason) => reason,
                Stop::Blank => "there is no record",
                Stop::End | Stop::More => "the segment ends too early",
            };
            return Err(damaged(self.next, &path, reader.offset, reason));
        }
        reader.offset = chunk.end;
        reader.next = self.next + chunk.records.len() as u64;
        Ok(chunk.records)
    }

    fn open(&self, segment: Segment) -> Result<Reader, ReadError> {
        let path = segment::path(&self.journal.dir, segment.first);
        let file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(self.next, &path, 0, "the file is missing"),
            _ => unavailable(&path, &error),
        })?;
        let start = SEGMENT_HEADER as u64;
        let offset = segment::seek(&file, start, segment.end, segment.first, self.next)
            .map_err(|error| unavailable(&path, &error))?
            .map_err(|reason| damaged(self.next, &path, start, reason))?;
        Ok(Reader {
            file,
            first: segment.first,
            offset,
            next: self.next,
        })
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> ReadError {
    ReadError::Unavailable(format!("{}: {error}", path.display()))
}

fn damaged(next: u64, path: &Path, offset: u64, reason: &str) -> ReadError {
    let reason = format!("{reason}, in {} at offset {offset}", path.display());
    ReadError::Damaged {
        position: Position(next),
        reason,
    }
}
