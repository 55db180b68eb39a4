//! What the user has sent and the server has not answered yet.

use tidings_protocol::{
    ClientFrame,
    command::{EditMessage, PostMessage},
    frame::Request,
    id,
};
use tidings_sdk::State;
use uuid::Uuid;

use super::draft::Draft;

/// A text on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) command: Uuid,
    pub(super) conversation: Uuid,
    pub(super) text: String,
    pub(super) reply_to: u64,
    /// The message it replaces; 0 where it is a message of its own.
    pub(super) editing: u64,
    pub(super) fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// In the outbox.
    Waiting,
    /// Durable, as this message; it is shown as such once it is in the view.
    Accepted(u64),
    /// Refused, for this reason. The text is the user's to decide on.
    Refused(String),
}

impl Pending {
    /// What of a request may be lost.
    pub(super) fn of(command: Uuid, request: &Request) -> Option<Pending> {
        let (conversation, text, reply_to, editing) = match request {
            Request::PostMessage(PostMessage {
                conversation,
                text,
                reply_to,
                ..
            }) => (conversation, text, *reply_to, 0),
            Request::EditMessage(EditMessage {
                conversation,
                seq,
                text,
                ..
            }) => (conversation, text, 0, *seq),
            _ => return None,
        };
        Some(Pending {
            command,
            conversation: id::from_wire(conversation)?,
            text: text.clone(),
            reply_to,
            editing,
            fate: Fate::Waiting,
        })
    }

    /// The same of a command that an earlier run has left.
    pub(super) fn left(frame: &ClientFrame) -> Option<Pending> {
        Pending::of(id::from_wire(&frame.command_id)?, frame.request.as_ref()?)
    }

    /// The text to be written on.
    pub(super) fn draft(self) -> Draft {
        let mut draft = Draft::of(self.text);
        draft.reply_to = self.reply_to;
        draft.editing = self.editing;
        draft
    }

    /// Whether the view shows what came of it.
    pub(super) fn is_shown(&self, state: &State) -> bool {
        let conversation = state.conversation(self.conversation);
        match self.fate {
            // An event may be here before the answer.
            Fate::Waiting => conversation.is_some_and(|one| {
                let latest = one.messages().values().rev().take(50);
                let mut same = latest
                    .filter(|message| id::from_wire(&message.command_id) == Some(self.command));
                self.editing == 0 && same.next().is_some()
            }),
            Fate::Accepted(seq) => {
                self.editing > 0 || conversation.is_none_or(|one| one.view().last_seq >= seq)
            }
            Fate::Refused(_) => false,
        }
    }
}
