//! Some clients come and go, beside a load of changes by others: how soon it is to be seen elsewhere.
//!
//! A probe connects, waits until all observers have seen it, leaves, and waits until they have seen that. The time of
//! coming counts from before it connects, that of leaving from the end of the grace after it has begun to close. The
//! others go away and come back in turn, so many times a second together; what one who watches some of them is told
//! shows that all these changes went through.
//!
//! With [`Join`], far more people come and go meanwhile in what searches join people with, without sessions: that
//! takes a server in this process, whose CPU time is then in the same figure as the generator's.

mod background;
mod join;
mod observer;
mod probe;
mod search;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Cpu, PresenceError, Server, line, times};
use crate::report::Quantiles;
use background::Background;
use probe::Probes;

pub use join::{Apply, Join, name as joined};
pub use search::{ATTRIBUTE, profiles};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Clients that come and go, 500 at most.
    pub probes: u32,
    /// Users who go away and come back.
    pub others: u32,
    /// Changes of theirs a second, all together.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
    /// The server's grace for those who leave.
    pub grace: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Clients that came and went.
    pub probes: u32,
    /// The server's grace, milliseconds.
    pub grace_ms: u64,
    /// Users who went away and came back.
    pub others: u32,
    /// Changes of theirs a second.
    pub rate: u32,
    /// Changes of theirs.
    pub changes: u64,
    /// Of these, changes of those who were watched.
    pub watched: u64,
    /// What the one who watched them was told, of these.
    pub watched_told: u64,
    /// Times a probe came, and times one left.
    pub edges: u64,
    /// Edges that an observer did not see.
    pub missing: u64,
    /// What an observer saw that was no edge.
    pub wrong: u64,
    /// Both of the following.
    #[serde(skip)]
    pub edge_to_watch_ms: Quantiles,
    /// From when a probe begins to connect to when one who watches it is told.
    pub connect_to_watch_ms: Quantiles,
    /// From the end of the grace.
    pub disconnect_to_watch_ms: Quantiles,
    /// The same to when a search by another client shows it, which is asked every two milliseconds. Both of the
    /// following.
    #[serde(skip)]
    pub edge_to_search_ms: Quantiles,
    /// From when a probe begins to connect.
    pub connect_to_search_ms: Quantiles,
    /// From the end of the grace.
    pub disconnect_to_search_ms: Quantiles,
    /// What [`Join`] came to: transitions a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_transitions_per_minute: Option<f64>,
    /// CPU seconds of the server for 1,000 changes, those of the probes included; with [`Join`] of the generator, too.
    pub server_cpu_s_per_1000: f64,
    /// The same of its NATS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_cpu_s_per_1000: Option<f64>,
    /// How late the others' changes were sent.
    pub generator_late_ms: Quantiles,
}

impl Report {
    /// Whether everything was told, once.
    pub fn passed(&self) -> bool {
        self.edges > 0 && self.missing == 0 && self.wrong == 0 && self.watched_told == self.watched
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients come and go beside {} changes a second of {} others",
            self.probes, self.rate, self.others
        )?;
        times(f, "edge to watch", &self.edge_to_watch_ms)?;
        times(f, "  connecting to told", &self.connect_to_watch_ms)?;
        times(f, "  end of grace to told", &self.disconnect_to_watch_ms)?;
        times(f, "edge to search", &self.edge_to_search_ms)?;
        times(f, "  connecting to found", &self.connect_to_search_ms)?;
        times(
            f,
            "  end of grace to not found",
            &self.disconnect_to_search_ms,
        )?;
        if let Some(transitions) = self.join_transitions_per_minute {
            let said = format!("{transitions:.0} transitions a minute beside, without sessions");
            line(f, "in the join", said)?;
        }
        times(f, "generator late", &self.generator_late_ms)?;
        let edges = format!(
            "{}, {} missing, {} wrong",
            self.edges, self.missing, self.wrong
        );
        line(f, "edges", edges)?;
        let others = format!(
            "{}, of which {} of {} watched were told",
            self.changes, self.watched_told, self.watched
        );
        line(f, "changes of the others", others)?;
        let nats = match self.nats_cpu_s_per_1000 {
            Some(nats) => format!(", nats {nats:.2} s"),
            None => String::new(),
        };
        let who = match self.join_transitions_per_minute {
            Some(_) => "server and generator",
            None => "server",
        };
        let cpu = format!(
            "{who} {:.2} s{nats} per 1,000 changes",
            self.server_cpu_s_per_1000
        );
        line(f, "CPU", cpu)
    }
}

/// Has the others change and the probes come and go. The probes have the profiles that [`profiles`] says.
pub fn run(
    options: &Options,
    server: &Server,
    join: Option<Join>,
) -> Result<Report, PresenceError> {
    if join.as_ref().is_some_and(|join| join.users == 0) {
        return Err(PresenceError::Options("nobody comes and goes in the join"));
    }
    if options.probes == 0 || options.probes > 500 || options.others == 0 || options.rate == 0 {
        return Err(PresenceError::Options(
            "there are to be 1 to 500 probes, and others who change",
        ));
    }
    if u64::from(options.rate) > 2 * u64::from(options.others) {
        return Err(PresenceError::Options(
            "changes a second are to be 2 for each of the others at most",
        ));
    }
    let mut background = Background::connect(options, server)?;
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (grace, count) = (options.grace, options.probes);
    let (probed, stopping) = (server.clone(), stop.clone());
    let (tell, ready) = std::sync::mpsc::channel::<()>();
    let probing = std::thread::spawn(move || {
        runtime.block_on(async {
            let probes = Probes::begin(&probed, count, grace).await?;
            drop(tell);
            probes.run(&stopping).await
        })
    });
    // Hangs up when they begin, or fail.
    let _ = ready.recv();
    let before = Cpu::now(server)?;
    let begun = Instant::now();
    let joined = join.map(|join| {
        let stop = stop.clone();
        std::thread::spawn(move || join.run(&stop))
    });
    let load = background.run(options, || probing.is_finished());
    let spent = Cpu::now(server)?.since(before);
    stop.store(true, Ordering::Relaxed);
    // Whoever is under way ends that, and others go on meanwhile.
    let idled = background.idle(|| probing.is_finished());
    let seen = probing.join().expect("it does not panic");
    let joined = joined.map(|joined| joined.join().expect("it does not panic"));
    let (seen, load) = (seen?, load?);
    idled?;
    let (watch, search) = (seen.watch, seen.search);
    background.leave();
    let edges_then = watch.edges as f64 * options.duration.as_secs_f64()
        / begun.elapsed().as_secs_f64().max(0.001);
    let changes = (load.changes as f64 + edges_then).max(1.0);
    let per_1000 = |seconds: f64| seconds / changes * 1_000.0;
    Ok(Report {
        probes: options.probes,
        grace_ms: grace.as_millis() as u64,
        others: options.others,
        rate: options.rate,
        changes: load.changes,
        watched: load.watched,
        watched_told: load.told,
        edges: watch.edges,
        missing: watch.missing,
        wrong: watch.wrong + load.wrong,
        edge_to_watch_ms: watch.both,
        connect_to_watch_ms: watch.connect,
        disconnect_to_watch_ms: watch.disconnect,
        edge_to_search_ms: search.both,
        connect_to_search_ms: search.connect,
        disconnect_to_search_ms: search.disconnect,
        join_transitions_per_minute: joined,
        server_cpu_s_per_1000: per_1000(spent.server),
        nats_cpu_s_per_1000: spent.nats.map(per_1000),
        generator_late_ms: load.late.quantiles(),
    })
}
