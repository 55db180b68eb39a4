//! Replay equals live: however the log is cut into transactions, the rows are the same.

use proptest::prelude::*;

use super::*;
use crate::history::{Play, acts};

/// Compares all rows.
fn same(a: &Projections, b: &Projections) -> Result<(), TestCaseError> {
    let report = audit::compare(a, b).expect("reads");
    prop_assert!(report.is_clean(), "{report:?}");
    prop_assert!(report.rows > 0);
    prop_assert_eq!(report.position, b.cursor());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_by_one_or_together_or_after_a_restart(
        acts in acts(20..160),
        cuts in prop::collection::vec((1..20_usize, any::<bool>()), 1..6),
    ) {
        let (_, commits) = Play::new().all(&acts);
        let (_first, one_by_one) = empty();
        for commit in &commits {
            one_by_one.apply(std::slice::from_ref(commit)).expect("folds");
        }
        let (_second, together) = empty();
        together.apply(&commits).expect("folds");
        same(&one_by_one, &together)?;

        // In pieces, with the store closed after each; what was not on disk is folded again.
        let (folder, mut restarted) = empty();
        for (size, flush) in cuts {
            let folded = restarted.cursor() as usize;
            restarted.apply(&commits[folded..commits.len().min(folded + size)]).expect("folds");
            if flush {
                restarted.flush().expect("flushes");
            }
            drop(restarted);
            restarted = Projections::open(folder.path(), identity()).expect("opens");
        }
        restarted.apply(&commits[restarted.cursor() as usize..]).expect("folds");
        same(&restarted, &together)?;
    }
}

#[test]
fn an_audit_names_what_differs() {
    let (_first, found) = empty();
    let (_second, expected) = empty();
    let commit = Play::new().commit().expect("the start");
    fold(&found, commit.clone());
    fold(&expected, commit);
    let mut tx = found.store().write();
    tx.delete(
        Table::Members,
        &rows::member(crate::history::act::place(0), "a"),
    );
    tx.put(Table::Commands, b"new", vec![1]);
    tx.put(Table::Meta, b"parked", vec![1]);
    tx.commit(1);
    let mut tx = expected.store().write();
    tx.put(Table::Meta, b"parked", vec![2]);
    tx.commit(1);
    let report = audit::compare(&found, &expected).expect("reads");
    let listed: Vec<_> = report
        .listed
        .iter()
        .map(|(table, _, wrong)| (*table, *wrong))
        .collect();
    assert_eq!(
        listed,
        [
            ("members", "missing"),
            ("commands", "should not be there"),
            ("meta", "differs")
        ]
    );
    assert_eq!(report.differences, 3);
    assert!(!report.is_clean());
}
