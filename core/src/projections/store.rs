//! The projection store: a fixed set of ordered tables, held as an in-memory overlay over sorted
//! files on disk.
//!
//! The log is the truth and this store is rebuilt from it, so nothing here needs a journal of its
//! own: a commit is visible at once in the overlay and reaches the disk when [`Store::flush`] is
//! called, as one sorted run that carries the log position it was folded through. After a crash the
//! store reopens at its last flush, rows and cursor together, and the projector folds the rest of
//! the log again.
//!
//! Threads: one writer (the projector), one flusher, any number of readers. A [`Snapshot`] holds a
//! read lock that the writer's [`WriteTx::commit`] waits for, so keep it for one short read, never
//! across an `await` (it is not `Send`), and never take a second one, or commit, on a thread that
//! holds one.

mod disk;
mod key;
mod overlay;
mod scan;
mod table;
mod tidy;

#[cfg(test)]
mod tests;

use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

use self::disk::{Disk, Header};
use self::overlay::{Layers, Rows};
use self::scan::KeyRange;
use self::tidy::Tidy;

pub use self::disk::{FlushError, OpenError, ReadError, is_open};
pub use self::scan::{Direction, Range};
pub use self::table::Table;

/// The longest key, in bytes. Two user ids of 128 bytes and a few numbers fit well.
pub const MAX_KEY: usize = 1024;

/// An ordered key-value store of a few tables, see the module's description.
pub struct Store {
    // Declared before `disk`: its thread must end before the files are closed and unlocked.
    tidy: Tidy,
    disk: Disk,
    version: u32,
    epoch: u128,
    layers: RwLock<Layers>,
    /// Held by the one [`WriteTx`].
    writer: Mutex<()>,
    /// Held by the one [`Store::flush`].
    flusher: Mutex<()>,
    /// The position that is durable on disk.
    flushed: AtomicU64,
    /// Bytes of the active and of the frozen overlay, readable without the lock.
    active_bytes: AtomicUsize,
    frozen_bytes: AtomicUsize,
}

impl Store {
    /// Opens the store in the folder `path`, or makes an empty one at position 0 there.
    ///
    /// `version` names the layout of the rows and `epoch` the log they were folded from. A store of
    /// another version or epoch is refused with the error that says so: the caller deletes the
    /// folder and folds the log again. Several stores may share a process, but a folder is open
    /// once.
    pub fn open(path: &Path, version: u32, epoch: u128) -> Result<Store, OpenError> {
        let (disk, header) = Disk::open(
            path,
            Header {
                version,
                epoch,
                cursor: 0,
            },
        )?;
        if header.version != version {
            return Err(OpenError::Version {
                found: header.version,
                expected: version,
            });
        }
        if header.epoch != epoch {
            return Err(OpenError::Epoch {
                found: header.epoch,
                expected: epoch,
            });
        }
        Ok(Store {
            tidy: Tidy::start(&disk).map_err(OpenError::Io)?,
            disk,
            version,
            epoch,
            layers: RwLock::new(Layers {
                cursor: header.cursor,
                ..Layers::default()
            }),
            writer: Mutex::new(()),
            flusher: Mutex::new(()),
            flushed: AtomicU64::new(header.cursor),
            active_bytes: AtomicUsize::new(0),
            frozen_bytes: AtomicUsize::new(0),
        })
    }

    /// The log position folded into what readers see.
    pub fn cursor(&self) -> u64 {
        self.layers.read().cursor
    }

    /// The log position that a restart continues from.
    pub fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// Approximate memory of the rows not yet on disk, in bytes: the projector waits while this is
    /// above its limit.
    pub fn overlay_bytes(&self) -> usize {
        self.active_bytes.load(Ordering::Relaxed) + self.frozen_bytes.load(Ordering::Relaxed)
    }

    /// Begins the one write transaction; waits for another to end.
    pub fn write(&self) -> WriteTx<'_> {
        WriteTx {
            store: self,
            _writer: self.writer.lock(),
            own: Rows::default(),
        }
    }

    /// A view of all tables at one position: it never sees half a [`WriteTx`]. Short-lived, see the
    /// module's description.
    pub fn read(&self) -> Snapshot<'_> {
        Snapshot {
            disk: &self.disk,
            layers: self.layers.read(),
            own: None,
        }
    }

    /// One row as it is now, for callers that need no more than that: holds no lock while the disk
    /// is read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let key = table.key(key);
        // A row that leaves the overlay after this look is already on disk, so it cannot fall
        // between the two.
        let found = self.layers.read().get(&key);
        match found {
            Some(row) => Ok(row),
            None => self.disk.get(&key),
        }
    }

    /// Makes everything committed so far durable, rows and cursor in one step; false when there was
    /// nothing to do.
    ///
    /// Readers and the writer go on meanwhile. Waits while the disk's background merging is far
    /// behind, so memory, not the number of files, is what grows, and the projector sees that in
    /// [`Store::overlay_bytes`]. After an error nothing is lost from memory, and the next call
    /// writes the same rows again.
    pub fn flush(&self) -> Result<bool, FlushError> {
        let _flusher = self.flusher.lock();
        self.tidy.wait_until_keeping_up();
        let Some(frozen) = self.freeze() else {
            return Ok(false);
        };
        let header = Header {
            version: self.version,
            epoch: self.epoch,
            cursor: frozen.cursor,
        };
        self.disk.write(&frozen.rows, header)?;
        self.flushed.store(frozen.cursor, Ordering::Release);
        let thawed = self.layers.write().frozen.take();
        self.frozen_bytes.store(0, Ordering::Relaxed);
        self.tidy.wake();
        // A few hundred thousand rows take a while to free: after the lock, not under it.
        drop((thawed, frozen));
        Ok(true)
    }

    /// Every row of a table in key order, for an audit. Reads in pages, so writes between two pages
    /// may show; use [`Snapshot::range`] for one position throughout. Returns false from `f` to
    /// stop.
    pub fn iterate(
        &self,
        table: Table,
        mut f: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), ReadError> {
        const PAGE: usize = 512;
        let mut after = Bound::Unbounded;
        loop {
            let snapshot = self.read();
            let lower = after.as_ref().map(|key: &Bytes| key.as_ref());
            let page: Vec<_> = snapshot
                .range(table, (lower, Bound::Unbounded), Direction::Forward)
                .take(PAGE)
                .collect::<Result<_, _>>()?;
            drop(snapshot);
            for (key, value) in &page {
                if !f(key, value) {
                    return Ok(());
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Bound::Excluded(key.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Moves the active overlay aside for the disk, or gives back the one a failed flush left
    /// there.
    fn freeze(&self) -> Option<std::sync::Arc<overlay::Frozen>> {
        let mut layers = self.layers.write();
        if layers.frozen.is_none() {
            if layers.active.is_empty() && layers.cursor == self.flushed() {
                return None;
            }
            self.frozen_bytes
                .store(layers.active.bytes(), Ordering::Relaxed);
            self.active_bytes.store(0, Ordering::Relaxed);
            layers.freeze();
        }
        layers.frozen.clone()
    }
}

/// The one write transaction: its rows are private until [`WriteTx::commit`]; dropped without it,
/// they are discarded.
pub struct WriteTx<'a> {
    store: &'a Store,
    _writer: MutexGuard<'a, ()>,
    own: Rows,
}

impl WriteTx<'_> {
    /// One row, as this transaction left it.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        if !self.own.is_empty()
            && let Some(row) = self.own.get(&table.key(key))
        {
            return Ok(row.clone());
        }
        // Nobody else writes, so what lies below stands still even though no lock is held between
        // two calls.
        self.store.get(table, key)
    }

    /// Sets a row.
    ///
    /// # Panics
    /// When the key is longer than [`MAX_KEY`].
    pub fn put(&mut self, table: Table, key: &[u8], value: impl Into<Bytes>) {
        assert!(
            key.len() <= MAX_KEY,
            "a key of {} bytes is longer than {MAX_KEY}",
            key.len()
        );
        self.own.insert(table.key(key), Some(value.into()));
    }

    /// Removes a row; removing what is not there is no error.
    ///
    /// # Panics
    /// When the key is longer than [`MAX_KEY`].
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        self.own.insert(table.key(key), None);
    }

    /// A view that includes this transaction's own rows, for ranges. [`Snapshot::cursor`] is still
    /// that of the last commit.
    pub fn read(&self) -> Snapshot<'_> {
        Snapshot {
            disk: &self.store.disk,
            layers: self.store.layers.read(),
            own: Some(&self.own),
        }
    }

    /// Publishes the rows together with the log position they were folded through.
    ///
    /// # Panics
    /// When `cursor` is before that of the last commit: a projector never goes back.
    pub fn commit(self, cursor: u64) {
        let mut layers = self.store.layers.write();
        assert!(
            cursor >= layers.cursor,
            "commit at {cursor} is before the store's cursor {}",
            layers.cursor
        );
        layers.active.append(self.own);
        layers.cursor = cursor;
        self.store
            .active_bytes
            .store(layers.active.bytes(), Ordering::Relaxed);
    }
}

/// A consistent view of all tables. Holds a read lock: short-lived, see the module's description.
pub struct Snapshot<'a> {
    disk: &'a Disk,
    layers: RwLockReadGuard<'a, Layers>,
    own: Option<&'a Rows>,
}

impl Snapshot<'_> {
    /// The log position folded into this view.
    pub fn cursor(&self) -> u64 {
        self.layers.cursor
    }

    /// One row. The bytes share a block of about 4 KiB with their neighbours: copy what you keep.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let key = table.key(key);
        if let Some(row) = self.own.and_then(|own| own.get(&key)) {
            return Ok(row.clone());
        }
        match self.layers.get(&key) {
            Some(row) => Ok(row),
            None => self.disk.get(&key),
        }
    }

    /// The rows of a table between two keys, in key order or against it. Bounds the wrong way round
    /// hold nothing.
    pub fn range<'k>(
        &self,
        table: Table,
        bounds: impl RangeBounds<&'k [u8]>,
        direction: Direction,
    ) -> Range<'_> {
        self.scan(
            KeyRange::between(
                table,
                bounds.start_bound().cloned(),
                bounds.end_bound().cloned(),
            ),
            direction,
        )
    }

    /// The rows of a table whose keys begin with `prefix`, in key order or against it.
    pub fn prefix(&self, table: Table, prefix: &[u8], direction: Direction) -> Range<'_> {
        self.scan(KeyRange::prefix(table, prefix), direction)
    }

    fn scan(&self, range: KeyRange, direction: Direction) -> Range<'_> {
        let frozen = self.layers.frozen.as_deref().map(|frozen| &frozen.rows);
        Range::new(
            [self.own, Some(&self.layers.active), frozen],
            self.disk,
            range,
            direction,
        )
    }
}
