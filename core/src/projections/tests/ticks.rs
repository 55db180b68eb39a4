//! Who sees how far others have come.

use super::*;
use crate::{
    domain::{
        Content, ConversationId, Event, TICKS_MEMBERS, UserId,
        event::{Kind, Role},
    },
    history::play::{batch, commit},
    projections::{
        read::Viewer,
        resume::{Resume, What, since},
    },
};

fn id() -> ConversationId {
    ConversationId(Uuid::from_u128(1))
}

fn member(n: u32) -> UserId {
    UserId::new(&format!("m{n:02}")).expect("a user id")
}

fn joined(n: u32) -> Event {
    Event::MemberJoined {
        user: member(n),
        role: Role::Member,
    }
}

fn posted(seq: u64) -> Event {
    Event::MessagePosted {
        seq,
        countable_seq: seq,
        content: Content::Sealed(Default::default()),
        reply_to: 0,
        mentions: Vec::new(),
    }
}

/// What somebody did in the group, at a position.
fn did(projections: &Projections, who: u32, events: Vec<Event>) {
    let batch = batch(Stream::Conversation(id()), &member(who), events);
    fold(projections, commit(projections.cursor() + 1, &[batch]));
}

/// A group of so many, with a message by the first which all others have read.
fn group(members: u32, history_from_start: bool) -> (TempDir, Projections) {
    let (folder, projections) = empty();
    let kind = Kind::Group {
        history_from_start,
        max_members: 100,
    };
    let mut events = vec![Event::ConversationStarted {
        kind,
        title: String::new(),
    }];
    events.extend((0..members).map(joined));
    did(&projections, 0, events);
    did(&projections, 0, vec![posted(1)]);
    for n in 1..members {
        did(&projections, n, vec![Event::ReadUpTo { seq: 1 }]);
    }
    (folder, projections)
}

/// How many cursors of others the first member is shown, and how many moves resuming from the
/// message tells the first and the second one of.
fn shown(projections: &Projections) -> (usize, usize, usize) {
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &member(0)).expect("read");
    let view = read::conversation(&rows, rows.cursor(), &viewer, id()).expect("read");
    let moves = |who| {
        let viewer = Viewer::load(&rows, &member(who)).expect("read");
        match since(&rows, rows.cursor(), &viewer, (2, u32::MAX), 1_000).expect("read") {
            Resume::Changes(changes) => {
                let moved = |what: &What| matches!(what, What::ReadUpTo { .. });
                changes.iter().filter(|change| moved(&change.what)).count()
            }
            Resume::Gap => panic!("there is room"),
        }
    };
    (view.expect("a member").cursors.len(), moves(0), moves(1))
}

#[test]
fn ticks_are_shown_to_all_in_small_conversations_only() {
    let others = TICKS_MEMBERS as usize - 1;
    let (_folder, projections) = group(TICKS_MEMBERS, false);
    assert_eq!(shown(&projections), (others, others, others));
    let (_folder, projections) = group(TICKS_MEMBERS + 1, false);
    assert_eq!(
        shown(&projections),
        (0, 0, 1),
        "one's own is told all the same"
    );
    // And again once somebody has left.
    did(&projections, 5, vec![Event::MemberLeft { user: member(5) }]);
    assert_eq!(shown(&projections).0, others);
}

#[test]
fn ticks_of_one_message_are_counted_on_request_in_any() {
    let (_folder, projections) = group(TICKS_MEMBERS + 8, false);
    did(&projections, 0, vec![posted(2)]);
    did(&projections, 3, vec![Event::ReadUpTo { seq: 2 }]);
    did(&projections, 4, vec![Event::DeliveredUpTo { seq: 2 }]);
    did(&projections, 6, vec![Event::MemberLeft { user: member(6) }]);
    let rows = projections.read();
    let of = |seq| read::receipts(&rows, id(), &member(0), seq, 5).expect("read");
    let others = TICKS_MEMBERS + 8 - 2;
    let first = of(1);
    assert_eq!(
        (first.members, first.read, first.delivered),
        (others, others, others)
    );
    assert_eq!(first.cursors.len(), 5, "some of them");
    let second = of(2);
    assert_eq!(
        (second.members, second.read, second.delivered),
        (others, 1, 2)
    );
    let who: Vec<_> = second
        .cursors
        .iter()
        .map(|cursor| cursor.user.clone())
        .collect();
    assert_eq!(who, [member(3), member(4)]);
}

/// Joining puts the cursor to the end, so that nothing is unread, but it is no reading.
#[test]
fn who_has_just_joined_has_read_nothing_yet() {
    let (_folder, projections) = group(2, true);
    did(&projections, 0, vec![joined(9)]);
    let rows = projections.read();
    let receipts = read::receipts(&rows, id(), &member(0), 1, 5).expect("read");
    assert_eq!(
        (receipts.members, receipts.read, receipts.delivered),
        (2, 1, 1)
    );
    let viewer = Viewer::load(&rows, &member(0)).expect("read");
    let view = read::conversation(&rows, 9, &viewer, id())
        .expect("read")
        .expect("a member");
    let cursors = view
        .cursors
        .iter()
        .map(|c| (&*c.user, c.read_seq, c.delivered_seq));
    assert_eq!(cursors.collect::<Vec<_>>(), [("m01", 1, 1), ("m09", 0, 0)]);
    drop(rows);
    did(&projections, 0, vec![posted(2)]);
    did(&projections, 9, vec![Event::DeliveredUpTo { seq: 2 }]);
    let rows = projections.read();
    let receipts = read::receipts(&rows, id(), &member(0), 2, 5).expect("read");
    assert_eq!((receipts.read, receipts.delivered), (0, 1));
    let member = read::member(&rows, id(), &member(9))
        .expect("read")
        .expect("a member");
    assert_eq!((member.read_seq, member.ticks()), (1, (0, 2)));
}
