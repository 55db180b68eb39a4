//! The thread that merges small runs into large sorted files, so that reads look into few of them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lsm_tree::compaction::Leveled;
use lsm_tree::{AbstractTree, AnyTree, SequenceNumberCounter};
use parking_lot::{Condvar, Mutex};

use super::disk::Disk;

/// Runs that may wait to be merged before a flush waits for the merging: each is one more place to
/// look in a read.
const RUNS_BEHIND: usize = 16;

/// Runs that are merged at a time, and the size of a file in bytes. A run spans the whole key
/// space, so merging some rewrites all of the first level, which holds the product of the two:
/// many runs and small files keep low what a message costs over its life.
const MERGE_RUNS: u8 = 8;
const FILE_BYTES: u64 = 4 << 20;

/// Each level is this many times the one above.
const LEVEL_RATIO: f32 = 10.0;

/// The merging thread; ends, after the merge it is at, when this is dropped.
pub(super) struct Tidy {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    tree: AnyTree,
    runs: SequenceNumberCounter,
    path: PathBuf,
    state: Mutex<State>,
    /// Signals work or the end to the thread.
    wake: Condvar,
    /// Signals progress to a waiting flush.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    work: bool,
    stop: bool,
    /// The last attempt failed: a flush does not wait for what may never come.
    failed: bool,
}

impl Tidy {
    /// Starts the thread; it looks once at what an earlier process left to do.
    pub(super) fn start(disk: &Disk) -> io::Result<Tidy> {
        let (tree, runs) = disk.tree();
        let state = Mutex::new(State {
            work: true,
            ..State::default()
        });
        let shared = Arc::new(Shared {
            tree,
            runs,
            path: disk.path().to_owned(),
            state,
            wake: Condvar::new(),
            progress: Condvar::new(),
        });
        let thread = thread::Builder::new().name("store-tidy".into()).spawn({
            let shared = shared.clone();
            move || shared.run()
        })?;
        Ok(Tidy {
            shared,
            thread: Some(thread),
        })
    }

    /// Says that there is a new run.
    pub(super) fn wake(&self) {
        self.shared.state.lock().work = true;
        self.shared.wake.notify_one();
    }

    /// Waits while too many runs are not merged yet.
    pub(super) fn wait_until_keeping_up(&self) {
        let mut state = self.shared.state.lock();
        while self.shared.tree.l0_run_count() >= RUNS_BEHIND && !state.failed && !self.has_ended() {
            // The time limit is for a thread that ended without a word.
            self.shared
                .progress
                .wait_for(&mut state, Duration::from_millis(100));
        }
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("merging the projection store's files ended in a panic");
        }
    }
}

impl Shared {
    fn run(&self) {
        let strategy = Arc::new(
            Leveled::default()
                .with_l0_threshold(MERGE_RUNS)
                .with_table_target_size(FILE_BYTES)
                .with_level_ratio_policy(vec![LEVEL_RATIO]),
        );
        while self.wait_for_work() {
            // One step at a time, so that the end of the store waits for one step at most.
            loop {
                let before = self.tree.current_version().id();
                // Views never look at an older version of a row, so merging may drop every one but
                // the newest.
                let merged = Disk::room_to_merge(&self.path, &self.tree)
                    .map_err(lsm_tree::Error::from)
                    .and_then(|()| self.tree.compact(strategy.clone(), self.runs.get()));
                if let Err(error) = &merged
                    && !self.state.lock().failed
                {
                    tracing::error!(%error, "merging the projection store's files failed, reads get slower");
                }
                let mut state = self.state.lock();
                state.failed = merged.is_err();
                self.progress.notify_all();
                if state.failed || state.stop || self.tree.current_version().id() == before {
                    break;
                }
            }
        }
    }

    /// False when the store is closing.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        while !state.work && !state.stop {
            self.wake.wait(&mut state);
        }
        state.work = false;
        !state.stop
    }
}
