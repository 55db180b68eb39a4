//! Who the sessions of this node were told to be looking where: so that they are told that it is over where a block, or leaving the
//! conversation, comes in between, and the one who looks can tell them nothing any more.

use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::domain::{ConversationId, UserId};

/// How long it holds without being repeated: as long as clients believe it.
const HOLDS: Duration = Duration::from_secs(90);
/// So many are kept before it is looked which of them hold no more.
const MANY: usize = 1_024;

/// By user and conversation, when it was told last.
#[derive(Default)]
pub(super) struct Looks {
    told: HashMap<UserId, HashMap<ConversationId, Instant>>,
    tidy_at: usize,
}

impl Looks {
    /// Somebody looks at a conversation, or does not any more.
    pub(super) fn told(
        &mut self,
        user: &UserId,
        conversation: ConversationId,
        active: bool,
        now: Instant,
    ) {
        if !active {
            self.take(user, conversation, now);
            return;
        }
        if self.told.len() >= self.tidy_at {
            self.told.retain(|_, of_user| {
                of_user.retain(|_, at| now - *at < HOLDS);
                !of_user.is_empty()
            });
            self.tidy_at = MANY.max(2 * self.told.len());
        }
        let of_user = self.told.entry(user.clone()).or_default();
        of_user.insert(conversation, now);
    }

    /// Whether somebody was said to look there; not any more.
    pub(super) fn take(
        &mut self,
        user: &UserId,
        conversation: ConversationId,
        now: Instant,
    ) -> bool {
        let Some(of_user) = self.told.get_mut(user) else {
            return false;
        };
        let at = of_user.remove(&conversation);
        let was = at.is_some_and(|at| now - at < HOLDS);
        if of_user.is_empty() {
            self.told.remove(user);
        }
        was
    }

    /// Where somebody was said to look.
    pub(super) fn of(&self, user: &UserId, now: Instant) -> Vec<ConversationId> {
        let of_user = self.told.get(user).into_iter().flatten();
        let holds = of_user.filter(|(_, at)| now - **at < HOLDS);
        holds.map(|(conversation, _)| *conversation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_repeated_is_forgotten() {
        let user = |n: usize| UserId::trusted(&format!("user-{n}"));
        let room = ConversationId(uuid::Uuid::from_u128(1));
        let mut looks = Looks::default();
        let began = crate::clock::moment();
        for n in 0..MANY {
            let at = if n == 0 { began + HOLDS / 2 } else { began };
            looks.told(&user(n), room, true, at);
        }
        looks.told(&user(MANY), room, true, began + HOLDS);
        assert_eq!(looks.told.len(), 2);
        let now = began + HOLDS;
        assert_eq!(looks.of(&user(0), now), [room]);
        assert_eq!(looks.of(&user(0), now + HOLDS), []);
        assert!(looks.take(&user(0), room, now) && !looks.take(&user(0), room, now));
        looks.told(&user(MANY), room, false, began + HOLDS);
        assert!(looks.told.is_empty());
    }
}
