//! `tidings bench presence`: how soon others see who is here, and what that costs the server.

mod here;
mod profiles;

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tidings_bench::presence::{Report, Server, edges, logins, toggles};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;

use super::{
    Ending,
    messages::LogKind,
    server::{SECRET, configuration, enough_files, nats, server, stop},
    temporary,
};
use crate::say::say;

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

/// How long a server may take until it shows nobody any more.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Presence {
    /// Parts to run; all without it.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// The sizes of which the results are kept, where nothing else is said: for two cores and some minutes.
    #[arg(long)]
    full: bool,
    /// Toggles: users who go away and come back. [default: 200; with --full 2000]
    #[arg(long)]
    togglers: Option<u32>,
    /// Toggles: users who watch, which the others are a multiple of. [default: 100; with --full 1000]
    #[arg(long)]
    watchers: Option<u32>,
    /// Toggles: contacts of each who watches. [default: 20; with --full 100]
    #[arg(long)]
    toggle_roster: Option<u32>,
    /// Toggles a second, all together. [default: 100; with --full 1000]
    #[arg(long)]
    toggle_rate: Option<u32>,
    /// Logins: users. [default: 500; with --full 15000]
    #[arg(long)]
    logins: Option<u32>,
    /// Logins: contacts of each, an even number. [default: 20; with --full 50]
    #[arg(long)]
    login_roster: Option<u32>,
    /// Logins under way at the same time.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// Logins: users who exchange messages meanwhile, an even number. [default: 20; with --full 200]
    #[arg(long)]
    talkers: Option<u32>,
    /// Logins: messages of theirs a second, all together. [default: 50; with --full 500]
    #[arg(long)]
    messages: Option<u32>,
    /// Edges: clients that come and go, 500 at most. [default: 10; with --full 50]
    #[arg(long)]
    probes: Option<u32>,
    /// Edges: others who go away and come back. [default: 200; with --full 2000]
    #[arg(long)]
    others: Option<u32>,
    /// Edges: changes of theirs a second, all together. [default: 200; with --full 2000]
    #[arg(long)]
    edge_rate: Option<u32>,
    /// Edges: more transitions a minute, of people without sessions, applied to what searches join people with. The
    /// server then runs in this process.
    #[arg(long, default_value_t = 0)]
    join_transitions: u32,
    /// Edges: how many people those are.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    join_users: u32,
    /// Edges: the server's grace for those who leave, milliseconds. Of logins, too: until those who made the contacts are
    /// gone.
    #[arg(long, default_value_t = 500)]
    grace_ms: u64,
    /// Seconds of toggles, and of edges. [default: 5; with --full 20 and 60]
    #[arg(long)]
    seconds: Option<u64>,
    /// Log of the servers.
    #[arg(long, value_enum, default_value = "embedded")]
    log: LogKind,
    /// The nats-server program, for `--log jetstream`.
    #[arg(
        long,
        value_name = "FILE",
        env = "TIDINGS_NATS_SERVER",
        default_value = "nats-server"
    )]
    nats_server: PathBuf,
    /// Folder to make the servers' temporary ones in.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

/// What is measured, each on a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Users go away and come back, each watched by many.
    Toggles,
    /// Everybody logs in at once while others talk.
    Logins,
    /// Clients come and go beside a load of changes.
    Edges,
}

impl Presence {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let (toggles, logins, edges) = (self.toggles(), self.logins(), self.edges());
        let parts = [
            (Part::Toggles, toggles.togglers + toggles.watchers),
            (Part::Logins, logins.users.max(256) + logins.talkers),
            (Part::Edges, (edges.others + edges.probes + 3) * self.ends()),
        ];
        let wanted = |part| self.part.is_empty() || self.part.contains(&part);
        let largest = parts.iter().filter(|(part, _)| wanted(*part));
        enough_files(largest.map(|(_, count)| *count).max().unwrap_or_default())?;
        let mut report = Report::new(format!("{:?}", self.log).to_lowercase());
        if wanted(Part::Toggles) {
            let nodes = Nodes::new(&self)?;
            let (_ending, server) = nodes.start("")?;
            report.toggles = Some(toggles::run(&toggles, &server).context("toggles")?);
        }
        if wanted(Part::Logins) {
            let nodes = Nodes::new(&self)?;
            let grace = format!("\n[presence]\ngrace_ms = {}\n", self.grace_ms);
            let (preparing, server) = nodes.start(&grace)?;
            logins::prepare(&logins, &server).context("contacts for logins")?;
            nobody_is_here(&server.address.to_string())?;
            stop(preparing)?;
            // What making the contacts left in its memory is not what it has when it comes back, nor what it left to the
            // disk what that has to do then.
            File::open(&nodes.folder).and_then(|folder| Ok(rustix::fs::syncfs(folder)?))?;
            let (_ending, server) = nodes.start(&grace)?;
            let report_of = logins::run(&logins, &server, nodes.folder.path());
            report.logins = Some(report_of.context("logins")?);
        }
        if wanted(Part::Edges) {
            let nodes = Nodes::new(&self)?;
            let grace = format!("\n[presence]\ngrace_ms = {}\n", self.grace_ms);
            let more = format!("{grace}{}", profiles::declaration());
            let of_edges = if self.join_transitions == 0 {
                let (_ending, server) = nodes.start(&more)?;
                profiles::set(&server.address, edges::profiles(edges.probes))?;
                edges::run(&edges, &server, None)
            } else {
                let here = here::Here::start(&nodes, &more)?;
                let joined =
                    (0..self.join_users).map(|user| (edges::joined(user), "joined".to_owned()));
                let all = edges::profiles(edges.probes).chain(joined);
                profiles::set(&here.server.address, all)?;
                let join = here.join(self.join_users, self.join_transitions)?;
                let report = edges::run(&edges, &here.server, Some(join));
                here.stop();
                report
            };
            report.set_edges(of_edges.context("edges")?);
        }
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(report.passed())
    }

    fn toggles(&self) -> toggles::Options {
        toggles::Options {
            togglers: self.or(self.togglers, 200, 2_000),
            watchers: self.or(self.watchers, 100, 1_000),
            roster: self.or(self.toggle_roster, 20, 100),
            rate: self.or(self.toggle_rate, 100, 1_000),
            duration: Duration::from_secs(self.or(self.seconds, 5, 20)),
        }
    }

    fn logins(&self) -> logins::Options {
        logins::Options {
            users: self.or(self.logins, 500, 15_000),
            roster: self.or(self.login_roster, 20, 50),
            at_once: self.at_once,
            talkers: self.or(self.talkers, 20, 200),
            messages: self.or(self.messages, 50, 500),
        }
    }

    fn edges(&self) -> edges::Options {
        edges::Options {
            probes: self.or(self.probes, 10, 50),
            others: self.or(self.others, 200, 2_000),
            rate: self.or(self.edge_rate, 200, 2_000),
            duration: Duration::from_secs(self.or(self.seconds, 5, 60)),
            grace: Duration::from_millis(self.grace_ms),
        }
    }

    /// Ends of a connection that are in this process.
    fn ends(&self) -> u32 {
        if self.join_transitions == 0 { 1 } else { 2 }
    }

    fn or<T>(&self, asked: Option<T>, small: T, full: T) -> T {
        asked.unwrap_or(if self.full { full } else { small })
    }
}

/// Where servers of one part run, one after the other. Fields are dropped in order: NATS ends before its folder.
struct Nodes {
    nats: Option<Ending>,
    log: String,
    folder: tempfile::TempDir,
}

impl Nodes {
    fn new(options: &Presence) -> anyhow::Result<Nodes> {
        let folder = temporary(options.scratch.as_deref())?;
        let (nats, log) = match options.log {
            LogKind::Embedded => (None, String::new()),
            LogKind::Jetstream => {
                let (nats, log) = nats(&options.nats_server, folder.path())?;
                (Some(nats), log)
            }
        };
        Ok(Nodes { nats, log, folder })
    }

    /// Starts a server with more of a configuration.
    fn start(&self, more: &str) -> anyhow::Result<(Ending, Server)> {
        let data: &Path = self.folder.path();
        let (ending, address) = server(data, "data", &format!("{}{more}", self.log))?;
        let address = address.parse().context("the server's address")?;
        let server = self.reached(address, ending.0.id());
        Ok((ending, server))
    }

    /// What a server is told that is not started by [`start`](Self::start).
    fn configuration(&self, more: &str) -> anyhow::Result<String> {
        configuration(self.folder.path(), "data", &format!("{}{more}", self.log))
    }

    /// A server of a process, as the bench reaches it.
    fn reached(&self, address: SocketAddr, pid: u32) -> Server {
        let signer = TokenSigner::new(SECRET);
        Server {
            address,
            token: Arc::new(move |user| signer.sign(user, SystemClock.now_ms() + TOKENS_MS)),
            pid,
            nats_pid: self.nats.as_ref().map(|nats| nats.0.id()),
            progress: true,
        }
    }
}

/// Waits until a server shows nobody.
fn nobody_is_here(address: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = ureq::get(format!("http://{address}/metrics")).call()?;
        let page = page.into_body().read_to_string()?;
        if page.lines().any(|line| line == "tidings_online_users 0") {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "users are shown as here who have gone"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
