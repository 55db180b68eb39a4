//! What members see of messages that are changed after they have left.

use super::*;
use crate::{
    domain::{
        Content, ConversationId, Event, Stream, UserId,
        event::{Kind, Role},
    },
    history::play::{batch, commit},
    projections::{
        read::{Text, Viewer},
        resume::{Resume, What, since},
    },
};

fn id() -> ConversationId {
    ConversationId(Uuid::from_u128(1))
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

fn sealed(text: &'static str) -> Content {
    Content::Sealed(text.into())
}

fn did(projections: &Projections, who: &str, events: Vec<Event>) {
    let batch = batch(Stream::Conversation(id()), &user(who), events);
    fold(projections, commit(projections.cursor() + 1, &[batch]));
}

fn edited(text: &'static str) -> Vec<Event> {
    vec![Event::MessageEdited {
        seq: 1,
        content: sealed(text),
        mentions: vec![user(text)],
    }]
}

fn left(who: &str) -> Vec<Event> {
    vec![Event::MemberLeft { user: user(who) }]
}

fn joined(who: &str) -> Event {
    Event::MemberJoined {
        user: user(who),
        role: Role::Member,
    }
}

/// What somebody reads in message 1: text and mentions.
fn reads(projections: &Projections, who: &str) -> (Text, Vec<UserId>) {
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &user(who)).expect("read");
    let message = read::message(&rows, &viewer, id(), 1).expect("read");
    let message = message.expect("they see it");
    (message.text, message.mentions)
}

fn reads_text(projections: &Projections, who: &str) -> String {
    match reads(projections, who) {
        (Text::Sealed { sealed, .. }, mentions) => {
            let text = String::from_utf8(sealed.to_vec()).expect("text");
            assert!(text == "first" || mentions == [user(&text)], "{mentions:?}");
            text
        }
        (other, _) => panic!("{other:?}"),
    }
}

/// A group of four with a message.
fn group() -> (TempDir, Projections) {
    let (folder, projections) = empty();
    let kind = Kind::Group {
        history_from_start: true,
        max_members: 100,
    };
    let mut events = vec![Event::ConversationStarted {
        kind,
        title: String::new(),
    }];
    events.extend(["ann", "ben", "cleo", "dan"].map(joined));
    events.push(Event::MessagePosted {
        seq: 1,
        countable_seq: 1,
        content: sealed("first"),
        reply_to: 0,
        mentions: Vec::new(),
    });
    did(&projections, "ann", events);
    (folder, projections)
}

#[test]
fn whoever_has_left_sees_what_they_saw() {
    let (_folder, projections) = group();
    did(&projections, "ben", left("ben"));
    did(&projections, "ann", edited("second"));
    did(&projections, "ann", edited("third"));
    did(&projections, "cleo", left("cleo"));
    did(&projections, "ann", edited("fourth"));
    did(&projections, "dan", left("dan"));
    let all = |users: [&str; 4]| users.map(|who| reads_text(&projections, who));
    let users = ["ann", "ben", "cleo", "dan"];
    assert_eq!(all(users), ["fourth", "first", "third", "fourth"]);
    did(&projections, "ann", edited("fifth"));
    assert_eq!(all(users), ["fifth", "first", "third", "fourth"]);
    // Back again, they see it as all do.
    did(&projections, "ann", vec![joined("ben")]);
    assert_eq!(all(users), ["fifth", "fifth", "third", "fourth"]);
    // What is taken back is taken back from all.
    let retracted = Event::MessageRetracted {
        seq: 1,
        author: user("ann"),
        countable_seq: 1,
    };
    did(&projections, "ann", vec![retracted]);
    for who in users {
        assert_eq!(reads(&projections, who), (Text::Retracted, Vec::new()));
    }
}

/// Of many edits only those are kept that somebody needs.
#[test]
fn edits_that_nobody_missed_leave_nothing_behind() {
    let (_folder, projections) = group();
    let size = |projections: &Projections| {
        let rows = projections.read();
        let row = rows.get(Table::Messages, &rows::message(id(), 1));
        row.expect("read").expect("there").len()
    };
    did(&projections, "ann", edited("second"));
    let before = size(&projections);
    for _ in 0..100 {
        did(&projections, "ann", edited("second"));
    }
    assert_eq!(size(&projections), before);
    did(&projections, "ben", left("ben"));
    did(&projections, "ann", edited("second"));
    let with_one = size(&projections);
    assert!(with_one > before);
    for _ in 0..100 {
        did(&projections, "ann", edited("second"));
    }
    assert_eq!(size(&projections), with_one);
}

/// What somebody sees given to message 1, most given first, and whether they give it.
fn sees_given(projections: &Projections, who: &str) -> Vec<(String, u32, bool)> {
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &user(who)).expect("read");
    let message = read::message(&rows, &viewer, id(), 1).expect("read");
    message.expect("they see it").reactions
}

fn gives(reaction: &str) -> Vec<Event> {
    vec![Event::ReactionAdded {
        seq: 1,
        reaction: reaction.to_owned(),
    }]
}

fn takes_back(reaction: &str) -> Vec<Event> {
    vec![Event::ReactionRemoved {
        seq: 1,
        reaction: reaction.to_owned(),
    }]
}

#[test]
fn whoever_has_left_sees_the_reactions_of_then() {
    let (_folder, projections) = group();
    let given = |list: &[(&str, u32, bool)]| {
        let owned = list
            .iter()
            .map(|(name, n, mine)| ((*name).to_owned(), *n, *mine));
        Vec::from_iter(owned)
    };
    did(&projections, "ann", gives("+"));
    did(&projections, "ben", gives("+"));
    did(&projections, "ben", gives("heart"));
    did(&projections, "ben", left("ben"));
    did(&projections, "ann", takes_back("+"));
    did(&projections, "cleo", gives("heart"));
    did(&projections, "cleo", left("cleo"));
    did(&projections, "ann", gives("+"));
    did(&projections, "dan", gives("heart"));
    assert_eq!(
        sees_given(&projections, "ben"),
        given(&[("+", 2, true), ("heart", 1, true)])
    );
    assert_eq!(
        sees_given(&projections, "cleo"),
        given(&[("heart", 2, true), ("+", 1, false)])
    );
    assert_eq!(
        sees_given(&projections, "dan"),
        given(&[("heart", 3, true), ("+", 2, false)])
    );
    let retracted = Event::MessageRetracted {
        seq: 1,
        author: user("ann"),
        countable_seq: 1,
    };
    did(&projections, "ann", vec![retracted]);
    for who in ["ann", "ben", "cleo", "dan"] {
        assert_eq!(sees_given(&projections, who), given(&[]));
    }
}

/// Of many changes only those are kept that somebody needs.
#[test]
fn reactions_that_nobody_missed_leave_nothing_behind() {
    let (_folder, projections) = group();
    let kept = |projections: &Projections| {
        let rows = projections.read();
        let row = rows.get(Table::Reactions, &rows::reaction(id(), 1, "+", "ann"));
        row.expect("read").map_or(0, |row| row.len())
    };
    for _ in 0..50 {
        did(&projections, "ann", gives("+"));
        did(&projections, "ann", takes_back("+"));
    }
    assert_eq!(kept(&projections), 0);
    did(&projections, "ann", gives("+"));
    did(&projections, "ben", left("ben"));
    did(&projections, "ann", takes_back("+"));
    let with_one = kept(&projections);
    assert!(with_one > 0);
    for _ in 0..50 {
        did(&projections, "ann", gives("+"));
        did(&projections, "ann", takes_back("+"));
    }
    assert_eq!(kept(&projections), with_one);
}

#[test]
fn whoever_has_left_is_told_of_what_is_taken_back_and_of_nothing_else() {
    let (_folder, projections) = group();
    did(&projections, "ben", left("ben"));
    let cursor = (projections.cursor(), u32::MAX);
    did(&projections, "ann", gives("+"));
    did(&projections, "ann", edited("second"));
    let posted = Event::MessagePosted {
        seq: 2,
        countable_seq: 2,
        content: sealed("not for ben"),
        reply_to: 0,
        mentions: Vec::new(),
    };
    did(&projections, "ann", vec![posted]);
    let retracted = |seq| Event::MessageRetracted {
        seq,
        author: user("ann"),
        countable_seq: seq,
    };
    did(&projections, "ann", vec![retracted(2)]);
    did(&projections, "ann", vec![retracted(1)]);
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &user("ben")).expect("read");
    let told = |cursor| match since(&rows, rows.cursor(), &viewer, cursor, 10).expect("read") {
        Resume::Gap => panic!("there is room"),
        Resume::Changes(changes) => changes,
    };
    let changes = told(cursor);
    assert!(
        matches!(&changes[..], [change] if matches!(change.what, What::MessageRetracted { seq: 1, .. })),
        "{changes:?}"
    );
    assert_eq!(told(changes[0].at), []);
}
