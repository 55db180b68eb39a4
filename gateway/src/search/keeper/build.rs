//! What is done beside following the log, on threads of its own: building another index, and taking words
//! out of the files of the present one.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use tidings_core::{
    log::{Lane, Position},
    node::Node,
};
use tokio::time::Instant;

use super::{
    Attend, Keeper,
    followed::{FollowError, Index, stopped},
    writing::Writing,
};
use crate::search::{in_the_background, place};

/// Pause after an index could not be built.
const BUILD_RETRY: Duration = Duration::from_secs(10);

impl<I: Index> Keeper<I> {
    /// Builds an index beside the one in use, on a thread of its own.
    pub(super) fn spawn_build(self: &Arc<Self>, node: &Arc<Node>, attend: &Arc<Attend<I>>) {
        if self.building.swap(true, Ordering::Relaxed) {
            return;
        }
        self.done.store(0, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        let (keeper, node, attend) = (self.clone(), node.clone(), attend.clone());
        let ended = self.clone();
        let build = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(keeper.build_beside(&node, &attend)),
                Err(error) => {
                    tracing::error!(%error, "no runtime to build the index of {} in", I::NAME);
                }
            }
        };
        self.spawn("build", build, move |done| {
            if !done {
                // What is half built is not to be taken for built.
                *ended.beside.lock() = None;
            }
            ended.building.store(false, Ordering::Relaxed);
            ended.wake.notify_one();
        });
    }

    async fn build_beside(&self, node: &Node, attend: &Arc<Attend<I>>) {
        let Err(error) = self.build(node, attend).await else {
            return;
        };
        if self.is_stopping() {
            return;
        }
        tracing::error!(%error, "the index of {} could not be built anew, trying again", I::NAME);
        self.pause(BUILD_RETRY).await;
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Commits that somebody was erased, and has their words taken out of the files.
    pub(super) fn erase(
        self: &Arc<Self>,
        writing: &mut Writing<'_, I>,
        index: &I,
    ) -> Result<(), FollowError> {
        let mut purge = self.purge.lock();
        // Also if this process ends before it is done. Whoever is at it now does not take this for done: it is
        // locked until that is known.
        place::wants_purge(index.folder())?;
        writing.commit()?;
        writing.erased = false;
        purge.wanted = true;
        drop(purge);
        self.spawn_purge();
        Ok(())
    }

    /// Takes what was removed out of the files of the index in use on a thread of its own, if that is wanted: it is
    /// written meanwhile.
    pub(super) fn spawn_purge(self: &Arc<Self>) {
        let mut purge = self.purge.lock();
        if !purge.wanted || purge.running || self.is_stopping() {
            return;
        }
        purge.running = true;
        drop(purge);
        let (keeper, ended) = (self.clone(), self.clone());
        self.spawn(
            "purge",
            move || while keeper.purge_once() {},
            move |done| {
                ended.purge.lock().running = false;
                if done {
                    // It may have been wanted since this was looked at last.
                    ended.spawn_purge();
                }
            },
        );
    }

    /// False if there is nothing to do.
    fn purge_once(&self) -> bool {
        let wanted = std::mem::take(&mut self.purge.lock().wanted);
        let Some(index) = self.current().filter(|_| wanted && !self.is_stopping()) else {
            return false;
        };
        let is_current = || {
            let current = self.current();
            current.is_some_and(|current| Arc::ptr_eq(&current, &index))
        };
        let purged = index.purge(&|| self.is_stopping() || !is_current());
        let purge = self.purge.lock();
        let purged = match purged {
            // What was erased since is still to be done.
            Ok(true) if !purge.wanted => {
                place::is_purged(index.folder()).map_err(FollowError::from)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        drop(purge);
        if let Err(error) = purged
            && is_current()
        {
            tracing::error!(
                %error,
                "words of who was erased stay in files of the index of {} until somebody is erased next, or a start",
                I::NAME
            );
        }
        true
    }

    /// Does something in the background, and then tells whether it was done, or ended in a panic or could not even
    /// begin. The thread is waited for at the end.
    fn spawn(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
        ended: impl FnOnce(bool) + Send + Clone + 'static,
    ) {
        let thread = thread::Builder::new().name(format!("{}-{name}", I::NAME));
        let end = ended.clone();
        let spawned = thread.spawn(move || {
            in_the_background();
            let worked = panic::catch_unwind(AssertUnwindSafe(work));
            if worked.is_err() {
                tracing::error!("a thread of the index of {} ended in a panic", I::NAME);
            }
            end(worked.is_ok());
        });
        match spawned {
            Ok(thread) => {
                let mut threads = self.threads.lock();
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            Err(error) => {
                tracing::error!(%error, "no thread to {name} the index of {} on", I::NAME);
                ended(false);
            }
        }
    }

    /// Makes an index of everything as it is, and follows the log with it to where that is now. It attends.
    pub(super) async fn build(
        &self,
        node: &Node,
        attend: &Arc<Attend<I>>,
    ) -> Result<Arc<I>, FollowError> {
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

    fn go_on(&self) -> Result<(), FollowError> {
        if self.is_stopping() {
            return Err(stopped());
        }
        Ok(())
    }

    async fn fill(&self, node: &Node, index: &I, from: u64) -> Result<(), FollowError> {
        let began = Instant::now();
        let epoch = node.log.identity().epoch.into_bytes();
        let mut writing = Writing::new(index, epoch, from, &self.stopping);
        self.done.store(0, Ordering::Relaxed);
        index.fill(node, &self.stopping, &self.done).await?;
        self.go_on()?;
        writing.dirty = true;
        writing.commit()?;
        let head = node.projections.cursor();
        let mut tail = node
            .log
            .tail(Lane::Journal, Position(writing.position))
            .await?;
        while writing.position < head {
            self.go_on()?;
            let records = tail.next().await?;
            writing.follow(node, &records).await?;
        }
        writing.commit()?;
        if writing.erased {
            place::wants_purge(index.folder())?;
            let stopped = || self.is_stopping();
            if index.purge(&stopped)? {
                place::is_purged(index.folder())?;
            }
        }
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
