//! What a call took, and what it said to whoever runs the extension. There is one also when the call failed.

use std::time::Duration;

/// What one call took and said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    /// Fuel, in wasmtime's units. The same each time for the same call, but where it fails by time.
    pub fuel: u64,
    /// The most bytes of linear memory that the instance had.
    pub memory_peak: usize,
    /// From being asked for to its end, with all waiting.
    pub duration: Duration,
    /// Calls to the host.
    pub host_calls: u32,
    /// Bytes that the host gave.
    pub given_bytes: usize,
    /// Lines, in their order.
    pub log: Vec<LogLine>,
    /// Lines beyond those that are kept.
    pub log_dropped: u32,
    /// Numbers, in their order; one entry for each counter.
    pub metrics: Vec<Metric>,
}

/// A line for who runs the extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// Cut after 4 KiB.
    pub line: String,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// While developing.
    Debug,
    /// Worth knowing.
    Info,
    /// May be wrong.
    Warn,
    /// Is wrong.
    Error,
}

/// A number for who runs the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// Adds to a counter.
    Count {
        /// As the manifest declares it.
        name: String,
        /// How much; it stops at the most there is.
        by: u64,
    },
    /// Adds a value to a histogram.
    Observe {
        /// As the manifest declares it.
        name: String,
        /// A finite number.
        value: f64,
    },
}
