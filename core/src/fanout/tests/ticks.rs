//! Who is told how far others have come.

use super::*;
use crate::history::play::{batch, commit};

fn id() -> ConversationId {
    ConversationId(Uuid::from_u128(1))
}

fn member(n: u32) -> UserId {
    UserId::new(&format!("m{n:02}")).expect("a user id")
}

/// A group of so many in which one of them reads a message. Returns what they and another are told.
fn ticks(vault: &Vault, members: u32) -> (Vec<What>, Vec<What>) {
    let projector = Projector::new(vault);
    let kind = Kind::Group {
        history_from_start: false,
        max_members: 100,
    };
    let mut events = vec![Event::ConversationStarted {
        kind,
        title: String::new(),
    }];
    events.extend((0..members).map(|n| Event::MemberJoined {
        user: member(n),
        role: Role::Member,
    }));
    events.push(Event::MessagePosted {
        seq: 1,
        countable_seq: 1,
        content: crate::domain::Content::Sealed(Bytes::new()),
        reply_to: 0,
        mentions: Vec::new(),
    });
    let stream = || Stream::Conversation(id());
    projector.project(&[commit(1, &[batch(stream(), "m00", events)])]);
    let (reader, _one) = projector.session(&member(1));
    let (other, _two) = projector.session(&member(2));
    projector.project(&[commit(
        2,
        &[batch(stream(), "m01", vec![Event::ReadUpTo { seq: 1 }])],
    )]);
    let whats = |session: &Recorder| {
        session
            .take()
            .into_iter()
            .map(|change| change.what)
            .collect()
    };
    (whats(&reader), whats(&other))
}

#[test]
fn everyone_is_told_in_small_conversations_and_the_reader_in_all() {
    let vault = Vault::new();
    let own = What::ReadUpTo {
        user: member(1),
        seq: 1,
        unread: Some((0, 2)),
    };
    let to_others = What::ReadUpTo {
        user: member(1),
        seq: 1,
        unread: None,
    };
    assert_eq!(
        ticks(&vault, TICKS_MEMBERS),
        (vec![own.clone()], vec![to_others])
    );
    assert_eq!(ticks(&vault, TICKS_MEMBERS + 1), (vec![own], vec![]));
}

#[test]
fn what_was_read_invisibly_is_not_told_where_this_is_behind_either() {
    let vault = Vault::new();
    let projector = Projector::new(&vault);
    let kind = Kind::Group {
        history_from_start: false,
        max_members: 100,
    };
    let mut events = vec![Event::ConversationStarted {
        kind,
        title: String::new(),
    }];
    events.extend((0..3).map(|n| Event::MemberJoined {
        user: member(n),
        role: Role::Member,
    }));
    events.extend((1..3).map(|seq| Event::MessagePosted {
        seq,
        countable_seq: seq,
        content: crate::domain::Content::Sealed(Bytes::new()),
        reply_to: 0,
        mentions: Vec::new(),
    }));
    let stream = || Stream::Conversation(id());
    projector.project(&[commit(1, &[batch(stream(), "m00", events)])]);
    let (other, _session) = projector.session(&member(2));
    let sees = |invisible| {
        let own = Stream::User(member(1));
        batch(own, "m01", vec![Event::VisibilityChanged { invisible }])
    };
    let reads = |seq| batch(stream(), "m01", vec![Event::ReadUpTo { seq }]);
    // All of it is in the rows before anybody is told of the first.
    projector.project(&[
        commit(2, &[sees(true)]),
        commit(3, &[reads(1)]),
        commit(4, &[sees(false)]),
        commit(5, &[reads(2)]),
    ]);
    let told: Vec<What> = other.take().into_iter().map(|change| change.what).collect();
    let read = What::ReadUpTo {
        user: member(1),
        seq: 2,
        unread: None,
    };
    assert_eq!(told, [read]);
}
