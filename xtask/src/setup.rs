//! Installs what the tests need, by package name with the ordinary clients. Says in one line a tool what it found or did.

pub(crate) mod apt;
pub(crate) mod chromium;
pub(crate) mod kosoku;
pub(crate) mod nats;
pub(crate) mod nextest;
pub(crate) mod npm;
mod python;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// One thing the tests need.
#[derive(Clone, Copy)]
pub(crate) enum Tool {
    Nextest,
    Nats,
    Kosoku,
    Chromium,
    Npm,
}

const EVERY: &[Tool] = &[
    Tool::Nextest,
    Tool::Nats,
    Tool::Kosoku,
    Tool::Chromium,
    Tool::Npm,
];

pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    some(workspace, EVERY)
}

/// Makes sure of these tools. What is there already costs no more than a look.
pub(crate) fn some(workspace: &Workspace, tools: &[Tool]) -> Result<()> {
    for tool in tools {
        let (name, found) = match tool {
            Tool::Nextest => ("cargo-nextest", nextest::ensure(workspace)),
            Tool::Nats => ("nats-server", nats::ensure(workspace)),
            Tool::Kosoku => ("kosoku", kosoku::ensure(workspace)),
            Tool::Chromium => ("chromium", chromium::ensure(workspace)),
            Tool::Npm => ("npm packages", npm::ensure(workspace)),
        };
        let found =
            found.with_context(|| format!("{name} is missing and could not be installed"))?;
        println!("{name:<14} {found}");
    }
    Ok(())
}
