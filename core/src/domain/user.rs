//! A user's own stream: blocks, mutes, and what the product records about them.

use hashbrown::HashMap;

use super::{
    Limits, Refusal,
    command::UserCommand,
    event::{Content, Event},
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

/// Longest kind of an app event, in bytes.
pub const APP_KIND_BYTES: usize = 64;

/// Longest payload of an app event, in bytes.
pub const APP_PAYLOAD_BYTES: usize = 4 * 1024;

/// What a fact of the product's own makes happen. Any is as good as another: they depend on nothing.
pub fn app_event(kind: &str, payload: &str) -> Result<Vec<Event>, Refusal> {
    let named = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    if !(1..=APP_KIND_BYTES).contains(&kind.len()) || !kind.bytes().all(named) {
        return Err(Refusal::Invalid(format!(
            "kind is {kind:?}: use 1 to {APP_KIND_BYTES} of a-z, 0-9, _ and ."
        )));
    }
    if payload.len() > APP_PAYLOAD_BYTES {
        return Err(Refusal::TooLarge {
            len: payload.len(),
            limit: APP_PAYLOAD_BYTES,
        });
    }
    Ok(vec![Event::AppEventRecorded {
        kind: kind.to_owned(),
        payload: Content::Plain(payload.to_owned()),
    }])
}

#[cfg(test)]
mod tests;
