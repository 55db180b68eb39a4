//! Instances that are kept from one call to the next, for extensions whose runtime takes long to begin.
//!
//! What the host holds for a call is new each time: what is staged, handles, limits, fuel, the clock. What the guest itself wrote
//! into its memory stays: a component cannot be asked to forget that, and its memory cannot be put back from outside. So an instance
//! is kept only where an extension asks for it and the operator has agreed, and whatever ended otherwise than well is thrown away.
//!
//! Those that rest take places of the pool that others may need, so there are few of them: they go one by one, the one that rested
//! longest first, whenever a call finds no place, and after a while in any case.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::Instance;

use crate::call::State;

/// Calls that one instance answers, so that what a guest piles up comes to an end.
const CALLS: u32 = 1_000;
/// Instances of one extension that rest at a time.
const OF_ONE: usize = 8;
/// How long one rests before its place is given back.
pub(crate) const REST: Duration = Duration::from_secs(60);

/// An instance with all that belongs to it.
pub(crate) struct Open {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    /// Calls that it has begun.
    calls: u32,
    /// Bytes of memory that it had when it was new.
    new_bytes: usize,
}

impl Open {
    /// A new one.
    pub(crate) fn new(store: Store<State>, instance: Instance) -> Self {
        let new_bytes = store.data().memory.bytes();
        Self {
            store,
            instance,
            calls: 1,
            new_bytes,
        }
    }

    /// With the state of its next call.
    pub(crate) fn again(mut self, state: State) -> Self {
        self.calls += 1;
        let before = std::mem::replace(self.store.data_mut(), state);
        self.store.data_mut().go_on_from(&before);
        self
    }

    /// Whether it may answer another call: it gets no older than so many, and is to have half the room left that a new one
    /// has, so that a call does not fail for want of what earlier ones left.
    fn is_fit(&self) -> bool {
        let state = self.store.data();
        let (bytes, limit) = (state.memory.bytes(), state.memory.limit());
        let room = limit.saturating_sub(self.new_bytes);
        self.calls < CALLS && limit.saturating_sub(bytes) >= room / 2 && state.has_handles_left()
    }
}

/// All that rest on an engine.
#[derive(Default)]
pub(crate) struct Resting {
    each: Mutex<Vec<Weak<Warm>>>,
    count: Arc<AtomicUsize>,
    /// How many there may be: a share of the calls that may be under way.
    most: usize,
}

impl Resting {
    pub(crate) fn new(calls: u32) -> Self {
        Self {
            most: calls as usize / 4,
            ..Self::default()
        }
    }

    /// A place for the instances of an extension.
    pub(crate) fn of_one(self: &Arc<Self>) -> Arc<Warm> {
        let warm = Arc::new(Warm {
            engine: self.clone(),
            resting: Mutex::default(),
        });
        let mut each = locked(&self.each);
        each.retain(|one| one.strong_count() > 0);
        each.push(Arc::downgrade(&warm));
        warm
    }

    /// Gives up the one that rested longest, for a call that finds no place. Nothing to give up is `false`.
    pub(crate) fn give_up_one(&self) -> bool {
        let each = self.each();
        let since = |warm: &Arc<Warm>| locked(&warm.resting).first().map(|first| first.since);
        let oldest = each
            .iter()
            .filter_map(|warm| Some((since(warm)?, warm)))
            .min_by_key(|(since, _)| *since);
        let Some((_, warm)) = oldest else {
            return false;
        };
        let given_up = {
            let mut resting = locked(&warm.resting);
            (!resting.is_empty()).then(|| resting.remove(0))
        };
        // Where a call took it meanwhile, that has a place which will be free again.
        given_up.is_some()
    }

    /// Gives up those that rest for so long. Whether any are left.
    pub(crate) fn sweep(&self, rest: Duration) -> bool {
        for warm in self.each() {
            let old: Vec<Rests> = {
                let mut resting = locked(&warm.resting);
                let is_old = |one: &Rests| one.since.elapsed() >= rest;
                let old = resting.iter().take_while(|one| is_old(one)).count();
                resting.drain(..old).collect()
            };
            drop(old);
        }
        self.count.load(SeqCst) > 0
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    fn each(&self) -> Vec<Arc<Warm>> {
        let each = locked(&self.each);
        each.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Those of one extension.
pub(crate) struct Warm {
    engine: Arc<Resting>,
    /// The one that began to rest first is the first.
    resting: Mutex<Vec<Rests>>,
}

struct Rests {
    open: Open,
    since: Instant,
    _place: Place,
}

impl Warm {
    /// One to be called, if there is one: the one that rested least, whose memory is still in the caches.
    pub(crate) fn take(&self) -> Option<Open> {
        locked(&self.resting).pop().map(|one| one.open)
    }

    /// Lets one rest after a call that went well, if it may and there is room.
    pub(crate) fn keep(&self, mut open: Open) {
        if !open.is_fit() {
            return;
        }
        let Some(place) = Place::take(&self.engine) else {
            return;
        };
        // What the call was about is nothing that should lie around.
        let resting = open.store.data().resting();
        drop(std::mem::replace(open.store.data_mut(), resting));
        let one = Rests {
            open,
            since: Instant::now(),
            _place: place,
        };
        let mut resting = locked(&self.resting);
        if resting.len() < OF_ONE {
            resting.push(one);
        } else {
            drop(resting);
            drop(one);
        }
    }
}

/// A place among all that rest.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(engine: &Resting) -> Option<Self> {
        let place = Self(engine.count.clone());
        (engine.count.fetch_add(1, SeqCst) < engine.most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Nothing here panics while it holds the lock, and a list that was is still one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
