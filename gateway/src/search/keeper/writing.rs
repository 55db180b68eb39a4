//! Following the log with one index: what is written and not committed yet.

use std::{sync::atomic::AtomicBool, time::Duration};

use tidings_core::{commit::Commit, log, node::Node};
use tokio::time::Instant;

use super::followed::{FollowError, Index, Written};

/// How long a change waits for others before it can be found.
const COMMIT: Duration = Duration::from_millis(500);

/// How often it is noted how far an index is when nothing in it changes.
const NOTE: Duration = Duration::from_secs(60);

/// Writes of one index that are not committed yet.
pub(super) struct Writing<'a, I: Index> {
    index: &'a I,
    epoch: [u8; 16],
    /// How far it has been followed.
    pub(super) position: u64,
    /// The last position before anything that waits.
    held: u64,
    touched: I::Touched,
    /// Whether there is anything.
    pub(super) dirty: bool,
    /// Somebody was erased, and it is not committed yet.
    pub(super) erased: bool,
    stopping: &'a AtomicBool,
    committed: Instant,
    /// How long the last commit took: while one takes long, they are to be rare.
    took: Duration,
}

impl<'a, I: Index> Writing<'a, I> {
    pub(super) fn new(
        index: &'a I,
        epoch: [u8; 16],
        position: u64,
        stopping: &'a AtomicBool,
    ) -> Writing<'a, I> {
        Writing {
            index,
            epoch,
            position,
            held: position,
            touched: I::Touched::default(),
            dirty: false,
            erased: false,
            stopping,
            committed: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// When it is to be committed, if nothing else happens.
    pub(super) fn due(&self) -> Instant {
        let pause = match self.dirty {
            true => COMMIT.max(self.took * 2),
            false => NOTE,
        };
        self.committed + pause
    }

    /// When it is to be looked at again though nothing is recorded: soon, where something was touched that waits to be written.
    pub(super) fn looks(&self) -> Instant {
        match I::waits(&self.touched) {
            true => self.due().min(Instant::now() + COMMIT),
            false => self.due(),
        }
    }

    /// Writes what records of the log, and those before them, lead to.
    pub(super) async fn follow(
        &mut self,
        node: &Node,
        records: &[log::Record],
    ) -> Result<(), FollowError> {
        for record in records {
            I::touched(&Commit::decode(record)?, &mut self.touched);
        }
        if let Some(last) = records.last() {
            node.projections.reached(last.position.0).await;
            self.position = last.position.0;
        }
        let (index, now) = (self.index, Instant::now());
        let clean = !self.dirty;
        let written = index.write(node, &mut self.touched, now, self.stopping);
        let Written { any, erased } = written.await?;
        if !I::waits(&self.touched) {
            self.held = self.position;
        }
        if any && clean {
            // It waits for others from now on, not from the last commit, which may be long ago.
            let now = Instant::now();
            self.committed = self
                .committed
                .max(now.checked_sub(COMMIT / 2).unwrap_or(now));
        }
        self.dirty |= any;
        self.erased |= erased;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), FollowError> {
        let began = Instant::now();
        if self.dirty || self.index.position().position < self.held {
            self.index.commit(self.held, self.epoch)?;
        }
        self.dirty = false;
        self.committed = Instant::now();
        self.took = self.committed - began;
        Ok(())
    }
}
