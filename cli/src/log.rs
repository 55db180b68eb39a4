//! `tidings log verify|tail|stats|new-epoch`.

mod line;
mod new_epoch;

use std::{collections::BTreeMap, ops::ControlFlow};

use tidings_core::{
    commit::{Commit, DecodeError},
    domain::{ConversationId, Event, Stream},
    log::{EventLog, Lane, Position, Record, embedded},
};

pub(crate) use line::name_of;

use crate::{
    config::{Config, LogConfig, Place},
    say::{self, say},
    server,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Log {
    /// Reads every record and checks it. The server may be running.
    Verify(Place),
    /// Prints events as they stand in the log, a line each. The server may be running.
    Tail(Tail),
    /// Counts records, events and bytes. The server may be running.
    Stats(Place),
    /// Begins another history, for a log that was restored from a backup or has lost its end. No
    /// server may be running.
    NewEpoch(new_epoch::NewEpoch),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    place: Place,
    /// Begin after this position; the last 20 records if not given.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Go on as the log grows.
    #[arg(long, short)]
    follow: bool,
    /// An object of JSON a line, for programs.
    #[arg(long)]
    json: bool,
}

impl Log {
    /// True when all is well.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        match self {
            Log::Verify(place) => verify(&place.load()?).await,
            Log::Tail(tail) => tail.run().await,
            Log::Stats(place) => stats(&place.load()?).await,
            Log::NewEpoch(new_epoch) => new_epoch.run().await,
        }
    }
}

async fn verify(config: &Config) -> anyhow::Result<bool> {
    if let LogConfig::Embedded = config.log {
        // There is one, and it is whole.
        server::embedded_to_read(config)?;
        let bar = server::progress(0, "reading the log (bytes)");
        let report = embedded::verify(
            &config.data.join("log"),
            &mut |progress: embedded::Progress| {
                bar.set_length(progress.of_bytes);
                bar.set_position(progress.bytes);
            },
        );
        bar.finish_and_clear();
        let report = report.map_err(server::unreadable)?;
        if let Some(torn) = &report.torn {
            say!(
                "an append that was never acknowledged is cut off at the next start: {}",
                torn.reason
            );
        }
        say!(
            "files: {} segments, {} records, {} bytes, all checksums right",
            report.segments,
            report.records,
            report.bytes
        );
    }
    let log = server::log_to_read(config).await?;
    let seen = Seen::everything(&*log).await?;
    if let LogConfig::Embedded = config.log
        && seen.commits > 0
        && !tidings_core::keys::embedded::exists(&config.data.join("keys"))
    {
        say!(
            "there are no content keys in {}: the log is whole, and none of its texts can be read without them",
            config.data.join("keys").display()
        );
    }
    say!(
        "verified: {} commits, {} events, epoch {}, up to position {}",
        seen.commits,
        seen.events,
        log.identity().epoch,
        seen.last,
    );
    for wrong in seen.wrong.iter().take(LISTED) {
        say!("{wrong}");
    }
    if let Some(more @ 1..) = seen.wrong.len().checked_sub(LISTED) {
        say!("and {more} more");
    }
    if !seen.wrong.is_empty() {
        say!(
            "not as it should be: if a newer version has written to this log, verify it with that one; \
             otherwise restore the log from a backup"
        );
    }
    Ok(seen.wrong.is_empty())
}

async fn stats(config: &Config) -> anyhow::Result<bool> {
    let log = server::log_to_read(config).await?;
    let seen = Seen::everything(&*log).await?;
    let identity = log.identity();
    say!("epoch      {}", identity.epoch);
    say!("shards     {}", identity.shards);
    say!("position   {}", seen.last);
    say!("commits    {}", seen.commits);
    say!("events     {}", seen.events);
    say!("messages   {}", seen.messages);
    for (kind, count) in &seen.kinds {
        say!("  {kind:<20} {count}");
    }
    if !seen.wrong.is_empty() {
        say!("not as it should be: see `tidings log verify`");
    }
    Ok(seen.wrong.is_empty())
}

impl Tail {
    async fn run(self) -> anyhow::Result<bool> {
        let config = self.place.load()?;
        let log = server::log_to_read(&config).await?;
        let mut print = |line: &str| {
            say!("{line}");
            say::go_on()
        };
        self.show(&*log, &mut print).await
    }

    /// Shows events, a line each, for as long as it is told to go on. True if all could be read.
    async fn show(
        &self,
        log: &dyn EventLog,
        print: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> anyhow::Result<bool> {
        let after = match self.after {
            Some(after) => Position(after),
            None => Position(log.head(Lane::Journal).await?.0.saturating_sub(20)),
        };
        let mut whole = true;
        let mut show = |record: &Record, commit: Result<Commit, DecodeError>| {
            let lines = match self.json {
                true => line::json(record.position, &commit),
                false => line::human(record.position, &commit),
            };
            whole &= commit.is_ok_and(|commit| is_whole(&commit));
            lines.iter().try_for_each(|line| print(line))
        };
        match self.follow {
            true => follow(log, after, &mut show).await?,
            false => each(log, after, false, &mut show).await?,
        }
        Ok(whole)
    }
}

/// What is done with a record; it says whether there is to be another.
type Visit<'v> =
    &'v mut (dyn FnMut(&Record, Result<Commit, DecodeError>) -> ControlFlow<()> + Send);

/// Whether this program can read all of a commit's events.
fn is_whole(commit: &Commit) -> bool {
    commit.batches.iter().all(|batch| batch.poison.is_none())
}

/// Reads the log from after a position to its present end, with a bar to look at meanwhile if wanted.
async fn each(
    log: &dyn EventLog,
    after: Position,
    bar: bool,
    visit: Visit<'_>,
) -> anyhow::Result<()> {
    let head = log.head(Lane::Journal).await?;
    if head <= after {
        return Ok(());
    }
    let bar = bar.then(|| server::progress(head.0, "reading the log"));
    let mut tail = log.tail(Lane::Journal, after).await?;
    'reading: loop {
        for record in tail.next().await? {
            let flow = visit(&record, Commit::decode(&record));
            if let Some(bar) = &bar {
                bar.set_position(record.position.0);
            }
            if flow.is_break() || record.position >= head {
                break 'reading;
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}

/// Reads the log from after a position and on as it grows: in one go, so that each record is there once.
async fn follow(log: &dyn EventLog, after: Position, visit: Visit<'_>) -> anyhow::Result<()> {
    let mut tail = log.tail(Lane::Journal, after).await?;
    loop {
        for record in tail.next().await? {
            if visit(&record, Commit::decode(&record)).is_break() {
                return Ok(());
            }
        }
    }
}

/// Things that are wrong, listed at most.
const LISTED: usize = 20;

/// What went by, and whether every conversation's messages are numbered without gaps.
#[derive(Default)]
struct Seen {
    commits: u64,
    events: u64,
    messages: u64,
    last: Position,
    kinds: BTreeMap<&'static str, u64>,
    seqs: BTreeMap<ConversationId, u64>,
    /// What is not as it should be, each with its place.
    wrong: Vec<String>,
}

impl Seen {
    async fn everything(log: &dyn EventLog) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        let mut count = |record: &Record, commit: Result<Commit, DecodeError>| {
            match commit {
                Ok(commit) => seen.count(&commit),
                Err(error) => {
                    seen.last = record.position;
                    let position = record.position;
                    seen.wrong
                        .push(format!("position {position}: {}", error.reason));
                }
            }
            ControlFlow::Continue(())
        };
        each(log, Position::START, true, &mut count).await?;
        Ok(seen)
    }

    fn count(&mut self, commit: &Commit) {
        self.commits += 1;
        self.last = commit.position;
        for batch in &commit.batches {
            if let Some(why) = &batch.poison {
                self.wrong.push(format!(
                    "position {}, {}: {why}",
                    commit.position,
                    name_of(&batch.stream)
                ));
            }
        }
        for (_, batch, event) in commit.events() {
            self.events += 1;
            *self.kinds.entry(line::kind(event)).or_default() += 1;
            let Event::MessagePosted { seq, .. } = event else {
                continue;
            };
            self.messages += 1;
            if let Stream::Conversation(id) = batch.stream {
                let last = self.seqs.entry(id).or_default();
                if *seq != *last + 1 {
                    self.wrong.push(format!(
                        "position {}, {}: message {seq} follows message {last}",
                        commit.position,
                        name_of(&batch.stream)
                    ));
                }
                *last = *seq;
            }
        }
    }
}

#[cfg(test)]
mod tests;
