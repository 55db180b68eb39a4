//! What extensions did and what it took: by extension, version and hook.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::LazyLock,
};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tidings_core::metrics::{Histogram, Reading};
use tidings_extension_host::{
    CallError, Hook,
    usage::{Level, LogLine, Metric, Usage},
};

/// Lines kept of one extension.
const LINES: usize = 1_000;

/// All that is counted.
#[derive(Default)]
pub struct Stats {
    hooks: Mutex<BTreeMap<Key, HookStats>>,
    lines: Mutex<BTreeMap<String, VecDeque<Line>>>,
    metrics: Mutex<BTreeMap<(String, String), f64>>,
    /// Effects that came to nothing, by extension.
    refused: Mutex<BTreeMap<String, u64>>,
}

/// Extension, version, hook.
type Key = (String, String, &'static str);

struct HookStats {
    outcomes: BTreeMap<&'static str, u64>,
    fuel: u64,
    fuel_max: u64,
    memory_peak: usize,
    took: Histogram,
    last_error: Option<String>,
}

/// Bounds of durations, in nanoseconds: a tenth more each, from a microsecond to a quarter of a minute.
static BOUNDS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut bounds = Vec::new();
    let mut bound = 1_000.0_f64;
    while bound < 15e9 {
        bounds.push(bound as u64);
        bound *= 1.1;
    }
    bounds
});

impl Default for HookStats {
    fn default() -> HookStats {
        HookStats {
            outcomes: BTreeMap::new(),
            fuel: 0,
            fuel_max: 0,
            memory_peak: 0,
            took: Histogram::new(&BOUNDS, 1e-9),
            last_error: None,
        }
    }
}

/// What one hook of one version did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Which extension.
    pub extension: String,
    /// Which version.
    pub version: String,
    /// Which hook.
    pub hook: &'static str,
    /// Calls, those that failed included.
    pub calls: u64,
    /// Calls by how they ended.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Fuel of all calls.
    pub fuel: u64,
    /// The most fuel that one call took.
    pub fuel_max: u64,
    /// The most memory that one call had, in bytes.
    pub memory_peak: usize,
    /// How long half of the calls took at most, in microseconds.
    pub p50_us: f64,
    /// How long 99 of 100 calls took at most, in microseconds.
    pub p99_us: f64,
    /// How the last call that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A line that an extension wrote.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Line {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// Which version.
    pub version: String,
    /// In which hook; `effects` where the server says what came of an effect.
    pub hook: &'static str,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it says.
    pub line: String,
}

impl Stats {
    /// Counts a call.
    pub(crate) fn called(
        &self,
        (extension, version, hook): (&str, &str, Hook),
        outcome: &'static str,
        error: Option<&CallError>,
        usage: &Usage,
        now_ms: u64,
    ) {
        let key = (extension.to_owned(), version.to_owned(), hook.name());
        {
            let mut hooks = self.hooks.lock();
            let stats = hooks.entry(key).or_default();
            *stats.outcomes.entry(outcome).or_default() += 1;
            stats.fuel += usage.fuel;
            stats.fuel_max = stats.fuel_max.max(usage.fuel);
            stats.memory_peak = stats.memory_peak.max(usage.memory_peak);
            let nanos = usage.duration.as_nanos();
            stats.took.observe(u64::try_from(nanos).unwrap_or(u64::MAX));
            if let Some(error) = error {
                stats.last_error = Some(error.to_string());
            }
        }
        self.lines(extension, version, hook, usage, now_ms);
        if let Some(error) = error.filter(|error| error.is_its_fault()) {
            // Behind what it said itself, which may be why.
            let line = Line {
                at_ms: now_ms,
                version: version.to_owned(),
                hook: hook.name(),
                level: named(Level::Error),
                line: format!("the call failed: {error}"),
            };
            self.keep(extension, [line]);
        }
        if !usage.metrics.is_empty() {
            let mut metrics = self.metrics.lock();
            let mut add = |name: String, by: f64| {
                *metrics.entry((extension.to_owned(), name)).or_default() += by;
            };
            for metric in &usage.metrics {
                match metric {
                    Metric::Count { name, by } => add(name.clone(), *by as f64),
                    Metric::Observe { name, value } => {
                        add(format!("{name}_sum"), *value);
                        add(format!("{name}_count"), 1.0);
                    }
                }
            }
        }
    }

    /// Counts one that was not called, since it is left alone.
    pub(crate) fn left_alone(&self, (extension, version, hook): (&str, &str, Hook)) {
        let key = (extension.to_owned(), version.to_owned(), hook.name());
        let mut hooks = self.hooks.lock();
        *hooks
            .entry(key)
            .or_default()
            .outcomes
            .entry("breaker")
            .or_default() += 1;
    }

    /// Counts an effect that came to nothing, and says why where the author looks.
    pub(crate) fn refused(&self, extension: &str, version: &str, why: &str, now_ms: u64) {
        *self.refused.lock().entry(extension.to_owned()).or_default() += 1;
        let line = Line {
            at_ms: now_ms,
            version: version.to_owned(),
            hook: "effects",
            level: named(Level::Warn),
            line: format!("an effect came to nothing: {why}"),
        };
        self.keep(extension, [line]);
    }

    /// What else its author is told beside what it wrote.
    pub(crate) fn note(&self, name: (&str, &str, Hook), line: String, now_ms: u64) {
        let (extension, version, hook) = name;
        let line = Line {
            at_ms: now_ms,
            version: version.to_owned(),
            hook: hook.name(),
            level: named(Level::Info),
            line,
        };
        self.keep(extension, [line]);
    }

    fn lines(&self, extension: &str, version: &str, hook: Hook, usage: &Usage, now_ms: u64) {
        if usage.log.is_empty() {
            return;
        }
        let lines = usage.log.iter().map(|LogLine { level, line }| Line {
            at_ms: now_ms,
            version: version.to_owned(),
            hook: hook.name(),
            level: named(*level),
            line: line.clone(),
        });
        self.keep(extension, lines);
    }

    /// Keeps the last lines.
    fn keep(&self, extension: &str, new: impl IntoIterator<Item = Line>) {
        let mut all = self.lines.lock();
        let lines = all.entry(extension.to_owned()).or_default();
        for line in new {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    }

    /// Effects that came to nothing: (extension, how many).
    pub fn refusals(&self) -> Vec<(String, u64)> {
        let refused = self.refused.lock();
        refused
            .iter()
            .map(|(extension, count)| (extension.clone(), *count))
            .collect()
    }

    /// What each hook of each version did.
    pub fn rows(&self) -> Vec<Row> {
        let hooks = self.hooks.lock();
        let rows = hooks.iter().map(|((extension, version, hook), stats)| {
            let took = stats.took.read();
            let us = |part: f64| quantile(&took, part) * 1e6;
            Row {
                extension: extension.clone(),
                version: version.clone(),
                hook,
                calls: stats.outcomes.values().sum(),
                outcomes: stats.outcomes.clone(),
                fuel: stats.fuel,
                fuel_max: stats.fuel_max,
                memory_peak: stats.memory_peak,
                p50_us: us(0.5),
                p99_us: us(0.99),
                last_error: stats.last_error.clone(),
            }
        });
        rows.collect()
    }

    /// Numbers of extensions' own: (extension, name) with their sums.
    pub fn metrics(&self) -> Vec<((String, String), f64)> {
        let metrics = self.metrics.lock();
        metrics
            .iter()
            .map(|(key, value)| (key.clone(), *value))
            .collect()
    }

    /// The last lines of an extension, those after `since_ms`.
    pub fn lines_of(&self, extension: &str, since_ms: u64) -> Vec<Line> {
        let lines = self.lines.lock();
        let lines = lines.get(extension).into_iter().flatten();
        lines
            .filter(|line| line.at_ms > since_ms)
            .cloned()
            .collect()
    }
}

fn named(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// The upper end of the bucket within which so much of all values lies, in seconds.
fn quantile(reading: &Reading, part: f64) -> f64 {
    let wanted = (reading.count as f64 * part).ceil() as u64;
    let bucket = reading.buckets.iter().find(|(_, below)| *below >= wanted);
    let last = reading.buckets.last();
    bucket.or(last).map_or(0.0, |(bound, _)| *bound)
}
