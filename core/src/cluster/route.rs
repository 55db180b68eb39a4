//! Commands to the node that writes their shard: to this one's queue or over NATS to another's.
//!
//! The choice of the writer is for speed (several writers of one shard get in each other's way); that
//! the log is right whoever writes is the fence's doing. What this must keep is order: commands of one
//! shard leave in the order in which they were submitted, also while the writer changes, so that two
//! messages that a client sends at once do not change places. So a shard goes over to another writer
//! once all that is on its way to the present one is answered, and until then what comes is held.
//!
//! A node that has gone has its unanswered commands sent again, elsewhere. It may have executed them:
//! they are recognised by their ids, or safe to repeat.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    members::{Announcement, Members},
    wire::{self, Forwarded},
};
use crate::{
    handler::{Answer, Queue, Submission},
    log::Shard,
};

/// After which a command that is not answered is taken for lost, with the node it was sent to.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Commands of one shard that are held or unanswered, at most.
const WAITING: usize = 100_000;

/// Where the commands of a shard go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Here,
    Node(Uuid),
}

struct Route {
    to: To,
    /// Sent to `to` and not answered.
    unanswered: usize,
    /// Those of them that are with another node.
    away: BTreeMap<u64, Away>,
    /// Waiting for the shard to go over to another writer.
    held: VecDeque<Submission>,
}

struct Away {
    submission: Submission,
    since: Duration,
}

/// What is to be sent to other nodes.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: Mutex<Vec<(Uuid, Bytes)>>,
    pub(super) arrived: Notify,
}

impl Outgoing {
    pub(super) fn push(&self, node: Uuid, item: Bytes) {
        let mut waiting = self.waiting.lock();
        waiting.push((node, item));
        if waiting.len() == 1 {
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Everything that waits, in order, as messages of several items to one node each.
    pub(super) fn messages(&self) -> Vec<(Uuid, Bytes)> {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let mut messages: Vec<(Uuid, Vec<u8>)> = Vec::new();
        for (node, item) in waiting {
            let open = messages
                .iter_mut()
                .rev()
                .find(|(to, _)| *to == node)
                .filter(|(_, message)| message.len() + item.len() <= wire::MESSAGE_BYTES);
            match open {
                Some((_, message)) => message.extend_from_slice(&item),
                None => messages.push((node, item.to_vec())),
            }
        }
        messages
            .into_iter()
            .map(|(node, message)| (node, message.into()))
            .collect()
    }
}

/// Routes commands. See the [module](self).
pub(super) struct Router {
    pub(super) members: Mutex<Members>,
    routes: Box<[Mutex<Route>]>,
    queues: Arc<[Arc<Queue>]>,
    next: AtomicU64,
    pub(super) commands: Outgoing,
    /// What the clock shows, since it began.
    now: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// Answers to be given once no lock is held.
type Refused = Vec<(Submission, &'static str)>;

impl Router {
    pub(super) fn new(
        me: Announcement,
        queues: Arc<[Arc<Queue>]>,
        now: Box<dyn Fn() -> Duration + Send + Sync>,
    ) -> Router {
        let route = || {
            Mutex::new(Route {
                to: To::Here,
                unanswered: 0,
                away: BTreeMap::new(),
                held: VecDeque::new(),
            })
        };
        Router {
            members: Mutex::new(Members::new(me)),
            routes: queues.iter().map(|_| route()).collect(),
            queues,
            next: AtomicU64::new(1),
            commands: Outgoing::default(),
            now,
        }
    }

    pub(super) fn now(&self) -> Duration {
        (self.now)()
    }

    /// Sends a command on its way. Its reply is called exactly once, possibly before this returns.
    pub(super) fn submit(self: &Arc<Router>, shard: Shard, submission: Submission) {
        let mut refused = Vec::new();
        {
            let route = &mut *self.routes[usize::from(shard.0)].lock();
            let writer = self.writer(shard);
            // Imports in order are decided here: the order is kept by this process.
            if submission.chain.is_some() {
                self.here(shard, submission, &mut refused);
            } else if route.held.len() + route.away.len() >= WAITING {
                refused.push((submission, "too many commands are waiting: try again later"));
            } else {
                if route.unanswered == 0 && route.held.is_empty() {
                    route.to = writer;
                }
                if route.to == writer && route.held.is_empty() {
                    self.send(shard, route, submission, &mut refused);
                } else {
                    route.held.push_back(submission);
                }
            }
        }
        refuse(refused);
    }

    /// Takes in an answer of another node.
    pub(super) fn answered(self: &Arc<Router>, shard: u16, number: u64, answer: Answer) {
        let Some(route) = self.routes.get(usize::from(shard)) else {
            return;
        };
        // Not there: it was given up, and sent elsewhere.
        let Some(away) = route.lock().away.remove(&number) else {
            return;
        };
        (away.submission.reply)(answer);
        self.one_answered(Shard(shard));
    }

    /// Sends what a node that is known to be gone has not answered to whoever writes now. False if it was known to be.
    pub(super) fn gone(self: &Arc<Router>, node: Uuid) -> bool {
        let news = self.members.lock().gone(node);
        self.send_again(node);
        news
    }

    /// Gives up nodes that have been silent, or have left a command unanswered, for too long. Says which.
    pub(super) fn give_up(self: &Arc<Router>) -> Vec<Uuid> {
        let now = self.now();
        let mut gone = self.members.lock().silent(now);
        for route in &self.routes {
            let route = route.lock();
            if let (To::Node(node), Some((_, oldest))) = (route.to, route.away.first_key_value())
                && now.saturating_sub(oldest.since) > PATIENCE
                && !gone.contains(&node)
            {
                gone.push(node);
            }
        }
        for node in &gone {
            self.members.lock().missed(*node, now);
            self.send_again(*node);
        }
        gone
    }

    /// Commands that are on their way to other nodes, or held.
    pub(super) fn waiting(&self) -> usize {
        self.routes
            .iter()
            .map(|route| {
                let route = route.lock();
                route.away.len() + route.held.len()
            })
            .sum()
    }

    fn writer(&self, shard: Shard) -> To {
        let members = self.members.lock();
        let writer = members.writer(shard);
        if writer == members.me().node {
            To::Here
        } else {
            To::Node(writer)
        }
    }

    fn send(
        self: &Arc<Router>,
        shard: Shard,
        route: &mut Route,
        submission: Submission,
        refused: &mut Refused,
    ) {
        match route.to {
            To::Here => {
                let router = self.clone();
                let reply = submission.reply;
                let counted = Submission {
                    reply: Box::new(move |answer| {
                        reply(answer);
                        router.one_answered(shard);
                    }),
                    ..submission
                };
                route.unanswered += 1;
                self.here(shard, counted, refused);
            }
            To::Node(node) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let item = wire::item(&Forwarded {
                    shard: shard.0,
                    number,
                    actor: submission.actor.clone(),
                    command: &submission.command,
                    id: submission.id,
                    happened_ms: submission.happened_ms,
                    known: submission.known,
                    trace: submission.trace,
                });
                route.unanswered += 1;
                let since = self.now();
                route.away.insert(number, Away { submission, since });
                self.commands.push(node, item.into());
            }
        }
    }

    fn here(&self, shard: Shard, submission: Submission, refused: &mut Refused) {
        if let Err(why) = self.queues[usize::from(shard.0)].push(submission) {
            refused.push(*why);
        }
    }

    fn one_answered(self: &Arc<Router>, shard: Shard) {
        let mut refused = Vec::new();
        {
            let route = &mut *self.routes[usize::from(shard.0)].lock();
            route.unanswered -= 1;
            if route.unanswered == 0 && !route.held.is_empty() {
                route.to = self.writer(shard);
                for submission in std::mem::take(&mut route.held) {
                    self.send(shard, route, submission, &mut refused);
                }
            }
        }
        refuse(refused);
    }

    fn send_again(self: &Arc<Router>, node: Uuid) {
        let mut refused = Vec::new();
        for (number, route) in self.routes.iter().enumerate() {
            let shard = Shard(number as u16);
            let route = &mut *route.lock();
            if route.to != To::Node(node) {
                continue;
            }
            route.to = self.writer(shard);
            let away = std::mem::take(&mut route.away);
            route.unanswered -= away.len();
            let away = away.into_values().map(|away| away.submission);
            let held = std::mem::take(&mut route.held);
            for submission in away.chain(held) {
                self.send(shard, route, submission, &mut refused);
            }
        }
        refuse(refused);
    }
}

fn refuse(refused: Refused) {
    for (submission, why) in refused {
        (submission.reply)(Answer::Unavailable(why.to_owned()));
    }
}

#[cfg(test)]
mod tests;
