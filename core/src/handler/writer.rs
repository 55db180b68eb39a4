//! The writer of a shard: decides what waits, appends it as one commit, answers.
//!
//! While one append is in flight the next round collects what arrives: group commit by
//! construction. The writer decides on state folded through its fence: aggregates it keeps itself,
//! loaded from the projections once these have reached the fence. Should another writer append to
//! the shard, the append conflicts; the writer forgets its aggregates, folds what it missed and
//! decides the same commands again.

use std::{sync::Arc, time::Duration};

use hashbrown::{HashMap, hash_map::Entry};
use uuid::Uuid;

use super::{
    Accepted, Answer, Chain, Handler, Parts, Queue, Submission,
    digest::digest,
    load::{self, Aggregates},
    round::{Round, SealError},
};
use crate::{
    domain::{
        Command, CommandId, ConversationCommand, ConversationId, Event, Refusal, Reviewed, Stream,
        User, UserCommand, UserId, Verdict, conversation::Context, user,
    },
    log::{Append, AppendError, EventLog, Lane, Position, ReadError as LogReadError, Shard},
    metrics::{Metrics, Outcome},
    projections::{Projections, ReadError, Table, rows},
};

/// Conversations kept by one writer, in each of two generations.
const KEPT_CONVERSATIONS: usize = 50_000;

/// Longest pause between two tries of an append.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How long the outcome of an append may be unknown before those who wait for it are told so.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is said in the server's log that something still fails.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Runs the writers of all shards until the handler is closed. Call it on a thread of its own with
/// a current-thread runtime: the embedded log syncs to disk inline.
pub async fn run(handler: Handler, parts: Parts) {
    let shards = (0..parts.log.identity().shards).map(Shard);
    let writers = shards.map(|shard| {
        let metrics = handler.metrics().clone();
        Writer::new(shard, handler.queue(shard), metrics, parts.clone()).run()
    });
    futures_util::future::join_all(writers).await;
}

struct Writer {
    shard: Shard,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    parts: Parts,
    /// Position of the shard's last commit, as far as known.
    fence: Position,
    aggregates: Aggregates,
    /// Answers to commands whose commit the projections may not have folded yet.
    recent: HashMap<(CommandId, UserId), (u32, Accepted)>,
    blocks: Blocks,
    /// An append whose outcome nobody waits for any more and is not known yet: until it is, nothing
    /// is decided.
    unsettled: Option<Append>,
    /// When it was last said that something fails, if it does.
    trouble: Option<tokio::time::Instant>,
}

/// Who blocks whom, of pairs lately looked up. Forgotten whenever any block changes, which is rare
/// beside messages.
#[derive(Default)]
struct Blocks {
    /// Changes of blocks folded when these were looked up.
    as_of: u64,
    known: HashMap<(UserId, UserId), bool>,
}

/// Pairs kept.
const KEPT_BLOCKS: usize = 100_000;

impl Blocks {
    fn look_up(
        &mut self,
        projections: &Projections,
        actor: &UserId,
        peer: &UserId,
    ) -> Result<bool, ReadError> {
        // Before the rows: what is older than its version is looked up once more, the reverse would stay.
        let as_of = projections.block_changes();
        let rows = projections.read();
        if self.as_of != as_of || self.known.len() > KEPT_BLOCKS {
            self.known.clear();
            self.as_of = as_of;
        }
        let pair = (actor.clone(), peer.clone());
        if let Some(blocked) = self.known.get(&pair) {
            return Ok(*blocked);
        }
        let blocked = rows
            .get(Table::Users, &rows::blocks(actor, peer))?
            .is_some();
        self.known.insert(pair, blocked);
        Ok(blocked)
    }
}

/// What became of a decided command.
enum Decided {
    /// It waits for the commit.
    Taken,
    /// It was answered, or is refused at the end of the round.
    Answered,
    /// The commit is full: decide it in the next one.
    Later(Box<Submission>),
}

/// Why a command could not be decided.
enum Undecided {
    Unread(ReadError),
    Stopping,
}

impl From<ReadError> for Undecided {
    fn from(error: ReadError) -> Undecided {
        Undecided::Unread(error)
    }
}

/// Why a round ended without a commit.
enum Failed {
    /// Another writer was first.
    Conflict,
    /// Not now.
    Unavailable(String),
}

impl Writer {
    fn new(shard: Shard, queue: Arc<Queue>, metrics: Arc<Metrics>, parts: Parts) -> Writer {
        Writer {
            shard,
            queue,
            metrics,
            parts,
            fence: Position::START,
            aggregates: Aggregates::new(KEPT_CONVERSATIONS),
            recent: HashMap::new(),
            blocks: Blocks::default(),
            unsettled: None,
            trouble: None,
        }
    }

    async fn run(mut self) {
        let knows_end = self.catch_up().await;
        let mut folded = false;
        let interval = Duration::from_millis(self.parts.config.commit_interval_ms);
        let mut last_commit = crate::clock::moment() - interval;
        let mut waiting: Vec<Submission> = Vec::new();
        loop {
            // What did not go into the last commit goes first: taking more meanwhile would make this
            // another queue, without a bound.
            let left = !waiting.is_empty();
            if !left {
                let Some(taken) = self.take().await else {
                    return;
                };
                waiting = taken;
            }
            if !folded {
                // Commands executed before a restart are recognised only once they are folded.
                folded = knows_end && self.reached(self.fence.0).await;
                if !folded {
                    for submission in waiting.drain(..) {
                        self.stopping(submission);
                    }
                    continue;
                }
            }
            // A quiet shard commits at once; a busy one groups.
            tokio::time::sleep_until(last_commit + interval).await;
            if !left {
                self.queue.take_more(&mut waiting);
            }
            if let Err(why) = self.settle().await {
                for submission in waiting.drain(..) {
                    self.unavailable(submission, &why);
                }
                continue;
            }
            let mut round = self.decide(&mut waiting).await;
            if round.batches.is_empty() {
                if round.refuses() {
                    match self.confirm().await {
                        Ok(true) => self.refuse_all(&mut round),
                        Ok(false) => waiting
                            .splice(0..0, round.into_submissions())
                            .for_each(drop),
                        Err(why) => {
                            self.say(&why);
                            self.fail(round, &why);
                        }
                    }
                }
                self.aggregates.trim(std::iter::empty());
                continue;
            }
            last_commit = crate::clock::moment();
            let touched = round.conversations();
            if let Some(again) = self.commit(round).await {
                waiting.splice(0..0, again);
            }
            self.aggregates.trim(touched.into_iter());
            self.forget_projected();
        }
    }

    /// Waits for commands. An append whose outcome is unknown is not left to whoever comes next: until it is
    /// known nobody can read that it was made, and nobody is sent here.
    async fn take(&mut self) -> Option<Vec<Submission>> {
        while self.unsettled.is_some() {
            match tokio::time::timeout(BACKOFF_MAX, self.queue.take()).await {
                Ok(taken) => return taken,
                // It says itself why not, and is asked again.
                Err(_) => drop(self.settle().await),
            }
        }
        self.queue.take().await
    }

    /// Learns where the shard ends; false when the node is stopping and that cannot be read.
    async fn catch_up(&mut self) -> bool {
        let mut backoff = Duration::from_millis(10);
        loop {
            match self.parts.log.last(Lane::Journal, self.shard).await {
                Ok(last) => {
                    self.fence = last;
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read the end of the shard, trying again")
                }
            }
            if self.queue.is_closed() {
                return false;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Whether what was decided rests on all that the log holds. An append is told that by its fence; but a
    /// refusal is final, and in a round that appends nothing another writer may have appended what this
    /// one has not heard of. If so, that is folded, and all is to be decided again. An error says why it is
    /// not known.
    async fn confirm(&mut self) -> Result<bool, String> {
        let last = self.parts.log.last(Lane::Journal, self.shard);
        let last = match tokio::time::timeout(PATIENCE, last).await {
            Ok(last) => last.map_err(|error| error.to_string())?,
            Err(_) => return Err("the log does not say where the shard ends".to_owned()),
        };
        if last <= self.fence {
            return Ok(true);
        }
        self.aggregates.clear();
        self.recent.clear();
        self.fence = last;
        match self.reached(last.0).await {
            true => Ok(false),
            false => Err(STOPPING.to_owned()),
        }
    }

    /// Where another writer has appended, and that is folded, nothing that is kept holds any more.
    fn refresh(&mut self) {
        let folded = self.parts.projections.last_of(self.shard);
        if folded > self.fence {
            self.aggregates.clear();
            self.recent.clear();
            self.fence = folded;
        }
    }

    /// Decides what waits, as much as goes into one commit; the rest is left in `waiting`.
    async fn decide(&mut self, waiting: &mut Vec<Submission>) -> Round {
        self.refresh();
        let mut round = Round::default();
        let now_ms = self.parts.clock.now_ms();
        let mut left = std::mem::take(waiting).into_iter();
        while let Some(submission) = left.next() {
            match self.decide_one(&mut round, submission, now_ms).await {
                Decided::Taken | Decided::Answered => {}
                Decided::Later(submission) => {
                    waiting.push(*submission);
                    waiting.extend(left);
                    break;
                }
            }
        }
        round
    }

    async fn decide_one(
        &mut self,
        round: &mut Round,
        submission: Submission,
        now_ms: u64,
    ) -> Decided {
        let digest = digest(&submission.command);
        if let Some(id) = submission.id {
            if let Some((batch, known)) = round.find(id, &submission.actor) {
                if known == digest {
                    round.join(submission, batch);
                    return Decided::Taken;
                }
                return refused(round, submission, Refusal::CommandIdReused);
            }
            match self.executed(id, &submission.actor).await {
                Ok(Some((known, accepted))) if known == digest => {
                    self.metrics
                        .command(&submission.command, Outcome::Duplicate);
                    (submission.reply)(Answer::Accepted(Accepted {
                        duplicate: true,
                        ..accepted
                    }));
                    return Decided::Answered;
                }
                Ok(Some(_)) => return refused(round, submission, Refusal::CommandIdReused),
                Ok(None) if id.is_too_old(now_ms) => {
                    return refused(round, submission, Refusal::TooOld);
                }
                Ok(None) => {}
                Err(error) => return self.unread(submission, &error),
            }
        }
        if submission.chain.as_ref().is_some_and(Chain::is_broken) {
            let why = "not tried, for one before it could not be written";
            return self.unavailable(submission, why);
        }
        let stream = submission.command.stream(&submission.actor);
        if self.parts.projections.is_parked(&stream) {
            tracing::warn!(?stream, "a command to a parked stream was turned away");
            return self.unavailable(submission, "this part of the log is out of order");
        }
        let (command, reviewed) = match &submission.command {
            Command::Reviewed(reviewed) => (&reviewed.command, Some(&**reviewed)),
            command => (command, None),
        };
        let decided = match command {
            // Nobody looks at what was looked at.
            Command::Reviewed(_) => Ok(Err(Refusal::Invalid("a command within another".into()))),
            Command::Conversation(id, command) => {
                let decided = self
                    .conversation_events(*id, &submission.actor, command, submission.known)
                    .await;
                match (decided, reviewed) {
                    (Ok(Ok(events)), Some(reviewed)) => {
                        Ok(self.aggregates.entry(*id).reviewed(events, reviewed))
                    }
                    (decided, _) => decided,
                }
            }
            Command::User(command) => {
                let user = round
                    .users
                    .entry(submission.actor.clone())
                    .or_insert_with_key(|id| User::new(id.clone()));
                // A conversation that is muted stands in another stream, of another shard perhaps.
                let known = submission.known.max(self.fence.0);
                if !self.reached(known).await {
                    return self.stopping(submission);
                }
                let loaded = load::user(&self.parts.projections.read(), user, command);
                let decided = loaded
                    .map(|()| user.decide(&self.parts.config.limits, now_ms, command.clone()))
                    .map_err(Undecided::Unread);
                match (decided, reviewed.map(Reviewed::verdict)) {
                    // A profile has nowhere to wait.
                    (Ok(Ok(_)), Some((Verdict::Hold | Verdict::Reject, reason))) => {
                        Ok(Err(Refusal::Rejected(reason.to_owned())))
                    }
                    (decided, _) => decided,
                }
            }
            Command::AppEvent { kind, payload, .. } => Ok(user::app_event(kind, payload)),
            Command::Extension(id, command) => {
                if !self.reached(self.fence.0).await {
                    return self.stopping(submission);
                }
                let extension = match round.extensions.entry(id.clone()) {
                    Entry::Occupied(entry) => Ok(entry.into_mut()),
                    Entry::Vacant(entry) => load::extension(&self.parts.projections.read(), id)
                        .map(|extension| entry.insert(extension)),
                };
                extension.map_err(Undecided::Unread).map(|extension| {
                    let events = extension.decide(command.clone())?;
                    Ok(events.into_iter().map(Event::Extension).collect())
                })
            }
        };
        let events = match decided {
            Err(Undecided::Unread(error)) => return self.unread(submission, &error),
            Err(Undecided::Stopping) => return self.stopping(submission),
            Ok(Err(refusal)) => return refused(round, submission, refusal),
            Ok(Ok(events)) => events,
        };
        // With an id it is recorded all the same: tried again it gets the same answer, whatever has
        // changed since.
        // Without one nothing rests on the answer: where another writer has moved on meanwhile, all that
        // is told is that this was so a moment ago.
        if events.is_empty() && submission.id.is_none() {
            let conversation = match &stream {
                Stream::Conversation(id) => Some(*id),
                Stream::User(_) | Stream::Extension(_) => None,
            };
            let accepted = Accepted {
                position: self.fence.0,
                at_ms: now_ms,
                conversation,
                seq: 0,
                held: 0,
                duplicate: false,
            };
            self.metrics.command(&submission.command, Outcome::Accepted);
            (submission.reply)(Answer::Accepted(accepted));
            return Decided::Answered;
        }
        if !round.fits(&events) {
            return Decided::Later(Box::new(submission));
        }
        self.evolve(round, &stream, &submission.actor, &events);
        round.push(submission, stream, digest, events);
        Decided::Taken
    }

    fn evolve(&mut self, round: &mut Round, stream: &Stream, actor: &UserId, events: &[Event]) {
        match stream {
            Stream::Conversation(id) => {
                let conversation = self.aggregates.entry(*id);
                for event in events {
                    conversation.evolve(actor, event);
                }
            }
            Stream::User(user) => {
                if let Some(user) = round.users.get_mut(user) {
                    for event in events {
                        user.evolve(event);
                    }
                }
            }
            Stream::Extension(id) => {
                if let Some(extension) = round.extensions.get_mut(id) {
                    for event in events {
                        if let Event::Extension(event) = event {
                            extension.evolve(event);
                        }
                    }
                }
            }
        }
    }

    async fn conversation_events(
        &mut self,
        id: ConversationId,
        actor: &UserId,
        command: &ConversationCommand,
        known: u64,
    ) -> Result<Result<Vec<Event>, Refusal>, Undecided> {
        let projections = &self.parts.projections;
        let conversation = self.aggregates.entry(id);
        let mut needs = command.needs(actor, conversation.head.as_ref().map(|head| &head.kind));
        if load::missing(conversation, actor, &needs) {
            if !reached(projections, &self.queue, self.fence.0).await {
                return Err(Undecided::Stopping);
            }
            let rows = projections.read();
            load::head(&rows, conversation)?;
            needs = command.needs(actor, conversation.head.as_ref().map(|head| &head.kind));
            load::facts(&rows, conversation, actor, &needs)?;
        }
        // Blocks stand in another stream, with a fence of its own: as of now is all that can be had.
        let blocked = match &needs.blocked {
            Some(peer) => {
                let mut blocked = self.blocks.look_up(projections, actor, peer)?;
                if blocked && projections.cursor() < known {
                    // Unblocked just now, perhaps: nobody is refused what they know to be allowed.
                    if !reached(projections, &self.queue, known).await {
                        return Err(Undecided::Stopping);
                    }
                    blocked = self.blocks.look_up(projections, actor, peer)?;
                }
                blocked
            }
            None => false,
        };
        let context = Context {
            actor,
            limits: &self.parts.config.limits,
            blocked,
        };
        Ok(conversation.decide(&context, command.clone()))
    }

    /// What a command was answered, if it has been executed.
    async fn executed(
        &self,
        id: CommandId,
        actor: &UserId,
    ) -> Result<Option<(u32, Accepted)>, ReadError> {
        if let Some(known) = self.recent.get(&(id, actor.clone())) {
            return Ok(Some(*known));
        }
        // `recent` has all that this writer appended and the projections may lack. After another
        // writer's commit they catch up first (see `commit`).
        let row: Option<rows::Command> = rows::get(
            &self.parts.projections.read(),
            Table::Commands,
            &rows::command(id, actor),
        )?;
        Ok(row.map(|row| {
            let accepted = Accepted {
                position: row.position,
                at_ms: row.at_ms,
                conversation: row.conversation,
                seq: row.seq,
                held: row.held,
                duplicate: true,
            };
            (row.digest, accepted)
        }))
    }

    fn forget_projected(&mut self) {
        if self.recent.len() > 4_096 {
            let folded = self.parts.projections.cursor();
            self.recent
                .retain(|_, (_, accepted)| accepted.position > folded);
        }
    }

    /// Seals and appends a round and answers it. Returns the commands to be decided again.
    async fn commit(&mut self, mut round: Round) -> Option<Vec<Submission>> {
        let sealed = round.seal(&*self.parts.keys, &*self.parts.random).await;
        if let Ok(true) = sealed {
            self.metrics.keys_made();
        }
        if let Err(error) = sealed {
            self.aggregates.clear();
            match error {
                SealError::Keys(error) => {
                    let why = error.to_string();
                    self.metrics.keys_failed(&why, self.parts.clock.now_ms());
                    self.say(&why);
                    self.fail(round, &why);
                }
                SealError::Erased(user) => {
                    let (erased, others): (Vec<_>, Vec<_>) = round
                        .into_submissions()
                        .into_iter()
                        .partition(|submission| {
                            submission.command.is_sealed_for(&submission.actor, &user)
                        });
                    for submission in erased {
                        let why = match submission.command {
                            Command::AppEvent { .. } => "the subject has been erased",
                            Command::User(UserCommand::QueueToast(_)) => {
                                "the user, or whom the toast tells of, has been erased"
                            }
                            _ => "the author's content has been erased",
                        };
                        self.refuse(submission, Refusal::Forbidden(why.into()));
                    }
                    return Some(others);
                }
            }
            return None;
        }
        let recorded_ms = self.parts.clock.now_ms();
        let append = Append {
            lane: Lane::Journal,
            shard: self.shard,
            expected: self.fence,
            id: self.commit_id(),
            payload: round.encode(recorded_ms),
        };
        let bytes = append.payload.len();
        match self.append(append).await {
            Ok(position) => {
                self.fence = position;
                self.count(&round, bytes);
                self.refuse_all(&mut round);
                self.recent.extend(round.answer(position.0, recorded_ms));
                None
            }
            Err(failed) => {
                // What was decided has not happened.
                self.aggregates.clear();
                match failed {
                    Failed::Conflict => {
                        self.recent.clear();
                        if self.catch_up().await && self.reached(self.fence.0).await {
                            return Some(round.into_submissions());
                        }
                        self.fail(round, STOPPING);
                        None
                    }
                    Failed::Unavailable(why) => {
                        self.fail(round, &why);
                        None
                    }
                }
            }
        }
    }

    /// Tries an append once, and counts what comes of it.
    async fn try_append(&mut self, append: &Append) -> Result<Position, AppendError> {
        let began = crate::clock::moment();
        let appended = self.parts.log.append(append.clone()).await;
        match &appended {
            Ok(_) => {
                self.metrics.appended(began.elapsed());
                if self.trouble.take().is_some() {
                    tracing::info!(shard = self.shard.0, "the log can be written again");
                }
            }
            Err(error) => self.metrics.append_failed(error, self.parts.clock.now_ms()),
        }
        appended
    }

    /// Says what fails in the server's log: when it begins, and now and then while it lasts.
    fn say(&mut self, why: &str) {
        let now = crate::clock::moment();
        let said = self.trouble.is_some_and(|at| now - at < SAY_EVERY);
        if !said {
            tracing::warn!(
                shard = self.shard.0,
                %why,
                "commands cannot be carried out at present: who sent them is told to try again"
            );
            self.trouble = Some(now);
        }
    }

    /// Learns what became of an append that was given up, if there is one, and waits until that is folded:
    /// its commands may have been executed. An error says why it is not known yet.
    async fn settle(&mut self) -> Result<(), String> {
        let Some(append) = self.unsettled.take() else {
            return Ok(());
        };
        match self.try_append(&append).await {
            Ok(position) => self.fence = position,
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => {
                let why = error.to_string();
                self.say(&why);
                self.unsettled = Some(append);
                return Err(why);
            }
        }
        self.aggregates.clear();
        self.recent.clear();
        match self.catch_up().await && self.reached(self.fence.0).await {
            true => Ok(()),
            false => {
                self.unsettled = Some(append);
                Err(STOPPING.to_owned())
            }
        }
    }

    /// Appends, and concludes nothing from an unclear outcome.
    async fn append(&mut self, append: Append) -> Result<Position, Failed> {
        let mut backoff = Duration::from_millis(10);
        let began = crate::clock::moment();
        let mut unclear = false;
        loop {
            let why = match self.try_append(&append).await {
                Ok(position) => return Ok(position),
                Err(AppendError::Conflict { last }) => {
                    tracing::warn!(shard = self.shard.0, %last, "another writer appended to this shard");
                    if unclear
                        && let Some(position) = self.find(append.id, append.expected, last).await
                    {
                        // Ours got through, and another writer appended on top of it.
                        self.aggregates.clear();
                        self.recent.clear();
                        self.reached(last.0).await;
                        return Ok(position);
                    }
                    return Err(Failed::Conflict);
                }
                Err(AppendError::Unclear(why)) => {
                    if !unclear {
                        tracing::warn!(shard = self.shard.0, %why, "the outcome of an append is unknown, asking again");
                    }
                    unclear = true;
                    why
                }
                Err(AppendError::Unavailable(why)) if unclear => why,
                Err(error @ (AppendError::Unavailable(_) | AppendError::TooLarge { .. })) => {
                    let why = error.to_string();
                    self.say(&why);
                    return Err(Failed::Unavailable(why));
                }
            };
            if began.elapsed() >= PATIENCE {
                let why = AppendError::Unclear(why).to_string();
                self.say(&why);
                self.unsettled = Some(append);
                return Err(Failed::Unavailable(why));
            }
            if self.queue.is_closed() {
                // The outcome is learnt at the next start, or by the client's retry.
                return Err(Failed::Unavailable(STOPPING.to_owned()));
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Waits until the projections hold everything up to a position; false when the node is stopping and
    /// they do not get there.
    async fn reached(&self, position: u64) -> bool {
        reached(&self.parts.projections, &self.queue, position).await
    }

    /// Looks for a commit among the shard's records after `after`, up to `last`.
    async fn find(&self, id: Uuid, after: Position, last: Position) -> Option<Position> {
        loop {
            match find(&*self.parts.log, id, after, last).await {
                Ok(found) => return found,
                Err(error) => tracing::warn!(%error, "cannot read the shard, trying again"),
            }
            if self.queue.is_closed() {
                return None;
            }
            tokio::time::sleep(BACKOFF_MAX).await;
        }
    }

    fn fail(&self, round: Round, why: &str) {
        for submission in round.into_submissions() {
            self.unavailable(submission, why);
        }
    }

    /// Counts what is in the log now.
    fn count(&self, round: &Round, bytes: usize) {
        for (submission, _) in &round.accepted {
            self.metrics.command(&submission.command, Outcome::Accepted);
        }
        for (submission, _) in &round.joined {
            self.metrics
                .command(&submission.command, Outcome::Duplicate);
        }
        self.metrics.commit_bytes.observe(bytes as u64);
        self.metrics
            .commit_commands
            .observe(round.accepted.len() as u64);
    }

    /// Answers what is refused, now that nothing can change that any more.
    fn refuse_all(&self, round: &mut Round) {
        for (submission, refusal) in round.take_refused() {
            self.refuse(submission, refusal);
        }
    }

    fn refuse(&self, submission: Submission, refusal: Refusal) {
        self.metrics.command(&submission.command, Outcome::Refused);
        (submission.reply)(Answer::Refused(refusal));
    }

    fn unavailable(&self, submission: Submission, why: &str) -> Decided {
        self.metrics
            .command(&submission.command, Outcome::Unavailable);
        (submission.reply)(Answer::Unavailable(why.to_owned()));
        Decided::Answered
    }

    fn unread(&self, submission: Submission, error: &ReadError) -> Decided {
        tracing::error!(%error, "the projections cannot be read");
        self.unavailable(submission, "the server cannot read its state")
    }

    fn stopping(&self, submission: Submission) -> Decided {
        self.unavailable(submission, STOPPING)
    }

    fn commit_id(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.parts
            .random
            .fill(&mut bytes)
            .expect("the system has randomness");
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

fn refused(round: &mut Round, submission: Submission, refusal: Refusal) -> Decided {
    round.refuse(submission, refusal);
    Decided::Answered
}

async fn find(
    log: &dyn EventLog,
    id: Uuid,
    after: Position,
    last: Position,
) -> Result<Option<Position>, LogReadError> {
    let mut tail = log.tail(Lane::Journal, after).await?;
    loop {
        for record in tail.next().await? {
            if record.id == id {
                return Ok(Some(record.position));
            }
            if record.position >= last {
                return Ok(None);
            }
        }
    }
}

/// Waits until the projections hold everything up to a position; false when the queue has been closed and
/// they do not get there within a moment.
async fn reached(projections: &Projections, queue: &Queue, position: u64) -> bool {
    loop {
        let reaching = projections.reached(position);
        if tokio::time::timeout(BACKOFF_MAX, reaching).await.is_ok() {
            return true;
        }
        if queue.is_closed() {
            return false;
        }
    }
}

/// What is answered to commands that are given up.
const STOPPING: &str = "the server is stopping";

#[cfg(test)]
mod tests;
