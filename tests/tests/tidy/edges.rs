//! Which of our crates may depend on which.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::assert_clean;
use crate::repository::Repository;

/// What each crate may depend on, among ours, in any section of its manifest. What a crate isn't listed with, it may not use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tidings-core", &[]),
    ("tidings-protocol", &[]),
    (
        "tidings-gateway",
        &[
            "tidings-core",
            "tidings-extensions",
            "tidings-protocol",
            "tidings-search",
        ],
    ),
    ("tidings-sdk", &["tidings-protocol"]),
    (
        "tidings-bench",
        &[
            "tidings-extension-host",
            "tidings-protocol",
            "tidings-sdk",
            "tidings-search",
        ],
    ),
    (
        "tidings-cli",
        &[
            "tidings-bench",
            "tidings-core",
            "tidings-extension-manifest",
            "tidings-extension-tools",
            "tidings-extensions",
            "tidings-gateway",
            "tidings-protocol",
            "tidings-sdk",
            "tidings-search",
        ],
    ),
    (
        "tidings-tests",
        &[
            "tidings-bench",
            "tidings-cli",
            "tidings-core",
            "tidings-extension-manifest",
            "tidings-gateway",
            "tidings-protocol",
            "tidings-sdk",
        ],
    ),
    (
        "tidings-fuzz-properties",
        &[
            "tidings-core",
            "tidings-gateway",
            "tidings-protocol",
            "tidings-search",
        ],
    ),
    ("tidings-search", &[]),
    ("tidings-extension-host", &[]),
    ("tidings-extension-manifest", &[]),
    (
        "tidings-extension-tools",
        &["tidings-extension-host", "tidings-extension-manifest"],
    ),
    (
        "tidings-extensions",
        &[
            "tidings-core",
            "tidings-extension-host",
            "tidings-extension-manifest",
        ],
    ),
    ("xtask", &[]),
];

#[test]
fn crates_depend_only_on_the_layers_below() {
    let repository = Repository::load();
    let root = parse(
        repository
            .text("Cargo.toml")
            .expect("the workspace has a manifest"),
    );
    let members = strings(&root["workspace"]["members"]);
    assert!(!members.is_empty(), "the workspace has no members");
    let manifests: Vec<Table> = members
        .iter()
        .map(|member| {
            let path = format!("{member}/Cargo.toml");
            parse(
                repository
                    .text(&path)
                    .unwrap_or_else(|| panic!("{path} is missing")),
            )
        })
        .collect();
    assert_clean(
        "crates that depend on what they may not (tests/tests/tidy/edges.rs)",
        &check(&manifests),
    );
}

/// What breaks the table, given the manifests of all members.
fn check(manifests: &[Table]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut offenders = Vec::new();
    for manifest in manifests {
        let name = manifest["package"]["name"]
            .as_str()
            .expect("a package has a name");
        let Some(allowed) = allowed.get(name) else {
            offenders.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in dependencies(manifest) {
            let ours = dependency.starts_with("tidings") || dependency == "xtask";
            if ours && !allowed.contains(&dependency.as_str()) {
                offenders.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    offenders
}

/// The packages named in any dependency section, for any target.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(Value::as_table)),
    );
    let mut found = BTreeSet::new();
    for table in tables {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(section) = table.get(section).and_then(Value::as_table) else {
                continue;
            };
            for (name, dependency) in section {
                let package = dependency.get("package").and_then(Value::as_str);
                found.insert(package.unwrap_or(name).to_owned());
            }
        }
    }
    found
}

fn parse(text: &str) -> Table {
    text.parse()
        .unwrap_or_else(|error| panic!("a manifest is no TOML: {error}\n{text}"))
}

fn strings(value: &Value) -> Vec<String> {
    let array = value.as_array().expect("a list");
    array
        .iter()
        .map(|item| item.as_str().expect("a list of strings").to_owned())
        .collect()
}

#[test]
fn a_forbidden_edge_is_found_in_every_section() {
    let manifests = [
        parse(
            "[package]\nname = \"tidings-core\"\n[dependencies]\ntidings-protocol.workspace = true\nbytes = \"1\"",
        ),
        parse(
            "[package]\nname = \"tidings-sdk\"\n[dev-dependencies]\ntidings-gateway = { path = \"..\" }",
        ),
        parse(
            "[package]\nname = \"tidings-gateway\"\n[build-dependencies]\nx = { package = \"tidings-cli\" }",
        ),
        parse(
            "[package]\nname = \"tidings-protocol\"\n[target.'cfg(unix)'.dependencies]\nxtask = \"1\"",
        ),
        parse("[package]\nname = \"tidings-new\""),
        parse("[package]\nname = \"tidings-cli\"\n[dependencies]\ntidings-core.workspace = true"),
    ];
    assert_eq!(
        check(&manifests),
        [
            "tidings-core depends on tidings-protocol",
            "tidings-sdk depends on tidings-gateway",
            "tidings-gateway depends on tidings-cli",
            "tidings-protocol depends on xtask",
            "tidings-new is not in the table",
        ],
    );
}
