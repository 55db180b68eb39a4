//! Who is here, as the presence lane tells it: a fold, the same on every node.

use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

use super::record::{Record, Said, State};
use crate::domain::UserId;

/// The fold of the presence lane.
#[derive(Debug, Default)]
pub struct Roll {
    /// Incarnations by number; a number is used again once its incarnation is gone.
    nodes: Vec<Option<Node>>,
    numbers: HashMap<Uuid, u32>,
    lost: HashSet<Uuid>,
    users: HashMap<UserId, Places>,
}

#[derive(Debug)]
struct Node {
    incarnation: Uuid,
    users: HashSet<UserId>,
    /// When it last said something, milliseconds since 1970.
    said_ms: u64,
}

/// Where somebody is: nearly everybody is at one node.
#[derive(Debug)]
enum Places {
    One(u32, State),
    Several(Vec<(u32, State)>),
}

/// Somebody's state is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub state: State,
    /// Since when, milliseconds since 1970.
    pub at_ms: u64,
}

impl Roll {
    /// Folds a record and says whose state it changed.
    pub fn apply(&mut self, record: &Record) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.lost.contains(&record.node) {
            return changes;
        }
        // Also where it says nothing but that it lives.
        if let Some(number) = self.numbers.get(&record.node)
            && let Some(node) = &mut self.nodes[*number as usize]
        {
            node.said_ms = node.said_ms.max(record.at_ms);
        }
        for said in &record.said {
            match said {
                Said::Is(user, state) => {
                    let node = self.number(record.node, record.at_ms);
                    self.place(node, user, *state, record.at_ms, &mut changes);
                }
                Said::Lost(incarnation) => {
                    self.lose(*incarnation, record.at_ms, &mut changes);
                }
            }
        }
        changes
    }

    /// How somebody is: the best of where they are.
    pub fn state(&self, user: &str) -> State {
        self.users.get(user).map_or(State::Offline, Places::best)
    }

    /// How somebody is at other nodes than this one.
    pub fn elsewhere(&self, user: &str, incarnation: Uuid) -> State {
        let number = self.numbers.get(&incarnation).copied();
        let is_other = |at: &u32| Some(*at) != number;
        match self.users.get(user) {
            None => State::Offline,
            Some(Places::One(at, state)) if is_other(at) => *state,
            Some(Places::One(..)) => State::Offline,
            Some(Places::Several(places)) => {
                let others = places.iter().filter(|(at, _)| is_other(at));
                others.map(|(_, state)| *state).max().unwrap_or_default()
            }
        }
    }

    /// Who is here by an incarnation alone.
    pub fn only_at(&self, incarnation: Uuid) -> Vec<UserId> {
        let number = self.numbers.get(&incarnation);
        let node = number.and_then(|number| self.nodes[*number as usize].as_ref());
        let users = node.into_iter().flat_map(|node| &node.users);
        let only = users.filter(|user| self.elsewhere(user, incarnation) == State::Offline);
        only.cloned().collect()
    }

    /// Incarnations that have users here, and when each last said something, in milliseconds since 1970.
    pub fn nodes(&self) -> impl Iterator<Item = (Uuid, u64)> {
        let nodes = self.nodes.iter().flatten();
        nodes.map(|node| (node.incarnation, node.said_ms))
    }

    /// Whether an incarnation has been declared gone.
    pub fn is_lost(&self, incarnation: Uuid) -> bool {
        self.lost.contains(&incarnation)
    }

    /// Who is here, and how.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, State)> {
        self.users
            .iter()
            .map(|(user, places)| (user, places.best()))
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn number(&mut self, incarnation: Uuid, at_ms: u64) -> u32 {
        if let Some(number) = self.numbers.get(&incarnation) {
            return *number;
        }
        let node = Some(Node {
            incarnation,
            users: HashSet::new(),
            said_ms: at_ms,
        });
        let free = self.nodes.iter().position(Option::is_none);
        let number = free.unwrap_or(self.nodes.len());
        match free {
            Some(number) => self.nodes[number] = node,
            None => self.nodes.push(node),
        }
        let number = u32::try_from(number).expect("there are fewer nodes");
        self.numbers.insert(incarnation, number);
        number
    }

    fn place(
        &mut self,
        node: u32,
        user: &UserId,
        state: State,
        at_ms: u64,
        changes: &mut Vec<Change>,
    ) {
        let before = self.state(user);
        if let Some(node) = &mut self.nodes[node as usize] {
            match state {
                State::Offline => node.users.remove(user),
                _ => node.users.insert(user.clone()),
            };
        }
        match self.users.get_mut(user) {
            None if state == State::Offline => {}
            None => {
                self.users.insert(user.clone(), Places::One(node, state));
            }
            Some(places) => {
                if places.set(node, state) {
                    self.users.remove(user);
                }
            }
        }
        let after = self.state(user);
        if after != before {
            changes.push(Change {
                user: user.clone(),
                state: after,
                at_ms,
            });
        }
    }

    fn lose(&mut self, incarnation: Uuid, at_ms: u64, changes: &mut Vec<Change>) {
        self.lost.insert(incarnation);
        let Some(number) = self.numbers.remove(&incarnation) else {
            return;
        };
        let node = self.nodes[number as usize].as_ref();
        let mut users: Vec<_> =
            node.map_or_else(Vec::new, |node| node.users.iter().cloned().collect());
        // The same on every node, whatever its hashes.
        users.sort_unstable();
        for user in users {
            self.place(number, &user, State::Offline, at_ms, changes);
        }
        self.nodes[number as usize] = None;
    }
}

impl Places {
    fn best(&self) -> State {
        match self {
            Places::One(_, state) => *state,
            Places::Several(places) => {
                let states = places.iter().map(|(_, state)| *state);
                states.max().unwrap_or_default()
            }
        }
    }

    /// Sets how they are at a node. True when they are nowhere any more.
    fn set(&mut self, node: u32, state: State) -> bool {
        match self {
            Places::One(at, is) if *at == node => {
                *is = state;
                state == State::Offline
            }
            Places::One(..) if state == State::Offline => false,
            Places::One(at, is) => {
                *self = Places::Several(vec![(*at, *is), (node, state)]);
                false
            }
            Places::Several(places) => {
                places.retain(|(at, _)| *at != node);
                if state != State::Offline {
                    places.push((node, state));
                }
                if let [(at, is)] = places[..] {
                    *self = Places::One(at, is);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
