//! Those who go away and come back in turn, and one who watches some of them.

use std::time::{Duration, Instant};

use tidings_protocol::{command, frame::Request};

use super::Options;
use crate::{
    presence::{
        PresenceError, Server,
        crowd::{Crowd, Heard, Patience, request, set_presence},
        roster::Order,
        scan::{self, State},
    },
    report::Times,
};

/// Connections opened at the same time.
const AT_ONCE: u32 = 64;
/// Users in a watch list at most.
const LISTED: u32 = 500;
/// Frames are sent and taken so often.
const RESOLUTION: Duration = Duration::from_micros(500);
/// How long what is still to be told may take.
const SETTLE: Duration = Duration::from_secs(10);

pub(super) struct Background {
    crowd: Crowd,
    others: u32,
}

/// What came of their changes.
pub(super) struct Load {
    pub(super) changes: u64,
    /// Changes of those who are watched.
    pub(super) watched: u64,
    /// Those that were told.
    pub(super) told: u64,
    pub(super) wrong: u64,
    pub(super) late: Times,
}

impl Background {
    /// Everybody is connected, and the watch has begun.
    pub(super) fn connect(options: &Options, server: &Server) -> Result<Background, PresenceError> {
        let others = options.others;
        let mut crowd = Crowd::new(server, others + 1, AT_ONCE, move |user| match user {
            user if user == others => "witness".to_owned(),
            user => format!("other-{user}"),
        })?;
        crowd.enter()?;
        let listed = others.min(LISTED);
        let watch = command::WatchPresence {
            users: (0..listed).map(|user| crowd.name(user)).collect(),
            roster: false,
        };
        crowd.say(others, &request(2, Request::WatchPresence(watch)));
        let mut here = vec![false; listed as usize];
        let mut count = 0;
        let mut patience = Patience::new("others seen as available", listed.into());
        while count < u64::from(listed) {
            crowd.turn(Duration::from_millis(20), &mut |_, heard| {
                let Heard::Presence(told) = heard else { return };
                // What cannot be read is missed.
                let _ = told.each(|name, state| {
                    let user = scan::number(name).and_then(|user| here.get_mut(user as usize));
                    if let (Some(here @ false), State::Available) = (user, state) {
                        *here = true;
                        count += 1;
                    }
                });
            })?;
            patience.has(count)?;
        }
        Ok(Background { crowd, others })
    }

    /// Everybody changes in turn, until the time is up or something else has ended.
    pub(super) fn run(
        &mut self,
        options: &Options,
        ended: impl Fn() -> bool,
    ) -> Result<Load, PresenceError> {
        let (others, rate) = (self.others, u128::from(options.rate));
        let due_ns = |change: u64| (u128::from(change) * 1_000_000_000 / rate) as u64;
        let order = Order::new(others);
        let frames = [set_presence("available"), set_presence("away")];
        let mut away = vec![false; others.min(LISTED) as usize];
        let mut load = Load {
            changes: 0,
            watched: 0,
            told: 0,
            wrong: 0,
            late: Times::new(),
        };
        let start = Instant::now();
        loop {
            let now = start.elapsed();
            let over = now >= options.duration || ended();
            if over && (load.told >= load.watched || now >= options.duration + SETTLE) {
                return Ok(load);
            }
            while !over && u128::from(due_ns(load.changes)) <= now.as_nanos() {
                let user = order.user(load.changes);
                let leaves = (load.changes / u64::from(others)).is_multiple_of(2);
                self.crowd.say(user, &frames[usize::from(leaves)]);
                let sent = start.elapsed().as_nanos() as u64;
                load.late
                    .record_ns(sent.saturating_sub(due_ns(load.changes)));
                load.changes += 1;
                load.watched += u64::from(user < LISTED);
            }
            self.crowd.nap(RESOLUTION)?;
            let (told, wrong) = (&mut load.told, &mut load.wrong);
            self.crowd.turn(Duration::ZERO, &mut |_, heard| {
                let Heard::Presence(frame) = heard else {
                    return;
                };
                let read = frame.each(|name, state| {
                    let user = scan::number(name).and_then(|user| away.get_mut(user as usize));
                    match (user, state) {
                        (Some(away @ false), State::Away)
                        | (Some(away @ true), State::Available) => {
                            *away = !*away;
                            *told += 1;
                        }
                        _ => *wrong += 1,
                    }
                });
                *wrong += u64::from(read.is_err());
            })?;
        }
    }

    /// Nobody changes, until something else has ended.
    pub(super) fn idle(&mut self, ended: impl Fn() -> bool) -> Result<(), PresenceError> {
        while !ended() {
            self.crowd.turn(Duration::from_millis(20), &mut |_, _| {})?;
        }
        Ok(())
    }

    pub(super) fn leave(self) {
        self.crowd.leave();
    }
}
