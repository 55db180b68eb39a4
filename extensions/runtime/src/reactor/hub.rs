//! Following the log once for all lanes of a node: what has nothing for a lane costs it nothing.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tidings_core::{
    commit::Commit,
    log::{Lane as LogLane, Position},
};
use tokio::sync::mpsc;

use crate::{events, server::Shared};

/// Commits that wait for one lane, and bytes of theirs as the log has them. One that is further behind reads the log itself.
const QUEUE: usize = 4_096;
pub(super) const QUEUE_BYTES: usize = 16 << 20;

/// Where lanes hear of commits.
pub(crate) struct Hub {
    listeners: Mutex<Listeners>,
    head: AtomicU64,
}

/// Whoever hears, found by the kinds of events: those that a commit does not concern are not looked at, however many they are.
#[derive(Default)]
struct Listeners {
    next: u64,
    all: HashMap<u64, Listener>,
    by_kind: HashMap<String, Vec<u64>>,
}

struct Listener {
    queue: mpsc::Sender<Queued>,
    /// Bytes that wait.
    bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicBool>,
}

/// A commit that waits, and its size.
struct Queued(Arc<Commit>, usize);

impl Listener {
    /// Whether there was room. One commit may wait however large it is.
    fn take(&self, commit: &Arc<Commit>, size: usize) -> bool {
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let has_room = before == 0 || before + size <= QUEUE_BYTES;
        has_room && self.queue.try_send(Queued(commit.clone(), size)).is_ok()
    }
}

impl Listeners {
    fn add(&mut self, kinds: HashSet<String>, listener: Listener) {
        let number = self.next;
        self.next += 1;
        for kind in kinds {
            self.by_kind.entry(kind).or_default().push(number);
        }
        self.all.insert(number, listener);
    }

    /// Forgets those who do not hear any more.
    fn tidy(&mut self) {
        let Listeners { all, by_kind, .. } = self;
        all.retain(|_, listener| !listener.queue.is_closed());
        by_kind.retain(|_, numbers| {
            numbers.retain(|number| all.contains_key(number));
            !numbers.is_empty()
        });
    }

    /// Those that events of these kinds concern, each once.
    fn of(&self, kinds: &[Cow<'static, str>]) -> Vec<u64> {
        let of = kinds.iter().filter_map(|kind| self.by_kind.get(&**kind));
        let mut numbers: Vec<u64> = of.flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn tell(&mut self, kinds: &[Cow<'static, str>], commit: &Arc<Commit>, size: usize) {
        for number in self.of(kinds) {
            let Some(listener) = self.all.get(&number) else {
                continue;
            };
            if !listener.take(commit, size) {
                listener.lost.store(true, Ordering::Release);
                self.all.remove(&number);
            }
        }
    }
}

/// A lane's end of it.
pub(crate) struct Hearing {
    queue: mpsc::Receiver<Queued>,
    bytes: Arc<AtomicUsize>,
    /// Set once it was too slow, and has missed something.
    lost: Arc<AtomicBool>,
    /// Position after which nothing is missed.
    pub(crate) from: u64,
}

impl Hearing {
    /// The next commit with something for it; none once it was too slow. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Arc<Commit>> {
        let queued = self.queue.recv().await?;
        Some(self.taken(queued))
    }

    /// The next one that is there.
    pub(crate) fn next_now(&mut self) -> Option<Arc<Commit>> {
        let queued = self.queue.try_recv().ok()?;
        Some(self.taken(queued))
    }

    fn taken(&self, Queued(commit, size): Queued) -> Arc<Commit> {
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        commit
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether it has missed something and heard all before that.
    pub(crate) fn is_over(&self) -> bool {
        self.lost.load(Ordering::Acquire) && self.queue.is_empty()
    }
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
        listeners.tidy();
        let bytes = Arc::new(AtomicUsize::new(0));
        let listener = Listener {
            queue: sender,
            bytes: bytes.clone(),
            lost: lost.clone(),
        };
        listeners.add(kinds, listener);
        Hearing {
            queue,
            bytes,
            lost,
            from: self.head.load(Ordering::Acquire),
        }
    }

    /// Up to where the log was followed.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    fn tell(&self, commit: Commit, size: usize) {
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
        listeners.tell(&kinds, &commit, size);
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
                                Ok(commit) => hub.tell(commit, record.payload.len()),
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

#[cfg(test)]
mod tests {
    use tidings_core::log::Shard;

    use super::*;

    fn listener() -> (Listener, mpsc::Receiver<Queued>) {
        let (queue, hears) = mpsc::channel(1);
        let listener = Listener {
            queue,
            bytes: Arc::default(),
            lost: Arc::default(),
        };
        (listener, hears)
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes() {
        let hub = Hub::new(0);
        let mut hears = hub.hear(["message_posted".to_owned()].into());
        let kinds = [Cow::Borrowed("message_posted")];
        let commit = Arc::new(Commit {
            position: Position(1),
            shard: Shard(0),
            id: uuid::Uuid::nil(),
            recorded_ms: 0,
            batches: Vec::new(),
        });
        let tell = |size| hub.listeners.lock().tell(&kinds, &commit, size);
        // However large: somebody has to read it.
        tell(QUEUE_BYTES + 1);
        assert!(hears.next().await.is_some() && hears.is_empty());
        tell(QUEUE_BYTES - 1);
        tell(1);
        assert!(hears.next_now().is_some());
        tell(1);
        tell(QUEUE_BYTES);
        assert!(!hears.is_over(), "there is something to be heard");
        assert!(hears.next().await.is_some() && hears.next().await.is_some());
        assert!(hears.is_over() && hears.next().await.is_none());
    }

    #[test]
    fn each_is_found_once_by_any_of_its_kinds_until_it_hears_no_more() {
        let mut listeners = Listeners::default();
        let (one, hears_one) = listener();
        let (other, _hears_other) = listener();
        let (silent, _hears_silent) = listener();
        let kinds = |kinds: &[&str]| kinds.iter().map(ToString::to_string).collect();
        listeners.add(kinds(&["a", "b"]), one);
        listeners.add(kinds(&["b"]), other);
        listeners.add(kinds(&[]), silent);
        let told = |kinds: &[&'static str]| -> Vec<Cow<'static, str>> {
            kinds.iter().map(|kind| Cow::Borrowed(*kind)).collect()
        };
        assert_eq!(listeners.of(&told(&["a", "b"])), [0, 1]);
        assert_eq!(listeners.of(&told(&["a"])), [0]);
        assert!(listeners.of(&told(&["c"])).is_empty());
        drop(hears_one);
        listeners.tidy();
        assert_eq!(listeners.of(&told(&["a", "b"])), [1]);
        assert_eq!(listeners.all.len(), 2);
        assert_eq!(listeners.by_kind.len(), 1);
    }
}
