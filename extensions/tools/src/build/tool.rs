//! Programs of others: where they are, and what they say.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

use super::BuildError;

/// How much of what a program said is told, when it failed: the end says why.
const LINES: usize = 60;

/// The first of these programs in a folder below `folder` or one that it lies in, or on the path.
pub(super) fn find(folder: &Path, beside: &[&str], names: &[&str]) -> Option<PathBuf> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = folder.ancestors();
    let near = above.flat_map(|above| beside.iter().map(move |beside| above.join(beside)));
    let path = env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = near.chain(env::split_paths(&path)).collect();
    let mut candidates = names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)));
    candidates.find(|file| file.is_file())
}

/// Runs it, and takes what it printed.
pub(super) fn run(command: &mut Command) -> Result<Output, BuildError> {
    let said = line(command);
    let output = command.output().map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => BuildError::Missing {
            what: format!("the program `{}`", command.get_program().to_string_lossy()),
            install: "  with your system's packages, or put it on the PATH".to_owned(),
        },
        _ => BuildError::Failed {
            command: said.clone(),
            output: why.to_string(),
        },
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    Err(BuildError::Failed {
        command: said,
        output: last,
    })
}

fn line(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let program = command.get_program().to_string_lossy();
    let words: Vec<_> = std::iter::once(program).chain(arguments).collect();
    words.join(" ")
}
