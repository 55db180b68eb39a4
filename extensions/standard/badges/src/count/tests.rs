//! Counting as the sandbox asks for it.

use std::collections::BTreeMap;

use super::*;

/// A server whose store lasts from call to call.
#[derive(Default)]
struct Fake {
    settings: BTreeMap<&'static str, &'static str>,
    store: BTreeMap<String, (Vec<u8>, u64)>,
    shown: Vec<(String, String, u32)>,
    written: u64,
}

impl Server for Fake {
    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).map(|json| (*json).to_owned())
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        self.store.get(key).cloned()
    }

    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str, revision: u64) {
        assert!(key.ends_with(about));
        assert_eq!(
            self.store.get(key).map_or(0, |(_, revision)| *revision),
            revision
        );
        self.written += 1;
        match value {
            Some(value) => {
                _ = self
                    .store
                    .insert(key.to_owned(), (value.to_vec(), self.written))
            }
            None => _ = self.store.remove(key),
        }
    }

    fn show(&mut self, user: &str, badge: &str, count: u32) {
        self.shown.push((user.to_owned(), badge.to_owned(), count));
    }
}

impl Fake {
    fn told(&mut self, kind: &str, actor: &str, subject: &str) -> Vec<(String, String, u32)> {
        self.shown.clear();
        let event = Event {
            kind,
            actor: Some(actor),
            subject: Some(subject),
        };
        react(&event, self).expect("the settings can be read");
        self.shown.clone()
    }
}

fn shown(expected: &[(&str, &str, u32)]) -> Vec<(String, String, u32)> {
    expected
        .iter()
        .map(|(user, badge, count)| ((*user).to_owned(), (*badge).to_owned(), *count))
        .collect()
}

#[test]
fn each_person_counts_once() {
    let mut server = Fake::default();
    assert_eq!(
        server.told("app.profile.viewed", "bob", "ann"),
        shown(&[("ann", "profile_views", 1)])
    );
    assert_eq!(server.told("app.profile.viewed", "bob", "ann"), []);
    assert_eq!(
        server.told("app.profile.viewed", "eve", "ann"),
        shown(&[("ann", "profile_views", 2)])
    );
    assert_eq!(
        server.told("app.profile.liked", "bob", "ann"),
        shown(&[("ann", "likes", 1)])
    );
    assert_eq!(server.told("app.profile.viewed", "ann", "ann"), []);
    assert_eq!(server.told("app.order.paid", "bob", "ann"), []);
}

#[test]
fn a_match_counts_for_both() {
    let mut server = Fake::default();
    assert_eq!(
        server.told("app.match.made", "bob", "ann"),
        shown(&[("ann", "matches", 1), ("bob", "matches", 1)])
    );
}

#[test]
fn events_clear_all_or_one() {
    let mut server = Fake::default();
    server.told("app.profile.viewed", "bob", "ann");
    server.told("app.profile.liked", "bob", "ann");
    server.told("app.match.made", "bob", "ann");
    assert_eq!(
        server.told("app.badges.cleared.likes", "ann", "ann"),
        shown(&[("ann", "likes", 0)])
    );
    let rest = shown(&[("ann", "profile_views", 0), ("ann", "matches", 0)]);
    assert_eq!(server.told("app.badges.cleared", "system:app", "ann"), rest);
    assert_eq!(server.told("app.badges.cleared", "ann", "ann"), []);
    // Who looks afterwards counts again.
    assert_eq!(
        server.told("app.profile.viewed", "bob", "ann"),
        shown(&[("ann", "profile_views", 1)])
    );
}

#[test]
fn users_reset_their_own() {
    let mut server = Fake::default();
    server.told("app.profile.liked", "bob", "ann");
    server.told("app.profile.liked", "bob", "eve");
    let answer = command("reset", "ann", r#"{"badge": "likes"}"#, &mut server);
    assert_eq!(answer.as_deref(), Ok(r#"{"reset":["likes"]}"#));
    assert_eq!(
        command("reset", "ann", "{}", &mut server).as_deref(),
        Ok(r#"{"reset":[]}"#)
    );
    assert_eq!(
        server.told("app.profile.liked", "dan", "eve"),
        shown(&[("eve", "likes", 2)])
    );
    assert!(matches!(
        command("reset", "ann", r#"{"badge": "x"}"#, &mut server),
        Err(Unanswered::Usage(_))
    ));
    assert!(matches!(
        command("reset", "system:app", "{}", &mut server),
        Err(Unanswered::Usage(_))
    ));
    assert_eq!(
        command("other", "ann", "{}", &mut server),
        Err(Unanswered::Unknown)
    );
}

#[test]
fn settings_switch_a_badge_off_and_cap_it() {
    let mut server = Fake {
        settings: [
            ("likes", r#"{"enabled": false}"#),
            ("profile_views", r#"{"distinct": false, "most": 2}"#),
        ]
        .into(),
        ..Fake::default()
    };
    assert_eq!(server.told("app.profile.liked", "bob", "ann"), []);
    for count in 1..=2 {
        assert_eq!(
            server.told("app.profile.viewed", "bob", "ann"),
            shown(&[("ann", "profile_views", count)])
        );
    }
    assert_eq!(server.told("app.profile.viewed", "bob", "ann"), []);
    server.settings.insert("matches", "7");
    let event = Event {
        kind: "app.match.made",
        actor: Some("bob"),
        subject: Some("ann"),
    };
    assert_eq!(react(&event, &mut server), Err(Unreadable("matches")));
}
