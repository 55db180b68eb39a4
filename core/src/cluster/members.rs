//! Who is here, as one node sees it, and who writes which shard.
//!
//! Pure: time comes from outside. What two nodes see may differ for a moment; then both may write to a
//! shard, and its fence keeps the log right.

use std::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log::Shard;

/// How often a node says that it is here.
pub(super) const ANNOUNCE: Duration = Duration::from_millis(500);

/// After which silence a node is taken for gone.
pub(super) const SILENCE: Duration = Duration::from_millis(2_500);

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Names this life of the node: made anew at each start.
    pub node: Uuid,
    /// The log it is on. Nodes of another one are none of ours.
    pub epoch: Uuid,
    /// How it writes what nodes say to each other. With nodes that write differently nothing is shared
    /// but the log.
    pub format: u16,
    /// Where clients reach it: `http://host:port`. Empty where it has not been told.
    pub url: String,
    /// It is stopping: it takes no more from others.
    pub leaving: bool,
}

#[derive(Clone, Debug)]
struct Heard {
    announcement: Announcement,
    /// When, by a clock that begins anywhere.
    at: Duration,
}

/// The other nodes, and this one.
#[derive(Debug)]
pub(super) struct Members {
    me: Announcement,
    others: HashMap<Uuid, Heard>,
}

impl Members {
    pub(super) fn new(me: Announcement) -> Members {
        Members {
            me,
            others: HashMap::new(),
        }
    }

    pub(super) fn me(&self) -> &Announcement {
        &self.me
    }

    /// Where clients reach this node.
    pub(super) fn reachable_at(&mut self, url: String) {
        self.me.url = url;
    }

    /// From now on this node takes nothing from others and leaves its shards to them.
    pub(super) fn leave(&mut self) {
        self.me.leaving = true;
    }

    /// Takes in what a node says of itself. True when that is news.
    pub(super) fn heard(&mut self, announcement: Announcement, at: Duration) -> bool {
        if announcement.node == self.me.node || announcement.epoch != self.me.epoch {
            return false;
        }
        let heard = Heard { announcement, at };
        let node = heard.announcement.node;
        let news = self
            .others
            .get(&node)
            .is_none_or(|before| before.announcement != heard.announcement);
        self.others.insert(node, heard);
        news
    }

    /// Forgets a node that does not answer: until it is heard again it is nobody's writer.
    pub(super) fn gone(&mut self, node: Uuid) -> bool {
        self.others.remove(&node).is_some()
    }

    /// Forgets those that have been silent too long, and says who they are.
    pub(super) fn silent(&mut self, now: Duration) -> Vec<Uuid> {
        let silent = self
            .others
            .extract_if(|_, heard| now.saturating_sub(heard.at) > SILENCE);
        silent.map(|(node, _)| node).collect()
    }

    /// Which node writes a shard: the one whose name and the shard's make the highest number together, of
    /// those that stay. So each node that comes or goes moves its own share of the shards and no other.
    pub(super) fn writer(&self, shard: Shard) -> Uuid {
        let others = self.others.values().map(|heard| &heard.announcement);
        others
            .filter(|other| !other.leaving && other.format == self.me.format)
            .chain((!self.me.leaving).then_some(&self.me))
            .map(|candidate| (weight(candidate.node, shard), candidate.node))
            .max()
            .map_or(self.me.node, |(_, node)| node)
    }

    /// Where clients reach the other nodes that stay, in no order that means anything.
    pub(super) fn urls(&self) -> Vec<String> {
        let others = self.others.values().map(|heard| &heard.announcement);
        let mut urls: Vec<String> = others
            .filter(|other| !other.leaving && !other.url.is_empty())
            .map(|other| other.url.clone())
            .collect();
        urls.sort_unstable();
        urls.dedup();
        urls
    }

    pub(super) fn others(&self) -> usize {
        self.others.len()
    }
}

/// Rendezvous hashing (Thaler and Ravishankar): FNV-1a over both, stirred, because the last bytes
/// would hardly move the upper bits.
fn weight(node: Uuid, shard: Shard) -> u64 {
    let bytes = node
        .as_bytes()
        .iter()
        .chain(&shard.0.to_le_bytes())
        .copied()
        .collect::<Vec<u8>>();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
