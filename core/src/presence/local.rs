//! The sessions of one node, and what it has to say of them.
//!
//! Pure: time comes from outside, in milliseconds of a clock that only goes forward. Who leaves is said to
//! have left after the grace, unless they are back by then: a reload or a tunnel is no news, also where
//! another of their devices is away.

use std::{cmp::Reverse, collections::BinaryHeap};

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

#[derive(Debug, Default)]
struct Own {
    sessions: Vec<(SessionId, State)>,
    /// Until when a heartbeat without a connection holds, and how they are by it.
    beat: Option<(u64, State)>,
    /// When it is looked whether there was another heartbeat.
    beat_look: u64,
    /// What has been said.
    said: State,
    /// When one ended that showed more of them than those that are left. Until the grace is over that is no news.
    left: Option<u64>,
}

impl Own {
    fn best(&self) -> State {
        let sessions = self.sessions.iter().map(|(_, state)| *state);
        let beat = self.beat.map(|(_, state)| state);
        sessions.chain(beat).max().unwrap_or_default()
    }

    /// What is to be said at `now`.
    fn shown(&self, now: u64, grace_ms: u64) -> State {
        let best = self.best();
        match self.left {
            Some(at) if now < at + grace_ms => best.max(self.said),
            _ => best,
        }
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

    /// A session begins, or is another way now.
    pub fn set(&mut self, user: &UserId, session: SessionId, state: State) {
        let own = self.users.entry(user.clone()).or_default();
        match own.sessions.iter_mut().find(|(id, _)| *id == session) {
            Some((_, was)) if *was == state => return,
            Some((_, was)) => *was = state,
            None => {
                own.sessions.push((session, state));
                // In the place of one that has ended.
                own.left = None;
            }
        }
        self.news.insert(user.clone());
    }

    /// A session has ended.
    pub fn close(&mut self, user: &UserId, session: SessionId, now: u64) {
        let Some(own) = self.users.get_mut(user) else {
            return;
        };
        let before = own.best();
        own.sessions.retain(|(id, _)| *id != session);
        self.left(user, before, now);
    }

    /// A heartbeat of somebody who holds no connection: good for `ttl_ms`.
    pub fn beat(&mut self, user: &UserId, state: State, now: u64, ttl_ms: u64) {
        let own = self.users.entry(user.clone()).or_default();
        let before = own.beat.replace((now + ttl_ms, state));
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
            let shown = own.shown(now, self.grace_ms);
            if shown != own.said {
                own.said = shown;
                said.push((user.clone(), shown));
            }
            if own.best() == State::Offline && shown == State::Offline {
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
        if let Some((until, state)) = own.beat {
            if until <= now {
                own.beat = None;
                self.left(&user, state, until);
            } else if own.beat_look <= now {
                own.beat_look = until;
                self.looks.push(Reverse((until, user.clone())));
            }
        }
        self.news.insert(user);
    }

    /// One of somebody's sessions is gone, before which they were like this.
    fn left(&mut self, user: &UserId, before: State, at: u64) {
        let Some(own) = self.users.get_mut(user) else {
            return;
        };
        if own.best() < before {
            own.left = Some(at);
            let ends = at + self.grace_ms;
            self.looks.push(Reverse((ends, user.clone())));
        }
        self.news.insert(user.clone());
    }
}

#[cfg(test)]
mod tests;
