//! The domain is pure: no clock, no randomness, no input or output, no threads.

use crate::assert_clean;
use crate::repository::Repository;

const BANNED: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::io",
    "SystemTime",
    "Instant",
    "rand",
    "async fn",
    "async move",
    "thread::",
    "std::thread",
];

/// Modules of `std` that a nested import could bring in without any of the words above.
const BANNED_IN_STD: &[&str] = &["fs", "net", "io", "thread", "process", "env"];

#[test]
fn the_domain_is_pure() {
    let repository = Repository::load();
    let is_domain =
        |path: &str| path == "core/src/domain.rs" || path.starts_with("core/src/domain/");
    let domain: Vec<_> = repository
        .texts(".rs")
        .filter(|(path, _)| is_domain(path))
        .collect();
    assert!(
        !domain.is_empty(),
        "the domain is no longer in core/src/domain: tell this test where it went"
    );
    let offenders: Vec<String> = domain
        .iter()
        .flat_map(|(path, text)| check(path, text))
        .collect();
    assert_clean("words that have no place in the domain", &offenders);
}

/// The banned words in a file's code; what its comments say is free.
fn check(path: &str, text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    let mut offenders = Vec::new();
    for (number, line) in code.iter().enumerate() {
        for word in BANNED.iter().filter(|word| contains_word(line, word)) {
            offenders.push(format!("{path}:{}: `{word}`", number + 1));
        }
    }
    let code = code.join("\n");
    for import in nested_imports_of_std(&code) {
        for module in BANNED_IN_STD
            .iter()
            .filter(|module| contains_word(import, module))
        {
            offenders.push(format!("{path}: `std::{{.. {module} ..}}`"));
        }
    }
    offenders
}

/// What stands between the braces of each `std::{..}`.
fn nested_imports_of_std(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("std::{").map(|(at, opening)| {
        let rest = &code[at + opening.len()..];
        let mut depth = 1;
        let end = rest.find(|letter| {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Whether the word occurs with no letter, digit or underscore against either end that has one itself.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    line.match_indices(word).any(|(at, _)| {
        let before = is_part(line[..at].chars().next_back()) && is_part(word.chars().next());
        let after =
            is_part(line[at + word.len()..].chars().next()) && is_part(word.chars().next_back());
        !before && !after
    })
}

#[test]
fn impure_code_is_found_and_words_that_contain_a_banned_one_are_not() {
    for bad in [
        "use tokio::sync::mpsc;",
        "let file = std::fs::read(path);",
        "use std::net::SocketAddr;",
        "let now = SystemTime::now();",
        "let now = std::time::Instant::now();",
        "let dice = rand::random();",
        "pub async fn decide() {}",
        "thread::spawn(|| ());",
        "use std::{collections::BTreeMap, fs};",
        "use std::{\n    collections::{BTreeMap},\n    thread,\n};",
    ] {
        assert_eq!(
            check("bad.rs", bad).len(),
            1,
            "{bad}: {:?}",
            check("bad.rs", bad)
        );
    }
    for good in [
        "// rand and tokio are for others",
        "let operand = 1; let random_walk = Instantiated;",
        "use std::{collections::BTreeMap, fmt};",
        "let thread = conversation.thread;",
    ] {
        assert_eq!(check("good.rs", good), Vec::<String>::new(), "{good}");
    }
}
