//! Messages second by second, while versions of extensions take each other's places.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::ExtensionsError;
use crate::presence::{Server, line, talk::Talk};

const SECOND: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Users who talk, in pairs.
    pub users: u32,
    /// Messages a second, all together.
    pub rate: u32,
    /// How often versions take each other's places.
    pub swaps: u32,
    /// Seconds before the first, between two and after the last.
    pub between: u32,
}

/// What came of it; where a connection breaks there is no report but an error. Times are until a message is received, from when it was due, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Messages a second.
    pub rate: u32,
    /// Versions that began to act.
    pub swaps: u32,
    /// How long each activation took, from asking for it to its answer, milliseconds.
    pub activation_ms: Vec<f64>,
    /// The highest 99th percentile of a second in which a version was swapped, or that touches one.
    pub worst_p99_ms: f64,
    /// The highest of all other seconds.
    pub elsewhere_p99_ms: f64,
    /// The longest of all.
    pub max_ms: f64,
    /// The 99th percentile of each second.
    pub p99_by_second_ms: Vec<f64>,
    /// Messages.
    pub messages: u64,
    /// Of these, received by nobody.
    pub missing: u64,
    /// Received twice.
    pub doubled: u64,
    /// Events that the reactor was told of, and what its effects came to, if it had one.
    pub effects: Option<Effects>,
}

/// What a reactor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Events that were recorded for it.
    pub events: u64,
    /// Effects there are.
    pub found: u64,
}

impl Report {
    /// Whether nothing was lost or doubled.
    pub fn passed(&self) -> bool {
        let once = |effects: &Effects| effects.events == effects.found;
        self.missing == 0 && self.doubled == 0 && self.effects.as_ref().is_none_or(once)
    }
}

/// Has users talk, and `swap` let other versions act meanwhile; it is told how often it did.
pub fn run(
    server: &Server,
    options: &Options,
    mut swap: impl FnMut(u32) -> Result<(), String>,
) -> Result<Report, ExtensionsError> {
    let talk = Talk::start(server, options.users, options.rate);
    if !talk.is_ready() {
        talk.end()?;
        return Err(ExtensionsError::Swap(
            "nobody began to talk, and nobody said why".to_owned(),
        ));
    }
    let between = SECOND * options.between;
    // The first second is for getting warm.
    thread::sleep(SECOND);
    let start = Instant::now();
    let mut swaps = Vec::new();
    let mut failed = None;
    for count in 0..options.swaps {
        thread::sleep(between);
        let begun = Instant::now();
        failed = swap(count).err();
        swaps.push((begun, Instant::now()));
        if failed.is_some() {
            break;
        }
    }
    thread::sleep(between);
    let seconds = start.elapsed().as_secs() as u32;
    let said = talk.end()?;
    if let Some(why) = failed {
        return Err(ExtensionsError::Swap(why));
    }
    let (mut worst, mut elsewhere, mut all) = (0.0_f64, 0.0_f64, Vec::new());
    for second in 0..seconds {
        let (from, to) = (start + SECOND * second, start + SECOND * (second + 1));
        let (times, _) = said.between(from, to);
        let touched = swaps
            .iter()
            .any(|(begun, done)| *begun < to + SECOND && from < *done + SECOND);
        let highest = if touched { &mut worst } else { &mut elsewhere };
        *highest = highest.max(times.p99);
        all.push(times.p99);
    }
    let (whole, _) = said.between(start, start + SECOND * seconds);
    Ok(Report {
        rate: options.rate,
        swaps: swaps.len() as u32,
        activation_ms: swaps
            .iter()
            .map(|(begun, done)| (*done - *begun).as_secs_f64() * 1e3)
            .collect(),
        worst_p99_ms: worst,
        elsewhere_p99_ms: elsewhere,
        max_ms: whole.max,
        p99_by_second_ms: all,
        messages: said.count(),
        missing: said.missing(),
        doubled: said.doubled,
        effects: None,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} versions swapped under {} messages/s",
            self.swaps, self.rate
        )?;
        let value = format!(
            "p99 {:.1} ms at worst in a second around one, {:.1} ms elsewhere, {:.1} ms the longest",
            self.worst_p99_ms, self.elsewhere_p99_ms, self.max_ms
        );
        line(f, "messages received", value)?;
        let value = format!(
            "{} of {} missing, {} doubled, every connection stayed",
            self.missing, self.messages, self.doubled
        );
        line(f, "kept", value)?;
        if let Some(effects) = &self.effects {
            let value = format!("{} of {} events", effects.found, effects.events);
            line(f, "effects", value)?;
        }
        Ok(())
    }
}
