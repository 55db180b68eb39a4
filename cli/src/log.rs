//! `tidings log verify|tail|stats|new-epoch`.

mod new_epoch;

use std::{collections::BTreeMap, io::Write as _};

use tidings_core::{
    commit::{Commit, schema_of},
    log::{EventLog, Lane, Position, embedded},
};

use crate::{
    config::{Config, LogConfig, Place},
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
        let bar = server::progress(0, "reading the log (bytes)");
        let report = embedded::verify(
            &config.data.join("log"),
            &mut |progress: embedded::Progress| {
                bar.set_length(progress.of_bytes);
                bar.set_position(progress.bytes);
            },
        );
        bar.finish_and_clear();
        let report = report?;
        if let Some(torn) = &report.torn {
            println!(
                "an append that was never acknowledged is cut off at the next start: {}",
                torn.reason
            );
        }
        println!(
            "files: {} segments, {} records, {} bytes, all checksums right",
            report.segments, report.records, report.bytes
        );
    }
    let log = server::log_to_read(config).await?;
    let mut seen = Seen::default();
    let unreadable = each(&*log, Position::START, &mut |commit| seen.count(commit)).await?;
    println!(
        "verified: {} commits, {} events, epoch {}, up to position {}",
        seen.commits,
        seen.events,
        log.identity().epoch,
        seen.last,
    );
    for (position, reason) in unreadable.iter().take(20) {
        println!("position {position}: {reason}");
    }
    for (conversation, wrong) in seen.wrong.iter().take(20) {
        println!("{conversation}: {wrong}");
    }
    Ok(unreadable.is_empty() && seen.wrong.is_empty())
}

async fn stats(config: &Config) -> anyhow::Result<bool> {
    let log = server::log_to_read(config).await?;
    let mut seen = Seen::default();
    let unreadable = each(&*log, Position::START, &mut |commit| seen.count(commit)).await?;
    let identity = log.identity();
    println!("epoch      {}", identity.epoch);
    println!("shards     {}", identity.shards);
    println!("position   {}", seen.last);
    println!("commits    {}", seen.commits);
    println!("events     {}", seen.events);
    println!("messages   {}", seen.messages);
    for (kind, count) in &seen.kinds {
        println!("  kind {kind:<4} {count}");
    }
    Ok(unreadable.is_empty())
}

impl Tail {
    async fn run(self) -> anyhow::Result<bool> {
        let config = self.place.load()?;
        let log = server::log_to_read(&config).await?;
        let head = log.head(Lane::Journal).await?;
        let after = Position(self.after.unwrap_or(head.0.saturating_sub(20)));
        let unreadable = each(&*log, after, &mut print).await?;
        for (position, reason) in &unreadable {
            say(&format!(
                "{{\"position\":{position},\"unreadable\":{reason:?}}}"
            ));
        }
        if self.follow {
            let mut tail = log.tail(Lane::Journal, head.max(after)).await?;
            loop {
                for record in tail.next().await? {
                    match Commit::decode(&record) {
                        Ok(commit) => print(&commit),
                        Err(error) => say(&format!("{{\"unreadable\":{:?}}}", error.to_string())),
                    }
                }
            }
        }
        Ok(unreadable.is_empty())
    }
}

/// Prints a line. Whoever reads may stop reading: then there is nothing left to do.
fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn print(commit: &Commit) {
    for (index, batch, event) in commit.events() {
        let line = serde_json::json!({
            "position": commit.position.0,
            "index": index,
            "stream": format!("{:?}", batch.stream),
            "actor": &*batch.actor,
            "at_ms": commit.at_ms(batch),
            "command": batch.command.map(|command| command.id.to_string()),
            "kind": schema_of(event).kind,
            "schema": schema_of(event).schema,
            "event": format!("{event:?}"),
        });
        say(&line.to_string());
    }
}

/// Reads the log from after a position to its present end. Returns the records that are no commits.
async fn each(
    log: &dyn EventLog,
    after: Position,
    visit: &mut dyn FnMut(&Commit),
) -> anyhow::Result<Vec<(Position, String)>> {
    let head = log.head(Lane::Journal).await?;
    let mut unreadable = Vec::new();
    if head <= after {
        return Ok(unreadable);
    }
    let bar = server::progress(head.0, "reading the log");
    let mut tail = log.tail(Lane::Journal, after).await?;
    'reading: loop {
        for record in tail.next().await? {
            match Commit::decode(&record) {
                Ok(commit) => visit(&commit),
                Err(error) => unreadable.push((record.position, error.reason)),
            }
            bar.set_position(record.position.0);
            if record.position >= head {
                break 'reading;
            }
        }
    }
    bar.finish_and_clear();
    Ok(unreadable)
}

/// What went by, and whether every conversation's messages are numbered without gaps.
#[derive(Default)]
struct Seen {
    commits: u64,
    events: u64,
    messages: u64,
    last: Position,
    kinds: BTreeMap<u16, u64>,
    seqs: BTreeMap<tidings_core::domain::ConversationId, u64>,
    wrong: Vec<(tidings_core::domain::ConversationId, String)>,
}

impl Seen {
    fn count(&mut self, commit: &Commit) {
        self.commits += 1;
        self.last = commit.position;
        for (_, batch, event) in commit.events() {
            self.events += 1;
            *self.kinds.entry(schema_of(event).kind).or_default() += 1;
            let tidings_core::domain::Event::MessagePosted { seq, .. } = event else {
                continue;
            };
            self.messages += 1;
            if let tidings_core::domain::Stream::Conversation(id) = batch.stream {
                let last = self.seqs.entry(id).or_default();
                if *seq != *last + 1 {
                    self.wrong
                        .push((id, format!("message {seq} follows message {last}")));
                }
                *last = *seq;
            }
        }
    }
}
