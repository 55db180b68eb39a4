//! `tidings bench messages`: load against a running server, or one of its own.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use tidings_bench::{Options, Report, RunError, TransportKind, relay::TOKEN};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use tidings_protocol::Encoding;
use tidings_sdk::Tls;

use super::{relay, server::Spawned};
use crate::{say::say, secrets};

/// Longest wait for a connection that tells whether there is a server.
const PATIENCE: Duration = Duration::from_secs(5);

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Messages {
    /// Start a server for the run, on a temporary folder. The default.
    #[arg(long, conflicts_with = "server")]
    spawn: bool,
    /// A running server: its URL, or HOST:PORT.
    #[arg(long, value_name = "URL")]
    server: Vec<String>,
    /// Its process, whose CPU time and memory are reported.
    #[arg(long, value_name = "PID", requires = "server")]
    pid: Vec<u32>,
    /// File with the server's HS256 secret; without it development tokens are used.
    #[arg(long, value_name = "FILE", requires = "server")]
    secret: Option<PathBuf>,
    /// Connected users.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..))]
    users: u32,
    /// Messages a second, all users together.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    duration: u64,
    /// Seconds before that.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// How users connect.
    #[arg(long, value_enum, default_value = "ws")]
    transport: Transport,
    /// How frames are written.
    #[arg(long, value_enum, default_value = "protobuf")]
    encoding: Frames,
    /// Groups of so many members rather than pairs.
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(u32).range(2..))]
    group: Option<u32>,
    /// Length of each text, in bytes.
    #[arg(long, default_value_t = 100)]
    text_bytes: usize,
    /// Log of the server that is started.
    #[arg(
        long,
        value_enum,
        default_value = "embedded",
        conflicts_with = "server"
    )]
    pub(super) log: LogKind,
    /// The nats-server program, for `--log jetstream`.
    #[arg(
        long,
        value_name = "FILE",
        env = "TIDINGS_NATS_SERVER",
        default_value = "nats-server"
    )]
    pub(super) nats_server: PathBuf,
    /// Folder to make the server's temporary one in: its disk is what is measured.
    #[arg(long, value_name = "DIR")]
    pub(super) scratch: Option<PathBuf>,
    /// First put the same load on a relay that does nothing but pass frames on, and say how many times
    /// its CPU the server takes: figures of different machines and moments compare by that.
    #[arg(long, conflicts_with = "server")]
    baseline: bool,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Transport {
    Ws,
    Quic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Frames {
    Json,
    Protobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogKind {
    Embedded,
    Jetstream,
}

impl Messages {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        ensure!(
            !(self.baseline && matches!(self.transport, Transport::Quic)),
            "--baseline is not available for QUIC, which the relay does not speak: \
             leave out --baseline or --transport quic"
        );
        let relay = self.baseline.then(|| self.run_relay()).transpose()?;
        let spawned = if self.server.is_empty() {
            Some(Spawned::start(&self)?)
        } else {
            None
        };
        let (addresses, signer) = match &spawned {
            Some(spawned) => (
                vec![spawned.address.clone()],
                Some(TokenSigner::new(&spawned.secret)),
            ),
            None => {
                let signer = self.secret.as_deref().map(secrets::signer_of).transpose()?;
                let addresses = self.server.iter().map(|server| host_and_port(server));
                let addresses: Vec<String> = addresses.collect();
                addresses.iter().try_for_each(|address| is_there(address))?;
                (addresses, signer)
            }
        };
        let mut options = self.options(addresses, move |user| match &signer {
            Some(signer) => signer.sign(user, SystemClock.now_ms() + TOKENS_MS),
            None => format!("dev:{user}"),
        });
        match &spawned {
            Some(spawned) => {
                options.log = format!("{:?}", self.log).to_lowercase();
                options.server_pids = vec![spawned.server.0.id()];
                options.nats_pids = spawned.nats.iter().map(|nats| nats.0.id()).collect();
                options.metrics = Some(spawned.address.clone());
            }
            None => options.server_pids.clone_from(&self.pid),
        }
        let (mut report, kept) = match tidings_bench::run(&options) {
            Ok(report) => (report, true),
            Err(error) => {
                let why = error.to_string();
                let RunError::Violated(report) = error else {
                    return Err(error.into());
                };
                eprintln!("failed: {why}");
                (*report, false)
            }
        };
        if let Some(relay) = &relay {
            report.set_baseline(relay);
        }
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(kept)
    }

    /// Puts the load on a relay, which ends before the server starts.
    fn run_relay(&self) -> anyhow::Result<Report> {
        let (relay, address) = relay::start()?;
        let mut options = self.options(vec![address], |user| format!("{TOKEN}{user}"));
        options.server_pids = vec![relay.0.id()];
        tidings_bench::run(&options).context("the bare relay could not be measured")
    }

    /// The load, whoever is to bear it.
    fn options(&self, addresses: Vec<String>, token: impl Fn(&str) -> String + 'static) -> Options {
        let mut options = Options::new(addresses, token);
        options.users = self.users;
        options.rate = self.rate;
        options.duration = Duration::from_secs(self.duration);
        options.warm_up = Duration::from_secs(self.warm_up);
        options.transport = match self.transport {
            Transport::Ws => TransportKind::WebSocket,
            Transport::Quic => TransportKind::Quic,
        };
        options.encoding = match self.encoding {
            Frames::Json => Encoding::Json,
            Frames::Protobuf => Encoding::Protobuf,
        };
        options.group = self.group;
        options.text_bytes = self.text_bytes;
        // The generator reaches loopback or a test server: what it measures is not its certificate.
        options.tls = Tls::dangerous_accept_any_certificate();
        options.progress = true;
        options
    }
}

/// What is connected to: a URL's scheme says nothing that `--transport` does not.
fn host_and_port(server: &str) -> String {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// Refuses a server that is not there, before users are made who would each say so. A server listens
/// over TCP whatever the users are to connect with.
fn is_there(address: &str) -> anyhow::Result<()> {
    let found = address.to_socket_addrs().with_context(|| {
        format!(
            "--server {address} is to be a URL or HOST:PORT, and its host is to have an address"
        )
    })?;
    let mut why = None;
    for address in found {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => why = Some(error),
        }
    }
    match why {
        Some(why) => bail!(
            "no server can be reached at {address}: {why}; start one (`tidings serve`), or leave out --server \
             to measure one that is started for the run"
        ),
        None => bail!("the host of {address} has no address"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        is_there(&host_and_port(&format!("http://{address}/"))).unwrap();
        drop(listener);
        let said = format!("{:#}", is_there(&address).unwrap_err());
        assert!(
            said.starts_with(&format!("no server can be reached at {address}: ")),
            "{said}"
        );
        let said = format!("{:#}", is_there("nothing").unwrap_err());
        assert!(said.starts_with("--server nothing is to be"), "{said}");
    }
}
