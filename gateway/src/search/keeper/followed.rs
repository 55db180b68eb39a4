//! What follows the log: an index, as its keeper sees it.

use std::{
    future::Future,
    io,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64},
};

use tidings_core::{
    commit::{self, Commit},
    keys::KeyError,
    log,
    node::Node,
    projections::ReadError,
};
use tidings_search::{
    messages,
    people::{self, OpenError},
};
use tokio::time::Instant;

/// Why the log cannot be followed at present.
#[derive(Debug, thiserror::Error)]
pub(in crate::search) enum FollowError {
    #[error(transparent)]
    Log(#[from] log::ReadError),
    #[error(transparent)]
    Commit(#[from] commit::DecodeError),
    #[error(transparent)]
    Rows(#[from] ReadError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    People(#[from] people::WriteError),
    #[error(transparent)]
    Messages(#[from] messages::WriteError),
    #[error(transparent)]
    Search(#[from] messages::SearchError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the folder of the index: {0}")]
    Folder(#[from] io::Error),
}

/// An index that follows the log.
pub(in crate::search) trait Index: Send + Sync + Sized + 'static {
    /// What it is called in the server's log and in folders.
    const NAME: &'static str;

    /// What it is opened with.
    type Settings: Send + Sync + 'static;

    /// What commits touch that is to be written.
    type Touched: Default + Send;

    /// Opens the one in a folder, as it was made.
    fn open(folder: PathBuf, settings: &Self::Settings) -> Result<Self, OpenError>;

    /// Makes an empty one in a folder.
    fn make(folder: PathBuf, settings: &Self::Settings) -> Result<Self, OpenError>;

    /// Where it lies.
    fn folder(&self) -> &PathBuf;

    /// Whether it was made for other settings, so that another one is to be built.
    fn is_outdated(&self, settings: &Self::Settings) -> bool;

    /// How many there are in it.
    fn len(&self) -> u64;

    /// What its last commit holds.
    fn position(&self) -> people::Position;

    /// Makes what was written findable and durable.
    fn commit(&self, position: u64, epoch: [u8; 16]) -> Result<(), FollowError>;

    /// Goes back to the last commit.
    fn rollback(&self) -> Result<(), FollowError>;

    /// Notes what a commit touches.
    fn touched(commit: &Commit, touched: &mut Self::Touched);

    /// Whether something touched may wait for a later turn, so that it would be lost with this process if
    /// its position counted as held.
    fn waits(_: &Self::Touched) -> bool {
        false
    }

    /// Writes what was touched, as it is now, in the projections. Whether there was anything.
    fn write(
        &self,
        node: &Node,
        touched: &mut Self::Touched,
        now: Instant,
        stopping: &AtomicBool,
    ) -> impl Future<Output = Result<Written, FollowError>>;

    /// Takes what was removed out of the files, as of the last commit. May take minutes. False if it was
    /// `stopped` before it was done.
    fn purge(&self, stopped: &dyn Fn() -> bool) -> Result<bool, FollowError>;

    /// Before it is first asked, and before anything is followed with it: what it keeps in memory.
    fn prepare(&self, node: &Node) -> Result<(), FollowError>;

    /// Writes everything that there is. `done` tells how many there are so far.
    fn fill(
        &self,
        node: &Node,
        stopping: &AtomicBool,
        done: &AtomicU64,
    ) -> impl Future<Output = Result<(), FollowError>>;
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::search) struct Written {
    /// There was something.
    pub(in crate::search) any: bool,
    /// Somebody was erased: their words are to go from the files, too.
    pub(in crate::search) erased: bool,
}

/// That it was stopped in the middle of something that is not to count as done.
pub(in crate::search) fn stopped() -> FollowError {
    io::Error::from(io::ErrorKind::Interrupted).into()
}
