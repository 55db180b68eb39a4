//! State plus changes is the fresh state, from any cursor.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::UserId,
    history::{
        Act, Client, Deed, Play,
        act::users,
        acts,
        client::{self, unseal},
    },
    projections::{
        read::Viewer,
        resume::{Change, Resume, What, since},
    },
};

/// Enough for every change there is.
const ALL: usize = 10_000;

fn changes(
    rows: &Snapshot<'_>,
    user: &UserId,
    cursor: (u64, u32),
    limit: usize,
) -> Option<Vec<Change>> {
    let viewer = Viewer::load(rows, user).expect("read");
    match since(rows, rows.cursor(), &viewer, cursor, limit).expect("read") {
        Resume::Gap => None,
        Resume::Changes(mut changes) => {
            for change in &mut changes {
                match &mut change.what {
                    What::MessagePosted(message) => client::unsealed(message),
                    What::MessageEdited { text, .. } => unseal(text),
                    What::ToastQueued { toast, .. } => client::unsealed_toast(toast),
                    What::ConversationAdded(view) => {
                        view.last_message.iter_mut().for_each(client::unsealed);
                    }
                    _ => {}
                }
            }
            Some(changes)
        }
    }
}

/// Everybody's state as it is now.
fn states(projections: &Projections) -> Vec<Client> {
    let rows = projections.read();
    users()
        .map(|user| Client::fresh(&rows, &user, &client::unsealed, &client::unsealed_toast))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whoever held a state once and applies what happened since, holds what is there now. What
    /// does not fit is never given in part.
    #[test]
    fn from_any_cursor(
        acts in acts(20..140),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 32),
        limit in 0..30_usize,
    ) {
        let (_folder, projections) = empty();
        let mut play = Play::new();
        // By position.
        let mut once = vec![states(&projections)];
        fold(&projections, play.commit().expect("the start"));
        once.push(states(&projections));
        for act in &acts {
            play.act(act);
            let Some(commit) = act.ends_commit.then(|| play.commit()).flatten() else { continue };
            fold(&projections, commit);
            let now = states(&projections);
            let pick = &picks[play.position() as usize % picks.len()];
            let rows = projections.read();
            for (index, user) in users().enumerate() {
                let mut client = pick.get(&once)[index].clone();
                let changes_since = changes(&rows, &user, client.cursor, ALL).expect("there is room");
                prop_assert!(changes_since.is_sorted_by(|a, b| a.at < b.at), "each has a place of its own");
                prop_assert!(changes_since.iter().all(|change| change.at > client.cursor));
                if let Some(fitting) = changes(&rows, &user, client.cursor, limit) {
                    prop_assert!(fitting.len() <= limit);
                    prop_assert_eq!(&fitting, &changes_since);
                }
                let mut twice = client.clone();
                for change in &changes_since {
                    client.apply(change).map_err(TestCaseError::fail)?;
                }
                // A connection that is cut and resumed again and again comes to the same.
                let next = |cursor| changes(&rows, &user, cursor, ALL).expect("room").into_iter().next();
                while let Some(change) = next(twice.cursor) {
                    twice.apply(&change).map_err(TestCaseError::fail)?;
                }
                client.check(&now[index]).map_err(TestCaseError::fail)?;
                twice.check(&now[index]).map_err(TestCaseError::fail)?;
            }
            drop(rows);
            once.push(now);
        }
    }
}

/// Plays acts by numbers and folds them, each in a commit of its own.
fn folded(acts: &[(usize, usize, Deed)]) -> (TempDir, Projections) {
    let (folder, projections) = empty();
    let act = |(who, place, deed): &(usize, usize, Deed)| Act {
        who: *who,
        by_member: false,
        place: *place,
        deed: deed.clone(),
        ends_commit: true,
    };
    let (_, commits) = Play::new().all(&Vec::from_iter(acts.iter().map(act)));
    for commit in commits {
        fold(&projections, commit);
    }
    (folder, projections)
}

const POST: Deed = Deed::Post {
    reply_back: None,
    mention: None,
};

/// Somebody is cut off between two joinings that are told of together.
#[test]
fn joinings_are_not_passed_by_a_change_between_them() {
    let act = |(place, deed, ends_commit)| Act {
        who: 0,
        by_member: false,
        place,
        deed,
        ends_commit,
    };
    let acts = [
        (3, Deed::Remove { user: 1 }, false),
        (3, Deed::Remove { user: 2 }, true),
        (3, Deed::Add { users: vec![1] }, false),
        (4, POST, false),
        (3, Deed::Add { users: vec![2] }, true),
    ];
    let (_folder, projections) = empty();
    let (_, commits) = Play::new().all(&acts.map(act));
    for commit in commits {
        fold(&projections, commit);
    }
    let rows = projections.read();
    let user = crate::history::act::user(0);
    let told = |cursor| changes(&rows, &user, cursor, ALL).expect("room");
    let last = told((2, u32::MAX));
    let joined = |changes: &[Change]| {
        let joined = changes.iter().filter_map(|change| match &change.what {
            What::MembersJoined { users, .. } => Some(users.clone()),
            _ => None,
        });
        joined.flatten().collect::<std::collections::BTreeSet<_>>()
    };
    let all = joined(&last);
    assert_eq!(all.len(), 2);
    for cut in 1..=last.len() {
        let mut seen = joined(&last[..cut]);
        seen.extend(joined(&told(last[cut - 1].at)));
        assert_eq!(seen, all, "cut after {cut}");
    }
}

/// Changes that say nothing to the viewer must not push out those that do.
#[test]
fn many_silent_changes_make_a_gap_and_lose_nothing() {
    let mut acts = vec![(0, 3, POST)];
    for n in 0..12 {
        let which = n % 2;
        acts.push((1, 3, Deed::React { back: 0, which }));
        acts.push((1, 3, Deed::Unreact { back: 0, which }));
    }
    acts.push((0, 3, Deed::SetTitle { n: 1 }));
    let (_folder, projections) = folded(&acts);
    let rows = projections.read();
    let all = changes(&rows, &crate::history::act::user(2), (1, u32::MAX), ALL).expect("room");
    // The reactions are in the message as it is shown.
    assert!(matches!(
        all.iter().map(|change| &change.what).collect::<Vec<_>>()[..],
        [What::MessagePosted(_), What::TitleChanged { .. }]
    ));
    for limit in 0..40 {
        let found = changes(&rows, &crate::history::act::user(2), (1, u32::MAX), limit);
        assert!(found.is_none_or(|found| found == all), "limit {limit}");
    }
}

#[test]
fn who_has_left_is_told_only_of_what_is_taken_back() {
    let acts = [
        (0, 3, POST),
        (2, 3, Deed::Leave { force: false }),
        (0, 3, POST),
        (0, 3, Deed::SetTitle { n: 1 }),
        (
            1,
            3,
            Deed::Cursors {
                read_back: Some(0),
                delivered_back: None,
            },
        ),
        (0, 3, Deed::Remove { user: 1 }),
    ];
    let (_folder, projections) = folded(&acts);
    let rows = projections.read();
    let all = changes(&rows, &crate::history::act::user(2), (1, u32::MAX), ALL).expect("room");
    let [posted, left] = &all[..] else {
        panic!("two changes, not {all:#?}")
    };
    assert_eq!((posted.at.0, left.at.0), (2, 3));
    assert!(matches!(
        left.what,
        What::MemberLeft {
            member_count: 2,
            removed: false,
            ..
        }
    ));
    let viewer = Viewer::load(&rows, &crate::history::act::user(2)).expect("read");
    let view = read::conversation(&rows, 7, &viewer, crate::history::act::place(3));
    let view = view.expect("read").expect("still theirs");
    assert_eq!(
        (&*view.title, view.member_count, view.last_seq),
        ("first", 2, 1)
    );
    assert_eq!((view.role, view.cursors, view.unread), (None, vec![], 0));
}
