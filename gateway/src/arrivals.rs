//! Connections from the moment they arrive, before anybody knows who it is and what they want.
//!
//! Sessions are counted once more, by address and by user: whoever has too many of those is told so,
//! in a frame. Here stands what holds for a connection that never comes that far.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

use crate::config::Limits;

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
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when this is dropped, with the connection.
pub struct Arrival {
    arrivals: Arc<Arrivals>,
    address: IpAddr,
}

impl Arrivals {
    pub(crate) fn new(limits: &Limits) -> Arc<Arrivals> {
        Arc::new(Arrivals {
            counts: Mutex::default(),
            most: room_for(limits.connections),
            most_of_address: room_for(limits.connections_per_address),
        })
    }

    /// Takes a place; `None` when there is none, in all or for this address.
    pub(crate) fn arrive(self: &Arc<Arrivals>, address: IpAddr) -> Option<Arrival> {
        let mut counts = self.counts.lock();
        if counts.all >= self.most {
            return None;
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address >= self.most_of_address {
            return None;
        }
        *of_address += 1;
        counts.all += 1;
        Some(Arrival {
            arrivals: self.clone(),
            address,
        })
    }

    /// Whether an address has so many connections that another one is believed to come from there only
    /// once it has shown that it does: who only claims an address takes no more of its places.
    pub(crate) fn is_doubtful(&self, address: IpAddr) -> bool {
        let counts = self.counts.lock();
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        of_address >= self.most_of_address / 4
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut counts = self.arrivals.counts.lock();
        counts.all -= 1;
        if let Entry::Occupied(mut of_address) = counts.by_address.entry(self.address) {
            *of_address.get_mut() -= 1;
            if *of_address.get() == 0 {
                of_address.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

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
        assert!(arrivals.counts.lock().by_address.is_empty());
        assert_eq!(arrivals.counts.lock().all, 0);
    }
}
