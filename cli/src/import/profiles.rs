//! `tidings import profiles FILE...`: who is to be found by what, in a folder or on a running server.
//!
//! The files are read twice: all of it is checked before the first profile is set. What says the same already
//! is not written, so that a job can import everybody every night.

mod csv;
mod lines;
mod rows;
mod send;
mod source;

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context as _, ensure};
use indicatif::ProgressBar;
use serde::Serialize;
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::search::profiles::Wanted;
use tidings_search::attributes::Attributes;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Server;
use crate::{
    config::{Config, Place},
    say::say,
    server,
};
use send::{Destination, Outcome};
use source::{Checked, Source, Wrong};

/// Who asks, and for what.
const WHO: &str = "profile-import";
const SCOPE: &str = "tidings:users";

/// Profiles handed over at a time.
const BATCH: usize = 500;

/// Bytes of them, at most: a server takes bodies of 1 MiB.
const BATCH_BYTES: usize = 900_000;

/// Batches on their way at a time.
const IN_FLIGHT: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Profiles {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    remote: Server,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The summary as an object of JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Files: .jsonl with objects such as {"user": "ann", "attributes": {"city": "Berlin"}}, optionally with
    /// "hidden" and "at_ms"; or .csv with the columns user, hidden, at_ms and those of the attributes.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What an import has done.
#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    profiles: u64,
    set: u64,
    unchanged: u64,
    refused: u64,
    /// Lines that were found wrong before anything was set.
    wrong: u64,
    seconds: f64,
}

impl Profiles {
    /// True when all of them are as the files say.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let sources: Result<Vec<Source>, _> =
            self.files.iter().map(|path| Source::new(path)).collect();
        let sources = sources?;
        let (declared, to) = self.to().await?;
        ensure!(
            declared.iter().next().is_some(),
            "no attributes are declared there: search.attributes in the server's configuration says what \
             profiles may hold"
        );
        let began = Instant::now();
        let now_ms = SystemClock.now_ms();
        let bar = server::progress(0, "checking");
        let tell = |text: String| bar.suspend(|| eprintln!("{text}"));
        let Checked { profiles, wrong } =
            source::check(&sources, &declared, now_ms, &tell, &|| bar.inc(1))?;
        bar.finish_and_clear();
        let mut summary = Summary {
            dry_run: self.dry_run,
            profiles,
            wrong,
            ..Summary::default()
        };
        if wrong == 0 {
            let destination = Arc::new(self.open(to, declared).await?);
            let bar = server::progress(profiles, "setting profiles");
            let sending = Sending {
                sources: &sources,
                destination: &destination,
                now_ms,
                dry_run: self.dry_run,
                bar: bar.clone(),
            };
            let sent = sending.all(&mut summary).await;
            bar.finish_and_clear();
            // Also where it failed: a node has to be stopped.
            let stopped = destination.stop().await;
            sent.context("the import stopped; nothing is half-done, so run it again")?;
            stopped?;
        }
        summary.seconds = began.elapsed().as_secs_f64();
        summary.say(self.json)?;
        Ok(summary.refused == 0 && summary.wrong == 0)
    }

    /// Where they go, and what profiles may hold there.
    async fn to(&self) -> anyhow::Result<(Attributes, To)> {
        match self.remote.endpoint(WHO, SCOPE, &self.place)? {
            Some(endpoint) => {
                let asked = tokio::task::spawn_blocking(move || Destination::remote(endpoint));
                let destination = asked.await??;
                Ok((destination.declared().clone(), To::Server(destination)))
            }
            None => {
                let config = self.place.load()?;
                Ok((config.search.check()?, To::Folder(Box::new(config))))
            }
        }
    }

    async fn open(&self, to: To, declared: Attributes) -> anyhow::Result<Destination> {
        match to {
            To::Server(destination) => Ok(destination),
            To::Folder(config) => {
                if self.dry_run {
                    // To open a node makes what is missing.
                    ensure!(
                        config.data.is_dir(),
                        "there is no folder {}, and a dry run makes none: name one that a server has, or run it without --dry-run",
                        config.data.display()
                    );
                    let log = server::log_to_read(&config).await;
                    log.context("a dry run makes no log: name one that is there, or run it without --dry-run")?;
                }
                Destination::local(&config, declared).await
            }
        }
    }
}

/// Where profiles go.
enum To {
    Server(Destination),
    /// The folder of a server that is stopped. Made where there is none, once nothing is wrong with what goes there.
    Folder(Box<Config>),
}

impl Summary {
    fn say(&self, json: bool) -> anyhow::Result<()> {
        let Summary {
            dry_run,
            profiles,
            set,
            unchanged,
            refused,
            wrong,
            seconds,
        } = self;
        if json {
            say!("{}", serde_json::to_string(self)?);
        } else if *wrong > 0 {
            say!("nothing was set: {wrong} wrong in {profiles} profiles");
        } else {
            say!(
                "{} {set}, unchanged {unchanged}, refused {refused} of {profiles} profiles; {seconds:.1} s \
                 ({:.0} profiles/s)",
                if *dry_run { "would set" } else { "set" },
                *profiles as f64 / seconds.max(0.001),
            );
        }
        Ok(())
    }
}

/// Files that were checked, on their way.
struct Sending<'a> {
    sources: &'a [Source],
    destination: &'a Arc<Destination>,
    now_ms: u64,
    dry_run: bool,
    bar: ProgressBar,
}

/// Where profiles of a batch stand: file and line.
type Places = Vec<(usize, u64)>;

type Batches = JoinSet<anyhow::Result<(Places, Vec<Outcome>)>>;

impl Sending<'_> {
    async fn all(&self, summary: &mut Summary) -> anyhow::Result<()> {
        let tell = |text: String| self.bar.suspend(|| eprintln!("{text}"));
        let mut refused = Wrong::new(&tell);
        let run = server::random_uuid();
        let mut batches = Batches::new();
        let (mut nth, mut bytes) = (0, 0);
        let (mut wanted, mut places) = (Vec::new(), Places::new());
        for (of, source) in self.sources.iter().enumerate() {
            let unreadable = || format!("cannot read {}", source.name());
            let declared = self.destination.declared().clone();
            let mut lines = source
                .wanted(declared, self.now_ms)
                .with_context(unreadable)?;
            while let Some((line, read)) = lines.next().with_context(unreadable)? {
                let one = read.and_then(|of| of.wanted).map_err(|message| {
                    anyhow::anyhow!(
                        "{} has changed meanwhile: line {line}: {message}",
                        source.name()
                    )
                })?;
                let takes = send::bytes(&one);
                if wanted.len() == BATCH || (bytes + takes > BATCH_BYTES && !wanted.is_empty()) {
                    let batch = (std::mem::take(&mut wanted), std::mem::take(&mut places));
                    self.begin(&mut batches, (run, nth), batch);
                    (nth, bytes) = (nth + 1, 0);
                    self.settle(&mut batches, IN_FLIGHT - 1, summary, &mut refused)
                        .await?;
                }
                bytes += takes;
                wanted.push(one);
                places.push((of, line));
            }
        }
        self.begin(&mut batches, (run, nth), (wanted, places));
        self.settle(&mut batches, 0, summary, &mut refused).await?;
        summary.refused = refused.end();
        Ok(())
    }

    fn begin(&self, batches: &mut Batches, name: (Uuid, u64), batch: (Vec<Wanted>, Places)) {
        let (wanted, places) = batch;
        let (destination, dry_run) = (self.destination.clone(), self.dry_run);
        let bar = self.bar.clone();
        let tell = move |text: String| bar.suspend(|| eprintln!("{text}"));
        batches.spawn(async move {
            let outcomes = destination.set(name, wanted, dry_run, tell).await?;
            Ok((places, outcomes))
        });
    }

    /// Waits until no more than so many are on their way.
    async fn settle(
        &self,
        batches: &mut Batches,
        most: usize,
        summary: &mut Summary,
        refused: &mut Wrong<'_>,
    ) -> anyhow::Result<()> {
        while batches.len() > most
            && let Some(done) = batches.join_next().await
        {
            let (places, outcomes) = done??;
            self.bar.inc(places.len() as u64);
            for ((of, line), outcome) in places.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Set => summary.set += 1,
                    Outcome::Unchanged => summary.unchanged += 1,
                    Outcome::Refused(message) => refused.add(&self.sources[of], line, &message),
                }
            }
        }
        Ok(())
    }
}
