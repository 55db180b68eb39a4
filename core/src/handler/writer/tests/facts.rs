//! The product's own facts: sealed for their subject, once, and not for who has been erased.

use super::*;
use crate::{
    domain::Content,
    keys::{KeyId, KeyState, seal},
};

fn fact(subject: &str, payload: &str) -> Command {
    Command::AppEvent {
        subject: user(subject),
        kind: "like".to_owned(),
        payload: payload.to_owned(),
    }
}

fn derived(n: u128) -> CommandId {
    CommandId(Uuid::from_u128(n))
}

#[tokio::test]
async fn a_fact_is_sealed_for_its_subject_and_opens_in_its_place_only() {
    let desk = Desk::new();
    let payload = r#"{"from":"search"}"#;
    desk.submit("ann", Some(derived(1)), fact("ben", payload));
    desk.work().await;
    let commits = desk.commits().await;
    let (_, batch, event) = commits[0].events().next().expect("it is in the log");
    assert_eq!(batch.stream, Stream::User(user("ben")));
    assert_eq!(*batch.actor, *"ann");
    let Event::AppEventRecorded {
        kind,
        payload: Content::Sealed(sealed),
    } = event
    else {
        panic!("{event:?}");
    };
    let states = desk.parts.keys.get(&[KeyId::User("ben".into())]).await;
    let Ok([KeyState::Present(key)]) = states.as_deref() else {
        panic!("{states:?}");
    };
    let aad = |actor| seal::app_event_aad("ben", kind, actor, Some(derived(1).0));
    assert_eq!(
        key.open(&aad("ann"), sealed).as_deref(),
        Ok(payload.as_bytes())
    );
    assert!(key.open(&aad("eve"), sealed).is_err());
}

#[tokio::test]
async fn a_fact_is_recorded_once_under_its_id() {
    let desk = Desk::new();
    let first = desk.submit("ann", Some(derived(1)), fact("ben", "{}"));
    let again = desk.submit("ann", Some(derived(1)), fact("ben", "{}"));
    let other = desk.submit("eve", Some(derived(1)), fact("ben", "{}"));
    desk.work().await;
    let after = desk.again();
    after.fold().await;
    let late = after.submit("ann", Some(derived(1)), fact("ben", "{}"));
    let reused = after.submit("ann", Some(derived(1)), fact("cas", "{}"));
    after.work().await;
    assert!(!first.accepted().duplicate && !other.accepted().duplicate);
    for again in [again, late] {
        let expected = Accepted {
            duplicate: true,
            ..first.accepted()
        };
        assert_eq!(again.accepted(), expected);
    }
    let reused = reused.get();
    assert!(
        matches!(reused, Some(Answer::Refused(Refusal::CommandIdReused))),
        "{reused:?}"
    );
}

#[tokio::test]
async fn nothing_is_recorded_of_who_has_been_erased() {
    let desk = Desk::new();
    let erased = [KeyId::User("ben".into())];
    let destroyed = desk.parts.keys.destroy(&erased).await;
    destroyed.expect("the key store works");
    let refused = desk.submit("ann", Some(derived(1)), fact("ben", "{}"));
    let other = desk.submit("ann", Some(derived(2)), fact("cas", "{}"));
    let by_them = desk.submit("ben", Some(derived(3)), fact("cas", "{}"));
    desk.work().await;
    let refused = refused.get();
    assert!(
        matches!(refused, Some(Answer::Refused(Refusal::Forbidden(_)))),
        "{refused:?}"
    );
    // Others' facts in the same round are theirs.
    other.accepted();
    by_them.accepted();
}
