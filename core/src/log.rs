//! The append-only event log: the only truth of the system.
//!
//! A log has two [`Lane`]s. Each lane is one totally ordered sequence of [`Record`]s; a record is
//! one commit, opaque to the log (see [`crate::commit`] for what is inside). Every reader, on every
//! node, sees the same records in the same order at the same [`Position`]s.
//!
//! # Contract
//!
//! What follows is what [`EventLog`] promises, on every backend. `log::conformance` examines it.
//!
//! 1. **An `Ok` from [`EventLog::append`] is durable.** In the journal the record survives a crash
//!    of the process, of the machine and of its power, as far as the backend is configured to
//!    (`docs/operating.md`); it is never lost, never doubled and never changes its position.
//! 2. **The fence.** An append names the last position of its shard. If anything else has been
//!    appended to that shard since, the append fails with [`AppendError::Conflict`] and leaves no
//!    trace. So of two writers that both believe they own a shard, at most one goes on.
//! 3. **Retrying an append is safe.** An append whose commit id is that of the shard's last record
//!    is answered with that record's position, whatever fence it names: the first try had succeeded.
//! 4. **An unclear outcome says so.** After [`AppendError::Unclear`] the record may or may not be in
//!    the log, or may yet arrive: before concluding anything, the caller reads every record of the
//!    shard after its last known position (a retry of the same append is a way of doing so). Every
//!    other error means: not appended, and never will be.
//! 5. **Positions** start at 1 and grow along the lane. They need not be dense. `0` stands for
//!    "before everything".
//! 6. **A tail misses nothing.** It yields every record after its start exactly once and in order,
//!    across whatever the backend does meanwhile. A record is yielded only once it is durable.
//! 7. **The presence lane** keeps the order and the fence but not the durability: it has an
//!    incarnation of its own, and losing it is part of its contract. When it is lost, its tails end
//!    with [`ReadError::Lost`] and its fences start over; it may also forget its oldest records.
//! 8. **Identity.** [`Identity::epoch`] names one history. It changes when a log is restored from a
//!    backup or exported into a new one, and never otherwise. The number of shards never changes.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

pub mod embedded;
pub mod jetstream;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

/// Largest payload of one record, in bytes: well below the default `max_payload` of NATS (1 MiB).
pub const MAX_RECORD_BYTES: usize = 512 * 1024;

/// A place in a lane, from 1. `Position::START` is before the first record.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before everything.
    pub const START: Position = Position(0);
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One of the log's two sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Everything that must survive.
    Journal,
    /// Session edges only: may be lost, and is then refilled by re-announcement.
    Presence,
}

/// One of the parts of a lane that are fenced separately: `0..Identity::shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

/// What a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names one history of the log.
    pub epoch: Uuid,
    /// How many shards each lane has; fixed when the log is created.
    pub shards: u16,
}

impl Identity {
    /// The shard of a stream, by a hash of its name that never changes.
    pub fn shard_of(&self, stream_hash: u64) -> Shard {
        Shard((stream_hash % u64::from(self.shards)) as u16)
    }
}

/// A commit to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub lane: Lane,
    /// Which part of it.
    pub shard: Shard,
    /// The fence: position of the shard's last record as the writer knows it.
    pub expected: Position,
    /// Names the commit for ever, so that a retry is recognised.
    pub id: Uuid,
    /// The record, at most [`MAX_RECORD_BYTES`].
    pub payload: Bytes,
}

/// A commit in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in its lane.
    pub position: Position,
    /// Its shard.
    pub shard: Shard,
    /// Its id.
    pub id: Uuid,
    /// What was appended.
    pub payload: Bytes,
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another commit stands where the writer expected to append. Fold what was missed, decide again.
    #[error("the shard has moved on to position {last}")]
    Conflict {
        /// Position of the shard's last record.
        last: Position,
    },
    /// The record may or may not have been appended. Read before concluding anything.
    #[error("the outcome of the append is unknown: {0}")]
    Unclear(String),
    /// The record exceeds [`MAX_RECORD_BYTES`]. Split it.
    #[error("the record has {len} bytes, the limit is {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// Not appended; the log cannot be written at present (disk full, no leader, no connection).
    #[error("the log cannot be written at present: {0}")]
    Unavailable(String),
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Try again: no connection, no leader.
    #[error("the log cannot be read at present: {0}")]
    Unavailable(String),
    /// A durable record is damaged or missing. Restore from a replica or a backup.
    #[error("the log is damaged at position {position}: {reason}")]
    Damaged {
        /// First position affected.
        position: Position,
        /// What is wrong.
        reason: String,
    },
    /// The presence lane was lost with its servers, and has begun a new incarnation; or this tail
    /// fell behind what the lane keeps. Forget what it told and open another tail, from the start.
    /// The journal never says this.
    #[error("records of the presence lane were lost")]
    Lost,
}

/// The log. See the [module](self) for its contract.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Epoch and number of shards.
    fn identity(&self) -> Identity;

    /// Names this life of a lane: for the journal the epoch, for the presence lane a value that
    /// changes whenever its contents were lost.
    fn incarnation(&self, lane: Lane) -> Uuid;

    /// Appends one commit. See the contract: durable, fenced, safe to retry.
    async fn append(&self, append: Append) -> Result<Position, AppendError>;

    /// Position of the last record of a shard, [`Position::START`] if it has none.
    async fn last(&self, lane: Lane, shard: Shard) -> Result<Position, ReadError>;

    /// Position of the last record of a lane, [`Position::START`] if it has none.
    async fn head(&self, lane: Lane) -> Result<Position, ReadError>;

    /// Follows a lane from the record after `after`, for ever.
    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Tail>, ReadError>;

    /// Ends appending through this handle, in order: a log on this machine notes where it ends, so that
    /// the loss of what stands last is noticed at the next opening. Tails may go on until dropped.
    fn close(&self) {}
}

/// The log as it is handed around: chosen once, by configuration.
pub type SharedLog = Arc<dyn EventLog>;

/// A reader following a lane.
#[async_trait]
pub trait Tail: Send {
    /// Waits until there is something to read, then returns the next records in order: at least
    /// one, as many as are at hand, at most a few megabytes. Cancel-safe: a dropped call loses nothing.
    async fn next(&mut self) -> Result<Vec<Record>, ReadError>;
}
