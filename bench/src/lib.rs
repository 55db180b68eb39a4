//! An open-loop load generator for any running Tidings server.
//!
//! Messages leave at times fixed beforehand, whatever the server does: latency counts from the
//! scheduled time, so a stall shows in full instead of slowing the load down. Receivers acknowledge
//! and mark as read about as an SDK does. At the end every accepted message must have reached every
//! member of its conversation exactly once and in order, or the run fails.
//!
//! The generator shares its machine with the server it measures, so it is one thread with hand-written
//! framing (`transport`, `compose`, `scan`) instead of the SDK; what it costs itself is in the
//! [`Report`], as is how late it was.
//!
//! CPU seconds depend on the machine and the moment. So a [`relay`] that does the least a server can
//! do can be put under the same load in the same run: the ratio is what to compare.

mod baseline;
mod compose;
pub mod extensions;
pub mod failover;
pub mod floor;
pub mod idle;
pub mod irc;
mod ledger;
mod metrics;
mod options;
mod plan;
pub mod presence;
mod process;
mod receipts;
pub mod relay;
mod report;
pub mod resume;
mod run;
mod scan;
pub mod search;
mod transport;

pub use baseline::Baseline;
pub use options::{Options, TransportKind};
pub use process::children_cpu_seconds;
pub use report::{Quantiles, Report};
pub use run::{RunError, run};
