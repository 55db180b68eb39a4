//! Telling extensions of what was recorded, and recording what they want.
//!
//! Each extension has a lane: a place in the log up to which everything was told, and a stream of its own in which stands what came
//! of it. What comes of a few events is recorded together with the new place, at a revision that only one node can be first to; so
//! whatever is killed when, each event has its effect once. The node that writes an extension's stream tells it.
//!
//! Nothing here is reached from a rebuild: rows are folded from what was recorded, and calling is done by nobody but a lane.

mod batch;
mod hub;
mod lane;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tidings_core::{
    domain::{ExtensionId, UserId},
    node::Node,
    presence::record::State,
    projections::rows::extensions as rows,
};
use tidings_extension_host::Hook;
use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, JoinSet},
};

pub(crate) use batch::{Batched, CommitError, Source, intent_id, react};
pub(crate) use hub::Hub;
pub(crate) use lane::commit_at;

use crate::{invoke::Calls, recall, server::Shared};

/// Whoever has come or gone since a presence watcher was told.
#[derive(Default)]
pub(crate) struct Transitions {
    /// How users were when it was told of them last.
    pub(crate) were: Mutex<HashMap<UserId, State>>,
    pub(crate) latest: Mutex<HashMap<UserId, (State, u64)>>,
    pub(crate) news: Notify,
}

impl Transitions {
    /// It could not be told of this, unless there is something newer by now.
    pub(crate) fn put_back(&self, user: UserId, latest: (State, u64)) {
        self.latest.lock().entry(user).or_insert(latest);
    }
}

/// What is known of a lane, for who looks on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Position of the log up to which everything was told.
    pub(crate) told: AtomicU64,
    /// Whether this node tells it.
    pub(crate) here: AtomicBool,
    /// Something of it was recorded on this node beside the lane.
    pub(crate) touched: Notify,
    /// How often it was asked for that this node carries out what it wants done, since it began to.
    pub(crate) sends: AtomicUsize,
    /// Calls that the lane records together, halved: as often as others were before it.
    pub(crate) halved: AtomicU32,
}

/// All lanes of a node.
pub(crate) struct Lanes {
    changes: watch::Sender<u64>,
    stopping: AtomicBool,
    /// One thing at a time is recorded of an extension from this node.
    turns: Mutex<HashMap<ExtensionId, Arc<tokio::sync::Mutex<()>>>>,
    transitions: Mutex<HashMap<ExtensionId, Arc<Transitions>>>,
    /// Commands under way.
    pub(crate) calls: Calls,
    progress: Mutex<HashMap<ExtensionId, Arc<Progress>>>,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes {
            changes: watch::Sender::new(0),
            stopping: AtomicBool::new(false),
            turns: Mutex::default(),
            transitions: Mutex::default(),
            calls: Calls::default(),
            progress: Mutex::default(),
        }
    }
}

impl Lanes {
    /// Others act now.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// No lane goes on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.changed();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Who may record something of an extension waits for this.
    pub(crate) fn turn(&self, id: &ExtensionId) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().entry(id.clone()).or_default().clone()
    }

    /// How far an extension's lane is.
    pub(crate) fn progress(&self, id: &ExtensionId) -> Arc<Progress> {
        self.progress.lock().entry(id.clone()).or_default().clone()
    }

    /// Those that a presence watcher is to be told of; who is here already, when it begins.
    fn transitions(&self, node: &Node, id: &ExtensionId) -> Arc<Transitions> {
        let mut all = self.transitions.lock();
        if let Some(known) = all.get(id) {
            return known.clone();
        }
        let transitions: Arc<Transitions> = Arc::default();
        all.insert(id.clone(), transitions.clone());
        drop(all);
        let now_ms = node.clock.now_ms();
        node.presence.everybody(|user, state| {
            transitions.put_back(user.clone(), (state, now_ms));
        });
        transitions.news.notify_one();
        transitions
    }

    /// Nobody is to be told any more.
    fn forget_transitions(&self, id: &ExtensionId) {
        self.transitions.lock().remove(id);
    }
}

/// How often it is looked whether a lane is missing.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a lane for every extension that acts or still has something to be done, for ever.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = Arc::new(Hub::new(shared.node.projections.cursor()));
    // Whoever lets go of this ends all of them.
    let mut tasks = JoinSet::new();
    tasks.spawn(hub::follow(shared.clone(), hub.clone()));
    let changed = shared.lanes.changes.subscribe();
    tasks.spawn(recall::run(
        shared.clone(),
        hub.clone(),
        shared.recall,
        changed,
    ));
    let listening = Arc::downgrade(&shared);
    shared.node.presence.listen(move |user, state| {
        let Some(shared) = listening.upgrade() else {
            return;
        };
        let now_ms = shared.node.clock.now_ms();
        for transitions in shared.lanes.transitions.lock().values() {
            transitions
                .latest
                .lock()
                .insert(user.clone(), (state, now_ms));
            transitions.news.notify_one();
        }
    });
    let mut telling = JoinSet::new();
    let mut lanes: HashMap<ExtensionId, AbortHandle> = HashMap::new();
    let mut changes = shared.lanes.changes.subscribe();
    while !shared.lanes.is_stopping() {
        lanes.retain(|_, lane| !lane.is_finished());
        while telling.try_join_next().is_some() {}
        for id in wanted(&shared) {
            lanes
                .entry(id.clone())
                .or_insert_with(|| telling.spawn(lane::run(shared.clone(), hub.clone(), id)));
        }
        // Now and then in any case: a lane may have ended just as it was wanted again.
        let changed = tokio::time::timeout(LOOK, changes.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            break;
        }
    }
    // Each says how far it is.
    while telling.join_next().await.is_some() {}
}

/// Extensions that need a lane.
fn wanted(shared: &Shared) -> HashSet<ExtensionId> {
    let acting = shared.acting.load();
    let acts = acting.all.iter().filter(|one| {
        let hooks = [
            Hook::Reactor,
            Hook::Timer,
            Hook::PresenceWatcher,
            Hook::Command,
        ];
        !one.shadow && hooks.into_iter().any(|hook| one.has(hook))
    });
    let mut wanted: HashSet<ExtensionId> = acts.map(|one| one.id.clone()).collect();
    let rows = shared.node.projections.read();
    for (id, _) in rows::all(&rows).unwrap_or_default() {
        if rows::intents(&rows, &id).is_ok_and(|intents| !intents.is_empty()) {
            wanted.insert(id);
        }
    }
    wanted
}
