//! The components that are committed are what their sources say: whoever changes one builds it again
//! (`extensions/build.sh`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::Digest;

/// A workspace of components, beside this crate.
fn workspace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// All files below, by their paths from `root`.
fn below(root: &Path, at: &str, found: &mut Vec<String>) {
    let path = root.join(at);
    if path.is_file() {
        found.push(at.to_owned());
        return;
    }
    for entry in fs::read_dir(&path).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        below(root, &format!("{at}/{}", name.to_string_lossy()), found);
    }
}

/// The WIT package as it is now, without its comments: published versions lie in a folder within.
fn wit(root: &Path) -> String {
    let entries = fs::read_dir(root.join("../../wit")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_wit = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "wit");
    let mut paths: Vec<PathBuf> = paths.filter(is_wit).collect();
    paths.sort();
    let mut kept = String::new();
    for path in paths {
        for line in fs::read_to_string(path).expect("text").lines() {
            let code = line.trim_start_matches(' ');
            if !code.is_empty() && !code.starts_with("//") {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

/// As `build.sh` computes it: the digest of the lines that `sha256sum` prints for the files, sorted by their paths, and then for the
/// WIT package.
fn sources(root: &Path, parts: &[String]) -> String {
    let mut files = Vec::new();
    for at in parts {
        below(root, at, &mut files);
    }
    files.sort();
    let line = |file: &String| {
        let bytes = fs::read(root.join(file)).expect("a file");
        format!("{}  {file}\n", Digest::of(&bytes))
    };
    let mut lines: String = files.iter().map(line).collect();
    lines.push_str(&format!("{}  -\n", Digest::of(wit(root).as_bytes())));
    Digest::of(lines.as_bytes()).to_string()
}

/// What is built there has to be of these parts, in which `*` is the component's name.
#[track_caller]
fn check(root: &Path, parts: &[&str]) {
    let mut stale = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(root.join("built")).expect("components were built") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|kind| kind != "wasm") {
            continue;
        }
        count += 1;
        let name = path.file_stem().expect("a name").to_string_lossy();
        let parts: Vec<String> = parts.iter().map(|part| part.replace('*', &name)).collect();
        let said = fs::read_to_string(path.with_extension("json")).expect("it stands beside");
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let component = Digest::of(&fs::read(&path).expect("a file")).to_string();
        if said["component_sha256"] != component {
            stale.push(format!("{name}: the component is another one"));
        }
        if said["sources_sha256"] != sources(root, &parts) {
            stale.push(format!(
                "{name}: its sources, or what `wit` says, have changed"
            ));
        }
    }
    assert!(count > 0);
    assert!(stale.is_empty(), "build them again: {stale:#?}");
}

#[test]
fn built_guests_are_those_of_the_sources() {
    let parts = [
        "*",
        "../guests/arena",
        "Cargo.toml",
        "Cargo.lock",
        "../build.sh",
        "../paths.sh",
    ];
    check(&workspace("guests"), &parts);
}

#[test]
fn the_built_standard_set_is_that_of_the_sources() {
    let parts = [
        "*/src",
        "*/Cargo.toml",
        "*/extension.toml",
        "*/settings.schema.json",
        "../guests/arena",
        "Cargo.toml",
        "Cargo.lock",
        "../build.sh",
        "../paths.sh",
        "embed.py",
    ];
    check(&workspace("standard"), &parts);
}
