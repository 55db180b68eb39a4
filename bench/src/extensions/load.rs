//! Messages on two servers in turns, one of which has extensions.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;
use tidings_sdk::Tls;

use super::{ExtensionsError, closed, median};
use crate::{
    Options as RunOptions, Report as RunReport,
    presence::{Server, line},
    run as run_messages,
};

/// The two servers.
pub struct Pair {
    /// Has extensions, or more of them.
    pub with: Server,
    /// Has none, or fewer.
    pub without: Server,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connected users, in pairs.
    pub users: u32,
    /// Turns of each server.
    pub rounds: u32,
    /// Messages that each user has under way where it is measured how fast they go.
    pub window: u32,
    /// Messages a second where it is measured how long they take; half of what the slower server takes if nothing is said.
    pub rate: Option<u32>,
    /// How long each turn is measured.
    pub duration: Duration,
    /// How long before that.
    pub warm_up: Duration,
}

/// A figure of both servers.
#[derive(Clone, Debug, Serialize)]
pub struct Both {
    /// The median of the one with extensions.
    pub with: f64,
    /// The median of the one without.
    pub without: f64,
    /// What each turn came to: with, without.
    pub turns: Vec<(f64, f64)>,
}

impl Both {
    fn of(turns: Vec<(f64, f64)>) -> Both {
        Both {
            with: median(turns.iter().map(|turn| turn.0).collect()),
            without: median(turns.iter().map(|turn| turn.1).collect()),
            turns,
        }
    }

    fn ratio(&self) -> f64 {
        self.with / self.without
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What acts on the one server: `id` and its hooks.
    pub extensions: Vec<String>,
    /// Connected users.
    pub users: u32,
    /// Messages under way of each, for throughput.
    pub window: u32,
    /// Messages a second as fast as they go.
    pub messages_per_s: Both,
    /// With extensions, of without.
    pub throughput_ratio: f64,
    /// Messages a second, where times were measured.
    pub rate: u32,
    /// Milliseconds until half of the messages are received, from when they were due.
    pub delivery_p50_ms: Both,
    /// Milliseconds until 99 of 100 are.
    pub delivery_p99_ms: Both,
    /// With extensions, of without.
    pub delivery_p99_ratio: f64,
    /// The server's CPU for a message at that rate, microseconds.
    pub server_cpu_us: Both,
    /// Whether the load generator was too late in any turn for times to be trusted.
    pub overrun: bool,
    /// What the server that has extensions says of calls in all turns.
    pub calls: Vec<Calls>,
}

/// Calls of a hook of an extension.
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    /// Which.
    pub extension: String,
    /// Where it was called.
    pub hook: String,
    /// How often.
    pub calls: u64,
    /// How often it came to nothing, by how it ended: its manifest says what counts then, or it was called again.
    pub failed: BTreeMap<String, u64>,
    /// Median, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
}

/// Measures throughput, then times at a rate that both sustain. What acts on the one server is for the report.
pub fn run(
    pair: &Pair,
    options: &Options,
    extensions: Vec<String>,
) -> Result<Report, ExtensionsError> {
    let fast = closed::Options {
        users: options.users,
        window: options.window,
        warm_up: options.warm_up,
        duration: options.duration,
    };
    let speeds = in_turns(pair, options.rounds, |server| {
        Ok(closed::run(server, &fast)?.messages_per_s)
    })?;
    let messages_per_s = Both::of(speeds);
    let slower = messages_per_s.with.min(messages_per_s.without);
    let rate = options.rate.unwrap_or((slower / 2.0) as u32).max(1);
    let runs = in_turns(pair, options.rounds, |server| {
        at_rate(server, options, rate)
    })?;
    let of = |figure: &dyn Fn(&RunReport) -> f64| {
        Both::of(
            runs.iter()
                .map(|(with, without)| (figure(with), figure(without)))
                .collect(),
        )
    };
    let delivery_p99_ms = of(&|run| run.delivery_ms.p99);
    Ok(Report {
        extensions,
        users: options.users,
        window: options.window,
        throughput_ratio: messages_per_s.ratio(),
        messages_per_s,
        rate,
        delivery_p50_ms: of(&|run| run.delivery_ms.p50),
        delivery_p99_ratio: delivery_p99_ms.ratio(),
        delivery_p99_ms,
        server_cpu_us: of(&cpu_us),
        overrun: runs
            .iter()
            .any(|(with, without)| with.overrun || without.overrun),
        calls: Vec::new(),
    })
}

/// What extensions cost that have nothing to do.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    /// How many they are.
    pub extensions: u32,
    /// Messages a second.
    pub rate: u32,
    /// The median of what they added in each round.
    pub added_us_a_message: f64,
    /// The server's CPU for a message, microseconds.
    pub server_cpu_us: Both,
    /// What they added in each round: how far these lie apart says how well it is known.
    pub rounds_us: Vec<f64>,
}

/// Measures what so many extensions, that the one server has beyond the other's, add to a message's CPU.
pub fn idle(pair: &Pair, options: &Options, extensions: u32) -> Result<Idle, ExtensionsError> {
    let rate = options.rate.unwrap_or(1_000);
    let turns = in_turns(pair, options.rounds, |server| {
        Ok(cpu_us(&at_rate(server, options, rate)?))
    })?;
    let rounds_us: Vec<f64> = turns.iter().map(|(with, without)| with - without).collect();
    Ok(Idle {
        extensions,
        rate,
        added_us_a_message: median(rounds_us.clone()),
        server_cpu_us: Both::of(turns),
        rounds_us,
    })
}

/// Something of both servers, round by round, now the one first, now the other.
fn in_turns<T>(
    pair: &Pair,
    rounds: u32,
    mut of: impl FnMut(&Server) -> Result<T, ExtensionsError>,
) -> Result<Vec<(T, T)>, ExtensionsError> {
    let mut turns = Vec::new();
    for round in 0..rounds {
        turns.push(if round % 2 == 0 {
            let without = of(&pair.without)?;
            (of(&pair.with)?, without)
        } else {
            let with = of(&pair.with)?;
            (with, of(&pair.without)?)
        });
    }
    Ok(turns)
}

fn at_rate(server: &Server, options: &Options, rate: u32) -> Result<RunReport, ExtensionsError> {
    let token = server.token.clone();
    let mut run = RunOptions::new(vec![server.address.to_string()], move |user| token(user));
    run.users = options.users;
    run.rate = rate;
    run.duration = options.duration;
    run.warm_up = options.warm_up;
    run.tls = Tls::dangerous_accept_any_certificate();
    run.server_pids = vec![server.pid];
    run.nats_pids = server.nats_pid.into_iter().collect();
    Ok(run_messages(&run)?)
}

fn cpu_us(run: &RunReport) -> f64 {
    run.server_cpu_s_per_100k.unwrap_or_default() * 10.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "messages of {} users with {}, and without",
            self.users,
            self.extensions.join(", ")
        )?;
        let speed = &self.messages_per_s;
        let value = format!(
            "{:.0}/s, {:.0}/s without ({:.2} times)",
            speed.with, speed.without, self.throughput_ratio
        );
        line(f, "as fast as they go", value)?;
        let (p50, p99) = (&self.delivery_p50_ms, &self.delivery_p99_ms);
        let value = format!(
            "p50 {:.1}  p99 {:.1} ms, p50 {:.1}  p99 {:.1} ms without ({:.2} times the p99)",
            p50.with, p99.with, p50.without, p99.without, self.delivery_p99_ratio
        );
        line(f, &format!("at {}/s", self.rate), value)?;
        let cpu = &self.server_cpu_us;
        let value = format!(
            "{:.1} us a message, {:.1} us without",
            cpu.with, cpu.without
        );
        line(f, "  server CPU", value)?;
        for calls in &self.calls {
            let name = format!("  {} ({})", calls.extension, calls.hook);
            let (p50, p99) = (calls.p50_us, calls.p99_us);
            let failed: u64 = calls.failed.values().sum();
            let value = format!(
                "p50 {p50:.0}  p99 {p99:.0} us, {} calls, {failed} failed",
                calls.calls
            );
            line(f, &name, value)?;
        }
        if self.overrun {
            line(
                f,
                "OVERRUN",
                "the load generator was late: times are not to be trusted".to_owned(),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} extensions that have nothing to do", self.extensions)?;
        let cpu = &self.server_cpu_us;
        let value = format!(
            "{:.2} us of CPU a message at {}/s ({:.1} us with, {:.1} us without)",
            self.added_us_a_message, self.rate, cpu.with, cpu.without
        );
        line(f, "add", value)
    }
}
