//! The bucket: what stands under a key's subject, and how it gets there and goes away.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::RwLock;

use super::unavailable;
use crate::keys::cache::Cache;
use crate::keys::{KeyError, KeyId, KeyState};
use crate::log::jetstream::{
    Api, ApiError, ConnectError, JetStream, check_stream, existing_or_new, insist,
    is_wrong_sequence,
};

/// Marks a tombstone, in the way that NATS' own tools understand.
const OPERATION: &str = "KV-Operation";

/// Keys kept in memory.
const CACHED_KEYS: usize = 65_536;

/// Messages kept of a key: itself and, for a moment, its tombstone. With one, the tombstone would
/// push the key out without overwriting it.
const HISTORY: i64 = 2;

/// The bucket, and what is remembered of it.
pub(super) struct Bucket {
    pub(super) api: Api,
    pub(super) patience: Duration,
    /// Its name.
    pub(super) name: String,
    pub(super) stream: String,
    pub(super) cache: Cache,
    /// How often keys were destroyed. A key fetched meanwhile does not enter the cache.
    pub(super) destroyed: RwLock<u64>,
}

impl Bucket {
    /// The bucket beside a log, made if there is none, and the sequence of its last message.
    pub(super) async fn open(log: &JetStream) -> Result<(Bucket, u64), ConnectError> {
        let (api, patience) = (log.api().clone(), log.config().patience);
        let name = name(log);
        let wanted = wanted(&name, log.config().replicas);
        let info = existing_or_new(&api, &wanted, patience).await?;
        check_stream(&info.config, &wanted)?;
        check_erasure(&info.config)?;
        let bucket = Bucket {
            api,
            patience,
            name,
            stream: wanted.name,
            cache: Cache::new(CACHED_KEYS),
            destroyed: RwLock::new(0),
        };
        Ok((bucket, info.state.last_sequence))
    }

    pub(super) fn subject(&self, id: &KeyId) -> String {
        self.subject_named(&URL_SAFE_NO_PAD.encode(id.to_bytes()))
    }

    pub(super) fn subject_named(&self, key: &str) -> String {
        subject(&self.name, key)
    }

    /// The id whose key stands under a subject.
    pub(super) fn id(&self, subject: &str) -> Option<KeyId> {
        let key = subject
            .strip_prefix("$KV.")?
            .strip_prefix(&*self.name)?
            .strip_prefix('.')?;
        KeyId::from_bytes(&URL_SAFE_NO_PAD.decode(key).ok()?)
    }

    /// Puts the first value of a subject. If it has one already, that is the answer.
    pub(super) async fn first(
        &self,
        subject: &str,
        value: &Bytes,
    ) -> Result<Option<StreamMessage>, ApiError> {
        match self
            .api
            .publish(subject.to_owned(), 0, HeaderMap::new(), value.clone())
            .await
        {
            Ok(_) => Ok(None),
            Err(error) if error.code().is_some_and(is_wrong_sequence) => {
                match self.api.last_of(&self.stream, subject).await? {
                    // An earlier try of ours had come through.
                    Some(found) if found.payload == *value => Ok(None),
                    Some(found) => Ok(Some(found)),
                    None => Err(again("another node is making it")),
                }
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        let subject = self.subject(id);
        insist(self.patience, || self.bury(&subject))
            .await
            .map_err(unavailable)?;
        self.forget(id);
        Ok(())
    }

    /// Puts a tombstone in place of whatever there is, and erases that.
    async fn bury(&self, subject: &str) -> Result<(), ApiError> {
        let last = self.api.last_of(&self.stream, subject).await?;
        if !last
            .as_ref()
            .is_some_and(|last| is_tombstone(&last.headers))
        {
            let expected = last.map_or(0, |last| last.sequence);
            let mut headers = HeaderMap::new();
            headers.insert(OPERATION, "DEL");
            let put = self
                .api
                .publish(subject.to_owned(), expected, headers, Bytes::new())
                .await;
            put.map_err(|error| match error.code() {
                Some(code) if is_wrong_sequence(code) => again("another node is changing it"),
                _ => error,
            })?;
        }
        match self.api.first_of(&self.stream, subject, 1).await? {
            Some(oldest) if !is_tombstone(&oldest.headers) => {
                match self.api.erase(&self.stream, oldest.sequence).await {
                    // Once more, to see whether that was the last.
                    Ok(()) => Err(again("more of it is to be erased")),
                    Err(error) if error.code().is_some_and(is_gone) => {
                        Err(again("another node is erasing it"))
                    }
                    Err(error) => Err(error),
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn remember(&self, id: &KeyId, state: &KeyState, destroyed: u64) {
        let now = self.destroyed.read();
        if *now == destroyed || matches!(state, KeyState::Destroyed) {
            self.cache.insert(id, state.clone());
        }
    }

    pub(super) fn forget(&self, id: &KeyId) {
        let mut destroyed = self.destroyed.write();
        *destroyed += 1;
        self.cache.insert(id, KeyState::Destroyed);
    }
}

/// Whether the bucket beside a log is there and has a value under a key. None is made.
pub(super) async fn has(log: &JetStream, key: &str) -> Result<bool, ApiError> {
    let name = name(log);
    let (stream, subject) = (stream(&name), subject(&name, key));
    let found = insist(log.config().patience, || {
        log.api().last_of(&stream, &subject)
    });
    match found.await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.code() == Some(ErrorCode::STREAM_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The name of the bucket beside a log.
pub(super) fn name(log: &JetStream) -> String {
    format!("{}-keys", log.config().prefix)
}

/// The name of a bucket's stream.
pub(super) fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The bucket's stream: a key-value bucket to NATS' own tools, save that messages may be erased.
fn wanted(bucket: &str, replicas: usize) -> Config {
    Config {
        name: stream(bucket),
        description: Some("content keys of Tidings, wrapped".to_owned()),
        subjects: vec![format!("$KV.{bucket}.>")],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_messages_per_subject: HISTORY,
        num_replicas: replicas,
        allow_direct: true,
        allow_atomic_publish: true,
        deny_delete: false,
        ..Config::default()
    }
}

fn check_erasure(found: &Config) -> Result<(), ConnectError> {
    let wrong = |setting, value: String, remedy: String| {
        Err(ConnectError::Setting {
            stream: found.name.clone(),
            setting,
            value,
            remedy,
        })
    };
    if found.deny_delete {
        let remedy =
            "keys could not be erased; it cannot be changed: choose another prefix".to_owned();
        return wrong("deny_delete", "true".to_owned(), remedy);
    }
    if found.max_messages_per_subject != HISTORY {
        let remedy = format!(
            "run `nats stream edit {} --max-msgs-per-subject={HISTORY}`",
            found.name
        );
        return wrong(
            "max_msgs_per_subject",
            found.max_messages_per_subject.to_string(),
            remedy,
        );
    }
    Ok(())
}

fn is_gone(code: ErrorCode) -> bool {
    code == ErrorCode::NO_MESSAGE_FOUND || code == ErrorCode::SEQUENCE_NOT_FOUND
}

/// Makes [`insist`] try once more.
fn again(reason: &str) -> ApiError {
    ApiError::Unanswered(reason.to_owned())
}

pub(super) fn is_tombstone(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some()
}
