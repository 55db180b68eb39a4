//! `tidings import irc FILE...`: real chat logs become groups.

mod irc;

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use tidings_core::{
    domain::{Command, CommandId, ConversationCommand, ConversationId, Refusal, UserId},
    handler::{Answer, Submission},
    node::Node,
};
use tokio::sync::Semaphore;

use crate::{config::Place, server};
use irc::plan::{Act, Plan, PlannedFile, Step};

/// Steps on their way at a time.
const IN_FLIGHT: usize = 20_000;

/// What an empty line says: a message has text, so the blank is made visible.
const BLANK: &str = "\u{2423}";

/// Owner of imported groups.
const IMPORTER: &str = "irc-import";

/// Warnings printed for each file; all are counted.
const WARNINGS: usize = 5;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Import {
    /// IRC logs: channels become groups, nicks users, with their original times. Importing a file
    /// again adds nothing. The server must not be running.
    Irc(Irc),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Irc {
    #[command(flatten)]
    place: Place,
    /// Channel of files that do not name one.
    #[arg(long)]
    channel: Option<String>,
    /// Users who are added to every group, so that they can read it.
    #[arg(long = "member", value_name = "USER")]
    members: Vec<String>,
    /// Most members a group may have.
    #[arg(long, default_value_t = 100_000)]
    max_members: u32,
    /// Log files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Import {
    /// True when everything could be imported.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        match self {
            Import::Irc(irc) => irc.run().await,
        }
    }
}

impl Irc {
    async fn run(self) -> anyhow::Result<bool> {
        let members: Vec<UserId> = self
            .members
            .iter()
            .map(|user| UserId::new(user))
            .collect::<Result<_, _>>()?;
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
        let mut config = self.place.load()?;
        config.messages.group_members = config.messages.group_members.max(self.max_members);
        let started = std::time::Instant::now();
        let (node, _) = server::node(&config).await?;
        let mut total = Summary::default();
        for plan in &plans {
            let channel = Channel::start(&node, plan, self.max_members, &members).await?;
            let summary = channel.import(plan).await?;
            total.add(&summary);
        }
        let last = node.log.head(tidings_core::log::Lane::Journal).await?;
        node.projections.reached(last.0).await;
        let seconds = started.elapsed().as_secs_f64();
        tokio::task::spawn_blocking(move || node.stop()).await?;
        for plan in &plans {
            let counts = plan.counts();
            let left_out = counts.left_out;
            println!(
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
        println!(
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
}

/// What an import did.
#[derive(Debug, Default)]
struct Summary {
    messages: u64,
    known: u64,
    joins: u64,
    leaves: u64,
    refused: u64,
}

impl Summary {
    fn add(&mut self, other: &Summary) {
        self.messages += other.messages;
        self.known += other.known;
        self.joins += other.joins;
        self.leaves += other.leaves;
        self.refused += other.refused;
    }
}

/// A channel's group.
struct Channel<'n> {
    node: &'n Node,
    conversation: ConversationId,
    in_flight: Arc<Semaphore>,
    counts: Arc<Counts>,
}

/// Answers as they come in, on the writer's thread.
#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    known: AtomicU64,
    joins: AtomicU64,
    leaves: AtomicU64,
    /// What was refused: why, and the first place it was.
    refused: Mutex<BTreeMap<String, (u64, String)>>,
    failed: Mutex<Option<String>>,
}

impl<'n> Channel<'n> {
    /// Makes the group if there is none.
    async fn start(
        node: &'n Node,
        plan: &Plan,
        max_members: u32,
        members: &[UserId],
    ) -> anyhow::Result<Channel<'n>> {
        let owner = UserId::new(IMPORTER)?;
        let id = node.ids.command("import irc", &[plan.channel.as_bytes()]);
        let conversation = node.ids.group(&owner, id);
        let first_ms = plan
            .files
            .iter()
            .flat_map(|file| &file.steps)
            .map(|step| step.at_ms)
            .min();
        let create = ConversationCommand::CreateGroup {
            title: plan.channel.clone(),
            members: Vec::new(),
            history_from_start: true,
            max_members,
        };
        let command = Command::Conversation(conversation, create);
        let happened_ms = first_ms.and_then(|ms| u64::try_from(ms).ok());
        match node
            .handler
            .execute(owner.clone(), command, Some(id), happened_ms)
            .await
        {
            Answer::Accepted(_) => {}
            Answer::Refused(Refusal::CommandIdReused) => {
                bail!(
                    "{} was imported before with another --max-members: use the same",
                    plan.channel
                )
            }
            Answer::Refused(refusal) => {
                bail!("the group of {} was refused: {refusal}", plan.channel)
            }
            Answer::Unavailable(why) => {
                bail!("the group of {} cannot be made: {why}", plan.channel)
            }
        }
        if !members.is_empty() {
            let add = ConversationCommand::AddMembers {
                users: members.to_vec(),
            };
            let command = Command::Conversation(conversation, add);
            let names: Vec<&[u8]> = members.iter().map(|user| user.as_bytes()).collect();
            let id = node.ids.command(
                "import irc members",
                &[&[plan.channel.as_bytes()], &names[..]].concat(),
            );
            if let Answer::Refused(refusal) = node
                .handler
                .execute(owner, command, Some(id), happened_ms)
                .await
            {
                bail!(
                    "the members could not be added to {}: {refusal}",
                    plan.channel
                );
            }
        }
        Ok(Channel {
            node,
            conversation,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            counts: Arc::default(),
        })
    }

    async fn import(self, plan: &Plan) -> anyhow::Result<Summary> {
        let steps: usize = plan.files.iter().map(|file| file.steps.len()).sum();
        let bar = server::progress(steps as u64, "importing");
        let mut summary = Summary::default();
        for file in &plan.files {
            for warning in file.warnings.iter().take(WARNINGS) {
                bar.suspend(|| eprintln!("{}:{}: {}", file.name, warning.line, warning.text));
            }
            if file.warnings.len() > WARNINGS {
                bar.suspend(|| {
                    eprintln!(
                        "{}: {} more warnings",
                        file.name,
                        file.warnings.len() - WARNINGS
                    )
                });
            }
            for step in &file.steps {
                self.step(file, step).await?;
                bar.inc(1);
            }
        }
        let _all = self.in_flight.acquire_many(IN_FLIGHT as u32).await?;
        bar.finish_and_clear();
        if let Some(why) = self.counts.failed.lock().take() {
            bail!("the import stopped: {why}. Nothing is half-done: run it again");
        }
        let counts = &self.counts;
        for (why, (count, place)) in counts.refused.lock().iter() {
            eprintln!("{place}: refused: {why} ({count} times)");
            summary.refused += count;
        }
        summary.messages = counts.messages.load(Ordering::Relaxed);
        summary.known = counts.known.load(Ordering::Relaxed);
        summary.joins = counts.joins.load(Ordering::Relaxed);
        summary.leaves = counts.leaves.load(Ordering::Relaxed);
        Ok(summary)
    }

    async fn step(&self, file: &PlannedFile, step: &Step) -> anyhow::Result<()> {
        let permit = self.in_flight.clone().acquire_owned().await?;
        if let Some(why) = &*self.counts.failed.lock() {
            bail!("the import stopped: {why}. Nothing is half-done: run it again");
        }
        let key = file.key(step);
        // A carried join only makes sure: as a rule there is nothing to count.
        let (command, count): (_, fn(&Counts) -> Option<&AtomicU64>) = match &step.act {
            Act::Join { carried: true } => (ConversationCommand::Join, |_| None),
            Act::Join { carried: false } => {
                (ConversationCommand::Join, |counts| Some(&counts.joins))
            }
            Act::Leave { .. } => (ConversationCommand::Leave { force: true }, |counts| {
                Some(&counts.leaves)
            }),
            Act::Post { text } => {
                let blank = text.trim().is_empty();
                let text = if blank {
                    BLANK.to_owned()
                } else {
                    text.clone()
                };
                let post = ConversationCommand::Post {
                    text,
                    reply_to: 0,
                    mentions: Vec::new(),
                };
                (post, |counts| Some(&counts.messages))
            }
        };
        let leaving = matches!(step.act, Act::Leave { .. });
        let posting = matches!(step.act, Act::Post { .. });
        let counts = self.counts.clone();
        let place = format!("{}:{}", file.name, step.line);
        self.node.handler.submit(Submission {
            actor: UserId::new(&irc::user_id(&step.nick))?,
            command: Command::Conversation(self.conversation, command),
            id: Some(self.command_id(&key)),
            happened_ms: Some(u64::try_from(step.at_ms).unwrap_or(0)),
            known: 0,
            reply: Box::new(move |answer| {
                match answer {
                    Answer::Accepted(accepted) if accepted.duplicate => {
                        if posting {
                            counts.known.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    Answer::Accepted(_) => {
                        if let Some(count) = count(&counts) {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    // Gone already, by an earlier run of the import.
                    Answer::Refused(Refusal::NotMember) if leaving => {}
                    Answer::Refused(refusal) => {
                        let mut refused = counts.refused.lock();
                        refused.entry(refusal.to_string()).or_insert((0, place)).0 += 1;
                    }
                    Answer::Unavailable(why) => *counts.failed.lock() = Some(why),
                }
                drop(permit);
            }),
        });
        Ok(())
    }

    fn command_id(&self, key: &str) -> CommandId {
        self.node.ids.command("import irc", &[key.as_bytes()])
    }
}
