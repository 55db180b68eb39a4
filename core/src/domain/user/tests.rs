//! The rules of a user's own stream.

use super::*;

fn id(text: &str) -> UserId {
    UserId::new(text).expect("a user id")
}

fn conversation() -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(1))
}

/// `ann`, of whom is known that she blocks nobody and has `conversation()`, muted or not.
fn ann() -> User {
    let mut ann = User::new(id("ann"));
    ann.blocked_count = Some(0);
    ann.muted.insert(conversation(), Some(false));
    ann
}

fn run(user: &mut User, command: UserCommand) -> Result<Vec<Event>, Refusal> {
    let events = user.decide(&Limits::default(), 0, command)?;
    events.iter().for_each(|event| user.evolve(event));
    Ok(events)
}

fn block(user: &str) -> UserCommand {
    UserCommand::Block { user: id(user) }
}

fn unblock(user: &str) -> UserCommand {
    UserCommand::Unblock { user: id(user) }
}

#[test]
fn blocking_and_unblocking_each_happen_once() {
    let mut ann = ann();
    assert_eq!(run(&mut ann, unblock("bob")), Ok(vec![]));
    assert_eq!(
        run(&mut ann, block("bob")),
        Ok(vec![Event::UserBlocked { user: id("bob") }])
    );
    assert_eq!(run(&mut ann, block("bob")), Ok(vec![]));
    assert_eq!(
        run(&mut ann, block("eve")).map(|events| events.len()),
        Ok(1)
    );
    assert_eq!(ann.blocked_count, Some(2));
    assert_eq!(
        run(&mut ann, unblock("bob")),
        Ok(vec![Event::UserUnblocked { user: id("bob") }])
    );
    assert_eq!(run(&mut ann, unblock("bob")), Ok(vec![]));
    assert_eq!(ann.blocked_count, Some(1));
}

#[test]
fn nobody_blocks_themselves() {
    assert!(matches!(
        run(&mut ann(), block("ann")),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_list_of_blocked_users_ends_somewhere() {
    let limits = Limits {
        blocked: 2,
        ..Limits::default()
    };
    let mut ann = ann();
    for other in ["bob", "eve"] {
        run(&mut ann, block(other)).expect("room");
    }
    assert!(matches!(
        ann.decide(&limits, 0, block("zoe")),
        Err(Refusal::Invalid(_))
    ));
    assert_eq!(
        ann.decide(&limits, 0, block("eve")),
        Ok(vec![]),
        "blocked already"
    );
    run(&mut ann, unblock("eve")).expect("always");
    assert!(ann.decide(&limits, 0, block("zoe")).is_ok());
}

#[test]
fn one_mutes_what_is_ones_own() {
    let mut ann = ann();
    let mute = |conversation, muted| UserCommand::SetMuted {
        conversation,
        muted,
    };
    let muted = Event::ConversationMuted {
        conversation: conversation(),
        muted: true,
    };
    assert_eq!(run(&mut ann, mute(conversation(), false)), Ok(vec![]));
    assert_eq!(run(&mut ann, mute(conversation(), true)), Ok(vec![muted]));
    assert_eq!(run(&mut ann, mute(conversation(), true)), Ok(vec![]));
    let strange = ConversationId(uuid::Uuid::from_u128(2));
    let not_found = Err(Refusal::NotFound("conversation".into()));
    assert_eq!(run(&mut ann, mute(strange, true)), not_found);
    ann.muted.insert(strange, None);
    assert_eq!(
        run(&mut ann, mute(strange, true)),
        not_found,
        "looked up and not there"
    );
}

#[test]
fn a_fact_has_a_name_and_an_end() {
    let recorded = app_event("profile.viewed_2", "{}");
    let payload = Content::Plain("{}".to_owned());
    let kind = "profile.viewed_2".to_owned();
    assert_eq!(
        recorded,
        Ok(vec![Event::AppEventRecorded { kind, payload }])
    );
    assert!(app_event(&"k".repeat(APP_KIND_BYTES), &"p".repeat(APP_PAYLOAD_BYTES)).is_ok());
    for kind in [
        "",
        "Like",
        "a b",
        "é",
        "a-b",
        &"k".repeat(APP_KIND_BYTES + 1),
    ] {
        let refused = app_event(kind, "{}");
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{kind}");
    }
    let long = "p".repeat(APP_PAYLOAD_BYTES + 1);
    let (len, limit) = (APP_PAYLOAD_BYTES + 1, APP_PAYLOAD_BYTES);
    assert_eq!(app_event("x", &long), Err(Refusal::TooLarge { len, limit }));
}

fn profile(text: &str, same_as: Option<(u64, u32)>) -> UserCommand {
    UserCommand::SetProfile {
        attributes: Some(text.to_owned()),
        hidden: None,
        same_as,
    }
}

fn hide(hidden: bool) -> UserCommand {
    UserCommand::SetProfile {
        attributes: None,
        hidden: Some(hidden),
        same_as: None,
    }
}

#[test]
fn a_profile_that_is_the_same_is_not_set_again() {
    let mut ann = ann();
    let set = |text: &str| {
        Ok(vec![Event::ProfileSet {
            attributes: Content::Plain(text.to_owned()),
        }])
    };
    assert_eq!(run(&mut ann, profile("{}", None)), set("{}"));
    // It has no place in the log yet: nobody can have seen it.
    assert_eq!(run(&mut ann, profile("{}", Some((3, 0)))), set("{}"));
    ann.profile = Some(Profile {
        set: Set::At((3, 0)),
        ..Profile::default()
    });
    assert_eq!(run(&mut ann, profile("{}", Some((3, 0)))), Ok(vec![]));
    assert_eq!(run(&mut ann, profile("{}", Some((2, 0)))), set("{}"));
}

#[test]
fn who_has_no_profile_is_not_hidden_from_search() {
    let mut ann = ann();
    assert!(matches!(
        run(&mut ann, hide(true)),
        Err(Refusal::NotFound(_))
    ));
    assert!(run(&mut ann, profile("{}", None)).is_ok());
    assert_eq!(
        run(&mut ann, hide(true)),
        Ok(vec![Event::HiddenChanged { hidden: true }])
    );
    assert_eq!(run(&mut ann, hide(true)), Ok(vec![]));
    assert_eq!(
        run(&mut ann, UserCommand::RemoveProfile),
        Ok(vec![Event::ProfileRemoved])
    );
    assert_eq!(run(&mut ann, UserCommand::RemoveProfile), Ok(vec![]));
}

#[test]
fn who_is_erased_loses_their_contacts_and_gets_no_profile_again() {
    let mut ann = ann();
    ann.contact_count = Some(0);
    for user in ["eve", "bob"] {
        assert!(run(&mut ann, UserCommand::AddContact { user: id(user) }).is_ok());
    }
    assert!(run(&mut ann, profile("{}", None)).is_ok());
    let removed = |user| Event::ContactRemoved { user: id(user) };
    assert_eq!(
        run(&mut ann, UserCommand::Erase),
        Ok(vec![
            Event::VisibilityChanged { invisible: true },
            removed("bob"),
            removed("eve"),
            Event::UserErased
        ])
    );
    let again = run(&mut ann, UserCommand::Erase);
    assert_eq!(
        again,
        Ok(vec![Event::UserErased]),
        "for what was written since"
    );
    for command in [
        profile("{}", None),
        UserCommand::SetInvisible { invisible: false },
        UserCommand::AddContact { user: id("bob") },
        UserCommand::Block { user: id("bob") },
    ] {
        let refused = run(&mut ann, command.clone());
        assert!(matches!(refused, Err(Refusal::Forbidden(_))), "{command:?}");
    }
}

#[test]
fn very_many_contacts_end_with_several_commands() {
    let mut ann = ann();
    for nth in 0..ENDED_AT_ONCE + 2 {
        let added = Contact {
            added: true,
            adds: false,
        };
        ann.contacts.insert(id(&format!("user-{nth}")), added);
    }
    let first = run(&mut ann, UserCommand::Erase).expect("decided");
    assert_eq!(first.len(), 1 + ENDED_AT_ONCE);
    assert!(!first.contains(&Event::UserErased));
    let rest = run(&mut ann, UserCommand::Erase).expect("decided");
    assert_eq!(rest.len(), 3);
    assert_eq!(rest.last(), Some(&Event::UserErased));
}

#[test]
fn a_profile_has_a_largest_size() {
    let long = "x".repeat(PROFILE_BYTES + 1);
    assert_eq!(
        run(&mut ann(), profile(&long, None)),
        Err(Refusal::TooLarge {
            len: PROFILE_BYTES + 1,
            limit: PROFILE_BYTES
        })
    );
}
