//! Measures a release build and keeps what it printed under `bench/results/<date>-<machine>/`.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run as run_in_view};

const HOW: &str = "\
usage: cargo xtask bench KIND [ARGS..]

Builds the server in release and runs `tidings bench KIND ARGS..` (`page` runs a browser instead). Every line of JSON
it prints is appended to bench/results/<date>-<machine>/KIND.jsonl. Compare numbers of one machine, taken in one run.

  cargo xtask bench messages            throughput and latency of messages on this machine
  cargo xtask bench import              an import of IRC logs and a rebuild of the projections
  cargo xtask bench page                first loads of the demo page in Chromium (wants Node and the SDK's packages)
  cargo xtask bench messages --help     what can be set";

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let Some(kind) = arguments.first() else {
        println!("{HOW}");
        return Ok(());
    };
    if !kind
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        || kind.starts_with('-')
    {
        bail!("`{kind}` is no kind of benchmark\n\n{HOW}");
    }
    let results = measure(workspace, arguments)?;
    if arguments.contains(&"--help") {
        return Ok(());
    }
    if results.is_empty() {
        bail!("bench {kind} printed no line of JSON, so there is nothing to keep");
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("could not read /proc/cpuinfo")?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let folder = workspace.root.join("bench/results").join(format!(
        "{}-{}",
        date(since_epoch),
        machine(&cpuinfo)
    ));
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{kind}.jsonl"));
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    for line in &results {
        writeln!(file, "{line}")?;
    }
    println!("kept in {}", workspace.relative(&path).display());
    Ok(())
}

/// Runs the benchmark in view and returns the lines of JSON among what it printed.
fn measure(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = match arguments {
        ["page", arguments @ ..] => page(workspace, arguments)?,
        _ => {
            let mut command = workspace.cargo();
            command
                .args(["run", "--release", "-p", "tidings-cli", "--", "bench"])
                .args(arguments);
            command
        }
    };
    let mut child = command
        // What is kept are the lines of JSON, so they are always asked for.
        .args((!arguments.contains(&"--json")).then_some("--json"))
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start the benchmark")?;
    let printed = child.stdout.take().context("the child has no output")?;
    let mut results = Vec::new();
    for line in BufReader::new(printed).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with('{') {
            results.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the benchmark failed: {status}");
    }
    Ok(results)
}

/// The page is measured by a browser, which the server's program knows nothing of.
fn page(workspace: &Workspace, arguments: &[&str]) -> Result<Command> {
    run_in_view(
        workspace
            .cargo()
            .args(["build", "--release", "-p", "tidings-cli"]),
    )?;
    let mut command = workspace.command("node");
    command
        .env("TIDINGS_BIN", workspace.target.join("release/tidings"))
        .arg("console/test/measure.mjs")
        .args(arguments);
    Ok(command)
}

/// The machine as a folder name: its processor's model and how many of them the system sees.
fn machine(cpuinfo: &str) -> String {
    let field = |line: &str, name: &str| {
        line.strip_prefix(name)
            .and_then(|rest| rest.trim_start().strip_prefix(':'))
            .map(str::to_owned)
    };
    let model = cpuinfo.lines().find_map(|line| field(line, "model name"));
    let cores = cpuinfo
        .lines()
        .filter(|line| field(line, "processor").is_some())
        .count();
    format!(
        "{}-{cores}-cores",
        slug(model.as_deref().unwrap_or("unknown"))
    )
}

/// Lower-case letters and digits, everything else a single dash.
fn slug(text: &str) -> String {
    let words = text
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

/// The day in UTC, as `2026-11-22`.
fn date(since_epoch: u64) -> String {
    let mut day = since_epoch / 86_400;
    let mut year = 1970;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_through_leap_years() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_735_689_599), "2024-12-31");
        assert_eq!(date(1_735_689_600), "2025-01-01");
        assert_eq!(date(1_795_305_600), "2026-11-22");
    }

    #[test]
    fn a_machine_is_its_processor_and_their_number() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\n\n\
                       processor\t: 1\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\n";
        assert_eq!(machine(cpuinfo), "intel-r-xeon-r-cpu-2-20ghz-2-cores");
        assert_eq!(machine(""), "unknown-0-cores");
    }
}
