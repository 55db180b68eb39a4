//! The presence of a node, running: it follows the lane, says who is here, and tells those who watch.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Presence,
    record::{Record, Said, State},
};
use crate::{
    cluster::Cluster,
    domain::UserId,
    handler::Answer,
    log::{Append, AppendError, EventLog, Lane, Position, ReadError, Shard},
};

/// What comes together is said together.
const GATHER: Duration = Duration::from_millis(5);

/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(200);

/// How often it is looked who has fallen silent.
const LOOK: Duration = Duration::from_millis(500);

/// How often a node that has users here says that it lives, for those who find what it said after it is gone.
const LIVES: Duration = Duration::from_secs(5);

/// How much the clocks of nodes may differ.
const SKEW: Duration = Duration::from_secs(60);

/// How often everybody is said again: the lane keeps only its newest records, and whoever begins to follow it
/// is to find all who are here.
const SAY_AGAIN: Duration = Duration::from_secs(300);

/// How long an edge waits until it is recorded when somebody was here last.
const SEEN: Duration = Duration::from_secs(3);

/// Users said in one record at most.
const SAID: usize = 2_000;

impl Presence {
    /// Runs until told to stop.
    pub(crate) async fn run(
        &self,
        log: &dyn EventLog,
        cluster: Option<&Cluster>,
        stopping: &AtomicBool,
    ) {
        let running = async {
            tokio::join!(
                self.follow(log),
                self.speak(log),
                self.tell(),
                self.look_after(log, cluster)
            );
        };
        tokio::select! {
            () = running => {}
            () = stopped(stopping) => {}
        }
    }

    /// Folds the lane.
    async fn follow(&self, log: &dyn EventLog) {
        // Nobody is shown before everything is folded that was recorded when this began.
        self.journal_folded(log).await;
        let mut at = Position::START;
        loop {
            let mut tail = match log.tail(Lane::Presence, at).await {
                Ok(tail) => tail,
                Err(ReadError::Lost) => {
                    self.lane_lost();
                    at = Position::START;
                    tokio::time::sleep(GATHER).await;
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "the presence lane cannot be followed, trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            loop {
                let records = match tail.next().await {
                    Ok(records) => records,
                    Err(ReadError::Lost) => {
                        tracing::warn!(
                            "the presence lane was lost: all nodes say again who is here"
                        );
                        self.lane_lost();
                        at = Position::START;
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the presence lane cannot be read, trying again");
                        tokio::time::sleep(RETRY).await;
                        break;
                    }
                };
                for record in records {
                    at = record.position;
                    match Record::decode(&record.payload) {
                        Ok(said) => {
                            self.projections.reached(said.as_of).await;
                            self.fold(&said);
                        }
                        Err(error) => {
                            tracing::error!(position = %record.position, %error, "a record of the presence lane is passed over");
                        }
                    }
                }
            }
        }
    }

    /// Waits until everything is folded that the journal holds now, and says which position that is.
    async fn journal_folded(&self, log: &dyn EventLog) -> u64 {
        loop {
            match log.head(Lane::Journal).await {
                Ok(Position(head)) => {
                    self.projections.reached(head).await;
                    return head;
                }
                Err(error) => {
                    tracing::debug!(%error, "the journal does not say where it ends, trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Says who is here.
    async fn speak(&self, log: &dyn EventLog) {
        let shard = self.shard(log);
        let mut last = Position::START;
        let mut said_all = crate::clock::moment();
        let mut lived = said_all;
        loop {
            let next = self.inner.lock().local.next_look();
            let wait = next.map_or(LOOK, |at| {
                Duration::from_millis(at.saturating_sub(self.elapsed_ms())).min(LOOK)
            });
            tokio::select! {
                () = self.news.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.elapsed_ms();
            let mut said = self.inner.lock().local.take(now);
            if said_all.elapsed() >= SAY_AGAIN {
                said_all = crate::clock::moment();
                let known: HashSet<UserId> = said.iter().map(|(user, _)| user.clone()).collect();
                let again = self.inner.lock().local.said().into_iter();
                said.extend(again.filter(|(user, _)| !known.contains(user)));
            }
            if said.is_empty() && lived.elapsed() >= LIVES && !self.inner.lock().local.is_empty() {
                lived = crate::clock::moment();
                let incarnation = self.inner.lock().incarnation;
                let record = self.record(incarnation, 0, Vec::new());
                self.append(log, shard, &mut last, &record).await;
            }
            let mut said = said.into_iter().peekable();
            while said.peek().is_some() {
                let some: Vec<(UserId, State)> = said.by_ref().take(SAID).collect();
                // Whether they are invisible is in the journal, perhaps since a moment.
                let mut as_of = if some.iter().any(|(_, state)| *state != State::Offline) {
                    self.journal_folded(log).await
                } else {
                    self.projections.cursor()
                };
                let gone = self.gone(&some);
                let left_ms = self.clock.now_ms().saturating_sub(self.config.grace_ms);
                as_of = as_of.max(self.seen_until(gone, left_ms).await);
                let words = some
                    .iter()
                    .map(|(user, state)| Said::Is(user.clone(), *state));
                let incarnation = self.inner.lock().incarnation;
                let record = self.record(incarnation, as_of, words.collect());
                if !self.append(log, shard, &mut last, &record).await {
                    self.unsaid(some.into_iter().chain(said).collect());
                    self.news.notify_one();
                    tokio::time::sleep(RETRY).await;
                    break;
                }
            }
        }
    }

    /// Of those who are said to be offline here, those who are nowhere else either.
    fn gone(&self, said: &[(UserId, State)]) -> Vec<UserId> {
        let inner = self.inner.lock();
        let offline = said.iter().filter(|(_, state)| *state == State::Offline);
        let gone = offline
            .filter(|(user, _)| inner.roll.elsewhere(user, inner.incarnation) == State::Offline);
        gone.map(|(user, _)| user.clone()).collect()
    }

    /// Records when these were here last, and returns the position that holds it, so that who is told that
    /// they have gone is told since when. Without an answer soon they are told without.
    async fn seen_until(&self, users: Vec<UserId>, at_ms: u64) -> u64 {
        let answers = users.into_iter().map(|user| {
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.record_seen(&user, at_ms, move |answer| drop(reply.send(answer)));
            answer
        });
        let answers = futures_util::future::join_all(answers);
        let answers = tokio::time::timeout(SEEN, answers)
            .await
            .unwrap_or_default();
        let positions = answers.into_iter().map(|answer| match answer {
            Ok(Answer::Accepted(accepted)) => accepted.position,
            _ => 0,
        });
        positions.max().unwrap_or(0)
    }

    /// Declares nodes gone that nobody has heard of for the grace.
    async fn look_after(&self, log: &dyn EventLog, cluster: Option<&Cluster>) {
        let shard = self.shard(log);
        // Without one, nodes that were just heard would be silent for as long.
        let grace = Duration::from_millis(self.config.grace_ms).max(LOOK);
        // The clocks of several nodes may differ by so much and nobody is taken for gone.
        let believed = LIVES + cluster.map_or(Duration::ZERO, |_| SKEW);
        let mut last = Position::START;
        let mut heard: HashMap<Uuid, Instant> = HashMap::new();
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            self.let_go();
            let (now, now_ms) = (crate::clock::moment(), self.clock.now_ms());
            let own = {
                let inner = self.inner.lock();
                // Who has no users here any more need not be declared gone.
                heard.retain(|node, _| inner.roll.nodes().any(|(known, _)| known == *node));
                for (node, said_ms) in inner.roll.nodes() {
                    // Who has said nothing for long was gone before this one came.
                    let silent = Duration::from_millis(now_ms.saturating_sub(said_ms));
                    let silent = silent.saturating_sub(believed);
                    heard
                        .entry(node)
                        .or_insert_with(|| now.checked_sub(silent).unwrap_or(now));
                }
                inner.incarnation
            };
            if let Some(cluster) = cluster {
                cluster.announce_presence(own);
                match cluster.presences() {
                    Some(here) => heard
                        .iter_mut()
                        .filter(|(node, _)| here.contains(*node))
                        .for_each(|(_, at)| *at = now),
                    // Who hears nobody knows of nobody's silence.
                    None => heard.values_mut().for_each(|at| *at = now),
                }
            }
            let gone = heard
                .iter()
                .filter(|(node, at)| **node != own && now - **at >= grace);
            let gone: Vec<(Uuid, Instant)> = gone.map(|(node, at)| (*node, *at)).collect();
            for (node, at) in gone {
                tracing::info!(%node, "a node has gone, and with it its users");
                let users = self.inner.lock().roll.only_at(node);
                let silent = u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX);
                let as_of = self.seen_until(users, now_ms.saturating_sub(silent)).await;
                let as_of = as_of.max(self.projections.cursor());
                let record = self.record(own, as_of, vec![Said::Lost(node)]);
                if self.append(log, shard, &mut last, &record).await {
                    heard.remove(&node);
                }
            }
        }
    }

    /// These are still to be said, perhaps under another name.
    fn unsaid(&self, said: Vec<(UserId, State)>) {
        self.inner.lock().local.unsaid(said);
    }

    fn record(&self, node: Uuid, as_of: u64, said: Vec<Said>) -> Record {
        Record {
            node,
            as_of,
            at_ms: self.clock.now_ms(),
            said,
        }
    }

    /// Where this node writes. Several nodes write to one shard now and then: then one of them tries again.
    fn shard(&self, log: &dyn EventLog) -> Shard {
        let hash = self.inner.lock().incarnation.as_u128() as u64;
        log.identity().shard_of(hash)
    }

    /// Appends a record, behind whatever others have appended. False when it cannot be done at present; then
    /// it may have been done all the same, which does no harm.
    async fn append(
        &self,
        log: &dyn EventLog,
        shard: Shard,
        last: &mut Position,
        record: &Record,
    ) -> bool {
        let payload: bytes::Bytes = record.encode().into();
        let id = super::fresh_id(&*self.random);
        loop {
            let append = Append {
                lane: Lane::Presence,
                shard,
                expected: *last,
                id,
                payload: payload.clone(),
            };
            match log.append(append).await {
                Ok(position) => {
                    *last = position;
                    return true;
                }
                Err(AppendError::Conflict { last: now }) => *last = now,
                Err(error) => {
                    tracing::debug!(%error, "the presence lane cannot be written, trying again");
                    return false;
                }
            }
        }
    }
}

async fn stopped(stopping: &AtomicBool) {
    while !stopping.load(Ordering::Relaxed) {
        tokio::time::sleep(RETRY).await;
    }
}
