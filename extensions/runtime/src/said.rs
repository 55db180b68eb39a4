//! What extensions said of a message, by the id that they know it by.

use schemars::JsonSchema;
use serde::Serialize;
use tidings_core::{
    commit::Commit,
    domain::{CommandId, ConversationId, Event, Review, Settler, Stream},
    projections::{ReadError, read},
};

use crate::{events, reactor::commit_at, server::Extensions};

/// What became of a message or a new text of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It was posted, or took the place of the text before.
    Posted,
    /// It is held.
    Held,
    /// It was held, and let go since.
    Released,
    /// It was held, and rejected since.
    Rejected,
}

/// A message, or a new text of one, and what was said of it.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The message's number there, or that of the one that it is a new text of; 0 for one that was held when it was sent.
    pub seq: u64,
    /// Its number among those held there, if it was held; otherwise 0.
    pub held: u64,
    /// What became of it.
    pub became: Became,
    /// Who let it go or rejected it, if it was held.
    pub settled_by: Option<Settler>,
    /// In the order in which it was said.
    pub reviews: Vec<Review>,
}

/// Why that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum SaidError {
    /// Not an id of a message.
    #[error(
        "{0:?} is no id of a message: a conversation's UUID, a point, and the UUID of the command that sent it are wanted"
    )]
    Id(String),
    /// None is recorded.
    #[error(
        "no message is recorded under this id: of what moderation rejects at once nothing is, beside the counts of `tidings ext top`, and \
         names and profiles are no messages"
    )]
    NotFound,
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log.
    #[error("the log: {0}")]
    Log(String),
}

impl Extensions {
    /// What was said of a message, by its id among extensions (`message.id` and `draft.id` in the WIT).
    ///
    /// # Errors
    /// When there is none, or that cannot be read.
    pub async fn said_of(&self, message: &str) -> Result<Said, SaidError> {
        let (conversation, command) =
            events::held(message).ok_or_else(|| SaidError::Id(message.to_owned()))?;
        let command = CommandId(command);
        let node = &self.shared.node;
        let found = read::commands(&node.projections.read(), command)?;
        let mut here = found
            .into_iter()
            .filter(|row| row.conversation == Some(conversation));
        let row = here.next().ok_or(SaidError::NotFound)?;
        let commit = commit_at(&self.shared, row.position).await;
        let commit = commit.map_err(|error| SaidError::Log(error.to_string()))?;
        let commit = commit.ok_or(SaidError::NotFound)?;
        let mut said = first_said(&commit, conversation, command).ok_or(SaidError::NotFound)?;
        let rows = node.projections.read();
        if said.held != 0 {
            if let Some(settled) = read::settled(&rows, conversation, said.held)? {
                said.became = if settled.released {
                    Became::Released
                } else {
                    Became::Rejected
                };
                said.settled_by = Some(settled.by);
            }
        } else {
            // With what was said later.
            said.reviews = read::reviews(&rows, conversation, said.seq)?;
        }
        Ok(said)
    }
}

/// What was recorded with the command.
fn first_said(commit: &Commit, conversation: ConversationId, command: CommandId) -> Option<Said> {
    let stream = Stream::Conversation(conversation);
    let mut batches = commit.batches.iter();
    let batch = batches.find(|batch| {
        batch.stream == stream && batch.command.is_some_and(|given| given.id == command)
    })?;
    batch.events.iter().find_map(|event| {
        let (seq, held, reviews) = match event {
            Event::MessagePosted { seq, .. } | Event::MessageEdited { seq, .. } => {
                (*seq, 0, Vec::new())
            }
            Event::MessageHeld {
                held,
                edits,
                reviews,
                ..
            } => (*edits, *held, reviews.clone()),
            _ => return None,
        };
        Some(Said {
            conversation,
            seq,
            held,
            became: if held == 0 {
                Became::Posted
            } else {
                Became::Held
            },
            settled_by: None,
            reviews,
        })
    })
}
