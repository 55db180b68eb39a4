//! Documents point at files that exist.

use std::path::{Component, Path, PathBuf};

use crate::assert_clean;
use crate::repository::Repository;

#[test]
fn every_relative_link_leads_somewhere() {
    let repository = Repository::load();
    let mut offenders = Vec::new();
    for (path, text) in repository.texts(".md") {
        offenders.extend(check_links(path, text, |target| {
            repository.root.join(target).exists()
        }));
    }
    assert_clean("links that lead nowhere", &offenders);
}

#[test]
fn every_path_in_the_architecture_exists() {
    let repository = Repository::load();
    let Some(text) = repository.text("ARCHITECTURE.md") else {
        return;
    };
    let offenders = check_paths("ARCHITECTURE.md", text, |path| {
        let first = path.split('/').next().unwrap_or(path);
        repository.is_ignored(first) || repository.root.join(path).exists()
    });
    assert_clean("paths that lead nowhere", &offenders);
}

/// The relative links of a document whose target does not exist, seen from the document's folder.
fn check_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut offenders = Vec::new();
    for (number, line) in prose(text) {
        for target in targets(&outside_code(line)) {
            let file = target.split(['#', '?']).next().unwrap_or("");
            let is_elsewhere = target.starts_with('#') || has_scheme(target);
            let leads = !file.starts_with('/')
                && within_root(&folder.join(file)).is_some_and(|file| exists(&file));
            if !is_elsewhere && !leads {
                offenders.push(format!("{path}:{number}: {target}"));
            }
        }
    }
    offenders
}

/// The paths in backticks, seen from the root, that do not exist. `{a,b}` stands for each.
fn check_paths(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for (number, line) in prose(text) {
        let spans = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| looks_like_path(span));
        for named in spans.flat_map(expand) {
            if !exists(&named) {
                offenders.push(format!("{path}:{number}: {named}"));
            }
        }
    }
    offenders
}

/// The lines outside fenced blocks, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!fenced && !is_fence).then_some((number, line))
    })
}

/// A line without its code spans, whose brackets are no links.
fn outside_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The targets of the links on a line: `[text](target "title")` and `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let mut found: Vec<&str> = line
        .match_indices("](")
        .filter_map(|(at, opening)| line[at + opening.len()..].split(')').next())
        .collect();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(target);
    }
    let trimmed = found
        .into_iter()
        .filter_map(|target| target.split_whitespace().next());
    trimmed
        .map(|target| target.trim_matches(['<', '>']))
        .collect()
}

fn has_scheme(target: &str) -> bool {
    target
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.contains(['/', '.', '#']))
}

/// The path with `..` resolved, unless it leaves the root.
fn within_root(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir if resolved.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(resolved)
}

/// Whether a code span is a path from the root: it has a slash, and an extension or a slash at its end.
fn looks_like_path(span: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-{},".contains(letter);
    if span.starts_with('/') || !span.contains('/') || !span.chars().all(is_plain) {
        return false;
    }
    let last = span.rsplit('/').next().unwrap_or(span);
    let has_extension = last.rsplit_once('.').is_some_and(|(_, extension)| {
        (1..=5).contains(&extension.len())
            && extension.starts_with(|c: char| c.is_ascii_lowercase())
    });
    last.is_empty() || has_extension || span.ends_with('}')
}

/// Every path that a span with one or more `{a,b}` stands for.
fn expand(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('{') else {
        return vec![span.to_owned()];
    };
    let Some((choices, after)) = rest.split_once('}') else {
        return vec![span.to_owned()];
    };
    choices
        .split(',')
        .flat_map(|choice| expand(&format!("{before}{choice}{after}")))
        .collect()
}

#[test]
fn a_broken_link_is_found() {
    let text = "See [the log](../core/log.md#positions), [this](gone.md) and [that](https://example.org/x.md).\n\
                [ref]: also-gone.md\n\
                `[code](no-link.md)` and [here](#below) and [mail](mailto:a@example.org)\n\
                ```\n[fenced](no-link.md)\n```\n\
                [absolute](/docs/a.md) [out](../../out.md)\n";
    let offenders = check_links("docs/a.md", text, |path| path == Path::new("core/log.md"));
    assert_eq!(
        offenders,
        [
            "docs/a.md:1: gone.md",
            "docs/a.md:2: also-gone.md",
            "docs/a.md:7: /docs/a.md",
            "docs/a.md:7: ../../out.md",
        ],
    );
}

#[test]
fn a_path_that_went_away_is_found() {
    let text = "`core/src/log.rs` beside `core/src/{log,gone}/`, `sdk/js/{a,b}.js`; not `text/plain`, `tidings/1`, `a::b/`, \
                `/v1/sync.json` nor `log.rs`.\n";
    let offenders = check_paths("A.md", text, |path| {
        path == "core/src/log.rs" || path == "core/src/log/"
    });
    assert_eq!(
        offenders,
        [
            "A.md:1: core/src/gone/",
            "A.md:1: sdk/js/a.js",
            "A.md:1: sdk/js/b.js"
        ]
    );
}
