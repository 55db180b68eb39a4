//! Starting conversations.

use super::*;

fn group(title: &str, members: &[&str], max_members: u32) -> ConversationCommand {
    let members = members.iter().map(|id| user(id)).collect();
    ConversationCommand::CreateGroup {
        title: title.to_owned(),
        members,
        history_from_start: false,
        max_members,
    }
}

#[test]
fn either_of_the_two_starts_a_direct_conversation_and_both_are_members() {
    for actor in ["ann", "bob"] {
        let mut talk = Talk::unborn();
        let events = talk.run(actor, start_direct("ann", "bob", "listing 4"));
        let pair = (user("ann"), user("bob"));
        let kind = Kind::Direct {
            pair,
            context: "listing 4".to_owned(),
        };
        assert_eq!(
            events,
            [Event::ConversationStarted {
                kind,
                title: String::new()
            }]
        );
        assert_eq!(talk.head().member_count, 2);
        for who in ["ann", "bob"] {
            assert_eq!(talk.member(who).role, Some(Role::Member));
            talk.run(who, post("here"));
        }
    }
}

#[test]
fn starting_a_direct_conversation_again_changes_nothing() {
    let mut talk = Talk::direct();
    talk.posts("ann", 1);
    for actor in ["ann", "bob"] {
        assert_eq!(talk.ask(actor, start_direct("ann", "bob", "")), Ok(vec![]));
    }
}

#[test]
fn a_direct_conversation_is_between_the_actor_and_another_in_order() {
    let talk = Talk::unborn();
    let wrong = [
        ("ann", start_direct("ann", "ann", "")),
        ("bob", start_direct("bob", "ann", "")),
        ("eve", start_direct("ann", "bob", "")),
    ];
    for (actor, command) in wrong {
        assert!(
            matches!(talk.ask(actor, command.clone()), Err(Refusal::Invalid(_))),
            "{command:?}"
        );
    }
    // Nor may a third one learn that it exists.
    let there = Talk::direct();
    assert!(matches!(
        there.ask("eve", start_direct("ann", "bob", "")),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_context_is_short_and_plain() {
    let talk = Talk::unborn();
    for context in [
        "x".repeat(129),
        "line\nbreak".to_owned(),
        "nul\0".to_owned(),
    ] {
        let answer = talk.ask("ann", start_direct("ann", "bob", &context));
        assert!(matches!(answer, Err(Refusal::Invalid(_))), "{context:?}");
    }
    assert!(
        talk.ask("ann", start_direct("ann", "bob", &"x".repeat(128)))
            .is_ok()
    );
}

#[test]
fn whoever_creates_a_group_owns_it() {
    let mut talk = Talk::unborn();
    let events = talk.run("olga", group("Garden", &["bob", "ann", "olga", "bob"], 0));
    let max_members = talk.limits.group_members;
    let kind = Kind::Group {
        history_from_start: false,
        max_members,
    };
    let joined = |id: &str, role| Event::MemberJoined {
        user: user(id),
        role,
    };
    assert_eq!(
        events,
        [
            Event::ConversationStarted {
                kind,
                title: "Garden".to_owned()
            },
            joined("olga", Role::Owner),
            joined("ann", Role::Member),
            joined("bob", Role::Member),
        ]
    );
    assert_eq!((talk.head().member_count, talk.head().owner_count), (3, 1));
}

#[test]
fn a_group_has_room_for_its_first_members() {
    let talk = Talk::unborn();
    assert_eq!(
        talk.ask("olga", group("", &["ann", "bob"], 2)),
        Err(Refusal::Full { would: 3, limit: 2 })
    );
    assert!(talk.ask("olga", group("", &["ann"], 2)).is_ok());
    assert!(talk.ask("olga", group("", &[], 1)).is_ok());
    let beyond = talk.limits.group_members + 1;
    assert!(matches!(
        talk.ask("olga", group("", &[], beyond)),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_group_is_created_within_the_limits() {
    let mut talk = Talk::unborn();
    talk.limits.members_at_once = 2;
    talk.limits.title_bytes = 5;
    assert!(matches!(
        talk.ask("olga", group("", &["a", "b", "c"], 0)),
        Err(Refusal::Invalid(_))
    ));
    assert_eq!(
        talk.ask("olga", group("Garden", &[], 0)),
        Err(Refusal::TooLarge { len: 6, limit: 5 })
    );
    assert!(matches!(
        talk.ask("olga", group("a\tb", &[], 0)),
        Err(Refusal::Invalid(_))
    ));
    assert!(
        talk.ask("olga", group("Gardé", &["a", "b"], 0)).is_err(),
        "bytes, not letters"
    );
    assert!(talk.ask("olga", group("Yard", &["a", "b"], 0)).is_ok());
}

#[test]
fn an_id_that_is_taken_creates_no_second_group() {
    let talk = Talk::group();
    assert_eq!(
        talk.ask("olga", group("Other", &[], 0)),
        Err(Refusal::CommandIdReused)
    );
}

#[test]
fn nothing_happens_in_what_was_never_started() {
    let talk = Talk::unborn();
    for command in members_commands() {
        let answer = talk.ask("ann", command.clone());
        assert_eq!(
            answer,
            Err(Refusal::NotFound("conversation".into())),
            "{command:?}"
        );
    }
    let join = talk.ask("ann", ConversationCommand::Join);
    assert_eq!(join, Err(Refusal::NotFound("conversation".into())));
}
