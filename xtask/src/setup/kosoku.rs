//! kosoku, which runs the cases of the Autobahn test suite for WebSockets: a Python package, in an environment of
//! its own under `target/tools/kosoku`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::python;
use crate::workspace::{Workspace, output};

const PACKAGE: &str = "kosoku";

/// The numbers of cases in `test/websocket/report.rs` are those of this version.
const VERSION: &str = "0.1.0";

pub(crate) fn binary(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/kosoku")
}

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    if version(workspace).is_ok_and(|version| version == VERSION) {
        return Ok(format!("found: {VERSION} in {}", shown(workspace)));
    }
    python::install(workspace, &folder(workspace), PACKAGE, VERSION)?;
    let installed = version(workspace)?;
    if installed != VERSION {
        bail!("{PACKAGE} {VERSION} was asked for, {installed} came");
    }
    Ok(format!("installed: {VERSION} in {}", shown(workspace)))
}

/// What the environment holds; an error if it does not work.
fn version(workspace: &Workspace) -> Result<String> {
    // It has no option that prints its version. The import fails where the package was made for another system.
    let question = "import importlib.metadata as m, kosoku; print(m.version('kosoku'))";
    let python = python::python(&folder(workspace));
    let printed = output(workspace.command(python).args(["-c", question]))?;
    Ok(printed.trim().to_owned())
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("kosoku")
}

fn shown(workspace: &Workspace) -> String {
    workspace.relative(&binary(workspace)).display().to_string()
}
