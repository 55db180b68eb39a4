//! The log on NATS JetStream: one stream a lane, one subject a shard, one message a record.
//!
//! How the contract of [`crate::log`] is kept:
//!
//! - **Fence:** `Nats-Expected-Last-Subject-Sequence`. Only one append of a shard is in flight, because
//!   a replicated stream refuses a second one.
//! - **Retry:** recognised by the commit id in a header of our own, not by `Nats-Msg-Id`. The fence
//!   refuses every retry of an appended record, and the record that stands right after the fence
//!   then tells whose it is. The server's own duplicate window would add nothing to that, answers
//!   differently with one replica and with three, and holds every id in memory for two minutes.
//! - **Nothing stale is concluded from:** whatever decides an append is read through the stream's
//!   leader, never by direct get, which any replica may answer.
//! - **Durable:** as far as the server syncs. Its setting `sync_interval` is what decides this, and
//!   no client can see it: name the monitoring address in [`Config::monitor_urls`] to have it checked.
//!
//! The presence lane is kept in memory; the module `presence` says what its incarnation is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use async_trait::async_trait;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Append, AppendError, EventLog, Identity, Lane, Position, ReadError, Shard, Tail};

mod api;
mod append;
mod batch;
mod connect;
mod epoch;
mod error;
mod link;
mod monitor;
pub mod objects;
mod presence;
mod streams;
mod tail;

#[cfg(any(test, feature = "conformance"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub(crate) use api::{Api, ApiError, insist};
pub(crate) use append::is_wrong_sequence;
pub(crate) use batch::MAX_BATCH;
pub(crate) use connect::existing_or_new;
pub use epoch::new_epoch;
pub use error::{ConnectError, NewEpochError, Warning};
pub(crate) use streams::check as check_stream;

/// Where the log is and how it was, or is to be, made.
#[derive(Clone)]
pub struct Config {
    /// Addresses, `nats://host:port` or `tls://host:port`; one is enough, of a cluster name several.
    pub servers: Vec<String>,
    /// Who we are.
    pub auth: Auth,
    /// What TLS needs beyond the system's root certificates. `None` leaves it to the addresses.
    pub tls: Option<Tls>,
    /// JetStream domain, when the servers are reached through a leaf node.
    pub domain: Option<String>,
    /// Begins the name of every stream and subject: letters, digits, `-` and `_`.
    pub prefix: String,
    /// How many servers hold each record: 1 or 3.
    pub replicas: usize,
    /// How many shards a new log gets, or an existing one must have. `None`: 1 for one replica and 64
    /// for three, and whatever an existing log has.
    pub shards: Option<u16>,
    /// Monitoring address of each server (`http://host:8222`), asked whether it syncs every write.
    pub monitor_urls: Vec<String>,
    /// How long an append keeps trying, and connecting too, while there is no leader or connection.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            auth: Auth::None,
            tls: None,
            domain: None,
            prefix: "tidings".to_owned(),
            replicas: 1,
            shards: None,
            monitor_urls: Vec::new(),
            patience: Duration::from_secs(10),
        }
    }
}

/// How a server is told who we are. Not `Debug`: these are secrets.
#[derive(Clone, Default)]
pub enum Auth {
    /// It does not ask.
    #[default]
    None,
    /// A token.
    Token(String),
    /// A user and a password.
    User {
        /// The user's name.
        name: String,
        /// The user's password.
        password: String,
    },
    /// A credentials file, as `nsc` makes it.
    Credentials(PathBuf),
}

/// Certificates, all as PEM files.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates to trust, beside the system's.
    pub roots: Option<PathBuf>,
    /// Our own certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The log on JetStream. See the [module](self).
pub struct JetStream {
    shared: Arc<Shared>,
    warnings: Vec<Warning>,
}

/// What tails share with the log they belong to.
struct Shared {
    config: Config,
    identity: Identity,
    /// Appends, keys and everything else that wants a quick answer.
    api: Api,
    /// Tails: megabytes of a rebuild must not stand in the way of an acknowledgement.
    readers: Client,
    journal_turns: Vec<Turn>,
    presence_turns: Vec<Turn>,
    /// The last record of each of the journal's shards as far as this process has seen it.
    seen: Vec<AtomicU64>,
    /// Why nothing may be appended any more: the stream holds another history by now.
    replaced: OnceLock<String>,
    presence: presence::Presence,
}

/// One append a shard at a time; and which one was the last of this process.
type Turn = Mutex<Option<(Uuid, Position)>>;

impl JetStream {
    /// Connects, and makes the log if there is none yet: with the epoch `epoch_if_created`.
    pub async fn connect(
        config: Config,
        epoch_if_created: Uuid,
    ) -> Result<JetStream, ConnectError> {
        connect::connect(config, Some(epoch_if_created)).await
    }

    /// Connects to a log that exists: for those who only look.
    pub async fn connect_existing(config: Config) -> Result<JetStream, ConnectError> {
        connect::connect(config, None).await
    }

    /// What an operator should know, each a sentence to be logged at start.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The connection, for whatever else the cluster says over NATS.
    pub fn client(&self) -> Client {
        self.shared.api.client().clone()
    }

    /// JetStream over that connection.
    pub fn context(&self) -> Context {
        self.shared.api.context.clone()
    }

    /// What the log was connected with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn api(&self) -> &Api {
        &self.shared.api
    }
}

impl Shared {
    fn turns(&self, lane: Lane) -> &[Turn] {
        match lane {
            Lane::Journal => &self.journal_turns,
            Lane::Presence => &self.presence_turns,
        }
    }

    /// Notes that a record of a shard is there.
    fn saw(&self, lane: Lane, shard: Shard, position: u64) {
        // Whoever publishes to a subject of ours may name a shard that there is not.
        if lane == Lane::Journal
            && let Some(seen) = self.seen.get(usize::from(shard.0))
        {
            seen.fetch_max(position, Ordering::Relaxed);
        }
    }

    /// Why a shard may not be believed to end at `last`: this process has seen a later record. Either
    /// its leader does not know better yet, or the stream was restored under us: what would be
    /// appended to it then gets positions that had held something else.
    fn went_back(&self, lane: Lane, shard: Shard, last: u64) -> Option<String> {
        let seen = match lane {
            Lane::Journal => self.seen[usize::from(shard.0)].load(Ordering::Relaxed),
            Lane::Presence => 0,
        };
        (last < seen).then(|| {
            format!(
                "shard {} ends at position {last} and had come to {seen}: if the stream {} was restored \
                 from a backup or has lost its end, stop every server and run `tidings log new-epoch`",
                shard.0,
                self.stream(lane)
            )
        })
    }

    fn stream(&self, lane: Lane) -> String {
        streams::stream(&self.config.prefix, lane)
    }

    fn subject(&self, lane: Lane, shard: Shard) -> String {
        streams::subject(&self.config.prefix, lane, shard)
    }
}

#[async_trait]
impl EventLog for JetStream {
    fn identity(&self) -> Identity {
        self.shared.identity
    }

    fn incarnation(&self, lane: Lane) -> Uuid {
        match lane {
            Lane::Journal => self.shared.identity.epoch,
            Lane::Presence => self.shared.presence.incarnation(),
        }
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        append::append(&self.shared, append).await
    }

    async fn last(&self, lane: Lane, shard: Shard) -> Result<Position, ReadError> {
        let shared = &*self.shared;
        let (stream, subject) = (shared.stream(lane), shared.subject(lane, shard));
        let asking = insist(shared.config.patience, async || {
            let last = shared.api.last_of(&stream, &subject).await?;
            let last = last.map_or(0, |message| message.sequence);
            match shared.went_back(lane, shard, last) {
                Some(why) => Err(ApiError::Unanswered(why)),
                None => Ok(last),
            }
        });
        let last = asking.await.map_err(|e| unavailable(&stream, e))?;
        shared.saw(lane, shard, last);
        Ok(Position(last))
    }

    async fn head(&self, lane: Lane) -> Result<Position, ReadError> {
        let shared = &*self.shared;
        let stream = shared.stream(lane);
        let asking = insist(shared.config.patience, || shared.api.info(&stream));
        let info = asking.await.map_err(|e| unavailable(&stream, e))?;
        let last = info.state.last_sequence;
        match lane {
            Lane::Journal => Ok(Position(last)),
            Lane::Presence => Ok(shared.presence.without_marker(last)),
        }
    }

    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Tail>, ReadError> {
        let tail = tail::JetStreamTail::open(self.shared.clone(), lane, after).await?;
        Ok(Box::new(tail))
    }
}

fn unavailable(stream: &str, error: ApiError) -> ReadError {
    ReadError::Unavailable(format!("{stream}: {error}"))
}
