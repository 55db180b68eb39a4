//! A status cache, as services keep one beside an index, against what Tidings has.
//!
//! The cache holds a status by user until no heartbeat came for a while, and answers gets. Tidings splits
//! that: queries read a bit by document ([`OnlineBits`]); whose time is over is known from a heap of
//! deadlines. That heap stands in the core, which this crate does not know: [`Deadlines`] is made the same
//! way (one look for each user, which finds out that there were other heartbeats, and looks again then).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{notification::RemovalCause, sync::Cache};
use serde::Serialize;
use tidings_search::people::{OnlineBits, PeopleIndex, Presence};

use super::{
    Options,
    profiles::{World, user},
    ways::cpu_ms,
};

/// CPU nanoseconds for one of each.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StatusCost {
    /// Users with a status.
    pub users: u32,
    /// The cache: a user's first heartbeat.
    pub cache_insert_ns: f64,
    /// Every further one.
    pub cache_beat_ns: f64,
    /// Asking whether a user is there.
    pub cache_get_ns: f64,
    /// A user's time is over, and a listener is told.
    pub cache_expire_ns: f64,
    /// Tidings: asking whether a document's user is there, which is what queries do.
    pub bit_test_ns: f64,
    /// Asking by the user's id.
    pub presence_ns: f64,
    /// A transition: what queries see is changed.
    pub set_presence_ns: f64,
    /// A heap of deadlines: a user's first heartbeat.
    pub heap_insert_ns: f64,
    /// Every further one.
    pub heap_beat_ns: f64,
    /// A user's time is over.
    pub heap_expire_ns: f64,
}

/// Until when users are there.
#[derive(Default)]
struct Deadlines {
    until: HashMap<Arc<str>, u64>,
    looks: BinaryHeap<Reverse<(u64, Arc<str>)>>,
}

impl Deadlines {
    fn beat(&mut self, user: &Arc<str>, until: u64) {
        if self.until.insert(Arc::clone(user), until).is_none() {
            self.looks.push(Reverse((until, Arc::clone(user))));
        }
    }

    /// Those whose time is over at `now`.
    fn expire(&mut self, now: u64, mut over: impl FnMut(&str)) {
        while let Some(Reverse((at, _))) = self.looks.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((_, user))) = self.looks.pop() else {
                break;
            };
            match self.until.get(&user) {
                Some(until) if *until > now => self.looks.push(Reverse((*until, user))),
                _ => {
                    self.until.remove(&user);
                    over(&user);
                }
            }
        }
    }
}

/// CPU nanoseconds of each turn.
fn each(count: usize, mut turn: impl FnMut(usize)) -> f64 {
    let before = cpu_ms();
    (0..count).for_each(&mut turn);
    (cpu_ms() - before) * 1e6 / count as f64
}

/// Measures all of it, with the users in no order.
pub(super) fn measure(people: &PeopleIndex, world: &World, options: &Options) -> StatusCost {
    let mut random = world.random(5 << 48);
    let mut users: Vec<Arc<str>> = (0..options.status_users)
        .map(|number| user(number).into())
        .collect();
    random.shuffle(&mut users);
    let count = users.len();

    let expired = Arc::new(AtomicU64::new(0));
    let listener = Arc::clone(&expired);
    let cache: Cache<Arc<str>, Presence> = Cache::builder()
        .time_to_live(options.status_ttl)
        .initial_capacity(count)
        .eviction_listener(move |_, _, why| {
            if why == RemovalCause::Expired {
                listener.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build();
    let insert = |at: usize| cache.insert(Arc::clone(&users[at]), Presence::Available);
    let cache_insert_ns = each(count, insert);
    let cache_beat_ns = each(count, insert);
    let last = Instant::now();
    random.shuffle(&mut users);
    let cache_get_ns = each(count, |at| {
        black_box(cache.get(&*users[at]));
    });
    cache.run_pending_tasks();
    let early = expired.load(Ordering::Relaxed);
    std::thread::sleep(
        (options.status_ttl + Duration::from_millis(50)).saturating_sub(last.elapsed()),
    );
    let before = cpu_ms();
    while cache.entry_count() > 0 {
        cache.run_pending_tasks();
    }
    let told = expired.load(Ordering::Relaxed) - early;
    let cache_expire_ns = (cpu_ms() - before) * 1e6 / told.max(1) as f64;
    drop(cache);

    let bits = OnlineBits::new(options.status_users);
    for doc in 0..options.status_users {
        bits.set(doc, random.u32(..10) == 0);
    }
    let docs: Vec<u32> = (0..count)
        .map(|_| random.u32(..options.status_users))
        .collect();
    let mut there = 0_u64;
    let bit_test_ns = each(count * 10, |at| {
        there += u64::from(bits.contains(docs[at % count]));
    });
    black_box(there);

    // Of the users that have profiles.
    let first_unknown = user(options.profiles);
    let known: Vec<&Arc<str>> = users
        .iter()
        .filter(|user| ***user < *first_unknown)
        .collect();
    let set_presence_ns = each(known.len(), |at| {
        let presence = [Presence::Available, Presence::Offline][at % 2];
        people.set_presence(known[at], presence);
    });
    let presence_ns = each(known.len(), |at| {
        black_box(people.presence(known[at]));
    });

    let mut deadlines = Deadlines::default();
    let heap_insert_ns = each(count, |at| deadlines.beat(&users[at], at as u64));
    let heap_beat_ns = each(count, |at| deadlines.beat(&users[at], (count + at) as u64));
    let before = cpu_ms();
    let mut over = 0_usize;
    deadlines.expire(u64::MAX, |_| over += 1);
    let heap_expire_ns = (cpu_ms() - before) * 1e6 / over.max(1) as f64;
    StatusCost {
        users: options.status_users,
        cache_insert_ns,
        cache_beat_ns,
        cache_get_ns,
        cache_expire_ns,
        bit_test_ns,
        presence_ns,
        set_presence_ns,
        heap_insert_ns,
        heap_beat_ns,
        heap_expire_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_beats_again_stays() {
        let mut deadlines = Deadlines::default();
        let (anna, ben): (Arc<str>, Arc<str>) = ("anna".into(), "ben".into());
        deadlines.beat(&anna, 10);
        deadlines.beat(&ben, 10);
        deadlines.beat(&anna, 20);
        let mut gone = Vec::new();
        deadlines.expire(9, |user| gone.push(user.to_owned()));
        assert!(gone.is_empty());
        deadlines.expire(10, |user| gone.push(user.to_owned()));
        assert_eq!(gone, ["ben"]);
        deadlines.expire(20, |user| gone.push(user.to_owned()));
        assert_eq!(gone, ["ben", "anna"]);
        assert!(deadlines.looks.is_empty() && deadlines.until.is_empty());
    }
}
