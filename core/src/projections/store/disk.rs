//! The sorted files: one log-structured tree without a journal, since the log and the overlay
//! already are one.
//!
//! A flush writes a sorted run beside the tree's files, syncs it, and then renames a new list of
//! files into place: all its rows and the header appear together or not at all. Why this library
//! and this shape: `docs/adr/0003-projection-store.md`.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::config::BlockSizePolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, Guard, IterGuardImpl, SequenceNumberCounter};

use super::overlay::{Bounds, Rows};
use super::scan::Direction;
use crate::room;

/// Memory for blocks read from disk, shared by all tables. The kernel keeps the files in memory too: this is
/// for what is asked for again and again, and not for all that ten thousand clients who come once have read.
const CACHE_BYTES: u64 = 16 << 20;

/// Room for what a run has beside its rows, and for the list of files, in bytes.
const MARGIN: u64 = 1 << 20;

/// What a step of merging writes at most, about, in bytes.
const MERGED: u64 = 128 << 20;

/// Reads see the newest version of every row: the overlay above is what keeps a view consistent.
const NEWEST: u64 = u64::MAX;

/// Below every table's byte, so the header is the first row of every run.
const HEADER_KEY: &[u8] = &[0];

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Rows laid out by another version of this program: delete the folder and fold the log again.
    #[error("the projection store has version {found}, this program needs {expected}")]
    Version {
        /// The version on disk.
        found: u32,
        /// The version asked for.
        expected: u32,
    },
    /// Rows folded from another history of the log: delete the folder and fold the log again.
    #[error(
        "the projection store belongs to epoch {found:032x} of the log, not to {expected:032x}"
    )]
    Epoch {
        /// The epoch on disk.
        found: u128,
        /// The epoch asked for.
        expected: u128,
    },
    /// The files are damaged: delete the folder and fold the log again.
    #[error("the projection store is damaged: {0}")]
    Corrupt(String),
    /// Another process, or another part of this one, has the folder open: do not delete it.
    #[error("the projection store is in use by another process")]
    Locked,
    /// The file system refused: nothing is said about the store.
    #[error("the projection store could not be opened: {0}")]
    Io(#[source] io::Error),
}

impl OpenError {
    /// Whether deleting the folder and folding the log again is the way on. Where it is not, the
    /// folder may be whole and in use, and must stay.
    pub fn rebuildable(&self) -> bool {
        match self {
            OpenError::Version { .. } | OpenError::Epoch { .. } | OpenError::Corrupt(_) => true,
            OpenError::Locked | OpenError::Io(_) => false,
        }
    }
}

/// A row could not be read. The store can be deleted and folded again from the log.
#[derive(Debug, thiserror::Error)]
#[error("the projection store could not be read: {0}")]
pub struct ReadError(#[source] lsm_tree::Error);

/// The overlay could not be written; it stays in memory and the next flush tries again.
#[derive(Debug, thiserror::Error)]
#[error("the projection store could not be written: {}", said(.0))]
pub struct FlushError(lsm_tree::Error);

impl From<lsm_tree::Error> for FlushError {
    fn from(error: lsm_tree::Error) -> FlushError {
        FlushError(error)
    }
}

fn said(error: &lsm_tree::Error) -> String {
    match error {
        lsm_tree::Error::Io(error) => room::explain(error),
        error => error.to_string(),
    }
}

/// What the store says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) epoch: u128,
    pub(super) cursor: u64,
}

impl Header {
    const LEN: usize = 4 + 16 + 8;

    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.cursor.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Header> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let cursor = rest.try_into().ok()?;
        Some(Header {
            version: u32::from_be_bytes(*version),
            epoch: u128::from_be_bytes(*epoch),
            cursor: u64::from_be_bytes(cursor),
        })
    }
}

/// Whether some process has the store in `path` open.
pub fn is_open(path: &Path) -> bool {
    let Ok(lock) = File::open(path.join("lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The tree, and the lock that keeps others off its folder.
pub(super) struct Disk {
    tree: AnyTree,
    /// Numbers the runs; a row of a later run hides one of an earlier.
    runs: SequenceNumberCounter,
    path: PathBuf,
    // After `tree`: unlocked when the files are closed.
    _lock: File,
}

impl Disk {
    /// Opens the tree and reads its header; writes `fresh` into an empty one.
    pub(super) fn open(path: &Path, fresh: Header) -> Result<(Disk, Header), OpenError> {
        fs::create_dir_all(path).map_err(OpenError::Io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(OpenError::Io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::Locked,
            TryLockError::Error(error) => OpenError::Io(error),
        })?;
        // The library asserts where a damaged file contradicts itself, and a file must not end the
        // process.
        let opened = catch_unwind(AssertUnwindSafe(|| open_tree(&path.join("rows"))));
        let (tree, runs) = match opened {
            Ok(opened) => opened.map_err(classify)?,
            Err(panic) => return Err(OpenError::Corrupt(panic_message(panic.as_ref()))),
        };
        let disk = Disk {
            tree,
            runs,
            path: path.to_owned(),
            _lock: lock,
        };
        let header = match disk.tree.get(HEADER_KEY, NEWEST).map_err(classify)? {
            Some(bytes) => Header::decode(&bytes).ok_or_else(|| {
                OpenError::Corrupt(format!("its header has {} bytes", bytes.len()))
            })?,
            None if disk.tree.table_count() == 0 => {
                disk.write(&Rows::default(), fresh)
                    .map_err(|FlushError(error)| classify(error))?;
                fresh
            }
            None => return Err(OpenError::Corrupt("it has rows and no header".into())),
        };
        Ok((disk, header))
    }

    /// The newest version of a row.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self
            .tree
            .get(key, NEWEST)
            .map_err(ReadError)?
            .map(Bytes::from))
    }

    /// The rows between two bounds as they are now: later runs do not show in an iterator that is
    /// open.
    pub(super) fn range(&self, bounds: Bounds<'_>) -> DiskRange {
        let bounds = (bounds.0.map(|key| &**key), bounds.1.map(|key| &**key));
        DiskRange(self.tree.range::<&[u8], _>(bounds, NEWEST, None))
    }

    /// Writes rows and header as one run, durable when this returns.
    pub(super) fn write(&self, rows: &Rows, header: Header) -> Result<(), FlushError> {
        // The library leaves a file behind where the disk gets full under it, and removes it only when the
        // tree is opened the next time.
        room::check(&self.path, rows.bytes() as u64 + MARGIN).map_err(lsm_tree::Error::from)?;
        let mut run = self.tree.ingestion()?;
        run.write(HEADER_KEY, header.encode())?;
        for (key, row) in rows.iter() {
            match row {
                Some(value) => run.write(key.clone().into_bytes(), value.clone())?,
                None => run.write_tombstone(key.clone().into_bytes())?,
            }
        }
        Ok(run.finish()?)
    }

    /// Whether there is room to merge runs, which are all there until their merger is.
    pub(super) fn room_to_merge(path: &Path, tree: &AnyTree) -> io::Result<()> {
        room::check(path, tree.disk_space().min(MERGED) + MARGIN)
    }

    /// Where its files are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The tree, for the thread that merges its runs.
    pub(super) fn tree(&self) -> (AnyTree, SequenceNumberCounter) {
        (self.tree.clone(), self.runs.clone())
    }
}

/// See [`Disk::range`].
pub(super) struct DiskRange(Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>);

impl DiskRange {
    pub(super) fn next(
        &mut self,
        direction: Direction,
    ) -> Option<Result<(Bytes, Bytes), ReadError>> {
        let row = match direction {
            Direction::Forward => self.0.next(),
            Direction::Reverse => self.0.next_back(),
        }?;
        Some(
            row.into_inner()
                .map(|(key, value)| (key.into(), value.into()))
                .map_err(ReadError),
        )
    }
}

fn open_tree(path: &Path) -> Result<(AnyTree, SequenceNumberCounter), lsm_tree::Error> {
    let (runs, visible) = (
        SequenceNumberCounter::default(),
        SequenceNumberCounter::default(),
    );
    let tree = Config::new(path, runs.clone(), visible.clone())
        .use_cache(Arc::new(Cache::with_capacity_bytes(CACHE_BYTES)))
        .data_block_size_policy(BlockSizePolicy::all(4096))
        .open()?;
    // The counters start at 0 in every process; runs from before must stay older than those to
    // come.
    if let Some(highest) = tree.get_highest_seqno() {
        runs.fetch_max(highest + 1);
        visible.fetch_max(highest + 1);
    }
    Ok((tree, runs))
}

/// Tells damage, which a rebuild heals, from a file system that refuses, which it does not.
fn classify(error: lsm_tree::Error) -> OpenError {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    match error {
        lsm_tree::Error::Io(error)
            if !matches!(
                error.kind(),
                InvalidData | InvalidInput | NotFound | UnexpectedEof
            ) =>
        {
            OpenError::Io(error)
        }
        damage => OpenError::Corrupt(damage.to_string()),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("its files contradict each other")
        .to_owned()
}
