//! Who is here, under load: how soon those who watch are told, what that costs the server, and what a storm of logins
//! does to messages.
//!
//! Three parts, each on a server of its own. Every user is a connection of its own from one thread (`transport`), and
//! what has to arrive is counted pair by pair, so that a change that is lost, told twice or told wrongly is found.
//!
//! * [`toggles`]: users go away and come back at times fixed beforehand. The whole size is 2,000 users, of whom each
//!   of 1,000 others has 100 in their contacts, so that every change is told to 50: 1,000 changes a second are 50,000
//!   to be told. It is a client's page with some hundred contacts on it, of whom each changes every two seconds:
//!   more often than people do, by fewer of them than there would be.
//! * [`logins`]: everybody comes at once, each with their contacts to be told of, while others talk.
//! * [`edges`]: some clients come and go beside a load of changes, and it is measured how soon others see that.
//!
//! Clients read frames within half a millisecond of their coming, which is in the times, and write them as the
//! server's other benches do. They are slow only if this process is: how late it was is in the reports.

pub(crate) mod crowd;
mod disk;
pub mod edges;
pub mod logins;
mod roster;
pub(crate) mod scan;
pub(crate) mod talk;
pub mod toggles;

use std::{fmt, fs, io, net::SocketAddr, sync::Arc};

use serde::Serialize;

use crate::{process, report::Quantiles};

/// Makes the token of a user.
pub type Token = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The server that is measured.
#[derive(Clone)]
pub struct Server {
    /// Where it takes WebSockets.
    pub address: SocketAddr,
    /// Makes the token of a user.
    pub token: Token,
    /// Its process.
    pub pid: u32,
    /// That of its NATS, if it has one.
    pub nats_pid: Option<u32>,
    /// Whether to draw progress on the terminal.
    pub progress: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The options make no sense.
    #[error("{0}")]
    Options(&'static str),
    /// Sockets cannot be had or used.
    #[error("network: {0}")]
    Network(#[from] io::Error),
    /// The server did something that a server does not do.
    #[error("{user}: {reason}")]
    Client {
        /// To whom.
        user: String,
        /// What.
        reason: String,
    },
    /// Nothing came for long.
    #[error("{what}: {done} of {of}, and then nothing for {seconds} s")]
    Silence {
        /// What is waited for.
        what: &'static str,
        /// How much of it has come.
        done: u64,
        /// How much is to come.
        of: u64,
        /// How long nothing did.
        seconds: u64,
    },
    /// The server's process is not there.
    #[error("process {0} is not there")]
    Process(u32),
}

/// What all parts that were run came to; what was not run is left out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the server's log backend.
    pub log: String,
    /// From when somebody connects, or has been gone for the grace, to another client's being told, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_to_watch_ms: Option<Quantiles>,
    /// The same to another client's finding it by a search for who is online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_to_search_ms: Option<Quantiles>,
    /// The part of [`toggles`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toggles: Option<toggles::Report>,
    /// The part of [`logins`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logins: Option<logins::Report>,
    /// The part of [`edges`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<edges::Report>,
    /// The machine's load over a minute before, as the kernel says it: what others were doing.
    pub load_before: Option<f64>,
}

impl Report {
    /// Nothing yet, on a server with this log.
    pub fn new(log: String) -> Report {
        Report {
            log,
            edge_to_watch_ms: None,
            edge_to_search_ms: None,
            toggles: None,
            logins: None,
            edges: None,
            load_before: load_average(),
        }
    }

    /// With the part of edges.
    pub fn set_edges(&mut self, edges: edges::Report) {
        self.edge_to_watch_ms = Some(edges.edge_to_watch_ms);
        self.edge_to_search_ms = Some(edges.edge_to_search_ms);
        self.edges = Some(edges);
    }

    /// Whether everybody was told all that they had to be told, and nothing else.
    pub fn passed(&self) -> bool {
        self.toggles.as_ref().is_none_or(toggles::Report::passed)
            && self.logins.as_ref().is_none_or(logins::Report::passed)
            && self.edges.as_ref().is_none_or(edges::Report::passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(toggles) = &self.toggles {
            write!(f, "{toggles}")?;
        }
        if let Some(logins) = &self.logins {
            write!(f, "{logins}")?;
        }
        if let Some(edges) = &self.edges {
            write!(f, "{edges}")?;
        }
        match self.load_before {
            Some(load) => line(f, "machine's load before", format!("{load:.2}")),
            None => Ok(()),
        }
    }
}

pub(crate) fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// A line of a table.
pub(crate) fn line(f: &mut fmt::Formatter<'_>, name: &str, value: String) -> fmt::Result {
    writeln!(f, "  {name:<28} {value}")
}

/// A line of a table with times in it.
pub(crate) fn times(f: &mut fmt::Formatter<'_>, name: &str, of: &Quantiles) -> fmt::Result {
    let value = format!(
        "p50 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}  ms",
        of.p50, of.p99, of.p999, of.max
    );
    line(f, name, value)
}

/// CPU seconds of those who take part, so far.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) nats: Option<f64>,
    pub(crate) own: f64,
}

impl Cpu {
    pub(crate) fn now(server: &Server) -> Result<Cpu, PresenceError> {
        let of = |pid| process::cpu_seconds(pid).ok_or(PresenceError::Process(pid));
        Ok(Cpu {
            server: of(server.pid)?,
            nats: server.nats_pid.map(of).transpose()?,
            own: of(std::process::id())?,
        })
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            server: self.server - before.server,
            nats: self.nats.zip(before.nats).map(|(now, then)| now - then),
            own: self.own - before.own,
        }
    }
}
