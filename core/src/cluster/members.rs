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

/// A node that has not heard even itself for so long hears nobody: it is cut off, and what it knows of
/// others is as good as anything.
const DEAF: Duration = Duration::from_millis(1_500);

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
    /// Its name in the presence lane. Nil where it has said none.
    #[serde(default)]
    pub presence: Uuid,
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
    /// Others that fell silent while nobody was heard: they write nothing, but clients go on being told
    /// of them. Were they not, whoever loses this node while the log is away knew no other.
    out_of_earshot: HashMap<Uuid, Announcement>,
    /// When this node heard itself last, once it has.
    me_heard: Option<Duration>,
    /// When it began to.
    hears_since: Duration,
}

impl Members {
    pub(super) fn new(me: Announcement) -> Members {
        Members {
            me,
            others: HashMap::new(),
            out_of_earshot: HashMap::new(),
            me_heard: None,
            hears_since: Duration::ZERO,
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
        if announcement.node == self.me.node {
            if self.me_heard.is_none() || self.is_deaf(at) {
                self.hears_since = at;
            }
            self.me_heard = Some(at);
            return false;
        }
        if announcement.epoch != self.me.epoch {
            return false;
        }
        self.out_of_earshot.remove(&announcement.node);
        let heard = Heard { announcement, at };
        let node = heard.announcement.node;
        let news = self
            .others
            .get(&node)
            .is_none_or(|before| before.announcement != heard.announcement);
        self.others.insert(node, heard);
        news
    }

    /// Whether nothing is heard at present, so that nobody's silence means anything.
    fn is_deaf(&self, now: Duration) -> bool {
        self.me_heard
            .is_some_and(|at| now.saturating_sub(at) > DEAF)
    }

    /// Forgets a node that is known to be gone: until it is heard again it is nobody's writer.
    pub(super) fn gone(&mut self, node: Uuid) -> bool {
        self.out_of_earshot.remove(&node);
        self.others.remove(&node).is_some()
    }

    /// The same of a node that is gone as far as can be told from here.
    pub(super) fn missed(&mut self, node: Uuid, now: Duration) {
        if let Some(heard) = self.others.remove(&node)
            && self.is_deaf(now)
        {
            self.out_of_earshot.insert(node, heard.announcement);
        }
    }

    /// Forgets those that have been silent too long, and says who they are.
    pub(super) fn silent(&mut self, now: Duration) -> Vec<Uuid> {
        if !self.is_deaf(now) && now.saturating_sub(self.hears_since) > SILENCE {
            // Whoever is here has been heard by now.
            self.out_of_earshot.clear();
        }
        let others = self.others.iter();
        let silent = others.filter(|(_, heard)| now.saturating_sub(heard.at) > SILENCE);
        let silent: Vec<Uuid> = silent.map(|(node, _)| *node).collect();
        for node in &silent {
            self.missed(*node, now);
        }
        silent
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
            .chain(self.out_of_earshot.values())
            .filter(|other| !other.leaving && !other.url.is_empty())
            .map(|other| other.url.clone())
            .collect();
        urls.sort_unstable();
        urls.dedup();
        urls
    }

    /// Sets this node's name in the presence lane. True when that is another one.
    pub(super) fn announce_presence(&mut self, incarnation: Uuid) -> bool {
        std::mem::replace(&mut self.me.presence, incarnation) != incarnation
    }

    /// The other nodes' names in the presence lane; `None` where nobody is heard, so that silence says
    /// nothing.
    pub(super) fn presences(&self, now: Duration) -> Option<Vec<Uuid>> {
        if self.me_heard.is_none() || self.is_deaf(now) {
            return None;
        }
        let others = self.others.values();
        Some(others.map(|heard| heard.announcement.presence).collect())
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
