//! Members: who may change them, and what each sees.

use super::*;

/// How many events an owner, a moderator and a member would make happen.
fn by_role(talk: &Talk, command: &ConversationCommand) -> [Result<usize, Refusal>; 3] {
    ["olga", "mod", "ann"].map(|actor| talk.ask(actor, command.clone()).map(|events| events.len()))
}

#[test]
fn a_stranger_learns_nothing_and_a_past_member_that_they_are_one() {
    let mut talk = Talk::group();
    talk.posts("ann", 2);
    talk.run("olga", remove("ann"));
    for command in members_commands() {
        let stranger = talk.ask("eve", command.clone());
        assert_eq!(
            stranger,
            Err(Refusal::NotFound("conversation".into())),
            "{command:?}"
        );
        let past = talk.ask("ann", command.clone());
        assert_eq!(past, Err(Refusal::NotMember), "{command:?}");
    }
}

#[test]
fn a_stranger_cannot_tell_a_direct_conversation_from_none() {
    let (there, nowhere) = (Talk::direct(), Talk::unborn());
    for command in members_commands() {
        assert_eq!(
            there.ask("eve", command.clone()),
            nowhere.ask("eve", command)
        );
    }
}

#[test]
fn owners_and_moderators_add_members() {
    let mut talk = Talk::group();
    let forbidden = Refusal::Forbidden("only owners and moderators add members".into());
    assert_eq!(
        by_role(&talk, &add(&["zoe"])),
        [Ok(1), Ok(1), Err(forbidden)]
    );
    let events = talk.run("mod", add(&["zoe", "ann", "yan", "zoe"]));
    let joined = |id: &str| Event::MemberJoined {
        user: user(id),
        role: Role::Member,
    };
    assert_eq!(
        events,
        [joined("yan"), joined("zoe")],
        "each once, and nobody who is there"
    );
    assert_eq!(talk.head().member_count, 6);
}

#[test]
fn a_group_takes_no_more_than_it_has_room_for() {
    let mut talk = Talk::group_with(false, 6);
    let full = Refusal::Full { would: 7, limit: 6 };
    assert_eq!(talk.ask("olga", add(&["x", "y", "z"])), Err(full.clone()));
    talk.run("olga", add(&["x", "y"]));
    assert_eq!(talk.ask("olga", add(&["z"])), Err(full.clone()));
    assert_eq!(talk.ask("z", ConversationCommand::Join), Err(full));
    assert_eq!(
        talk.ask("olga", add(&["x"])),
        Ok(vec![]),
        "nobody is added, so room is no matter"
    );
    talk.run("x", leave());
    assert!(talk.ask("olga", add(&["z"])).is_ok());
    talk.limits.members_at_once = 2;
    let three = talk.ask("olga", add(&["p", "q", "r"]));
    assert!(matches!(three, Err(Refusal::Invalid(_))), "{three:?}");
}

#[test]
fn moderators_remove_members_and_owners_anybody() {
    let mut talk = Talk::group();
    talk.run("olga", set_role("bob", Role::Moderator));
    let members_only = Refusal::Forbidden("moderators remove members only".into());
    let forbidden = Refusal::Forbidden("only owners and moderators remove members".into());
    assert_eq!(
        by_role(&talk, &remove("bob")),
        [Ok(1), Err(members_only.clone()), Err(forbidden)]
    );
    assert_eq!(talk.ask("mod", remove("olga")), Err(members_only));
    assert_eq!(
        talk.run("mod", remove("ann")),
        [Event::MemberRemoved { user: user("ann") }]
    );
    assert_eq!(
        talk.ask("mod", remove("ann")),
        Err(Refusal::NotFound("member".into()))
    );
    assert_eq!(
        talk.ask("mod", remove("nobody")),
        Err(Refusal::NotFound("member".into()))
    );
    assert!(matches!(
        talk.ask("mod", remove("mod")),
        Err(Refusal::Invalid(_))
    ));
    talk.run("olga", set_role("bob", Role::Owner));
    talk.run("olga", remove("bob"));
    assert_eq!(talk.head().owner_count, 1);
}

#[test]
fn roles_are_the_owners_to_give() {
    let mut talk = Talk::group();
    let forbidden = Refusal::Forbidden("only owners change roles".into());
    assert_eq!(
        by_role(&talk, &set_role("bob", Role::Moderator)),
        [Ok(1), Err(forbidden.clone()), Err(forbidden)]
    );
    assert_eq!(
        talk.ask("olga", set_role("bob", Role::Member)),
        Ok(vec![]),
        "as it is"
    );
    assert_eq!(
        talk.ask("olga", set_role("eve", Role::Member)),
        Err(Refusal::NotFound("member".into()))
    );
    let events = talk.run("olga", set_role("bob", Role::Owner));
    assert_eq!(
        events,
        [Event::RoleChanged {
            user: user("bob"),
            role: Role::Owner
        }]
    );
    assert_eq!(talk.head().owner_count, 2);
    talk.run("bob", set_role("olga", Role::Member));
    assert_eq!(talk.head().owner_count, 1);
    assert!(talk.ask("olga", set_title("mine no more")).is_err());
}

#[test]
fn a_group_keeps_an_owner_while_it_has_members() {
    let mut talk = Talk::group();
    assert_eq!(talk.ask("olga", leave()), Err(Refusal::LastOwner));
    assert_eq!(
        talk.ask("olga", set_role("olga", Role::Member)),
        Err(Refusal::LastOwner)
    );
    let forced = talk.ask("olga", ConversationCommand::Leave { force: true });
    assert_eq!(forced, Ok(vec![Event::MemberLeft { user: user("olga") }]));
    talk.run("olga", set_role("bob", Role::Owner));
    talk.run("olga", leave());
    assert_eq!((talk.head().owner_count, talk.head().member_count), (1, 3));
    talk.run("bob", remove("ann"));
    talk.run("bob", remove("mod"));
    assert!(
        talk.ask("bob", leave()).is_ok(),
        "the last one turns off the light"
    );
}

#[test]
fn the_title_is_for_owners_and_moderators() {
    let mut talk = Talk::group();
    let forbidden = Refusal::Forbidden("only owners and moderators set the title".into());
    assert_eq!(
        by_role(&talk, &set_title("Park")),
        [Ok(1), Ok(1), Err(forbidden)]
    );
    talk.run("mod", set_title("Park"));
    assert_eq!(talk.ask("mod", set_title("Park")), Ok(vec![]));
    talk.limits.title_bytes = 3;
    let answer = talk.ask("mod", set_title("Park"));
    assert_eq!(answer, Err(Refusal::TooLarge { len: 4, limit: 3 }));
}

#[test]
fn a_direct_conversation_stays_between_its_two() {
    let talk = Talk::direct();
    let commands = [
        add(&["eve"]),
        remove("bob"),
        leave(),
        set_role("bob", Role::Owner),
        set_title("Us"),
        ConversationCommand::Leave { force: true },
    ];
    for command in commands {
        let answer = talk.ask("ann", command.clone());
        assert!(
            matches!(answer, Err(Refusal::WrongKind(_))),
            "{command:?}: {answer:?}"
        );
    }
    let join = talk.ask("eve", ConversationCommand::Join);
    assert!(
        matches!(join, Err(Refusal::WrongKind(_))),
        "only imports ask: {join:?}"
    );
}

#[test]
fn a_member_sees_history_from_joining() {
    let mut talk = Talk::group();
    talk.posts("ann", 3);
    talk.run("olga", add(&["zoe"]));
    assert!(talk.seen_by("zoe").is_empty());
    assert_eq!(
        (
            talk.member("zoe").read_seq,
            talk.member("zoe").delivered_seq
        ),
        (3, 3)
    );
    talk.posts("ann", 2);
    assert_eq!(talk.seen_by("zoe"), [4, 5]);
    assert_eq!(talk.seen_by("ann"), [1, 2, 3, 4, 5]);
}

#[test]
fn or_from_the_start_where_the_group_says_so() {
    let mut talk = Talk::group_with(true, 0);
    talk.posts("ann", 3);
    talk.run("olga", add(&["zoe"]));
    assert_eq!(talk.seen_by("zoe"), [1, 2, 3]);
    assert_eq!(
        talk.member("zoe").read_seq,
        3,
        "there is nothing to catch up with"
    );
    talk.run("zoe", leave());
    talk.posts("ann", 2);
    assert_eq!(talk.seen_by("zoe"), [1, 2, 3]);
    talk.run("olga", add(&["zoe"]));
    assert_eq!(talk.seen_by("zoe"), [1, 2, 3, 4, 5], "no gap either");
    assert_eq!(talk.member("zoe").intervals.len(), 1);
}

#[test]
fn nothing_after_leaving_and_after_rejoining_not_the_gap() {
    let mut talk = Talk::group();
    talk.posts("bob", 2);
    talk.run("ann", leave());
    assert_eq!(
        (
            talk.member("ann").read_seq,
            talk.member("ann").delivered_seq
        ),
        (2, 2)
    );
    talk.posts("bob", 2);
    assert_eq!(talk.seen_by("ann"), [1, 2]);
    talk.run("olga", add(&["ann"]));
    talk.posts("bob", 2);
    assert_eq!(talk.seen_by("ann"), [1, 2, 5, 6]);
    assert_eq!(talk.member("ann").read_seq, 4, "unread starts at zero");
    for seq in [3, 4] {
        for command in [
            reply("what was that", seq),
            react(seq, "+1"),
            unreact(seq, "+1"),
        ] {
            let answer = talk.ask("ann", command.clone());
            assert_eq!(
                answer,
                Err(Refusal::NotFound("message".into())),
                "{command:?}"
            );
        }
    }
    for seq in [1, 2, 5, 6] {
        assert!(talk.ask("ann", react(seq, "+1")).is_ok());
    }
}

#[test]
fn coming_and_going_without_a_message_leaves_no_stretch() {
    let mut talk = Talk::group();
    talk.run("ann", leave());
    assert_eq!(talk.member("ann").intervals, []);
    talk.posts("bob", 1);
    for _ in 0..3 {
        talk.run("olga", add(&["ann"]));
        talk.run("olga", remove("ann"));
    }
    assert_eq!(talk.member("ann").intervals, []);
    assert_eq!(talk.head().member_count, 3);
}

#[test]
fn joining_by_oneself_makes_a_member() {
    let mut talk = Talk::group();
    let events = talk.run("zoe", ConversationCommand::Join);
    assert_eq!(
        events,
        [Event::MemberJoined {
            user: user("zoe"),
            role: Role::Member
        }]
    );
    assert_eq!(talk.ask("zoe", ConversationCommand::Join), Ok(vec![]));
}

#[test]
fn whoever_comes_back_is_a_plain_member() {
    let mut talk = Talk::group();
    talk.run("mod", leave());
    talk.run("olga", add(&["mod"]));
    assert_eq!(talk.member("mod").role, Some(Role::Member));
}
