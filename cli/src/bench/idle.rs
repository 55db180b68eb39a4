//! `tidings bench idle`: what a connection costs that does nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tidings_bench::idle::{self, Options};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use tidings_protocol::Encoding;
use tidings_sdk::{Address, Tls};

use super::{
    messages::Transport,
    server::{SECRET, server},
    temporary,
};
use crate::say::say;

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Idle {
    /// How many connections, each of another user.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(12..))]
    connections: u32,
    /// Conversations of each user, an even number.
    #[arg(long, default_value_t = 10)]
    conversations: u32,
    /// Seconds of idleness before the server is measured.
    #[arg(long, default_value_t = 300)]
    idle: u64,
    /// How users connect.
    #[arg(long, value_enum, default_value = "ws")]
    transport: Transport,
    /// Folder to make the server's temporary one in.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

impl Idle {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        enough_files(u64::from(self.connections))?;
        let folder = temporary(self.scratch.as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let signer = TokenSigner::new(SECRET);
        let mut options = Options {
            address: Address::parse("ws://127.0.0.1:1")?,
            token: Arc::new(move |user| signer.sign(user, SystemClock.now_ms() + TOKENS_MS)),
            connections: self.connections,
            conversations: self.conversations,
            idle: Duration::from_secs(self.idle),
            encoding: Encoding::Protobuf,
            tls: Tls::dangerous_accept_any_certificate(),
        };
        let (seeding, address) = server(folder.path(), "data", "")?;
        options.address = Address::parse(&format!("ws://{address}"))?;
        runtime.block_on(idle::seed(&options))?;
        stop(seeding)?;
        // What making the conversations left in its memory is not the connections'.
        let (measured, address) = server(folder.path(), "data", "")?;
        options.address = Address::parse(&match self.transport {
            Transport::Ws => format!("ws://{address}"),
            Transport::Quic => format!("quic://{address}"),
        })?;
        let report = runtime.block_on(idle::run(&options, measured.0.id()))?;
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(report.passed())
    }
}

/// Ends a server as an operator does.
fn stop(mut server: super::Ending) -> anyhow::Result<()> {
    let pid = rustix::process::Pid::from_child(&server.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        .context("the server could not be stopped")?;
    server.0.wait().context("the server did not end")?;
    Ok(())
}

/// Refuses when this process, or a server it starts, may not open so many.
fn enough_files(connections: u64) -> anyhow::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let needed = connections + 200;
    match limit.current {
        Some(current) if current < needed => bail!(
            "{connections} connections need {needed} open files, and the limit is {current}: `ulimit -n {needed}`"
        ),
        _ => Ok(()),
    }
}
