//! Node.js, and the development packages of the folders that have a `package.json`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::apt;
use crate::workspace::{Workspace, on_path, output};

/// The oldest Node.js with every test-runner option in use here.
const OLDEST_NODE: u32 = 20;

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    if on_path(&["node"]).is_none() || on_path(&["npm"]).is_none() {
        apt::install(workspace, &["nodejs", "npm"])?;
    }
    let node = output(workspace.command("node").arg("--version"))?
        .trim()
        .to_owned();
    if major(&node)? < OLDEST_NODE {
        bail!("Node.js {node} is too old: the tests need {OLDEST_NODE} or newer");
    }
    let mut said = vec![format!("node {node}")];
    for project in workspace.js_projects() {
        let how = if is_current(&project)? {
            "found"
        } else {
            install(workspace, &project)?
        };
        said.push(format!("{how}: {}", workspace.relative(&project).display()));
    }
    Ok(said.join(", "))
}

fn install(workspace: &Workspace, project: &Path) -> Result<&'static str> {
    let lock = lock(project)?;
    output(
        workspace
            .command("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(project),
    )?;
    fs::create_dir_all(project.join("node_modules"))?;
    fs::write(project.join(STAMP), lock)?;
    Ok("installed")
}

/// A copy of the lock file that `node_modules` was installed from.
const STAMP: &str = "node_modules/.installed-lock.json";

fn is_current(project: &Path) -> Result<bool> {
    let lock = lock(project)?;
    Ok(fs::read(project.join(STAMP)).is_ok_and(|installed| installed == lock))
}

fn lock(project: &Path) -> Result<Vec<u8>> {
    let path = project.join("package-lock.json");
    fs::read(&path).with_context(|| {
        format!(
            "could not read {} (`npm install --package-lock-only --omit-lockfile-registry-resolved` writes it)",
            path.display()
        )
    })
}

/// The major version in what `node --version` prints, `v20.20.2`.
fn major(version: &str) -> Result<u32> {
    version
        .strip_prefix('v')
        .and_then(|numbers| numbers.split('.').next())
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("`{version}` is no version of Node.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_or_refused() {
        assert_eq!(major("v20.20.2").unwrap(), 20);
        assert!(major("20.20.2").is_err());
        assert!(major("v").is_err());
    }
}
