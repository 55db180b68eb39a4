//! Following the log once for all lanes of a node: what has nothing for a lane costs it nothing.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::HashSet;
use parking_lot::Mutex;
use tidings_core::{
    commit::Commit,
    log::{Lane as LogLane, Position},
};
use tokio::sync::mpsc;

use crate::{events, server::Shared};

/// Commits that wait for one lane. One that is further behind reads the log itself.
const QUEUE: usize = 4_096;

/// Where lanes hear of commits.
pub(crate) struct Hub {
    listeners: Mutex<Vec<Listener>>,
    head: AtomicU64,
}

struct Listener {
    kinds: HashSet<String>,
    queue: mpsc::Sender<Arc<Commit>>,
    lost: Arc<AtomicBool>,
}

/// A lane's end of it.
pub(crate) struct Hearing {
    /// Commits with something for it.
    pub(crate) queue: mpsc::Receiver<Arc<Commit>>,
    /// Set once it was too slow, and has missed something.
    pub(crate) lost: Arc<AtomicBool>,
    /// Position after which nothing is missed.
    pub(crate) from: u64,
}

impl Hub {
    pub(crate) fn new(head: u64) -> Hub {
        Hub {
            listeners: Mutex::default(),
            head: AtomicU64::new(head),
        }
    }

    /// Hears of commits with such events from now on.
    pub(crate) fn hear(&self, kinds: HashSet<String>) -> Hearing {
        let (sender, queue) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicBool::new(false));
        let mut listeners = self.listeners.lock();
        listeners.retain(|listener| !listener.queue.is_closed());
        listeners.push(Listener {
            kinds,
            queue: sender,
            lost: lost.clone(),
        });
        Hearing {
            queue,
            lost,
            from: self.head.load(Ordering::Acquire),
        }
    }

    /// Up to where the log was followed.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    fn tell(&self, commit: Commit) {
        let mut kinds: Vec<Cow<'static, str>> = Vec::new();
        for (_, _, event) in commit.events() {
            if let Some(kind) = events::kind(event)
                && !kinds.contains(&kind)
            {
                kinds.push(kind);
            }
        }
        let position = commit.position.0;
        let commit = Arc::new(commit);
        let mut listeners = self.listeners.lock();
        if !kinds.is_empty() {
            listeners.retain(|listener| {
                let has = kinds.iter().any(|kind| listener.kinds.contains(&**kind));
                if !has {
                    return true;
                }
                match listener.queue.try_send(commit.clone()) {
                    Ok(()) => true,
                    Err(_) => {
                        listener.lost.store(true, Ordering::Release);
                        false
                    }
                }
            });
        }
        // Under the lock: who begins to hear now has heard of nothing up to here.
        self.head.store(position, Ordering::Release);
    }
}

/// Follows the log, for ever.
pub(crate) async fn follow(shared: Arc<Shared>, hub: Arc<Hub>) {
    loop {
        let log = &shared.node.log;
        match log.tail(LogLane::Journal, Position(hub.head())).await {
            Ok(mut tail) => loop {
                match tail.next().await {
                    Ok(records) => {
                        for record in &records {
                            match Commit::decode(record) {
                                Ok(commit) => hub.tell(commit),
                                // Whoever folds it says so, and goes no further either.
                                Err(error) => {
                                    tracing::error!(%error, "extensions are told no more");
                                    return;
                                }
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the log cannot be followed for extensions, trying again");
                        break;
                    }
                }
            },
            Err(error) => {
                tracing::warn!(%error, "the log cannot be followed for extensions, trying again");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
