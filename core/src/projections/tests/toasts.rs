//! Toasts and badges of those who are erased, and of whom nobody is to be told any more.

use super::*;
use crate::{
    domain::Content,
    history::play::{batch, commit},
    projections::resume::went_at,
};

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn queued(toast: u64, about: Option<&str>) -> Event {
    Event::ToastQueued {
        toast,
        source: "likes".to_owned(),
        collapse: None,
        content: Content::Sealed(bytes::Bytes::from_static(b"sealed")),
        about_user: about.map(user),
        about_conversation: None,
        expires_ms: 9_000_000,
        replaces: Vec::new(),
    }
}

fn of(whose: &str, events: Vec<Event>) -> crate::commit::Batch {
    batch(Stream::User(user(whose)), whose, events)
}

fn waiting(projections: &Projections, whose: &str) -> Vec<u64> {
    let toasts = read::toasts(&projections.read(), &user(whose), 0).expect("reads");
    toasts.into_iter().map(|toast| toast.toast).collect()
}

/// Rows of a table.
fn count(projections: &Projections, table: Table) -> usize {
    let rows = projections.read();
    let mut count = 0;
    rows::Rows::scan(&rows, table, &[], &[0xff; 64], false, &mut |_, _| {
        count += 1;
        std::ops::ControlFlow::Continue(())
    })
    .expect("reads");
    count
}

#[test]
fn what_tells_of_somebody_goes_with_them_and_so_does_what_is_theirs() {
    let (_folder, projections) = empty();
    let badge = Event::BadgeSet {
        source: "likes".to_owned(),
        name: "new".to_owned(),
        count: 3,
    };
    fold(
        &projections,
        commit(
            1,
            &[
                of("ann", vec![queued(1, Some("ben")), queued(2, None)]),
                of("a", vec![queued(1, Some("ben")), queued(2, Some("be"))]),
                of("ben", vec![queued(1, Some("ann")), badge]),
            ],
        ),
    );
    assert_eq!(
        read::toasted_about(&projections.read(), &user("ben")).expect("reads"),
        [user("a"), user("ann")]
    );
    fold(
        &projections,
        commit(2, &[of("ben", vec![Event::UserErased])]),
    );
    assert_eq!(waiting(&projections, "ann"), [2]);
    assert_eq!(waiting(&projections, "a"), [2]);
    assert_eq!(waiting(&projections, "ben"), Vec::<u64>::new());
    assert_eq!(count(&projections, Table::ToastsAbout), 1);
    assert_eq!(count(&projections, Table::Badges), 0);
    // Those who had them are told, wherever they were.
    for (whose, gone) in [("ann", vec![1]), ("a", vec![1]), ("ben", vec![])] {
        let rows = projections.read();
        let went = went_at(&rows, &user(whose), (2, 0)).expect("reads");
        assert_eq!(went, gone, "{whose}");
    }
    // Ann's writer did not know it yet, and nothing is parked for that.
    let seen = Event::ToastsSeen { toasts: vec![1] };
    fold(&projections, commit(3, &[of("ann", vec![seen])]));
    let late = [of("ann", vec![queued(3, Some("ben")), queued(4, None)])];
    fold(&projections, commit(4, &late));
    assert_eq!(waiting(&projections, "ann"), [2, 4]);
}

#[test]
fn a_toast_out_of_its_turn_makes_no_sense() {
    let (_folder, projections) = empty();
    fold(&projections, commit(1, &[of("ann", vec![queued(1, None)])]));
    let twice = commit(2, &[of("ann", vec![queued(3, None)])]);
    let parked = projections.apply(&[twice]).expect("folds");
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reason, "toast 3 follows toast 1");
    assert!(projections.is_parked(&Stream::User(user("ann"))));
}
