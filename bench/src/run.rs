//! A run from beginning to end: connect, converse, load, settle, add up.

mod load;
mod prepare;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use tidings_protocol::Encoding;

use crate::compose::Composer;
use crate::ledger::Ledger;
use crate::options::{Options, TransportKind};
use crate::plan::{Plan, PlanError};
use crate::receipts::Receipts;
use crate::report::{Report, Times};
use crate::transport::{Quic, Transport, WebSocket};
use crate::{metrics, process};

/// Deliveries a second above which waking up for each would cost more than the work itself.
const BUSY: u64 = 8_000;
/// Then the generator wakes up this often.
const RESOLUTION: Duration = Duration::from_micros(200);

/// A run that came to no result, or to a bad one.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The options do not make a run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A text cannot hold what tells messages apart.
    #[error("texts of {0} bytes are too short, the least is 24")]
    Text(usize),
    /// The name of a server cannot be resolved.
    #[error("cannot resolve {address}: {source}")]
    Address {
        /// What was given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Sockets cannot be had or used.
    #[error("network: {0}")]
    Network(#[from] io::Error),
    /// Not all users could connect.
    #[error("{connected} of {users} users connected; {errors}")]
    Connect {
        /// How many did.
        connected: u32,
        /// How many should have.
        users: u32,
        /// What went wrong, by code.
        errors: String,
    },
    /// Not all conversations could be made.
    #[error("{made} of {conversations} conversations were made; {errors}")]
    Converse {
        /// How many were.
        made: u32,
        /// How many should have been.
        conversations: u32,
        /// What went wrong, by code.
        errors: String,
    },
    /// The server broke a promise: the report says which.
    #[error("{}", violations(.0))]
    Violated(Box<Report>),
}

fn violations(report: &Report) -> String {
    let mut lines = report.violations.clone();
    if report.unanswered > 0 {
        lines.push(format!(
            "{} messages were never answered",
            report.unanswered
        ));
    }
    let refused = report.sent - report.acknowledged - report.unanswered;
    if refused > 0 {
        let why: Vec<_> = report.errors.keys().map(String::as_str).collect();
        lines.push(format!(
            "{refused} messages were refused ({})",
            why.join(", ")
        ));
    }
    if report.sent == 0 {
        lines.push("no message was sent: raise --rate or --duration".to_owned());
    }
    lines.join("; ")
}

/// Carries out a run on the calling thread.
pub fn run(options: &Options) -> Result<Report, RunError> {
    if options.text_bytes < crate::compose::STAMP {
        return Err(RunError::Text(options.text_bytes));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Differs from run to run, and names nobody's users but this run's.
    let tag = now.as_micros() as u64 ^ (u64::from(std::process::id()) << 52);
    let size = options.group.unwrap_or(2);
    let plan = Plan::new(
        tag,
        options.users,
        size,
        options.rate,
        options.warm_up,
        options.duration,
    )?;
    let mut targets = Vec::new();
    for address in &options.addresses {
        targets.push(resolve(address)?);
    }
    let Some(first) = targets.first() else {
        return Err(RunError::Network(io::Error::other(
            "no address to connect to",
        )));
    };
    let start_ms = now.as_millis() as u64;
    let composer = Composer::new(options.encoding, tag, options.text_bytes, start_ms);
    match options.transport {
        TransportKind::WebSocket => {
            let transport = WebSocket::new(options.users, options.encoding)?;
            Run::new(options, plan, composer, targets, transport).carry_out()
        }
        TransportKind::Quic => {
            let (host, _) = options.addresses[0].rsplit_once(':').unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let ipv6 = first.is_ipv6();
            let transport = Quic::new(options.users, options.encoding, &options.tls, host, ipv6)?;
            Run::new(options, plan, composer, targets, transport).carry_out()
        }
    }
}

fn resolve(address: &str) -> Result<SocketAddr, RunError> {
    let error = |source| RunError::Address {
        address: address.to_owned(),
        source,
    };
    let mut found = address.to_socket_addrs().map_err(error)?;
    found
        .next()
        .ok_or_else(|| error(io::ErrorKind::NotFound.into()))
}

/// Everything a run has in hand.
struct Run<'a, T> {
    options: &'a Options,
    plan: Plan,
    composer: Composer,
    targets: Vec<SocketAddr>,
    transport: T,
    ledger: Ledger,
    receipts: Receipts,
    errors: BTreeMap<String, u64>,
    heartbeat: Duration,
    /// When each user last sent something.
    spoke: Vec<Instant>,
    kept_alive: Instant,
    delivery: Times,
    last_delivery: Times,
    ack: Times,
    late: Times,
    scratch: Vec<u8>,
}

/// What was measured around the load.
struct Load {
    connect: Duration,
    connected_kib: Option<u64>,
    measured: Span,
    lag_ms: Option<f64>,
}

/// CPU seconds between the beginning of measuring and the end of delivery.
struct Span {
    server: Option<f64>,
    nats: Option<f64>,
    own: Option<f64>,
}

impl<'a, T: Transport> Run<'a, T> {
    fn new(
        options: &'a Options,
        plan: Plan,
        composer: Composer,
        targets: Vec<SocketAddr>,
        transport: T,
    ) -> Run<'a, T> {
        Run {
            ledger: Ledger::new(&plan),
            receipts: Receipts::new(plan.users()),
            spoke: vec![Instant::now(); plan.users() as usize],
            kept_alive: Instant::now(),
            options,
            plan,
            composer,
            targets,
            transport,
            errors: BTreeMap::new(),
            heartbeat: Duration::from_secs(30),
            delivery: Times::new(),
            last_delivery: Times::new(),
            ack: Times::new(),
            late: Times::new(),
            scratch: Vec::with_capacity(8192),
        }
    }

    fn carry_out(mut self) -> Result<Report, RunError> {
        let started = Instant::now();
        self.connect()?;
        let connect = started.elapsed();
        self.converse()?;
        let connected_kib = process::resident_kib_of(&self.options.server_pids);
        let (measured, lag_ms) = self.load()?;
        self.transport.close();
        let report = self.report(Load {
            connect,
            connected_kib,
            measured,
            lag_ms,
        });
        match report.passed() {
            true => Ok(report),
            false => Err(RunError::Violated(Box::new(report))),
        }
    }

    /// Sends a ping where nothing else was sent for half a heartbeat. Does nothing for a user who is
    /// not connected.
    fn keep_alive(&mut self, user: u32) {
        let spoke = &mut self.spoke[user as usize];
        if spoke.elapsed() > self.heartbeat / 2 {
            *spoke = Instant::now();
            self.transport.write(user, &self.composer.ping());
            self.transport.flush(user);
        }
    }

    fn error(&mut self, code: &str) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
    }

    fn errors_in_words(&self) -> String {
        let words: Vec<_> = self
            .errors
            .iter()
            .map(|(code, count)| format!("{code}: {count}"))
            .collect();
        if words.is_empty() {
            "no answer".to_owned()
        } else {
            words.join(", ")
        }
    }

    fn progress(&self, what: &'static str, len: u32) -> ProgressBar {
        if !self.options.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix:>14} {wide_bar} {pos}/{len} {elapsed}");
        let bar = ProgressBar::new(len.into()).with_prefix(what);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    fn cpu(&self) -> Span {
        Span {
            server: process::cpu_seconds_of(&self.options.server_pids),
            nats: process::cpu_seconds_of(&self.options.nats_pids),
            own: process::cpu_seconds(std::process::id()),
        }
    }

    /// Asks for the projection lag, where somebody says it.
    fn ask_lag(&self) -> impl FnOnce() -> Option<f64> + Send + 'static {
        let address = match (&self.options.metrics, self.options.transport) {
            (Some(address), _) => Some(address.clone()),
            (None, TransportKind::WebSocket) => self.options.addresses.first().cloned(),
            (None, TransportKind::Quic) => None,
        };
        move || metrics::projection_lag_ms(&address?)
    }

    /// How often the generator looks for what is due and what has come; zero for as soon as it is.
    fn resolution(&self) -> Duration {
        let deliveries = u64::from(self.options.rate) * u64::from(self.options.group.unwrap_or(2));
        if deliveries > BUSY {
            RESOLUTION
        } else {
            Duration::ZERO
        }
    }

    fn report(&self, load: Load) -> Report {
        let violations = self.ledger.verify(&self.plan);
        let measured = f64::from(self.plan.messages() - self.plan.warm_up());
        let per_100k = |seconds: Option<f64>| {
            seconds
                .filter(|_| measured > 0.0)
                .map(|seconds| seconds / measured * 100_000.0)
        };
        let mut report = Report {
            users: self.plan.users(),
            members: self.options.group.unwrap_or(2),
            rate: self.options.rate,
            duration_s: self.options.duration.as_secs_f64(),
            transport: match self.options.transport {
                TransportKind::WebSocket => "websocket",
                TransportKind::Quic => "quic",
            },
            encoding: match self.options.encoding {
                Encoding::Json => "json",
                Encoding::Protobuf => "protobuf",
            },
            log: self.options.log.clone(),
            text_bytes: self.options.text_bytes,
            resolution_ms: self.resolution().as_secs_f64() * 1000.0,
            sent: self.ledger.sent,
            acknowledged: self.ledger.accepted,
            received: self.ledger.received,
            unanswered: self.ledger.unanswered(),
            delivery_ms: self.delivery.quantiles(),
            last_delivery_ms: self.last_delivery.quantiles(),
            ack_ms: self.ack.quantiles(),
            generator_late_ms: Default::default(),
            overrun: false,
            server_cpu_s: load.measured.server,
            server_cpu_s_per_100k: per_100k(load.measured.server),
            nats_cpu_s_per_100k: per_100k(load.measured.nats),
            generator_cpu_s_per_100k: per_100k(load.measured.own),
            server_rss_kb: process::resident_kib_of(&self.options.server_pids),
            server_rss_connected_kb: load.connected_kib,
            connect_s: load.connect.as_secs_f64(),
            projection_lag_ms: load.lag_ms,
            exactly_once: violations.exactly_once(),
            in_order: violations.in_order(),
            violations: violations.lines(),
            errors: self.errors.clone(),
            baseline: None,
            cpu_ratio: None,
        };
        report.set_lateness(self.late.quantiles());
        report
    }
}
