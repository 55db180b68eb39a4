//! Versions that take each other's places under load: a moderator of every message and a reactor which counts, so that it shows
//! whether each event had its effect once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use serde_json::{Value, json};
use tidings_bench::extensions::swap::{self, Effects, Report};

use super::{
    place::{self, Running},
    set,
};
use crate::backend::Endpoint;

/// Users whose profiles are looked at.
const SUBJECTS: u32 = 20;
/// How often somebody looks at each of them.
const EVERY: Duration = Duration::from_millis(100);
/// How long what was recorded last may take to be counted.
const PATIENCE: Duration = Duration::from_secs(30);

/// Swaps versions of the moderator and of the reactor in turns.
pub(super) fn run(running: &Running, options: &swap::Options) -> anyhow::Result<Report> {
    let versions = (0..=options.swaps).map(set::version);
    let versions = versions.collect::<anyhow::Result<Vec<_>>>()?;
    for version in &versions {
        for one in version {
            set::install(running, one)?;
        }
    }
    for one in &versions[0] {
        set::activate(running, one)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut report = None;
    let viewed = thread::scope(|scope| {
        let viewing = scope.spawn(|| view(&running.endpoint, &stop));
        report = Some(swap::run(&running.server, options, |count| {
            let one = &versions[count as usize + 1][count as usize % 2];
            set::activate(running, one).map_err(|error| format!("{error:#}"))
        }));
        stop.store(true, Ordering::Relaxed);
        viewing.join()
    });
    let mut report = report.context("nothing was run")??;
    let events = viewed.map_err(|_| anyhow!("whoever looked at profiles panicked"))??;
    report.effects = Some(Effects {
        events,
        found: counted(&running.endpoint, events)?,
    });
    Ok(report)
}

/// Records views of all subjects again and again, and says how many.
fn view(endpoint: &Endpoint, stop: &AtomicBool) -> anyhow::Result<u64> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let events: Vec<Value> = (0..SUBJECTS)
            .map(|subject| {
                json!({
                    "kind": "profile.viewed",
                    "actor": format!("viewer-{}", count / u64::from(SUBJECTS) % 50),
                    "subject": format!("subject-{subject}"),
                    "key": format!("view-{count}-{subject}"),
                })
            })
            .collect();
        count += events.len() as u64;
        let body = json!({ "events": events }).to_string();
        let answer = endpoint.post("/v1/events", "application/json", None, body.as_bytes());
        let answer = place::read(answer).context("recording views")?;
        let refused = answer["results"].as_array().into_iter().flatten();
        let refused = refused.filter(|one| !one["error"].is_null()).count();
        ensure!(refused == 0, "views were refused: {answer}");
        thread::sleep(EVERY);
    }
    Ok(count)
}

/// What the badges of all subjects come to, once they are what is expected or nothing happens any more.
fn counted(endpoint: &Endpoint, expected: u64) -> anyhow::Result<u64> {
    let (mut found, mut since) = (0, Instant::now());
    loop {
        let mut sum = 0;
        for subject in 0..SUBJECTS {
            let path = format!("/v1/users/subject-{subject}/notifications");
            let told = place::read(endpoint.get(&path)).context("counting badges")?;
            sum += badge(&told);
        }
        if sum != found {
            (found, since) = (sum, Instant::now());
        }
        // One look more than what is expected, in case there comes one too many.
        let enough = found >= expected && since.elapsed() > Duration::from_secs(1);
        if enough || since.elapsed() > PATIENCE {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The number of views in what a user is shown.
fn badge(told: &Value) -> u64 {
    let badges = told["badges"].as_array().into_iter().flatten();
    let views = badges.filter(|badge| badge["name"] == "profile_views");
    views.filter_map(|badge| badge["count"].as_u64()).sum()
}
