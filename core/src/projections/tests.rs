//! Folding and reading, examined with random histories.

use tempfile::TempDir;
use uuid::Uuid;

use super::*;

mod cost;
mod damage;
mod left;
mod reads;
mod replay;
mod resume;
mod ticks;
mod toasts;

/// The log these rows are folded from.
fn identity() -> Identity {
    Identity {
        epoch: Uuid::from_u128(9),
        shards: 1,
    }
}

/// Empty projections in a folder that goes with the first part.
fn empty() -> (TempDir, Projections) {
    let folder = TempDir::new().expect("a temporary folder");
    let projections = Projections::open(folder.path(), identity()).expect("opens");
    (folder, projections)
}

/// Folds one commit, which makes sense.
fn fold(projections: &Projections, commit: Commit) {
    let parked = projections.apply(&[commit]).expect("folds");
    assert_eq!(parked, [], "everything makes sense");
}
