//! The fold of the presence lane.

use proptest::prelude::*;

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("an id")
}

fn record(node: u128, said: Vec<Said>) -> Record {
    Record {
        node: Uuid::from_u128(node),
        as_of: 0,
        at_ms: 5,
        said,
    }
}

fn is(name: &str, state: State) -> Said {
    Said::Is(user(name), state)
}

fn told(changes: &[Change]) -> Vec<(&str, State)> {
    changes
        .iter()
        .map(|change| (&*change.user, change.state))
        .collect()
}

#[test]
fn who_is_at_two_nodes_is_as_they_are_at_the_better_one() {
    use State::{Available, Away, Offline};
    let mut roll = Roll::default();
    let first = roll.apply(&record(1, vec![is("ann", Away)]));
    assert_eq!(told(&first), [("ann", Away)]);
    let second = roll.apply(&record(2, vec![is("ann", Available)]));
    assert_eq!(told(&second), [("ann", Available)]);
    assert_eq!(told(&roll.apply(&record(1, vec![is("ann", Offline)]))), []);
    let third = roll.apply(&record(2, vec![is("ann", Offline)]));
    assert_eq!(told(&third), [("ann", Offline)]);
    assert!(roll.is_empty());
}

#[test]
fn a_node_that_is_gone_takes_its_users_with_it_and_is_not_believed_any_more() {
    use State::{Available, Away, Offline};
    let mut roll = Roll::default();
    let both = [is("ann", Available), is("bob", Available), is("eve", Away)];
    roll.apply(&record(1, both.to_vec()));
    roll.apply(&record(2, vec![is("bob", Away)]));
    let lost = Said::Lost(Uuid::from_u128(1));
    let changes = roll.apply(&record(2, vec![lost]));
    assert_eq!(
        told(&changes),
        [("ann", Offline), ("bob", Away), ("eve", Offline)]
    );
    assert_eq!(
        told(&roll.apply(&record(1, vec![is("ann", Available)]))),
        []
    );
    assert!(roll.is_lost(Uuid::from_u128(1)));
    let again = roll.apply(&record(3, vec![is("ann", Available)]));
    assert_eq!(told(&again), [("ann", Available)]);
    assert_eq!(roll.nodes().count(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Is(u128, u8, State),
    Lost(u128),
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        Just(State::Offline),
        Just(State::Away),
        Just(State::Available)
    ];
    prop_oneof![
        20 => (0..6u128, 0..5u8, state).prop_map(|(node, user, state)| Step::Is(node, user, state)),
        1 => (0..6u128).prop_map(Step::Lost),
    ]
}

proptest! {
    /// Changes told are exactly the differences, and the roll is what a table of (node, user) says.
    #[test]
    fn the_roll_is_the_best_of_a_table(steps in prop::collection::vec(step(), 0..200)) {
        let mut roll = Roll::default();
        let mut table: HashMap<(u128, u8), State> = HashMap::new();
        let mut lost = HashSet::new();
        let mut seen: HashMap<UserId, State> = HashMap::new();
        for step in steps {
            let said = match &step {
                Step::Is(node, name, state) => {
                    if !lost.contains(node) {
                        table.insert((*node, *name), *state);
                    }
                    record(*node, vec![is(&name.to_string(), *state)])
                }
                Step::Lost(node) => {
                    lost.insert(*node);
                    table.retain(|(at, _), _| at != node);
                    record(100, vec![Said::Lost(Uuid::from_u128(*node))])
                }
            };
            for change in roll.apply(&said) {
                let before = seen.insert(change.user, change.state).unwrap_or_default();
                prop_assert_ne!(before, change.state);
            }
            for name in 0..5u8 {
                let best = (0..6).filter_map(|node| table.get(&(node, name)));
                let best = best.copied().max().unwrap_or_default();
                let name = name.to_string();
                prop_assert_eq!(roll.state(&name), best);
                prop_assert_eq!(seen.get(name.as_str()).copied().unwrap_or_default(), best);
            }
        }
    }
}
