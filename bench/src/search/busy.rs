//! Searching while others come and go: a million transitions a minute from another thread.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use serde::Serialize;
use tidings_search::{
    people::{PeopleIndex, Presence},
    query::Online,
};

use super::{
    Options, SearchBenchError,
    cells::Cost,
    crowd::Crowd,
    profiles::{World, user},
    shapes::Shape,
    ways::page,
};

/// Transitions a minute.
const A_MINUTE: u64 = 1_000_000;

/// Quiet and busy parts take turns, so that whatever else the machine does hits both.
const PARTS: usize = 20;

/// One kind of question, for who is online, at one share.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Busy {
    /// What is asked.
    pub shape: &'static str,
    /// How many people are online, percent.
    pub share: u32,
    /// While nobody comes or goes.
    pub quiet_ms: Cost,
    /// While people do.
    pub busy_ms: Cost,
    /// Medians, busy to quiet.
    pub ratio: f64,
    /// Transitions a minute that there were.
    pub transitions_per_minute: f64,
}

/// Applies transitions at their times while `on`, and counts them.
fn come_and_go(
    people: &PeopleIndex,
    crowd: &mut Crowd,
    mut random: fastrand::Rng,
    on: &AtomicBool,
    over: &AtomicBool,
    applied: &AtomicU64,
) {
    let mut since = None;
    let mut done = 0;
    while !over.load(Ordering::Relaxed) {
        if !on.load(Ordering::Relaxed) {
            since = None;
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        let since = *since.get_or_insert_with(|| {
            done = 0;
            Instant::now()
        });
        let due = since.elapsed().as_micros() as u64 * A_MINUTE / 60_000_000;
        while done < due {
            let comes = done.is_multiple_of(2);
            let presence = if comes {
                Presence::Available
            } else {
                Presence::Offline
            };
            people.set_presence(&user(crowd.next(comes, &mut random)), presence);
            done += 1;
            applied.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Measures one cell. The crowd is another one afterwards, of the same size.
pub(super) fn measure(
    people: &PeopleIndex,
    world: &World,
    crowd: &mut Crowd,
    shape: Shape,
    share: u32,
    options: &Options,
) -> Result<Busy, SearchBenchError> {
    let (on, over, applied) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let mut random = world.random((2 << 48) | shape as u64);
    let moving = world.random(3 << 48);
    let (mut quiet, mut busy, mut busy_s) = (Vec::new(), Vec::new(), 0.0);
    let each = options.queries.div_ceil(PARTS);
    std::thread::scope(|scope| {
        scope.spawn(|| come_and_go(people, crowd, moving, &on, &over, &applied));
        let asked = (0..PARTS).try_for_each(|part| {
            let is_busy = part % 2 == 1;
            on.store(is_busy, Ordering::Relaxed);
            let (started, mut asked) = (Instant::now(), 0);
            while asked < each || started.elapsed() < options.part {
                let query = shape.query(world, &mut random);
                let (took, _) = page(people, &query, Online::Only)?;
                if is_busy { &mut busy } else { &mut quiet }.push(took);
                asked += 1;
            }
            if is_busy {
                busy_s += started.elapsed().as_secs_f64();
            }
            Ok::<_, SearchBenchError>(())
        });
        on.store(false, Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        asked
    })?;
    let (quiet_ms, busy_ms) = (Cost::of(quiet), Cost::of(busy));
    Ok(Busy {
        shape: shape.name(),
        share,
        quiet_ms,
        busy_ms,
        ratio: busy_ms.p50 / quiet_ms.p50,
        transitions_per_minute: applied.load(Ordering::Relaxed) as f64 / busy_s * 60.0,
    })
}
