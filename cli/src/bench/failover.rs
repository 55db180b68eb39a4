//! `tidings bench failover`: two servers on one JetStream, of which one is killed under load.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use tidings_bench::failover::{self, Options};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use tidings_protocol::Encoding;
use tidings_sdk::Tls;

use super::{
    server::{SECRET, nats, server},
    temporary,
};
use crate::say::say;

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

/// How long two servers may take to hear of each other.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Failover {
    /// Connected users, in pairs; a multiple of six.
    #[arg(long, default_value_t = 600)]
    users: u32,
    /// Messages a second, all users together.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds of load before the server is killed.
    #[arg(long, default_value_t = 5)]
    before: u64,
    /// Seconds of load after that.
    #[arg(long, default_value_t = 8)]
    after: u64,
    /// Ask the server to stop (SIGTERM) instead of killing it.
    #[arg(long)]
    graceful: bool,
    /// How users connect.
    #[arg(long, value_enum, default_value = "ws")]
    transport: super::messages::Transport,
    /// The nats-server program.
    #[arg(
        long,
        value_name = "FILE",
        env = "TIDINGS_NATS_SERVER",
        default_value = "nats-server"
    )]
    nats_server: PathBuf,
    /// Folder to make the servers' temporary one in: its disk is what is measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

impl Failover {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let folder = temporary(self.scratch.as_deref())?;
        let (_nats, log) = nats(&self.nats_server, folder.path())?;
        let (first, dies) = server(folder.path(), "first", &log)?;
        let data = folder.path();
        std::fs::create_dir(data.join("second"))?;
        for secret in ["operator.key", "ids.secret"] {
            std::fs::copy(
                data.join("first").join(secret),
                data.join("second").join(secret),
            )
            .with_context(|| format!("cannot copy {secret}"))?;
        }
        let (_second, stays) = server(data, "second", &log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let signer = TokenSigner::new(SECRET);
        let scheme = match self.transport {
            super::messages::Transport::Ws => "ws",
            super::messages::Transport::Quic => "quic",
        };
        let options = Options {
            nodes: [&dies, &stays].map(|address| format!("{scheme}://{address}")),
            token: Box::new(move |user| signer.sign(user, SystemClock.now_ms() + TOKENS_MS)),
            users: self.users,
            rate: self.rate,
            duration: [self.before, self.after].map(Duration::from_secs),
            tls: Tls::dangerous_accept_any_certificate(),
            encoding: Encoding::Protobuf,
            graceful: self.graceful,
        };
        for address in [&dies, &stays] {
            hears_another(address)?;
        }
        let pid = rustix::process::Pid::from_child(&first.0);
        let signal = match self.graceful {
            true => rustix::process::Signal::TERM,
            false => rustix::process::Signal::KILL,
        };
        let kill = move || Ok(rustix::process::kill_process(pid, signal)?);
        let report = runtime.block_on(failover::run(options, kill))?;
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(report.passed())
    }
}

/// Waits until a server knows of another one.
fn hears_another(address: &str) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let page = ureq::get(format!("http://{address}/metrics")).call()?;
        let page = page.into_body().read_to_string()?;
        if page.lines().any(|line| line == "tidings_other_nodes 1") {
            return Ok(());
        }
        ensure!(
            std::time::Instant::now() < deadline,
            "the servers do not hear each other"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
