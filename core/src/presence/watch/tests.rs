//! Watches: snapshots, what changes after them, and what is left out.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("an id")
}

fn see(states: &HashMap<UserId, State>) -> impl Fn(&UserId, &UserId, bool) -> Seen + '_ {
    |_, user, unseen| Seen {
        user: user.clone(),
        state: match unseen {
            true => State::Offline,
            false => states.get(user).copied().unwrap_or_default(),
        },
        seen_ms: 0,
    }
}

fn nobody() -> HashSet<UserId> {
    HashSet::new()
}

fn told(diff: &Diff) -> Vec<(&str, State)> {
    let mut told: Vec<_> = diff
        .users
        .iter()
        .map(|seen| (&*seen.user, seen.state))
        .collect();
    told.sort_unstable();
    told
}

#[test]
fn a_snapshot_comes_first_and_then_only_what_changed() {
    use State::{Available, Away, Offline};
    let mut states = HashMap::from_iter([(user("ann"), Available)]);
    let mut watching = Watching::default();
    let id = watching.open(user("eve"), ());
    let list = [user("ann"), user("bob"), user("ann")];
    let snapshot = watching
        .set(id, &list, None, nobody(), see(&states))
        .expect("a watch");
    assert!(snapshot.snapshot);
    assert_eq!(told(&snapshot), [("ann", Available), ("bob", Offline)]);

    let diffs = RefCell::new(Vec::new());
    let tell = |watching: &mut Watching<()>, states: &HashMap<UserId, State>, takes: bool| {
        watching.tell(
            usize::MAX,
            |()| takes,
            see(states),
            |(), diff| diffs.borrow_mut().push(diff),
        );
        std::mem::take(&mut *diffs.borrow_mut())
    };
    // There and back between two opportunities is nothing.
    states.insert(user("bob"), Away);
    watching.changed(&user("bob"));
    states.insert(user("bob"), Offline);
    watching.changed(&user("bob"));
    assert_eq!(tell(&mut watching, &states, true), []);
    // Who is slow is told later, and what is so then.
    states.insert(user("bob"), Away);
    watching.changed(&user("bob"));
    assert_eq!(tell(&mut watching, &states, false), []);
    assert_eq!(watching.due(), 1);
    states.insert(user("bob"), Available);
    watching.changed(&user("bob"));
    let late = tell(&mut watching, &states, true);
    assert_eq!(late.len(), 1);
    assert_eq!(
        (late[0].version, told(&late[0])),
        (2, vec![("bob", Available)])
    );
    assert_eq!(watching.due(), 0);
    // A contact who is scrolled away goes on being watched.
    watching.set(id, &list, Some(&[]), nobody(), see(&states));
    assert_eq!(watching.rosters_of(&user("eve")), [id]);
    watching.add(id, Why::Roster, &user("bob"));
    assert_eq!(tell(&mut watching, &states, true), []);
    watching.remove(id, Why::Listed, &user("ann"));
    watching.remove(id, Why::Listed, &user("bob"));
    watching.changed(&user("ann"));
    states.insert(user("bob"), Offline);
    watching.changed(&user("bob"));
    let last = tell(&mut watching, &states, true);
    assert_eq!(told(&last[0]), [("ann", Offline), ("bob", Offline)]);
    states.insert(user("bob"), Available);
    watching.changed(&user("bob"));
    assert_eq!(tell(&mut watching, &states, true).len(), 1);
    // Who is watched no more is told of as offline, and not again.
    watching.remove(id, Why::Roster, &user("bob"));
    let gone = tell(&mut watching, &states, true);
    assert_eq!(told(&gone[0]), [("bob", Offline)]);
    watching.changed(&user("bob"));
    assert_eq!(tell(&mut watching, &states, true), []);
    assert!(watching.by_user.is_empty());
    assert!(!watching.by_viewer.is_empty());
    watching.close(id);
    assert!(watching.is_empty());
}

#[test]
fn who_is_blocked_is_told_of_as_offline_until_they_are_not() {
    use State::{Available, Offline};
    let states = HashMap::from_iter([(user("ann"), Available), (user("bob"), Available)]);
    let mut watching = Watching::default();
    let id = watching.open(user("eve"), ());
    let list = [user("ann"), user("bob")];
    let unseen = HashSet::from_iter([user("bob")]);
    let snapshot = watching.set(id, &list, None, unseen, see(&states));
    assert_eq!(
        told(&snapshot.expect("a watch")),
        [("ann", Available), ("bob", Offline)]
    );
    let mut diffs = Vec::new();
    let mut tell = |watching: &mut Watching<()>| {
        watching.tell(
            usize::MAX,
            |()| true,
            see(&states),
            |(), diff| diffs.push(diff),
        );
        std::mem::take(&mut diffs)
    };
    // What changes of who is not seen is no news.
    watching.changed(&user("bob"));
    assert_eq!(tell(&mut watching), []);
    // Whoever of the two blocks the other.
    watching.blocked(&user("ann"), &user("eve"), true);
    assert_eq!(told(&tell(&mut watching)[0]), [("ann", Offline)]);
    watching.blocked(&user("eve"), &user("bob"), false);
    assert_eq!(told(&tell(&mut watching)[0]), [("bob", Available)]);
    // Of who is not watched nothing is told.
    watching.blocked(&user("eve"), &user("cyd"), true);
    assert_eq!(tell(&mut watching), []);
    watching.set(id, &[user("cyd")], None, nobody(), see(&states));
    watching.blocked(&user("ann"), &user("eve"), false);
    assert_eq!(tell(&mut watching), []);
}

#[test]
fn those_due_for_longest_are_told_first_and_the_slow_stay_due() {
    let mut states = HashMap::new();
    let mut watching = Watching::default();
    for viewer in 0..5 {
        let id = watching.open(user(&format!("viewer {viewer}")), viewer);
        watching.set(id, &[user("ann")], None, nobody(), see(&states));
    }
    states.insert(user("ann"), State::Available);
    watching.changed(&user("ann"));
    assert_eq!(watching.due(), 5);
    let diffs = RefCell::new(Vec::new());
    let tell = |watching: &mut Watching<i32>, most| {
        let slow = watching.tell(
            most,
            |viewer| *viewer != 1,
            see(&states),
            |viewer, _| diffs.borrow_mut().push(*viewer),
        );
        (slow, std::mem::take(&mut *diffs.borrow_mut()))
    };
    assert_eq!(tell(&mut watching, 2), (1, vec![0]));
    assert_eq!(watching.due(), 4);
    assert_eq!(tell(&mut watching, 3), (0, vec![2, 3, 4]));
    assert_eq!(tell(&mut watching, 3), (1, vec![]));
    assert_eq!(watching.due(), 1);
}

/// The version somebody has reached, and what they were told.
type View = (u64, HashMap<UserId, State>);

#[derive(Clone, Debug)]
enum Step {
    State(u8, u8),
    List(u8, Vec<u8>),
    Roster(u8, u8, bool),
    Tell(bool),
    Close(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6u8, 0..3u8).prop_map(|(user, state)| Step::State(user, state)),
        3 => (0..3u8, prop::collection::vec(0..6u8, 0..5)).prop_map(|(watch, list)| Step::List(watch, list)),
        3 => (0..3u8, 0..6u8, any::<bool>()).prop_map(|(watch, user, add)| Step::Roster(watch, user, add)),
        6 => any::<bool>().prop_map(Step::Tell),
        1 => (0..3u8).prop_map(Step::Close),
    ]
}

proptest! {
    /// After everything has been told, what somebody was told is what is so; versions have no holes, and
    /// a diff never repeats what was told.
    #[test]
    fn what_is_told_is_what_is_so(steps in prop::collection::vec(step(), 0..120)) {
        let name = |n: u8| user(&format!("user {n}"));
        let mut states: HashMap<UserId, State> = HashMap::new();
        let mut watching: Watching<u8> = Watching::default();
        let mut ids: HashMap<u8, WatchId> = HashMap::new();
        // What each has been told, and the version it has reached.
        let views: RefCell<HashMap<u8, View>> = RefCell::default();
        let mut wanted: HashMap<u8, (HashSet<UserId>, HashSet<UserId>)> = HashMap::new();
        let take = |watch: u8, diff: Diff| {
            let mut views = views.borrow_mut();
            let view = views.entry(watch).or_default();
            assert_eq!(diff.version, view.0 + 1);
            view.0 = diff.version;
            for seen in diff.users {
                let before = view.1.insert(seen.user, seen.state).unwrap_or_default();
                assert!(diff.snapshot || before != seen.state);
            }
        };
        for step in steps.into_iter().chain([Step::Tell(true)]) {
            match step {
                Step::State(who, state) => {
                    let state = [State::Offline, State::Away, State::Available][usize::from(state)];
                    states.insert(name(who), state);
                    watching.changed(&name(who));
                }
                Step::List(watch, list) => {
                    let id = *ids.entry(watch).or_insert_with(|| watching.open(name(watch), watch));
                    let list: Vec<_> = list.into_iter().map(name).collect();
                    let wanted = wanted.entry(watch).or_default();
                    wanted.0 = list.iter().cloned().collect();
                    // What is not watched any more is not known any more.
                    if let Some(view) = views.borrow_mut().get_mut(&watch) {
                        view.1.retain(|user, _| wanted.0.contains(user) || wanted.1.contains(user));
                    }
                    let roster: Vec<_> = wanted.1.iter().cloned().collect();
                    let diff = watching.set(id, &list, Some(&roster), nobody(), see(&states));
                    take(watch, diff.expect("open"));
                }
                Step::Roster(watch, who, add) => {
                    let Some(id) = ids.get(&watch) else { continue };
                    let wanted = wanted.entry(watch).or_default();
                    if add {
                        wanted.1.insert(name(who));
                        watching.add(*id, Why::Roster, &name(who));
                    } else {
                        wanted.1.remove(&name(who));
                        watching.remove(*id, Why::Roster, &name(who));
                    }
                }
                Step::Tell(takes) => {
                    // In two turns, as many as are due.
                    for most in [1, usize::MAX] {
                        watching.tell(most, |_| takes, see(&states), |watch, diff| take(*watch, diff));
                    }
                }
                Step::Close(watch) => {
                    if let Some(id) = ids.remove(&watch) {
                        watching.close(id);
                        views.borrow_mut().remove(&watch);
                        wanted.remove(&watch);
                    }
                }
            }
        }
        for (watch, (list, roster)) in wanted {
            let views = views.borrow();
            for user in list.union(&roster) {
                let is = states.get(user).copied().unwrap_or_default();
                let told = views.get(&watch).and_then(|view| view.1.get(user).copied());
                prop_assert_eq!(told.unwrap_or_default(), is);
            }
        }
    }
}
