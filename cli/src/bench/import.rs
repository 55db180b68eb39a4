//! `tidings bench import`: an import of made-up IRC logs and the rebuild after it, in processes of their
//! own, set against the least that either must do.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tidings_bench::{
    children_cpu_seconds,
    floor::{self, Cost, LINES_A_SYNC},
    irc::{self, LogFile},
};

use super::temporary;
use crate::say::say;

/// More would be too many files for one command line.
const MOST: i64 = 20_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Messages to import.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    messages: u32,
    /// Folder to make the temporary one in: its disk is what is measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

/// What came of it. Speeds are by the clock, from the start of a process to its end; CPU time is of all its
/// threads.
#[derive(Debug, Serialize)]
struct Figures {
    messages: u32,
    /// Lines of the logs, joins and leaves among them.
    lines: u64,
    import_messages_per_s: f64,
    import_cpu_s: f64,
    rebuild_events: u64,
    rebuild_events_per_s: f64,
    rebuild_cpu_s: f64,
    /// Every line sealed and appended to one file, with syncs: see [`floor::append`].
    baseline_import_messages_per_s: f64,
    baseline_import_cpu_s: f64,
    /// Those read back into an ordered map, which is written to one file: see [`floor::rows`].
    baseline_rebuild_events_per_s: f64,
    baseline_rebuild_cpu_s: f64,
    /// How many times the CPU time of its baseline each took.
    import_cpu_ratio: f64,
    rebuild_cpu_ratio: f64,
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let folder = temporary(self.scratch.as_deref())?;
        let figures = measure(self.messages, folder.path())?;
        say!("{figures}");
        if self.json {
            say!("{}", serde_json::to_string(&figures)?);
        }
        Ok(true)
    }
}

fn measure(messages: u32, folder: &Path) -> anyhow::Result<Figures> {
    let logs = irc::write(folder, messages).context("cannot write the logs")?;
    let (sealed, table) = (folder.join("sealed"), folder.join("table"));
    let (lines, append) = floor::append(&logs, &sealed).context("cannot write the baseline")?;
    let (_, rows) = floor::rows(&sealed, &table).context("cannot write the baseline")?;

    let data = folder.join("data");
    let (said, import) = tidings(import_command(&data, &logs))?;
    let imported = number_after(&said, "imported ", "messages")?;
    ensure!(
        imported == u64::from(messages),
        "{imported} of {messages} messages were imported: {said}"
    );
    let (said, rebuild) = tidings(rebuild_command(&data))?;
    let events = number_after(&said, "rebuilt: ", "events")?;
    // Who posts has joined, so there are more events than messages.
    ensure!(
        events > imported,
        "{events} events for {imported} messages: {said}"
    );

    Ok(Figures {
        messages,
        lines,
        import_messages_per_s: f64::from(messages) / import.wall_s,
        import_cpu_s: import.cpu_s,
        rebuild_events: events,
        rebuild_events_per_s: events as f64 / rebuild.wall_s,
        rebuild_cpu_s: rebuild.cpu_s,
        baseline_import_messages_per_s: f64::from(messages) / append.wall_s,
        baseline_import_cpu_s: append.cpu_s,
        baseline_rebuild_events_per_s: events as f64 / rows.wall_s,
        baseline_rebuild_cpu_s: rows.cpu_s,
        import_cpu_ratio: import.cpu_s / append.cpu_s,
        rebuild_cpu_ratio: rebuild.cpu_s / rows.cpu_s,
    })
}

fn import_command(data: &Path, logs: &[LogFile]) -> Vec<PathBuf> {
    let words = ["import", "irc", "--data"].map(PathBuf::from);
    let files = logs.iter().map(|log| log.path.clone());
    let data = [data.to_owned()];
    words.into_iter().chain(data).chain(files).collect()
}

fn rebuild_command(data: &Path) -> Vec<PathBuf> {
    let words = ["projections", "rebuild", "--data"].map(PathBuf::from);
    words.into_iter().chain([data.to_owned()]).collect()
}

/// Runs this very program: what it prints, and what it takes.
fn tidings(arguments: Vec<PathBuf>) -> anyhow::Result<(String, Cost)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(&arguments)
        // Whose data the caller works with otherwise is no concern of a measurement.
        .env_remove("TIDINGS_CONFIG")
        .env_remove("TIDINGS_DATA")
        .env("TIDINGS_LOG", "warn")
        .stderr(Stdio::inherit());
    let cpu = || children_cpu_seconds().context("the kernel does not tell CPU times of processes");
    let (started, before) = (Instant::now(), cpu()?);
    let output = command.output().context("cannot start the program")?;
    let cost = Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: cpu()? - before,
    };
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        output.status.success(),
        "`tidings {}` failed ({}): {said}",
        arguments[0].display(),
        output.status
    );
    Ok((said, cost))
}

/// The number in a line that begins so, before the word that says of what it is.
fn number_after(said: &str, start: &str, of: &str) -> anyhow::Result<u64> {
    let number = said.lines().find_map(|line| {
        let (number, rest) = line.strip_prefix(start)?.split_once(' ')?;
        rest.starts_with(of).then_some(number)?.parse().ok()
    });
    match number {
        Some(number) => Ok(number),
        None => bail!("it did not say how many {of}: {said}"),
    }
}

/// A table for people.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages in {} lines of IRC logs, imported into an empty embedded log; the projections rebuilt",
            self.messages, self.lines
        )?;
        let mut line = |name: &str, speed: f64, of: &str, cpu: f64, ratio: Option<f64>| {
            let ratio = ratio.map_or(String::new(), |ratio| {
                format!(", {ratio:.2} times its baseline's")
            });
            writeln!(
                f,
                "  {name:<20} {speed:>10.0} {of:<11} {cpu:>8.3} s CPU{ratio}"
            )
        };
        line(
            "import",
            self.import_messages_per_s,
            "messages/s",
            self.import_cpu_s,
            Some(self.import_cpu_ratio),
        )?;
        line(
            "  its baseline",
            self.baseline_import_messages_per_s,
            "messages/s",
            self.baseline_import_cpu_s,
            None,
        )?;
        line(
            "rebuild",
            self.rebuild_events_per_s,
            "events/s",
            self.rebuild_cpu_s,
            Some(self.rebuild_cpu_ratio),
        )?;
        line(
            "  its baseline",
            self.baseline_rebuild_events_per_s,
            "events/s",
            self.baseline_rebuild_cpu_s,
            None,
        )?;
        write!(
            f,
            "Baseline of the import: the same lines sealed with AES-256-GCM and appended to one file, a sync every {LINES_A_SYNC} lines.\n\
             Baseline of the rebuild: that file read into an ordered map of a row a line, written out and synced."
        )
    }
}

#[cfg(test)]
mod tests;
