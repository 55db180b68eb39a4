//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::baseline::Baseline;

/// Above this, at the 99th percentile, the generator itself was too late for its figures to be
/// trusted.
const OVERRUN_MS: f64 = 5.0;

/// The outcome of a run. Times are in milliseconds unless the name says otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connected users.
    pub users: u32,
    /// Members of each conversation.
    pub members: u32,
    /// Messages a second asked for.
    pub rate: u32,
    /// Seconds measured.
    pub duration_s: f64,
    /// `websocket` or `quic`.
    pub transport: &'static str,
    /// `json` or `protobuf`.
    pub encoding: &'static str,
    /// The server's log backend, as given.
    pub log: String,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// Times are exact to this: at high rates the generator looks only so often, to leave the CPU to
    /// the server.
    pub resolution_ms: f64,
    /// Messages sent, warm-up included.
    pub sent: u64,
    /// Of these, accepted.
    pub acknowledged: u64,
    /// Of these, received by members other than the sender.
    pub received: u64,
    /// Messages never answered.
    pub unanswered: u64,
    /// Scheduled time to a member's receiving, of measured messages.
    pub delivery_ms: Quantiles,
    /// Scheduled time to the last member's receiving, of measured messages.
    pub last_delivery_ms: Quantiles,
    /// Scheduled time to the sender's acknowledgement, of measured messages.
    pub ack_ms: Quantiles,
    /// Scheduled to actual time of sending.
    pub generator_late_ms: Quantiles,
    /// The generator was too late to be trusted.
    pub overrun: bool,
    /// Server CPU seconds while measuring, receipts included.
    pub server_cpu_s: Option<f64>,
    /// Server CPU seconds per 100,000 messages sent, receipts included.
    pub server_cpu_s_per_100k: Option<f64>,
    /// The same of NATS.
    pub nats_cpu_s_per_100k: Option<f64>,
    /// The same of the generator.
    pub generator_cpu_s_per_100k: Option<f64>,
    /// Server memory after the load, KiB.
    pub server_rss_kb: Option<u64>,
    /// Server memory with all users connected, before the load, KiB.
    pub server_rss_connected_kb: Option<u64>,
    /// Seconds until all users were connected.
    pub connect_s: f64,
    /// Projection lag at the end of sending.
    pub projection_lag_ms: Option<f64>,
    /// Every accepted message reached every member of its conversation exactly once, and no other did.
    pub exactly_once: bool,
    /// Everybody saw the same order, each sender's messages in the order of sending.
    pub in_order: bool,
    /// What was wrong, in words.
    pub violations: Vec<String>,
    /// Refusals and lost connections, by code.
    pub errors: BTreeMap<String, u64>,
    /// What a bare relay came to under the same load; left out if none was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How many times the relay's CPU time a message the server spent; left out with the baseline, or
    /// if the run was too short to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ratio: Option<f64>,
}

/// A distribution of times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Collects times, from a microsecond to a minute, to three digits.
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Times {
        Times(Histogram::new_with_bounds(1, 60_000_000, 3).expect("fixed bounds are valid"))
    }

    pub(crate) fn record_ns(&mut self, ns: u64) {
        self.0.saturating_record(ns / 1000);
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let ms = |us: u64| us as f64 / 1000.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Quantiles {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(self.0.max()),
        }
    }
}

impl Report {
    pub(crate) fn set_lateness(&mut self, late: Quantiles) {
        self.generator_late_ms = late;
        self.overrun = late.p99 > OVERRUN_MS;
    }

    /// Whether the server did what it promises: every message was accepted, and delivered once and in
    /// order. A run without messages shows nothing.
    pub fn passed(&self) -> bool {
        self.exactly_once && self.in_order && self.sent > 0 && self.acknowledged == self.sent
    }
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: String| {
            writeln!(f, "  {name:<24} {value}")
        };
        let log = if self.log.is_empty() {
            String::new()
        } else {
            format!(", {} log", self.log)
        };
        writeln!(
            f,
            "{} users in conversations of {}, {} messages/s for {} s, {}, {}{log}",
            self.users, self.members, self.rate, self.duration_s, self.transport, self.encoding
        )?;
        line(f, "connected in", format!("{:.1} s", self.connect_s))?;
        let counts = format!(
            "{} sent, {} acknowledged, {} received",
            self.sent, self.acknowledged, self.received
        );
        line(f, "messages", counts)?;
        writeln!(
            f,
            "  {:<24} {:>9} {:>9} {:>9} {:>9}",
            "", "p50", "p99", "p99.9", "max"
        )?;
        let relay = self.baseline.as_ref();
        let rows = [
            ("sent to received", Some(self.delivery_ms)),
            (
                "  with the bare relay",
                relay.map(|relay| relay.delivery_ms),
            ),
            (
                "sent to the last member",
                (self.members > 2).then_some(self.last_delivery_ms),
            ),
            (
                "  with the bare relay",
                relay
                    .map(|relay| relay.last_delivery_ms)
                    .filter(|_| self.members > 2),
            ),
            ("sent to acknowledged", Some(self.ack_ms)),
            ("  with the bare relay", relay.map(|relay| relay.ack_ms)),
            ("generator late", Some(self.generator_late_ms)),
        ];
        for (name, q) in rows {
            let Some(q) = q else { continue };
            let Quantiles {
                p50,
                p99,
                p999,
                max,
            } = q;
            writeln!(
                f,
                "  {name:<24} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2}  ms"
            )?;
        }
        let cpu = [
            ("server CPU", self.server_cpu_s_per_100k),
            ("nats CPU", self.nats_cpu_s_per_100k),
            ("generator CPU", self.generator_cpu_s_per_100k),
            (
                "bare relay's CPU",
                relay.and_then(|relay| relay.server_cpu_s_per_100k),
            ),
            (
                "  generator CPU then",
                relay.and_then(|relay| relay.generator_cpu_s_per_100k),
            ),
        ];
        for (name, seconds) in cpu {
            if let Some(seconds) = seconds {
                let each = seconds * 10.0;
                line(
                    f,
                    name,
                    format!("{seconds:.2} s per 100,000 messages ({each:.1} us each)"),
                )?;
            }
        }
        if let Some(ratio) = self.cpu_ratio {
            let value = format!("{ratio:.2} times the bare relay's CPU a message");
            line(f, "server to relay", value)?;
        }
        if let Some(after) = self.server_rss_kb {
            let before = self.server_rss_connected_kb.unwrap_or_default();
            let value = format!(
                "{} MiB, {} MiB before the load",
                after / 1024,
                before / 1024
            );
            line(f, "server memory", value)?;
        }
        if let Some(lag) = self.projection_lag_ms {
            line(f, "projection lag", format!("{lag:.1} ms"))?;
        }
        for (code, count) in &self.errors {
            line(f, "error", format!("{code}: {count}"))?;
        }
        if self.unanswered > 0 {
            line(f, "unanswered", self.unanswered.to_string())?;
        }
        line(
            f,
            "exactly once",
            if self.exactly_once { "yes" } else { "NO" }.to_owned(),
        )?;
        line(
            f,
            "in order",
            if self.in_order { "yes" } else { "NO" }.to_owned(),
        )?;
        for violation in &self.violations {
            line(f, "violation", violation.clone())?;
        }
        if self.overrun {
            let why = format!("the generator was late by more than {OVERRUN_MS} ms at p99");
            line(
                f,
                "OVERRUN",
                format!("{why}: latencies are not to be trusted"),
            )?;
        }
        if relay.is_some_and(|relay| relay.overrun) {
            let why = "the generator was late with the bare relay";
            line(f, "OVERRUN", format!("{why}: its latencies are no floor"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut times = Times::new();
        (1..=1000).for_each(|ms| times.record_ns(ms * 1_000_000));
        let Quantiles {
            p50,
            p99,
            p999,
            max,
        } = times.quantiles();
        for (found, expected) in [(p50, 500.0), (p99, 990.0), (p999, 999.0), (max, 1000.0)] {
            assert!(
                (found / expected - 1.0_f64).abs() < 0.002,
                "{found} for {expected}"
            );
        }
        assert_eq!(Times::new().quantiles(), Quantiles::default());
    }
}
