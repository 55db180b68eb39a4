//! `tidings bench resume`: what it costs to come back after having missed something, whatever the log holds.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use tidings_bench::{
    irc,
    resume::{self, Options},
};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use tidings_sdk::Address;

use super::{
    server::{SECRET, server},
    temporary,
};
use crate::say::say;

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// Messages that the log holds before, from made-up IRC logs.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    messages: u32,
    /// Messages missed before each return.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    missed: u32,
    /// How often somebody returns.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Folder to make the server's temporary one in.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

impl Resume {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let folder = temporary(self.scratch.as_deref())?;
        let logs = irc::write(folder.path(), self.messages).context("cannot write the logs")?;
        let imported = Command::new(std::env::current_exe()?)
            .args(["import", "irc", "--data"])
            .arg(folder.path().join("data"))
            .args(logs.iter().map(|log| &log.path))
            .env_remove("TIDINGS_CONFIG")
            .env_remove("TIDINGS_DATA")
            .env("TIDINGS_LOG", "warn")
            .output()
            .context("cannot start the program")?;
        ensure!(
            imported.status.success(),
            "the log could not be filled: {}",
            String::from_utf8_lossy(&imported.stderr)
        );
        let (measured, address) = server(folder.path(), "data", "")?;
        let signer = TokenSigner::new(SECRET);
        let options = Options {
            address: Address::parse(&format!("ws://{address}"))?,
            token: Box::new(move |user| signer.sign(user, SystemClock.now_ms() + TOKENS_MS)),
            messages: self.messages,
            missed: self.missed,
            times: self.times,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let report = runtime.block_on(resume::run(&options, measured.0.id()))?;
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(true)
    }
}
