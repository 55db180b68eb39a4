//! Keeping an index in step with the log: opening it, following the log with it, having another one built
//! beside it, and taking that instead.
//!
//! What a change leads to is read from the projections as they are, not from the event: so following twice
//! what was followed before changes nothing, and an old copy of an index that is put back loses whatever was
//! erased since, as it follows the log from where it stands.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tidings_core::{
    log::{Lane, Position},
    node::Node,
};
use tidings_search::people::OpenError;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Status, place};

mod build;
mod followed;
mod writing;

pub(super) use followed::{FollowError, Index, Written, stopped};
use writing::Writing;

/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps one index.
pub(super) struct Keeper<I: Index> {
    root: PathBuf,
    settings: I::Settings,
    current: ArcSwapOption<I>,
    /// What is being built beside it, asked by nobody.
    beside: Mutex<Option<Arc<I>>>,
    building: AtomicBool,
    wanted: AtomicBool,
    /// Locked while it is noted in the folder whether words are to be taken out of the files.
    purge: Mutex<Purge>,
    done: AtomicU64,
    /// Position of the log that what can be found goes up to.
    position: AtomicU64,
    /// How many have been put in place.
    installed: AtomicU64,
    stopping: AtomicBool,
    /// Build and purge beside, to be waited for at the end.
    threads: Mutex<Vec<JoinHandle<()>>>,
    wake: Notify,
    stop: Notify,
    ready: watch::Sender<bool>,
}

/// Taking words of who was erased out of the files of the index in use.
#[derive(Default)]
struct Purge {
    wanted: bool,
    running: bool,
}

/// What is told of an index before it is asked for the first time: who is here.
pub(super) type Attend<I> = dyn Fn(&Arc<I>) + Send + Sync;

impl<I: Index> Keeper<I> {
    pub(super) fn new(data: &Path, settings: I::Settings) -> Keeper<I> {
        Keeper {
            root: data.join("search").join(I::NAME),
            settings,
            current: ArcSwapOption::empty(),
            beside: Mutex::default(),
            building: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            purge: Mutex::default(),
            done: AtomicU64::new(0),
            position: AtomicU64::new(0),
            installed: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            threads: Mutex::default(),
            wake: Notify::new(),
            stop: Notify::new(),
            ready: watch::Sender::new(false),
        }
    }

    /// Removes what there is of it in `data`: it is not to be kept any more.
    pub(super) fn forget(data: &Path) -> io::Result<()> {
        let root = data.join("search").join(I::NAME);
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(()) => {
                tracing::info!("the index of {} is removed: it is not wanted", I::NAME);
                Ok(())
            }
            failed => failed,
        }
    }

    /// The one to be asked, if there is one.
    pub(super) fn current(&self) -> Option<Arc<I>> {
        self.current.load_full()
    }

    /// Does something with all there are: first with the one that is to take the other's place, at any time.
    /// None takes the other's place meanwhile.
    pub(super) fn each(&self, mut act: impl FnMut(&I, bool)) {
        let beside = self.beside.lock();
        if let Some(beside) = &*beside {
            act(beside, false);
        }
        if let Some(current) = &*self.current.load() {
            act(current, true);
        }
    }

    pub(super) async fn is_ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender is ours: it outlives the wait.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        self.stop.notify_waiters();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits, unless it is stopped meanwhile.
    async fn pause(&self, time: Duration) {
        let stopped = self.stop.notified();
        if !self.is_stopping() {
            let _ = tokio::time::timeout(time, stopped).await;
        }
    }

    /// Has another one built beside the present one. False if that is being done already.
    pub(super) fn rebuild(&self) -> bool {
        let begun =
            !self.building.load(Ordering::Relaxed) && !self.wanted.swap(true, Ordering::Relaxed);
        if begun {
            self.wake.notify_one();
        }
        begun
    }

    pub(super) fn status(&self) -> Status {
        let current = self.current.load();
        let building = self.building.load(Ordering::Relaxed) || self.wanted.load(Ordering::Relaxed);
        Status {
            ready: current.is_some(),
            position: self.position.load(Ordering::Relaxed),
            count: current.as_ref().map_or(0, |index| index.len()),
            building: building.then(|| self.done.load(Ordering::Relaxed)),
            installed: self.installed.load(Ordering::Relaxed),
        }
    }

    /// Follows until it is stopped.
    pub(super) async fn run(self: &Arc<Self>, node: &Arc<Node>, attend: Arc<Attend<I>>) {
        if let Err(error) = place::sweep(&self.root) {
            tracing::warn!(%error, "an unfinished index of {} could not be removed", I::NAME);
        }
        self.follow_on(node, &attend).await;
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the index of {} ended in a panic", I::NAME);
            }
        }
    }

    async fn follow_on(self: &Arc<Self>, node: &Arc<Node>, attend: &Arc<Attend<I>>) {
        while !self.is_stopping() {
            let failed = match self.pass(node, attend).await {
                Ok(()) => continue,
                Err(failed) => failed,
            };
            if self.is_stopping() {
                return;
            }
            tracing::error!(error = %failed, "the index of {} cannot follow the log, trying again", I::NAME);
            if let Some(current) = self.current()
                && let Err(error) = current.rollback()
            {
                tracing::error!(%error, "the index of {} cannot be gone back to what it held", I::NAME);
                // It is opened again.
                drop(current);
                self.current.store(None);
            }
            self.pause(RETRY).await;
        }
    }

    /// Opens what there is, has built what there should be, and follows the log with it until something else
    /// takes its place.
    async fn pass(
        self: &Arc<Self>,
        node: &Arc<Node>,
        attend: &Arc<Attend<I>>,
    ) -> Result<(), FollowError> {
        let index = match self.current() {
            Some(index) => index,
            None => match self.open(node).await? {
                Some(index) => {
                    let index = Arc::new(index);
                    index.prepare(node)?;
                    self.attend(&index, attend);
                    self.install(index.clone());
                    index
                }
                None if self.building.load(Ordering::Relaxed) => {
                    // What is being built beside is put in place by whoever follows: soon there is one.
                    return self.take_built().await;
                }
                None => {
                    self.building.store(true, Ordering::Relaxed);
                    let built = self.build(node, attend).await;
                    self.building.store(false, Ordering::Relaxed);
                    let index = built?;
                    self.take(index.clone())?;
                    index
                }
            },
        };
        if index.is_outdated(&self.settings) && !self.building.load(Ordering::Relaxed) {
            tracing::info!(
                "something else is declared now: the index of {} is built anew beside",
                I::NAME
            );
            self.wanted.store(true, Ordering::Relaxed);
        }
        self.follow(node, &index, attend).await
    }

    /// The index in use, if there is one that is of this log and can be read.
    async fn open(&self, node: &Node) -> Result<Option<I>, FollowError> {
        let Some(folder) = place::current(&self.root) else {
            return Ok(None);
        };
        match I::open(folder, &self.settings) {
            Ok(index) if index.position().epoch == node.log.identity().epoch.into_bytes() => {
                // An older log was put in the place of one that the index has seen.
                let Position(head) = node.log.head(Lane::Journal).await?;
                if index.position().position <= head {
                    return Ok(Some(index));
                }
                tracing::warn!(
                    holds = index.position().position,
                    head,
                    "the index of {} holds more than the log: it is built anew",
                    I::NAME
                );
                Ok(None)
            }
            Ok(_) => {
                tracing::warn!(
                    "the index of {} is of another log: it is built anew",
                    I::NAME
                );
                Ok(None)
            }
            Err(OpenError::Locked) => Err(OpenError::Locked.into()),
            Err(error) => {
                tracing::warn!(%error, "the index of {} is built anew", I::NAME);
                Ok(None)
            }
        }
    }

    /// Waits for what is being built beside while there is no other, and takes it.
    async fn take_built(&self) -> Result<(), FollowError> {
        while self.building.load(Ordering::Relaxed) && !self.is_stopping() {
            self.pause(RETRY).await;
        }
        let built = self.beside.lock().clone();
        match built {
            Some(built) if !self.is_stopping() => self.take(built),
            _ => Ok(()),
        }
    }

    fn attend(&self, index: &Arc<I>, attend: &Arc<Attend<I>>) {
        *self.beside.lock() = Some(index.clone());
        attend(index);
    }

    /// Lets an index that attends be asked.
    fn install(&self, index: Arc<I>) -> Option<Arc<I>> {
        self.position
            .store(index.position().position, Ordering::Relaxed);
        let mut beside = self.beside.lock();
        let before = self.current.swap(Some(index));
        *beside = None;
        drop(beside);
        self.installed.fetch_add(1, Ordering::Relaxed);
        self.ready.send_replace(true);
        before
    }

    /// Lets a new index take the place of the one in use, also after a restart.
    fn take(&self, index: Arc<I>) -> Result<(), FollowError> {
        place::switch(&self.root, index.folder())?;
        if let Some(before) = self.install(index) {
            place::discard(before.folder());
        }
        Ok(())
    }

    async fn follow(
        self: &Arc<Self>,
        node: &Arc<Node>,
        index: &Arc<I>,
        attend: &Arc<Attend<I>>,
    ) -> Result<(), FollowError> {
        let epoch = node.log.identity().epoch.into_bytes();
        let mut writing = Writing::new(&**index, epoch, index.position().position, &self.stopping);
        let mut tail = node
            .log
            .tail(Lane::Journal, Position(writing.position))
            .await?;
        if place::is_to_be_purged(index.folder()) {
            self.purge.lock().wanted = true;
            self.spawn_purge();
        }
        loop {
            if self.is_stopping() {
                return writing.commit();
            }
            let built = self.beside.lock().clone();
            if let Some(built) = built
                && !self.building.load(Ordering::Relaxed)
            {
                return self.take(built);
            }
            // After that: what is built by now is not to be thrown away for another.
            if self.wanted.load(Ordering::Relaxed) {
                self.spawn_build(node, attend);
            }
            let records = tokio::select! {
                records = tail.next() => records?,
                () = tokio::time::sleep_until(writing.looks()) => Vec::new(),
                () = self.wake.notified() => Vec::new(),
            };
            writing.follow(node, &records).await?;
            if writing.erased {
                self.erase(&mut writing, index)?;
            } else if Instant::now() >= writing.due() {
                writing.commit()?;
            }
            if !writing.dirty {
                self.position.store(writing.position, Ordering::Relaxed);
            }
        }
    }
}
