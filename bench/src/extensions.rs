//! What extensions cost: a call of one, and what a server that has them does with messages.
//!
//! * [`verdicts`]: a moderator in the sandbox, beside the same on an engine with wasmtime's own settings and the same asked of an
//!   HTTP service.
//! * [`runtimes`]: calls of extensions whose language brings its runtime along.
//! * [`load`]: messages on two servers in turns, one of which has extensions: throughput, times, CPU.
//! * [`swap`]: messages second by second while versions take each other's places.
//!
//! Everything is a ratio of two things in the same run, in turns where they can take turns: what else the machine does falls on
//! both.

pub mod closed;
pub mod load;
pub mod runtimes;
pub mod swap;
pub mod verdicts;

mod service;

use std::{fmt, io};

use serde::Serialize;
use tidings_extension_host::{
    EngineError,
    measure::{MeasureError, Spread},
};

use crate::{
    RunError,
    presence::{PresenceError, line, load_average},
};

/// How long calls took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Micros {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl From<Spread> for Micros {
    fn from(spread: Spread) -> Micros {
        Micros {
            p50: spread.p50.as_secs_f64() * 1e6,
            p99: spread.p99.as_secs_f64() * 1e6,
        }
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1}  p99 {:.1}  us", self.p50, self.p99)
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionsError {
    /// There is no sandbox.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A call in it.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The HTTP service, or its client.
    #[error("the HTTP service: {0}")]
    Service(#[from] io::Error),
    /// It said something else than was asked.
    #[error("the HTTP service answered {0:?}")]
    Answer(String),
    /// Messages at their times.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Messages as fast as they go, or second by second.
    #[error(transparent)]
    Talk(#[from] PresenceError),
    /// Whoever was to swap versions could not.
    #[error("swapping versions: {0}")]
    Swap(String),
}

/// What all parts that were run came to; what was not run is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Name of the servers' log backend.
    pub log: String,
    /// A verdict of a moderator in Rust in a fresh instance, from the call to the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation_fresh_us: Option<Micros>,
    /// The same asked of an HTTP service on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_hook_us: Option<Micros>,
    /// The rest of that part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<verdicts::Report>,
    /// The part of [`runtimes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<runtimes::Report>,
    /// Messages a second of the server with extensions, of those of the one without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_ratio: Option<f64>,
    /// The 99th percentile until a message is received with extensions, of that without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_p99_ratio: Option<f64>,
    /// The part of [`load`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<load::Report>,
    /// What extensions that have nothing to do add to a message, microseconds of the server's CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_extensions_us_a_message: Option<f64>,
    /// The rest of that part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_extensions: Option<load::Idle>,
    /// The part of [`swap`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<swap::Report>,
    /// Starting a server whose extensions are compiled already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// The machine's load over a minute before, as the kernel says it: what others were doing.
    pub load_before: Option<f64>,
}

/// Until a server listens.
#[derive(Clone, Debug, Serialize)]
pub struct Start {
    /// Extensions that it has.
    pub extensions: u32,
    /// Seconds with them, the median of some starts.
    pub with_s: f64,
    /// Seconds of a server that has none.
    pub without_s: f64,
}

impl Report {
    /// Nothing yet, on servers with this log.
    pub fn new(log: String) -> Report {
        Report {
            log,
            load_before: load_average(),
            ..Report::default()
        }
    }

    /// With the part of verdicts.
    pub fn set_verdicts(&mut self, verdicts: verdicts::Report) {
        self.moderation_fresh_us = Some(verdicts.fresh_us);
        self.http_hook_us = Some(verdicts.http_us);
        self.verdicts = Some(verdicts);
    }

    /// With the part of load.
    pub fn set_load(&mut self, load: load::Report) {
        self.throughput_ratio = Some(load.throughput_ratio);
        self.delivery_p99_ratio = Some(load.delivery_p99_ratio);
        self.load = Some(load);
    }

    /// With what those cost that have nothing to do.
    pub fn set_idle(&mut self, idle: load::Idle) {
        self.idle_extensions_us_a_message = Some(idle.added_us_a_message);
        self.idle_extensions = Some(idle);
    }

    /// Whether nothing was lost, doubled or dropped. How fast things were says nothing about that.
    pub fn passed(&self) -> bool {
        self.swap.as_ref().is_none_or(swap::Report::passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(verdicts) = &self.verdicts {
            write!(f, "{verdicts}")?;
        }
        if let Some(runtimes) = &self.runtimes {
            write!(f, "{runtimes}")?;
        }
        if let Some(load) = &self.load {
            write!(f, "{load}")?;
        }
        if let Some(idle) = &self.idle_extensions {
            write!(f, "{idle}")?;
        }
        if let Some(swap) = &self.swap {
            write!(f, "{swap}")?;
        }
        if let Some(start) = &self.start {
            writeln!(f, "start")?;
            line(
                f,
                &format!("with {} extensions", start.extensions),
                format!("{:.2} s", start.with_s),
            )?;
            line(f, "without any", format!("{:.2} s", start.without_s))?;
        }
        match self.load_before {
            Some(load) => line(f, "machine's load before", format!("{load:.2}")),
            None => Ok(()),
        }
    }
}

/// The one in the middle, of two the higher one; 0 of none.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}
