//! Reactions as the sandbox asks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::settings::Unreadable;

/// A server whose store lasts from call to call.
#[derive(Default)]
struct Fake {
    settings: BTreeMap<&'static str, &'static str>,
    names: BTreeMap<&'static str, &'static str>,
    members: Vec<&'static str>,
    here: BTreeSet<&'static str>,
    store: BTreeMap<String, (Vec<u8>, String)>,
    shown: Vec<Toast>,
}

impl Server for Fake {
    fn attribute(&self, user: &str, attribute: &str) -> Option<String> {
        (attribute == "name")
            .then(|| self.names.get(user).map(|name| format!("{name:?}")))
            .flatten()
    }

    fn members(&self, _: &str, limit: u32) -> Vec<String> {
        self.members
            .iter()
            .take(limit as usize)
            .map(|member| (*member).to_owned())
            .collect()
    }

    fn is_here(&self, user: &str) -> bool {
        self.here.contains(user)
    }

    fn load(&self, key: &str) -> Option<Vec<u8>> {
        self.store.get(key).map(|(value, _)| value.clone())
    }

    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str) {
        match value {
            Some(value) => self
                .store
                .insert(key.to_owned(), (value.to_vec(), about.to_owned())),
            None => self.store.remove(key),
        };
    }

    fn show(&mut self, toast: Toast) {
        self.shown.push(toast);
    }
}

const NOON: u64 = 12 * 3_600_000;

fn app<'a>(kind: &'a str, actor: &'a str, subject: &'a str) -> Event<'a> {
    Event {
        kind,
        actor: Some(actor),
        subject: Some(subject),
        at: NOON,
        payload: "{}",
        ..Event::default()
    }
}

impl Fake {
    fn settings(&self) -> Result<Settings, Unreadable> {
        Settings::read(|name| self.settings.get(name).map(|json| (*json).to_owned()))
    }

    fn told(&mut self, event: &Event<'_>) -> Vec<(String, String)> {
        self.shown.clear();
        let settings = self.settings().expect("the settings can be read");
        react(event, &settings, self);
        self.shown
            .iter()
            .map(|toast| (toast.user.clone(), toast.title.clone()))
            .collect()
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(user, title)| ((*user).to_owned(), (*title).to_owned()))
        .collect()
}

#[test]
fn ten_views_are_one_toast_with_a_count() {
    let mut server = Fake {
        names: [("eve", "Eve")].into(),
        ..Fake::default()
    };
    let told = server.told(&app("app.profile.viewed", "eve", "ann"));
    assert_eq!(told, pairs(&[("ann", "Eve viewed your profile")]));
    let first = server.shown[0].clone();
    assert_eq!(
        (first.collapse.as_str(), first.about_user.as_str()),
        ("profile_viewed", "eve")
    );
    assert_eq!(first.expire_after_ms, 7 * 86_400_000);
    // Who looks again is no news.
    assert_eq!(server.told(&app("app.profile.viewed", "eve", "ann")), []);
    let told = server.told(&app("app.profile.viewed", "bob", "ann"));
    assert_eq!(told, pairs(&[("ann", "2 people viewed your profile")]));
    assert_eq!(server.shown[0].collapse, first.collapse);
    let next_day = Event {
        at: NOON + 86_400_000,
        ..app("app.profile.viewed", "eve", "ann")
    };
    assert_eq!(
        server.told(&next_day),
        pairs(&[("ann", "Eve viewed your profile")])
    );
    assert!(server.store.values().all(|(_, about)| about == "ann"));
}

#[test]
fn who_has_no_name_is_called_by_their_id() {
    let mut server = Fake::default();
    assert_eq!(
        server.told(&app("app.profile.liked", "bob", "ann")),
        pairs(&[("ann", "bob likes you")])
    );
    let told = server.told(&app("app.profile.liked", "eve", "ann"));
    assert_eq!(told, pairs(&[("ann", "eve and 1 more like you")]));
    assert_eq!(
        server.told(&app("app.profile.flirted", "bob", "ann")),
        pairs(&[("ann", "bob is flirting with you")])
    );
}

#[test]
fn a_match_is_told_both() {
    let mut server = Fake {
        names: [("ann", "Ann"), ("bob", "Bob")].into(),
        ..Fake::default()
    };
    let told = server.told(&app("app.match.made", "bob", "ann"));
    assert_eq!(
        told,
        pairs(&[
            ("ann", "It’s a match with Bob"),
            ("bob", "It’s a match with Ann")
        ])
    );
}

#[test]
fn nobody_is_told_of_themselves_and_accounts_of_the_product_of_nothing() {
    let mut server = Fake::default();
    assert_eq!(server.told(&app("app.profile.viewed", "ann", "ann")), []);
    assert_eq!(
        server.told(&app("app.profile.viewed", "ann", "system:shop")),
        []
    );
    assert_eq!(server.told(&app("app.order.paid", "ann", "bob")), []);
}

#[test]
fn a_contact_is_accepted_when_both_have_added_the_other() {
    let mut server = Fake {
        names: [("bob", "Bob")].into(),
        ..Fake::default()
    };
    let contact = |kind, actor, payload| Event {
        payload,
        ..app(kind, actor, actor)
    };
    let (asks, accepts) = (r#"{"user": "bob"}"#, r#"{"user": "ann"}"#);
    assert_eq!(server.told(&contact("contact_added", "ann", asks)), []);
    let told = server.told(&contact("contact_added", "bob", accepts));
    assert_eq!(told, pairs(&[("ann", "Bob accepted your request")]));
    // Asked again after it ended, it has to be accepted again.
    assert_eq!(server.told(&contact("contact_removed", "ann", asks)), []);
    assert_eq!(server.told(&contact("contact_added", "ann", asks)), []);
    assert_eq!(server.told(&contact("contact_removed", "bob", accepts)), []);
    assert_eq!(server.told(&contact("contact_added", "bob", accepts)), []);
    assert_eq!(
        server.store.keys().collect::<Vec<_>>(),
        ["asked/bob/ann", "quiet/ann"]
    );
}

#[test]
fn ids_may_be_as_long_as_they_can_be() {
    let (one, two) = ("a".repeat(128), "b".repeat(128));
    let mut server = Fake::default();
    let (asks, accepts) = (
        format!(r#"{{"user": "{two}"}}"#),
        format!(r#"{{"user": "{one}"}}"#),
    );
    let asked = Event {
        payload: &asks,
        ..app("contact_added", &one, &one)
    };
    assert_eq!(server.told(&asked), []);
    assert!(server.store.keys().all(|key| key.len() <= 256));
    let accepted = Event {
        payload: &accepts,
        ..app("contact_added", &two, &two)
    };
    assert_eq!(server.told(&accepted).len(), 1);
}

fn posted(payload: &str) -> Event<'_> {
    Event {
        kind: "message_posted",
        actor: Some("ann"),
        conversation: Some("c/1"),
        at: NOON,
        payload,
        ..Event::default()
    }
}

#[test]
fn a_message_is_told_to_others_who_are_here() {
    let mut server = Fake {
        names: [("ann", "Ann")].into(),
        members: vec!["ann", "bob", "eve", "system:shop"],
        here: ["ann", "bob", "system:shop"].into(),
        settings: [("message", r#"{"title": "{name}", "body": "{text}", "link": "/chat/{conversation}", "expire_minutes": 5}"#)].into(),
        ..Fake::default()
    };
    let told = server.told(&posted(r#"{"seq": 1, "text": "Shall we\nmeet?"}"#));
    assert_eq!(told, pairs(&[("bob", "Ann")]));
    assert_eq!(
        server.shown[0],
        Toast {
            user: "bob".to_owned(),
            title: "Ann".to_owned(),
            body: "Shall we meet?".to_owned(),
            collapse: "message/c/1".to_owned(),
            link: Some("/chat/c%2F1".to_owned()),
            about_user: "ann".to_owned(),
            about_conversation: Some("c/1".to_owned()),
            expire_after_ms: 300_000,
        }
    );
    server
        .settings
        .insert("messages", r#"{"only_here": false, "letters": 0}"#);
    assert_eq!(
        server.told(&posted(r#"{"text": "hi"}"#)),
        pairs(&[("bob", "Ann"), ("eve", "Ann")])
    );
    assert_eq!(server.shown[0].body, "");
    // What may not be read is not there.
    assert_eq!(server.told(&posted(r#"{"seq": 2}"#)).len(), 2);
}

#[test]
fn large_conversations_are_left_alone() {
    let mut server = Fake {
        members: vec!["ann", "bob", "eve"],
        here: ["bob", "eve"].into(),
        settings: [("messages", r#"{"max_members": 2}"#)].into(),
        ..Fake::default()
    };
    assert_eq!(server.told(&posted(r#"{"text": "hi"}"#)), []);
}

#[test]
fn nobody_is_shown_more_than_the_hour_has_but_for_what_is_urgent() {
    let mut server = Fake {
        settings: [("per_hour", "2")].into(),
        ..Fake::default()
    };
    assert_eq!(
        server.told(&app("app.profile.viewed", "bob", "ann")).len(),
        1
    );
    assert_eq!(
        server.told(&app("app.profile.liked", "bob", "ann")).len(),
        1
    );
    assert_eq!(server.told(&app("app.profile.viewed", "eve", "ann")), []);
    assert_eq!(server.told(&app("app.match.made", "bob", "ann")).len(), 2);
    // It was counted all the same.
    let later = Event {
        at: NOON + 3 * 3_600_000,
        ..app("app.profile.viewed", "dan", "ann")
    };
    assert_eq!(
        server.told(&later),
        pairs(&[("ann", "3 people viewed your profile")])
    );
}

#[test]
fn each_kind_can_be_switched_off() {
    let mut server = Fake {
        settings: [
            ("liked", r#"{"enabled": false}"#),
            ("contact_accepted", r#"{"enabled": false}"#),
        ]
        .into(),
        ..Fake::default()
    };
    assert_eq!(server.told(&app("app.profile.liked", "bob", "ann")), []);
    assert!(server.store.is_empty());
    let asks = Event {
        payload: r#"{"user": "bob"}"#,
        ..app("contact_added", "ann", "ann")
    };
    let accepts = Event {
        payload: r#"{"user": "ann"}"#,
        ..app("contact_added", "bob", "bob")
    };
    assert_eq!(server.told(&asks), []);
    assert_eq!(server.told(&accepts), []);
}

#[test]
fn what_the_schema_would_refuse_is_named() {
    let server = Fake {
        settings: [("liked", "7")].into(),
        ..Fake::default()
    };
    assert_eq!(server.settings(), Err(Unreadable("liked")));
}
