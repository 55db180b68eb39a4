//! `tidings`: the server and its tools.

mod backend;
mod bench;
mod chat;
mod config;
mod demo;
mod ext;
mod import;
mod log;
mod projections;
mod say;
mod search;
mod secrets;
mod serve;
mod server;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Memory freed by connections that have gone goes back to the system.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The messaging core of a product: conversations, receipts and unread badges over one event log.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, about, long_about = None)]
enum Cli {
    Serve(serve::Serve),
    Demo(serve::Demo),
    Chat(chat::Chat),
    Config(serve::Show),
    /// Brings data in from elsewhere.
    #[command(subcommand)]
    Import(import::Import),
    /// Searches people, and looks after their index.
    #[command(subcommand)]
    Search(search::Search),
    /// Measures a server.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Extensions: rules of the product's own, written, tried out and run.
    #[command(subcommand)]
    Ext(ext::Ext),
    /// Looks at the log.
    #[command(subcommand)]
    Log(log::Log),
    /// Makes the secrets that all servers of a log share.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Looks after the projections.
    #[command(subcommand)]
    Projections(projections::Command),
}

impl Cli {
    /// What is logged unless TIDINGS_LOG says otherwise: a server says how it is, a tool prints what it
    /// was asked for. The client of NATS tells what the log tells, too.
    fn filter(&self) -> EnvFilter {
        let said = match self {
            Cli::Serve(_) | Cli::Demo(_) => "info,async_nats=warn",
            // It says itself what concerns its user, and the screen is its own.
            Cli::Chat(_) => "off",
            _ => "warn",
        };
        EnvFilter::try_from_env("TIDINGS_LOG").unwrap_or_else(|_| EnvFilter::new(said))
    }
}

/// Whether what is written to stderr may have colours: for people at a terminal who did not ask for
/// none (<https://no-color.org>).
fn colours() -> bool {
    let none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !none
}

/// An error with its causes. Some say theirs themselves: those are not repeated.
fn in_full(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// Logs to stderr from now on.
fn log_from_now_on(filter: EnvFilter, format: LogFormat) {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.with_ansi(colours()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A server's configuration says how it logs, so it comes first.
    let config = match &cli {
        Cli::Serve(serve) => serve.load(),
        Cli::Demo(demo) => demo.load(),
        _ => Ok(Config::default()),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {}", in_full(&error));
            return ExitCode::FAILURE;
        }
    };
    log_from_now_on(cli.filter(), config.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // What other threads wake (an answer of the writer, a frame of the projector) waits in the global queue, what
        // sockets wake in those of the workers. While thousands log in neither is to wait for the other: they are
        // taken by turns.
        .global_queue_interval(2)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match cli {
            Cli::Serve(serve) => serve.run(config).await.map(|()| true),
            Cli::Demo(demo) => demo.run(config).await.map(|()| true),
            Cli::Chat(chat) => chat.run().await,
            Cli::Config(show) => show.run(),
            Cli::Import(import) => import.run().await,
            Cli::Search(search) => search.run().await,
            Cli::Bench(bench) => tokio::task::spawn_blocking(move || bench.run()).await?,
            Cli::Ext(ext) => tokio::task::spawn_blocking(move || ext.run()).await?,
            Cli::Log(log) => log.run().await,
            Cli::Secrets(secrets) => secrets.run(),
            Cli::Projections(projections) => projections.run().await,
        }
    });
    let code = match done {
        Ok(true) => ExitCode::SUCCESS,
        // What was wrong has been said.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", in_full(&error));
            ExitCode::FAILURE
        }
    };
    match say::unsaid() {
        Ok(()) => code,
        Err(error) => {
            eprintln!("error: not all that was to be printed could be written: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it: {0}")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("the disk is gone");
        let error = anyhow::Error::from(Outer(cause)).context("no log");
        assert_eq!(in_full(&error), "no log: cannot read it: the disk is gone");
        let none: Option<()> = None;
        let error = none.context("inner").context("outer").unwrap_err();
        assert_eq!(in_full(&error), "outer: inner");
    }
}
