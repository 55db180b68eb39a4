//! Who tells that an edge has become visible, and where the times are kept.
//!
//! An observer is a task that asks or is told by the server how the probes are, and says so by [`Sightings::saw`], at
//! the moment at which it knows. A probe goes on once every observer has seen its edge; each observer has times of its
//! own: [`watch`] here is told, and `search` asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tidings_protocol::{
    ClientFrame, command,
    frame::{Body, Request},
};
use tidings_sdk::Connection;
use tokio::sync::Notify;

use super::probe;
use crate::{
    presence::scan,
    report::{Quantiles, Times},
};

/// Everybody who observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observer {
    /// Another client, which watches the probes.
    Watch,
    /// Another client, which searches for those who are online.
    Search,
}

/// How many there are.
const OBSERVERS: usize = 2;

/// A probe comes or goes.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// Whether it comes.
    comes: bool,
    /// From when it may be seen.
    from: Instant,
    seen: [bool; OBSERVERS],
}

/// What was seen.
pub(super) struct Sightings(Mutex<Inner>, Notify);

struct Inner {
    /// The last edge of each probe.
    edges: Vec<Option<Edge>>,
    /// By observer: of those who come, of those who go, and of both.
    times: [[Times; 3]; OBSERVERS],
    edges_made: u64,
    missing: u64,
    wrong: u64,
}

/// What came of it, for one observer.
pub(super) struct Counted {
    /// Times of those who came, of those who went, and of both.
    pub(super) connect: Quantiles,
    pub(super) disconnect: Quantiles,
    pub(super) both: Quantiles,
    pub(super) edges: u64,
    pub(super) missing: u64,
    pub(super) wrong: u64,
}

impl Sightings {
    /// Nothing yet of so many probes.
    pub(super) fn new(probes: u32) -> Arc<Sightings> {
        let inner = Inner {
            edges: vec![None; probes as usize],
            times: std::array::from_fn(|_| [Times::new(), Times::new(), Times::new()]),
            edges_made: 0,
            missing: 0,
            wrong: 0,
        };
        Arc::new(Sightings(Mutex::new(inner), Notify::new()))
    }

    /// A probe comes or goes, which may be seen from a moment on.
    pub(super) fn edge(&self, probe: u32, comes: bool, from: Instant) {
        let mut inner = self.0.lock();
        inner.edges_made += 1;
        inner.edges[probe as usize] = Some(Edge {
            comes,
            from,
            seen: [false; OBSERVERS],
        });
    }

    /// An observer knows now that a probe is here, or not.
    pub(super) fn saw(&self, observer: Observer, probe: u32, here: bool) {
        let now = Instant::now();
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        let edge = inner.edges.get_mut(probe as usize).and_then(Option::as_mut);
        let number = observer as usize;
        match edge {
            Some(edge) if edge.comes == here && !edge.seen[number] => {
                edge.seen[number] = true;
                let took = now.saturating_duration_since(edge.from).as_nanos() as u64;
                let [connect, disconnect, both] = &mut inner.times[number];
                let of_its_kind = if here { connect } else { disconnect };
                of_its_kind.record_ns(took);
                both.record_ns(took);
            }
            _ => inner.wrong += 1,
        }
        self.1.notify_waiters();
    }

    /// Whose edge may be seen by a moment and an observer has not seen yet, ascending.
    pub(super) fn awaited(&self, observer: Observer, by: Instant) -> Vec<u32> {
        let inner = self.0.lock();
        let edges = (0..).zip(&inner.edges);
        let awaited = edges.filter(|(_, edge)| {
            edge.is_some_and(|edge| !edge.seen[observer as usize] && edge.from <= by)
        });
        awaited.map(|(probe, _)| probe).collect()
    }

    /// Waits until all observers have seen a probe's last edge. What they have not seen by then is missing.
    pub(super) async fn seen(&self, probe: u32, patience: Duration) {
        let all = async {
            loop {
                let news = self.1.notified();
                let edge = self.0.lock().edges[probe as usize];
                if edge.is_none_or(|edge| edge.seen.iter().all(|seen| *seen)) {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            let mut inner = self.0.lock();
            if let Some(edge) = inner.edges[probe as usize] {
                inner.missing += edge.seen.iter().filter(|seen| !**seen).count() as u64;
            }
        }
    }

    /// What came of it for an observer.
    pub(super) fn counted(&self, observer: Observer) -> Counted {
        let inner = self.0.lock();
        let [connect, disconnect, both] = &inner.times[observer as usize];
        Counted {
            connect: connect.quantiles(),
            disconnect: disconnect.quantiles(),
            both: both.quantiles(),
            edges: inner.edges_made,
            missing: inner.missing,
            wrong: inner.wrong,
        }
    }
}

/// Watches all probes, until the connection ends.
pub(super) async fn watch(
    mut connection: Connection,
    probes: u32,
    sightings: Arc<Sightings>,
    begun: tokio::sync::oneshot::Sender<()>,
) {
    let mut begun = Some(begun);
    let watch = command::WatchPresence {
        users: (0..probes).map(probe::name).collect(),
        roster: false,
    };
    let frame = ClientFrame {
        request: Some(Request::WatchPresence(watch)),
        ..ClientFrame::default()
    };
    if connection.send(&frame).await.is_err() {
        return;
    }
    let (mut sender, mut receiver) = connection.split();
    // The server asks for a sign every 30 seconds.
    let mut beat = tokio::time::interval(Duration::from_secs(20));
    beat.tick().await;
    let ping = ClientFrame {
        request: Some(Request::Ping(command::Ping {})),
        ..ClientFrame::default()
    };
    loop {
        let frame = tokio::select! {
            frame = receiver.recv() => frame,
            _ = beat.tick() => match sender.send(&ping).await {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(frame) = frame else { return };
        let Some(Body::Presence(told)) = frame.body else {
            continue;
        };
        if told.snapshot {
            // Nobody has come yet.
            begun.take().map(|begun| begun.send(()));
            continue;
        }
        for seen in told.users {
            let here = seen.state != "offline";
            match scan::number(seen.user.as_bytes()) {
                Some(probe) => sightings.saw(Observer::Watch, probe, here),
                None => sightings.saw(Observer::Watch, u32::MAX, here),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_edge_is_seen_once_and_as_it_was() {
        let sightings = Sightings::new(2);
        let now = Instant::now();
        let awaited = |by| sightings.awaited(Observer::Search, by);
        assert!(awaited(now).is_empty());
        sightings.edge(1, true, now);
        assert_eq!(awaited(now), [1]);
        sightings.saw(Observer::Watch, 1, false);
        sightings.saw(Observer::Watch, 0, true);
        sightings.saw(Observer::Watch, 7, true);
        assert_eq!(sightings.counted(Observer::Watch).wrong, 3);
        sightings.saw(Observer::Watch, 1, true);
        assert_eq!(awaited(now), [1]);
        sightings.saw(Observer::Search, 1, true);
        assert!(awaited(now).is_empty());
        sightings.seen(1, Duration::from_secs(60)).await;
        sightings.saw(Observer::Watch, 1, true);
        let later = now + Duration::from_secs(3_600);
        sightings.edge(1, false, later);
        assert_eq!((awaited(now), awaited(later)), (vec![], vec![1]));
        sightings.saw(Observer::Search, 1, false);
        sightings.seen(1, Duration::ZERO).await;
        let counted = sightings.counted(Observer::Watch);
        assert_eq!((counted.edges, counted.missing, counted.wrong), (2, 1, 4));
    }
}
