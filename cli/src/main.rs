//! `tidings`: the server and its tools.

mod bench;
mod config;
mod demo;
mod import;
mod log;
mod projections;
mod secrets;
mod serve;
mod server;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Memory freed by connections that have gone goes back to the system.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Conversations, presence and people search over one event log.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, about, long_about = None)]
enum Cli {
    Serve(serve::Serve),
    Demo(serve::Demo),
    /// Brings data in from elsewhere.
    #[command(subcommand)]
    Import(import::Import),
    /// Measures a server.
    #[command(subcommand)]
    Bench(bench::Bench),
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

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("TIDINGS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
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
            Cli::Serve(serve) => serve.run().await.map(|()| true),
            Cli::Demo(demo) => demo.run().await.map(|()| true),
            Cli::Import(import) => import.run().await,
            Cli::Bench(bench) => tokio::task::spawn_blocking(move || bench.run()).await?,
            Cli::Log(log) => log.run().await,
            Cli::Secrets(secrets) => secrets.run(),
            Cli::Projections(projections) => projections.run().await,
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        // What was wrong has been said.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
