//! Telling an extension of history again, because somebody asks for it: piece by piece, each recorded with where the next one begins, so
//! that a piece that is asked for again is told once. What would disturb people is left out.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_core::{
    commit::Commit,
    domain::{CommandId, ExtensionId, Refusal},
    keys::KeyError,
    log::{Lane as LogLane, Position},
    projections::{ReadError, rows::extensions as rows},
};
use tidings_extension_host::{CallError, Hook};
use tokio::time::Instant;

use crate::{
    acting::One,
    answers::{self, AnswerError, Recording},
    calling::{self, Seen},
    events,
    moderation::about,
    reactor::{Batched, Source},
    server::{Extensions, Shared},
};

/// Calls whose outcome is recorded together.
const TOGETHER: u64 = 64;

/// Commits that are looked at for a piece.
const LOOKED: usize = 20_000;

/// How long is gone on with a piece: whoever asked for it waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a piece is told anew since something else was recorded meanwhile.
const AGAIN: usize = 5;

/// A piece of history.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Behind which event: (position, index).
    pub after: (u64, u32),
    /// Up to which position, as far as the extension was told so far; up to where the version that acts began, if nothing is said.
    pub until: Option<u64>,
}

/// What became of a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Behind which event the next piece begins.
    pub next: (u64, u32),
    /// Up to which position it goes in all.
    pub until: u64,
    /// Events that were told.
    pub told: u64,
    /// Those of them that the extension could not deal with.
    pub failed: u64,
    /// There is no more.
    pub done: bool,
}

impl Extensions {
    /// Tells an extension that acts of a piece of history. `id` names the piece: asked for again, it is not told again.
    ///
    /// # Errors
    /// When no such extension acts that has the hook `reactor`, or it cannot be called at present.
    pub async fn backfill(
        &self,
        extension: &ExtensionId,
        piece: Piece,
        id: CommandId,
    ) -> Result<Told, BackfillError> {
        let shared = &self.shared;
        let one = shared.acting.load().named(extension).cloned();
        let one = one.filter(|one| one.manifest.reactor.is_some());
        let one = one.ok_or_else(|| {
            BackfillError::NotFound(format!(
                "no extension `{extension}` acts that has the hook `reactor`"
            ))
        })?;
        let (upto, since) = {
            let view = shared.node.projections.read();
            let row = rows::of(&view, extension)?;
            let active = row.and_then(|row| row.active);
            let upto = rows::lane_of(&view, extension)?.upto.0;
            (upto, active.map_or(upto, |active| active.position))
        };
        let until = piece.until.unwrap_or(since).min(upto);
        let recording = Recording {
            extension: extension.clone(),
            name: "backfill".to_owned(),
            caller: crate::manage::operator(),
            id,
            asked: answers::digest(&[
                extension,
                "backfill",
                &format!("{}.{}", piece.after.0, piece.after.1),
                &piece
                    .until
                    .map_or_else(String::new, |until| until.to_string()),
            ]),
        };
        let turn = shared.lanes.turn(extension);
        for _ in 0..AGAIN {
            let _turn = turn.lock().await;
            if let Some((answer, _)) = answers::again(shared, &recording).await? {
                return parsed(&answer);
            }
            let (batched, told) = tell(shared, &one, &recording, piece.after, until).await?;
            if batched.is_empty() {
                return Ok(told);
            }
            let answer = json!(told).to_string();
            let recorded = answers::record(shared, &recording, batched.into_reaction(), &answer);
            // Where something else was recorded meanwhile it is done anew.
            if let Some(accepted) = recorded.await? {
                if accepted.duplicate {
                    continue;
                }
                answers::follow(shared, extension);
                return Ok(told);
            }
        }
        Err(BackfillError::Unavailable(
            "too much else is recorded of the extension: try again".to_owned(),
        ))
    }
}

fn parsed(answer: &str) -> Result<Told, BackfillError> {
    serde_json::from_str(answer).map_err(|error| {
        tracing::error!(%error, "what became of a piece of history cannot be read");
        BackfillError::Unavailable("the answer cannot be read: try again".to_owned())
    })
}

/// Why a piece of history was not told.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// No such extension acts.
    #[error("{0}")]
    NotFound(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// The core refuses it.
    #[error("{0}")]
    Refused(Refusal),
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl From<AnswerError> for BackfillError {
    fn from(error: AnswerError) -> BackfillError {
        match error {
            AnswerError::Read(error) => BackfillError::Read(error),
            AnswerError::Keys(error) => BackfillError::Keys(error),
            AnswerError::Refused(refusal) => BackfillError::Refused(refusal),
            AnswerError::Unavailable(why) => BackfillError::Unavailable(why),
            AnswerError::Erased(user) => {
                BackfillError::Unavailable(format!("{user} has been erased"))
            }
        }
    }
}

/// Tells as much as can be recorded together.
async fn tell(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    recording: &Recording,
    after: (u64, u32),
    until: u64,
) -> Result<(Batched, Told), BackfillError> {
    let lane = rows::lane_of(&shared.node.projections.read(), &one.id)?;
    let mut batched = Batched::new(shared.clone(), one.clone(), &lane);
    let mut told = Told {
        next: after,
        until,
        ..Told::default()
    };
    let unread = |error: &dyn std::fmt::Display| {
        BackfillError::Unavailable(format!("the log cannot be read: {error}"))
    };
    let from = match after.1 {
        u32::MAX => after.0,
        _ => after.0.saturating_sub(1),
    };
    if from >= until {
        told.done = true;
        return Ok((batched, told));
    }
    let tail = shared.node.log.tail(LogLane::Journal, Position(from));
    let mut tail = tail.await.map_err(|error| unread(&error))?;
    let (mut looked, began) = (0, Instant::now());
    while looked < LOOKED {
        for record in tail.next().await.map_err(|error| unread(&error))? {
            if record.position.0 > until {
                told.done = true;
                return Ok((batched, told));
            }
            looked += 1;
            let commit = Commit::decode(&record).map_err(|error| unread(&error))?;
            for (index, batch, event) in commit.events() {
                let at = (commit.position.0, index);
                if at <= after {
                    continue;
                }
                if told.told >= TOGETHER || batched.is_full() || began.elapsed() > PATIENCE {
                    return Ok((batched, told));
                }
                let kind = events::kind(event).filter(|kind| one.manifest.is_told(kind, 1));
                if kind.is_some() && !events::is_own(&one.id, batch, event) {
                    told.told += 1;
                    let well = tell_one(
                        shared,
                        one,
                        &mut batched,
                        recording.id,
                        &commit,
                        at,
                        (batch, event),
                    );
                    told.failed += u64::from(!well.await?);
                }
                told.next = at;
            }
            told.next = (commit.position.0, u32::MAX);
            if commit.position.0 >= until {
                told.done = true;
                return Ok((batched, told));
            }
        }
    }
    Ok((batched, told))
}

/// Whether it could deal with the event.
async fn tell_one(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    batched: &mut Batched,
    piece: CommandId,
    commit: &Commit,
    at: (u64, u32),
    (batch, event): (&tidings_core::commit::Batch, &tidings_core::domain::Event),
) -> Result<bool, BackfillError> {
    let content = one.manifest.grants.content;
    let told = events::told(&shared.node, commit, batch, at.1, event, content).await;
    let told = told.map_err(|error| match error {
        events::TellError::Keys(error) => BackfillError::Keys(error),
        events::TellError::Read(error) => BackfillError::Read(error),
    })?;
    let Some(told) = told else {
        return Ok(true);
    };
    // Named as when it happened: what it does elsewhere has been done by then, or is done now.
    let source = Source {
        hook: Hook::Reactor,
        id: format!("{}.{}", at.0, at.1).into_bytes(),
        at_ms: told.at,
        by: calling::user(&batch.actor),
        depth: events::depth(batch),
        trace: batch.correlation,
        history: Some(piece),
    };
    let about = about(
        one,
        Hook::Reactor,
        &source.id,
        source.at_ms,
        1,
        source.trace,
    );
    let seen = Seen {
        involved: events::involved(batch, event),
        by: source.by.clone(),
        overlay: Some(batched.overlay.clone()),
        now_ms: source.at_ms,
        depth: source.depth,
        trace: source.trace,
    };
    let called = calling::call(
        shared,
        one,
        Hook::Reactor,
        seen,
        |ready, views| {
            let (about, told) = (about.clone(), told.clone());
            async move { ready.on_event(about, told, views).await }
        },
        |_| "ok",
    );
    let staged = match called.await {
        Ok(staged) => staged,
        Err(error @ (CallError::Host(_) | CallError::Busy | CallError::LeftAlone)) => {
            return Err(BackfillError::Unavailable(format!(
                "{} cannot be called at present ({error}): try again",
                one.id
            )));
        }
        Err(error) => {
            tracing::warn!(extension = %one.id, ?at, %error, "an event of history could not be dealt with");
            return Ok(false);
        }
    };
    let refused = batched.take(&source, staged).await?;
    if let Some(why) = &refused {
        tracing::warn!(extension = %one.id, ?at, why, "what came of an event of history is left out");
    }
    Ok(refused.is_none())
}
