//! Answers that are recorded with a reaction, under the id of who asked: asked again, the answer is the same and nothing happens.

use std::sync::{Arc, atomic::Ordering};

use ring::digest::{Context, SHA256};
use tidings_core::{
    domain::{
        Command, CommandId, Event, ExtensionCommand, ExtensionEvent, ExtensionId, Reaction,
        Refusal, Stream, UserId, extension::Answered,
    },
    handler::{Accepted, Answer},
    keys::KeyError,
    projections::{ReadError, Table, rows as core_rows},
};

use crate::{
    outbox, reactor,
    sealing::{self, SealError},
    server::Shared,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The core refuses it.
    #[error("{0}")]
    Refused(Refusal),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever asks was erased.
    #[error("{0} has been erased")]
    Erased(UserId),
}

/// What is recorded together: who asked for what, under which name.
pub(crate) struct Recording {
    pub(crate) extension: ExtensionId,
    pub(crate) name: String,
    pub(crate) caller: UserId,
    pub(crate) id: CommandId,
    /// Digest of what was asked.
    pub(crate) asked: u32,
}

/// Records a reaction with an answer; nothing where something else was recorded meanwhile.
pub(crate) async fn record(
    shared: &Shared,
    recording: &Recording,
    reaction: Reaction,
    answer: &str,
) -> Result<Option<Accepted>, AnswerError> {
    let purpose = purpose(recording.id);
    let sealed = sealing::seal(
        &*shared.node.keys,
        &*shared.node.random,
        &recording.extension,
        &purpose,
        vec![recording.caller.clone()],
        answer.as_bytes().to_vec(),
    );
    let sealed = sealed.await.map_err(|error| match error {
        SealError::Keys(error) => AnswerError::Keys(error),
        SealError::Erased(user) => AnswerError::Erased(user),
    })?;
    let answered = ExtensionCommand::Answer(Box::new(Answered {
        asked: recording.asked,
        name: recording.name.clone(),
        answer: sealed,
        reaction,
    }));
    let command = Command::Extension(recording.extension.clone(), answered);
    let (caller, id) = (recording.caller.clone(), Some(recording.id));
    match shared.node.handler.execute(caller, command, id, None).await {
        Answer::Accepted(accepted) => {
            shared.node.projections.reached(accepted.position).await;
            Ok(Some(accepted))
        }
        Answer::Refused(Refusal::Moved) => Ok(None),
        Answer::Refused(refusal) => Err(AnswerError::Refused(refusal)),
        Answer::Unavailable(why) => Err(AnswerError::Unavailable(why)),
    }
}

/// The answer that was recorded under this name before.
pub(crate) async fn again(
    shared: &Shared,
    recording: &Recording,
) -> Result<Option<(String, Accepted)>, AnswerError> {
    let (id, caller) = (recording.id, &recording.caller);
    let row: Option<core_rows::Command> = {
        let view = shared.node.projections.read();
        core_rows::get(&view, Table::Commands, &core_rows::command(id, caller))?
    };
    let Some(row) = row else {
        return Ok(None);
    };
    if row.digest != recording.asked {
        return Err(AnswerError::Refused(Refusal::CommandIdReused));
    }
    let unread = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, position = row.position, "an answer cannot be read");
        AnswerError::Unavailable("the answer cannot be read: try again".to_owned())
    };
    let commit = reactor::commit_at(shared, row.position).await;
    let commit = commit.map_err(|error| unread(&error))?;
    let mut events = commit.iter().flat_map(|commit| commit.events());
    let answered = events.find_map(|(_, batch, event)| match event {
        Event::Extension(ExtensionEvent::Answered(answered))
            if batch.command.is_some_and(|command| command.id == id)
                && batch.actor == *caller
                && batch.stream == Stream::Extension(recording.extension.clone()) =>
        {
            Some(answered)
        }
        _ => None,
    });
    let answered = answered.ok_or_else(|| unread(&"it is not there"))?;
    let keys = &*shared.node.keys;
    let opened = sealing::open(keys, &recording.extension, &purpose(id), &answered.answer).await?;
    let answer = opened.and_then(|bytes| String::from_utf8(bytes).ok());
    let answer = answer.ok_or_else(|| AnswerError::Erased(caller.clone()))?;
    let accepted = Accepted {
        position: row.position,
        at_ms: row.at_ms,
        conversation: row.conversation,
        seq: row.seq,
        held: row.held,
        duplicate: true,
    };
    Ok(Some((answer, accepted)))
}

/// Has what the extension wants done carried out: by its lane if that is on this node, and else from here.
pub(crate) fn follow(shared: &Arc<Shared>, id: &ExtensionId) {
    let progress = shared.lanes.progress(id);
    progress.touched.notify_one();
    if progress.here.load(Ordering::Relaxed) {
        return;
    }
    // One at a time: it carries out what has been recorded by then.
    if progress.sends.fetch_add(1, Ordering::AcqRel) > 0 {
        return;
    }
    let (shared, id) = (shared.clone(), id.clone());
    tokio::spawn(async move {
        let mut asked = 1;
        loop {
            if let Err(error) = outbox::send(&shared, &id, &shared.node.projections).await {
                tracing::warn!(extension = %id, %error, "what a command wants done waits for its lane");
            }
            match progress
                .sends
                .compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(more) => asked = more,
            }
        }
    });
}

/// Binds an answer to the call.
fn purpose(id: CommandId) -> String {
    format!("answer {id}")
}

/// What is asked, in four bytes. It stands in the log: were it to change, a repetition that spans an upgrade would be taken for
/// something else.
pub(crate) fn digest(parts: &[&str]) -> u32 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let bytes = digest.as_ref()[..4]
        .try_into()
        .expect("SHA-256 has 32 bytes");
    u32::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_asked_has_the_digest_that_it_always_had() {
        let asked = ["front-desk", "count", "", "{}"];
        assert_eq!(super::digest(&asked), 0xe0b7_1400);
        assert_ne!(
            super::digest(&asked),
            super::digest(&["front-desk", "count", "{}", ""])
        );
    }
}
