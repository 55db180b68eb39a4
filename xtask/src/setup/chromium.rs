//! A browser for the console's and the JavaScript SDK's tests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt;
use crate::workspace::{Workspace, on_path, output};

/// The browser: the one named by `TIDINGS_CHROMIUM`, or the first on the search path.
pub(crate) fn find() -> Option<PathBuf> {
    match std::env::var_os("TIDINGS_CHROMIUM") {
        Some(path) => Some(PathBuf::from(path)),
        None => on_path(&["chromium", "chromium-browser", "google-chrome"]),
    }
}

pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    let (path, how) = match find() {
        Some(path) => (path, "found"),
        None => {
            apt::install(workspace, &["chromium"])?;
            (
                find().context("the package installed no chromium on the search path")?,
                "installed",
            )
        }
    };
    let version = output(workspace.command(&path).arg("--version"))?;
    Ok(format!("{how}: {} ({})", path.display(), version.trim()))
}
