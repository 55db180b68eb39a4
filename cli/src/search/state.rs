//! How far a server's index of people is, and having it built anew.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::ask::read;
use crate::{backend::Endpoint, say::say, server};

/// How often a server is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize, Serialize)]
struct Status {
    ready: bool,
    position: u64,
    people: u64,
    building: Option<u64>,
    installed: u64,
}

#[derive(Deserialize)]
struct Rebuilding {
    begun: bool,
}

impl Status {
    fn of(endpoint: &Endpoint) -> anyhow::Result<Status> {
        read(endpoint.get("/v1/search/status"))
    }

    fn say(&self, json: bool) -> anyhow::Result<()> {
        if json {
            say!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        match self.ready {
            true => say!(
                "{} people can be found, as they were at position {} of the log",
                self.people,
                self.position
            ),
            false => say!("people cannot be searched yet"),
        }
        if let Some(done) = self.building {
            say!("an index is being built: {done} profiles so far");
        }
        Ok(())
    }
}

pub(super) fn status(endpoint: &Endpoint, json: bool) -> anyhow::Result<bool> {
    Status::of(endpoint)?.say(json)?;
    Ok(true)
}

pub(super) fn rebuild(endpoint: &Endpoint, json: bool) -> anyhow::Result<bool> {
    let began = Instant::now();
    let before = Status::of(endpoint)?;
    let Rebuilding { begun } =
        read(endpoint.post("/v1/search/rebuild", "application/json", None, b"{}"))?;
    if !begun {
        eprintln!("an index is being built already: waiting for that one");
    }
    let bar = server::progress(before.people, "building the index of people");
    let now = loop {
        let now = Status::of(endpoint)?;
        ensure!(
            now.installed >= before.installed,
            "the server was started anew meanwhile: see `tidings search status`, and ask again"
        );
        if now.installed > before.installed {
            break now;
        }
        bar.set_position(now.building.unwrap_or(0));
        std::thread::sleep(LOOK);
    };
    bar.finish_and_clear();
    if json {
        now.say(true)?;
    } else {
        say!(
            "built: {} people as they were at position {} of the log; {:.1} s",
            now.people,
            now.position,
            began.elapsed().as_secs_f64()
        );
    }
    Ok(true)
}
