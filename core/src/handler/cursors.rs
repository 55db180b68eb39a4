//! Read and delivered cursors on their way to the log: coalesced to at most one event per member
//! and conversation per second.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{Answer, Handler, Submission};
use crate::domain::{Command, ConversationCommand, ConversationId, UserId};

/// Shortest time between two events of one member in one conversation, milliseconds.
const INTERVAL_MS: u64 = 1_000;

/// How often [`Cursors::flush`] is to be called, milliseconds.
pub const FLUSH_EVERY_MS: u64 = 100;

/// Cursors that have moved but are not in the log yet. They may be lost with the process: a client
/// acknowledges and reads cumulatively, so the next one makes up for it.
#[derive(Debug, Default)]
pub struct Cursors {
    moved: Mutex<HashMap<(ConversationId, UserId), Moved>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    read: u64,
    delivered: u64,
    /// Whether there is something to write.
    waiting: bool,
    written_ms: u64,
}

impl Cursors {
    /// Notes that a member has read, or one of their devices received, up to a message (0: neither).
    pub fn moved(&self, conversation: ConversationId, user: &UserId, read: u64, delivered: u64) {
        let mut moved = self.moved.lock();
        let entry = moved.entry((conversation, user.clone())).or_default();
        if read > entry.read || delivered > entry.delivered.max(entry.read) {
            entry.read = entry.read.max(read);
            entry.delivered = entry.delivered.max(delivered);
            entry.waiting = true;
        }
    }

    /// Submits what is due. `all`: everything, at a shutdown.
    pub fn flush(self: &Arc<Self>, now_ms: u64, all: bool, handler: &Handler) {
        let mut due = Vec::new();
        self.moved.lock().retain(|(conversation, user), moved| {
            let rested = now_ms >= moved.written_ms + INTERVAL_MS;
            if moved.waiting && (rested || all) {
                due.push((*conversation, user.clone(), moved.read, moved.delivered));
                moved.waiting = false;
                moved.written_ms = now_ms;
                return true;
            }
            moved.waiting || !rested
        });
        for (conversation, actor, read, delivered) in due {
            let command = ConversationCommand::MoveCursors { read, delivered };
            let (cursors, user) = (self.clone(), actor.clone());
            handler.submit(Submission {
                actor,
                command: Command::Conversation(conversation, command),
                id: None,
                happened_ms: None,
                known: 0,
                reply: Box::new(move |answer| {
                    // A refusal means that the member has left meanwhile: nothing is owed.
                    if let Answer::Unavailable(_) = answer {
                        cursors.again((conversation, user), read, delivered);
                    }
                }),
            });
        }
    }

    /// What could not be written is to be written later.
    fn again(&self, member: (ConversationId, UserId), read: u64, delivered: u64) {
        let mut moved = self.moved.lock();
        let entry = moved.entry(member).or_default();
        entry.read = entry.read.max(read);
        entry.delivered = entry.delivered.max(delivered);
        entry.waiting = true;
    }
}
