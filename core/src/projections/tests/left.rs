//! What members see of messages that are changed after they have left.

use super::*;
use crate::{
    domain::{
        Content, ConversationId, Event, Stream, UserId,
        event::{Kind, Role},
    },
    history::play::{batch, commit},
    projections::read::{Text, Viewer},
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
