//! Every hook but moderation, by an extension that has them all.

use super::*;
use crate::input::{Absence, Firing, Invocation, Missed, Page, Person, Transition};
use crate::staged::{CommandError, Effect, Recall, Staged};
use crate::{CallError, Hook, HookError, Presence};

fn extension() -> Extension {
    load(EVERY_HOOK, patient())
}

fn badge(user: &str, name: &str, count: u32) -> Effect {
    Effect::Badge {
        user: user.to_owned(),
        name: name.to_owned(),
        count,
    }
}

#[tokio::test]
async fn a_presence_watcher_acts() {
    let transition = Transition {
        user: "ann".to_owned(),
        before: Presence::Offline,
        now: Presence::Available,
        since: 3,
    };
    let called = extension()
        .on_transition(about(), transition, server())
        .await;
    let staged = called.result.expect("it acts");
    assert_eq!(staged.effects, [badge("ann", "visits", 3)]);
}

#[tokio::test]
async fn a_timer_acts() {
    let firing = Firing {
        key: "title".to_owned(),
        due: 1,
        payload: b"body".to_vec(),
        subject: Some("ann".to_owned()),
    };
    let called = extension().on_timer(about(), firing, server()).await;
    let staged = called.result.expect("it acts");
    let [Effect::Toast(toast)] = &staged.effects[..] else {
        panic!("{staged:?}");
    };
    assert_eq!(
        (&*toast.user, &*toast.title, &*toast.body),
        ("ann", "title", "body")
    );
}

#[tokio::test]
async fn a_recall_decides() {
    let absence = |unread, message| Absence {
        user: "ann".to_owned(),
        since: 1,
        unread,
        conversations: vec![Missed {
            conversation: "room".to_owned(),
            unread,
            mentions: 0,
            last_message: message,
        }],
    };
    let decide = async |absence| {
        let called = extension().on_recall(about(), absence, server()).await;
        called
            .result
            .expect("it decides")
            .expect("it says something")
    };
    // Less than a minute is a minute.
    assert_eq!(decide(absence(1, None)).await, Recall::Wait(60_000));
    assert_eq!(
        decide(absence(2, None)).await,
        Recall::Skip("nothing to tell".to_owned())
    );
    assert_eq!(
        decide(absence(2, Some(server::message(1, "hello")))).await,
        Recall::Send {
            title: "2 in room".to_owned(),
            body: "hello".to_owned()
        }
    );
}

#[tokio::test]
async fn a_command_answers_and_only_then_stages() {
    let invoke = async |name: &str| {
        let invocation = Invocation {
            name: name.to_owned(),
            caller: "ann".to_owned(),
            conversation: None,
            args: r#"{"a": 1}"#.to_owned(),
        };
        let called = extension().invoke(about(), invocation, server()).await;
        called.result.expect("it answers")
    };
    let reply = invoke("echo").await;
    assert_eq!(reply.answer.as_deref(), Ok(r#"{"a": 1}"#));
    assert_eq!(reply.staged.effects, [badge("ann", "asked", 1)]);
    for (name, error) in [
        ("usage", CommandError::Usage("say please".to_owned())),
        ("denied", CommandError::Denied),
        ("unavailable", CommandError::Unavailable),
        ("other", CommandError::Failed("other".to_owned())),
    ] {
        let reply = invoke(name).await;
        assert_eq!(reply.answer, Err(error));
        assert_eq!(reply.staged, Staged::default());
    }
    let reply = invoke("no-json").await;
    assert!(
        matches!(reply.answer, Err(CommandError::Failed(_))),
        "{reply:?}"
    );
}

fn page(people: &[(&str, f32, Presence)]) -> Page {
    let person = |&(user, score, presence): &(&str, f32, Presence)| Person {
        user: user.to_owned(),
        score,
        presence,
        distance: None,
        attributes: Vec::new(),
    };
    Page {
        query: String::new(),
        viewer: None,
        people: people.iter().map(person).collect(),
    }
}

#[tokio::test]
async fn a_ranker_scores() {
    use Presence::{Available, Offline};
    let people = page(&[("ann", 1.0, Offline), ("bob", 0.5, Available)]);
    let called = extension().rank(about(), people, server()).await;
    assert_eq!(called.result, Ok(vec![1.0, 10.5]));
    for (user, why) in [
        ("beyond", "there is no person 1 on the page"),
        ("infinite", "a number that is not finite"),
    ] {
        let people = page(&[(user, 1.0, Offline)]);
        let called = extension().rank(about(), people, server()).await;
        assert_eq!(called.result, Err(CallError::Trap(why.to_owned())));
    }
}

#[tokio::test]
async fn a_hook_that_is_not_there_gives_up() {
    let probe = load(PROBE, patient());
    assert!(probe.has(Hook::Moderation) && !probe.has(Hook::Reactor));
    let called = probe.on_event(about(), event("effects"), server()).await;
    assert!(matches!(
        called.result,
        Err(CallError::Refused(HookError::Park { .. }))
    ));
}
