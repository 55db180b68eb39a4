//! Reactions and their limits.

use super::*;

fn message(talk: &Talk, seq: u64) -> &Message {
    talk.state.messages[&seq].as_ref().expect("posted")
}

#[test]
fn everyone_gives_a_reaction_once() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    let added = Event::ReactionAdded {
        seq: 1,
        reaction: "+1".to_owned(),
    };
    for who in ["ann", "bob", "mod"] {
        assert_eq!(talk.run(who, react(1, "+1")), std::slice::from_ref(&added));
        assert_eq!(talk.ask(who, react(1, "+1")), Ok(vec![]));
    }
    talk.run("bob", react(1, "🎉"));
    assert_eq!(
        message(&talk, 1).reactions,
        [("+1".to_owned(), 3), ("🎉".to_owned(), 1)].into()
    );
    let removed = Event::ReactionRemoved {
        seq: 1,
        reaction: "+1".to_owned(),
    };
    assert_eq!(talk.run("bob", unreact(1, "+1")), [removed]);
    assert_eq!(talk.ask("bob", unreact(1, "+1")), Ok(vec![]));
    assert_eq!(
        talk.ask("olga", unreact(1, "+1")),
        Ok(vec![]),
        "not given by them"
    );
    talk.run("bob", unreact(1, "🎉"));
    assert_eq!(message(&talk, 1).reactions, [("+1".to_owned(), 2)].into());
}

#[test]
fn a_reaction_is_short_and_has_no_spaces() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    let long = "x".repeat(talk.limits.reaction_bytes + 1);
    for reaction in ["", " ", "a b", "a\nb", "\u{7f}", "\u{a0}", &long] {
        let answer = talk.ask("bob", react(1, reaction));
        assert!(matches!(answer, Err(Refusal::Invalid(_))), "{reaction:?}");
        let answer = talk.ask("bob", unreact(1, reaction));
        assert!(matches!(answer, Err(Refusal::Invalid(_))), "{reaction:?}");
    }
    for reaction in ["❤️", "👨‍👩‍👧", ":shrug:", &long[1..]] {
        assert!(talk.ask("bob", react(1, reaction)).is_ok(), "{reaction:?}");
    }
}

#[test]
fn a_message_carries_so_many_different_ones() {
    let mut talk = Talk::group();
    talk.limits.reactions = 2;
    talk.posts("ann", 1);
    talk.run("ann", react(1, "a"));
    talk.run("ann", react(1, "b"));
    assert!(matches!(
        talk.ask("ann", react(1, "c")),
        Err(Refusal::Invalid(_))
    ));
    assert!(
        talk.ask("bob", react(1, "a")).is_ok(),
        "one more of those there are"
    );
    talk.run("ann", unreact(1, "b"));
    assert!(talk.ask("bob", react(1, "c")).is_ok(), "one has gone");
}

#[test]
fn what_is_taken_back_carries_none() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    talk.run("bob", react(1, "+1"));
    talk.run("ann", retract(1));
    assert_eq!(message(&talk, 1).reactions, BTreeMap::new());
    assert_eq!(talk.ask("bob", react(1, "+1")), Err(Refusal::Retracted(1)));
    // An event here would be one that the rows no longer know of.
    assert_eq!(talk.ask("bob", unreact(1, "+1")), Ok(vec![]));
}

#[test]
fn a_fact_loaded_after_a_retraction_does_not_bring_a_reaction_back() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    talk.run("ann", retract(1));
    // The rows this fact comes from may be older than the retraction, which is of the same round.
    talk.state
        .reactions
        .insert((1, user("bob"), "+1".to_owned()), true);
    assert_eq!(talk.ask("bob", unreact(1, "+1")), Ok(vec![]));
}

#[test]
fn reactions_are_to_messages_one_can_see() {
    let mut talk = Talk::group();
    talk.posts("ann", 1);
    talk.run("olga", add(&["zoe"]));
    for command in [
        react(1, "+1"),
        unreact(1, "+1"),
        react(9, "+1"),
        unreact(9, "+1"),
    ] {
        let answer = talk.ask("zoe", command.clone());
        assert_eq!(
            answer,
            Err(Refusal::NotFound("message".into())),
            "{command:?}"
        );
    }
}
