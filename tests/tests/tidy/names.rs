//! Names and openings of files: a file says what it is before anything else.

use crate::assert_clean;
use crate::repository::Repository;

/// Names that say nothing, and `mod.rs`, for which `log.rs` stands beside `log/` here.
const BANNED: &[&str] = &[
    "mod.rs",
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "helper.rs",
    "common.rs",
    "misc.rs",
];

#[test]
fn files_are_named_after_what_they_hold() {
    let repository = Repository::load();
    let paths = repository.files.iter().map(|file| file.path.as_str());
    assert_clean("files with a name that says nothing", &check_names(paths));
}

#[test]
fn every_rust_file_begins_by_saying_what_it_is() {
    let repository = Repository::load();
    let mut offenders = Vec::new();
    for (path, text) in repository.texts(".rs") {
        offenders.extend(check_opening(path, text));
    }
    assert_clean("files that do not begin with a `//!` comment", &offenders);
}

fn check_names<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = |path: &'a str| path.rsplit('/').next().unwrap_or(path);
    paths
        .filter(|path| BANNED.contains(&name(path)))
        .map(str::to_owned)
        .collect()
}

fn check_opening(path: &str, text: &str) -> Option<String> {
    let said = text
        .lines()
        .next()?
        .strip_prefix("//!")
        .is_some_and(|said| !said.trim().is_empty());
    (!said).then(|| path.to_owned())
}

#[test]
fn a_name_that_says_nothing_is_found() {
    let paths = [
        "core/src/log/mod.rs",
        "core/src/log.rs",
        "util.rs",
        "core/src/mod.rs.md",
    ];
    assert_eq!(
        check_names(paths.into_iter()),
        ["core/src/log/mod.rs", "util.rs"]
    );
}

#[test]
fn a_missing_opening_is_found() {
    assert_eq!(
        check_opening("a.rs", "use std::fmt;\n"),
        Some("a.rs".to_owned())
    );
    assert_eq!(
        check_opening("a.rs", "//!\n//! Late.\n"),
        Some("a.rs".to_owned())
    );
    assert_eq!(check_opening("a.rs", "//! Adds.\n"), None);
}
