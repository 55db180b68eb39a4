//! A bare relay's figures beside a server's: machines and moments differ, their ratio less so.

use serde::Serialize;

use crate::report::{Quantiles, Report};

/// What the relay came to under the same load, in the same run. Names and units are the [`Report`]'s.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// Scheduled time to a member's receiving.
    pub delivery_ms: Quantiles,
    /// Scheduled time to the last member's receiving.
    pub last_delivery_ms: Quantiles,
    /// Scheduled time to the sender's acknowledgement.
    pub ack_ms: Quantiles,
    /// CPU seconds of the relay per 100,000 messages sent.
    pub server_cpu_s_per_100k: Option<f64>,
    /// The same of the generator.
    pub generator_cpu_s_per_100k: Option<f64>,
    /// The generator was too late to be trusted, with the relay alone.
    pub overrun: bool,
}

impl Report {
    /// Sets these figures against a relay's.
    pub fn set_baseline(&mut self, relay: &Report) {
        self.baseline = Some(Baseline {
            delivery_ms: relay.delivery_ms,
            last_delivery_ms: relay.last_delivery_ms,
            ack_ms: relay.ack_ms,
            server_cpu_s_per_100k: relay.server_cpu_s_per_100k,
            generator_cpu_s_per_100k: relay.generator_cpu_s_per_100k,
            overrun: relay.overrun,
        });
        self.cpu_ratio = match (self.server_cpu_s_per_100k, relay.server_cpu_s_per_100k) {
            // CPU time comes in hundredths of a second: a short run may have cost none.
            (Some(server), Some(relay)) if relay > 0.0 => Some(server / relay),
            _ => None,
        };
    }
}
