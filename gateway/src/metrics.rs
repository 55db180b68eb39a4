//! What is counted, and `/metrics`, which tells it in Prometheus' text format.

mod page;
mod process;

use std::sync::atomic::{AtomicU64, Ordering};

use tidings_core::node::Lag;
use tidings_extensions::{manage::Status, stats::Row};
use tidings_protocol::{CloseCode, ErrorCode};

use crate::{session::Gateway, transport::Transport};
use page::Page;

/// What the gateway has done since it started.
#[derive(Debug)]
pub struct Metrics {
    /// Connections open now, by transport.
    pub connections: [AtomicU64; Transport::ALL.len()],
    /// Connections there have been, by transport.
    pub opened: [AtomicU64; Transport::ALL.len()],
    /// Sessions open now, by transport.
    pub sessions: [AtomicU64; Transport::ALL.len()],
    /// Frames received.
    pub frames_in: AtomicU64,
    /// Frames sent.
    pub frames_out: AtomicU64,
    /// Commands accepted.
    pub accepted: AtomicU64,
    /// Requests refused, by code.
    pub refused: [AtomicU64; ErrorCode::ALL.len()],
    /// Connections closed by the server, by code.
    pub closed: [AtomicU64; CloseCode::ALL.len()],
    /// Resumes answered with the changes, and with a reset.
    pub resumed: [AtomicU64; 2],
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            connections: zeros(),
            opened: zeros(),
            sessions: zeros(),
            frames_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: zeros(),
            closed: zeros(),
            resumed: zeros(),
        }
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
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
}

/// Everything that is measured, as Prometheus reads it. `lag` is unknown where the log cannot be asked.
pub fn render(gateway: &Gateway, lag: Option<Lag>) -> String {
    let mut page = Page::default();
    connections(&mut page, gateway);
    commands(&mut page, gateway);
    log(&mut page, gateway, lag);
    extensions(&mut page, gateway);
    process::write(&mut page);
    page.text()
}

fn extensions(page: &mut Page, gateway: &Gateway) {
    let extensions = &gateway.extensions;
    let rows = extensions.stats().rows();
    let name = "tidings_extension_calls_total";
    page.counter(name, "Calls of extensions on this node, by how they ended.");
    for row in &rows {
        for (outcome, count) in &row.outcomes {
            let labels = [
                ("extension", row.extension.as_str()),
                ("version", row.version.as_str()),
                ("hook", row.hook),
                ("outcome", outcome),
            ];
            page.sample(name, &labels, *count);
        }
    }
    let mut of = |name: &str, help: &str, value: &dyn Fn(&Row) -> f64| {
        page.gauge(name, help);
        for row in &rows {
            let labels = [
                ("extension", row.extension.as_str()),
                ("version", row.version.as_str()),
                ("hook", row.hook),
            ];
            page.sample(name, &labels, value(row));
        }
    };
    let name = "tidings_extension_call_p50_seconds";
    let help = "How long half of the calls of an extension took at most, since the start.";
    of(name, help, &|row| row.p50_us / 1e6);
    let name = "tidings_extension_call_p99_seconds";
    let help = "How long 99 of 100 calls of an extension took at most, since the start.";
    of(name, help, &|row| row.p99_us / 1e6);
    let name = "tidings_extension_fuel_total";
    page.counter(name, "Fuel that calls of extensions took.");
    for row in &rows {
        page.sample(
            name,
            &[
                ("extension", &*row.extension),
                ("version", &*row.version),
                ("hook", row.hook),
            ],
            row.fuel,
        );
    }
    let name = "tidings_extension_memory_peak_bytes";
    page.gauge(name, "The most memory that one call of an extension had.");
    for row in &rows {
        page.sample(
            name,
            &[
                ("extension", &*row.extension),
                ("version", &*row.version),
                ("hook", row.hook),
            ],
            row.memory_peak,
        );
    }
    let name = "tidings_extension_effects_refused_total";
    page.counter(name, "Effects of extensions that came to nothing.");
    for (extension, count) in extensions.stats().refusals() {
        page.sample(name, &[("extension", &*extension)], count);
    }
    let all = extensions.list().unwrap_or_default();
    let mut of = |name: &str, help: &str, value: &dyn Fn(&Status) -> Option<u64>| {
        page.gauge(name, help);
        for one in &all {
            if let Some(value) = value(one) {
                page.sample(name, &[("extension", &*one.id)], value);
            }
        }
    };
    of(
        "tidings_extension_lag",
        "Positions of the log that an extension was not told of yet, on the node that tells it.",
        &|one| one.lag,
    );
    of(
        "tidings_extension_waiting",
        "Events that an extension is to be told again.",
        &|one| Some(one.waiting),
    );
    of(
        "tidings_extension_parked",
        "Events set aside since an extension could not deal with them.",
        &|one| Some(one.parked),
    );
    of(
        "tidings_extension_left_alone",
        "Hooks that keep failing and are not called at present.",
        &|one| {
            one.active
                .as_ref()
                .map(|active| active.left_alone.len() as u64)
        },
    );
    of(
        "tidings_extension_quarantined",
        "1 once an extension was given up.",
        &|one| Some(u64::from(one.quarantine.is_some())),
    );
    of(
        "tidings_extension_store_bytes",
        "Bytes in the store of an extension.",
        &|one| Some(one.store_bytes),
    );
    let name = "tidings_extension_metric";
    page.gauge(name, "Numbers of extensions' own.");
    for ((extension, metric), value) in extensions.stats().metrics() {
        page.sample(
            name,
            &[("extension", &*extension), ("name", &*metric)],
            value,
        );
    }
}

fn connections(page: &mut Page, gateway: &Gateway) {
    let metrics = &gateway.metrics;
    let by_transport = |page: &mut Page, name, counts: &[AtomicU64]| {
        for (transport, count) in Transport::ALL.iter().zip(counts) {
            page.sample(name, &[("transport", transport.as_str())], load(count));
        }
    };
    let name = "tidings_connections";
    page.gauge(name, "Connections open now that carry frames.");
    by_transport(page, name, &metrics.connections);
    let name = "tidings_connections_opened_total";
    page.counter(name, "Connections there have been.");
    by_transport(page, name, &metrics.opened);
    let name = "tidings_sessions";
    page.gauge(name, "Connections open now of a user who is known.");
    by_transport(page, name, &metrics.sessions);
    let name = "tidings_connections_closed_total";
    page.counter(name, "Connections closed by the server, by why.");
    for (code, count) in CloseCode::ALL.iter().zip(&metrics.closed) {
        page.sample(name, &[("code", code.as_str())], load(count));
    }
    let name = "tidings_frames_received_total";
    page.counter(name, "Frames that clients sent.");
    page.sample(name, &[], load(&metrics.frames_in));
    let name = "tidings_frames_sent_total";
    page.counter(name, "Frames sent to clients.");
    page.sample(name, &[], load(&metrics.frames_out));
    let name = "tidings_outgoing_bytes";
    page.gauge(name, "Bytes waiting to be sent, on all connections.");
    page.sample(name, &[], gateway.outgoing_bytes() as u64);
    let [replayed, reset] = &metrics.resumed;
    let name = "tidings_resumes_replayed_total";
    page.counter(name, "Sessions that began with what they had missed.");
    page.sample(name, &[], load(replayed));
    let name = "tidings_resumes_reset_total";
    page.counter(name, "Sessions that began with a reset, first ones too.");
    page.sample(name, &[], load(reset));
    let name = "tidings_draining";
    page.gauge(name, "1 once the server has been asked to stop.");
    page.sample(name, &[], u64::from(gateway.is_draining()));
}

fn commands(page: &mut Page, gateway: &Gateway) {
    let (metrics, handler) = (&gateway.metrics, &gateway.node.handler);
    let name = "tidings_commands_accepted_total";
    page.counter(
        name,
        "Commands accepted of clients of this node, whoever wrote them.",
    );
    page.sample(name, &[], load(&metrics.accepted));
    let name = "tidings_requests_refused_total";
    page.counter(name, "Requests of clients of this node refused, by why.");
    for (code, count) in ErrorCode::ALL.iter().zip(&metrics.refused) {
        page.sample(name, &[("code", code.as_str())], load(count));
    }
    let name = "tidings_commands_total";
    page.counter(
        name,
        "Commands decided by this node's writers, whoever they came from.",
    );
    for (kind, outcome, count) in handler.metrics().commands() {
        page.sample(name, &[("kind", kind), ("outcome", outcome)], count);
    }
    let name = "tidings_commands_waiting";
    page.gauge(name, "Commands that wait for a writer, here or elsewhere.");
    page.sample(name, &[], handler.waiting() as u64);
}

fn log(page: &mut Page, gateway: &Gateway, lag: Option<Lag>) {
    let node = &gateway.node;
    let written = node.handler.metrics();
    page.histogram(
        "tidings_append_seconds",
        "How long it took until an append to the log was durable.",
        &written.append.read(),
    );
    page.histogram(
        "tidings_commit_bytes",
        "Size of a commit as it is stored.",
        &written.commit_bytes.read(),
    );
    page.histogram(
        "tidings_commit_commands",
        "Commands in a commit.",
        &written.commit_commands.read(),
    );
    let name = "tidings_append_failures_total";
    page.counter(name, "Appends that failed, by why.");
    for (why, count) in written.failures() {
        page.sample(name, &[("reason", why)], count);
    }
    let name = "tidings_key_failures_total";
    page.counter(
        name,
        "Commits that needed a content key which could not be made.",
    );
    page.sample(name, &[], written.key_failures());
    let name = "tidings_projection_write_failures_total";
    page.counter(name, "Tries to put the projections on disk that failed.");
    page.sample(name, &[], written.flush_failures());
    let name = "tidings_log_writable";
    page.gauge(
        name,
        "0 if the log could not be written when that was last tried; beside other nodes, within the last minute.",
    );
    let writable = written.is_log_writable(node.clock.now_ms(), node.others());
    page.sample(name, &[], u64::from(writable));
    // What is not known is not told.
    let name = "tidings_log_position";
    page.gauge(name, "Position of the log's last record.");
    if let Some(lag) = lag {
        page.sample(name, &[], lag.head);
    }
    let name = "tidings_projection_position";
    page.gauge(name, "Position that the projections are folded through.");
    page.sample(name, &[], node.projections.cursor());
    let name = "tidings_projection_disk_position";
    page.gauge(name, "Position of the projections that are on disk.");
    page.sample(name, &[], node.projections.flushed());
    let name = "tidings_projection_lag_positions";
    page.gauge(name, "Positions of the log that are not folded yet.");
    if let Some(lag) = lag {
        page.sample(name, &[], lag.positions);
    }
    let name = "tidings_projection_lag_seconds";
    page.gauge(name, "Age of the last record folded, 0 if it is the last.");
    if let Some(lag) = lag {
        page.sample(name, &[], lag.ms as f64 / 1_000.0);
    }
    let name = "tidings_parked_streams";
    page.gauge(name, "Streams that cannot be folded: see the log.");
    page.sample(name, &[], node.projections.parked().len() as u64);
    let name = "tidings_online_users";
    page.gauge(
        name,
        "Users who are here, on all nodes, the invisible included.",
    );
    page.sample(name, &[], node.presence.online() as u64);
    let name = "tidings_presence_watches";
    page.gauge(name, "Sessions that watch who is here.");
    page.sample(name, &[], node.presence.watches() as u64);
    search(page, gateway);
    let name = "tidings_other_nodes";
    page.gauge(name, "Other nodes that are heard on this log.");
    page.sample(name, &[], node.others() as u64);
    let name = "tidings_shards";
    page.gauge(name, "Parts of the log that are written independently.");
    page.sample(name, &[], u64::from(node.log.identity().shards));
    let name = "tidings_shards_written";
    page.gauge(name, "Those of them that this node writes.");
    page.sample(name, &[], node.shards_written() as u64);
}

/// The indexes, and what is asked of them.
fn search(page: &mut Page, gateway: &Gateway) {
    let search = &gateway.search;
    let people = search.status();
    let statuses = [
        ("people", Some(people)),
        ("messages", search.messages_status()),
    ];
    let statuses: Vec<_> = statuses
        .into_iter()
        .filter_map(|(index, status)| Some((index, status?)))
        .collect();
    let name = "tidings_search_documents";
    page.gauge(name, "Profiles and messages in the indexes.");
    for (index, status) in &statuses {
        page.sample(name, &[("index", index)], status.count);
    }
    let name = "tidings_search_lag_positions";
    page.gauge(
        name,
        "Positions of the log that an index has not followed yet.",
    );
    let cursor = gateway.node.projections.cursor();
    for (index, status) in &statuses {
        let lag = cursor.saturating_sub(status.position);
        page.sample(name, &[("index", index)], lag);
    }
    let name = "tidings_search_building";
    page.gauge(name, "Whether an index is being built.");
    for (index, status) in &statuses {
        let building = u64::from(status.building.is_some());
        page.sample(name, &[("index", index)], building);
    }
    let name = "tidings_search_watches";
    page.gauge(name, "Sessions that watch a result page.");
    page.sample(name, &[], search.watches() as u64);
    let name = "tidings_search_seconds";
    for (index, reading) in search.seconds() {
        let name = format!("{name}_{index}");
        page.histogram(
            &name,
            "Time that searches took, waiting for a core left out.",
            &reading,
        );
    }
}
