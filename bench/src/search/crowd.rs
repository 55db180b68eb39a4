//! Who is online: in the index's bits, and in the status cache that pages are filtered through otherwise.

use std::time::Duration;

use moka::sync::Cache;
use tidings_search::people::{PeopleIndex, Presence};

use super::profiles::{World, user};

/// How long a status would hold without a heartbeat: longer than any run.
const HOLDS: Duration = Duration::from_secs(86_400);

/// Statuses by user, as a service would keep them beside an index.
pub(super) type Statuses = Cache<String, Presence>;

/// Who is online.
pub(super) struct Crowd {
    pub(super) online: Vec<bool>,
    pub(super) statuses: Statuses,
}

impl Crowd {
    /// Puts a share of everybody online, in percent, one in eight of these away, and all others offline.
    pub(super) fn gather(people: &PeopleIndex, world: &World, profiles: u32, share: u32) -> Crowd {
        let mut random = world.random(u64::from(share) << 40);
        let statuses: Statuses = Cache::builder()
            .time_to_live(HOLDS)
            .initial_capacity((profiles as usize * share as usize) / 100)
            .build();
        let online = (0..profiles)
            .map(|number| {
                let user = user(number);
                let online = random.u32(..100) < share;
                let presence = match (online, random.u32(..8)) {
                    (false, _) => Presence::Offline,
                    (true, 0) => Presence::Away,
                    (true, _) => Presence::Available,
                };
                people.set_presence(&user, presence);
                if online {
                    statuses.insert(user, presence);
                }
                online
            })
            .collect();
        statuses.run_pending_tasks();
        Crowd { online, statuses }
    }

    /// Somebody for the next transition: who goes, and who comes in turn, so that the share stays.
    pub(super) fn next(&mut self, comes: bool, random: &mut fastrand::Rng) -> u32 {
        // There is always somebody: a share is more than nothing and less than all.
        loop {
            let number = random.usize(..self.online.len());
            if self.online[number] != comes {
                self.online[number] = comes;
                return number as u32;
            }
        }
    }
}
