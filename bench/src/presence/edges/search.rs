//! Another client, which asks for those of the probes who are online, again and again while one is awaited.
//!
//! Probes have a profile with the name of the group that they are in, so that a question finds just the probes of a
//! group, and a group fits on a page.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_protocol::{
    ClientFrame,
    frame::{Body, Outcome, Request},
    query,
};
use tidings_sdk::Connection;
use tokio::sync::oneshot;

use super::{
    observer::{Observer, Sightings},
    probe,
};
use crate::presence::scan;

/// The attribute that says who is in which group: a keyword.
pub const ATTRIBUTE: &str = "bench_group";

/// Probes of a group.
const GROUP: u32 = 50;
/// It is asked so often while somebody is awaited.
const OFTEN: Duration = Duration::from_millis(2);
/// So long before somebody may be seen to have gone it begins to ask.
const EARLY: Duration = Duration::from_millis(20);
/// The server asks for a sign every 30 seconds.
const QUIET: Duration = Duration::from_secs(10);

fn group(probe: u32) -> String {
    format!("probes-{}", probe / GROUP)
}

/// Users with the value of [`ATTRIBUTE`] that they are to have in their profile: all probes.
pub fn profiles(probes: u32) -> impl Iterator<Item = (String, String)> {
    (0..probes).map(|number| (probe::name(number), group(number)))
}

/// Who asks.
struct Searcher {
    connection: Connection,
    id: u64,
    asked: Instant,
}

impl Searcher {
    /// Who of a group is found; nobody says if the server cannot answer now.
    async fn ask(&mut self, number: u32, online: &str) -> Option<Vec<u32>> {
        self.id += 1;
        self.asked = Instant::now();
        let search = query::SearchPeople {
            query: format!("{ATTRIBUTE}:{}", group(number * GROUP)),
            online: online.to_owned(),
            limit: 2 * GROUP,
            ..query::SearchPeople::default()
        };
        let frame = ClientFrame {
            id: self.id,
            request: Some(Request::SearchPeople(search)),
            ..ClientFrame::default()
        };
        self.connection.send(&frame).await.ok()?;
        loop {
            let frame = self.connection.recv().await.ok()?;
            let Some(Body::Reply(reply)) = frame.body else {
                continue;
            };
            if reply.id != self.id {
                continue;
            }
            let Some(Outcome::People(found)) = reply.outcome else {
                return None;
            };
            let people = found.people.iter();
            return people
                .map(|person| scan::number(person.user.as_bytes()))
                .collect();
        }
    }
}

/// Looks for all probes, until it is dropped. Says when all can be found, though nobody is here yet.
pub(super) async fn search(
    connection: Connection,
    probes: u32,
    sightings: Arc<Sightings>,
    begun: oneshot::Sender<()>,
) {
    let mut searcher = Searcher {
        connection,
        id: 1,
        asked: Instant::now(),
    };
    let mut ticks = tokio::time::interval(OFTEN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0..probes.div_ceil(GROUP) {
        let size = (probes - number * GROUP).min(GROUP);
        // The index follows the log.
        while searcher.ask(number, "any").await.map(|found| found.len()) != Some(size as usize) {
            tokio::time::sleep(10 * OFTEN).await;
        }
    }
    let _ = begun.send(());
    let mut here = vec![false; probes as usize];
    loop {
        ticks.tick().await;
        let awaited = sightings.awaited(Observer::Search, Instant::now() + EARLY);
        let mut groups: Vec<u32> = awaited.into_iter().map(|probe| probe / GROUP).collect();
        groups.dedup();
        if groups.is_empty() && searcher.asked.elapsed() > QUIET {
            groups.push(0);
        }
        for number in groups {
            let Some(found) = searcher.ask(number, "only").await else {
                continue;
            };
            for probe in number * GROUP..probes.min((number + 1) * GROUP) {
                let is_here = found.contains(&probe);
                if std::mem::replace(&mut here[probe as usize], is_here) != is_here {
                    sightings.saw(Observer::Search, probe, is_here);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_group_fits_on_a_page() {
        let mut sizes: BTreeMap<String, u32> = BTreeMap::new();
        for (number, (user, group)) in (0..).zip(profiles(120)) {
            assert_eq!(user, probe::name(number));
            *sizes.entry(group).or_default() += 1;
        }
        let sizes: Vec<u32> = sizes.into_values().collect();
        assert_eq!(sizes, [50, 50, 20]);
    }
}
