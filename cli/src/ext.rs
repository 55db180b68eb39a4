//! `tidings ext`: extensions, written and tried out without a server, and run on one.

mod dev;
mod history;
mod operate;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tidings_extension_tools::build::Build;
use tidings_extension_tools::check::{Check, size};
use tidings_extension_tools::new::New;
use tidings_extension_tools::test::Test;

use crate::say::say;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Ext {
    /// Makes the folder of a new extension, with an example for each hook.
    New(New),
    /// Builds an extension: one file with its component and its manifest.
    Build(Build),
    /// Says what an extension is and asks for, and what is wrong with it.
    Check(Check),
    /// Runs an extension's cases in the sandbox.
    Test(Test),
    Dev(dev::Dev),
    Backfill(history::Backfill),
    Call(history::Call),
    #[command(flatten)]
    Operate(operate::Operate),
}

impl Ext {
    /// True when all is well.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match self {
            Ext::New(new) => make(&new),
            Ext::Build(build) => make_component(&build),
            Ext::Check(check) => look(&check),
            Ext::Test(test) => try_out(test),
            Ext::Dev(dev) => dev.run(),
            Ext::Backfill(backfill) => backfill.run(),
            Ext::Call(call) => call.run(),
            Ext::Operate(operate) => operate.run(),
        }
    }
}

fn make(new: &New) -> anyhow::Result<bool> {
    let made = new.run()?;
    let folder = made.folder.display();
    say!("{folder} is made, in {}:", new.lang);
    for file in made
        .files
        .iter()
        .filter(|file| !file.starts_with("wit/deps/"))
    {
        say!("  {file}");
    }
    say!("");
    say!("Next:");
    if let Some(command) = new.lang.prepared_by() {
        say!("  (cd {folder} && {command})");
    }
    say!("  tidings ext build {folder}");
    say!("  tidings ext test {folder}");
    Ok(true)
}

fn make_component(build: &Build) -> anyhow::Result<bool> {
    let spinner = Spinner::new();
    let built = build.run(&mut |step| spinner.say(step));
    spinner.end();
    let report = built?;
    say!("{} ({})", report.file.display(), size(report.bytes));
    say!(
        "  {}, built against tidings:extension@{}",
        report.name,
        report.api
    );
    say!("  hooks    {}", report.hooks.join(", "));
    say!("  imports  {}", report.imports.join(", "));
    for finding in &report.findings {
        say!("  {finding}");
    }
    Ok(true)
}

fn look(check: &Check) -> anyhow::Result<bool> {
    let report = check.run()?;
    match check.json {
        true => say!("{}", serde_json::to_string_pretty(&report)?),
        false => say!("{}", report.to_string().trim_end()),
    }
    Ok(report.is_fine())
}

fn try_out(mut test: Test) -> anyhow::Result<bool> {
    test.compiled = caches().map(|caches| caches.join("tidings").join("extensions"));
    let spinner = Spinner::new();
    let tested = test.run(&mut |step| spinner.say(step));
    spinner.end();
    let report = tested?;
    match test.json {
        true => say!("{}", serde_json::to_string_pretty(&report)?),
        false => {
            let none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let colours = std::io::stdout().is_terminal() && !none;
            say!("{}", report.shown(colours).trim_end());
        }
    }
    Ok(report.passed())
}

/// Where this user's programs keep what can be made again.
fn caches() -> Option<PathBuf> {
    let said = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    said.filter(|folder| folder.is_absolute()).or(home)
}

/// Says what is being done while it takes long, to people alone.
struct Spinner(ProgressBar);

impl Spinner {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        bar.set_style(style.expect("the template is one"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    fn say(&self, step: &str) {
        self.0.set_message(step.to_owned());
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
