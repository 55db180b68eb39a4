//! Keeping an index in step with the log: opening it, following the log with it, having another one built
//! beside it, and taking that instead.
//!
//! What a change leads to is read from the projections as they are, not from the event: so following twice
//! what was followed before changes nothing, and an old copy of an index that is put back loses whatever was
//! erased since, as it follows the log from where it stands.

use std::{
    future::Future,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tidings_core::{
    commit::{self, Commit},
    keys::KeyError,
    log::{self, Lane, Position},
    node::Node,
    projections::ReadError,
};
use tidings_search::{
    messages,
    people::{self, OpenError},
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Status, place};

/// How long a change waits for others before it can be found.
const COMMIT: Duration = Duration::from_millis(500);

/// How often it is noted how far an index is when nothing in it changes.
const NOTE: Duration = Duration::from_secs(60);

/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Pause after an index could not be built.
const BUILD_RETRY: Duration = Duration::from_secs(10);

/// Why the log cannot be followed at present.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
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
pub(super) trait Index: Send + Sync + Sized + 'static {
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

    /// Writes what was touched, as it is now, in the projections. Whether there was anything.
    fn write(
        &self,
        node: &Node,
        touched: &mut Self::Touched,
        now: Instant,
    ) -> impl Future<Output = Result<bool, FollowError>>;

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

/// Keeps one index.
pub(super) struct Keeper<I: Index> {
    root: PathBuf,
    settings: I::Settings,
    current: ArcSwapOption<I>,
    /// What is being built beside it, asked by nobody.
    beside: Mutex<Option<Arc<I>>>,
    building: AtomicBool,
    wanted: AtomicBool,
    done: AtomicU64,
    /// Position of the log that what can be found goes up to.
    position: AtomicU64,
    /// How many have been put in place.
    installed: AtomicU64,
    stopping: AtomicBool,
    wake: Notify,
    ready: watch::Sender<bool>,
}

/// What is told of an index before it is asked for the first time: who is here.
pub(super) type Attend<I> = dyn Fn(&Arc<I>) + Send + Sync;

impl<I: Index> Keeper<I> {
    pub(super) fn new(data: &std::path::Path, settings: I::Settings) -> Keeper<I> {
        Keeper {
            root: data.join("search").join(I::NAME),
            settings,
            current: ArcSwapOption::empty(),
            beside: Mutex::default(),
            building: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            done: AtomicU64::new(0),
            position: AtomicU64::new(0),
            installed: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
            ready: watch::Sender::new(false),
        }
    }

    /// The one to be asked, if there is one.
    pub(super) fn current(&self) -> Option<Arc<I>> {
        self.current.load_full()
    }

    /// Does something with all there are: first with the one that is to take the other's place, at any time.
    pub(super) fn each(&self, mut act: impl FnMut(&I, bool)) {
        if let Some(beside) = &*self.beside.lock() {
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
    }

    /// Has another one built beside the present one. False if that is being done already.
    pub(super) fn rebuild(&self) -> bool {
        let begun = !self.building.load(Ordering::Relaxed);
        if begun {
            self.wanted.store(true, Ordering::Relaxed);
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
        while !self.stopping.load(Ordering::Relaxed) {
            let failed = match self.pass(node, &attend).await {
                Ok(()) => continue,
                Err(failed) => failed,
            };
            if self.stopping.load(Ordering::Relaxed) {
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
            tokio::time::sleep(RETRY).await;
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
            None => match self.open(node)? {
                Some(index) => {
                    let index = Arc::new(index);
                    index.prepare(node)?;
                    self.attend(&index, attend);
                    self.install(index.clone());
                    index
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
    fn open(&self, node: &Node) -> Result<Option<I>, FollowError> {
        let Some(folder) = place::current(&self.root) else {
            return Ok(None);
        };
        match I::open(folder, &self.settings) {
            Ok(index) if index.position().epoch == node.log.identity().epoch.into_bytes() => {
                Ok(Some(index))
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

    fn attend(&self, index: &Arc<I>, attend: &Arc<Attend<I>>) {
        *self.beside.lock() = Some(index.clone());
        attend(index);
    }

    /// Lets an index that attends be asked.
    fn install(&self, index: Arc<I>) -> Option<Arc<I>> {
        self.position
            .store(index.position().position, Ordering::Relaxed);
        let before = self.current.swap(Some(index));
        *self.beside.lock() = None;
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
        index: &I,
        attend: &Arc<Attend<I>>,
    ) -> Result<(), FollowError> {
        let epoch = node.log.identity().epoch.into_bytes();
        let mut writing = Writing::new(index, epoch, index.position().position);
        let mut tail = node
            .log
            .tail(Lane::Journal, Position(writing.position))
            .await?;
        loop {
            if self.stopping.load(Ordering::Relaxed) {
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
                () = tokio::time::sleep_until(writing.due()) => Vec::new(),
                () = self.wake.notified() => Vec::new(),
            };
            writing.follow(node, &records).await?;
            if Instant::now() >= writing.due() {
                writing.commit()?;
            }
            if !writing.dirty {
                self.position.store(writing.position, Ordering::Relaxed);
            }
        }
    }

    /// Builds an index beside the one in use, on a thread of its own.
    fn spawn_build(self: &Arc<Self>, node: &Arc<Node>, attend: &Arc<Attend<I>>) {
        if self.building.swap(true, Ordering::Relaxed) {
            return;
        }
        self.done.store(0, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        let (keeper, node, attend) = (self.clone(), node.clone(), attend.clone());
        let spawned = thread::Builder::new()
            .name(format!("{}-build", I::NAME))
            .spawn(move || {
                super::in_the_background();
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let built = runtime
                    .map_err(FollowError::Folder)
                    .and_then(|runtime| runtime.block_on(keeper.build(&node, &attend)));
                if let Err(error) = built {
                    tracing::error!(%error, "the index of {} could not be built anew, trying again", I::NAME);
                    thread::sleep(BUILD_RETRY);
                    keeper.wanted.store(true, Ordering::Relaxed);
                }
                keeper.building.store(false, Ordering::Relaxed);
                keeper.wake.notify_one();
            });
        if let Err(error) = spawned {
            self.building.store(false, Ordering::Relaxed);
            tracing::error!(%error, "no thread to build the index of {} on", I::NAME);
        }
    }

    /// Makes an index of everything as it is, and follows the log with it to where that is now. It attends.
    async fn build(&self, node: &Node, attend: &Arc<Attend<I>>) -> Result<Arc<I>, FollowError> {
        *self.beside.lock() = None;
        let folder = place::begin(&self.root)?;
        let index = Arc::new(I::make(folder, &self.settings)?);
        // What changes from here on is followed afterwards.
        let from = node.projections.cursor();
        index.prepare(node)?;
        self.attend(&index, attend);
        let filled = self.fill(node, &index, from).await;
        if filled.is_err() {
            *self.beside.lock() = None;
        }
        filled.map(|()| index)
    }

    async fn fill(&self, node: &Node, index: &I, from: u64) -> Result<(), FollowError> {
        let began = Instant::now();
        let epoch = node.log.identity().epoch.into_bytes();
        let mut writing = Writing::new(index, epoch, from);
        self.done.store(0, Ordering::Relaxed);
        index.fill(node, &self.stopping, &self.done).await?;
        if self.stopping.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        writing.dirty = true;
        writing.commit()?;
        let head = node.projections.cursor();
        let mut tail = node
            .log
            .tail(Lane::Journal, Position(writing.position))
            .await?;
        while writing.position < head && !self.stopping.load(Ordering::Relaxed) {
            let records = tail.next().await?;
            writing.follow(node, &records).await?;
        }
        writing.commit()?;
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(
            count = index.len(),
            seconds,
            "the index of {} is built",
            I::NAME
        );
        Ok(())
    }
}

/// Writes of one index that are not committed yet.
struct Writing<'a, I: Index> {
    index: &'a I,
    epoch: [u8; 16],
    position: u64,
    touched: I::Touched,
    dirty: bool,
    committed: Instant,
    /// How long the last commit took: while one takes long, they are to be rare.
    took: Duration,
}

impl<'a, I: Index> Writing<'a, I> {
    fn new(index: &'a I, epoch: [u8; 16], position: u64) -> Writing<'a, I> {
        Writing {
            index,
            epoch,
            position,
            touched: I::Touched::default(),
            dirty: false,
            committed: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// When it is to be committed, if nothing else happens.
    fn due(&self) -> Instant {
        let pause = match self.dirty {
            true => COMMIT.max(self.took * 2),
            false => NOTE,
        };
        self.committed + pause
    }

    /// Writes what records of the log, and those before them, lead to.
    async fn follow(&mut self, node: &Node, records: &[log::Record]) -> Result<(), FollowError> {
        for record in records {
            I::touched(&Commit::decode(record)?, &mut self.touched);
        }
        if let Some(last) = records.last() {
            node.projections.reached(last.position.0).await;
            self.position = last.position.0;
        }
        let index = self.index;
        let clean = !self.dirty;
        let written = index.write(node, &mut self.touched, Instant::now()).await?;
        if written && clean {
            // It waits for others from now on, not from the last commit, which may be long ago.
            let now = Instant::now();
            self.committed = self
                .committed
                .max(now.checked_sub(COMMIT / 2).unwrap_or(now));
        }
        self.dirty |= written;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), FollowError> {
        let began = Instant::now();
        if self.dirty || self.index.position().position < self.position {
            self.index.commit(self.position, self.epoch)?;
        }
        self.dirty = false;
        self.committed = Instant::now();
        self.took = self.committed - began;
        Ok(())
    }
}
