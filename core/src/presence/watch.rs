//! Who watches whom on this node: a snapshot first, then what changes, and nothing twice.
//!
//! A change is noted and told at the next opportunity; if there are several until then, the last one is.
//! Whoever is slow to take in what they are told is told less often, and never something old.

use hashbrown::{HashMap, HashSet};

use super::record::State;
use crate::domain::UserId;

/// Names a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub u64);

/// Why somebody is watched. One can be watched for several reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They are on the screen.
    Listed,
    /// They are a contact.
    Roster,
}

impl Why {
    fn bit(self) -> u8 {
        match self {
            Why::Listed => 1,
            Why::Roster => 2,
        }
    }
}

/// How somebody is, as one who watches them sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// How.
    pub state: State,
    /// When they were here last, milliseconds since 1970; 0 where that is not known or not shown.
    pub seen_ms: u64,
}

/// What a watch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Rises by one with each that the watch is told, from 1.
    pub version: u64,
    /// Whether these are all of those asked for, rather than those that changed.
    pub snapshot: bool,
    /// How they are.
    pub users: Vec<Seen>,
}

/// All watches of a node. `S` is where what is told goes.
#[derive(Debug)]
pub struct Watching<S> {
    watches: HashMap<WatchId, Watch<S>>,
    by_user: HashMap<UserId, Vec<WatchId>>,
    by_viewer: HashMap<UserId, Vec<WatchId>>,
    /// Watches with something to tell, each once.
    due: Vec<WatchId>,
    next: u64,
}

#[derive(Debug)]
struct Watch<S> {
    viewer: UserId,
    to: S,
    roster: bool,
    /// Whom the viewer blocks, and who blocks them: those read as offline. Kept here so that nothing is looked up
    /// for each change that is told.
    unseen: HashSet<UserId>,
    users: HashMap<UserId, Watched>,
    changed: HashSet<UserId>,
    version: u64,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    why: u8,
    /// The state last told.
    told: State,
}

impl<S> Default for Watching<S> {
    fn default() -> Watching<S> {
        Watching {
            watches: HashMap::new(),
            by_user: HashMap::new(),
            by_viewer: HashMap::new(),
            due: Vec::new(),
            next: 0,
        }
    }
}

impl<S> Watching<S> {
    /// A watch that watches nobody yet.
    pub fn open(&mut self, viewer: UserId, to: S) -> WatchId {
        self.next += 1;
        let id = WatchId(self.next);
        self.by_viewer.entry(viewer.clone()).or_default().push(id);
        let watch = Watch {
            viewer,
            to,
            roster: false,
            unseen: HashSet::new(),
            users: HashMap::new(),
            changed: HashSet::new(),
            version: 0,
        };
        self.watches.insert(id, watch);
        id
    }

    /// Ends a watch.
    pub fn close(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.remove(&id) {
            forget(&mut self.by_viewer, &watch.viewer, id);
            for user in watch.users.keys() {
                forget(&mut self.by_user, user, id);
            }
        }
    }

    /// Watches exactly those listed from now on, and with a roster those in it, and says how all of them
    /// are. `unseen` are those whom the viewer blocks or who block them; `see` says how the watch's viewer sees
    /// somebody who is among them, or not.
    pub fn set(
        &mut self,
        id: WatchId,
        listed: &[UserId],
        roster: Option<&[UserId]>,
        unseen: HashSet<UserId>,
        see: impl Fn(&UserId, &UserId, bool) -> Seen,
    ) -> Option<Diff> {
        let watch = self.watches.get_mut(&id)?;
        watch.unseen = unseen;
        watch.roster = roster.is_some();
        let reasons = [
            (Why::Listed, listed),
            (Why::Roster, roster.unwrap_or_default()),
        ];
        let mut wanted: HashMap<&UserId, u8> = HashMap::new();
        for (why, users) in reasons {
            for user in users {
                *wanted.entry(user).or_default() |= why.bit();
            }
        }
        watch.users.retain(|user, _| {
            let stays = wanted.contains_key(user);
            if !stays {
                forget(&mut self.by_user, user, id);
            }
            stays
        });
        // Whatever was still to be told is told by this.
        watch.changed.clear();
        let mut users = Vec::with_capacity(wanted.len());
        // In the order asked for, each once.
        for user in listed.iter().chain(roster.unwrap_or_default()) {
            let Some(why) = wanted.remove(user) else {
                continue;
            };
            let seen = see(&watch.viewer, user, watch.unseen.contains(user));
            let watched = Watched {
                why,
                told: seen.state,
            };
            if watch.users.insert(user.clone(), watched).is_none() {
                self.by_user.entry(user.clone()).or_default().push(id);
            }
            users.push(seen);
        }
        watch.version += 1;
        Some(Diff {
            version: watch.version,
            snapshot: true,
            users,
        })
    }

    /// Watches one more for a reason, and tells how they are with what changes.
    pub fn add(&mut self, id: WatchId, why: Why, user: &UserId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let watched = watch.users.entry(user.clone()).or_insert_with(|| {
            self.by_user.entry(user.clone()).or_default().push(id);
            Watched {
                why: 0,
                told: State::Offline,
            }
        });
        watched.why |= why.bit();
        note(watch, user, id, &mut self.due);
    }

    /// Watches one less for a reason. Who is not watched any more is told of as offline, once.
    pub fn remove(&mut self, id: WatchId, why: Why, user: &UserId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let Some(watched) = watch.users.get_mut(user) else {
            return;
        };
        watched.why &= !why.bit();
        if watched.why == 0 {
            note(watch, user, id, &mut self.due);
        }
    }

    /// Somebody may look different now, to all who watch them.
    pub fn changed(&mut self, user: &UserId) {
        for id in self.by_user.get(user).into_iter().flatten() {
            if let Some(watch) = self.watches.get_mut(id) {
                note(watch, user, *id, &mut self.due);
            }
        }
    }

    /// One of two blocks the other now, or neither does any more.
    pub fn blocked(&mut self, one: &UserId, other: &UserId, unseen: bool) {
        for (viewer, user) in [(one, other), (other, one)] {
            for id in self.by_viewer.get(viewer).into_iter().flatten() {
                let Some(watch) = self.watches.get_mut(id) else {
                    continue;
                };
                match unseen {
                    true => watch.unseen.insert(user.clone()),
                    false => watch.unseen.remove(user),
                };
                if watch.users.contains_key(user) {
                    note(watch, user, *id, &mut self.due);
                }
            }
        }
    }

    /// The watches of a viewer that have a roster.
    pub fn rosters_of(&self, viewer: &UserId) -> Vec<WatchId> {
        let own = self.by_viewer.get(viewer).into_iter().flatten();
        let has_roster = |id: &&WatchId| self.watches.get(*id).is_some_and(|watch| watch.roster);
        own.filter(has_roster).copied().collect()
    }

    /// How many watches have something to tell.
    pub fn due(&self) -> usize {
        self.due.len()
    }

    /// Tells those who are due what has changed for them, so many at most, who have been due for longest. `takes`
    /// says whether somebody can be told now: if not they stay due, behind all others, and it is returned how many
    /// they are. Whoever looks as they were told to look is left out.
    pub fn tell(
        &mut self,
        most: usize,
        takes: impl Fn(&S) -> bool,
        see: impl Fn(&UserId, &UserId, bool) -> Seen,
        mut tell: impl FnMut(&S, Diff),
    ) -> usize {
        let rest = self.due.split_off(most.min(self.due.len()));
        let mut slow = 0;
        for id in std::mem::replace(&mut self.due, rest) {
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            if watch.changed.is_empty() {
                continue;
            }
            if !takes(&watch.to) {
                self.due.push(id);
                slow += 1;
                continue;
            }
            let mut users = Vec::with_capacity(watch.changed.len());
            for user in watch.changed.drain() {
                let Some(watched) = watch.users.get_mut(&user) else {
                    continue;
                };
                let seen = match watched.why {
                    0 => Seen {
                        user: user.clone(),
                        state: State::Offline,
                        seen_ms: 0,
                    },
                    _ => see(&watch.viewer, &user, watch.unseen.contains(&user)),
                };
                let is_news = seen.state != watched.told;
                watched.told = seen.state;
                if watched.why == 0 {
                    watch.users.remove(&user);
                    forget(&mut self.by_user, &user, id);
                }
                if is_news {
                    users.push(seen);
                }
            }
            if !users.is_empty() {
                watch.version += 1;
                let diff = Diff {
                    version: watch.version,
                    snapshot: false,
                    users,
                };
                tell(&watch.to, diff);
            }
        }
        slow
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }
}

/// Notes that a watch has something to tell of somebody.
fn note<S>(watch: &mut Watch<S>, user: &UserId, id: WatchId, due: &mut Vec<WatchId>) {
    if watch.changed.is_empty() {
        due.push(id);
    }
    watch.changed.insert(user.clone());
}

fn forget(by_user: &mut HashMap<UserId, Vec<WatchId>>, user: &UserId, id: WatchId) {
    if let Some(watches) = by_user.get_mut(user) {
        watches.retain(|watch| *watch != id);
        if watches.is_empty() {
            by_user.remove(user);
        }
    }
}

#[cfg(test)]
mod tests;
