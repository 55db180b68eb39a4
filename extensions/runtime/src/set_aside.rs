//! Events that an extension could not deal with, as operators see them: told again when they say so, or forgotten.

use std::time::Duration;

use hashbrown::HashSet;
use schemars::JsonSchema;
use serde::Serialize;
use tidings_core::{
    commit::Commit,
    domain::{
        Command, Event, ExtensionCommand, ExtensionId, Reaction, Refusal, Stream,
        extension::Waiting,
    },
    handler::Answer,
    projections::rows::extensions as rows,
};

use tokio::time::Instant;

use crate::{
    events,
    manage::{ManageError, operator},
    reactor::commit_at,
    server::{Extensions, Shared},
};

/// Most of them that are listed at a time.
pub const LISTED: usize = 100;

/// Of how many it is recorded at a time what becomes of them.
const TOGETHER: usize = 1_000;

/// How long it is tried where the extension is told something else all the time, and how long it is waited in between.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// An event that an extension could not deal with, or that stands behind one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitingEvent {
    /// Where it stands in the log: its position, a point, its index.
    pub at: String,
    /// What happened, as the extension is told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The conversation that it is of, a UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The message's number there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The user whom it is about, where it is of no conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When it was recorded, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// How often the extension was told.
    pub attempts: u32,
    /// When it is told again, milliseconds since 1970, if nothing before it of the same conversation or user waits; nothing where
    /// it is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_ms: Option<u64>,
    /// How the last call ended. What the extension said of that is in its log alone, which may hold what somebody wrote.
    pub cause: String,
}

/// What is to become of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Become {
    /// The extension is told again, now.
    Told,
    /// They are forgotten.
    Forgotten,
}

impl Become {
    /// Whether it is meant where nobody says which. What is going to be told again anyway is not forgotten with the others.
    fn is_meant(self, waiting: &Waiting) -> bool {
        self == Become::Told || waiting.again_ms.is_none()
    }

    fn of(self, all: Vec<Waiting>, reaction: &mut Reaction, now_ms: u64) {
        match self {
            Become::Told => {
                reaction.waiting = all
                    .into_iter()
                    .map(|waiting| Waiting {
                        attempts: 0,
                        again_ms: Some(now_ms),
                        ..waiting
                    })
                    .collect();
            }
            Become::Forgotten => {
                reaction.done = all.into_iter().map(|waiting| waiting.at).collect();
            }
        }
    }
}

impl Extensions {
    /// Events that an extension is to be told again and those set aside, in the order of the log, from behind `after` on; and where
    /// the next page begins, if there is one.
    ///
    /// # Errors
    /// When there is no such extension, or they cannot be read.
    pub async fn waiting(
        &self,
        extension: &ExtensionId,
        after: (u64, u32),
        limit: usize,
    ) -> Result<(Vec<WaitingEvent>, Option<(u64, u32)>), ManageError> {
        self.exists(extension)?;
        let limit = limit.clamp(1, LISTED);
        let mut all = {
            let view = self.shared.node.projections.read();
            rows::some_waiting(&view, extension, after, limit + 1)?
        };
        let more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| more).map(|last| last.at);
        let mut found = Vec::with_capacity(all.len());
        for waiting in all {
            let commit = commit_at(&self.shared, waiting.at.0).await;
            let commit = commit.map_err(|error| ManageError::Unavailable(error.to_string()))?;
            found.push(shown(waiting, commit.as_deref()));
        }
        Ok((found, next))
    }

    /// Has an extension told again of events that it could not deal with, or forgets them: of `which`, or of all (where they are to be
    /// forgotten, of all that are set aside). How many there were.
    ///
    /// # Errors
    /// When there is no such extension or event; when it is to be told and does not act; when it cannot be recorded.
    pub async fn let_become(
        &self,
        extension: &ExtensionId,
        which: Option<&[(u64, u32)]>,
        what: Become,
    ) -> Result<u64, ManageError> {
        let row = self.exists(extension)?;
        if what == Become::Told {
            let acting = self.shared.acting.load();
            let reacts = acting
                .named(extension)
                .map(|one| one.manifest.reactor.is_some());
            let why = match reacts {
                Some(true) if row.active.is_some() => None,
                Some(false) if row.active.is_some() => Some("the version that acts has no reactor"),
                _ => Some("no version acts that could be told: activate one first"),
            };
            if let Some(why) = why {
                let why = format!("{extension}: {why}");
                return Err(ManageError::Refused(Refusal::Invalid(why)));
            }
        }
        let became = all_become(&self.shared, extension, which, what).await;
        // Also where it failed half way.
        self.shared.lanes.progress(extension).touched.notify_one();
        became
    }
}

async fn all_become(
    shared: &Shared,
    extension: &ExtensionId,
    which: Option<&[(u64, u32)]>,
    what: Become,
) -> Result<u64, ManageError> {
    let turn = shared.lanes.turn(extension);
    let mut left = which.map(<[_]>::to_vec);
    let mut done = 0;
    // What is told again waits on until it was: only what is there now is meant.
    let mut after = (0, 0);
    let until = Instant::now() + PATIENCE;
    loop {
        let Ok(held) = tokio::time::timeout_at(until, turn.lock()).await else {
            return Err(busy());
        };
        let (lane, mut all) = {
            let view = shared.node.projections.read();
            (
                rows::lane_of(&view, extension)?,
                rows::all_waiting(&view, extension)?,
            )
        };
        match &left {
            None => all.retain(|waiting| waiting.at > after && what.is_meant(waiting)),
            Some(left) => {
                let there: HashSet<_> = all.iter().map(|waiting| waiting.at).collect();
                if let Some(at) = left.iter().find(|at| !there.contains(*at)) {
                    let none = format!("event {}.{} that waits for {extension}", at.0, at.1);
                    return Err(ManageError::NotFound(none));
                }
                all.retain(|waiting| left.contains(&waiting.at));
            }
        }
        all.truncate(TOGETHER);
        let Some(last) = all.last().map(|last| last.at) else {
            return Ok(done);
        };
        let recorded: HashSet<_> = all.iter().map(|waiting| waiting.at).collect();
        let mut reaction = Reaction {
            revision: lane.revision,
            upto: lane.upto,
            ..Reaction::default()
        };
        what.of(all, &mut reaction, shared.node.clock.now_ms());
        match record(shared, extension, reaction).await {
            Ok(()) => {
                done += recorded.len() as u64;
                after = last;
                if let Some(left) = &mut left {
                    left.retain(|at| !recorded.contains(at));
                }
            }
            // The server that tells it recorded something at the same time: that is to be read first.
            Err(ManageError::Refused(Refusal::Moved)) if Instant::now() < until => {
                drop(held);
                tokio::time::sleep(PAUSE).await;
            }
            Err(ManageError::Refused(Refusal::Moved)) => return Err(busy()),
            Err(error) => return Err(error),
        }
    }
}

fn busy() -> ManageError {
    ManageError::Unavailable("the extension is told too much at present: try again".to_owned())
}

async fn record(
    shared: &Shared,
    extension: &ExtensionId,
    reaction: Reaction,
) -> Result<(), ManageError> {
    let react = ExtensionCommand::React(Box::new(reaction));
    let command = Command::Extension(extension.clone(), react);
    let answer = shared
        .node
        .handler
        .execute(operator(), command, None, None)
        .await;
    match answer {
        Answer::Accepted(accepted) => {
            shared.node.projections.reached(accepted.position).await;
            Ok(())
        }
        Answer::Refused(refusal) => Err(ManageError::Refused(refusal)),
        Answer::Unavailable(why) => Err(ManageError::Unavailable(why)),
    }
}

fn shown(waiting: Waiting, commit: Option<&Commit>) -> WaitingEvent {
    let mut shown = WaitingEvent {
        at: format!("{}.{}", waiting.at.0, waiting.at.1),
        kind: None,
        conversation: None,
        seq: None,
        user: None,
        actor: None,
        at_ms: None,
        attempts: waiting.attempts,
        again_ms: waiting.again_ms,
        cause: waiting.cause,
    };
    let Some(commit) = commit else {
        return shown;
    };
    let mut events = commit.events();
    let Some((_, batch, event)) = events.find(|(index, _, _)| *index == waiting.at.1) else {
        return shown;
    };
    shown.kind = events::kind(event).map(|kind| kind.into_owned());
    match &batch.stream {
        Stream::Conversation(id) => shown.conversation = Some(id.to_string()),
        Stream::User(user) => shown.user = Some(user.to_string()),
        Stream::Extension(_) => {}
    }
    shown.seq = match event {
        Event::MessagePosted { seq, .. }
        | Event::MessageEdited { seq, .. }
        | Event::MessageRetracted { seq, .. }
        | Event::ReactionAdded { seq, .. }
        | Event::ReactionRemoved { seq, .. } => Some(*seq),
        _ => None,
    };
    shown.actor = Some(batch.actor.to_string());
    shown.at_ms = Some(batch.happened_ms.unwrap_or(commit.recorded_ms));
    shown
}
