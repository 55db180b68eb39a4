//! The streams: their names, what they are made like, and what an existing one must be like.

use std::collections::HashMap;

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ConnectError;
use crate::log::{Identity, Lane, Shard};

/// What the streams' layout is called. A later one gets another name.
const FORMAT: &str = "1";

const FORMAT_KEY: &str = "tidings-format";
const EPOCH_KEY: &str = "tidings-epoch";
const SHARDS_KEY: &str = "tidings-shards";

/// Presence commits kept at most, over all shards. What is older is dropped: it is repeated by the
/// sessions that are still open, or was closed since.
const PRESENCE_RECORDS: i64 = 262_144;

pub(super) fn stream(prefix: &str, lane: Lane) -> String {
    format!("{prefix}-{}", name(lane))
}

pub(super) fn subject(prefix: &str, lane: Lane, shard: Shard) -> String {
    format!("{prefix}.{}.{}", name(lane), shard.0)
}

/// The subject of the message that names a life of the presence lane.
pub(super) fn marker(prefix: &str) -> String {
    format!("{prefix}.presence.marker")
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Journal => "journal",
        Lane::Presence => "presence",
    }
}

/// The stream of a lane as it is to be made.
pub(super) fn wanted(prefix: &str, lane: Lane, replicas: usize, identity: Identity) -> Config {
    let base = Config {
        name: stream(prefix, lane),
        subjects: vec![format!("{prefix}.{}.*", name(lane))],
        retention: RetentionPolicy::Limits,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        num_replicas: replicas,
        deny_delete: true,
        deny_purge: true,
        metadata: HashMap::from([
            (FORMAT_KEY.to_owned(), FORMAT.to_owned()),
            (EPOCH_KEY.to_owned(), identity.epoch.to_string()),
            (SHARDS_KEY.to_owned(), identity.shards.to_string()),
        ]),
        ..Config::default()
    };
    match lane {
        Lane::Journal => Config {
            description: Some("the event log of Tidings, journal".to_owned()),
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_messages_per_subject: -1,
            ..base
        },
        Lane::Presence => Config {
            description: Some("the event log of Tidings, presence".to_owned()),
            storage: StorageType::Memory,
            discard: DiscardPolicy::Old,
            // A limit for each subject, never for the stream: the marker and the last record of
            // each shard, which carries its fence, must stay.
            max_messages_per_subject: PRESENCE_RECORDS / i64::from(identity.shards),
            ..base
        },
    }
}

/// What an existing journal says it is.
pub(super) fn identity(config: &Config) -> Result<Identity, ConnectError> {
    let foreign = |key: &str| ConnectError::NotOurs {
        stream: config.name.clone(),
        reason: match config.metadata.get(key) {
            Some(value) => format!("its metadata says {key} = {value:?}"),
            None => format!("its metadata has no {key}"),
        },
    };
    if config.metadata.get(FORMAT_KEY).map(String::as_str) != Some(FORMAT) {
        return Err(foreign(FORMAT_KEY));
    }
    let epoch = config
        .metadata
        .get(EPOCH_KEY)
        .and_then(|v| Uuid::parse_str(v).ok());
    let shards = config
        .metadata
        .get(SHARDS_KEY)
        .and_then(|v| v.parse().ok())
        .filter(|n| *n > 0);
    Ok(Identity {
        epoch: epoch.ok_or_else(|| foreign(EPOCH_KEY))?,
        shards: shards.ok_or_else(|| foreign(SHARDS_KEY))?,
    })
}

/// Replaces the epoch in a stream's settings as the server writes them.
pub(super) fn set_epoch(settings: &mut Map<String, Value>, epoch: Uuid) {
    let metadata = settings
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        metadata.insert(EPOCH_KEY.to_owned(), epoch.to_string().into());
    }
}

/// Whether an existing stream keeps what a log must keep: an error names the first setting that
/// does not, and how to change it.
pub(crate) fn check(found: &Config, wanted: &Config) -> Result<(), ConnectError> {
    let complain = |setting: &'static str, value: String, remedy: String| {
        Err(ConnectError::Setting {
            stream: found.name.clone(),
            setting,
            value,
            remedy,
        })
    };
    let edit = |flags: &str| format!("run `nats stream edit {} {flags}`", found.name);
    let anew = || "it cannot be changed: choose another prefix, or move the stream away".to_owned();

    if found.subjects != wanted.subjects {
        let subjects = wanted.subjects.join(",");
        return complain(
            "subjects",
            found.subjects.join(","),
            edit(&format!("--subjects={subjects}")),
        );
    }
    if found.storage != wanted.storage {
        return complain("storage", format!("{:?}", found.storage), anew());
    }
    if found.retention != RetentionPolicy::Limits {
        return complain("retention", format!("{:?}", found.retention), anew());
    }
    if found.mirror.is_some() || found.sources.as_ref().is_some_and(|s| !s.is_empty()) {
        return complain("mirror or sources", "set".to_owned(), anew());
    }
    if found.subject_transform.is_some() {
        return complain(
            "subject transform",
            "set".to_owned(),
            edit("--transform-source= --transform-destination="),
        );
    }
    if found.sealed {
        return complain("sealed", "true".to_owned(), anew());
    }
    if found.no_ack {
        return complain("no_ack", "true".to_owned(), edit("--ack"));
    }
    if found.persist_mode == Some(PersistenceMode::Async) {
        return complain("persist_mode", "async".to_owned(), anew());
    }
    if found.num_replicas != wanted.num_replicas {
        let replicas = wanted.num_replicas;
        return complain(
            "num_replicas",
            found.num_replicas.to_string(),
            format!(
                "configure {} replicas, or {}",
                found.num_replicas,
                edit(&format!("--replicas={replicas}"))
            ),
        );
    }
    if !found.max_age.is_zero() {
        return complain(
            "max_age",
            format!("{:?}", found.max_age),
            edit("--max-age=0"),
        );
    }
    if found.max_messages > 0 {
        return complain(
            "max_msgs",
            found.max_messages.to_string(),
            edit("--max-msgs=-1"),
        );
    }
    if found.max_bytes > 0 {
        return complain(
            "max_bytes",
            found.max_bytes.to_string(),
            edit("--max-bytes=-1"),
        );
    }
    if found.max_message_size > 0 {
        return complain(
            "max_msg_size",
            found.max_message_size.to_string(),
            edit("--max-msg-size=-1"),
        );
    }
    if found.max_messages_per_subject > 0 && wanted.max_messages_per_subject <= 0 {
        return complain(
            "max_msgs_per_subject",
            found.max_messages_per_subject.to_string(),
            edit("--max-msgs-per-subject=-1"),
        );
    }
    if found.discard != wanted.discard {
        let policy = if wanted.discard == DiscardPolicy::New {
            "new"
        } else {
            "old"
        };
        return complain(
            "discard",
            format!("{:?}", found.discard),
            edit(&format!("--discard={policy}")),
        );
    }
    Ok(())
}
