//! What each user has received and read, told to the server at most once a second, as SDKs do. Users
//! are visited in turn, evenly over the second.

/// A user's receipts.
#[derive(Clone, Copy, Default)]
struct User {
    /// Last event received.
    position: u64,
    index: u32,
    acknowledged: bool,
    /// Last message by somebody else.
    seq: u64,
    read: u64,
}

/// Everybody's receipts.
pub(crate) struct Receipts {
    users: Vec<User>,
    /// Visits made since the start.
    visits: u64,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) ack: Option<(u64, u32)>,
    pub(crate) read: Option<u64>,
}

impl Receipts {
    pub(crate) fn new(users: u32) -> Receipts {
        let user = User {
            acknowledged: true,
            ..User::default()
        };
        Receipts {
            users: vec![user; users as usize],
            visits: 0,
        }
    }

    /// An event has come.
    pub(crate) fn event(&mut self, user: u32, position: u64, index: u32) {
        let user = &mut self.users[user as usize];
        (user.position, user.index, user.acknowledged) = (position, index, false);
    }

    /// A message by somebody else has come.
    pub(crate) fn message(&mut self, user: u32, seq: u64) {
        let user = &mut self.users[user as usize];
        user.seq = user.seq.max(seq);
    }

    /// The next user whose turn has come, `now_ns` after the start.
    pub(crate) fn next(&mut self, now_ns: u64) -> Option<u32> {
        let users = self.users.len() as u64;
        let made = u128::from(now_ns) * u128::from(users) / 1_000_000_000;
        if u128::from(self.visits) >= made {
            return None;
        }
        // After a pause nobody is visited twice in a row.
        self.visits = self.visits.max((made as u64).saturating_sub(users));
        let user = (self.visits % users) as u32;
        self.visits += 1;
        Some(user)
    }

    /// What a user has to tell, which counts as told.
    pub(crate) fn take(&mut self, user: u32) -> Due {
        let user = &mut self.users[user as usize];
        let ack = (!std::mem::replace(&mut user.acknowledged, true))
            .then_some((user.position, user.index));
        let read = (user.seq > user.read).then_some(user.seq);
        user.read = user.seq;
        Due { ack, read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_visited_once_a_second() {
        let mut receipts = Receipts::new(4);
        let mut visited = Vec::new();
        for ms in (0..2000).step_by(10) {
            while let Some(user) = receipts.next(ms * 1_000_000) {
                visited.push(user);
            }
        }
        assert_eq!(visited, [0, 1, 2, 3, 0, 1, 2]);
        let mut late = Vec::new();
        while let Some(user) = receipts.next(60_000_000_000) {
            late.push(user);
        }
        assert_eq!(late.len(), 4);
    }

    #[test]
    fn receipts_are_cumulative() {
        let mut receipts = Receipts::new(1);
        assert_eq!(
            receipts.take(0),
            Due {
                ack: None,
                read: None
            }
        );
        receipts.event(0, 7, 0);
        receipts.event(0, 9, 3);
        receipts.message(0, 5);
        assert_eq!(
            receipts.take(0),
            Due {
                ack: Some((9, 3)),
                read: Some(5)
            }
        );
        receipts.event(0, 10, 0);
        assert_eq!(
            receipts.take(0),
            Due {
                ack: Some((10, 0)),
                read: None
            }
        );
        assert_eq!(
            receipts.take(0),
            Due {
                ack: None,
                read: None
            }
        );
    }
}
