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
    net::{IpAddr, Ipv6Addr},
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
    /// Locked before the counts, if both are.
    state: Mutex<State>,
    lost: Notify,
}

/// What becomes of a place.
#[derive(Clone, Copy)]
enum State {
    /// Something is asked: it is kept.
    Asks,
    /// It is listed under this number, or has been: who is no longer on the list has lost the place.
    Quiet(u64),
    /// The connection is no more. Whoever still speaks of it, such as an answer that is dropped after the
    /// connection it was for, comes too late.
    Gone,
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
        self.quiet.remove(&number);
        self.give_back(address);
        true
    }

    fn take(&mut self, address: IpAddr) {
        self.by_address.entry(address).or_default().count += 1;
        self.all += 1;
    }

    fn give_back(&mut self, address: IpAddr) {
        self.all -= 1;
        if let Entry::Occupied(mut of_address) = self.by_address.entry(address) {
            of_address.get_mut().count -= 1;
            if of_address.get().count == 0 {
                of_address.remove();
            }
        }
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
        counts.take(address);
        Some(Arrival(Arc::new(Place {
            arrivals: self.clone(),
            address,
            state: Mutex::new(State::Asks),
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
        let mut state = self.0.state.lock();
        if !matches!(*state, State::Asks) {
            return;
        }
        let address = self.0.address;
        let mut counts = self.0.arrivals.counts.lock();
        counts.last += 1;
        let number = counts.last;
        *state = State::Quiet(number);
        counts.quiet.insert(number, address);
        let of = counts.by_address.entry(address).or_default();
        of.quiet.insert(number, self.0.clone());
    }

    /// Something is asked: it keeps its place, if it has not lost it before.
    pub(crate) fn end(&self) {
        let mut state = self.0.state.lock();
        let State::Quiet(number) = *state else {
            return;
        };
        if self.0.arrivals.counts.lock().unlist(self.0.address, number) {
            *state = State::Asks;
        }
    }

    /// It is for requests no more, and keeps its place as long as it is there. If it has lost that in this
    /// very moment, it has one beyond the limit: there is nobody left whom [`Quiet::lost`] could tell.
    pub(crate) fn stay(&self) {
        let mut state = self.0.state.lock();
        let State::Quiet(number) = *state else {
            return;
        };
        let mut counts = self.0.arrivals.counts.lock();
        if !counts.unlist(self.0.address, number) {
            counts.take(self.0.address);
        }
        *state = State::Asks;
    }

    /// Waits until another connection has got the place: then this one is to be closed.
    pub(crate) async fn lost(&self) {
        self.0.lost.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let address = self.0.address;
        let mut state = self.0.state.lock();
        let mut counts = self.0.arrivals.counts.lock();
        let has_place = match *state {
            State::Quiet(number) => counts.unlist(address, number),
            State::Asks => true,
            State::Gone => false,
        };
        *state = State::Gone;
        if has_place {
            counts.give_back(address);
        }
    }
}

/// What connections of an address are counted under: an IPv4 address is one customer's, and of IPv6 the first 64
/// bits are, all of which one machine may use.
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_ipv6_the_network_is_counted() {
        let of = |text: &str| counted(text.parse().expect("an address")).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
    }

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
    fn whoever_speaks_of_a_connection_that_is_gone_comes_too_late() {
        let arrivals = Arrivals::new(&Limits::default());
        let there = arrivals.arrive(Ipv4Addr::LOCALHOST.into()).unwrap();
        let quiet = there.quiet();
        drop(there);
        quiet.begin();
        is_empty(&arrivals);
        quiet.end();
        quiet.stay();
        is_empty(&arrivals);
    }

    #[test]
    fn who_stays_is_counted_also_where_its_place_was_just_lost() {
        let arrivals = small(1, 1);
        let address = Ipv4Addr::LOCALHOST.into();
        let first = arrivals.arrive(address).unwrap();
        first.quiet().begin();
        let second = arrivals.arrive(address).unwrap();
        first.quiet().stay();
        assert_eq!(arrivals.counts.lock().all, 2);
        drop(second);
        assert!(arrivals.arrive(address).is_none());
        drop(first);
        is_empty(&arrivals);
    }

    fn small(most: usize, most_of_address: usize) -> Arc<Arrivals> {
        Arc::new(Arrivals {
            counts: Mutex::default(),
            most,
            most_of_address,
            proxies: Networks::default(),
        })
    }

    /// What happens to a connection: the nth that has come, whatever has become of it.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Arrives(u8),
        Begins(prop::sample::Index),
        Ends(prop::sample::Index),
        Stays(prop::sample::Index),
        Goes(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4u8).prop_map(Step::Arrives),
            4 => any::<prop::sample::Index>().prop_map(Step::Begins),
            2 => any::<prop::sample::Index>().prop_map(Step::Ends),
            1 => any::<prop::sample::Index>().prop_map(Step::Stays),
            2 => any::<prop::sample::Index>().prop_map(Step::Goes),
        ]
    }

    /// The same, told simply: one line a connection.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Told {
        address: IpAddr,
        has_place: bool,
        /// When it became quiet, as long as it is.
        quiet: Option<usize>,
        is_gone: bool,
    }

    /// The one of them that makes room.
    fn longest(told: &mut [Told], of: Option<IpAddr>) -> Option<&mut Told> {
        told.iter_mut()
            .filter(|one| one.has_place && one.quiet.is_some())
            .filter(|one| of.is_none_or(|of| one.address == of))
            .min_by_key(|one| one.quiet)
    }

    fn arrives(told: &mut Vec<Told>, address: IpAddr, most: usize, of_address: usize) -> bool {
        let places = |told: &[Told], of: Option<IpAddr>| {
            let those = told.iter().filter(|one| one.has_place);
            those
                .filter(|one| of.is_none_or(|of| one.address == of))
                .count()
        };
        for (of, most) in [(Some(address), of_address), (None, most)] {
            if places(told, of) >= most {
                match longest(told, of) {
                    Some(loser) => loser.has_place = false,
                    None => return false,
                }
            }
        }
        told.push(Told {
            address,
            has_place: true,
            quiet: None,
            is_gone: false,
        });
        true
    }

    proptest! {
        #[test]
        fn in_whatever_order_things_happen_the_counts_are_right(
            steps in prop::collection::vec(step(), 0..80),
            most in 1..6usize,
            most_of_address in 1..4usize,
        ) {
            let arrivals = small(most, most_of_address);
            let mut there: Vec<(Option<Arrival>, Quiet)> = Vec::new();
            let mut told: Vec<Told> = Vec::new();
            for (now, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arrives(n) => {
                        let address = Ipv4Addr::new(10, 0, 0, n).into();
                        let arrival = arrivals.arrive(address);
                        let expected = arrives(&mut told, address, most, most_of_address);
                        prop_assert_eq!(arrival.is_some(), expected);
                        there.extend(arrival.map(|arrival| {
                            let quiet = arrival.quiet();
                            (Some(arrival), quiet)
                        }));
                    }
                    _ if there.is_empty() => {}
                    Step::Begins(n) => {
                        let n = n.index(there.len());
                        there[n].1.begin();
                        if !told[n].is_gone && told[n].quiet.is_none() {
                            told[n].quiet = Some(now);
                        }
                    }
                    Step::Ends(n) => {
                        let n = n.index(there.len());
                        there[n].1.end();
                        if told[n].has_place {
                            told[n].quiet = None;
                        }
                    }
                    Step::Stays(n) => {
                        let n = n.index(there.len());
                        there[n].1.stay();
                        if !told[n].is_gone {
                            (told[n].has_place, told[n].quiet) = (true, None);
                        }
                    }
                    Step::Goes(n) => {
                        let n = n.index(there.len());
                        there[n].0 = None;
                        (told[n].has_place, told[n].quiet, told[n].is_gone) = (false, None, true);
                    }
                }
                let counts = arrivals.counts.lock();
                let places: Vec<&Told> = told.iter().filter(|one| one.has_place).collect();
                prop_assert_eq!(counts.all, places.len());
                let mut quiet: Vec<_> = places.iter().filter(|one| one.quiet.is_some()).collect();
                quiet.sort_by_key(|one| one.quiet);
                let quiet_of = |address: Option<IpAddr>| {
                    let those = quiet.iter().map(|one| one.address);
                    those.filter(|of| address.is_none_or(|address| *of == address)).collect::<Vec<_>>()
                };
                prop_assert_eq!(counts.quiet.values().copied().collect::<Vec<_>>(), quiet_of(None));
                for (address, of) in &counts.by_address {
                    let count = places.iter().filter(|one| one.address == *address).count();
                    prop_assert!(count > 0, "nobody is left of {}", address);
                    prop_assert_eq!(of.count, count);
                    let listed: Vec<_> = of.quiet.keys().map(|number| counts.quiet.get(number)).collect();
                    prop_assert_eq!(listed.len(), quiet_of(Some(*address)).len());
                    prop_assert!(listed.iter().all(|listed| *listed == Some(address)));
                }
            }
            drop(there);
            is_empty(&arrivals);
        }
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
