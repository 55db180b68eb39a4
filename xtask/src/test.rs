//! Everything a change has to pass, in one order for developers and CI.

mod javascript;
mod websocket;

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::check;
use crate::setup::{self, Tool};
use crate::steps::{self, Outcome, Step};
use crate::workspace::{Workspace, run as run_in_view};

/// What a developer may run alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    Check,
    Rust,
    WebSocket,
    Js,
    Browser,
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "check" => Ok(Self::Check),
            "rust" => Ok(Self::Rust),
            "websocket" => Ok(Self::WebSocket),
            "js" => Ok(Self::Js),
            "browser" => Ok(Self::Browser),
            other => bail!("no such part: `{other}` (check, rust, websocket, js or browser)"),
        }
    }
}

impl Part {
    fn tools(self) -> &'static [Tool] {
        match self {
            Self::Check => &[Tool::Npm],
            Self::Rust => &[Tool::Nextest, Tool::Nats],
            Self::WebSocket => &[Tool::Kosoku],
            Self::Js => &[Tool::Npm],
            Self::Browser => &[Tool::Npm, Tool::Chromium],
        }
    }
}

/// Runs every step, or those of one part, and says how each went.
pub(crate) fn run(workspace: &Workspace, only: Option<Part>) -> ExitCode {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut all = vec![Step::new("setup", move || install(workspace, only))];
    if wanted(Part::Check) {
        all.extend(check::steps(workspace));
    }
    if only != Some(Part::Check) {
        all.push(Step::new("build", || build(workspace)));
    }
    if wanted(Part::Rust) {
        all.push(Step::new("rust tests", || rust(workspace)).needs(&["setup", "build"]));
    }
    if wanted(Part::WebSocket) {
        for (name, action) in websocket::STEPS {
            all.push(Step::new(name, move || action(workspace)).needs(&["setup", "build"]));
        }
    }
    if wanted(Part::Js) {
        all.push(Step::new("js tests", || js(workspace)).needs(&["setup", "build"]));
    }
    if wanted(Part::Browser) {
        all.push(Step::new("browser tests", || browser(workspace)).needs(&["setup", "build"]));
    }
    steps::run(&all)
}

fn install(workspace: &Workspace, only: Option<Part>) -> Result<Outcome> {
    match only {
        None => setup::all(workspace)?,
        Some(part) => setup::some(workspace, part.tools())?,
    }
    Ok(Outcome::Done)
}

/// Builds the server and the tests in one go. The selection is the one nextest makes: with another (`-p tidings-cli`, or no
/// tests) cargo would resolve other features for shared dependencies, and build those twice.
pub(crate) fn build(workspace: &Workspace) -> Result<Outcome> {
    run_in_view(workspace.cargo().args([
        "build",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
    ]))?;
    Ok(Outcome::Done)
}

fn rust(workspace: &Workspace) -> Result<Outcome> {
    let profile = if workspace.ci { "ci" } else { "default" };
    run_in_view(
        workspace
            .cargo()
            .args(["nextest", "run", "--workspace", "--profile", profile]),
    )?;
    run_in_view(workspace.cargo().args([
        "test",
        "--manifest-path",
        check::STANDARD,
        "--target-dir",
        check::STANDARD_TARGET,
    ]))?;
    Ok(Outcome::Done)
}

fn js(workspace: &Workspace) -> Result<Outcome> {
    javascript::run(workspace, javascript::Kind::Node)?;
    Ok(Outcome::Done)
}

fn browser(workspace: &Workspace) -> Result<Outcome> {
    javascript::run(workspace, javascript::Kind::Browser)?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_does_not_exist_is_named() {
        assert_eq!("browser".parse::<Part>().unwrap(), Part::Browser);
        let error = "fuzz".parse::<Part>().unwrap_err().to_string();
        assert!(error.contains("`fuzz`"), "{error}");
    }
}
