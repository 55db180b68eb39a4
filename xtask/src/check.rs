//! The one definition of "checked".

use anyhow::{Result, bail};

use crate::steps::{Outcome, Step};
use crate::workspace::{Workspace, output, run};

/// The standard extensions: a workspace of their own, whose target folder is theirs also where another one is set for ours.
pub(crate) const STANDARD: &str = "extensions/standard/Cargo.toml";
pub(crate) const STANDARD_TARGET: &str = "extensions/standard/target";

/// The checks, in the order that reports the cheapest mistakes first.
pub(crate) fn steps(workspace: &Workspace) -> Vec<Step<'_>> {
    vec![
        Step::new("format", || format(workspace)),
        Step::new("types", || types(workspace)).needs(&["setup"]),
        Step::new("lints", || lints(workspace)),
        Step::new("deny", || deny(workspace)),
    ]
}

fn format(workspace: &Workspace) -> Result<Outcome> {
    run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    run(workspace
        .cargo()
        .args(["fmt", "--all", "--check", "--manifest-path", STANDARD]))?;
    Ok(Outcome::Done)
}

fn lints(workspace: &Workspace) -> Result<Outcome> {
    run(workspace.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(workspace.cargo().args([
        "clippy",
        "--manifest-path",
        STANDARD,
        "--target-dir",
        STANDARD_TARGET,
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(Outcome::Done)
}

/// The licence list is held by a test as well (`tests/tests/tidy`), so a machine without cargo-deny loses little, and
/// building it costs more minutes than the rest of the checks.
fn deny(workspace: &Workspace) -> Result<Outcome> {
    if output(workspace.cargo().args(["deny", "--version"])).is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (`cargo install cargo-deny --locked`)".to_owned(),
        ));
    }
    run(workspace
        .cargo()
        .args(["deny", "check", "licenses", "bans", "sources"]))?;
    Ok(Outcome::Done)
}

/// The types of the SDK and of the console, both written in JavaScript with declarations.
fn types(workspace: &Workspace) -> Result<Outcome> {
    let compiler = workspace.root.join("sdk/js/node_modules/.bin/tsc");
    for project in ["sdk/js", "console"] {
        if !workspace.root.join(project).join("tsconfig.json").is_file() {
            bail!("{project}/tsconfig.json is missing, so nothing says what to check");
        }
        run(workspace
            .command(&compiler)
            .args(["--noEmit", "-p", project]))?;
    }
    Ok(Outcome::Done)
}
