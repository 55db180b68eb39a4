//! Programs out of Python packages, each in an environment of its own under `target/tools`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::apt;
use crate::workspace::{Workspace, on_path, output};

/// Makes the environment anew and installs one version of one package there.
pub(crate) fn install(
    workspace: &Workspace,
    folder: &Path,
    package: &str,
    version: &str,
) -> Result<()> {
    make_environment(workspace, folder)?;
    let requirement = format!("{package}=={version}");
    output(workspace.command(python(folder)).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &requirement,
    ]))?;
    Ok(())
}

/// The environment's interpreter.
pub(crate) fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn make_environment(workspace: &Workspace, folder: &Path) -> Result<()> {
    if on_path(&["python3"]).is_none() {
        apt::install(workspace, &["python3", "python3-venv"])?;
    }
    // `--clear`: what an interrupted run or an older version left must not count.
    let make = || {
        output(
            workspace
                .command("python3")
                .args(["-m", "venv", "--clear"])
                .arg(folder),
        )
    };
    if make().is_err() {
        // Debian's python3 comes without what a new environment needs.
        apt::install(workspace, &["python3-venv"])?;
        make()?;
    }
    Ok(())
}
