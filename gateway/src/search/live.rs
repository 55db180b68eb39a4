//! Result pages that are watched: who comes online, would be found and is not shown is counted.
//!
//! The question is not asked again for each transition. Who came online is collected, and a few times a
//! second these few are looked up in the index for each watch, which costs by how many came, not by how many
//! there are; where that takes long, it is done less often.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tidings_core::{
    domain::UserId,
    node::Node,
    projections::{Table, read, rows},
};
use tidings_protocol::{event, query};
use tidings_search::{
    people::{Presence, Viewer},
    query::Filter,
};

use super::{Search, people::index::Opened};
use crate::translate::Failure;

/// Least time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Looking takes at most a fifth of a core's time: after each look comes a pause of four times as long.
const REST: u32 = 4;

/// Most who came online between two looks; more are not told of.
const ARRIVED: usize = 100_000;

/// Most who are remembered as shown or told of, for each watch: then only those who come again are told of
/// twice.
const KNOWN: usize = 10_000;

/// How many are named.
const NAMED: usize = 10;

/// Where a watch's news goes.
pub(crate) trait Watcher: Send + Sync {
    /// Tells it; may be shed, as the next news says the same and more.
    fn people_online(&self, news: event::PeopleOnline);
}

/// Who came online, and whether they were offline before, rather than away.
type Arrived = HashMap<UserId, bool>;

/// All watches of this node.
#[derive(Default)]
pub(crate) struct Live {
    watches: Mutex<HashMap<u64, Arc<Mutex<Watched>>>>,
    next: AtomicU64,
    /// Whether there are any, readable without waiting.
    any: AtomicBool,
    arrived: Mutex<Arrived>,
    news: Condvar,
    stopped: Mutex<bool>,
    stop: Condvar,
}

struct Watched {
    to: Arc<dyn Watcher>,
    viewer: UserId,
    filter: Filter,
    away: bool,
    exclude: Vec<String>,
    /// Who is shown, or was told of; nothing until the page is there.
    known: Option<HashSet<String>>,
    pending: Arrived,
    count: u64,
    last: VecDeque<String>,
}

/// A session's watch: ends with it.
pub(crate) struct Watch {
    search: Arc<Search>,
    id: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let live = &self.search.live;
        let mut watches = live.watches.lock();
        let watched = watches.remove(&self.id);
        live.any.store(!watches.is_empty(), Ordering::Relaxed);
        drop(watches);
        // Whoever is looking has done so after this, and tells nothing more of it.
        if let Some(watched) = watched {
            watched.lock().known = None;
        }
    }
}

impl Watch {
    /// Who is on the page that is shown.
    pub(crate) fn shows(&self, users: Vec<String>) {
        let watched = self.search.live.watches.lock().get(&self.id).cloned();
        if let Some(watched) = watched {
            watched.lock().known = Some(users.into_iter().collect());
            self.search.live.news.notify_one();
        }
    }
}

impl Live {
    /// Ends looking after watches.
    pub(super) fn stop(&self) {
        *self.stopped.lock() = true;
        self.stop.notify_all();
        // Whoever looks whether it is stopped before waiting for news holds this.
        let _arrived = self.arrived.lock();
        self.news.notify_all();
    }

    /// Waits until it is stopped, but no longer than this.
    fn rest(&self, pause: Duration) {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.stop.wait_for(&mut stopped, pause);
        }
    }

    /// Who came, once there are any. `None` once it is stopped.
    fn arrivals(&self) -> Option<Arrived> {
        let mut arrived = self.arrived.lock();
        if arrived.is_empty() && !*self.stopped.lock() {
            self.news.wait_for(&mut arrived, Duration::from_secs(1));
        }
        (!*self.stopped.lock()).then(|| std::mem::take(&mut *arrived))
    }

    /// Somebody's presence changed, as far as others see it.
    pub(super) fn changed(&self, user: &UserId, before: Presence, now: Presence) {
        let rank = |presence| match presence {
            Presence::Offline => 0,
            Presence::Away => 1,
            Presence::Available => 2,
        };
        if rank(now) <= rank(before) || !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut arrived = self.arrived.lock();
        if arrived.len() < ARRIVED {
            *arrived.entry(user.clone()).or_default() |= before == Presence::Offline;
            drop(arrived);
            self.news.notify_one();
        }
    }
}

impl Search {
    /// Watches what is asked. Nothing is told before the page is said to be shown.
    pub(crate) async fn watch(
        self: &Arc<Search>,
        node: &Node,
        viewer: &UserId,
        asked: query::SearchPeople,
        to: Arc<dyn Watcher>,
    ) -> Result<Watch, Failure> {
        let opened = self.opened()?;
        self.is_public(&opened, Some(viewer))?;
        let question = self.question(node, &opened, Some(viewer), asked).await?;
        let watched = Watched {
            to,
            viewer: viewer.clone(),
            away: question.query.away,
            filter: question.query.filter,
            exclude: question.exclude,
            known: None,
            pending: HashMap::new(),
            count: 0,
            last: VecDeque::new(),
        };
        let id = self.live.next.fetch_add(1, Ordering::Relaxed);
        let mut watches = self.live.watches.lock();
        watches.insert(id, Arc::new(Mutex::new(watched)));
        self.live.any.store(true, Ordering::Relaxed);
        drop(watches);
        let search = self.clone();
        Ok(Watch { search, id })
    }

    /// How many result pages are watched.
    pub fn watches(&self) -> usize {
        self.live.watches.lock().len()
    }

    /// Looks after the watches until search is stopped.
    pub(super) fn look_after_watches(&self, node: &Node) {
        while let Some(arrived) = self.live.arrivals() {
            let watches: Vec<_> = self.live.watches.lock().values().cloned().collect();
            let Some(opened) = self.people.current() else {
                continue;
            };
            let began = Instant::now();
            for watched in watches {
                let mut watched = watched.lock();
                watched
                    .pending
                    .extend(arrived.iter().map(|(user, new)| (user.clone(), *new)));
                watched.look(node, &opened);
            }
            self.live.rest(PAUSE.max(began.elapsed() * REST));
        }
    }
}

impl Watched {
    fn look(&mut self, node: &Node, opened: &Opened) {
        let Some(known) = &mut self.known else {
            return;
        };
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let here = |user: &UserId, was_offline: bool| match opened.index.presence(user) {
            Presence::Available => was_offline || !self.away,
            Presence::Away => was_offline && self.away,
            Presence::Offline => false,
        };
        let candidates: Vec<&str> = pending
            .iter()
            .filter(|(user, new)| !known.contains(&***user) && here(user, **new))
            .map(|(user, _)| &**user)
            .collect();
        if candidates.is_empty() {
            return;
        }
        let viewer = Viewer {
            exclude: &self.exclude,
            may_see_private: false,
        };
        let found = match opened.index.matching(&self.filter, &viewer, &candidates) {
            Ok(found) => found,
            // What it asks about may not be declared any more: whoever watches asks anew and is told.
            Err(error) => {
                tracing::debug!(%error, "a watched question cannot be asked any more");
                return;
            }
        };
        let rows = node.projections.read();
        let count = self.count;
        let unseen = |user: &str| {
            let blocks = |one: &str, other: &str| {
                let row = rows.get(Table::Users, &rows::blocks(one, other));
                // What cannot be read is not shown.
                row.map_or(true, |row| row.is_some())
            };
            let shown = UserId::new(user)
                .ok()
                .and_then(|user| read::profile(&rows, &user).ok())
                .is_some_and(|profile| profile.set.is_some() && !profile.hidden);
            blocks(user, &self.viewer)
                || blocks(&self.viewer, user)
                || !shown
                || node.projections.is_invisible(user)
        };
        // Who was named before and is not to be seen any more is not named again.
        self.last.retain(|user| !unseen(user));
        for user in found {
            if unseen(user) {
                continue;
            }
            self.count += 1;
            if known.len() < KNOWN {
                known.insert(user.to_owned());
            }
            self.last.push_back(user.to_owned());
            if self.last.len() > NAMED {
                self.last.pop_front();
            }
        }
        drop(rows);
        if self.count > count {
            self.to.people_online(event::PeopleOnline {
                count: self.count,
                users: self.last.iter().cloned().collect(),
            });
        }
    }
}
