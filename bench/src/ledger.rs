//! What was sent, accepted and received, and whether it adds up.

use uuid::Uuid;

use crate::plan::Plan;

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Accepted(u32),
    Refused,
    /// Refused in a way that leaves open whether it was recorded.
    Unclear,
}

/// In place of a message that no receiver has seen.
const UNKNOWN: u32 = u32::MAX;

/// Follows every message of a run.
pub(crate) struct Ledger {
    messages: Vec<State>,
    /// Members other than the sender who have received each message.
    reached: Vec<u32>,
    conversations: Vec<Conversation>,
    users: Vec<User>,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    /// Deliveries to members other than the sender.
    pub(crate) received: u64,
    /// Deliveries, senders included, that were and that are to be.
    delivered: u64,
    expected: u64,
    unanswered: u64,
    violations: Violations,
}

#[derive(Default)]
struct Conversation {
    id: Uuid,
    members: u32,
    /// The message at each `seq`, from 1, as its first receiver saw it; or `UNKNOWN`.
    order: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct User {
    /// `seq` of the last message received.
    last: u64,
}

/// Ways in which a run can be wrong, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    /// A `seq` that a receiver had already passed.
    pub(crate) repeated: u64,
    /// A `seq` that a receiver was not given in its turn.
    pub(crate) skipped: u64,
    /// Two receivers saw different messages under one `seq`, or the sender was told another `seq`.
    pub(crate) contradicted: u64,
    /// One message under two numbers.
    pub(crate) doubled: u64,
    /// Accepted, but never received by a member.
    pub(crate) lost: u64,
    /// Refused or never sent, but received.
    pub(crate) unwanted: u64,
    /// Received in a conversation it was not sent to, or not of this run.
    pub(crate) stray: u64,
    /// Messages of one sender in another order than they were sent.
    pub(crate) disordered: u64,
}

/// What came in with an event.
pub(crate) enum Delivery {
    /// To a member other than the sender; whether it was the last of them.
    Received { number: u32, last: bool },
    /// To the sender's own session.
    Echoed,
    /// Wrong, and counted as such.
    Wrong,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Ledger {
        let conversations = (0..plan.conversations()).map(|conversation| Conversation {
            members: plan.members(conversation).len() as u32,
            ..Conversation::default()
        });
        Ledger {
            messages: vec![State::Unsent; plan.messages() as usize],
            reached: vec![0; plan.messages() as usize],
            conversations: conversations.collect(),
            users: vec![User::default(); plan.users() as usize],
            sent: 0,
            accepted: 0,
            received: 0,
            delivered: 0,
            expected: 0,
            unanswered: 0,
            violations: Violations::default(),
        }
    }

    pub(crate) fn set_conversation(&mut self, conversation: u32, id: Uuid) {
        self.conversations[conversation as usize].id = id;
    }

    pub(crate) fn conversation_id(&self, conversation: u32) -> &Uuid {
        &self.conversations[conversation as usize].id
    }

    pub(crate) fn sent(&mut self, number: u32) {
        self.messages[number as usize] = State::Sent;
        self.sent += 1;
        self.unanswered += 1;
    }

    /// The server has accepted a message under this `seq`; false if it was not waiting for that.
    pub(crate) fn accepted(&mut self, plan: &Plan, number: u32, seq: u64) -> bool {
        let Some(state @ State::Sent) = self.messages.get_mut(number as usize) else {
            self.violations.contradicted += 1;
            return false;
        };
        *state = State::Accepted(seq as u32);
        self.accepted += 1;
        self.unanswered -= 1;
        let conversation = plan.conversation_of(plan.sender(number));
        self.expected += u64::from(self.conversations[conversation as usize].members);
        true
    }

    /// The server has refused a message; `unclear` where it may have been recorded all the same.
    pub(crate) fn refused(&mut self, number: u32, unclear: bool) {
        if let Some(state @ State::Sent) = self.messages.get_mut(number as usize) {
            *state = if unclear {
                State::Unclear
            } else {
                State::Refused
            };
            self.unanswered -= 1;
        }
    }

    /// Messages the server has not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Whether nothing is outstanding: everything sent was answered, everything accepted received.
    pub(crate) fn settled(&self) -> bool {
        self.delivered >= self.expected && self.unanswered == 0
    }

    /// A user has received the message with this number (`None`: not of this run).
    pub(crate) fn received(
        &mut self,
        plan: &Plan,
        user: u32,
        conversation_id: &[u8],
        seq: u64,
        number: Option<u32>,
    ) -> Delivery {
        let conversation = plan.conversation_of(user);
        let talk = &mut self.conversations[conversation as usize];
        // No conversation is longer than the run.
        let possible = seq <= u64::from(plan.messages());
        let Some(number) = number.filter(|&n| possible && n < plan.messages()) else {
            self.violations.stray += 1;
            return Delivery::Wrong;
        };
        let sender = plan.sender(number);
        if conversation_id != talk.id.as_bytes() || plan.conversation_of(sender) != conversation {
            self.violations.stray += 1;
            return Delivery::Wrong;
        }
        let last = &mut self.users[user as usize].last;
        if seq <= *last {
            self.violations.repeated += 1;
            return Delivery::Wrong;
        }
        let skipped = seq - *last - 1;
        self.violations.skipped += skipped;
        *last = seq;
        self.delivered += 1;
        let place = seq as usize - 1;
        if talk.order.len() <= place {
            // Should one be skipped here, another receiver may still tell what belongs there.
            talk.order.resize(place + 1, UNKNOWN);
        }
        match &mut talk.order[place] {
            known @ &mut UNKNOWN => *known = number,
            known => self.violations.contradicted += u64::from(*known != number),
        }
        if sender == user {
            return Delivery::Echoed;
        }
        self.received += 1;
        let reached = &mut self.reached[number as usize];
        *reached += 1;
        Delivery::Received {
            number,
            last: *reached + 1 == talk.members,
        }
    }

    /// Adds everything up.
    pub(crate) fn verify(&self, plan: &Plan) -> Violations {
        let mut violations = self.violations;
        let mut seen = vec![false; self.messages.len()];
        let mut last_of: Vec<Option<u32>> = vec![None; plan.users() as usize];
        for (conversation, talk) in self.conversations.iter().enumerate() {
            let known = talk
                .order
                .iter()
                .enumerate()
                .filter(|(_, number)| **number != UNKNOWN);
            for (i, &number) in known {
                if std::mem::replace(&mut seen[number as usize], true) {
                    violations.doubled += 1;
                }
                match self.messages[number as usize] {
                    State::Accepted(seq) if seq as usize != i + 1 => violations.contradicted += 1,
                    // Sent, but the answer never came: counted by itself.
                    State::Accepted(_) | State::Unclear | State::Sent => {}
                    State::Refused | State::Unsent => violations.unwanted += 1,
                }
                let last = &mut last_of[plan.sender(number) as usize];
                violations.disordered += u64::from(last.is_some_and(|last| last > number));
                *last = Some(number);
            }
            for member in plan.members(conversation as u32) {
                let last = self.users[member as usize].last;
                violations.lost += (talk.order.len() as u64).saturating_sub(last);
            }
        }
        for (state, seen) in self.messages.iter().zip(&seen) {
            violations.lost += u64::from(matches!(state, State::Accepted(_)) && !seen);
        }
        violations
    }
}

impl Violations {
    /// Every accepted message reached every member once, and nothing else did.
    pub(crate) fn exactly_once(&self) -> bool {
        let Violations {
            repeated,
            skipped,
            doubled,
            lost,
            unwanted,
            stray,
            ..
        } = self;
        repeated + skipped + doubled + lost + unwanted + stray == 0
    }

    /// All members saw the same order, and each sender's messages in the order of sending.
    pub(crate) fn in_order(&self) -> bool {
        self.contradicted + self.disordered + self.repeated + self.skipped == 0
    }

    /// What is wrong, in words; empty when nothing is.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all = [
            (self.repeated, "received again, or after a later one"),
            (self.skipped, "left out at a receiver"),
            (self.contradicted, "not in the same place for everybody"),
            (self.doubled, "recorded twice"),
            (self.lost, "accepted, but not received by a member"),
            (self.unwanted, "received without having been accepted"),
            (self.stray, "received where they do not belong"),
            (self.disordered, "not in the order of sending"),
        ];
        all.iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} messages {what}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Four users in two pairs: 0 and 1, 2 and 3. The senders of messages 0 to 7 are 0 2 1 3 0 2 1 3.
    struct Fixture {
        plan: Plan,
        ledger: Ledger,
    }

    impl Fixture {
        fn new() -> Fixture {
            let second = Duration::from_secs(1);
            let plan = Plan::new(1, 4, 2, 8, Duration::ZERO, second).unwrap();
            let mut ledger = Ledger::new(&plan);
            (0..2).for_each(|i| ledger.set_conversation(i, Uuid::from_u128(u128::from(i))));
            Fixture { plan, ledger }
        }

        fn send(&mut self, number: u32, seq: u64) {
            self.ledger.sent(number);
            self.ledger.accepted(&self.plan, number, seq);
        }

        fn deliver(&mut self, user: u32, seq: u64, number: u32) -> Delivery {
            let id = Uuid::from_u128(u128::from(self.plan.conversation_of(user)));
            self.ledger
                .received(&self.plan, user, id.as_bytes(), seq, Some(number))
        }

        fn violations(&self) -> Violations {
            self.ledger.verify(&self.plan)
        }
    }

    /// Messages 0 and 2 in the first conversation, delivered as they should be.
    fn fine() -> Fixture {
        let mut fixture = Fixture::new();
        fixture.send(0, 1);
        fixture.send(2, 2);
        for user in [0, 1] {
            fixture.deliver(user, 1, 0);
            fixture.deliver(user, 2, 2);
        }
        fixture
    }

    #[test]
    fn a_faultless_run_adds_up() {
        let fixture = fine();
        assert_eq!(fixture.violations(), Violations::default());
        assert!(fixture.ledger.settled());
        assert_eq!(fixture.ledger.received, 2);
        assert!(fixture.violations().exactly_once() && fixture.violations().in_order());
        assert!(fixture.violations().lines().is_empty());
    }

    #[test]
    fn every_fault_is_found() {
        let mut fixture = fine();
        fixture.deliver(1, 2, 2);
        assert_eq!(
            fixture.violations(),
            Violations {
                repeated: 1,
                ..Default::default()
            }
        );

        // The second member never gets message 4.
        let mut fixture = fine();
        fixture.send(4, 3);
        fixture.deliver(0, 3, 4);
        assert!(!fixture.ledger.settled());
        assert_eq!(
            fixture.violations(),
            Violations {
                lost: 1,
                ..Default::default()
            }
        );

        // Nobody gets it.
        let mut fixture = fine();
        fixture.send(4, 3);
        assert_eq!(
            fixture.violations(),
            Violations {
                lost: 1,
                ..Default::default()
            }
        );

        // It comes without its turn, leaving a hole.
        let mut fixture = fine();
        fixture.send(4, 3);
        fixture.send(6, 4);
        fixture.deliver(0, 3, 4);
        fixture.deliver(0, 4, 6);
        fixture.deliver(1, 4, 6);
        assert_eq!(
            fixture.violations(),
            Violations {
                skipped: 1,
                ..Default::default()
            }
        );

        // The members see different messages in one place.
        let mut fixture = fine();
        fixture.send(4, 3);
        fixture.send(6, 4);
        for (user, third, fourth) in [(0, 4, 6), (1, 6, 4)] {
            fixture.deliver(user, 3, third);
            fixture.deliver(user, 4, fourth);
        }
        assert_eq!(
            fixture.violations(),
            Violations {
                contradicted: 2,
                ..Default::default()
            }
        );

        // Recorded twice.
        let mut fixture = fine();
        for user in [0, 1] {
            fixture.deliver(user, 3, 2);
        }
        assert_eq!(fixture.violations().doubled, 1);

        // Refused, and delivered all the same.
        let mut fixture = fine();
        fixture.ledger.sent(4);
        fixture.ledger.refused(4, false);
        for user in [0, 1] {
            fixture.deliver(user, 3, 4);
        }
        assert_eq!(
            fixture.violations(),
            Violations {
                unwanted: 1,
                ..Default::default()
            }
        );

        // With an unclear refusal that is nobody's fault.
        let mut fixture = fine();
        fixture.ledger.sent(4);
        fixture.ledger.refused(4, true);
        for user in [0, 1] {
            fixture.deliver(user, 3, 4);
        }
        assert_eq!(fixture.violations(), Violations::default());

        // In the wrong conversation, or from another run.
        let mut fixture = fine();
        fixture.deliver(0, 3, 1);
        assert_eq!(
            fixture.violations(),
            Violations {
                stray: 1,
                ..Default::default()
            }
        );
        let id = Uuid::from_u128(0);
        fixture
            .ledger
            .received(&fixture.plan, 0, id.as_bytes(), 3, None);
        assert_eq!(
            fixture.violations(),
            Violations {
                stray: 2,
                ..Default::default()
            }
        );

        // One sender's messages swapped, the same for everybody.
        let mut fixture = Fixture::new();
        fixture.send(0, 2);
        fixture.send(4, 1);
        for user in [0, 1] {
            fixture.deliver(user, 1, 4);
            fixture.deliver(user, 2, 0);
        }
        assert_eq!(
            fixture.violations(),
            Violations {
                disordered: 1,
                ..Default::default()
            }
        );
        assert!(fixture.violations().exactly_once() && !fixture.violations().in_order());
    }

    #[test]
    fn an_unanswered_message_is_outstanding() {
        let mut fixture = fine();
        fixture.ledger.sent(4);
        assert_eq!(fixture.ledger.unanswered(), 1);
        assert!(!fixture.ledger.settled());
        fixture.ledger.refused(4, false);
        assert!(fixture.ledger.settled());
    }
}
