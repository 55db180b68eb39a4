//! How far a server's indexes of people and of messages are, and having them built anew.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::ensure;
use indicatif::MultiProgress;
use serde::{Deserialize, Serialize};

use super::ask::read;
use crate::{backend::Endpoint, say::say, server};

/// How often a server is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// An index of a server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Index {
    /// That of people.
    People,
    /// That of messages.
    Messages,
}

impl Index {
    const ALL: [Index; 2] = [Index::People, Index::Messages];

    fn name(self) -> &'static str {
        match self {
            Index::People => "people",
            Index::Messages => "messages",
        }
    }

    /// What is said while it is built.
    fn building(self) -> &'static str {
        match self {
            Index::People => "building the index of people",
            Index::Messages => "building the index of messages",
        }
    }
}

/// How far a server's indexes are.
#[derive(Debug, Deserialize, Serialize)]
struct Status {
    people: Progress,
    messages: Option<Progress>,
}

/// How far an index is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Progress {
    ready: bool,
    position: u64,
    count: u64,
    building: Option<u64>,
    installed: u64,
}

#[derive(Deserialize)]
struct Rebuilding {
    begun: Begun,
}

/// Nothing is said of what was not asked for.
#[derive(Deserialize)]
struct Begun {
    people: Option<bool>,
    messages: Option<bool>,
}

impl Status {
    fn of(endpoint: &Endpoint) -> anyhow::Result<Status> {
        read(endpoint.get("/v1/search/status"))
    }

    fn index(&self, index: Index) -> Option<Progress> {
        match index {
            Index::People => Some(self.people),
            Index::Messages => self.messages,
        }
    }

    /// Whether an index was put in use since, and no other one is on its way: what was being built before may
    /// have been done just before this one began.
    fn is_built(&self, index: Index, installed: u64) -> bool {
        self.index(index)
            .is_some_and(|now| now.installed > installed && now.building.is_none())
    }

    fn say(&self, json: bool) -> anyhow::Result<()> {
        if json {
            say!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        for index in Index::ALL {
            let name = index.name();
            let Some(progress) = self.index(index) else {
                say!("{name} cannot be searched there: search.messages is false");
                continue;
            };
            match progress.ready {
                true => say!(
                    "{} {name} can be found, as they were at position {} of the log",
                    progress.count,
                    progress.position
                ),
                false => say!("{name} cannot be searched yet"),
            }
            if let Some(done) = progress.building {
                let bar = Bar {
                    done,
                    of: progress.count,
                };
                say!("an index of {name} is being built: {bar}");
            }
        }
        Ok(())
    }
}

/// How far an index that is being built is: it will hold about as many as the present one, if there is one.
struct Bar {
    done: u64,
    of: u64,
}

/// How many characters a bar has.
const WIDTH: usize = 40;

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bar { done, of } = self;
        if *of > 0 {
            let part = (*done as f64 / *of as f64).min(1.0);
            let full = (part * WIDTH as f64) as usize;
            let (full, empty) = ("#".repeat(full), "-".repeat(WIDTH - full));
            write!(f, "[{full}{empty}] {:.0} %, ", (part * 100.0).floor())?;
        }
        write!(f, "{done} so far")
    }
}

pub(super) fn status(endpoint: &Endpoint, json: bool) -> anyhow::Result<bool> {
    Status::of(endpoint)?.say(json)?;
    Ok(true)
}

/// Has one built, or both, and waits for that.
pub(super) fn rebuild(
    endpoint: &Endpoint,
    which: Option<Index>,
    json: bool,
) -> anyhow::Result<bool> {
    let began = Instant::now();
    let before = Status::of(endpoint)?;
    let path = match which {
        Some(index) => format!("/v1/search/rebuild?index={}", index.name()),
        None => "/v1/search/rebuild".to_owned(),
    };
    let Rebuilding { begun } = read(endpoint.post(&path, "application/json", None, b"{}"))?;
    let bars = MultiProgress::new();
    let mut waiting = Vec::new();
    for index in Index::ALL {
        let begun = match index {
            Index::People => begun.people,
            Index::Messages => begun.messages,
        };
        let (Some(begun), Some(before)) = (begun, before.index(index)) else {
            continue;
        };
        if !begun {
            eprintln!(
                "an index of {} is being built already: waiting for that one",
                index.name()
            );
        }
        let bar = bars.add(server::progress(before.count, index.building()));
        waiting.push((index, before.installed, bar));
    }
    let mut built = Vec::new();
    let now = loop {
        let now = Status::of(endpoint)?;
        for (index, _, bar) in
            waiting.extract_if(.., |(index, before, _)| now.is_built(*index, *before))
        {
            bar.finish_and_clear();
            built.push((index, began.elapsed()));
        }
        for (index, before, bar) in &waiting {
            let now = now.index(*index);
            ensure!(
                now.is_some_and(|now| now.installed >= *before),
                "the server was started anew meanwhile: see `tidings search status`, and ask again"
            );
            bar.set_position(now.and_then(|now| now.building).unwrap_or(0));
        }
        if waiting.is_empty() {
            break now;
        }
        std::thread::sleep(LOOK);
    };
    if json {
        now.say(true)?;
        return Ok(true);
    }
    built.sort_by_key(|(index, _)| *index);
    for (index, took) in built {
        if let Some(now) = now.index(index) {
            say!(
                "built: {} {} as they were at position {} of the log; {:.1} s",
                now.count,
                index.name(),
                now.position,
                took.as_secs_f64()
            );
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_an_index() {
        let bar = |done, of| Bar { done, of }.to_string();
        let [none, half, full] = ["-".repeat(40), "-".repeat(20), "#".repeat(40)];
        assert_eq!(bar(0, 10), format!("[{none}] 0 %, 0 so far"));
        assert_eq!(
            bar(5, 10),
            format!("[{}{half}] 50 %, 5 so far", "#".repeat(20))
        );
        // Some have come since.
        assert_eq!(bar(11, 10), format!("[{full}] 100 %, 11 so far"));
        assert_eq!(bar(999, 1_000).split(' ').nth(1), Some("99"));
        // The first one: nobody knows how many there will be.
        assert_eq!(bar(7, 0), "7 so far");
    }
}
