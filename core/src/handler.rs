//! Commands in, answers out: the way to change anything.
//!
//! [`Handler::submit`] puts a command into its shard's queue. One writer per shard drains the
//! queue, decides everything in it against state folded through the fence, appends one commit and
//! then answers every command in it (see [`writer`]).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    clock::SharedClock,
    cluster::{self, Cluster},
    domain::{Command, CommandId, ConversationId, ExtensionCommand, Limits, Refusal, UserId},
    keys::KeyStore,
    log::{Identity, Shard, SharedLog},
    metrics::{Metrics, Outcome},
    projections::Projections,
};

pub mod cursors;
pub mod digest;
pub mod ids;
mod load;
mod round;
pub mod writer;

/// One command on its way.
pub struct Submission {
    /// Who asks.
    pub actor: UserId,
    /// What for.
    pub command: Command,
    /// Names it for ever. `None` only for commands that are safe to repeat (cursors).
    pub id: Option<CommandId>,
    /// When it happened, where that is not now (imports), milliseconds since 1970.
    pub happened_ms: Option<u64>,
    /// A position that is known to whoever asks, 0 for none: a command that looks at facts of another
    /// shard finds them as they were there, or later.
    pub known: u64,
    /// Those it is carried out in order with, if it is.
    pub chain: Option<Chain>,
    /// The trace that it is part of (W3C trace id), where whoever asks has one.
    pub trace: Option<Uuid>,
    /// Called once with the answer, on the writer's thread: do little.
    pub reply: Box<dyn FnOnce(Answer) + Send>,
}

/// Commands whose order matters more than that each is tried: once one of them could not be written
/// those behind it are not tried, so that it can be sent again with them, in its place.
#[derive(Clone, Debug, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// To be called with each answer, before anything else is done with it.
    pub fn answered(&self, answer: &Answer) {
        if let Answer::Unavailable(_) = answer {
            self.0.store(true, Ordering::Release);
        }
    }

    /// Whether one of them could not be written.
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What came of a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Durable.
    Accepted(Accepted),
    /// Nothing was recorded.
    Refused(Refusal),
    /// Nothing was recorded, as far as is known: try again with the same id.
    Unavailable(String),
}

/// An accepted command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Position of its commit; of the fence, when there was nothing to record.
    pub position: u64,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// The conversation it was for.
    pub conversation: Option<ConversationId>,
    /// `seq` of the message posted, 0 for none.
    pub seq: u64,
    /// Its number among those held, if moderation held it, 0 otherwise.
    pub held: u64,
    /// It had been executed before.
    pub duplicate: bool,
}

/// Settings of the handler.
#[derive(Clone, Debug)]
pub struct Config {
    /// The domain's limits.
    pub limits: Limits,
    /// A commit waits until this long after the one before it, so that a busy shard groups more;
    /// a quiet one commits at once. Milliseconds.
    pub commit_interval_ms: u64,
    /// Most commands waiting in one shard's queue: beyond it they are refused as unavailable.
    pub queue_commands: usize,
    /// Most bytes of text waiting in one shard's queue.
    pub queue_bytes: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            limits: Limits::default(),
            commit_interval_ms: 2,
            queue_commands: 100_000,
            queue_bytes: 64 << 20,
        }
    }
}

/// What the writers work with.
#[derive(Clone)]
pub struct Parts {
    /// The log.
    pub log: SharedLog,
    /// Keys of sealed content.
    pub keys: Arc<dyn KeyStore>,
    /// State folded from the log.
    pub projections: Arc<Projections>,
    /// Time.
    pub clock: SharedClock,
    /// Randomness: nonces, commit ids.
    pub random: Arc<dyn ring::rand::SecureRandom + Send + Sync>,
    /// Settings.
    pub config: Config,
}

/// Where commands go. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    identity: Identity,
    queues: Arc<[Arc<Queue>]>,
    /// Where there may be other nodes.
    cluster: Option<Arc<Cluster>>,
    metrics: Arc<Metrics>,
}

/// What waits for one shard's writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    commands: usize,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    submissions: Vec<Submission>,
    bytes: usize,
    closed: bool,
}

impl Handler {
    /// The handler and its writers' queues, one per shard.
    pub(crate) fn new(
        identity: Identity,
        config: &Config,
        cluster: Option<cluster::Config>,
    ) -> Handler {
        let queue = || {
            Arc::new(Queue {
                waiting: Mutex::default(),
                arrived: Notify::new(),
                commands: config.queue_commands,
                bytes: config.queue_bytes,
            })
        };
        let queues: Arc<[_]> = (0..identity.shards).map(|_| queue()).collect();
        Handler {
            identity,
            cluster: cluster.map(|config| Arc::new(Cluster::new(config, queues.clone()))),
            queues,
            metrics: Arc::default(),
        }
    }

    /// What the writers have counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Submits a command; its `reply` is called exactly once, possibly before this returns.
    pub fn submit(&self, submission: Submission) {
        let hash = submission.command.stream(&submission.actor).hash();
        let Shard(shard) = self.identity.shard_of(hash);
        match &self.cluster {
            Some(cluster) => cluster.submit(Shard(shard), submission),
            None => {
                if let Err(refused) = self.queues[usize::from(shard)].push(submission) {
                    let (submission, why) = *refused;
                    self.metrics
                        .command(&submission.command, Outcome::Unavailable);
                    (submission.reply)(Answer::Unavailable(why.to_owned()));
                }
            }
        }
    }

    /// Submits a command and waits for its answer.
    pub async fn execute(
        &self,
        actor: UserId,
        command: Command,
        id: Option<CommandId>,
        happened_ms: Option<u64>,
    ) -> Answer {
        let (tell, told) = tokio::sync::oneshot::channel();
        let reply = Box::new(move |answer| drop(tell.send(answer)));
        self.submit(Submission {
            chain: None,
            trace: None,
            actor,
            command,
            id,
            happened_ms,
            known: 0,
            reply,
        });
        told.await
            .unwrap_or_else(|_| Answer::Unavailable("the server is stopping".to_owned()))
    }

    /// Commands waiting in all queues, and with other nodes.
    pub fn waiting(&self) -> usize {
        let waiting = |queue: &Arc<Queue>| queue.waiting.lock().submissions.len();
        let away = self.cluster.as_ref().map_or(0, |cluster| cluster.waiting());
        self.queues.iter().map(waiting).sum::<usize>() + away
    }

    /// The other nodes, where there may be any.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// Takes no more commands; the writers finish what is waiting and end.
    pub fn close(&self) {
        for queue in self.queues.iter() {
            queue.waiting.lock().closed = true;
            queue.arrived.notify_one();
        }
    }

    pub(crate) fn queue(&self, shard: Shard) -> Arc<Queue> {
        self.queues[usize::from(shard.0)].clone()
    }
}

type Refused = Box<(Submission, &'static str)>;

impl Queue {
    pub(crate) fn push(&self, submission: Submission) -> Result<(), Refused> {
        let bytes = text_bytes(&submission.command);
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Box::new((submission, "the server is stopping")));
        }
        if waiting.submissions.len() >= self.commands || waiting.bytes + bytes > self.bytes {
            return Err(Box::new((
                submission,
                "too many commands are waiting: try again later",
            )));
        }
        waiting.bytes += bytes;
        waiting.submissions.push(submission);
        if waiting.submissions.len() == 1 {
            drop(waiting);
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Whether nothing more is taken: what cannot be finished now is given up.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Everything that waits; `None` once the queue is closed and empty.
    pub(crate) async fn take(&self) -> Option<Vec<Submission>> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut waiting = self.waiting.lock();
                if !waiting.submissions.is_empty() {
                    waiting.bytes = 0;
                    return Some(std::mem::take(&mut waiting.submissions));
                }
                if waiting.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// What has arrived meanwhile, without waiting.
    pub(crate) fn take_more(&self, into: &mut Vec<Submission>) {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        into.append(&mut waiting.submissions);
    }
}

pub(crate) fn text_bytes(command: &Command) -> usize {
    use crate::domain::ConversationCommand as C;
    let users = |users: &[UserId]| users.iter().map(|user| user.len() + 16).sum::<usize>();
    let own = match command {
        Command::Conversation(
            _,
            C::Post { text, mentions, .. } | C::Edit { text, mentions, .. },
        ) => text.len() + users(mentions),
        Command::Conversation(
            _,
            C::Settle {
                release: Some(release),
                ..
            },
        ) => release.text.len() + users(&release.mentions),
        Command::Reviewed(reviewed) => return text_bytes(&reviewed.command),
        Command::Conversation(_, C::AddMembers { users: added }) => users(added),
        Command::Conversation(_, C::CreateGroup { title, members, .. }) => {
            title.len() + users(members)
        }
        Command::Conversation(_, C::StartDirect { context, .. }) => context.len(),
        Command::Conversation(_, C::SetTitle { title }) => title.len(),
        Command::Conversation(_, C::React { reaction, .. } | C::Unreact { reaction, .. }) => {
            reaction.len()
        }
        Command::Conversation(
            _,
            C::RemoveMember { .. }
            | C::Join
            | C::Leave { .. }
            | C::SetRole { .. }
            | C::Retract { .. }
            | C::MoveCursors { .. }
            | C::Settle { release: None, .. }
            | C::Label { .. },
        )
        | Command::User(_) => match command {
            Command::User(crate::domain::UserCommand::QueueToast(toast)) => {
                toast.title.len()
                    + toast.body.len()
                    + toast.link.as_ref().map_or(0, String::len)
                    + toast.collapse.as_ref().map_or(0, String::len)
            }
            Command::User(crate::domain::UserCommand::SeeToasts { toasts }) => 8 * toasts.len(),
            Command::User(crate::domain::UserCommand::SetProfile {
                attributes: Some(attributes),
                ..
            }) => attributes.len(),
            _ => 0,
        },
        Command::AppEvent { kind, payload, .. } => kind.len() + payload.len(),
        Command::Extension(_, command) => match command {
            ExtensionCommand::Install(version) => version.manifest.len(),
            ExtensionCommand::Activate { activation, .. } => activation.settings.len(),
            ExtensionCommand::React(reaction) => reaction.encoded_size(),
            ExtensionCommand::Answer(answered) => answered.encoded_size(),
            ExtensionCommand::Deactivate { .. }
            | ExtensionCommand::Quarantine(_)
            | ExtensionCommand::Remove { .. } => 0,
        },
    };
    own + 256
}
