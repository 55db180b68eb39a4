//! Posting, editing and taking back.

use super::*;

fn posted(events: &[Event]) -> (u64, u64) {
    match events {
        [
            Event::MessagePosted {
                seq, countable_seq, ..
            },
        ] => (*seq, *countable_seq),
        other => panic!("one posted message, not {other:?}"),
    }
}

#[test]
fn messages_are_numbered_without_gaps() {
    let mut talk = Talk::group();
    for n in 1..=4 {
        let author = ["bob", "ann"][n % 2];
        let events = talk.run(author, post("hello"));
        assert_eq!(posted(&events), (n as u64, n as u64));
    }
    talk.run("ann", retract(3));
    talk.run("ann", edit(1, "hello again"));
    assert_eq!(
        posted(&talk.run("bob", post("on"))),
        (5, 5),
        "neither takes a number"
    );
}

#[test]
fn a_message_says_what_was_posted() {
    let mut talk = Talk::group();
    talk.posts("bob", 1);
    let command = ConversationCommand::Post {
        text: " hello ".to_owned(),
        reply_to: 1,
        mentions: vec![user("bob"), user("ann"), user("bob")],
    };
    let expected = Event::MessagePosted {
        seq: 2,
        countable_seq: 2,
        content: Content::Plain(" hello ".to_owned()),
        reply_to: 1,
        mentions: vec![user("ann"), user("bob")],
    };
    assert_eq!(talk.run("ann", command), [expected]);
}

#[test]
fn a_message_has_text_and_not_too_much() {
    let mut talk = Talk::group();
    talk.limits.text_bytes = 4;
    talk.posts("ann", 0);
    for text in ["", "   ", "\n\t"] {
        assert!(
            matches!(talk.ask("ann", post(text)), Err(Refusal::Invalid(_))),
            "{text:?}"
        );
    }
    assert_eq!(
        talk.ask("ann", post("hello")),
        Err(Refusal::TooLarge { len: 5, limit: 4 })
    );
    let four = talk.ask("ann", post("éé")).expect("four bytes");
    assert_eq!(posted(&four), (1, 1));
    talk.run("ann", post("hey"));
    assert_eq!(
        talk.ask("ann", edit(1, "hello")),
        Err(Refusal::TooLarge { len: 5, limit: 4 })
    );
    assert!(matches!(
        talk.ask("ann", edit(1, " ")),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_reply_is_to_a_message_one_can_see() {
    let mut talk = Talk::group();
    talk.posts("bob", 2);
    talk.run("olga", add(&["zoe"]));
    assert_eq!(
        talk.ask("zoe", reply("what", 1)),
        Err(Refusal::NotFound("message".into()))
    );
    assert_eq!(
        talk.ask("ann", reply("what", 3)),
        Err(Refusal::NotFound("message".into()))
    );
    assert_eq!(
        talk.ask("ann", reply("what", u64::MAX)),
        Err(Refusal::NotFound("message".into()))
    );
    assert!(talk.ask("ann", reply("yes", 2)).is_ok());
    talk.run("bob", retract(2));
    assert!(
        talk.ask("ann", reply("a pity", 2)).is_ok(),
        "the place is still there"
    );
}

#[test]
fn only_members_are_mentioned() {
    let mut talk = Talk::group();
    assert!(talk.ask("ann", mention("hey", &["ann", "bob"])).is_ok());
    let stranger = talk.ask("ann", mention("hey", &["eve"]));
    assert_eq!(
        stranger,
        Err(Refusal::Invalid(
            "eve is mentioned but is not a member".to_owned()
        ))
    );
    talk.run("bob", leave());
    assert!(matches!(
        talk.ask("ann", mention("hey", &["bob"])),
        Err(Refusal::Invalid(_))
    ));
    talk.limits.mentions = 1;
    let many = talk.ask("ann", mention("hey", &["ann", "olga"]));
    assert_eq!(
        many,
        Err(Refusal::Invalid("2 mentions, the limit is 1".to_owned()))
    );
    talk.run("ann", post("hey"));
    let edited = ConversationCommand::Edit {
        seq: 1,
        text: "hey you".to_owned(),
        mentions: vec![user("eve")],
    };
    assert!(matches!(talk.ask("ann", edited), Err(Refusal::Invalid(_))));
}

#[test]
fn writing_to_somebody_one_blocks_is_refused_in_a_direct_conversation_only() {
    let mut talk = Talk::direct();
    talk.posts("ann", 1);
    talk.blocked = true;
    assert_eq!(
        talk.ask("ann", post("hello")),
        Err(Refusal::BlockedByYou(user("bob")))
    );
    assert_eq!(
        talk.ask("bob", post("hello")),
        Err(Refusal::BlockedByYou(user("ann")))
    );
    assert!(talk.ask("ann", edit(1, "hello")).is_ok());
    assert!(talk.ask("ann", retract(1)).is_ok());
    let mut group = Talk::group();
    group.blocked = true;
    assert!(group.ask("ann", post("hello")).is_ok());
}

#[test]
fn only_its_author_edits_a_message() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    let forbidden = Err(Refusal::Forbidden("only its author edits a message".into()));
    for other in ["bob", "mod", "olga"] {
        assert_eq!(talk.ask(other, edit(1, "no")), forbidden);
    }
    let events = talk.run("ann", edit(1, "better"));
    let content = Content::Plain("better".to_owned());
    assert_eq!(
        events,
        [Event::MessageEdited {
            seq: 1,
            content,
            mentions: vec![]
        }]
    );
    assert_eq!(
        talk.ask("ann", edit(2, "none")),
        Err(Refusal::NotFound("message".into()))
    );
    assert_eq!(
        talk.ask("ann", edit(0, "none")),
        Err(Refusal::NotFound("message".into()))
    );
    talk.run("ann", retract(1));
    assert_eq!(
        talk.ask("ann", edit(1, "again")),
        Err(Refusal::Retracted(1))
    );
    assert_eq!(talk.ask("bob", edit(1, "again")), forbidden);
}

#[test]
fn a_message_is_taken_back_by_its_author_or_who_moderates() {
    let mut talk = Talk::group();
    talk.posts("ann", 3);
    talk.posts("olga", 1);
    assert!(matches!(
        talk.ask("bob", retract(1)),
        Err(Refusal::Forbidden(_))
    ));
    for (actor, seq) in [("ann", 1), ("mod", 2), ("olga", 3), ("mod", 4)] {
        let author = if seq == 4 { "olga" } else { "ann" };
        let expected = Event::MessageRetracted {
            seq,
            author: user(author),
            countable_seq: seq,
        };
        assert_eq!(talk.run(actor, retract(seq)), [expected]);
        assert_eq!(talk.ask(actor, retract(seq)), Ok(vec![]), "once is enough");
    }
    assert_eq!(
        talk.ask("mod", retract(5)),
        Err(Refusal::NotFound("message".into()))
    );
}

#[test]
fn nobody_moderates_a_direct_conversation() {
    let mut talk = Talk::direct();
    talk.posts("ann", 1);
    assert!(matches!(
        talk.ask("bob", retract(1)),
        Err(Refusal::Forbidden(_))
    ));
    assert_eq!(talk.run("ann", retract(1)).len(), 1);
}

#[test]
fn a_moderator_does_not_take_back_what_they_cannot_see() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    talk.run("olga", add(&["zoe"]));
    talk.run("olga", set_role("zoe", Role::Moderator));
    assert_eq!(
        talk.ask("zoe", retract(1)),
        Err(Refusal::NotFound("message".into()))
    );
}
