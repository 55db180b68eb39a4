//! A user's own stream: blocks and mutes.

use hashbrown::HashMap;

use super::{
    Limits, Refusal,
    command::UserCommand,
    event::Event,
    id::{ConversationId, UserId},
};

/// State of a user, as far as it has been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// How many users they block, if loaded.
    pub blocked_count: Option<u32>,
    /// Loaded facts "is this user blocked".
    pub blocked: HashMap<UserId, bool>,
    /// Loaded facts "is this conversation muted"; `None` within: not theirs.
    pub muted: HashMap<ConversationId, Option<bool>>,
}

impl User {
    /// A user of whom nothing has been loaded.
    pub fn new(id: UserId) -> User {
        User {
            id,
            blocked_count: None,
            blocked: HashMap::new(),
            muted: HashMap::new(),
        }
    }

    /// What the command makes happen: no events when everything is so already.
    pub fn decide(&self, limits: &Limits, command: UserCommand) -> Result<Vec<Event>, Refusal> {
        match command {
            UserCommand::SetMuted {
                conversation,
                muted,
            } => match self.muted.get(&conversation).copied().flatten() {
                None => Err(Refusal::NotFound("conversation".into())),
                Some(now) if now == muted => Ok(Vec::new()),
                Some(_) => Ok(vec![Event::ConversationMuted {
                    conversation,
                    muted,
                }]),
            },
            UserCommand::Block { user } => {
                if user == self.id {
                    return Err(Refusal::Invalid("one cannot block oneself".to_owned()));
                }
                if self.blocks(&user) {
                    return Ok(Vec::new());
                }
                if self
                    .blocked_count
                    .is_some_and(|count| count >= limits.blocked)
                {
                    return Err(Refusal::Invalid(format!(
                        "{} users are blocked, which is the limit",
                        limits.blocked
                    )));
                }
                Ok(vec![Event::UserBlocked { user }])
            }
            UserCommand::Unblock { user } => Ok(if self.blocks(&user) {
                vec![Event::UserUnblocked { user }]
            } else {
                Vec::new()
            }),
        }
    }

    /// The state after an event of this user.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::ConversationMuted {
                conversation,
                muted,
            } => {
                self.muted.insert(*conversation, Some(*muted));
            }
            Event::UserBlocked { user } => {
                self.blocked_count = self.blocked_count.map(|count| count + 1);
                self.blocked.insert(user.clone(), true);
            }
            Event::UserUnblocked { user } => {
                self.blocked_count = self.blocked_count.map(|count| count - 1);
                self.blocked.insert(user.clone(), false);
            }
            _ => {}
        }
    }

    fn blocks(&self, user: &UserId) -> bool {
        self.blocked.get(user).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
