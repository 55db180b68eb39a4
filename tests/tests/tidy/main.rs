//! Holds the repository to its own rules: layers, names, links and licences.
//!
//! Every check lists all offenders, and has a test beside it that feeds it a bad input, so that none can pass by accident.

mod domain;
mod edges;
mod frozen;
mod licences;
mod links;
mod names;
mod private;
mod repository;

/// Fails with every offender, a line each.
#[track_caller]
fn assert_clean(rule: &str, offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}\n",
        offenders.join("\n  ")
    );
}
