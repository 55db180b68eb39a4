//! Many who join at once.

use super::*;
use crate::history::play::{batch, commit};

fn id() -> ConversationId {
    ConversationId(Uuid::from_u128(1))
}

fn member(n: usize) -> UserId {
    UserId::new(&format!("m{n:04}")).expect("a user id")
}

fn joined(n: usize) -> Event {
    Event::MemberJoined {
        user: member(n),
        role: Role::Member,
    }
}

/// A group of ten, and then more by one command.
fn more(projector: &Projector<'_>, count: usize) -> [Vec<Change>; 2] {
    let kind = Kind::Group {
        history_from_start: false,
        max_members: 10_000,
    };
    let mut events = vec![Event::ConversationStarted {
        kind,
        title: String::new(),
    }];
    events.extend((0..10).map(joined));
    let stream = || Stream::Conversation(id());
    projector.project(&[commit(1, &[batch(stream(), "m0000", events)])]);
    let (before, _one) = projector.session(&member(3));
    let (new, _two) = projector.session(&member(12));
    let more = (10..10 + count).map(joined).collect();
    projector.project(&[commit(2, &[batch(stream(), "m0000", more)])]);
    [before.take(), new.take()]
}

#[test]
fn those_who_were_there_are_told_of_all_together() {
    let vault = Vault::new();
    let count = JOINED + 100;
    let projector = Projector::new(&vault);
    let [before, new] = more(&projector, count);
    let told: Vec<_> = before
        .iter()
        .map(|change| match &change.what {
            What::MembersJoined {
                users,
                member_count,
            } => (change.at, users.len(), *member_count as usize),
            other => panic!("{other:?}"),
        })
        .collect();
    let last = |n: usize| (2, n as u32 - 1);
    assert_eq!(
        told,
        [
            (last(JOINED), JOINED, 10 + JOINED),
            (last(count), 100, 10 + count)
        ]
    );
    match &new[..] {
        [change] => match &change.what {
            What::ConversationAdded(view) => assert_eq!(view.member_count as usize, 10 + count),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    // Whoever comes back is told in the same way.
    let resumed = projector.resume(&member(3), (1, u32::MAX));
    let users = resumed.iter().map(|change| match &change.what {
        What::MembersJoined { users, .. } => users.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(users.collect::<Vec<_>>(), [JOINED, 100]);
}
