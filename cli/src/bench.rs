//! `tidings bench`: load against a running server, or one of its own, and what importing costs.

mod extensions;
mod failover;
mod idle;
mod import;
mod messages;
mod presence;
mod relay;
mod resume;
mod search;
mod server;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Users chat in pairs or groups at a fixed rate, whatever the server's pace (open loop): how
    /// long until messages are acknowledged and received, and what that costs the server.
    Messages(messages::Messages),
    /// Imports made-up IRC logs, then rebuilds the projections: how fast, and what that costs.
    Import(import::Import),
    /// Two servers on one JetStream, one of which is killed or stopped under load: how long until its clients are at
    /// the other, what the others notice, and whether anything is lost.
    Failover(failover::Failover),
    /// Connections that only stay: what each costs the server in memory.
    Idle(idle::Idle),
    /// Coming back after having missed something, with a long log: what that costs the server.
    Resume(resume::Resume),
    /// Who is here: how soon those who watch are told, what that costs the server, and what a storm of logins does
    /// to messages.
    Presence(presence::Presence),
    /// What extensions cost: a verdict in the sandbox beside one asked over HTTP, messages with extensions and without, versions
    /// swapped under load, those that have nothing to do, starting with many.
    Extensions(extensions::Extensions),
    /// Search of people, without a server: what it costs to know who is online when a query is asked, against
    /// the ways it is done elsewhere. And search of messages: what a page costs.
    Search(search::Search),
    /// The bare relay that `messages --baseline` measures; ends when its input does.
    #[command(hide = true)]
    Relay,
}

impl Bench {
    /// True when every promise was kept.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match self {
            Bench::Messages(messages) => messages.run(),
            Bench::Import(import) => import.run(),
            Bench::Failover(failover) => failover.run(),
            Bench::Idle(idle) => idle.run(),
            Bench::Resume(resume) => resume.run(),
            Bench::Presence(presence) => presence.run(),
            Bench::Extensions(extensions) => extensions.run(),
            Bench::Search(search) => search.run(),
            Bench::Relay => relay::run().map(|()| true),
        }
    }
}

/// A folder for a run, removed after it.
fn temporary(scratch: Option<&Path>) -> anyhow::Result<tempfile::TempDir> {
    match scratch {
        Some(scratch) => tempfile::tempdir_in(scratch).with_context(|| {
            format!(
                "cannot make a folder in {}: --scratch names one that is there and can be written",
                scratch.display()
            )
        }),
        None => tempfile::tempdir()
            .context("cannot make a temporary folder: --scratch names another place for it"),
    }
}

/// A process that ends with this value.
struct Ending(Child);

impl Ending {
    fn start(command: &mut Command) -> std::io::Result<Ending> {
        command.spawn().map(Ending)
    }

    /// Starts a process and reads its first line, which says where it listens.
    fn announced(command: &mut Command, key: &str) -> anyhow::Result<(Ending, String)> {
        let mut process = Ending::start(command.stdout(Stdio::piped()))?;
        let output = process.0.stdout.take().context("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix(key))
            .with_context(|| format!("it printed {line:?}"))?
            .to_owned();
        Ok((process, address))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
