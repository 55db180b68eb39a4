//! Connections from the moment they arrive, before anybody knows who it is and what they want.
//!
//! Sessions are counted once more, by address and by user: whoever has too many of those is told so,
//! in a frame. Here stands what holds for a connection that never comes that far.
//!
//! A connection on which nothing is asked lends its place: where there is none left, whoever has been quiet
//! for longest makes room for who comes. So a thousand connections that say nothing keep nobody out, nor the
//! health checks of whoever is behind the same address.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{config::Limits, forwarded::Networks};

/// Connections there may be, where so many sessions may be: those beyond are there to be told why they
/// cannot stay, to look at the server's health, or on their way.
fn room_for(sessions: usize) -> usize {
    sessions.saturating_add(sessions / 16).saturating_add(64)
}

/// All connections, whatever state they are in.
pub(crate) struct Arrivals {
    counts: Mutex<Counts>,
    most: usize,
    most_of_address: usize,
    /// Whose connections are those of many others, and not counted by address.
    proxies: Networks,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, Of>,
    /// The quiet ones of all addresses, longest first.
    quiet: BTreeMap<u64, IpAddr>,
    /// The last number that was given to one.
    last: u64,
}

/// The connections of an address.
#[derive(Default)]
struct Of {
    count: usize,
    /// The quiet ones, longest first.
    quiet: BTreeMap<u64, Arc<Place>>,
}

/// One connection's place; free again when this is dropped, with the connection.
pub struct Arrival(Arc<Place>);

/// Says of a connection whether anything is asked on it.
#[derive(Clone)]
pub(crate) struct Quiet(Arc<Place>);

struct Place {
    arrivals: Arc<Arrivals>,
    address: IpAddr,
    /// What it is listed under since it is quiet, also once it has lost the place.
    number: Mutex<Option<u64>>,
    lost: Notify,
}

impl Counts {
    /// Takes the place of the connection that has been quiet for longest: of an address, or of all. It is
    /// counted no more, and told to go.
    fn make_room(&mut self, of: Option<IpAddr>) -> bool {
        let address = match of {
            Some(address) => address,
            None => match self.quiet.first_key_value() {
                Some((_, address)) => *address,
                None => return false,
            },
        };
        let Entry::Occupied(mut entry) = self.by_address.entry(address) else {
            return false;
        };
        let Some((number, place)) = entry.get_mut().quiet.pop_first() else {
            return false;
        };
        place.lost.notify_one();
        entry.get_mut().count -= 1;
        if entry.get().count == 0 {
            entry.remove();
        }
        self.quiet.remove(&number);
        self.all -= 1;
        true
    }

    /// Lists a connection no longer. False if it has lost its place.
    fn unlist(&mut self, address: IpAddr, number: u64) -> bool {
        let listed = self.quiet.remove(&number).is_some();
        if let Some(of) = self.by_address.get_mut(&address) {
            of.quiet.remove(&number);
        }
        listed
    }
}

impl Arrivals {
    pub(crate) fn new(limits: &Limits) -> Arc<Arrivals> {
        Arc::new(Arrivals {
            counts: Mutex::default(),
            most: room_for(limits.connections),
            most_of_address: room_for(limits.connections_per_address),
            proxies: limits.trusted_proxies.clone(),
        })
    }

    /// Takes a place; `None` when there is none, in all or for this address.
    pub(crate) fn arrive(self: &Arc<Arrivals>, address: IpAddr) -> Option<Arrival> {
        let mut counts = self.counts.lock();
        let of_address = counts.by_address.get(&address).map_or(0, |of| of.count);
        let is_full = of_address >= self.most_of_address && !self.proxies.contain(address);
        if is_full && !counts.make_room(Some(address)) {
            return None;
        }
        if counts.all >= self.most && !counts.make_room(None) {
            return None;
        }
        counts.by_address.entry(address).or_default().count += 1;
        counts.all += 1;
        Some(Arrival(Arc::new(Place {
            arrivals: self.clone(),
            address,
            number: Mutex::new(None),
            lost: Notify::new(),
        })))
    }

    /// Whether an address has so many connections that another one is believed to come from there only
    /// once it has shown that it does: who only claims an address takes no more of its places.
    pub(crate) fn is_doubtful(&self, address: IpAddr) -> bool {
        let counts = self.counts.lock();
        let of_address = counts.by_address.get(&address).map_or(0, |of| of.count);
        of_address >= self.most_of_address / 4
    }
}

impl Arrival {
    /// To say of this connection whether anything is asked on it. Until that is used it keeps its place.
    pub(crate) fn quiet(&self) -> Quiet {
        Quiet(self.0.clone())
    }
}

impl Quiet {
    /// From now on nothing is asked.
    pub(crate) fn begin(&self) {
        let mut number = self.0.number.lock();
        if number.is_some() {
            return;
        }
        let address = self.0.address;
        let mut counts = self.0.arrivals.counts.lock();
        counts.last += 1;
        let last = counts.last;
        *number = Some(last);
        counts.quiet.insert(last, address);
        let of = counts.by_address.entry(address).or_default();
        of.quiet.insert(last, self.0.clone());
    }

    /// Something is asked: it keeps its place, if it has not lost it before.
    pub(crate) fn end(&self) {
        let mut number = self.0.number.lock();
        let mut counts = self.0.arrivals.counts.lock();
        if number.is_some_and(|listed| counts.unlist(self.0.address, listed)) {
            *number = None;
        }
    }

    /// Waits until another connection has got the place: then this one is to be closed.
    pub(crate) async fn lost(&self) {
        self.0.lost.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let address = self.0.address;
        let number = self.0.number.lock();
        let mut counts = self.0.arrivals.counts.lock();
        if number.is_some_and(|listed| !counts.unlist(address, listed)) {
            return;
        }
        counts.all -= 1;
        if let Entry::Occupied(mut of_address) = counts.by_address.entry(address) {
            of_address.get_mut().count -= 1;
            if of_address.get().count == 0 {
                of_address.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let arrivals = Arrivals::new(&Limits {
            connections: 16,
            connections_per_address: 0,
            ..Limits::default()
        });
        let address = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        let mut first: Vec<_> = (0..64)
            .filter_map(|_| arrivals.arrive(address(1)))
            .collect();
        assert_eq!(first.len(), 64);
        assert!(arrivals.arrive(address(1)).is_none(), "no more of this one");
        assert!(arrivals.is_doubtful(address(1)) && !arrivals.is_doubtful(address(2)));
        let others: Vec<_> = (0..64)
            .filter_map(|_| arrivals.arrive(address(2)))
            .collect();
        assert_eq!(others.len(), 16 + 1 + 64 - 64, "no more in all");
        first.pop();
        assert!(arrivals.arrive(address(2)).is_some());
        drop((first, others));
        is_empty(&arrivals);
    }

    fn is_empty(arrivals: &Arrivals) {
        let counts = arrivals.counts.lock();
        assert!(counts.by_address.is_empty() && counts.quiet.is_empty());
        assert_eq!(counts.all, 0);
    }

    #[test]
    fn who_has_been_quiet_for_longest_makes_room() {
        let arrivals = Arrivals::new(&Limits {
            connections: 16,
            connections_per_address: 0,
            ..Limits::default()
        });
        let address = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        let mut there: Vec<_> = (0..64)
            .map(|_| arrivals.arrive(address(1)).unwrap())
            .collect();
        assert!(arrivals.arrive(address(1)).is_none(), "nobody is quiet");
        let quiet: Vec<_> = there.iter().map(Arrival::quiet).collect();
        let gone = |quiet: &Quiet| quiet.lost().now_or_never().is_some();
        quiet[..4].iter().for_each(Quiet::begin);
        // The first one asks something, and is quiet again later than the others.
        quiet[0].end();
        quiet[0].begin();
        let mut others: Vec<_> = (0..3)
            .map(|_| arrivals.arrive(address(1)).unwrap())
            .collect();
        assert!(!gone(&quiet[0]) && quiet[1..4].iter().all(gone));
        others.push(arrivals.arrive(address(1)).unwrap());
        assert!(gone(&quiet[0]));
        assert!(arrivals.arrive(address(1)).is_none(), "all others ask");
        quiet[3].end();
        assert!(arrivals.arrive(address(1)).is_none(), "its place is gone");
        drop(others.pop());
        // What has no place any more frees none.
        there.truncate(4);
        assert_eq!(arrivals.counts.lock().all, 3);
        drop((there, others));
        is_empty(&arrivals);

        // In all: the one who makes room is at another address.
        let mut there: Vec<_> = (0..81u8)
            .map(|n| arrivals.arrive(address(n)).unwrap())
            .collect();
        assert!(arrivals.arrive(address(100)).is_none());
        let [seventh, fifth] = [7, 5].map(|n: usize| there[n].quiet());
        seventh.begin();
        fifth.begin();
        there.push(arrivals.arrive(address(100)).unwrap());
        assert!(gone(&seventh) && !gone(&fifth));
        drop(there);
        is_empty(&arrivals);
    }

    #[test]
    fn a_proxy_is_not_counted_as_one_client() {
        let arrivals = Arrivals::new(&Limits {
            connections_per_address: 1,
            trusted_proxies: "10.0.0.0/8".parse().unwrap(),
            ..Limits::default()
        });
        let from = |address: [u8; 4]| {
            let arrived = (0..200).map_while(|_| arrivals.arrive(IpAddr::from(address)));
            arrived.collect::<Vec<_>>().len()
        };
        assert_eq!(from([10, 0, 0, 1]), 200);
        assert_eq!(from([11, 0, 0, 1]), 1 + 64);
    }
}
