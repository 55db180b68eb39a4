//! What a reactor stages, and what it may not.

use super::*;
use crate::staged::{Effect, KvChange, Post, PostTo, Push, Staged, TimerChange, Toast};
use crate::{CallError, Called, Header, HookError};

async fn react(kind: &str) -> Called<Staged> {
    react_as("ann", kind, server()).await
}

async fn react_as(actor: &str, kind: &str, server: Arc<Server>) -> Called<Staged> {
    let mut event = event(kind);
    event.actor = Some(actor.to_owned());
    let extension = load(EVERY_HOOK, patient());
    extension.on_event(about(), event, server).await
}

/// Why the extension gave up, which is what it was refused.
async fn parked(kind: &str) -> String {
    match react(kind).await.result {
        Err(CallError::Refused(HookError::Park { why })) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_effects_come_out_in_their_order() {
    let text = |text: &str| text.to_owned();
    let some = |text: &str| Some(text.to_owned());
    let staged = react("effects").await.result.expect("it acts");
    let expected = vec![
        Effect::Toast(Toast {
            user: text("ann"),
            title: text("title"),
            body: text("body"),
            collapse: some("views"),
            link: some("/views"),
            about_user: some("bob"),
            about_conversation: some("room"),
            expire_after_ms: Some(1_000),
        }),
        Effect::Badge {
            user: text("ann"),
            name: text("views"),
            count: 3,
        },
        Effect::Push(Push {
            user: text("ann"),
            key: text("push"),
            title: text("title"),
            body: text("body"),
            collapse: some("views"),
            link: some("https://example.org"),
            expire_after_ms: Some(2_000),
        }),
        Effect::Notify {
            user: text("ann"),
            key: text("notify"),
            channel: text("email"),
            payload: text(r#"{"seq": 1}"#),
        },
        Effect::Post(Post {
            to: PostTo::Conversation(text("room")),
            key: text("post"),
            text: text("text"),
            reply_to: Some(7),
            mentions: vec![text("bob")],
        }),
        Effect::Post(Post {
            to: PostTo::User(text("ann")),
            key: text("direct"),
            text: text("text"),
            reply_to: None,
            mentions: vec![],
        }),
        Effect::Label {
            conversation: text("room"),
            seq: 7,
            label: text("spam"),
        },
        Effect::Release {
            held: text("draft-1"),
        },
        Effect::Reject {
            held: text("draft-2"),
            reason: text("no"),
        },
        Effect::Emit {
            kind: text("seen"),
            key: text("emit"),
            schema: 1,
            payload: text("{}"),
            subject: some("ann"),
        },
    ];
    assert_eq!(staged.effects, expected);
    assert_eq!(
        staged.timers,
        [
            TimerChange::Set {
                key: text("later"),
                when: 1_001_000,
                payload: b"payload".to_vec(),
                subject: some("ann"),
            },
            TimerChange::Cancel {
                key: text("sooner")
            },
        ]
    );
    assert!(staged.kv.is_empty());
}

#[tokio::test]
async fn the_store_is_read_as_it_was_written_and_lands_once_a_key() {
    let staged = react("kv").await.result.expect("it acts");
    let change = |key: &str, value: Option<&str>, subject: Option<&str>, expect| KvChange {
        key: key.to_owned(),
        value: value.map(|value| value.as_bytes().to_vec()),
        subject: subject.map(str::to_owned),
        expect,
    };
    assert_eq!(
        staged.kv,
        [
            change("a/1", Some("again"), Some("ann"), Some(5)),
            change("a/2", None, None, None),
            change("a/3", Some("new"), None, Some(0)),
        ]
    );
}

#[tokio::test]
async fn what_one_call_stages_is_limited() {
    assert_eq!(parked("effect-flood").await, "exhausted: 64 effects");
    assert_eq!(
        parked("large-effects").await,
        "exhausted: 262144 bytes of effects"
    );
    assert_eq!(parked("kv-flood").await, "exhausted: 256 keys");
    assert_eq!(
        parked("kv-large").await,
        "invalid: the value has 100000 bytes, more than 65536"
    );
    let error = react("kv-larger")
        .await
        .result
        .expect_err("it is not copied");
    assert!(matches!(error, CallError::Trap(_)), "{error}");
}

#[tokio::test]
async fn what_can_never_be_right_is_invalid() {
    assert_eq!(
        parked("twice").await,
        "invalid: the key `same` was given before"
    );
    assert!(
        parked("no-object")
            .await
            .starts_with("invalid: the payload is no JSON object")
    );
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let called = react_as("forbidden", "effects", server()).await;
    let why = "denied: not granted".to_owned();
    assert_eq!(
        called.result,
        Err(CallError::Refused(HookError::Park { why }))
    );
    assert_eq!(parked("rates").await, "denied: not in the hook reactor");
}

#[tokio::test]
async fn nothing_is_left_of_a_call_that_fails_but_its_lines() {
    let called = react("trap-late").await;
    assert_eq!(
        called.result,
        Err(CallError::Trap("panicked or aborted".to_owned()))
    );
    assert_eq!(called.usage.log[0].line, "about to break");
    let error = react("retry-late").await.result;
    let after_ms = Some(2_000);
    assert_eq!(
        error,
        Err(CallError::Refused(HookError::Retry { after_ms }))
    );
}

#[tokio::test]
async fn moderators_act_on_nothing() {
    let extension = load(EVERY_HOOK, patient());
    let called = extension.review(about(), draft(""), server()).await;
    let crate::staged::Decision::Hold { reason } = called.result.expect("a verdict").decision
    else {
        panic!("it holds everything");
    };
    assert_eq!(
        reason.matches("not in the hook moderation").count(),
        4,
        "{reason}"
    );
}

#[tokio::test]
async fn messages_are_handed_on() {
    assert_eq!(parked("message").await, r#"Some((1, Some("hello")))"#);
}

#[tokio::test]
async fn a_request_goes_out_once_and_with_its_secret_unseen() {
    let server = server();
    let called = react_as("ann", "http", server.clone()).await;
    let Err(CallError::Refused(HookError::Park { why })) = called.result else {
        panic!("{called:?}");
    };
    assert_eq!(
        why,
        r#"201 Some("text/plain") 10 Some(HttpError::Invalid("sent already"))"#
    );
    let requests = server.requests.lock().expect("no test panics with it");
    let [request] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!((&*request.method, request.timeout_ms), ("POST", 1_000));
    assert_eq!(
        request.headers[1].1,
        Header::Secret {
            prefix: "Bearer ".to_owned(),
            secret: "token".to_owned()
        }
    );
}

#[tokio::test]
async fn a_call_can_be_broken_off_at_each_of_its_calls_to_the_host() {
    let extension = load(EVERY_HOOK, patient());
    let whole = extension
        .on_event(about(), event("effects"), server())
        .await;
    let calls = whole.usage.host_calls;
    assert!(whole.result.is_ok() && calls > 10);
    for n in 1..=calls {
        let broken = extension.breaking_at(n);
        let called = broken.on_event(about(), event("effects"), server()).await;
        assert_eq!(
            called.result,
            Err(CallError::Trap(format!(
                "made to break at call {n} to the host"
            )))
        );
    }
    let later = extension.breaking_at(calls + 1);
    let called = later.on_event(about(), event("effects"), server()).await;
    assert_eq!(called.result, whole.result);
}
