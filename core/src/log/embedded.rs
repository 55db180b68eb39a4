//! The log of a single server: segment files of our own, no other process.
//!
//! ```text
//! meta.json                           format, shards, epochs
//! reached.json                        last position at the last orderly close
//! lock                                held by the process that has the log open
//! journal-00000000000000000001.seg    records from position 1, at most 64 MiB
//! journal-00000000000000104211.seg    records from position 104211, and so on
//! spare.seg                           the next segment, filled with zeros ahead of its use
//! ```
//!
//! An append is one write and one `fdatasync`, done on the calling thread, one at a time: whoever
//! waits meanwhile collects events for the next commit. `docs/adr/0002-embedded-log.md` says why,
//! with figures; `embedded/format.rs` has the bytes; `embedded/recover.rs` says what happens to a
//! record that was being written when the machine stopped.
//!
//! The log relies on the disk for two things: that a completed sync is durable, and that an
//! interrupted write leaves alone the bytes it would not have changed.
//!
//! There is one shard. The presence lane lives in memory, and in a file that is never synced (`presence`).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Append, AppendError, EventLog, Identity, Lane, MAX_RECORD_BYTES, Position, ReadError, Shard,
    Tail,
};
use format::{SEGMENT_HEADER, SegmentHeader};
use journal::Journal;
use meta::{Meta, Reached};
use presence::Presence;
use writer::Writer;

mod format;
mod journal;
mod meta;
mod presence;
mod reading;
mod recover;
mod segment;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use reading::Reading;
pub use verify::{Progress, Torn, VerifyReport, verify};

/// How to open a log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The epoch of a log that is created; an existing log keeps its own. Random.
    pub epoch: Uuid,
    /// Names a new life of the presence lane, should there be none yet. Random at each opening.
    pub incarnation: Uuid,
    /// Size of a segment file, in bytes. It is written in full ahead of its use. The first ones
    /// are smaller.
    pub segment_bytes: u64,
    /// How much of the journal's end is kept in memory for tails, in bytes.
    pub recent_bytes: usize,
    /// How much of the presence lane is kept, in bytes.
    pub presence_bytes: usize,
}

impl Options {
    /// The defaults: 64 MiB segments, 8 MiB of recent records, 16 MiB of presence.
    pub fn new(epoch: Uuid, incarnation: Uuid) -> Self {
        Options {
            epoch,
            incarnation,
            segment_bytes: 64 << 20,
            recent_bytes: 8 << 20,
            presence_bytes: 16 << 20,
        }
    }
}

/// Why a log could not be opened, created or verified.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no log in the folder.
    #[error("there is no log in {path}")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a log in {path} already")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the log in {path} is in use by {holder}")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who, as far as known: `process 4711`.
        holder: String,
    },
    /// Made by another version of this program.
    #[error("the log has format {found}, this program knows format {known} only")]
    Format {
        /// The log's format.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// One of the small files beside the segments makes no sense.
    #[error("{path} is damaged: {reason}")]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The note of how far the log had come at its last close cannot be read. The records are whole as far
    /// as is known: only the loss of the last ones would not be noticed without it.
    #[error("{path} cannot be read: {reason}")]
    Reached {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An acknowledged record is damaged or missing. Restore a backup.
    #[error("{path} is damaged at offset {offset}, position {position}: {reason}")]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// First position affected.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// Records at the end are missing. Restore a backup.
    #[error("the log in {path} ends at position {last} although it had reached {reached}")]
    Lost {
        /// The folder.
        path: PathBuf,
        /// Last position found.
        last: u64,
        /// Last position when the log was last closed.
        reached: u64,
    },
    /// The system refused: no permission, disk full, disk broken.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    fn io(path: &Path) -> impl Fn(io::Error) -> OpenError {
        move |source| OpenError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Some figures about an open log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Last position of the journal, which is also its number of records.
    pub records: u64,
    /// Segment files.
    pub segments: usize,
    /// Bytes used in them.
    pub bytes: u64,
    /// Journal records appended since the log was opened.
    pub appends: u64,
}

/// The embedded log. See the [module](self).
pub struct Embedded {
    dir: PathBuf,
    identity: Identity,
    incarnation: Uuid,
    journal: Arc<Journal>,
    writer: Writer,
    presence: Arc<Presence>,
    appends: AtomicU64,
    /// Dropped last: until then no other process may come in.
    _lock: File,
}

impl Embedded {
    /// Opens the log in `dir`.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        if Meta::read(dir)?.is_none() {
            return Err(OpenError::Missing {
                path: dir.to_owned(),
            });
        }
        let lock = meta::lock(dir)?;
        Self::open_locked(dir, options, lock)
    }

    /// Makes a log in `dir`, which may exist but holds none, and opens it.
    pub fn create(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        std::fs::create_dir_all(dir).map_err(OpenError::io(dir))?;
        let lock = meta::lock(dir)?;
        if Meta::read(dir)?.is_some() || holds_records(dir)? {
            return Err(OpenError::Exists {
                path: dir.to_owned(),
            });
        }
        // `meta.json` last: a log is there once it is whole.
        let header = SegmentHeader {
            epoch: options.epoch,
            first: 1,
            previous_first: 0,
            previous_end: 0,
            previous_id: Uuid::nil(),
        };
        let path = segment::path(dir, 1);
        let make = || {
            let file = segment::make_blank(&path, segment::size(0, options.segment_bytes))?;
            std::os::unix::fs::FileExt::write_all_at(&file, &header.encode(), 0)?;
            file.sync_all()?;
            segment::sync_dir(dir)
        };
        make().map_err(OpenError::io(&path))?;
        Meta::new(options.epoch).write(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            segment::sync_dir(parent).map_err(OpenError::io(parent))?;
        }
        Self::open_locked(dir, options, lock)
    }

    /// Opens the log in `dir`, making it if there is none.
    pub fn open_or_create(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        match Self::open(dir, options) {
            Err(OpenError::Missing { .. }) => Self::create(dir, options),
            other => other,
        }
    }

    fn open_locked(dir: &Path, options: &Options, lock: File) -> Result<Self, OpenError> {
        let meta = Meta::read(dir)?.ok_or_else(|| OpenError::Missing {
            path: dir.to_owned(),
        })?;
        let recovered = recover::recover(dir, &meta, Reached::read(dir)?)?;
        let journal = Arc::new(Journal::new(
            dir,
            options.recent_bytes,
            recovered.last,
            recovered.segments.clone(),
        ));
        let epoch = meta.epoch();
        let writer = Writer::new(
            dir,
            epoch,
            options.segment_bytes,
            recovered,
            journal.clone(),
        )
        .map_err(OpenError::io(dir))?;
        let (presence, incarnation) =
            Presence::open(dir, epoch, options.incarnation, options.presence_bytes);
        Ok(Embedded {
            dir: dir.to_owned(),
            identity: Identity {
                epoch,
                shards: meta.shards,
            },
            incarnation,
            journal,
            writer,
            presence: Arc::new(presence),
            appends: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Some figures.
    pub fn stats(&self) -> Stats {
        let (records, segments, bytes) = self.journal.size();
        Stats {
            records,
            segments,
            bytes,
            appends: self.appends.load(Ordering::Relaxed),
        }
    }

    fn shard_exists(&self, shard: Shard) {
        assert!(
            shard.0 < self.identity.shards,
            "an embedded log has one shard, not {shard:?}"
        );
    }
}

/// Starts a new history with what is in the log in `dir`, which nobody has open: after a backup was
/// restored, so that a cursor that had come further is recognised as foreign. Whatever the copied
/// files hold after their last whole record is cut off.
pub fn new_epoch(dir: &Path, epoch: Uuid) -> Result<(), OpenError> {
    let missing = || OpenError::Missing {
        path: dir.to_owned(),
    };
    Meta::read(dir)?.ok_or_else(missing)?;
    let _lock = meta::lock(dir)?;
    let mut meta = Meta::read(dir)?.ok_or_else(missing)?;
    if meta.epochs.contains(&epoch) {
        let reason = format!("the log has had epoch {epoch} before");
        return Err(OpenError::Meta {
            path: dir.to_owned(),
            reason,
        });
    }
    let recovered = recover::recover(dir, &meta, None)?;
    meta.epochs.push(epoch);
    meta.write(dir)?;
    Reached {
        position: recovered.last,
    }
    .write(dir)
}

/// Whether there is anything in a folder without `meta.json` that making a log would destroy.
fn holds_records(dir: &Path) -> Result<bool, OpenError> {
    let segments = segment::list(dir).map_err(OpenError::io(dir))?;
    let path = segment::path(dir, 1);
    match segments[..] {
        [] => Ok(false),
        // Making the log was interrupted.
        [1] => File::open(&path)
            .and_then(|file| segment::is_blank_after(&file, SEGMENT_HEADER as u64))
            .map(|blank| !blank)
            .map_err(OpenError::io(&path)),
        _ => Ok(true),
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl EventLog for Embedded {
    fn close(&self) {
        self.presence.close();
        if let Some(position) = self.writer.close()
            && let Err(error) = (Reached { position }).write(&self.dir)
        {
            tracing::warn!(%error, "the end of the log could not be noted");
        }
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    fn incarnation(&self, lane: Lane) -> Uuid {
        match lane {
            Lane::Journal => self.identity.epoch,
            Lane::Presence => self.incarnation,
        }
    }

    /// Blocks the calling thread for the time of one write and sync.
    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        self.shard_exists(append.shard);
        if append.payload.len() > MAX_RECORD_BYTES {
            return Err(AppendError::TooLarge {
                len: append.payload.len(),
            });
        }
        match append.lane {
            Lane::Journal => {
                let position = self.writer.append(append)?;
                self.appends.fetch_add(1, Ordering::Relaxed);
                Ok(position)
            }
            Lane::Presence => self.presence.append(append),
        }
    }

    async fn last(&self, lane: Lane, shard: Shard) -> Result<Position, ReadError> {
        self.shard_exists(shard);
        self.head(lane).await
    }

    async fn head(&self, lane: Lane) -> Result<Position, ReadError> {
        match lane {
            Lane::Journal => self
                .journal
                .last()
                .map(Position)
                .map_err(ReadError::Unavailable),
            Lane::Presence => Ok(Position(self.presence.last())),
        }
    }

    /// Its `next` reads files on the calling thread while the tail is behind.
    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Tail>, ReadError> {
        Ok(match lane {
            Lane::Journal => Box::new(self.journal.tail(after)),
            Lane::Presence => Box::new(self.presence.tail(after)),
        })
    }
}
