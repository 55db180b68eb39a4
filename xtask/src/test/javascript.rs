//! Tests under node's own runner: those that need node alone, and those that drive a browser.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run as run_in_view};

/// Where a test file runs. Files of the console, and those with `browser` in their path, drive a browser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Node,
    Browser,
}

const FOLDERS: &[&str] = &["sdk/js", "console"];

/// A file that hangs is stopped after this many milliseconds.
const TIMEOUT: &str = "--test-timeout=300000";

/// Runs every test file of a kind. Finding none is a failure: a folder that moved must not read as a pass.
pub(crate) fn run(workspace: &Workspace, kind: Kind) -> Result<()> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&workspace.root.join(folder), &mut files)?;
    }
    files.retain(|file| kind_of(workspace.relative(file)) == kind);
    files.sort();
    if files.is_empty() {
        bail!(
            "no {kind:?} test (a file named *.test.js) in {}",
            FOLDERS.join(" or ")
        );
    }
    run_in_view(
        workspace
            .command("node")
            .args(["--test", TIMEOUT])
            .args(files.iter().map(|file| workspace.relative(file))),
    )
}

fn kind_of(file: &Path) -> Kind {
    let text = file.to_string_lossy();
    if text.starts_with("console/") || text.contains("browser") {
        Kind::Browser
    } else {
        Kind::Node
    }
}

fn is_test(name: &str) -> bool {
    [".test.js", ".test.mjs"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Adds the test files below a folder; a folder that is not there has none.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if name != "node_modules" {
                collect(&entry.path(), files)?;
            }
        } else if is_test(&name) {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_where_a_test_runs() {
        assert_eq!(kind_of(Path::new("sdk/js/test/outbox.test.js")), Kind::Node);
        assert_eq!(
            kind_of(Path::new("sdk/js/test/browser/webtransport.test.js")),
            Kind::Browser
        );
        assert_eq!(
            kind_of(Path::new("sdk/js/test/browser.test.js")),
            Kind::Browser
        );
        assert_eq!(
            kind_of(Path::new("console/test/page.test.js")),
            Kind::Browser
        );
    }

    #[test]
    fn only_test_files_are_run() {
        assert!(is_test("outbox.test.js"));
        assert!(is_test("outbox.test.mjs"));
        assert!(!is_test("server.js"));
    }
}
