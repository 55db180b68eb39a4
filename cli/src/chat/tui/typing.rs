//! Who is typing, and when to say that oneself does.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// Others forget a signal after this long without a repeat.
const EXPIRES: Duration = Duration::from_secs(6);
const REPEAT: Duration = Duration::from_secs(4);
/// No keystroke for this long: stopped.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Typing {
    others: HashMap<(Uuid, String), Instant>,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    conversation: Uuid,
    told: Instant,
    key: Instant,
}

impl Typing {
    pub(super) fn heard(&mut self, conversation: Uuid, user: &str, active: bool, now: Instant) {
        let who = (conversation, user.to_owned());
        match active {
            true => self.others.insert(who, now + EXPIRES),
            false => self.others.remove(&who),
        };
    }

    /// Who is typing there, in order of their ids.
    pub(super) fn users(&self, conversation: Uuid) -> Vec<&str> {
        let there = self
            .others
            .keys()
            .filter(|(there, _)| *there == conversation);
        let mut users: Vec<&str> = there.map(|(_, user)| user.as_str()).collect();
        users.sort_unstable();
        users
    }

    /// Nobody is known to type where nothing is heard.
    pub(super) fn disconnected(&mut self) {
        self.others.clear();
        self.own = None;
    }

    /// The user has changed what they write; what is to be told of it, and where.
    pub(super) fn wrote(
        &mut self,
        conversation: Uuid,
        something: bool,
        now: Instant,
    ) -> Vec<(Uuid, bool)> {
        let mut tell = Vec::new();
        let elsewhere = |own: &Own| own.conversation != conversation;
        if !something || self.own.as_ref().is_some_and(elsewhere) {
            tell.extend(self.own.take().map(|own| (own.conversation, false)));
        }
        if something {
            let told = self.own.as_ref().map(|own| own.told);
            let due = told.is_none_or(|told| now >= told + REPEAT);
            tell.extend(due.then_some((conversation, true)));
            self.own = Some(Own {
                conversation,
                told: told.filter(|_| !due).unwrap_or(now),
                key: now,
            });
        }
        tell
    }

    /// The message is on its way, and says itself that this has ended.
    pub(super) fn sent(&mut self) {
        self.own = None;
    }

    /// Time has passed; what is to be told, and where.
    pub(super) fn pass(&mut self, now: Instant) -> Option<(Uuid, bool)> {
        self.others.retain(|_, until| *until > now);
        let paused = |own: &mut Own| now >= own.key + PAUSE;
        self.own
            .take_if(paused)
            .map(|own| (own.conversation, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Uuid = Uuid::from_u128(1);
    const THERE: Uuid = Uuid::from_u128(2);

    #[test]
    fn others_type_until_they_stop_or_are_not_heard_of() {
        let (mut typing, start) = (Typing::default(), Instant::now());
        typing.heard(HERE, "bob", true, start);
        typing.heard(HERE, "ann", true, start);
        typing.heard(THERE, "cas", true, start);
        assert_eq!(typing.users(HERE), ["ann", "bob"]);
        typing.heard(HERE, "ann", false, start);
        assert_eq!(typing.users(HERE), ["bob"]);
        assert_eq!(typing.pass(start + EXPIRES), None);
        assert_eq!(typing.users(HERE), [""; 0]);
    }

    #[test]
    fn ones_own_typing_is_told_at_a_pace_and_ends_after_a_pause() {
        let (mut typing, start) = (Typing::default(), Instant::now());
        assert_eq!(typing.wrote(HERE, true, start), [(HERE, true)]);
        assert_eq!(typing.wrote(HERE, true, start + REPEAT / 2), []);
        assert_eq!(typing.wrote(HERE, true, start + REPEAT), [(HERE, true)]);
        assert_eq!(typing.pass(start + REPEAT), None);
        assert_eq!(typing.pass(start + REPEAT + PAUSE), Some((HERE, false)));
        assert_eq!(typing.wrote(HERE, true, start), [(HERE, true)]);
        assert_eq!(
            typing.wrote(THERE, true, start),
            [(HERE, false), (THERE, true)]
        );
        assert_eq!(typing.wrote(THERE, false, start), [(THERE, false)]);
        assert_eq!(typing.wrote(THERE, false, start), []);
    }
}
