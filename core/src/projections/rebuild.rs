//! Blue and green: rows of another version, or that are wrong, are rebuilt beside the present ones
//! and then take their place.
//!
//! `DATA/projections/` holds one folder for each build and a file `CURRENT` naming the one in use.
//! A build that was not finished is not named there, so it is removed at the next start. A build
//! can be made while a server runs on the present one; the server takes it at its next start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{FlushError, OpenError, Projections, ReadError};
use crate::{
    commit::{self, Commit},
    log::{self, EventLog, Identity, Lane, Position},
};

/// Records folded in one transaction.
const BATCH: usize = 4_096;

/// Why a rebuild failed. The present rows stay in use.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] log::ReadError),
    /// A commit could not be read.
    #[error(transparent)]
    Commit(#[from] commit::DecodeError),
    /// The new rows could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new rows could not be written.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// The new store could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder could not be changed.
    #[error("cannot change the folder of the projections: {0}")]
    Io(#[from] io::Error),
}

/// The folder of the build in use below `root`.
pub fn current(root: &Path) -> PathBuf {
    let name = fs::read_to_string(root.join("CURRENT")).ok();
    root.join(name.as_deref().map_or("build-1", str::trim))
}

/// Takes the folder of all builds while one is chosen and opened, or put in another's place: without
/// it one process could remove what another is about to open.
fn lock(root: &Path) -> io::Result<fs::File> {
    let lock = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(root.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Opens the build in use below `root`, and removes what is left of others.
pub fn open(root: &Path, identity: Identity) -> Result<Projections, OpenError> {
    let _lock = lock(root).map_err(OpenError::Io)?;
    tidy(root).map_err(OpenError::Io)?;
    Projections::open(&current(root), identity)
}

/// Begins another build, of a number that no build has, and says in which folder. While it is open
/// nobody takes it for one that was not finished.
pub fn begin(root: &Path, identity: Identity) -> Result<(PathBuf, Projections), OpenError> {
    let _lock = lock(root).map_err(OpenError::Io)?;
    let next = next(root).map_err(OpenError::Io)?;
    let green = Projections::open(&next, identity)?;
    Ok((next, green))
}

fn next(root: &Path) -> io::Result<PathBuf> {
    let mut last = number(&current(root));
    for entry in fs::read_dir(root)? {
        last = last.max(number(&entry?.path()));
    }
    Ok(root.join(format!("build-{}", last + 1)))
}

fn number(build: &Path) -> u64 {
    let name = build.file_name().map(|name| name.to_string_lossy());
    name.and_then(|name| name.strip_prefix("build-")?.parse().ok())
        .unwrap_or(0)
}

/// Makes `build` the one in use from the next start on, durably, and removes all others.
pub fn switch(root: &Path, build: &Path) -> io::Result<()> {
    let _lock = lock(root)?;
    let name = build
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let next = root.join("CURRENT.new");
    fs::write(&next, &name)?;
    fs::File::open(&next)?.sync_all()?;
    fs::rename(&next, root.join("CURRENT"))?;
    fs::File::open(root)?.sync_all()?;
    tidy(root)
}

/// Removes builds that are not in use: neither named as such nor open in any process. A server goes
/// on with the build it has opened while another takes its place.
fn tidy(root: &Path) -> io::Result<()> {
    let current = current(root);
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let build = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("build-"));
        if build && path != current && !super::store::is_open(&path) {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Folds the log from where `projections` stand up to `head`. `progress` is told the position after
/// each transaction, together with the number of events folded in it.
pub async fn fold(
    log: &dyn EventLog,
    projections: &Projections,
    head: Position,
    progress: &mut dyn FnMut(Position, usize),
) -> Result<(), RebuildError> {
    if projections.cursor() >= head.0 {
        return Ok(());
    }
    let mut tail = log
        .tail(Lane::Journal, Position(projections.cursor()))
        .await?;
    while projections.cursor() < head.0 {
        let records = tail.next().await?;
        for records in records.chunks(BATCH) {
            let commits = records
                .iter()
                .map(Commit::decode)
                .collect::<Result<Vec<_>, _>>()?;
            let events = commits
                .iter()
                .flat_map(|commit| &commit.batches)
                .map(|batch| batch.events.len())
                .sum();
            projections.apply(&commits)?;
            if projections.is_behind_on_disk() {
                projections.flush()?;
            }
            progress(Position(projections.cursor()), events);
        }
    }
    projections.flush()?;
    Ok(())
}
