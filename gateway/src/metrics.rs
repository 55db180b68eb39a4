//! Counters of the gateway, read by `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use tidings_protocol::{CloseCode, ErrorCode};

/// What the gateway has done since it started.
#[derive(Debug)]
pub struct Metrics {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Sessions open now.
    pub sessions: AtomicU64,
    /// Frames received.
    pub frames_in: AtomicU64,
    /// Frames sent.
    pub frames_out: AtomicU64,
    /// Commands accepted.
    pub accepted: AtomicU64,
    /// Requests refused, by code.
    pub refused: Vec<AtomicU64>,
    /// Connections closed by the server, by code.
    pub closed: Vec<AtomicU64>,
    /// Resumes answered with the changes, and with a reset.
    pub resumed: [AtomicU64; 2],
}

impl Default for Metrics {
    fn default() -> Metrics {
        let counters = |n: usize| (0..n).map(|_| AtomicU64::new(0)).collect();
        Metrics {
            connections: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            frames_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: counters(ErrorCode::ALL.len()),
            closed: counters(CloseCode::ALL.len()),
            resumed: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }
}

impl Metrics {
    /// Counts a refusal.
    pub fn refuse(&self, code: ErrorCode) {
        if let Some(at) = ErrorCode::ALL.iter().position(|known| *known == code) {
            self.refused[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection closed by the server.
    pub fn close(&self, code: CloseCode) {
        if let Some(at) = CloseCode::ALL.iter().position(|known| *known == code) {
            self.closed[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As Prometheus text; `projection_lag_ms` is measured by the caller.
    pub fn render(&self, projection_lag_ms: u64, commands_waiting: usize) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        let mut line = |name: &str, kind: &str, value: u64| {
            let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {value}");
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        line("tidings_connections", "gauge", load(&self.connections));
        line("tidings_sessions", "gauge", load(&self.sessions));
        line(
            "tidings_frames_received_total",
            "counter",
            load(&self.frames_in),
        );
        line(
            "tidings_frames_sent_total",
            "counter",
            load(&self.frames_out),
        );
        line(
            "tidings_commands_accepted_total",
            "counter",
            load(&self.accepted),
        );
        line("tidings_commands_waiting", "gauge", commands_waiting as u64);
        line(
            "tidings_resumes_replayed_total",
            "counter",
            load(&self.resumed[0]),
        );
        line(
            "tidings_resumes_reset_total",
            "counter",
            load(&self.resumed[1]),
        );
        let _ = writeln!(out, "# TYPE tidings_projection_lag_seconds gauge");
        let _ = writeln!(
            out,
            "tidings_projection_lag_seconds {}",
            projection_lag_ms as f64 / 1_000.0
        );
        let _ = writeln!(out, "# TYPE tidings_requests_refused_total counter");
        for (code, count) in ErrorCode::ALL.iter().zip(&self.refused) {
            let _ = writeln!(
                out,
                "tidings_requests_refused_total{{code=\"{}\"}} {}",
                code.as_str(),
                load(count)
            );
        }
        let _ = writeln!(out, "# TYPE tidings_connections_closed_total counter");
        for (code, count) in CloseCode::ALL.iter().zip(&self.closed) {
            let _ = writeln!(
                out,
                "tidings_connections_closed_total{{code=\"{}\"}} {}",
                code.as_str(),
                load(count)
            );
        }
        out
    }
}
