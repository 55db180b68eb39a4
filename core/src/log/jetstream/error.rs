//! What can be wrong with a server or a stream. Each message is a sentence for the operator.

use std::path::PathBuf;
use std::time::Duration;

/// Why no log could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration cannot be right.
    #[error("{0}")]
    Config(String),
    /// No server could be reached, or it would not let us in.
    #[error(
        "cannot connect to {servers}: {reason}; is nats-server running there, and are the credentials right?"
    )]
    Unreachable {
        /// The configured addresses.
        servers: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// A file named in the configuration cannot be used.
    #[error("cannot use {path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The server is too old: it would silently ignore what keeps the log right.
    #[error(
        "the nats-server {server} is version {version}, which is too old: upgrade it to 2.12 or newer"
    )]
    OldServer {
        /// The server's name.
        server: String,
        /// Its version.
        version: String,
    },
    /// The server, or our account on it, has no JetStream.
    #[error(
        "the nats-server {server} has no JetStream for us ({reason}): add a `jetstream {{ store_dir: ... }}` block to its configuration"
    )]
    JetStreamOff {
        /// The server's name.
        server: String,
        /// What it said.
        reason: String,
    },
    /// JetStream is not reached in the configured domain.
    #[error(
        "nobody answers for the JetStream domain {domain} through the nats-server {server}: check the domain's name and the leaf node's connection"
    )]
    Domain {
        /// The server's name.
        server: String,
        /// The domain.
        domain: String,
    },
    /// The server's largest message is too small for a record.
    #[error(
        "the nats-server {server} has max_payload {value}, a record needs {needed}: raise max_payload in its configuration (1MB is its default)"
    )]
    MaxPayload {
        /// The server's name.
        server: String,
        /// Its setting, in bytes.
        value: usize,
        /// What a record needs, in bytes.
        needed: usize,
    },
    /// A stream of that name exists that was not made by this version of Tidings.
    #[error(
        "the stream {stream} was not made by this version of Tidings ({reason}): choose another prefix, or upgrade"
    )]
    NotOurs {
        /// The stream.
        stream: String,
        /// How it is told.
        reason: String,
    },
    /// The log has another number of shards than configured.
    #[error(
        "the log was made with {found} shards and the configuration says {wanted}: configure {found}, or none, or export the log into a new one"
    )]
    Shards {
        /// What the log has.
        found: u16,
        /// What is configured.
        wanted: u16,
    },
    /// There is no log, and none was to be made.
    #[error(
        "NATS has no stream {stream}: a server makes the log when it first starts; if it was made, check the configured prefix and domain"
    )]
    Missing {
        /// The stream.
        stream: String,
    },
    /// A setting of an existing stream would lose records.
    #[error(
        "the stream {stream} has {setting} {value}, with which the log cannot keep its promises: {remedy}"
    )]
    Setting {
        /// The stream.
        stream: String,
        /// The setting's name.
        setting: &'static str,
        /// What it is set to.
        value: String,
        /// What to do.
        remedy: String,
    },
    /// A stream could not be made.
    #[error("the stream {stream} cannot be made: {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// What the server said.
        reason: String,
    },
    /// JetStream did not become available in time.
    #[error(
        "JetStream did not answer within {patience:?}: {reason}; do enough servers of its cluster run?"
    )]
    Unavailable {
        /// How long was waited.
        patience: Duration,
        /// What the last attempt ended with.
        reason: String,
    },
}

/// Why a log did not get a new epoch.
#[derive(Debug, thiserror::Error)]
pub enum NewEpochError {
    /// The log cannot be reached, or is not one.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no log.
    #[error(
        "there is no stream {stream}: restore it first, or check the configured prefix and domain"
    )]
    Missing {
        /// The stream.
        stream: String,
    },
    /// Somebody follows it.
    #[error(
        "the stream {stream} is being followed: stop every server and tool that runs on this log, and try again"
    )]
    InUse {
        /// The stream.
        stream: String,
    },
    /// NATS would not change it.
    #[error("the epoch in the stream {stream} cannot be changed: {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// What the server said.
        reason: String,
    },
}

/// What an operator should know about a log that works all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Acknowledged records are lost when the power fails.
    #[error(
        "the nats-server monitored at {url} syncs its files only every {interval:?}: a power cut loses acknowledged messages; set `sync_interval: always` in its jetstream block"
    )]
    NotSynced {
        /// The server's monitoring address.
        url: String,
        /// Its `sync_interval`.
        interval: Duration,
    },
    /// A monitoring address could not be asked.
    #[error("whether the nats-server monitored at {url} syncs every write is unknown: {reason}")]
    SyncUnknown {
        /// The monitoring address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// Fewer monitoring addresses than replicas are configured.
    #[error(
        "whether every nats-server syncs every write was not checked: {urls} monitoring addresses are configured for {replicas} replicas; without `sync_interval: always` a power cut loses acknowledged messages"
    )]
    SyncUnchecked {
        /// How many addresses are configured.
        urls: usize,
        /// How many replicas the log has.
        replicas: usize,
    },
}
