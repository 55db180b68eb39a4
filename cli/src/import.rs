//! `tidings import irc FILE...`: real chat logs become groups, in a folder or on a running server. And
//! `tidings import profiles FILE...` ([`profiles`]).

mod deed;
mod destination;
mod irc;
mod profiles;

use std::{fs::File, io::BufReader, path::PathBuf};

use anyhow::{Context as _, bail};
use tidings_core::domain::UserId;
use tidings_gateway::auth::IMPORT_SCOPE;
use uuid::Uuid;

use crate::{
    backend::{Access, Endpoint},
    config::Place,
    say::say,
    server,
};
use deed::{Answered, BLANK, Deed, IMPORTER, Outcome, Summary};
use destination::{Destination, Local, Remote};
use irc::plan::{Plan, PlannedFile};

/// Warnings printed for each file; all are counted.
const WARNINGS: usize = 5;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Import {
    /// IRC logs: channels become groups, nicks users, with their original times. Importing a file
    /// again adds nothing. Without --server no server may be running on the folder.
    Irc(Irc),
    /// Profiles, by which people are found, from .jsonl and .csv files. All of it is checked first; if a line
    /// is wrong nothing is written. Importing a file again writes nothing. Without --server no server may be
    /// running on the folder.
    Profiles(profiles::Profiles),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Irc {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    remote: Server,
    /// Channel of files that do not name one.
    #[arg(long)]
    channel: Option<String>,
    /// Users who are added to every group, so that they can read it.
    #[arg(long = "member", value_name = "USER")]
    members: Vec<String>,
    /// Most members a group may have. If not given, 100000, or on a running server what that allows.
    #[arg(long)]
    max_members: Option<u32>,
    /// Log files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// A server that is running, and how it is asked.
#[derive(Debug, clap::Args)]
struct Server {
    /// Import into a running server: http://HOST:PORT or https://HOST:PORT. Not together with --data
    /// (nor TIDINGS_DATA). With --config and nothing else to be let in by, that file's first secret is
    /// used.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    server: Option<String>,
    #[command(flatten)]
    access: Access,
}

impl Server {
    /// The server that is to be asked, if one is named: as `who`, for a scope such as `tidings:import`.
    fn endpoint(
        &self,
        who: &'static str,
        scope: &'static str,
        place: &Place,
    ) -> anyhow::Result<Option<Endpoint>> {
        match &self.server {
            Some(url) => self.access.endpoint(url, who, scope, place).map(Some),
            None => self.access.unused().map(|()| None),
        }
    }
}

impl Import {
    /// True when everything could be imported.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        match self {
            Import::Irc(irc) => irc.run().await,
            Import::Profiles(profiles) => profiles.run().await,
        }
    }
}

impl Irc {
    async fn run(self) -> anyhow::Result<bool> {
        for user in &self.members {
            UserId::new(user)?;
        }
        let mut files = Vec::with_capacity(self.files.len());
        for path in &self.files {
            // With its folder, which may name the channel.
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot find {}", path.display()))?;
            let file =
                File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.to_string_lossy();
            files.push(irc::parse(
                &name,
                self.channel.as_deref(),
                BufReader::new(file),
            )?);
        }
        let plans = irc::plan::plan(files)?;
        let started = std::time::Instant::now();
        let destination = self.destination().await?;
        let mut total = Summary::default();
        for plan in &plans {
            total.add(&self.import(&destination, plan).await?);
        }
        destination.settle().await?;
        let seconds = started.elapsed().as_secs_f64();
        destination.stop().await?;
        for plan in &plans {
            describe(plan);
        }
        say!(
            "imported {} messages ({} known already), {} joins, {} leaves, from {} files in {} channels; \
             {} refused; {seconds:.1} s ({:.0} messages/s)",
            total.messages,
            total.known,
            total.joins,
            total.leaves,
            self.files.len(),
            plans.len(),
            total.refused,
            total.messages as f64 / seconds.max(0.001),
        );
        Ok(total.refused == 0)
    }

    async fn destination(&self) -> anyhow::Result<Destination> {
        let Some(endpoint) = self.remote.endpoint(IMPORTER, IMPORT_SCOPE, &self.place)? else {
            let config = self.place.load()?;
            return Ok(Destination::Local(
                Local::start(config, self.max_members).await?,
            ));
        };
        let connect = move || Remote::connect(endpoint);
        Ok(Destination::Remote(
            tokio::task::spawn_blocking(connect).await??,
        ))
    }

    async fn import(&self, destination: &Destination, plan: &Plan) -> anyhow::Result<Summary> {
        let steps: usize = plan.files.iter().map(|file| file.steps.len()).sum();
        let bar = server::progress(steps as u64, "importing");
        let tell = |text: String| bar.suspend(|| eprintln!("{text}"));
        let group = self.group(destination, plan, &tell).await?;
        let mut channel = Channel {
            destination,
            group,
            tell: &tell,
            summary: Summary::default(),
            batch: Vec::new(),
        };
        for file in &plan.files {
            for warning in file.warnings.iter().take(WARNINGS) {
                tell(format!("{}:{}: {}", file.name, warning.line, warning.text));
            }
            if let Some(more @ 1..) = file.warnings.len().checked_sub(WARNINGS) {
                tell(format!("{}: {more} more warnings", file.name));
            }
            for at in 0..file.steps.len() {
                channel.batch.push((file, at));
                if channel.batch.len() >= channel.destination.batch() {
                    bar.inc(channel.flush().await?);
                }
            }
        }
        bar.inc(channel.flush().await?);
        let summary = channel.summary;
        bar.finish_and_clear();
        for (why, (count, place)) in &summary.why {
            eprintln!("{place}: refused: {why} ({count} times)");
        }
        Ok(summary)
    }

    /// Makes the channel's group if there is none.
    async fn group(
        &self,
        destination: &Destination,
        plan: &Plan,
        tell: &dyn Fn(String),
    ) -> anyhow::Result<Uuid> {
        let channel = &plan.channel;
        // The importer owns it, and is a member too.
        let needs = plan.counts().most_members + 1 + self.members.len();
        let needs = u32::try_from(needs).unwrap_or(u32::MAX);
        let max_members = destination.max_members(self.max_members, needs);
        let Answered { outcome, group } =
            one(destination, deed::create(plan, max_members), tell).await?;
        match outcome {
            Outcome::Done | Outcome::Known => {}
            // It has the cap it was made with, which nobody asked to be another.
            Outcome::IdReused if self.max_members.is_none() => {}
            Outcome::IdReused => bail!(
                "{channel} was imported before with another --max-members: use the same, or none"
            ),
            Outcome::NotMember => bail!("the group of {channel} was refused"),
            Outcome::Refused(why) => bail!(
                "the group of {channel}, which needs room for {needs} members, was refused: {why} \
                 (messages.group_members in its configuration)"
            ),
        }
        let group = group.context("the group has no id")?;
        if !self.members.is_empty() {
            let add = deed::add(plan, group, &self.members);
            match one(destination, add, tell).await?.outcome {
                Outcome::Done | Outcome::Known => {}
                refused => bail!("the members could not be added to {channel}: {refused:?}"),
            }
        }
        Ok(group)
    }
}

async fn one(
    destination: &Destination,
    deed: Deed,
    tell: &dyn Fn(String),
) -> anyhow::Result<Answered> {
    let answers = stopped(destination.carry_out(&[deed], tell).await)?;
    answers.into_iter().next().context("there is no answer")
}

fn stopped<T>(done: anyhow::Result<T>) -> anyhow::Result<T> {
    done.context("the import stopped; nothing is half-done, so run it again")
}

/// A channel on its way into its group.
struct Channel<'c> {
    destination: &'c Destination,
    group: Uuid,
    tell: &'c dyn Fn(String),
    summary: Summary,
    /// Steps to be handed over together.
    batch: Vec<(&'c PlannedFile, usize)>,
}

impl Channel<'_> {
    /// Hands over what waits; returns how many steps that was.
    async fn flush(&mut self) -> anyhow::Result<u64> {
        let batch = std::mem::take(&mut self.batch);
        let deeds: Vec<Deed> = batch
            .iter()
            .map(|(file, at)| deed::step(file, &file.steps[*at], self.group))
            .collect();
        let answers = stopped(self.destination.carry_out(&deeds, self.tell).await)?;
        for ((file, at), answered) in batch.into_iter().zip(answers) {
            let step = &file.steps[at];
            let place = || format!("{}:{}", file.name, step.line);
            self.summary.count(&step.act, answered.outcome, place);
        }
        Ok(deeds.len() as u64)
    }
}

/// Says what a channel's files hold.
fn describe(plan: &Plan) {
    let counts = plan.counts();
    let left_out = counts.left_out;
    say!(
        "{}: {} nicks, {} of them writing ({} as spelt in the files), at most {} members at a time; \
         {} joins and {} leaves in the files; without a counterpart: {} untimed actions, {} modes, \
         {} topics, {} network lines; {} warnings; {} blank messages of {} shown as {BLANK}; \
         {} who stayed from one file to the next",
        plan.channel,
        counts.nicks,
        counts.authors,
        counts.written_nicks,
        counts.most_members,
        counts.joins,
        counts.leaves,
        left_out.untimed_actions,
        left_out.modes,
        left_out.topics,
        left_out.network,
        counts.warnings,
        counts.blank_posts,
        counts.posts,
        counts.carried,
    );
}
