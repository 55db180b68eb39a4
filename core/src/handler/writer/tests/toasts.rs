//! Toasts: sealed for both whom they concern, numbered also within a round, and not for who has been erased.

use super::*;
use crate::{
    content,
    domain::{Content, NewToast, toast::BACKEND},
    keys::{KeyId, KeyState, seal},
    projections::read::{self, Text},
};

fn toast(title: &str, about: Option<&str>) -> Command {
    Command::User(UserCommand::QueueToast(Box::new(NewToast {
        source: BACKEND.to_owned(),
        collapse: Some("likes".to_owned()),
        title: title.to_owned(),
        body: String::new(),
        link: None,
        about_user: about.map(user),
        about_conversation: None,
        expires_ms: None,
    })))
}

fn derived(n: u128) -> CommandId {
    CommandId(Uuid::from_u128(n))
}

fn key_of(name: &str) -> KeyId {
    KeyId::User(name.into())
}

#[tokio::test]
async fn a_toast_about_somebody_opens_with_both_keys_only() {
    let desk = Desk::new();
    desk.submit("ann", Some(derived(1)), toast("Ben likes you", Some("ben")));
    desk.work().await;
    let commits = desk.commits().await;
    let (_, batch, event) = commits[0].events().next().expect("it is in the log");
    assert_eq!(batch.stream, Stream::User(user("ann")));
    let Event::ToastQueued {
        content: Content::Sealed(sealed),
        ..
    } = event
    else {
        panic!("{event:?}");
    };
    let ids = [key_of("ann"), key_of("ben")];
    let states = desk.parts.keys.get(&ids).await.expect("the keys are there");
    let [KeyState::Present(ann), KeyState::Present(ben)] = &states[..] else {
        panic!("{states:?}");
    };
    let aad = |source| seal::toast_aad("ann", source, Some("ben"), Some(derived(1).0));
    assert!(ann.open(&aad(BACKEND), sealed).is_err());
    assert!(ben.open(&aad("likes"), sealed).is_err());
    let inner = ben.open(&aad(BACKEND), sealed).expect("the outer seal");
    assert_eq!(
        ann.open(&aad(BACKEND), &inner).as_deref(),
        Ok(&br#"{"title":"Ben likes you"}"#[..])
    );
    // Whichever of the two is erased.
    desk.fold().await;
    let opened = async || {
        let mut toasts = {
            let rows = desk.parts.projections.read();
            read::toasts(&rows, &user("ann"), 0).expect("reads")
        };
        let keys = &*desk.parts.keys;
        content::open_toasts(keys, &mut toasts).await.expect("keys");
        toasts.remove(0).text
    };
    assert!(matches!(opened().await, Text::Open(_)));
    let destroyed = desk.parts.keys.destroy(&[key_of("ben")]).await;
    destroyed.expect("the key store works");
    assert_eq!(opened().await, Text::Erased);
}

#[tokio::test]
async fn toasts_of_one_round_know_of_each_other() {
    let desk = Desk::new();
    for (nth, title) in [(1, "one like"), (2, "two likes"), (3, "three likes")] {
        desk.submit("ann", Some(derived(nth)), toast(title, None));
    }
    let seen = UserCommand::SeeToasts { toasts: vec![2, 3] };
    desk.submit("ann", Some(derived(4)), Command::User(seen));
    // About oneself: sealed once.
    desk.submit("ann", Some(derived(5)), toast("your own", Some("ann")));
    desk.work().await;
    let commits = desk.commits().await;
    assert_eq!(commits.len(), 1);
    let said: Vec<String> = commits[0]
        .events()
        .map(|(_, _, event)| match event {
            Event::ToastQueued {
                toast, replaces, ..
            } => format!("{toast} for {replaces:?}"),
            Event::ToastsSeen { toasts } => format!("seen {toasts:?}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        said,
        ["1 for []", "2 for [1]", "3 for [2]", "seen [3]", "4 for []"]
    );
    desk.fold().await;
    let mut toasts = {
        let rows = desk.parts.projections.read();
        read::toasts(&rows, &user("ann"), 0).expect("reads")
    };
    let keys = &*desk.parts.keys;
    content::open_toasts(keys, &mut toasts).await.expect("keys");
    let texts: Vec<_> = toasts.into_iter().map(|toast| toast.text).collect();
    assert_eq!(texts, [Text::Open(r#"{"title":"your own"}"#.to_owned())]);
}

#[tokio::test]
async fn nobody_is_told_of_who_has_been_erased() {
    let desk = Desk::new();
    let destroyed = desk.parts.keys.destroy(&[key_of("ben")]).await;
    destroyed.expect("the key store works");
    let about = desk.submit("ann", Some(derived(1)), toast("Ben likes you", Some("ben")));
    let theirs = desk.submit("ben", Some(derived(2)), toast("you are liked", None));
    let other = desk.submit("ann", Some(derived(3)), toast("you are liked", None));
    desk.work().await;
    for refused in [about, theirs] {
        let refused = refused.get();
        assert!(
            matches!(refused, Some(Answer::Refused(Refusal::Forbidden(_)))),
            "{refused:?}"
        );
    }
    other.accepted();
}
