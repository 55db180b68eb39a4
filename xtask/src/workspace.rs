//! Where things are, and how child commands are started.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository this task runs in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder; what `setup` installs lies in its `tools`.
    pub(crate) target: PathBuf,
    /// Whether a CI system runs this.
    pub(crate) ci: bool,
}

impl Workspace {
    pub(crate) fn from_env() -> Result<Self> {
        // Asked at run time: a target folder shared by two checkouts may hold the other one's build of this program.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&manifest)
            .parent()
            .context("the xtask crate has no folder above it")?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let ci =
            std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        Ok(Self { root, target, ci })
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The server binary of the dev profile, which end-to-end tests start.
    pub(crate) fn server_binary(&self) -> PathBuf {
        self.target.join("debug").join("tidings")
    }

    /// An example of the dev profile.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.target.join("debug/examples").join(name)
    }

    /// The folders that hold a `package.json` of ours.
    pub(crate) fn js_projects(&self) -> Vec<PathBuf> {
        ["sdk/js", "console"]
            .iter()
            .map(|folder| self.root.join(folder))
            .filter(|folder| folder.join("package.json").is_file())
            .collect()
    }

    /// A command that starts in the repository's root and knows where the tests' tools are.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        // `cargo run` describes this crate to its child. Handed on, that would differ from what a developer's own shell
        // has, and build scripts that read it would run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command.env("TIDINGS_NATS_SERVER", crate::setup::nats::binary(self));
        command.env("TIDINGS_BIN", self.server_binary());
        if let Some(chromium) = crate::setup::chromium::find() {
            command.env("TIDINGS_CHROMIUM", chromium);
        }
        command
    }

    /// The cargo that runs this task.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo =
            self.command(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        if self.ci {
            // What is built once is not built again: it would only take the disk, twice as much of it.
            cargo.env("CARGO_INCREMENTAL", "0");
        }
        cargo
    }

    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Runs a command in view: its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command
        .status()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command quietly and returns what it printed; what it complained about is part of the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed: {}\n{printed}{complaint}",
            shown(command),
            output.status
        );
    }
    Ok(printed)
}

/// The first of these programs that lies on the search path.
pub(crate) fn on_path(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    programs
        .iter()
        .flat_map(|program| std::env::split_paths(&path).map(move |folder| folder.join(program)))
        .find(|candidate| candidate.is_file())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
