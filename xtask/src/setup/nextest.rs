//! cargo-nextest, the Rust test runner.

use anyhow::{Context, Result};

use crate::workspace::{Workspace, output};

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    if let Ok(version) = version(workspace) {
        return Ok(format!("found: {version}"));
    }
    println!("cargo-nextest  not there: building it, which takes some minutes");
    output(
        workspace
            .cargo()
            .args(["install", "cargo-nextest", "--locked"]),
    )?;
    Ok(format!("installed: {}", version(workspace)?))
}

fn version(workspace: &Workspace) -> Result<String> {
    let printed = output(workspace.cargo().args(["nextest", "--version"]))?;
    // The first line reads "cargo-nextest 0.9.143 (commit date)".
    let version = printed
        .split_whitespace()
        .nth(1)
        .context("cargo-nextest printed no version")?;
    Ok(version.to_owned())
}
