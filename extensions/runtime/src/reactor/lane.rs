//! One extension's lane: it is told of what concerns it, in the order of the log, a few events at a time.
//!
//! An event that it cannot deal with waits in its store, and with it what comes later of the same conversation or user; everything
//! else goes on.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use tidings_core::{
    commit::{Batch, Commit},
    domain::{
        Event, ExtensionId, Stream, UserId,
        extension::{Timer, TimerChange, Waiting},
    },
    keys::KeyError,
    log::{Lane as LogLane, Position},
    presence::record::State,
    projections::{ReadError, rows::extensions as rows},
};
use tidings_extension_host::{CallError, Extension, Hook, HookError, input, staged::Staged};

use super::{
    Batched, CommitError, Progress, Source, Transitions,
    batch::{stream, timer_purpose},
    hub::{Hearing, Hub},
};
use crate::{
    acting::One,
    calling::{self, Seen},
    events::{self, TellError},
    moderation::about,
    outbox, sealing,
    server::Shared,
    views::{Involved, Views},
};

/// Calls whose outcome is recorded together.
const TOGETHER: usize = 64;

/// Times that an event is told before it is set aside.
const ATTEMPTS: u32 = 10;

/// First pause before something is told again, and the longest.
const AGAIN_MS: u64 = 1_000;
const AGAIN_MAX_MS: u64 = 15 * 60 * 1_000;

/// How often it is looked whether this is still the node that tells it.
const LOOK: Duration = Duration::from_millis(500);

/// Positions that may pass without being recorded as told: so many are read again after a start.
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
    #[error(transparent)]
    Log(#[from] tidings_core::log::ReadError),
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
                    Ok(mut lane) => lane.go().await,
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
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

/// An event where it stands.
#[derive(Clone)]
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
    /// What is to be told before what is heard.
    missed: std::collections::VecDeque<Arc<Commit>>,
    /// What waits, by stream, in its order; and when the first of each is to be told again.
    waiting: HashMap<Stream, Vec<(Due, u64)>>,
    /// Timers by when they are to be fired: when they were due, and how often that was tried.
    timers: BTreeMap<(u64, String), (u64, u32)>,
    transitions: Arc<Transitions>,
    progress: Arc<Progress>,
    changes: tokio::sync::watch::Receiver<u64>,
    hub: Arc<Hub>,
    sends: bool,
    /// Reactions recorded, as far as this lane knows what came of them.
    revision: u64,
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
        let (lane, waits, timers, sends) = {
            let rows = shared.node.projections.read();
            let lane = rows::lane_of(&rows, &one.id)?;
            let waits = rows::all_waiting(&rows, &one.id)?;
            let timers = rows::timers(&rows, &one.id)?;
            let sends = !rows::intents(&rows, &one.id)?.is_empty();
            (lane, waits, timers, sends)
        };
        drop(turn);
        let transitions = match one.has(Hook::PresenceWatcher) {
            true => shared.lanes.transitions(&shared.node, &one.id),
            false => Arc::default(),
        };
        let mut opened = Lane {
            upto: lane.upto,
            recorded: lane.upto.0,
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
            sends,
            revision: lane.revision,
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

    /// Reads what is to be told again.
    async fn load_waiting(&mut self, waits: Vec<Waiting>) -> Result<(), LaneError> {
        let mut parked = 0;
        for waiting in waits {
            let Some(again_ms) = waiting.again_ms else {
                parked += 1;
                continue;
            };
            let Some(commit) = commit_at(&self.shared, waiting.at.0).await? else {
                continue;
            };
            let due = Due {
                commit,
                index: waiting.at.1,
                attempts: waiting.attempts,
            };
            if let Some(stream) = due.stream() {
                self.waiting
                    .entry(stream)
                    .or_default()
                    .push((due, again_ms));
            }
        }
        self.progress.parked.store(parked, Ordering::Relaxed);
        Ok(())
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
                }
                if self.missed.len() >= 2_000 {
                    self.tell_missed().await?;
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
            self.tell_missed().await?;
            self.look_around()?;
            if self.sends {
                let left =
                    outbox::send(&self.shared, &self.one.id, &self.shared.node.projections).await?;
                self.sends = left > 0;
            }
            self.fire().await?;
            self.again().await?;
            if self.hearing.lost.load(Ordering::Acquire) && self.hearing.queue.is_empty() {
                return Err(LaneError::Behind);
            }
            self.note().await?;
            let wait = self.next_look();
            tokio::select! {
                heard = self.hearing.queue.recv() => {
                    let Some(first) = heard else {
                        return Err(LaneError::Behind);
                    };
                    let mut heard = vec![first];
                    while heard.len() < TOGETHER && let Ok(more) = self.hearing.queue.try_recv() {
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

    /// Takes in what was recorded of the extension beside this lane: commands that it answered, on whichever node.
    fn look_around(&mut self) -> Result<(), LaneError> {
        let rows = self.shared.node.projections.read();
        let revision = rows::lane_of(&rows, &self.one.id)?.revision;
        if revision == self.revision {
            return Ok(());
        }
        self.revision = revision;
        self.sends = true;
        let before = std::mem::take(&mut self.timers);
        let tried: HashMap<(String, u64), (u64, u32)> = before
            .into_iter()
            .map(|((at_ms, key), (due_ms, attempts))| ((key, due_ms), (at_ms, attempts)))
            .collect();
        for (key, timer) in rows::timers(&rows, &self.one.id)? {
            let known = tried.get(&(key.clone(), timer.due_ms));
            let (at_ms, attempts) = known.copied().unwrap_or((timer.due_ms, 0));
            self.timers.insert((at_ms, key), (timer.due_ms, attempts));
        }
        Ok(())
    }

    /// Says how far it is; records that, too, where much has passed that had nothing for it.
    async fn note(&mut self) -> Result<(), LaneError> {
        let idle = self.hearing.queue.is_empty() && self.missed.is_empty();
        let told = match idle {
            true => self.hub.head().max(self.upto.0),
            false => self.upto.0,
        };
        self.progress.told.store(told, Ordering::Relaxed);
        let waiting: usize = self.waiting.values().map(Vec::len).sum();
        self.progress
            .waiting
            .store(waiting as u64, Ordering::Relaxed);
        if idle && told > self.recorded + UNRECORDED && self.hearing.queue.is_empty() {
            let turn = self.shared.lanes.turn(&self.one.id);
            let _turn = turn.lock().await;
            let mut batched = self.batched()?;
            batched.reaction.upto = (told, u32::MAX);
            batched.commit().await?;
            self.upto = (told, u32::MAX);
            self.recorded = told;
        }
        Ok(())
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
        let again = self.waiting.values().filter_map(|waits| waits.first());
        let again = again.map(|(_, at)| *at).min();
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
        let mut commits: std::collections::VecDeque<Arc<Commit>> = std::mem::take(&mut self.missed);
        commits.extend(heard);
        while !commits.is_empty() {
            if !self.holds() {
                // Whoever goes on reads from where this one is.
                return Err(LaneError::Over);
            }
            let _turn = turn.lock().await;
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
        batched.commit().await?;
        if revision == self.revision {
            self.revision += 1;
        }
        let halved = &self.progress.halved;
        halved.store(
            halved.load(Ordering::Relaxed).saturating_sub(1),
            Ordering::Relaxed,
        );
        self.recorded = upto;
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

    /// Tells one event, unless something before it of the same stream waits.
    async fn tell_one(
        &mut self,
        batched: &mut Batched,
        due: Due,
        again: bool,
    ) -> Result<bool, LaneError> {
        let Some(stream) = due.stream() else {
            return Ok(true);
        };
        let now_ms = self.shared.node.clock.now_ms();
        if !again && let Some(before) = self.waiting.get_mut(&stream) {
            batched.wait(Waiting {
                at: due.at(),
                attempts: 0,
                again_ms: Some(now_ms),
                cause: "one before it waits".to_owned(),
            });
            before.push((due, now_ms));
            return Ok(true);
        }
        let called = self.call(batched, &due).await?;
        let Err(error) = called else {
            return Ok(true);
        };
        let attempts = due.attempts + 1;
        let again_ms = match &error {
            CallError::Refused(HookError::Park { .. }) => None,
            _ if attempts >= ATTEMPTS => None,
            CallError::Refused(HookError::Retry { after_ms }) => {
                let after_ms = after_ms.map_or(0, u64::from);
                Some(now_ms + backoff(attempts).max(after_ms))
            }
            _ => Some(now_ms + backoff(attempts)),
        };
        tracing::warn!(extension = %self.one.id, at = ?due.at(), attempts, %error, parked = again_ms.is_none(), "an event could not be dealt with");
        batched.wait(Waiting {
            at: due.at(),
            attempts,
            again_ms,
            // Not what it says: that may be what somebody wrote, and stands here unsealed.
            cause: error.kind().to_owned(),
        });
        match again_ms {
            Some(again_ms) => {
                let due = Due { attempts, ..due };
                self.waiting
                    .entry(stream)
                    .or_default()
                    .insert(0, (due, again_ms));
            }
            None => drop(self.progress.parked.fetch_add(1, Ordering::Relaxed)),
        }
        Ok(again_ms.is_none())
    }

    /// Calls the hook about an event, and takes what it stages.
    async fn call(
        &mut self,
        batched: &mut Batched,
        due: &Due,
    ) -> Result<Result<(), CallError>, LaneError> {
        let Some((batch, event)) = due.find() else {
            return Ok(Ok(()));
        };
        let content = self.one.manifest.grants.content;
        let node = &self.shared.node;
        let told = events::told(node, &due.commit, batch, due.index, event, content).await?;
        let Some(told) = told else {
            return Ok(Ok(()));
        };
        let source = Source {
            hook: Hook::Reactor,
            id: format!("{}.{}", due.commit.position, due.index).into_bytes(),
            at_ms: told.at,
            depth: events::depth(batch),
            trace: batch.correlation,
            history: None,
        };
        let involved = events::involved(batch, event);
        let attempt = due.attempts + 1;
        self.invoke(
            batched,
            &source,
            involved,
            attempt,
            Told::Event(Box::new(told)),
        )
        .await
    }

    async fn invoke(
        &mut self,
        batched: &mut Batched,
        source: &Source,
        involved: Involved,
        attempt: u32,
        told: Told,
    ) -> Result<Result<(), CallError>, LaneError> {
        let staged = called(
            &self.shared,
            &self.one,
            batched,
            source,
            involved.clone(),
            attempt,
            &told,
        );
        let mut staged = staged.await;
        if let (Ok(first), Told::Event(_), false) = (&staged, &told, batched.is_empty())
            && !batched.has_room(first)
        {
            // It may fit alone.
            let full = std::mem::replace(batched, self.batched()?);
            self.record(full).await?;
            *batched = self.batched()?;
            let again = called(
                &self.shared,
                &self.one,
                batched,
                source,
                involved,
                attempt,
                &told,
            );
            staged = again.await;
        }
        let error = match staged {
            Ok(staged) => match batched.take(source, staged).await? {
                None => return Ok(Ok(())),
                Some(why) => CallError::Refused(HookError::Park { why }),
            },
            Err(error @ (CallError::Host(_) | CallError::Busy)) => {
                return Err(LaneError::Host(error));
            }
            Err(error) => error,
        };
        Ok(Err(error))
    }

    /// Tells again what is due to be.
    async fn again(&mut self) -> Result<(), LaneError> {
        let now_ms = self.shared.node.clock.now_ms();
        let due = self
            .waiting
            .iter()
            .filter(|(_, waits)| waits.first().is_some_and(|(_, at)| *at <= now_ms));
        let due: Vec<Stream> = due.map(|(stream, _)| stream.clone()).collect();
        for stream in due {
            let turn = self.shared.lanes.turn(&self.one.id);
            let _turn = turn.lock().await;
            let mut batched = self.batched()?;
            let mut waits = self.waiting.remove(&stream).unwrap_or_default();
            let mut calls = 0;
            let mut failed = None;
            while !waits.is_empty() && calls < self.together() && !batched.is_full() {
                let (due, again_ms) = waits.remove(0);
                calls += 1;
                let at = due.at();
                let over = match self.tell_one(&mut batched, due.clone(), true).await {
                    Ok(over) => over,
                    Err(error) => {
                        waits.insert(0, (due, again_ms));
                        failed = Some(error);
                        break;
                    }
                };
                if !batched
                    .reaction
                    .waiting
                    .iter()
                    .any(|waiting| waiting.at == at)
                {
                    batched.reaction.done.push(at);
                }
                if !over {
                    break;
                }
            }
            if let Some(left) = self.waiting.get_mut(&stream) {
                left.extend(waits);
            } else if !waits.is_empty() {
                self.waiting.insert(stream, waits);
            }
            self.record(batched).await?;
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        Ok(())
    }

    /// Fires the timers that are due.
    async fn fire(&mut self) -> Result<(), LaneError> {
        if !self.one.has(Hook::Timer) {
            return Ok(());
        }
        let now_ms = self.shared.node.clock.now_ms();
        let due = self.timers.range(..(now_ms + 1, String::new()));
        let due: Vec<(u64, String)> = due
            .take(self.together())
            .map(|(key, _)| key.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let turn = self.shared.lanes.turn(&self.one.id);
        let _turn = turn.lock().await;
        let mut batched = self.batched()?;
        let mut failed = None;
        for entry in due {
            let key = entry.1.clone();
            let touched = batched
                .reaction
                .timers
                .iter()
                .any(|change| change.key == key);
            if batched.is_full() || touched {
                // What another one has just made of it counts.
                continue;
            }
            let Some((due_ms, attempts)) = self.timers.remove(&entry) else {
                continue;
            };
            let row = rows::timer_of(&self.shared.node.projections.read(), &self.one.id, &key)?;
            let Some(timer) = row.filter(|timer| timer.due_ms == due_ms) else {
                // Set anew or cancelled meanwhile.
                continue;
            };
            match self.fire_one(&mut batched, &key, timer, attempts).await {
                Ok(true) => {}
                Ok(false) => {
                    let again = (now_ms + backoff(attempts + 1), key);
                    self.timers.insert(again, (due_ms, attempts + 1));
                }
                Err(error) => {
                    self.timers.insert(entry, (due_ms, attempts));
                    failed = Some(error);
                    break;
                }
            }
        }
        self.record(batched).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Fires one. False where that is to be tried again.
    async fn fire_one(
        &mut self,
        batched: &mut Batched,
        key: &str,
        timer: Timer,
        attempts: u32,
    ) -> Result<bool, LaneError> {
        let keys = &*self.shared.node.keys;
        let subject = timer.payload.subjects.first().cloned();
        let payload =
            sealing::open(keys, &self.one.id, &timer_purpose(key), &timer.payload).await?;
        let gone = TimerChange {
            key: key.to_owned(),
            timer: None,
        };
        let Some(payload) = payload else {
            batched.set_timer(gone);
            return Ok(true);
        };
        let source = Source {
            hook: Hook::Timer,
            id: format!("{key} {}", timer.due_ms).into_bytes(),
            at_ms: timer.due_ms,
            depth: 0,
            trace: None,
            history: None,
        };
        let involved = Involved {
            users: subject.iter().cloned().collect(),
            ..Involved::default()
        };
        let firing = input::Firing {
            key: key.to_owned(),
            due: timer.due_ms,
            payload,
            subject: subject.map(|user| user.to_string()),
        };
        let told = Told::Timer(firing);
        let called = self
            .invoke(batched, &source, involved, attempts + 1, told)
            .await?;
        if let Err(error) = called {
            let gives_up = matches!(error, CallError::Refused(HookError::Park { .. }));
            if !gives_up && attempts + 1 < ATTEMPTS {
                return Ok(false);
            }
            tracing::error!(extension = %self.one.id, key, %error, "a timer is given up");
        }
        // Unless the hook has set it again.
        if !batched
            .reaction
            .timers
            .iter()
            .any(|change| change.key == key)
        {
            batched.set_timer(gone);
        }
        Ok(true)
    }

    /// Tells of those who came and went.
    async fn transitions(&mut self) -> Result<(), LaneError> {
        let turn = self.shared.lanes.turn(&self.one.id);
        let _turn = turn.lock().await;
        let mut batched = self.batched()?;
        let mut failed = None;
        let all: Vec<UserId> = self.transitions.latest.lock().keys().cloned().collect();
        for user in all {
            let Some((now, since_ms)) = self.transitions.latest.lock().remove(&user) else {
                continue;
            };
            let before = self.transitions.were.lock().get(&user).copied();
            let before = before.unwrap_or_default();
            if before == now {
                continue;
            }
            let transition = input::Transition {
                user: user.to_string(),
                before: crate::views::presence(before),
                now: crate::views::presence(now),
                since: since_ms,
            };
            let source = Source {
                hook: Hook::PresenceWatcher,
                id: format!("{user} {now:?} {since_ms}").into_bytes(),
                at_ms: since_ms,
                depth: 0,
                trace: None,
                history: None,
            };
            let involved = Involved {
                users: [user.clone()].into_iter().collect(),
                ..Involved::default()
            };
            let told = Told::Transition(transition);
            let called = self.invoke(&mut batched, &source, involved, 1, told).await;
            match called {
                Ok(Ok(())) => {
                    let mut were = self.transitions.were.lock();
                    match now {
                        State::Offline => drop(were.remove(&user)),
                        now => drop(were.insert(user, now)),
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(extension = %self.one.id, %user, %error, "a transition could not be dealt with");
                    if !matches!(error, CallError::Refused(HookError::Park { .. })) {
                        self.transitions.put_back(user, (now, since_ms));
                    }
                }
                Err(error) => {
                    self.transitions.put_back(user, (now, since_ms));
                    failed = Some(error);
                    break;
                }
            }
            if batched.is_full() {
                self.record(batched).await?;
                batched = self.batched()?;
            }
        }
        self.record(batched).await?;
        failed.map_or(Ok(()), Err)
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

fn backoff(attempts: u32) -> u64 {
    (AGAIN_MS << attempts.saturating_sub(1).min(20)).min(AGAIN_MAX_MS)
}

/// What a hook that acts is told.
#[derive(Clone)]
enum Told {
    Event(Box<input::Event>),
    Timer(input::Firing),
    Transition(input::Transition),
}

/// Calls a hook that acts and counts it.
async fn called(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    batched: &Batched,
    source: &Source,
    involved: Involved,
    attempt: u32,
    told: &Told,
) -> Result<Staged, CallError> {
    let about = about(
        one,
        source.hook,
        &source.id,
        source.at_ms,
        attempt,
        source.trace,
    );
    let seen = Seen {
        involved,
        overlay: Some(batched.overlay.clone()),
        now_ms: source.at_ms,
        depth: source.depth,
        trace: source.trace,
    };
    let make = |ready: Extension, host: Arc<Views>| {
        let (about, told) = (about.clone(), told.clone());
        async move {
            match told {
                Told::Event(event) => ready.on_event(about, *event, host).await,
                Told::Timer(firing) => ready.on_timer(about, firing, host).await,
                Told::Transition(transition) => ready.on_transition(about, transition, host).await,
            }
        }
    };
    calling::call(shared, one, source.hook, seen, make, |_| "ok").await
}
