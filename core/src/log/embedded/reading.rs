//! Reading a log that another process may have open, and may be appending to.
//!
//! Nothing is changed and nobody is disturbed. What is shown is durable: a record that the other
//! process has written and not yet synced is synced here first. Growth is noticed by looking again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use super::OpenError;
use super::format::{SEGMENT_HEADER, SegmentHeader};
use super::meta::{Meta, Reached, is_locked};
use super::recover::{find_end, read_headers};
use super::segment::{self, Stop};
use super::verify::check_reached;
use crate::log::{
    Append, AppendError, EventLog, Identity, Lane, Position, ReadError, Record, Shard, Tail,
};

/// How often a tail at the end looks whether there is more.
const LOOK: Duration = Duration::from_millis(50);

/// The journal of a log, for reading only. See the [module](self).
pub struct Reading {
    dir: PathBuf,
    identity: Identity,
    /// As far as somebody has asked for the head.
    end: Mutex<Place>,
}

impl Reading {
    /// Opens the log in `dir`, which must be there and whole.
    pub fn open(dir: &Path) -> Result<Reading, OpenError> {
        let meta = Meta::read(dir)?.ok_or_else(|| OpenError::Missing {
            path: dir.to_owned(),
        })?;
        // Before the records: whoever closes the log meanwhile has ended it before.
        let in_use = is_locked(dir);
        let reached = Reached::read(dir)?;
        let headers = read_headers(dir, &meta)?;
        let last = headers.last().map_or(1, |header| header.first);
        let path = segment::path(dir, last);
        let file = File::open(&path).map_err(OpenError::io(&path))?;
        let end = find_end(&path, &file, last, &mut |_, _| ())?;
        if !in_use {
            check_reached(dir, reached, last + end.records - 1)?;
        }
        Ok(Reading {
            dir: dir.to_owned(),
            identity: Identity {
                epoch: meta.epoch(),
                shards: meta.shards,
            },
            end: Mutex::new(Place::at_start_of(last)),
        })
    }

    fn place_before(&self, next: u64) -> Result<Place, ReadError> {
        let segments = segment::list(&self.dir).map_err(|error| unavailable(&self.dir, &error))?;
        let index = segments.partition_point(|first| *first <= next);
        let first = index.checked_sub(1).map(|index| segments[index]);
        first
            .map(Place::at_start_of)
            .ok_or_else(|| ReadError::Damaged {
                position: Position(next),
                reason: "the folder has no segments".into(),
            })
    }
}

#[async_trait]
impl EventLog for Reading {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn incarnation(&self, _: Lane) -> Uuid {
        self.identity.epoch
    }

    async fn append(&self, _: Append) -> Result<Position, AppendError> {
        let why = "the log is open for reading only".to_owned();
        Err(AppendError::Unavailable(why))
    }

    async fn last(&self, lane: Lane, _: Shard) -> Result<Position, ReadError> {
        self.head(lane).await
    }

    async fn head(&self, lane: Lane) -> Result<Position, ReadError> {
        journal_only(lane)?;
        let mut end = self.end.lock();
        while !end.read(&self.dir)?.is_empty() {}
        Ok(Position(end.next - 1))
    }

    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Tail>, ReadError> {
        journal_only(lane)?;
        Ok(Box::new(ReadingTail {
            dir: self.dir.clone(),
            place: self.place_before(after.0 + 1)?,
            after,
        }))
    }
}

fn journal_only(lane: Lane) -> Result<(), ReadError> {
    match lane {
        Lane::Journal => Ok(()),
        Lane::Presence => Err(ReadError::Unavailable(
            "presence is in the memory of the process that has the log open".to_owned(),
        )),
    }
}

struct ReadingTail {
    dir: PathBuf,
    place: Place,
    after: Position,
}

#[async_trait]
impl Tail for ReadingTail {
    async fn next(&mut self) -> Result<Vec<Record>, ReadError> {
        loop {
            let mut records = self.place.read(&self.dir)?;
            if records.is_empty() {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            // A segment is read from its start, so there may be some before the first one asked for.
            let skip = records.partition_point(|record| record.position <= self.after);
            records.drain(..skip);
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }
}

/// Where record `next` is, or will be.
struct Place {
    /// First position of the segment.
    first: u64,
    file: Option<File>,
    offset: u64,
    next: u64,
}

impl Place {
    fn at_start_of(first: u64) -> Place {
        Place {
            first,
            file: None,
            offset: SEGMENT_HEADER as u64,
            next: first,
        }
    }

    /// The next records; none at the present end of the log. Moves on by exactly what it returns.
    fn read(&mut self, dir: &Path) -> Result<Vec<Record>, ReadError> {
        loop {
            // Before the records: whoever begins a segment has ended the one before.
            let segments = segment::list(dir).map_err(|error| unavailable(dir, &error))?;
            let path = segment::path(dir, self.first);
            let failed = |error: &std::io::Error| unavailable(&path, error);
            let file = match self.file.take() {
                Some(file) => file,
                None => File::open(&path).map_err(|error| failed(&error))?,
            };
            let file = self.file.insert(file);
            let chunk = segment::read_chunk(file, self.offset, u64::MAX, self.next)
                .map_err(|error| failed(&error))?;
            if !chunk.records.is_empty() {
                match file.sync_data() {
                    // What can only be read can be looked at, and nobody writes to it.
                    Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {}
                    synced => synced.map_err(|error| failed(&error))?,
                }
                self.offset = chunk.end;
                self.next += chunk.records.len() as u64;
                return Ok(chunk.records);
            }
            match segments.iter().find(|first| **first > self.first) {
                // What is not a whole record here is one being written.
                None => return Ok(Vec::new()),
                Some(first) if *first == self.next && self.ends_before(dir, *first)? => {
                    *self = Place::at_start_of(*first);
                }
                Some(_) => {
                    let reason = match chunk.stop {
                        Stop::Invalid(reason) => reason,
                        Stop::Blank => "there is no record",
                        Stop::End | Stop::More => "the segment ends too early",
                    };
                    return Err(ReadError::Damaged {
                        position: Position(self.next),
                        reason: format!(
                            "{reason}, in {} at offset {}",
                            path.display(),
                            self.offset
                        ),
                    });
                }
            }
        }
    }

    /// Whether the next segment agrees that this one ends here.
    fn ends_before(&self, dir: &Path, next: u64) -> Result<bool, ReadError> {
        let path = segment::path(dir, next);
        let bytes = File::open(&path)
            .and_then(|file| segment::read_at_most(&file, 0, SEGMENT_HEADER))
            .map_err(|error| unavailable(&path, &error))?;
        let header = SegmentHeader::decode(&bytes);
        Ok(header.is_ok_and(|header| {
            (header.previous_first, header.previous_end) == (self.first, self.offset)
        }))
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> ReadError {
    ReadError::Unavailable(format!("{}: {error}", path.display()))
}
