//! State folded from the log: rows and the position they are folded through, in one store.
//!
//! The rows can be deleted at any time and are rebuilt from the log ([`rebuild`]); [`audit`] folds
//! the log afresh and compares. Nothing in this module can send anything or run an extension, so
//! neither can a rebuild.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use hashbrown::HashSet;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::{
    commit::Commit,
    domain::{ConversationId, Event, ExtensionEvent, Stream, UserId},
    log::{Identity, Position, Shard},
};

pub mod audit;
pub mod fold;
pub mod read;
pub mod rebuild;
pub mod resume;
pub mod rows;
pub mod store;
pub mod unread;

pub use fold::Parked;
pub use store::{Direction, FlushError, OpenError, Snapshot, Store, Table};

/// Version of the rows and of how they are folded. A change of either is a new version, and so a rebuild.
pub const VERSION: u32 = 10;

/// Memory of rows not yet on disk above which folding waits for the flush, in bytes.
const OVERLAY_BYTES: usize = 256 << 20;

/// A row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::ReadError),
    /// A row is not what it should be: rebuild the projections.
    #[error("the projections are damaged ({0}): rebuild them")]
    Corrupt(String),
}

/// The projections of one node.
pub struct Projections {
    store: Store,
    applied: watch::Sender<u64>,
    kept: Mutex<fold::Kept>,
    /// Whether any stream is parked, readable without waiting for the projector.
    any_parked: AtomicBool,
    /// Blocks and unblocks folded since the start.
    block_changes: AtomicU64,
    /// Counts what operators changed of extensions, since the start.
    extension_changes: watch::Sender<u64>,
    /// Who is invisible.
    invisible: RwLock<HashSet<UserId>>,
    /// By shard: position of the last commit folded since the start, 0 for none.
    shards: Mutex<Vec<u64>>,
}

impl Projections {
    /// Opens the projections in `folder` (made if absent). A store of another version or epoch, or a
    /// damaged one, is an error that says so: see [`OpenError::rebuildable`].
    pub fn open(folder: &Path, identity: Identity) -> Result<Projections, OpenError> {
        let store = Store::open(folder, VERSION, identity.epoch.as_u128())?;
        let parked =
            fold::parked(&store.read()).map_err(|error| OpenError::Corrupt(error.to_string()))?;
        for parked in &parked {
            tracing::error!(stream = ?parked.stream, position = parked.position, reason = %parked.reason, "a stream is parked");
        }
        let applied = watch::Sender::new(store.cursor());
        let any_parked = AtomicBool::new(!parked.is_empty());
        let parked = parked.into_iter().map(|parked| parked.stream).collect();
        let kept = Mutex::new(fold::Kept::new(parked));
        let invisible = rows::invisible(&store.read())
            .map_err(|error| OpenError::Corrupt(error.to_string()))?;
        Ok(Projections {
            store,
            applied,
            kept,
            any_parked,
            block_changes: AtomicU64::new(0),
            extension_changes: watch::Sender::new(0),
            invisible: RwLock::new(invisible),
            shards: Mutex::default(),
        })
    }

    /// The folder of the current projections below a data folder, as `CURRENT` names it.
    pub fn folder(data: &Path) -> PathBuf {
        rebuild::current(&data.join("projections"))
    }

    /// A consistent view. It holds a lock that folding waits for: keep it short, never across an await.
    pub fn read(&self) -> Snapshot<'_> {
        self.store.read()
    }

    /// The position folded through: what readers see.
    pub fn cursor(&self) -> u64 {
        *self.applied.borrow()
    }

    /// The position that is on disk.
    pub fn flushed(&self) -> u64 {
        self.store.flushed()
    }

    /// Waits until everything up to `position` is folded.
    pub async fn reached(&self, position: u64) {
        if self.cursor() >= position {
            return;
        }
        let mut applied = self.applied.subscribe();
        // The sender is ours: it outlives the wait.
        let _ = applied.wait_for(|applied| *applied >= position).await;
    }

    /// Blocks and unblocks folded since the start: what was read of blocks holds while it stands still.
    pub fn block_changes(&self) -> u64 {
        self.block_changes.load(Ordering::Acquire)
    }

    /// Told whenever another version of an extension may act, or one was installed or removed.
    pub fn extension_changes(&self) -> watch::Receiver<u64> {
        self.extension_changes.subscribe()
    }

    /// Whether a user has chosen to be invisible.
    pub fn is_invisible(&self, user: &str) -> bool {
        self.invisible.read().contains(user)
    }

    /// Who has chosen to be invisible.
    pub(crate) fn invisible(&self) -> HashSet<UserId> {
        self.invisible.read().clone()
    }

    /// Position of the last commit of a shard that was folded since the start, 0 for none.
    pub fn last_of(&self, shard: Shard) -> Position {
        let shards = self.shards.lock();
        Position(shards.get(usize::from(shard.0)).copied().unwrap_or(0))
    }

    /// Streams set aside because an event could not be folded.
    pub fn parked(&self) -> Vec<Stream> {
        self.kept.lock().parked.iter().cloned().collect()
    }

    /// Whether a stream is set aside: its events are not folded, so it may not be decided on either.
    pub fn is_parked(&self, stream: &Stream) -> bool {
        self.any_parked.load(Ordering::Relaxed) && self.kept.lock().parked.contains(stream)
    }

    /// Folds commits, in order, and makes them visible together. Streams that had to be parked are
    /// returned, with an alarm in the log of the program.
    pub fn apply(&self, commits: &[Commit]) -> Result<Vec<Parked>, ReadError> {
        let Some(last) = commits.last() else {
            return Ok(Vec::new());
        };
        let mut tx = self.store.write();
        let mut kept = self.kept.lock();
        let mut fold = fold::Fold::new(&mut tx, &mut kept);
        if let Err(error) = commits.iter().try_for_each(|commit| fold.commit(commit)) {
            fold.abandon();
            return Err(error);
        }
        let newly = fold.finish();
        for parked in &newly {
            tracing::error!(stream = ?parked.stream, position = parked.position, reason = %parked.reason, "a stream had to be parked");
        }
        if !newly.is_empty() {
            self.any_parked.store(true, Ordering::Relaxed);
        }
        let Position(cursor) = last.position;
        let blocks = commits
            .iter()
            .flat_map(Commit::events)
            .filter(|(_, _, event)| {
                matches!(
                    event,
                    Event::UserBlocked { .. } | Event::UserUnblocked { .. }
                )
            });
        let blocks = blocks.count() as u64;
        // Before the rows say so: whoever reads them finds nobody whom they should not see.
        for (_, batch, event) in commits.iter().flat_map(Commit::events) {
            if let (Stream::User(user), Event::VisibilityChanged { invisible }) =
                (&batch.stream, event)
            {
                match invisible {
                    true => self.invisible.write().insert(user.clone()),
                    false => self.invisible.write().remove(user),
                };
            }
        }
        tx.commit(cursor);
        {
            let mut shards = self.shards.lock();
            for commit in commits {
                let shard = usize::from(commit.shard.0);
                if shards.len() <= shard {
                    shards.resize(shard + 1, 0);
                }
                shards[shard] = commit.position.0;
            }
        }
        self.block_changes.fetch_add(blocks, Ordering::Release);
        self.applied.send_replace(cursor);
        let changed = commits.iter().flat_map(Commit::events).any(|(_, _, event)| {
            matches!(event, Event::Extension(event) if !matches!(event, ExtensionEvent::Reacted(_) | ExtensionEvent::Answered(_)))
        });
        if changed {
            self.extension_changes.send_modify(|changes| *changes += 1);
        }
        Ok(newly)
    }

    /// Writes what is folded to disk, rows and position together. Blocking.
    pub fn flush(&self) -> Result<bool, FlushError> {
        self.store.flush()
    }

    /// Whether so much is folded and not on disk that folding should wait.
    pub fn is_behind_on_disk(&self) -> bool {
        self.store.overlay_bytes() > OVERLAY_BYTES
    }

    /// How many countable messages of a user come after a countable seq, if that is remembered. For the
    /// projector's thread, where nothing is folded meanwhile.
    pub fn own_after(&self, id: ConversationId, user: &UserId, read: u64) -> Option<u64> {
        self.kept.lock().own_after(id, user, read)
    }

    /// The store, for audits.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

#[cfg(test)]
mod tests;
