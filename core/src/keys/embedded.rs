//! The key store of a single server: two files.
//!
//! ```text
//! keys.redb     which slot holds the key of which id, and which ids were destroyed
//! keys.slots    the wrapped keys, each in a slot that never moves
//! ```
//!
//! The keys are not in the database because a database that copies pages on write, as `redb` does,
//! keeps old copies of a page in its free pages, and compaction moves pages without wiping what they
//! leave. A slot is overwritten in place and synced, which is as much as a program can do: **once
//! [`KeyStore::destroy`] returns, no file of this store holds the key.** A file system that copies
//! on write or takes snapshots, and a disk that moves sectors, may keep the old bytes; they are
//! wrapped by the operator key, so replacing that key's disk or encrypting this one covers them. A
//! copy of the store made earlier holds the key, of course: keep such copies no longer than the time
//! in which an erasure must take full effect.
//!
//! To copy the store of a running server, copy `keys.redb` first.
//!
//! Calls read and write files on the calling thread; only `ensure` and `destroy` sync.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use ring::rand::SecureRandom;

use super::cache::Cache;
use super::seal::{OperatorKey, RawKey};
use super::{ContentKey, KeyError, KeyId, KeyState, KeyStore};
use crate::room;
use slots::{Slot, Slots};

mod slots;

#[cfg(test)]
mod tests;

/// Id to slot. Stored: neither name nor types ever change.
const INDEX: TableDefinition<&[u8], u64> = TableDefinition::new("keys");
/// `next`: the first unused slot.
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
/// `operator`: a value that the operator key recognises.
const MARKS: TableDefinition<&str, &[u8]> = TableDefinition::new("marks");

/// In place of a slot: destroyed before it was ever made.
const NEVER_MADE: u64 = 0;

/// Keys kept in memory: about 15 MB when full.
const CACHED_KEYS: usize = 65_536;

/// Small in tests, which want to see the file read.
const DATABASE_CACHE_BYTES: usize = if cfg!(test) { 64 << 10 } else { 8 << 20 };

/// Room wanted on the disk before keys are made, in bytes: far more than those of one commit take.
const ROOM: u64 = 1 << 20;

/// Why a key store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was made with another operator key.
    #[error("the keys in {path} were wrapped with another operator key")]
    WrongOperatorKey {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the keys in {path} are in use by another process")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A file is missing, cut short or not what it should be. Restore a backup.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The embedded key store. See the [module](self).
pub struct Embedded {
    /// Opened again after a failure, for after one it does nothing any more; none when that failed.
    database: RwLock<Option<Database>>,
    path: PathBuf,
    slots: Slots,
    cache: Cache,
    operator: OperatorKey,
    random: Arc<dyn SecureRandom + Send + Sync>,
    /// Held by whoever makes or destroys keys. The first unused slot.
    next: Mutex<u64>,
    /// Held for writing while keys are destroyed, for reading while keys are fetched: so no key
    /// enters the cache after its destruction.
    destroying: RwLock<()>,
}

/// Whether there is a key store in `dir`. If so, its operator key must not be made anew.
pub fn exists(dir: &Path) -> bool {
    database_path(dir).exists()
}

impl Embedded {
    /// Opens the key store in `dir`, making it if there is none.
    pub fn open(
        dir: &Path,
        operator: OperatorKey,
        random: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Result<Self, OpenError> {
        let path = database_path(dir);
        std::fs::create_dir_all(dir).map_err(io_error(dir))?;
        let database = builder().create(&path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::Locked {
                path: dir.to_owned(),
            },
            error => database_error(&path)(error.into()),
        })?;
        let stored = stored(&database).map_err(database_error(&path))?;
        let slots_path = dir.join("keys.slots");
        let (slots, next) = match stored {
            Some((next, mark)) => {
                if !operator.recognises(&mark) {
                    return Err(OpenError::WrongOperatorKey {
                        path: dir.to_owned(),
                    });
                }
                let damaged = |reason| OpenError::Damaged {
                    path: slots_path.clone(),
                    reason,
                };
                let slots = Slots::open(&slots_path)
                    .map_err(io_error(&slots_path))?
                    .ok_or_else(|| damaged("it is not a file of keys".into()))?;
                let len = slots.len().map_err(io_error(&slots_path))?;
                if len < next {
                    return Err(damaged(format!("it has {len} slots instead of {next}")));
                }
                (slots, next)
            }
            None => {
                // Making the store may have been interrupted, but then there is no key yet.
                if let Ok(Some(slots)) = Slots::open(&slots_path)
                    && slots.len().map_err(io_error(&slots_path))? > 1
                {
                    let reason = "it is new, but keys.slots holds keys".into();
                    return Err(OpenError::Damaged { path, reason });
                }
                let slots = Slots::create(&slots_path).map_err(io_error(&slots_path))?;
                let sync = File::open(dir).and_then(|dir| dir.sync_all());
                sync.map_err(io_error(dir))?;
                initialise(&database, &operator.mark(&*random)).map_err(database_error(&path))?;
                (slots, 1)
            }
        };
        Ok(Embedded {
            database: RwLock::new(Some(database)),
            path,
            slots,
            cache: Cache::new(CACHED_KEYS),
            operator,
            random,
            next: Mutex::new(next),
            destroying: RwLock::new(()),
        })
    }

    /// The slots of `ids`, in order.
    fn find(&self, ids: &[&KeyId]) -> Result<Vec<Option<u64>>, redb::Error> {
        self.with(|database| {
            let index = database.begin_read()?.open_table(INDEX)?;
            let find = |id: &&KeyId| Ok(index.get(&id.to_bytes()[..])?.map(|slot| slot.value()));
            ids.iter().map(find).collect()
        })
    }

    /// Works on the database; on one that is opened again if an earlier failure has ended it. What is on
    /// disk is whole at any time.
    fn with<T>(
        &self,
        work: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        match self.database.read().as_ref().map(&work) {
            None | Some(Err(redb::Error::PreviousIo)) => {}
            Some(done) => return done,
        }
        let mut database = self.database.write();
        // Somebody else may have opened it meanwhile.
        match database.as_ref().map(&work) {
            None | Some(Err(redb::Error::PreviousIo)) => {}
            Some(done) => return done,
        }
        // One process at a time has it open, this one included. It is there: none is made.
        *database = None;
        let opened = builder().open(&self.path)?;
        tracing::info!(path = %self.path.display(), "the content keys were opened again");
        work(database.insert(opened))
    }

    /// Whether there is room to make a key. A write that fails ends the database, so it is better not begun.
    fn room(&self) -> io::Result<()> {
        room::check(self.path.parent().unwrap_or(&self.path), ROOM)
    }

    /// The state of a key whose slot is known, which goes into the cache.
    fn load(&self, id: &KeyId, slot: u64) -> Result<KeyState, KeyError> {
        let state = match slot {
            NEVER_MADE => KeyState::Destroyed,
            slot => match self.slots.read(slot).map_err(unavailable)? {
                Slot::Destroyed => KeyState::Destroyed,
                Slot::Wrapped(wrapped) => {
                    let raw = self.operator.unwrap(id, &wrapped);
                    let raw = raw.map_err(|_| KeyError::WrongOperatorKey)?;
                    KeyState::Present(Arc::new(ContentKey::new(&raw)))
                }
            },
        };
        self.cache.insert(id, state.clone());
        Ok(state)
    }

    /// The states of `ids`; `Unknown` where there is no key yet.
    fn look_up(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        let mut states: Vec<Option<KeyState>> = ids.iter().map(|id| self.cache.get(id)).collect();
        let missing: Vec<usize> = (0..ids.len()).filter(|i| states[*i].is_none()).collect();
        if !missing.is_empty() {
            let _guard = self.destroying.read();
            let wanted: Vec<&KeyId> = missing.iter().map(|i| &ids[*i]).collect();
            let slots = self.find(&wanted).map_err(unavailable)?;
            for (i, slot) in missing.into_iter().zip(slots) {
                states[i] = Some(match slot {
                    Some(slot) => self.load(&ids[i], slot)?,
                    None => KeyState::Unknown,
                });
            }
        }
        Ok(states
            .into_iter()
            .map(|state| state.expect("every one was looked up"))
            .collect())
    }

    fn make(&self, next: &mut u64, ids: &HashSet<&KeyId>) -> Result<(), KeyError> {
        self.room().map_err(unwritable)?;
        let raws: Vec<RawKey> = ids
            .iter()
            .map(|_| RawKey::generate(&*self.random))
            .collect();
        let pairs = ids.iter().zip(&raws);
        let wrapped: Vec<_> = pairs
            .clone()
            .map(|(id, raw)| self.operator.wrap(id, raw, &*self.random))
            .collect();
        // The keys are durable before the index points to them. After a crash in between, the
        // slots are used again.
        self.slots.write(*next, &wrapped).map_err(unwritable)?;
        let end = *next + ids.len() as u64;
        let places: Vec<_> = ids.iter().copied().zip(*next..).collect();
        let pointed = self.point(&places, end);
        // Also where that failed: if only the sync did, the slots are taken all the same.
        *next = end;
        pointed.map_err(unavailable)?;
        for (id, raw) in pairs {
            self.cache
                .insert(id, KeyState::Present(Arc::new(ContentKey::new(raw))));
        }
        Ok(())
    }

    fn record(&self, name: &str, value: &[u8]) -> Result<Bytes, redb::Error> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut marks = transaction.open_table(MARKS)?;
                if let Some(found) = marks.get(name)? {
                    return Ok(Bytes::copy_from_slice(found.value()));
                }
                marks.insert(name, value)?;
            }
            transaction.commit()?;
            Ok(Bytes::copy_from_slice(value))
        })
    }

    /// Notes where keys are, durably.
    fn point(&self, places: &[(&KeyId, u64)], next: u64) -> Result<(), redb::Error> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut index = transaction.open_table(INDEX)?;
                for (id, slot) in places {
                    index.insert(&id.to_bytes()[..], *slot)?;
                }
                transaction.open_table(COUNTERS)?.insert("next", next)?;
            }
            Ok(transaction.commit()?)
        })
    }
}

#[async_trait]
impl KeyStore for Embedded {
    async fn ensure(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        let next = &mut *self.next.lock();
        let states = self.look_up(ids)?;
        let unknown = |state: &KeyState| matches!(state, KeyState::Unknown);
        let missing: HashSet<&KeyId> = ids
            .iter()
            .zip(&states)
            .filter(|(_, state)| unknown(state))
            .map(|(id, _)| id)
            .collect();
        if missing.is_empty() {
            return Ok(states);
        }
        self.make(next, &missing)?;
        // Not from the cache alone: it may be smaller than what was asked for.
        self.look_up(ids)
    }

    fn cached(&self, id: &KeyId) -> Option<KeyState> {
        self.cache.get(id)
    }

    async fn get(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        self.look_up(ids)
    }

    async fn recorded(&self, name: &str, value: &[u8]) -> Result<Bytes, KeyError> {
        self.record(name, value).map_err(unavailable)
    }

    async fn destroy(&self, ids: &[KeyId]) -> Result<(), KeyError> {
        let next = self.next.lock();
        let _guard = self.destroying.write();
        let wanted: Vec<&KeyId> = ids.iter().collect();
        let found = self.find(&wanted).map_err(unavailable)?;
        let made: Vec<u64> = found
            .iter()
            .flatten()
            .copied()
            .filter(|s| *s != NEVER_MADE)
            .collect();
        let unknown: HashMap<&KeyId, u64> = ids
            .iter()
            .zip(&found)
            .filter(|(_, s)| s.is_none())
            .map(|(id, _)| (id, 0))
            .collect();
        if !made.is_empty() {
            self.slots.destroy(&made).map_err(unwritable)?;
        }
        if !unknown.is_empty() {
            self.room().map_err(unwritable)?;
            let places: Vec<_> = unknown.into_iter().collect();
            self.point(&places, *next).map_err(unavailable)?;
        }
        for id in ids {
            self.cache.insert(id, KeyState::Destroyed);
        }
        Ok(())
    }
}

fn database_path(dir: &Path) -> PathBuf {
    dir.join("keys.redb")
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(DATABASE_CACHE_BYTES);
    builder
}

/// The first unused slot and the operator key's mark; `None` in a new database.
fn stored(database: &Database) -> Result<Option<(u64, Vec<u8>)>, redb::Error> {
    let transaction = database.begin_write()?;
    let next = transaction
        .open_table(COUNTERS)?
        .get("next")?
        .map(|next| next.value());
    let mark = transaction
        .open_table(MARKS)?
        .get("operator")?
        .map(|mark| mark.value().to_vec());
    transaction.abort()?;
    Ok(next.zip(mark))
}

fn initialise(database: &Database, mark: &[u8]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(INDEX)?;
    transaction.open_table(COUNTERS)?.insert("next", 1)?;
    transaction.open_table(MARKS)?.insert("operator", mark)?;
    Ok(transaction.commit()?)
}

fn unavailable(error: impl Into<redb::Error>) -> KeyError {
    match error.into() {
        redb::Error::Io(error) => unwritable(error),
        error => KeyError::Unavailable(error.to_string()),
    }
}

fn unwritable(error: io::Error) -> KeyError {
    KeyError::Unavailable(room::explain(&error))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

fn database_error(path: &Path) -> impl Fn(redb::Error) -> OpenError {
    move |error| match error {
        redb::Error::Io(source) => OpenError::Io {
            path: path.to_owned(),
            source,
        },
        error => OpenError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}
