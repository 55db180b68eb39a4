//! The sessions of one node, and what it has to say of them.
//!
//! Pure: time comes from outside, in milliseconds of a clock that only goes forward. A session that ends counts
//! on as it was until the grace is over or its device is back: a reload or a tunnel is no news, whatever the user's
//! other devices are like.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use hashbrown::{HashMap, HashSet};

use super::record::State;
use crate::domain::UserId;

/// Names a session of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// The sessions of one node.
#[derive(Debug)]
pub struct Local {
    users: HashMap<UserId, Own>,
    /// Whose state may have to be said.
    news: HashSet<UserId>,
    /// When to look at somebody again: their grace ends, or a heartbeat is due. Some are out of date.
    looks: BinaryHeap<Reverse<(u64, UserId)>>,
    grace_ms: u64,
}

/// A device of a user, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(u32);

impl Device {
    /// The one with this id. Two of one user that are taken for one are only shown to leave a little earlier.
    pub fn named(id: &str) -> Device {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a part of the hash is enough"
        )]
        Device(hasher.finish() as u32)
    }
}

/// Sessions in their grace that are remembered of one user.
const LEFT: usize = 16;

#[derive(Debug, Default)]
struct Own {
    sessions: Vec<(SessionId, Device, State)>,
    /// Until when a heartbeat without a connection holds, and how they are by it.
    beat: Option<(u64, State)>,
    /// When it is looked whether there was another heartbeat.
    beat_look: u64,
    /// Those that have ended.
    left: Vec<Left>,
    /// What has been said.
    said: State,
}

/// A session that has ended, in its grace.
#[derive(Debug)]
struct Left {
    /// Of which device; of none where it was by heartbeats.
    of: Option<Device>,
    /// How the user was by it.
    state: State,
    until: u64,
}

impl Own {
    /// What is to be said at `now`.
    fn shown(&self, now: u64) -> State {
        let sessions = self.sessions.iter().map(|(_, _, state)| *state);
        let beat = self.beat.map(|(_, state)| state);
        let left = self.left.iter().filter(|left| left.until > now);
        let all = sessions.chain(beat).chain(left.map(|left| left.state));
        all.max().unwrap_or_default()
    }

    /// Whether there is nothing of them any more.
    fn is_gone(&self) -> bool {
        self.sessions.is_empty() && self.beat.is_none() && self.left.is_empty()
    }

    /// A device is there: what it left counts no more.
    fn is_back(&mut self, device: Option<Device>) {
        self.left.retain(|left| left.of != device);
    }
}

impl Local {
    /// Nobody, with a grace for those who leave, in milliseconds.
    pub fn new(grace_ms: u64) -> Local {
        Local {
            users: HashMap::new(),
            news: HashSet::new(),
            looks: BinaryHeap::new(),
            grace_ms,
        }
    }

    /// A session begins on a device, or is another way now.
    pub fn set(&mut self, user: &UserId, session: SessionId, device: Device, state: State) {
        let own = self.users.entry(user.clone()).or_default();
        match own.sessions.iter_mut().find(|(id, ..)| *id == session) {
            Some((_, _, was)) if *was == state => return,
            Some((_, _, was)) => *was = state,
            None => {
                own.sessions.push((session, device, state));
                own.is_back(Some(device));
            }
        }
        self.news.insert(user.clone());
    }

    /// A session has ended.
    pub fn close(&mut self, user: &UserId, session: SessionId, now: u64) {
        let Some(own) = self.users.get_mut(user) else {
            return;
        };
        let Some(at) = own.sessions.iter().position(|(id, ..)| *id == session) else {
            return;
        };
        let (_, device, state) = own.sessions.swap_remove(at);
        // It has begun another one before.
        let is_here = own.sessions.iter().any(|(_, of, _)| *of == device);
        if !is_here {
            self.left(user, Some(device), state, now);
        }
        self.news.insert(user.clone());
    }

    /// A heartbeat of somebody who holds no connection: good for `ttl_ms`.
    pub fn beat(&mut self, user: &UserId, state: State, now: u64, ttl_ms: u64) {
        let own = self.users.entry(user.clone()).or_default();
        let before = own.beat.replace((now + ttl_ms, state));
        own.is_back(None);
        if before.is_none_or(|(_, was)| was != state) {
            self.news.insert(user.clone());
        }
        // One look is enough: it finds out that there was another beat, and looks again then.
        if before.is_none() {
            own.beat_look = now + ttl_ms;
            self.looks.push(Reverse((now + ttl_ms, user.clone())));
        }
    }

    /// Everybody's state is to be said anew, as after the loss of the lane.
    pub fn say_all(&mut self) {
        for (user, own) in &mut self.users {
            own.said = State::Offline;
            self.news.insert(user.clone());
        }
    }

    /// What has to be said now: each user with the state they are in at this node. The caller says it, and
    /// gives back with [`Local::unsaid`] what could not be said.
    pub fn take(&mut self, now: u64) -> Vec<(UserId, State)> {
        while let Some(Reverse((at, _))) = self.looks.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((_, user))) = self.looks.pop() else {
                break;
            };
            self.look(user, now);
        }
        let mut said = Vec::new();
        for user in std::mem::take(&mut self.news) {
            let Some(own) = self.users.get_mut(&user) else {
                continue;
            };
            own.left.retain(|left| left.until > now);
            let shown = own.shown(now);
            if shown != own.said {
                own.said = shown;
                said.push((user.clone(), shown));
            }
            if own.is_gone() {
                self.users.remove(&user);
            }
        }
        said
    }

    /// Everybody who has been said to be here, as they were said to be.
    pub fn said(&self) -> Vec<(UserId, State)> {
        let here = self
            .users
            .iter()
            .filter(|(_, own)| own.said != State::Offline);
        here.map(|(user, own)| (user.clone(), own.said)).collect()
    }

    /// These could not be said: they are still to be.
    pub fn unsaid(&mut self, said: Vec<(UserId, State)>) {
        for (user, state) in said {
            let own = self.users.entry(user.clone()).or_default();
            // Whatever others think: not what could not be said.
            own.said = match state {
                State::Offline => State::Available,
                State::Away | State::Available => State::Offline,
            };
            self.news.insert(user);
        }
    }

    /// When there will be something to say at the earliest, if nothing else happens.
    pub fn next_look(&self) -> Option<u64> {
        self.looks.peek().map(|Reverse((at, _))| *at)
    }

    /// How many users are here, those in their grace included.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn look(&mut self, user: UserId, now: u64) {
        let Some(own) = self.users.get_mut(&user) else {
            return;
        };
        match own.beat {
            Some((until, state)) if until <= now => {
                own.beat = None;
                self.left(&user, None, state, until);
            }
            Some((until, _)) if own.beat_look <= now => {
                own.beat_look = until;
                self.looks.push(Reverse((until, user.clone())));
            }
            _ => {}
        }
        self.news.insert(user);
    }

    /// One of somebody's sessions, by which they were like this, is gone.
    fn left(&mut self, user: &UserId, of: Option<Device>, state: State, at: u64) {
        let Some(own) = self.users.get_mut(user) else {
            return;
        };
        if state == State::Offline {
            return;
        }
        if own.left.len() >= LEFT {
            own.left.remove(0);
        }
        let until = at + self.grace_ms;
        own.left.push(Left { of, state, until });
        self.looks.push(Reverse((until, user.clone())));
    }
}

#[cfg(test)]
mod tests;
