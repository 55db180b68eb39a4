//! Everybody logs in at once, as after a break of the network, each with their contacts to be told of, while others talk.
//!
//! Users stand in a ring and have their neighbours in it as contacts. They come in another order, so that each finds
//! some of their contacts here and is told of the others as they come: half of all pairs are told of by a snapshot,
//! half by a change, and several changes that are close together by one frame.

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Cpu, PresenceError, Server,
    crowd::{Crowd, Heard, Patience, progress, watch_roster},
    disk::Probe,
    line,
    roster::{Order, Rosters},
    scan::{self, State},
    talk::Talk,
    times,
};
use crate::report::{Quantiles, Times};

/// Users who make contacts are connected so many at a time.
const CHUNK: u32 = 256;
/// How long the others talk before the storm, and after it.
const TALK: Duration = Duration::from_secs(2);
/// Frames are sent and taken so often.
const RESOLUTION: Duration = Duration::from_micros(500);
/// How long what is still to be told may take.
const SETTLE: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Users who log in.
    pub users: u32,
    /// Contacts of each, an even number.
    pub roster: u32,
    /// Logins that are under way at the same time: as soon as one is through the next begins.
    pub at_once: u32,
    /// Users who talk meanwhile, an even number.
    pub talkers: u32,
    /// Messages a second of theirs, all together.
    pub messages: u32,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Users who logged in.
    pub users: u32,
    /// Contacts of each.
    pub roster: u32,
    /// Logins that were under way at the same time.
    pub at_once: u32,
    /// Until the last had been told how their contacts are, seconds.
    pub seconds: f64,
    /// Logins a second.
    pub per_second: f64,
    /// Until everybody had been told that all their contacts are here, seconds.
    pub settled_s: f64,
    /// From connecting to the snapshot of the contacts, milliseconds.
    pub login_ms: Quantiles,
    /// From when a message of those who talked was due to its being heard, milliseconds, in the storm.
    pub message_ms: Quantiles,
    /// The same before the storm.
    pub message_before_ms: Quantiles,
    /// What the disk makes anybody wait in the storm: 4 KiB of a file of their own, written again and synced 50 times a
    /// second, milliseconds. A message cannot be heard sooner than the disk has it.
    pub sync_ms: Quantiles,
    /// The same before the storm.
    pub sync_before_ms: Quantiles,
    /// Messages that were due in the storm, and heard.
    pub messages: u64,
    /// Messages that were never heard, or heard twice.
    pub messages_missing: u64,
    /// Snapshots that were told: one for each user.
    pub snapshots: u64,
    /// Frames of changes.
    pub frames: u64,
    /// Changes in them.
    pub changes: u64,
    /// Contacts whom somebody was not told of as being here.
    pub missing: u64,
    /// Told again, or told as they were not.
    pub wrong: u64,
    /// CPU seconds of the server for 1,000 logins.
    pub server_cpu_s_per_1000: f64,
    /// The same of its NATS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_cpu_s_per_1000: Option<f64>,
    /// The same of the generator.
    pub generator_cpu_s_per_1000: f64,
}

impl Report {
    /// Whether everything was told, once.
    pub fn passed(&self) -> bool {
        self.snapshots == u64::from(self.users)
            && self.missing == 0
            && self.wrong == 0
            && self.messages_missing == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} users log in, {} at a time, with {} contacts each",
            self.users, self.at_once, self.roster
        )?;
        let took = format!(
            "{:.1} s, {:.0} a second; everybody told of all after {:.1} s",
            self.seconds, self.per_second, self.settled_s
        );
        line(f, "logged in", took)?;
        times(f, "connecting to snapshot", &self.login_ms)?;
        times(f, "messages meanwhile", &self.message_ms)?;
        times(f, "messages before", &self.message_before_ms)?;
        times(f, "4 KiB synced meanwhile", &self.sync_ms)?;
        times(f, "4 KiB synced before", &self.sync_before_ms)?;
        let counts = format!(
            "{} meanwhile, {} missing or doubled",
            self.messages, self.messages_missing
        );
        line(f, "messages", counts)?;
        let each = self.changes as f64 / (self.frames as f64).max(1.0);
        let told = format!(
            "{} snapshots, {} changes in {} frames ({each:.1} each), {} missing, {} wrong",
            self.snapshots, self.changes, self.frames, self.missing, self.wrong
        );
        line(f, "told", told)?;
        let nats = match self.nats_cpu_s_per_1000 {
            Some(nats) => format!(", nats {nats:.2} s"),
            None => String::new(),
        };
        let cpu = format!(
            "server {:.2} s{nats}, generator {:.2} s per 1,000 logins",
            self.server_cpu_s_per_1000, self.generator_cpu_s_per_1000
        );
        line(f, "CPU", cpu)
    }
}

fn name(place: u32) -> String {
    format!("guest-{place}")
}

fn rosters(options: &Options) -> Result<Rosters, PresenceError> {
    Rosters::of_each_other(options.users, options.roster).ok_or(PresenceError::Options(
        "contacts are to be an even number, and fewer than users",
    ))
}

/// Makes the contacts. Nobody is connected after it; who was counts as here until the grace is over.
pub fn prepare(options: &Options, server: &Server) -> Result<(), PresenceError> {
    let rosters = rosters(options)?;
    let bar = progress(server.progress, "contacts", rosters.pairs());
    let mut first = 0;
    while first < options.users {
        let count = CHUNK.min(options.users - first);
        let mut crowd = Crowd::new(server, count, CHUNK, move |user| name(first + user))?;
        while crowd.here() < count {
            crowd.turn(Duration::from_millis(100), &mut |_, _| {})?;
        }
        let additions = (0..count).flat_map(|user| {
            rosters
                .watched(first + user)
                .map(move |other| (user, name(other)))
        });
        crowd.add_contacts(additions, &bar)?;
        crowd.leave();
        first += count;
    }
    bar.finish_and_clear();
    Ok(())
}

/// What those who came have been told.
struct Ledger {
    rosters: Rosters,
    order: Order,
    /// By pair, who was told of as here.
    seen: Vec<bool>,
    available: u64,
    snapshots: Vec<bool>,
    told: u64,
    frames: u64,
    changes: u64,
    wrong: u64,
    opened: Vec<Option<Instant>>,
    login: Times,
}

impl Ledger {
    fn hear(&mut self, came: u32, heard: &Heard<'_>) {
        let Heard::Presence(told) = heard else {
            return;
        };
        let viewer = self.order.user(came.into());
        let first = told.snapshot;
        if first {
            self.told += 1;
            let again = std::mem::replace(&mut self.snapshots[came as usize], true);
            self.wrong += u64::from(again);
            if let Some(opened) = self.opened[came as usize] {
                self.login.record_ns(opened.elapsed().as_nanos() as u64);
            }
        } else {
            self.frames += 1;
        }
        let read = told.each(|name, state| {
            self.changes += u64::from(!first);
            let place = scan::number(name).and_then(|user| self.rosters.place(viewer, user));
            match (place.map(|place| &mut self.seen[place]), state) {
                (Some(seen @ false), State::Available) => {
                    *seen = true;
                    self.available += 1;
                }
                // Who has not come yet.
                (Some(false), State::Offline) if first => {}
                _ => self.wrong += 1,
            }
        });
        self.wrong += u64::from(read.is_err());
    }
}

/// Has everybody log in. Their contacts have been made, and nobody counts as here. The server's data is on the disk of
/// `folder`.
pub fn run(options: &Options, server: &Server, folder: &Path) -> Result<Report, PresenceError> {
    if options.talkers < 2 || !options.talkers.is_multiple_of(2) || options.messages == 0 {
        return Err(PresenceError::Options(
            "those who talk are to be an even number, and to talk",
        ));
    }
    let rosters = rosters(options)?;
    let talk = Talk::start(server, options.talkers, options.messages);
    if !talk.is_ready() {
        return talk.end().and(Err(PresenceError::Options("nobody talks")));
    }
    let probe = Probe::start(folder)?;
    let before = Instant::now();
    std::thread::sleep(TALK);
    let stormed = storm(options, rosters, server);
    std::thread::sleep(TALK);
    let said = talk.end()?;
    let syncs = probe.end()?;
    let storm = stormed?;
    let (message_before_ms, _) = said.between(before, storm.began);
    let (message_ms, messages) = said.between(storm.began, storm.settled);
    let ledger = storm.ledger;
    let seconds = (storm.ended - storm.began).as_secs_f64();
    let per_1000 = |spent: f64| spent / f64::from(options.users) * 1_000.0;
    Ok(Report {
        users: options.users,
        roster: options.roster,
        at_once: options.at_once,
        seconds,
        per_second: f64::from(options.users) / seconds.max(0.001),
        settled_s: (storm.settled - storm.began).as_secs_f64(),
        login_ms: ledger.login.quantiles(),
        message_ms,
        message_before_ms,
        sync_ms: syncs.between(storm.began, storm.settled),
        sync_before_ms: syncs.between(before, storm.began),
        messages,
        messages_missing: said.missing() + said.doubled,
        snapshots: ledger.told,
        frames: ledger.frames,
        changes: ledger.changes,
        missing: rosters.pairs() - ledger.available,
        wrong: ledger.wrong,
        server_cpu_s_per_1000: per_1000(storm.spent.server),
        nats_cpu_s_per_1000: storm.spent.nats.map(per_1000),
        generator_cpu_s_per_1000: per_1000(storm.spent.own),
    })
}

struct Storm {
    began: Instant,
    /// The last had been told how their contacts are.
    ended: Instant,
    /// Everybody had been told of all.
    settled: Instant,
    spent: Cpu,
    ledger: Ledger,
}

fn storm(options: &Options, rosters: Rosters, server: &Server) -> Result<Storm, PresenceError> {
    let order = Order::new(options.users);
    let mut crowd = Crowd::new(server, options.users, options.at_once, move |came| {
        name(order.user(came.into()))
    })?;
    let mut ledger = Ledger {
        rosters,
        order,
        seen: vec![false; rosters.places()],
        available: 0,
        snapshots: vec![false; options.users as usize],
        told: 0,
        frames: 0,
        changes: 0,
        wrong: 0,
        opened: vec![None; options.users as usize],
        login: Times::new(),
    };
    let watch = watch_roster();
    let bar = crowd.progress("logging in", options.users.into());
    let mut patience = Patience::new("users logged in", options.users.into());
    let spent = Cpu::now(server)?;
    let began = Instant::now();
    let mut ended = None;
    let settled = loop {
        let asked = Instant::now();
        let opened = crowd.opened();
        let welcome = crowd.turn(Duration::ZERO, &mut |came, heard| ledger.hear(came, &heard))?;
        for came in opened..crowd.opened() {
            ledger.opened[came as usize] = Some(asked);
        }
        for came in welcome {
            crowd.say(came, &watch);
        }
        bar.set_position(ledger.told);
        let now = Instant::now();
        if ledger.told < options.users.into() {
            patience.has(ledger.told)?;
        } else {
            let ended = *ended.get_or_insert(now);
            if ledger.available == rosters.pairs() || now - ended > SETTLE {
                break now;
            }
        }
        crowd.nap(RESOLUTION)?;
    };
    let spent = Cpu::now(server)?.since(spent);
    bar.finish_and_clear();
    // Something that is told twice comes now.
    while settled.elapsed() < Duration::from_millis(300) {
        crowd.turn(Duration::from_millis(20), &mut |came, heard| {
            ledger.hear(came, &heard)
        })?;
    }
    crowd.leave();
    Ok(Storm {
        began,
        ended: ended.unwrap_or(settled),
        settled,
        spent,
        ledger,
    })
}
