//! Components that were built against published versions of the package, called at every hook they have, by this host and all that
//! come after it. They lie in `extensions/archive` and are never built again: what runs there is what others have built once. A new
//! version adds a folder beside them.

use super::*;
use crate::input::{Absence, Firing, Invocation, Missed, Page, Person, Transition};
use crate::staged::{Decision, Recall};
use crate::{Digest, Hook, Presence, check};

/// Every hook, as of 0.1.0: `guests/every-hook` of then.
const EVERY_HOOK_0_1_0: &[u8] = include_bytes!("../../../archive/0.1.0/every-hook.wasm");

#[test]
fn what_is_archived_is_what_was_published() {
    let found = check(EVERY_HOOK_0_1_0).expect("it can be used");
    assert_eq!(
        found.digest.to_string(),
        "f45efd9c52b724315e181614dca3e810a1a913d41a92e6179a413494806e4216"
    );
    assert_eq!(found.digest, Digest::of(EVERY_HOOK_0_1_0));
    assert_eq!(found.version, (0, 1, 0));
    assert_eq!(found.hooks, Hook::ALL);
}

#[tokio::test]
async fn every_hook_of_0_1_0_is_called() {
    let extension = load(EVERY_HOOK_0_1_0, patient());
    let ann = || "ann".to_owned();

    let called = extension.review(about(), draft("hello"), server()).await;
    let Decision::Hold { reason } = called.result.expect("a verdict").decision else {
        panic!("it holds what it sees");
    };
    assert_eq!(
        reason.matches("Denied").count(),
        4,
        "none of it is a moderator's: {reason}"
    );

    let called = extension
        .on_event(about(), event("effects"), server())
        .await;
    let staged = called.result.expect("it acts");
    assert_eq!(
        (staged.effects.len(), staged.timers.len()),
        (10, 2),
        "{staged:?}"
    );
    let called = extension.on_event(about(), event("kv"), server()).await;
    assert_eq!(called.result.expect("it acts").kv.len(), 3);
    let server_asked = server();
    let called = extension
        .on_event(about(), event("http"), server_asked.clone())
        .await;
    assert!(called.result.is_err(), "it says what it was answered");
    assert_eq!(
        server_asked
            .requests
            .lock()
            .expect("no test panics with it")
            .len(),
        1
    );

    let transition = Transition {
        user: ann(),
        before: Presence::Offline,
        now: Presence::Available,
        since: 3,
    };
    let called = extension.on_transition(about(), transition, server()).await;
    assert_eq!(called.result.expect("it acts").effects.len(), 1);

    let absence = Absence {
        user: ann(),
        since: 1,
        unread: 2,
        conversations: vec![Missed {
            conversation: "room".to_owned(),
            unread: 2,
            mentions: 0,
            last_message: Some(server::message(1, "hello")),
        }],
    };
    let called = extension.on_recall(about(), absence, server()).await;
    let sent = Recall::Send {
        title: "2 in room".to_owned(),
        body: "hello".to_owned(),
    };
    assert_eq!(called.result.expect("it decides"), Some(sent));

    let firing = Firing {
        key: "title".to_owned(),
        due: 1,
        payload: b"body".to_vec(),
        subject: Some(ann()),
    };
    let called = extension.on_timer(about(), firing, server()).await;
    assert_eq!(called.result.expect("it acts").effects.len(), 1);

    let invocation = Invocation {
        name: "echo".to_owned(),
        caller: ann(),
        conversation: None,
        args: "{}".to_owned(),
    };
    let called = extension.invoke(about(), invocation, server()).await;
    assert_eq!(
        called.result.expect("it answers").answer.as_deref(),
        Ok("{}")
    );

    let person = |user: &str, presence| Person {
        user: user.to_owned(),
        score: 1.0,
        presence,
        distance: None,
        attributes: Vec::new(),
    };
    let page = Page {
        query: String::new(),
        viewer: None,
        people: vec![
            person("ann", Presence::Offline),
            person("bob", Presence::Available),
        ],
    };
    let called = extension.rank(about(), page, server()).await;
    assert_eq!(called.result, Ok(vec![1.0, 11.0]));
}
