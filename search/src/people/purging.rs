//! Taking what was removed out of the files of an index, people's or messages'.
//!
//! A segment that was written is never changed: what is removed is marked, and its words stay until the
//! segment is merged. Here each segment that holds something removed is merged alone, that is, written anew
//! without it.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tantivy::index::SegmentId;
use tantivy::{Index, IndexWriter, TantivyError};

/// How often a segment is tried that cannot be written anew.
const ROUNDS: usize = 3;

/// How often it is looked whether a segment is written.
const LOOK: Duration = Duration::from_millis(20);

/// Writes every segment anew that holds something that was removed up to the last commit, has the new ones
/// `publish`ed, and removes the files of the old ones. The writer's lock is held for moments only: others
/// write and commit meanwhile, and may merge, too.
///
/// A merge that others began before may take a segment away and put one there that still has in it what is
/// to go. There is one merging thread, which does one after the other ([`super::opening::open`]): once the
/// merges of the first round are through, so is whatever began before them. If one of those took a segment away,
/// its own merge has failed, and the next round looks at what came in its place. Merges that began later leave
/// out by themselves what was removed before.
///
/// False if it was `stopped` before it was done.
pub(crate) fn purge(
    writer: &Mutex<IndexWriter>,
    stopped: &dyn Fn() -> bool,
    publish: impl FnOnce() -> Result<(), TantivyError>,
) -> Result<bool, TantivyError> {
    let index = writer.lock().index().clone();
    let mut anew = HashSet::new();
    let mut failed: HashMap<SegmentId, TantivyError> = HashMap::new();
    for round in 0..ROUNDS {
        let mut stale = stale(&index)?;
        stale.retain(|segment| match round {
            0 => true,
            1 => !anew.contains(segment),
            // What was removed since is another's task: else there would be no end to it.
            _ => failed.contains_key(segment),
        });
        failed.clear();
        for segment in stale {
            // The lock ends with the statement.
            let merged = writer.lock().merge(&[segment]);
            let Some(merged) = wait(merged, stopped) else {
                return Ok(false);
            };
            match merged {
                Ok(made) => anew.extend(made.map(|made| made.id())),
                Err(error) => {
                    tracing::debug!(%error, "a segment could not be written anew, trying again");
                    failed.insert(segment, error);
                }
            }
        }
        if failed.is_empty() {
            break;
        }
    }
    publish()?;
    let collected = writer.lock().garbage_collect_files();
    collected.wait()?;
    // Merged by others meanwhile is as good.
    let left = stale(&index)?;
    match failed
        .into_iter()
        .find(|(segment, _)| left.contains(segment))
    {
        Some((_, error)) => Err(error),
        None => Ok(true),
    }
}

/// What comes of a merge, unless it is stopped before. The merge goes on by itself then.
fn wait<T>(
    merge: impl Future<Output = tantivy::Result<T>>,
    stopped: &dyn Fn() -> bool,
) -> Option<tantivy::Result<T>> {
    let mut merge = pin!(merge);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if stopped() {
            return None;
        }
        match merge.as_mut().poll(&mut context) {
            Poll::Ready(merged) => return Some(merged),
            Poll::Pending => std::thread::sleep(LOOK),
        }
    }
}

/// The segments of the last commit that hold something removed.
fn stale(index: &Index) -> Result<Vec<SegmentId>, TantivyError> {
    let segments = index.searchable_segment_metas()?;
    let stale = segments
        .iter()
        .filter(|segment| segment.num_deleted_docs() > 0);
    Ok(stale.map(|segment| segment.id()).collect())
}

#[cfg(test)]
mod tests;
