//! Read and delivered cursors on their way to the log: coalesced to at most one event per member
//! and conversation per second.

use std::{collections::VecDeque, sync::Arc};

use hashbrown::{HashMap, hash_map::Entry};
use parking_lot::Mutex;

use super::{Answer, Handler, Submission};
use crate::domain::{Command, ConversationCommand, ConversationId, UserId};

/// Shortest time between two events of one member in one conversation, milliseconds.
const INTERVAL_MS: u64 = 1_000;

/// How often [`Cursors::flush`] is to be called, milliseconds: often, so that they trickle into the log
/// between the messages and nobody waits behind a heap of them.
pub const FLUSH_EVERY_MS: u64 = 20;

/// Cursors that have moved but are not in the log yet. They may be lost with the process: a client
/// acknowledges and reads cumulatively, so the next one makes up for it.
#[derive(Debug, Default)]
pub struct Cursors {
    state: Mutex<State>,
}

type Member = (ConversationId, UserId);

/// Every member in `moved` stands in exactly one of the queues.
#[derive(Debug, Default)]
struct State {
    moved: HashMap<Member, Moved>,
    /// Not written for a while: may be at once.
    fresh: Vec<Member>,
    /// Written lately, and when they may be again.
    resting: VecDeque<(u64, Member)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    read: u64,
    delivered: u64,
    /// Whether there is something to write.
    waiting: bool,
}

impl State {
    fn wait(&mut self, member: Member) -> &mut Moved {
        let moved = match self.moved.entry(member) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.fresh.push(entry.key().clone());
                entry.insert(Moved::default())
            }
        };
        moved.waiting = true;
        moved
    }
}

impl Cursors {
    /// Notes that a member has read, or one of their devices received, up to a message (0: neither).
    pub fn moved(&self, conversation: ConversationId, user: &UserId, read: u64, delivered: u64) {
        let mut state = self.state.lock();
        let member = (conversation, user.clone());
        let known = state.moved.get(&member).copied().unwrap_or_default();
        if read > known.read || delivered > known.delivered.max(known.read) {
            let moved = state.wait(member);
            moved.read = known.read.max(read);
            moved.delivered = known.delivered.max(delivered);
        }
    }

    /// Submits what is due. `all`: everything, at a shutdown.
    pub fn flush(self: &Arc<Self>, now_ms: u64, all: bool, handler: &Handler) {
        let mut due = Vec::new();
        let mut state = self.state.lock();
        let State {
            moved,
            fresh,
            resting,
        } = &mut *state;
        let mut rested = Vec::new();
        while let Some((until_ms, _)) = resting.front() {
            // Whoever rests for longer than the interval does so because the clock was set back.
            let waits = now_ms < *until_ms && *until_ms <= now_ms + INTERVAL_MS;
            if waits && !all {
                break;
            }
            rested.extend(resting.pop_front().map(|(_, member)| member));
        }
        let mut written = Vec::new();
        for member in rested.into_iter().chain(fresh.drain(..)) {
            let Entry::Occupied(mut entry) = moved.entry(member) else {
                continue;
            };
            let cursor = entry.get_mut();
            if !cursor.waiting {
                entry.remove();
                continue;
            }
            cursor.waiting = false;
            let at = (cursor.read, cursor.delivered);
            due.push((entry.key().clone(), at));
            written.push((now_ms + INTERVAL_MS, entry.key().clone()));
        }
        resting.extend(written);
        drop(state);
        for ((conversation, actor), (read, delivered)) in due {
            let command = ConversationCommand::MoveCursors { read, delivered };
            let (cursors, user) = (self.clone(), actor.clone());
            handler.submit(Submission {
                actor,
                command: Command::Conversation(conversation, command),
                id: None,
                happened_ms: None,
                known: 0,
                chain: None,
                trace: None,
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
    fn again(&self, member: Member, read: u64, delivered: u64) {
        let mut state = self.state.lock();
        let moved = state.wait(member);
        moved.read = moved.read.max(read);
        moved.delivered = moved.delivered.max(delivered);
    }
}

#[cfg(test)]
mod tests;
