//! Keys in memory: bounded, and quick to ask from several threads.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use crate::keys::{KeyId, KeyState};

const SHARDS: usize = 16;

/// A cache that forgets by the clock algorithm: what was used since the hand last passed stays.
pub(super) struct Cache {
    hasher: DefaultHashBuilder,
    shards: [RwLock<Shard>; SHARDS],
    shard_limit: usize,
}

#[derive(Default)]
struct Shard {
    /// Places in `entries`, by the hash of the id.
    places: HashTable<usize>,
    entries: Vec<Entry>,
    hand: usize,
}

struct Entry {
    hash: u64,
    id: KeyId,
    state: KeyState,
    used: AtomicBool,
}

impl Cache {
    /// Holds `limit` keys, or a few more.
    pub(super) fn new(limit: usize) -> Self {
        Cache {
            hasher: DefaultHashBuilder::default(),
            shards: Default::default(),
            shard_limit: limit.div_ceil(SHARDS),
        }
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<KeyState> {
        let hash = self.hasher.hash_one(id);
        let shard = self.shard(hash).read();
        let entry = &shard.entries[shard.place(hash, id)?];
        // Written only when it changes: the line stays shared between cores.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry.state.clone())
    }

    pub(super) fn insert(&self, id: &KeyId, state: KeyState) {
        let hash = self.hasher.hash_one(id);
        let shard = &mut *self.shard(hash).write();
        if let Some(place) = shard.place(hash, id) {
            shard.entries[place].state = state;
            return;
        }
        let entry = Entry {
            hash,
            id: id.clone(),
            state,
            used: AtomicBool::new(false),
        };
        let place = if shard.entries.len() < self.shard_limit {
            shard.entries.push(entry);
            shard.entries.len() - 1
        } else {
            let place = shard.next_unused();
            let old = std::mem::replace(&mut shard.entries[place], entry);
            if let Ok(found) = shard.places.find_entry(old.hash, |held| *held == place) {
                found.remove();
            }
            place
        };
        let Shard {
            places, entries, ..
        } = shard;
        places.insert_unique(hash, place, |place| entries[*place].hash);
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // Bits that the table within does not look at: it uses the lowest and the highest.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

impl Shard {
    fn place(&self, hash: u64, id: &KeyId) -> Option<usize> {
        self.places
            .find(hash, |place| self.entries[*place].id == *id)
            .copied()
    }

    fn next_unused(&mut self) -> usize {
        loop {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.entries.len();
            if !std::mem::take(self.entries[place].used.get_mut()) {
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> KeyId {
        KeyId::Content {
            conversation: Uuid::from_u128(n),
            author: "eve".into(),
        }
    }

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let cache = Cache::new(160);
        cache.insert(&id(0), KeyState::Destroyed);
        for n in 1..5000 {
            cache.insert(&id(n), KeyState::Destroyed);
            assert!(
                cache.get(&id(0)).is_some(),
                "asked for all the time, after {n}"
            );
        }
        let held = (0..5000).filter(|n| cache.get(&id(*n)).is_some()).count();
        assert!((100..=160).contains(&held), "{held}");
    }

    #[test]
    fn inserting_replaces() {
        let cache = Cache::new(16);
        cache.insert(&id(1), KeyState::Unknown);
        cache.insert(&id(1), KeyState::Destroyed);
        assert!(matches!(cache.get(&id(1)), Some(KeyState::Destroyed)));
        assert!(cache.get(&id(2)).is_none());
    }
}
