//! Who talks to whom, and when: everything about a run that is known beforehand.

use std::ops::Range;
use std::time::Duration;

/// Users in conversations, messages on a timetable.
pub(crate) struct Plan {
    /// Tells this run from all others, in user names and texts.
    pub(crate) tag: u64,
    users: u32,
    /// First member of each conversation, and one past the last: members are consecutive.
    bounds: Vec<u32>,
    /// Conversation of each user.
    conversation_of: Vec<u32>,
    interval_ns: u64,
    warm_up: u32,
    messages: u32,
}

/// The options do not make a run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Pairs need two, groups at least two members.
    #[error("{users} users cannot be divided into conversations of {size}")]
    Users {
        /// How many there are.
        users: u32,
        /// Members of a conversation.
        size: u32,
    },
    /// The numbers of messages have 32 bits.
    #[error("{0} messages are too many for one run")]
    TooMany(u64),
}

impl Plan {
    /// `size` members a conversation; the last takes in a remainder that could not stand alone.
    pub(crate) fn new(
        tag: u64,
        users: u32,
        size: u32,
        rate: u32,
        warm_up: Duration,
        duration: Duration,
    ) -> Result<Plan, PlanError> {
        let pairs_left_over = size == 2 && users % 2 == 1;
        if size < 2 || users < 2 || users < size || pairs_left_over {
            return Err(PlanError::Users { users, size });
        }
        let mut bounds: Vec<u32> = (0..users).step_by(size as usize).collect();
        if users % size == 1 {
            bounds.pop();
        }
        bounds.push(users);
        let mut conversation_of = vec![0; users as usize];
        for (conversation, pair) in bounds.windows(2).enumerate() {
            conversation_of[pair[0] as usize..pair[1] as usize].fill(conversation as u32);
        }
        let count = |time: Duration| (time.as_secs_f64() * f64::from(rate)).round() as u64;
        let total = count(warm_up) + count(duration);
        let messages = u32::try_from(total)
            .ok()
            .filter(|&n| n < u32::MAX - 16)
            .ok_or(PlanError::TooMany(total))?;
        Ok(Plan {
            tag,
            users,
            bounds,
            conversation_of,
            interval_ns: if rate == 0 {
                0
            } else {
                1_000_000_000 / u64::from(rate)
            },
            warm_up: count(warm_up) as u32,
            messages,
        })
    }

    pub(crate) fn users(&self) -> u32 {
        self.users
    }

    pub(crate) fn user_name(&self, user: u32) -> String {
        format!("bench-{:x}-{user}", self.tag)
    }

    pub(crate) fn conversations(&self) -> u32 {
        self.bounds.len() as u32 - 1
    }

    pub(crate) fn members(&self, conversation: u32) -> Range<u32> {
        self.bounds[conversation as usize]..self.bounds[conversation as usize + 1]
    }

    pub(crate) fn conversation_of(&self, user: u32) -> u32 {
        self.conversation_of[user as usize]
    }

    /// Messages of the whole run, warm-up included.
    pub(crate) fn messages(&self) -> u32 {
        self.messages
    }

    /// Messages before measuring begins.
    pub(crate) fn warm_up(&self) -> u32 {
        self.warm_up
    }

    /// Who sends a message. Partners come half a round apart, so that nobody answers by rote; each
    /// user sends equally often.
    pub(crate) fn sender(&self, message: u32) -> u32 {
        let turn = message % self.users;
        let half = self.users / 2;
        if self.users.is_multiple_of(2) {
            if turn < half {
                turn * 2
            } else {
                (turn - half) * 2 + 1
            }
        } else {
            turn
        }
    }

    /// When a message is to leave, in nanoseconds from the start.
    pub(crate) fn due_ns(&self, message: u32) -> u64 {
        u64::from(message) * self.interval_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn everybody_is_in_one_conversation_and_sends_equally_often() {
        for (users, size, conversations) in
            [(10, 2, 5), (9, 3, 3), (10, 3, 3), (11, 3, 4), (7, 7, 1)]
        {
            let plan = Plan::new(1, users, size, 100, SECOND, SECOND).unwrap();
            assert_eq!(plan.conversations(), conversations, "{users} by {size}");
            let members: Vec<u32> = (0..conversations).flat_map(|c| plan.members(c)).collect();
            assert_eq!(members, (0..users).collect::<Vec<_>>());
            for user in 0..users {
                assert!(plan.members(plan.conversation_of(user)).contains(&user));
            }
            assert!((0..conversations).all(|c| plan.members(c).len() >= 2));
            let mut senders: Vec<u32> = (0..users).map(|message| plan.sender(message)).collect();
            senders.sort_unstable();
            assert_eq!(senders, (0..users).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_timetable_is_even() {
        let plan = Plan::new(1, 10, 2, 250, 2 * SECOND, 4 * SECOND).unwrap();
        assert_eq!((plan.warm_up(), plan.messages()), (500, 1500));
        assert_eq!(plan.due_ns(250), 1_000_000_000);
        let idle = Plan::new(1, 10, 2, 0, SECOND, SECOND).unwrap();
        assert_eq!(idle.messages(), 0);
    }

    #[test]
    fn impossible_runs_are_refused() {
        for (users, size) in [(0, 2), (1, 2), (3, 2), (4, 1), (4, 0), (4, 5)] {
            assert!(
                Plan::new(1, users, size, 1, SECOND, SECOND).is_err(),
                "{users} by {size}"
            );
        }
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(matches!(
            Plan::new(1, 2, 2, 1000, SECOND, year),
            Err(PlanError::TooMany(_))
        ));
    }
}
