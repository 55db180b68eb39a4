//! The hook `command`: somebody calls an extension by name and waits for the answer. Answer and effects are recorded together, under the
//! caller's command id, so a call that is repeated has the same answer and no effect.

use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use parking_lot::Mutex;
use serde_json::Value;
use tidings_core::{
    domain::{CommandId, ConversationId, ExtensionId, Refusal, UserId},
    keys::KeyError,
    projections::{ReadError, read, rows::extensions as rows},
    review::Origin,
};
use tidings_extension_host::{CallError, Hook, Reply, input, staged::CommandError};
use tidings_extension_manifest::hooks::Callers;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    acting::One,
    answers::{self, AnswerError, Recording},
    calling::{self, Seen},
    moderation::about,
    reactor::{Batched, Source},
    server::{Extensions, Shared},
    views::Involved,
};

/// Longest arguments, in bytes of JSON.
pub const ARGS_BYTES: usize = 64 << 10;

/// Calls of one extension that may be under way or wait on a node, and those of one user.
const WAITING: usize = 256;
const EACH: usize = 4;

/// How long a call waits for others, and for another node's.
const PATIENCE: Duration = Duration::from_secs(20);

/// A call by name.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Which extension.
    pub extension: ExtensionId,
    /// Which of its commands.
    pub command: String,
    /// The arguments.
    pub args: serde_json::Map<String, Value>,
    /// From which conversation; the caller has to be a member.
    pub conversation: Option<ConversationId>,
    /// In whose name.
    pub caller: UserId,
    /// By whom.
    pub origin: Origin,
    /// The trace that it is part of.
    pub trace: Option<Uuid>,
}

/// What an extension answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// JSON, at most 64 KiB.
    pub answer: String,
    /// Position of the log at which its effects are recorded.
    pub position: u64,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// It had been called before, and this is the answer of then.
    pub duplicate: bool,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no such command, or no such conversation for the caller.
    #[error("{0}")]
    NotFound(String),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
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

impl From<AnswerError> for InvokeError {
    fn from(error: AnswerError) -> InvokeError {
        match error {
            AnswerError::Read(error) => InvokeError::Read(error),
            AnswerError::Keys(error) => InvokeError::Keys(error),
            AnswerError::Refused(refusal) => InvokeError::Refused(refusal),
            AnswerError::Unavailable(why) => InvokeError::Unavailable(why),
            AnswerError::Erased(user) => InvokeError::Denied(format!("{user} has been erased")),
        }
    }
}

impl Extensions {
    /// Calls an extension by name. `id` names the call: repeated, it has the same answer.
    ///
    /// # Errors
    /// When there is no such command, the caller may not, the arguments do not fit, or the extension says so.
    pub async fn invoke(&self, call: Invoke, id: CommandId) -> Result<Invoked, InvokeError> {
        let shared = &self.shared;
        let args = Value::Object(call.args.clone()).to_string();
        let conversation = call.conversation.map(|id| id.to_string());
        let conversation = conversation.as_deref().unwrap_or_default();
        let recording = Recording {
            asked: answers::digest(&[&call.extension, &call.command, conversation, &args]),
            extension: call.extension.clone(),
            name: call.command.clone(),
            caller: call.caller.clone(),
            id,
        };
        if let Some(invoked) = again(shared, &recording).await? {
            return Ok(invoked);
        }
        // What cannot be called at all takes nobody's place.
        admit(shared, &call, args.len())?;
        let _place = Place::take(&shared.lanes.calls, &call)?;
        let now_ms = shared.node.clock.now_ms();
        if id.is_too_old(now_ms) {
            return Err(InvokeError::Refused(Refusal::TooOld));
        }
        let turn = shared.lanes.turn(&call.extension);
        let until = Instant::now() + PATIENCE;
        let waiting = || {
            let why = format!("{} is busy with other calls: try again", call.extension);
            InvokeError::Unavailable(why)
        };
        for attempt in 1.. {
            let recorded = {
                let turn = tokio::time::timeout_at(until, turn.lock()).await;
                let _turn = turn.map_err(|_| waiting())?;
                // It may have been called, or switched off, while this waited.
                if let Some(invoked) = again(shared, &recording).await? {
                    return Ok(invoked);
                }
                let one = admit(shared, &call, args.len())?;
                call_and_record(shared, &one, &call, &recording, (now_ms, attempt)).await?
            };
            match recorded {
                Some((invoked, acts)) => {
                    if acts {
                        answers::follow(shared, &call.extension);
                    }
                    return Ok(invoked);
                }
                None if Instant::now() >= until => return Err(waiting()),
                // Recorded by another node: what this rests on is to be read first.
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        Err(waiting())
    }
}

/// What it answered before.
async fn again(shared: &Shared, recording: &Recording) -> Result<Option<Invoked>, InvokeError> {
    let found = answers::again(shared, recording).await?;
    Ok(found.map(|(answer, accepted)| Invoked {
        answer,
        position: accepted.position,
        at_ms: accepted.at_ms,
        duplicate: true,
    }))
}

/// Calls under way or waiting, by extension and caller.
pub(crate) type Calls = Mutex<HashMap<ExtensionId, HashMap<UserId, usize>>>;

/// A place among those who wait for an extension's answer: given back when it is dropped.
struct Place<'c> {
    calls: &'c Calls,
    extension: ExtensionId,
    caller: UserId,
}

impl<'c> Place<'c> {
    fn take(calls: &'c Calls, call: &Invoke) -> Result<Place<'c>, InvokeError> {
        let mut all = calls.lock();
        let callers = all.entry(call.extension.clone()).or_default();
        let waiting: usize = callers.values().sum();
        let own = callers.get(&call.caller).copied().unwrap_or_default();
        // The backend calls in few names, for many.
        let most = match call.origin {
            Origin::Client => EACH,
            Origin::Backend | Origin::Extension => WAITING,
        };
        if own >= most || waiting >= WAITING {
            let whose = if own >= most { "of yours " } else { "" };
            return Err(InvokeError::Unavailable(format!(
                "{} calls {whose}wait for {} already: try again",
                if own >= most { own } else { waiting },
                call.extension
            )));
        }
        *callers.entry(call.caller.clone()).or_default() += 1;
        drop(all);
        Ok(Place {
            calls,
            extension: call.extension.clone(),
            caller: call.caller.clone(),
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.calls.lock();
        let Some(callers) = all.get_mut(&self.extension) else {
            return;
        };
        if let Some(own) = callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                callers.remove(&self.caller);
            }
        }
        if callers.is_empty() {
            all.remove(&self.extension);
        }
    }
}

/// The extension as it acts now, if the caller may call this with these arguments.
fn admit(shared: &Shared, call: &Invoke, bytes: usize) -> Result<Arc<One>, InvokeError> {
    let one = shared.acting.load().named(&call.extension).cloned();
    let command = one.as_ref().and_then(|one| {
        let command = one.manifest.command.get(&call.command)?;
        Some((one.clone(), command.callers))
    });
    let Some((one, callers)) = command else {
        return Err(InvokeError::NotFound(format!(
            "no extension `{}` acts that has a command `{}`",
            call.extension, call.command
        )));
    };
    if call.origin == Origin::Client && callers == Callers::Backend {
        return Err(InvokeError::Denied(format!(
            "`{}` is for the product's backend",
            call.command
        )));
    }
    if bytes > ARGS_BYTES {
        return Err(InvokeError::Usage(format!(
            "the arguments have {bytes} bytes, the limit is {ARGS_BYTES}"
        )));
    }
    let args = Value::Object(call.args.clone());
    let fits = one.manifest.check_args(&call.command, &args);
    fits.map_err(|error| InvokeError::Usage(error.to_string()))?;
    if let Some(conversation) = call.conversation {
        let rows = shared.node.projections.read();
        let member = read::member(&rows, conversation, &call.caller)?;
        if member.is_none_or(|member| member.role.is_none()) {
            return Err(InvokeError::NotFound(format!(
                "no such conversation, or {} is not in it",
                call.caller
            )));
        }
    }
    Ok(one)
}

/// Calls the hook and records what comes of it; nothing where something else was recorded meanwhile. Whether anything is to follow.
async fn call_and_record(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    call: &Invoke,
    recording: &Recording,
    (now_ms, attempt): (u64, u32),
) -> Result<Option<(Invoked, bool)>, InvokeError> {
    let lane = rows::lane_of(&shared.node.projections.read(), &one.id)?;
    let mut batched = Batched::new(shared.clone(), one.clone(), &lane);
    let source = Source {
        hook: Hook::Command,
        id: [recording.id.0.as_bytes(), call.caller.as_bytes()].concat(),
        at_ms: now_ms,
        by: calling::user(&call.caller),
        depth: 0,
        trace: call.trace,
        history: None,
    };
    let Reply { answer, staged } = reply(shared, one, call, (&source, attempt), &batched).await?;
    let answer = match answer {
        Ok(answer) => answer,
        Err(CommandError::Usage(why)) => return Err(InvokeError::Usage(why)),
        Err(CommandError::Denied) => {
            return Err(InvokeError::Denied(format!(
                "{} does not let {} do this",
                one.id, call.caller
            )));
        }
        Err(CommandError::Unavailable) => {
            return Err(InvokeError::Unavailable(format!(
                "{} cannot do this now: try again",
                one.id
            )));
        }
        Err(CommandError::Failed(why)) => return Err(InvokeError::Failed(why)),
    };
    if let Some(why) = batched.take(&source, staged).await? {
        return Err(InvokeError::Failed(why));
    }
    let reaction = batched.into_reaction();
    let acts = !reaction.intents.is_empty() || !reaction.timers.is_empty();
    let recorded = answers::record(shared, recording, reaction, &answer).await?;
    Ok(match recorded {
        None => None,
        // Somebody else was first: what counts is what was recorded then.
        Some(accepted) if accepted.duplicate => {
            let found = again(shared, recording).await?;
            let why =
                || InvokeError::Unavailable("the answer cannot be read: try again".to_owned());
            Some((found.ok_or_else(why)?, false))
        }
        Some(accepted) => {
            let invoked = Invoked {
                answer,
                position: accepted.position,
                at_ms: accepted.at_ms,
                duplicate: false,
            };
            Some((invoked, acts))
        }
    })
}

async fn reply(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    call: &Invoke,
    (source, attempt): (&Source, u32),
    batched: &Batched,
) -> Result<Reply, InvokeError> {
    let invocation = input::Invocation {
        name: call.command.clone(),
        caller: call.caller.to_string(),
        conversation: call.conversation.map(|id| id.to_string()),
        args: Value::Object(call.args.clone()).to_string(),
    };
    let about = about(
        one,
        Hook::Command,
        &source.id,
        source.at_ms,
        attempt,
        source.trace,
    );
    let seen = Seen {
        involved: Involved {
            users: [call.caller.clone()].into_iter().collect(),
            conversations: call.conversation.into_iter().collect(),
        },
        by: source.by.clone(),
        overlay: Some(batched.overlay.clone()),
        now_ms: source.at_ms,
        depth: 0,
        trace: source.trace,
    };
    let called = calling::call(
        shared,
        one,
        Hook::Command,
        seen,
        |ready, views| {
            let (about, invocation) = (about.clone(), invocation.clone());
            async move { ready.invoke(about, invocation, views).await }
        },
        |reply| match &reply.answer {
            Ok(_) => "ok",
            Err(CommandError::Usage(_)) => "usage",
            Err(CommandError::Denied) => "denied",
            Err(CommandError::Unavailable) => "unavailable",
            Err(CommandError::Failed(_)) => "failed",
        },
    );
    called.await.map_err(|error| {
        tracing::warn!(extension = %one.id, version = one.version, command = call.command, %error, "a command failed");
        let why = match error {
            CallError::Busy => format!("{} is not called at present: try again", one.id),
            CallError::LeftAlone => format!(
                "{} keeps failing, and is left alone for a while: try again later",
                one.id
            ),
            error => format!("{} failed ({}): try again", one.id, error.kind()),
        };
        InvokeError::Unavailable(why)
    })
}
