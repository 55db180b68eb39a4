//! The exam of `log::conformance`, and what only this log can be asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use super::writer::Faults;
use super::*;
use crate::log::conformance::{Factory, commit, new_id};
use crate::log::{Record, SharedLog};

mod damage;
mod faults;
mod files;
mod kill;
mod reading;

/// Logs in folders of their own, with segments so small that many cases need several.
struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        Folders {
            root: tempfile::tempdir().unwrap(),
        }
    }
}

#[async_trait]
impl Factory for Folders {
    async fn create(&self, name: &str) -> SharedLog {
        Arc::new(Embedded::create(&self.root.path().join(name), &small()).unwrap())
    }

    async fn open(&self, name: &str) -> SharedLog {
        Arc::new(Embedded::open(&self.root.path().join(name), &small()).unwrap())
    }
}

crate::log_conformance!(Folders::new());

/// Options for tests: an epoch never used before, segments of 64 KiB, little kept in memory.
fn small() -> Options {
    Options {
        segment_bytes: 64 << 10,
        recent_bytes: 16 << 10,
        ..Options::new(new_id(), new_id())
    }
}

/// Appends to the end of the journal and returns the position.
fn append(log: &Embedded, payload: impl Into<bytes::Bytes>) -> Position {
    try_append(log, payload).unwrap()
}

fn try_append(log: &Embedded, payload: impl Into<bytes::Bytes>) -> Result<Position, AppendError> {
    let (last, ..) = log.journal.size();
    now(log.append(commit(Shard(0), Position(last), payload)))
}

/// The embedded log never waits, save at the head of a tail.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it is ready at once")
}

fn read_all(log: &Embedded) -> Vec<Record> {
    let head = now(log.head(Lane::Journal)).unwrap();
    let mut tail = now(log.tail(Lane::Journal, Position::START)).unwrap();
    let mut records = Vec::new();
    while (records.len() as u64) < head.0 {
        records.extend(now(tail.next()).unwrap());
    }
    records
}

/// A copy of a log's folder to do harm to.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// As after a crash: nothing was noted at the close.
fn forget_close(dir: &Path) {
    std::fs::remove_file(dir.join("reached.json")).unwrap();
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir)
        .unwrap()
        .into_iter()
        .map(|first| segment::path(dir, first))
        .collect()
}
