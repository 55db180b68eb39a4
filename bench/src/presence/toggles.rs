//! Users who go away and come back at times fixed beforehand, each watched by many: how soon all of them are told.
//!
//! Everybody who toggles does so in turn, in an order that spreads the contacts of each watcher. The n-th change that a
//! watcher is told of somebody is their n-th: so each time is that of its own change, and what never comes is missed.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Cpu, PresenceError, Server,
    crowd::{Crowd, Heard, Patience, set_presence, watch_roster},
    line,
    roster::{Order, Rosters},
    scan::{self, State},
    times,
};
use crate::report::{Quantiles, Times};

/// Connections opened at the same time.
const AT_ONCE: u32 = 64;
/// Frames are sent and taken so often: to wake up for each would cost more than the work itself.
const RESOLUTION: Duration = Duration::from_micros(500);
/// How long what is still to come may take after the last toggle.
const SETTLE: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Users who toggle.
    pub togglers: u32,
    /// Users who watch, which the others are a multiple of.
    pub watchers: u32,
    /// Contacts of each who watches, among those who toggle.
    pub roster: u32,
    /// Toggles a second, all together.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Users who toggled.
    pub togglers: u32,
    /// Users who watched.
    pub watchers: u32,
    /// How many watched each.
    pub watchers_each: f64,
    /// Toggles a second.
    pub rate: u32,
    /// Toggles.
    pub toggles: u64,
    /// From when a toggle was due to each watcher's being told, milliseconds.
    pub toggle_to_watch_ms: Quantiles,
    /// Changes that were to be told.
    pub expected: u64,
    /// Changes that were told.
    pub told: u64,
    /// Changes that were not.
    pub missing: u64,
    /// Told again, or told as they were not.
    pub wrong: u64,
    /// Frames they came in.
    pub frames: u64,
    /// CPU seconds of the server for 1,000 toggles.
    pub server_cpu_s_per_1000: f64,
    /// The same of its NATS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_cpu_s_per_1000: Option<f64>,
    /// The same of the generator.
    pub generator_cpu_s_per_1000: f64,
    /// How late the generator sent.
    pub generator_late_ms: Quantiles,
}

impl Report {
    /// Whether everything was told, once.
    pub fn passed(&self) -> bool {
        self.toggles > 0 && self.missing == 0 && self.wrong == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} users toggle {} times a second together, each watched by {:.0} of {}",
            self.togglers, self.rate, self.watchers_each, self.watchers
        )?;
        times(f, "due to told", &self.toggle_to_watch_ms)?;
        times(f, "generator late", &self.generator_late_ms)?;
        let counts = format!(
            "{} of {} in {} frames, {} missing, {} wrong",
            self.told, self.expected, self.frames, self.missing, self.wrong
        );
        line(f, "changes told", counts)?;
        let nats = match self.nats_cpu_s_per_1000 {
            Some(nats) => format!(", nats {nats:.2} s"),
            None => String::new(),
        };
        let cpu = format!(
            "server {:.2} s{nats}, generator {:.2} s per 1,000 toggles",
            self.server_cpu_s_per_1000, self.generator_cpu_s_per_1000
        );
        line(f, "CPU", cpu)
    }
}

/// Who toggles when.
struct Schedule {
    users: u64,
    order: Order,
    /// When each user's turn is, among all.
    turns: Vec<u64>,
    rate: u64,
}

impl Schedule {
    fn new(users: u32, rate: u32) -> Schedule {
        let order = Order::new(users);
        let mut turns = vec![0; users as usize];
        for turn in 0..u64::from(users) {
            turns[order.user(turn) as usize] = turn;
        }
        Schedule {
            users: users.into(),
            order,
            turns,
            rate: rate.into(),
        }
    }

    fn user(&self, toggle: u64) -> u32 {
        self.order.user(toggle)
    }

    /// The toggle that is a user's n-th, from 0.
    fn nth(&self, user: u32, n: u64) -> u64 {
        n * self.users + self.turns[user as usize]
    }

    fn due_ns(&self, toggle: u64) -> u64 {
        (u128::from(toggle) * 1_000_000_000 / u128::from(self.rate)) as u64
    }
}

/// How a user is after their n-th toggle, from 0: they begin as available.
fn after(n: u64) -> State {
    match n % 2 {
        0 => State::Away,
        _ => State::Available,
    }
}

/// What the watchers have been told.
struct Ledger<'a> {
    rosters: Rosters,
    schedule: &'a Schedule,
    togglers: u32,
    /// Changes told, by pair.
    counts: Vec<u16>,
    /// Until everybody is seen as available: who is, by pair.
    seen: Vec<bool>,
    available: u64,
    snapshots: u32,
    told: u64,
    wrong: u64,
    frames: u64,
    times: Times,
}

impl Ledger<'_> {
    /// Before the first toggle.
    fn prepare(&mut self, user: u32, heard: &Heard<'_>) {
        let (Some(viewer), Heard::Presence(told)) = (user.checked_sub(self.togglers), heard) else {
            return;
        };
        self.snapshots += u32::from(told.snapshot);
        let read = told.each(|name, state| {
            let other = scan::number(name);
            let place = other.and_then(|other| self.rosters.place(viewer, other));
            match place.map(|place| &mut self.seen[place]) {
                Some(seen) if !*seen && state == State::Available => {
                    *seen = true;
                    self.available += 1;
                }
                Some(_) => {}
                None => self.wrong += 1,
            }
        });
        self.wrong += u64::from(read.is_err());
    }

    fn hear(&mut self, user: u32, heard: &Heard<'_>, sent: u64, start: Instant) {
        let (Some(viewer), Heard::Presence(told)) = (user.checked_sub(self.togglers), heard) else {
            return;
        };
        let now = start.elapsed().as_nanos() as u64;
        self.frames += 1;
        let read = told.each(|name, state| {
            let other = scan::number(name);
            let pair = other.and_then(|other| Some((other, self.rosters.place(viewer, other)?)));
            let Some((other, place)) = pair else {
                self.wrong += 1;
                return;
            };
            let n = u64::from(self.counts[place]);
            let toggle = self.schedule.nth(other, n);
            if state != after(n) || toggle >= sent {
                self.wrong += 1;
                return;
            }
            self.counts[place] += 1;
            self.told += 1;
            let due = self.schedule.due_ns(toggle);
            self.times.record_ns(now.saturating_sub(due));
        });
        self.wrong += u64::from(read.is_err() || told.snapshot);
    }
}

/// Makes the contacts, connects everybody and toggles.
pub fn run(options: &Options, server: &Server) -> Result<Report, PresenceError> {
    let (togglers, watchers) = (options.togglers, options.watchers);
    let rosters = Rosters::of_others(watchers, togglers, options.roster);
    let rosters = rosters.ok_or(PresenceError::Options(
        "togglers are to be a multiple of watchers, and as many as are in a roster at least",
    ))?;
    if options.rate == 0 || u64::from(options.rate) > 2 * u64::from(togglers) {
        return Err(PresenceError::Options(
            "toggles a second are to be at least 1, and 2 for each toggler at most",
        ));
    }
    let mut crowd = Crowd::new(server, togglers + watchers, AT_ONCE, move |user| match user
        .checked_sub(togglers)
    {
        Some(watcher) => format!("watcher-{watcher}"),
        None => format!("toggler-{user}"),
    })?;
    crowd.enter()?;
    let additions = (0..watchers).flat_map(|watcher| {
        rosters.watched(watcher).flat_map(move |toggler| {
            let there = (togglers + watcher, format!("toggler-{toggler}"));
            [there, (toggler, format!("watcher-{watcher}"))]
        })
    });
    let bar = crowd.progress("contacts", 2 * rosters.pairs());
    crowd.add_contacts(additions, &bar)?;
    bar.finish_and_clear();

    let schedule = Schedule::new(togglers, options.rate);
    let mut ledger = Ledger {
        rosters,
        schedule: &schedule,
        togglers,
        counts: vec![0; rosters.places()],
        seen: vec![false; rosters.places()],
        available: 0,
        snapshots: 0,
        told: 0,
        wrong: 0,
        frames: 0,
        times: Times::new(),
    };
    let watch = watch_roster();
    (0..watchers).for_each(|watcher| crowd.say(togglers + watcher, &watch));
    let mut patience = Patience::new("contacts seen as available", rosters.pairs());
    while ledger.snapshots < watchers || ledger.available < rosters.pairs() {
        crowd.turn(Duration::from_millis(20), &mut |user, heard| {
            ledger.prepare(user, &heard);
        })?;
        patience.has(ledger.available)?;
    }

    let toggles = u64::from(options.rate) * options.duration.as_millis() as u64 / 1_000;
    let bar = crowd.progress("toggles", toggles);
    let frames = [set_presence("available"), set_presence("away")];
    let mut late = Times::new();
    let before = Cpu::now(server)?;
    let start = Instant::now();
    let mut sent = 0;
    let mut ended = None;
    let expected = |sent: u64| -> u64 {
        // Everybody is watched by as many.
        (sent as f64 * rosters.watchers_each()).round() as u64
    };
    loop {
        let now = start.elapsed().as_nanos() as u64;
        while sent < toggles && schedule.due_ns(sent) <= now {
            let user = schedule.user(sent);
            let away = after(sent / u64::from(togglers)) == State::Away;
            crowd.say(user, &frames[usize::from(away)]);
            let now = start.elapsed().as_nanos() as u64;
            late.record_ns(now.saturating_sub(schedule.due_ns(sent)));
            sent += 1;
        }
        crowd.nap(RESOLUTION)?;
        crowd.turn(Duration::ZERO, &mut |user, heard| {
            ledger.hear(user, &heard, sent, start);
        })?;
        bar.set_position(sent);
        if sent == toggles {
            let ended = *ended.get_or_insert_with(Instant::now);
            if ledger.told >= expected(sent) || ended.elapsed() > SETTLE {
                break;
            }
        }
    }
    let spent = Cpu::now(server)?.since(before);
    bar.finish_and_clear();
    // Something that is told twice comes now.
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(300) {
        crowd.turn(Duration::from_millis(20), &mut |user, heard| {
            ledger.hear(user, &heard, sent, start);
        })?;
    }
    crowd.leave();
    let per_1000 = |seconds: f64| seconds / (toggles as f64).max(1.0) * 1_000.0;
    Ok(Report {
        togglers,
        watchers,
        watchers_each: rosters.watchers_each(),
        rate: options.rate,
        toggles,
        toggle_to_watch_ms: ledger.times.quantiles(),
        expected: expected(toggles),
        told: ledger.told,
        missing: expected(toggles).saturating_sub(ledger.told),
        wrong: ledger.wrong,
        frames: ledger.frames,
        server_cpu_s_per_1000: per_1000(spent.server),
        nats_cpu_s_per_1000: spent.nats.map(per_1000),
        generator_cpu_s_per_1000: per_1000(spent.own),
        generator_late_ms: late.quantiles(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_toggles_in_turn() {
        for users in [1, 2, 7, 200, 2_000] {
            let schedule = Schedule::new(users, 1_000);
            let mut times = vec![0; users as usize];
            for toggle in 0..u64::from(users) * 3 {
                let user = schedule.user(toggle);
                assert_eq!(schedule.nth(user, times[user as usize]), toggle);
                times[user as usize] += 1;
            }
            assert!(times.iter().all(|count| *count == 3), "{users}: {times:?}");
            assert_eq!(schedule.due_ns(500), 500_000_000);
        }
    }
}
