//! One extension's lane: it is told of what concerns it, in the order of the log, a few events at a time.
//!
//! An event that it cannot deal with waits in its store, and with it what comes later of the same conversation or user; everything
//! else goes on.

mod telling;
mod timers;
mod transitions;
mod waiting;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use tidings_core::{
    commit::{Batch, Commit},
    domain::{Event, ExtensionId, Stream},
    keys::KeyError,
    log::{Lane as LogLane, Position},
    projections::{ReadError, rows::extensions as rows},
};
use tidings_extension_host::{CallError, Hook};

use super::{
    Batched, CommitError, Progress, Transitions,
    batch::stream,
    hub::{Hearing, Hub, QUEUE_BYTES},
};
use crate::{
    acting::One,
    events::{self, TellError},
    outbox,
    server::Shared,
};
use waiting::Waits;

/// Times that something is told before it is set aside.
const ATTEMPTS: u32 = 10;

/// Calls whose outcome is recorded together.
const TOGETHER: usize = 64;

/// How often it is looked whether this is still the node that tells it.
const LOOK: Duration = Duration::from_millis(500);

/// Positions that may pass, where there was nothing to be told, without being recorded: so many are read again after a start. Where
/// something was told, its place is recorded with what came of it, or within [`LOOK`], or when the lane ends.
const UNRECORDED: u64 = 20_000;

/// Why a lane has to begin anew.
#[derive(Debug, thiserror::Error)]
enum LaneError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Log(#[from] tidings_core::log::ReadError),
    #[error("{0}")]
    Decode(#[from] tidings_core::commit::DecodeError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("the sandbox: {0}")]
    Host(CallError),
    /// Another version is to act, another node is to tell it, or nobody.
    #[error("somebody else is to go on")]
    Over,
    /// It was too slow for what it heard.
    #[error("it fell behind")]
    Behind,
}

/// Why a commit cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitAtError {
    /// The log.
    #[error(transparent)]
    Log(#[from] tidings_core::log::ReadError),
    /// What stands there.
    #[error("{0}")]
    Decode(#[from] tidings_core::commit::DecodeError),
}

impl From<CommitAtError> for LaneError {
    fn from(error: CommitAtError) -> LaneError {
        match error {
            CommitAtError::Log(error) => LaneError::Log(error),
            CommitAtError::Decode(error) => LaneError::Decode(error),
        }
    }
}

impl From<TellError> for LaneError {
    fn from(error: TellError) -> LaneError {
        match error {
            TellError::Keys(error) => LaneError::Keys(error),
            TellError::Read(error) => LaneError::Read(error),
        }
    }
}

/// Tells one extension whatever concerns it, until it neither acts nor has anything left to do.
pub(super) async fn run(shared: Arc<Shared>, hub: Arc<Hub>, id: ExtensionId) {
    let mut changes = shared.lanes.changes.subscribe();
    let progress = shared.lanes.progress(&id);
    let mut pause = Duration::from_millis(50);
    while !shared.lanes.is_stopping() {
        changes.mark_unchanged();
        if !shared.node.writes(&stream(&id)) {
            progress.here.store(false, Ordering::Relaxed);
            let _ = tokio::time::timeout(LOOK, changes.changed()).await;
            continue;
        }
        let one = shared
            .acting
            .load()
            .named(&id)
            .filter(|one| one.ready.is_ok())
            .cloned();
        progress.here.store(true, Ordering::Relaxed);
        let ended = match one {
            Some(one) => {
                let lane = Lane::open(shared.clone(), one, &hub, progress.clone());
                match lane.await {
                    Ok(mut lane) => {
                        let ended = lane.go().await;
                        // After anything else it may be further than what is recorded of what came of it.
                        if matches!(ended, Ok(()) | Err(LaneError::Over)) {
                            lane.leave().await;
                        }
                        ended
                    }
                    Err(error) => Err(error),
                }
            }
            None => match outbox::send(&shared, &id, &shared.node.projections).await {
                Ok(0) => {
                    shared.lanes.forget_transitions(&id);
                    // Nothing is left to do. Whoever activates it has a lane made again.
                    if changes.has_changed().is_ok_and(|changed| changed) {
                        continue;
                    }
                    return;
                }
                Ok(_) => {
                    tokio::time::sleep(LOOK).await;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
        };
        match ended {
            Ok(()) => pause = Duration::from_millis(50),
            Err(error) => {
                match error {
                    // Another node records its commands: what is recorded at once has to fit in between.
                    LaneError::Commit(CommitError::Moved) => {
                        let halved = &progress.halved;
                        halved.store(
                            (halved.load(Ordering::Relaxed) + 1).min(6),
                            Ordering::Relaxed,
                        );
                        pause = Duration::from_millis(1);
                    }
                    LaneError::Behind | LaneError::Over => pause = Duration::from_millis(50),
                    error => {
                        tracing::warn!(extension = %id, %error, "cannot be told at present, trying again")
                    }
                }
                let _ = tokio::time::timeout(pause, changes.changed()).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

/// An event where it stands.
struct Due {
    commit: Arc<Commit>,
    index: u32,
    attempts: u32,
}

impl Due {
    fn at(&self) -> (u64, u32) {
        (self.commit.position.0, self.index)
    }

    fn find(&self) -> Option<(&Batch, &Event)> {
        let mut events = self.commit.events();
        let (_, batch, event) = events.find(|(index, _, _)| *index == self.index)?;
        Some((batch, event))
    }

    fn stream(&self) -> Option<Stream> {
        self.find().map(|(batch, _)| batch.stream.clone())
    }
}

struct Lane {
    shared: Arc<Shared>,
    one: Arc<One>,
    hearing: Hearing,
    /// Up to where in the log everything was told or waits.
    upto: (u64, u32),
    /// Up to where that is recorded.
    recorded: u64,
    /// Since when something was told whose place is not recorded.
    unrecorded: Option<tokio::time::Instant>,
    /// What is to be told before what is heard.
    missed: VecDeque<Arc<Commit>>,
    /// What waits, by stream, in its order.
    waiting: HashMap<Stream, VecDeque<Waits>>,
    /// Timers by when they are to be fired: when they were due, and how often that was tried.
    timers: BTreeMap<(u64, String), (u64, u32)>,
    transitions: Arc<Transitions>,
    progress: Arc<Progress>,
    changes: tokio::sync::watch::Receiver<u64>,
    hub: Arc<Hub>,
    /// When the version began to act.
    since_ms: u64,
    sends: bool,
    /// Reactions recorded, as far as this lane knows what came of them.
    revision: u64,
    /// Those of them that changed what waits.
    waits: u64,
}

impl Lane {
    async fn open(
        shared: Arc<Shared>,
        one: Arc<One>,
        hub: &Arc<Hub>,
        progress: Arc<Progress>,
    ) -> Result<Lane, LaneError> {
        let told = one
            .manifest
            .reactor
            .iter()
            .flat_map(|reactor| &reactor.events);
        let kinds: HashSet<String> = match one.has(Hook::Reactor) {
            true => told.map(|event| event.kind.clone()).collect(),
            false => HashSet::new(),
        };
        let nothing = kinds.is_empty();
        let mut changes = shared.lanes.changes.subscribe();
        changes.mark_unchanged();
        let hearing = hub.hear(kinds);
        // What was recorded by this node is read here before it is gone on from.
        let turn = shared.lanes.turn(&one.id);
        let turn = turn.lock().await;
        let (lane, waits, timers, sends, since_ms) = {
            let rows = shared.node.projections.read();
            let active = rows::of(&rows, &one.id)?.and_then(|row| row.active);
            let lane = rows::lane_of(&rows, &one.id)?;
            let waits = rows::all_waiting(&rows, &one.id)?;
            let timers = rows::timers(&rows, &one.id)?;
            let sends = !rows::intents(&rows, &one.id)?.is_empty();
            (
                lane,
                waits,
                timers,
                sends,
                active.map_or(0, |active| active.at_ms),
            )
        };
        drop(turn);
        let transitions = match one.has(Hook::PresenceWatcher) {
            true => shared.lanes.transitions(&shared.node, &one.id),
            false => Arc::default(),
        };
        let mut opened = Lane {
            upto: lane.upto,
            recorded: lane.upto.0,
            unrecorded: None,
            missed: Default::default(),
            waiting: HashMap::new(),
            timers: timers
                .into_iter()
                .map(|(key, timer)| ((timer.due_ms, key), (timer.due_ms, 0)))
                .collect(),
            transitions,
            progress,
            changes,
            hub: hub.clone(),
            since_ms,
            sends,
            revision: lane.revision,
            waits: lane.waits,
            hearing,
            shared,
            one,
        };
        opened.load_waiting(waits).await?;
        if !nothing {
            opened.catch_up().await?;
        }
        Ok(opened)
    }

    /// Reads what was recorded before it began to hear.
    async fn catch_up(&mut self) -> Result<(), LaneError> {
        let until = self.hearing.from;
        let from = match self.upto.1 {
            u32::MAX => self.upto.0,
            _ => self.upto.0.saturating_sub(1),
        };
        if from >= until {
            return Ok(());
        }
        let mut tail = self
            .shared
            .node
            .log
            .tail(LogLane::Journal, Position(from))
            .await?;
        let mut at = from;
        let mut bytes = 0;
        while at < until {
            let records = tail.next().await?;
            for record in records {
                at = record.position.0;
                if at > until {
                    break;
                }
                let commit = Commit::decode(&record)?;
                if self.concerns(&commit) {
                    self.missed.push_back(Arc::new(commit));
                    bytes += record.payload.len();
                }
                if self.missed.len() >= 2_000 || bytes >= QUEUE_BYTES {
                    self.tell_missed().await?;
                    bytes = 0;
                }
            }
        }
        Ok(())
    }

    fn concerns(&self, commit: &Commit) -> bool {
        commit.events().any(|(_, _, event)| {
            events::kind(event).is_some_and(|kind| self.one.manifest.is_told(&kind, 1))
        })
    }

    async fn tell_missed(&mut self) -> Result<(), LaneError> {
        while !self.missed.is_empty() {
            self.tell(Vec::new()).await?;
        }
        Ok(())
    }

    /// Goes on until somebody else is to, or another version acts.
    async fn go(&mut self) -> Result<(), LaneError> {
        loop {
            if self.shared.lanes.is_stopping() {
                return Ok(());
            }
            self.tell_missed().await?;
            self.look_around().await?;
            if self.sends {
                let left =
                    outbox::send(&self.shared, &self.one.id, &self.shared.node.projections).await?;
                self.sends = left > 0;
            }
            self.fire().await?;
            self.again().await?;
            if self.hearing.is_over() {
                return Err(LaneError::Behind);
            }
            self.note().await?;
            let wait = self.next_look();
            tokio::select! {
                heard = self.hearing.next() => {
                    let Some(first) = heard else {
                        return Err(LaneError::Behind);
                    };
                    let mut heard = vec![first];
                    while heard.len() < TOGETHER && let Some(more) = self.hearing.next_now() {
                        heard.push(more);
                    }
                    self.tell(heard).await?;
                }
                () = self.progress.touched.notified() => {}
                () = self.transitions.news.notified(), if self.one.has(Hook::PresenceWatcher) => {
                    self.transitions().await?;
                }
                _ = self.changes.changed() => {
                    let acting = self.shared.acting.load();
                    let same = acting.named(&self.one.id).is_some_and(|one| Arc::ptr_eq(one, &self.one));
                    if !same || self.shared.lanes.is_stopping() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(wait) => {
                    if self.one.has(Hook::PresenceWatcher) && !self.transitions.latest.lock().is_empty() {
                        self.transitions().await?;
                    }
                    if !self.shared.node.writes(&stream(&self.one.id)) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes in what was recorded of the extension beside this lane: commands that it answered, and what operators say of events
    /// that wait, on whichever node.
    async fn look_around(&mut self) -> Result<(), LaneError> {
        let (timers, waits) = {
            let rows = self.shared.node.projections.read();
            let lane = rows::lane_of(&rows, &self.one.id)?;
            if lane.revision == self.revision {
                return Ok(());
            }
            self.revision = lane.revision;
            let waits = match lane.waits == self.waits {
                true => None,
                false => Some(rows::all_waiting(&rows, &self.one.id)?),
            };
            self.waits = lane.waits;
            (rows::timers(&rows, &self.one.id)?, waits)
        };
        self.sends = true;
        let before = std::mem::take(&mut self.timers);
        let tried: HashMap<(String, u64), (u64, u32)> = before
            .into_iter()
            .map(|((at_ms, key), (due_ms, attempts))| ((key, due_ms), (at_ms, attempts)))
            .collect();
        for (key, timer) in timers {
            let known = tried.get(&(key.clone(), timer.due_ms));
            let (at_ms, attempts) = known.copied().unwrap_or((timer.due_ms, 0));
            self.timers.insert((at_ms, key), (timer.due_ms, attempts));
        }
        if let Some(waits) = waits {
            self.waiting.clear();
            self.load_waiting(waits).await?;
        }
        Ok(())
    }

    /// Says how far it is; records that, too, where much has passed that had nothing for it.
    async fn note(&mut self) -> Result<(), LaneError> {
        let idle = self.hearing.is_empty() && self.missed.is_empty();
        let told = match idle {
            true => self.hub.head().max(self.upto.0),
            false => self.upto.0,
        };
        self.progress.told.store(told, Ordering::Relaxed);
        if idle && told > self.recorded + UNRECORDED && self.hearing.is_empty() {
            self.keep_place((told, u32::MAX)).await?;
        }
        self.keep_up().await
    }

    /// Records how far it is where that has waited long enough. Where others record something at the same time it waits on.
    async fn keep_up(&mut self) -> Result<(), LaneError> {
        if self.unrecorded.is_none_or(|since| since.elapsed() < LOOK) {
            return Ok(());
        }
        match self.keep_place(self.upto).await {
            Err(LaneError::Commit(CommitError::Moved | CommitError::Unavailable(_))) => {
                self.unrecorded = Some(tokio::time::Instant::now());
                Ok(())
            }
            kept => kept,
        }
    }

    /// Records up to where everything was told or waits, unless somebody has recorded that they are further: another node, or an
    /// activation that nothing before is to be told of.
    async fn keep_place(&mut self, upto: (u64, u32)) -> Result<(), LaneError> {
        let turn = self.shared.lanes.turn(&self.one.id);
        let _turn = turn.lock().await;
        // Where and at which revision belong together: who records something after this is read is the first.
        let lane = rows::lane_of(&self.shared.node.projections.read(), &self.one.id)?;
        if lane.upto < upto {
            let mut batched = Batched::new(self.shared.clone(), self.one.clone(), &lane);
            batched.reaction.upto = upto;
            batched.commit().await?;
            if lane.revision == self.revision {
                self.revision += 1;
            }
        }
        self.upto = self.upto.max(upto);
        self.recorded = upto.0;
        self.unrecorded = None;
        Ok(())
    }

    /// Before another version, or another start, goes on: it is not to be told again what this one has dealt with.
    async fn leave(&mut self) {
        if self.unrecorded.is_some()
            && let Err(error) = self.keep_place(self.upto).await
        {
            tracing::debug!(extension = %self.one.id, %error, "its place could not be recorded");
        }
    }

    /// Whether it is still this version that is to be told, and this node that is to tell it.
    fn holds(&self) -> bool {
        let acting = self.shared.acting.load();
        let same = acting.named(&self.one.id);
        same.is_some_and(|one| Arc::ptr_eq(one, &self.one))
            && !self.shared.lanes.is_stopping()
            && self.shared.node.writes(&stream(&self.one.id))
    }

    fn batched(&self) -> Result<Batched, LaneError> {
        let lane = rows::lane_of(&self.shared.node.projections.read(), &self.one.id)?;
        let mut batched = Batched::new(self.shared.clone(), self.one.clone(), &lane);
        batched.reaction.upto = self.upto;
        Ok(batched)
    }

    fn next_look(&self) -> Duration {
        let now_ms = self.shared.node.clock.now_ms();
        let timer = self.timers.keys().next().map(|(due, _)| *due);
        let timer = timer.filter(|_| self.one.has(Hook::Timer));
        let again = self.waiting.values().filter_map(VecDeque::front);
        let again = again.map(|first| first.again_ms).min();
        let next = timer.into_iter().chain(again).min();
        next.map_or(LOOK, |at| {
            Duration::from_millis(at.saturating_sub(now_ms)).min(LOOK)
        })
    }

    /// Calls whose outcome is recorded together: fewer where others were quicker.
    fn together(&self) -> usize {
        TOGETHER >> self.progress.halved.load(Ordering::Relaxed)
    }

    /// Tells what was missed and then what was heard, and records what comes of it.
    async fn tell(&mut self, heard: Vec<Arc<Commit>>) -> Result<(), LaneError> {
        let turn = self.shared.lanes.turn(&self.one.id);
        let mut commits: VecDeque<Arc<Commit>> = std::mem::take(&mut self.missed);
        commits.extend(heard);
        while !commits.is_empty() {
            if !self.holds() {
                // Whoever goes on reads from where this one is.
                return Err(LaneError::Over);
            }
            let held = turn.lock().await;
            let mut batched = self.batched()?;
            let mut calls = 0;
            let mut failed = None;
            while let Some(commit) = commits.front() {
                if calls >= self.together() || batched.is_full() {
                    break;
                }
                let commit = commit.clone();
                self.shared
                    .node
                    .projections
                    .reached(commit.position.0)
                    .await;
                let mut whole = true;
                for (index, batch, event) in commit.events() {
                    let at = (commit.position.0, index);
                    if at <= self.upto {
                        continue;
                    }
                    if calls >= self.together() || batched.is_full() {
                        whole = false;
                        break;
                    }
                    let told =
                        events::kind(event).filter(|kind| self.one.manifest.is_told(kind, 1));
                    if told.is_some() && !events::is_own(&self.one.id, batch, event) {
                        calls += 1;
                        let due = Due {
                            commit: commit.clone(),
                            index,
                            attempts: 0,
                        };
                        if let Err(error) = self.tell_one(&mut batched, due, false).await {
                            failed = Some(error);
                            break;
                        }
                        self.unrecorded
                            .get_or_insert_with(tokio::time::Instant::now);
                    }
                    self.upto = at;
                    batched.reaction.upto = at;
                }
                if !whole || failed.is_some() {
                    break;
                }
                self.upto = (commit.position.0, u32::MAX);
                batched.reaction.upto = self.upto;
                commits.pop_front();
            }
            // What went well is kept in any case.
            self.record(batched).await?;
            if let Some(failed) = failed {
                return Err(failed);
            }
            drop(held);
            self.keep_up().await?;
        }
        Ok(())
    }

    async fn record(&mut self, batched: Batched) -> Result<(), LaneError> {
        if batched.is_empty() {
            return Ok(());
        }
        let upto = batched.reaction.upto.0;
        let timers = batched.reaction.timers.clone();
        let sends = !batched.reaction.intents.is_empty();
        let revision = batched.reaction.revision;
        let waits = !batched.reaction.waiting.is_empty() || !batched.reaction.done.is_empty();
        batched.commit().await?;
        // Where others have recorded something before, what waits is read again at the next look.
        if revision == self.revision {
            self.revision += 1;
            self.waits += u64::from(waits);
        }
        let halved = &self.progress.halved;
        halved.store(
            halved.load(Ordering::Relaxed).saturating_sub(1),
            Ordering::Relaxed,
        );
        self.recorded = upto;
        self.unrecorded = None;
        self.sends |= sends;
        for change in timers {
            self.timers.retain(|(_, key), _| *key != change.key);
            if let Some(timer) = change.timer {
                let due_ms = timer.due_ms;
                self.timers.insert((due_ms, change.key), (due_ms, 0));
            }
        }
        Ok(())
    }
}

/// The commit at a position, if there is one.
pub(crate) async fn commit_at(
    shared: &Shared,
    position: u64,
) -> Result<Option<Arc<Commit>>, CommitAtError> {
    let after = Position(position.saturating_sub(1));
    let mut tail = shared.node.log.tail(LogLane::Journal, after).await?;
    let records = tail.next().await?;
    let record = records
        .first()
        .filter(|record| record.position.0 == position);
    Ok(record.map(Commit::decode).transpose()?.map(Arc::new))
}
