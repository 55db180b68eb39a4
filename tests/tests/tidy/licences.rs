//! What we depend on comes under a licence that `deny.toml` allows. cargo-deny checks more, where it is installed; this needs
//! nothing but cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use toml::{Table, Value};

use crate::assert_clean;
use crate::repository::Repository;

#[test]
fn every_dependency_has_an_allowed_licence() {
    let repository = Repository::load();
    let deny = repository.text("deny.toml").expect("deny.toml exists");
    let policy = Policy::parse(&deny.parse().expect("deny.toml is TOML"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--workspace",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}|{l}"])
        .current_dir(&repository.root)
        .output()
        .expect("cargo starts");
    assert!(
        tree.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).expect("cargo prints text");
    assert!(
        tree.contains("tidings-core "),
        "cargo tree printed no crate of ours:\n{tree}"
    );
    assert_clean(
        "dependencies under a licence that deny.toml does not allow",
        &check(&tree, &policy),
    );
}

struct Policy {
    allowed: BTreeSet<String>,
    /// What one crate alone may come under, by its name.
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

impl Policy {
    fn parse(deny: &Table) -> Self {
        let licenses = &deny["licenses"];
        let exceptions = licenses["exceptions"]
            .as_array()
            .expect("exceptions is a list")
            .iter();
        Self {
            allowed: strings(&licenses["allow"]),
            exceptions: exceptions
                .map(|entry| {
                    let name = entry["crate"]
                        .as_str()
                        .expect("an exception names its crate");
                    (name.to_owned(), strings(&entry["allow"]))
                })
                .collect(),
        }
    }

    fn allows(&self, name: &str, licence: &str) -> bool {
        self.allowed.contains(licence)
            || self
                .exceptions
                .get(name)
                .is_some_and(|allowed| allowed.contains(licence))
    }
}

fn strings(value: &Value) -> BTreeSet<String> {
    let array = value.as_array().expect("a list");
    array
        .iter()
        .map(|item| item.as_str().expect("a list of strings").to_owned())
        .collect()
}

/// The offenders among lines such as `bytes v1.12.1|MIT (*)`.
fn check(tree: &str, policy: &Policy) -> Vec<String> {
    let lines: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    let is_offender = |line: &&str| {
        let Some((package, expression)) = line.rsplit_once('|') else {
            return !line.is_empty();
        };
        let name = package.split(' ').next().unwrap_or(package);
        !is_allowed(expression, &|licence| policy.allows(name, licence))
    };
    lines
        .into_iter()
        .filter(is_offender)
        .map(str::to_owned)
        .collect()
}

/// Whether a licence expression can be satisfied. `AND` binds more tightly than `OR`; older crates write `/` for `OR`.
fn is_allowed(expression: &str, allows: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any(&mut words, allows) && words.is_empty()
}

// The words lie in reverse, the next one last. Both sides are always read to their end, so no operator short-circuits.
fn any(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = all(words, allows);
    while words.pop_if(|word| *word == "OR").is_some() {
        allowed |= all(words, allows);
    }
    allowed
}

fn all(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = one(words, allows);
    while words.pop_if(|word| *word == "AND").is_some() {
        allowed &= one(words, allows);
    }
    allowed
}

fn one(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> bool {
    match words.pop() {
        None => false,
        Some("(") => {
            let allowed = any(words, allows);
            words.pop_if(|word| *word == ")").is_some() && allowed
        }
        Some(licence) => {
            if words.pop_if(|word| *word == "WITH").is_none() {
                return allows(licence);
            }
            let exception = words.pop().unwrap_or("");
            allows(&format!("{licence} WITH {exception}"))
        }
    }
}

#[test]
fn a_licence_that_is_not_allowed_is_found() {
    let deny = "[licenses]\nallow = [\"MIT\", \"ISC\"]\nexceptions = [{ crate = \"roots\", allow = [\"MPL-2.0\"] }]";
    let policy = Policy::parse(&deny.parse().unwrap());
    let tree = "a v1.0.0|MIT\nb v1.0.0|GPL-3.0 OR MIT (*)\nc v1.0.0|GPL-3.0\nd v1.0.0|\ne v1.0.0|MIT AND GPL-3.0\n\
                f v1.0.0|GPL-3.0/ISC\nroots v1.0.0|MPL-2.0\ng v1.0.0|MPL-2.0\nh v1.0.0 (path)|(MIT OR GPL-3.0) AND ISC\n\
                i v1.0.0|MIT WITH x\nj v1.0.0|(MIT\nk v1.0.0|MIT ISC\n";
    assert_eq!(
        check(tree, &policy),
        [
            "c v1.0.0|GPL-3.0",
            "d v1.0.0|",
            "e v1.0.0|MIT AND GPL-3.0",
            "g v1.0.0|MPL-2.0",
            "i v1.0.0|MIT WITH x",
            "j v1.0.0|(MIT",
            "k v1.0.0|MIT ISC",
        ],
    );
}
