//! The key store of a cluster: a key-value bucket on the log's NATS servers.
//!
//! A key is made by a publish that must be the first of its subject, so of several nodes one makes
//! it and all get that one. Many keys are made in batches, which are synced once each: fifteen
//! thousand take a second that way and, one by one, twenty on a single server. Everything is read through the bucket's leader: a replica that lags
//! behind would call a key unknown.
//!
//! # What destroying promises
//!
//! The key is replaced by a tombstone that stays for ever, and its message is then erased: the
//! bucket's leader has overwritten it in its files when [`KeyStore::destroy`] returns, and each other
//! replica does so when it catches up. With three replicas the servers' Raft logs keep the wrapped
//! key, too, until they are next compacted, and a backup of the bucket keeps it as long as the
//! backup is kept: what is kept there is wrapped by the operator key.
//!
//! The bucket itself tells the other nodes, at once while they are connected, otherwise when they
//! are again. Until then they may still open content with a key in their memory.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hashbrown::HashSet;
use parking_lot::RwLock;
use ring::rand::SecureRandom;
use tokio::task::JoinSet;

use super::cache::Cache;
use super::seal::{OperatorKey, RawKey};
use super::{ContentKey, KeyError, KeyId, KeyState, KeyStore};
use crate::log::jetstream::{
    Api, ApiError, ConnectError, JetStream as JetStreamLog, MAX_BATCH, check_stream,
    existing_or_new, insist, is_wrong_sequence,
};

mod watch;

#[cfg(test)]
mod tests;

/// Marks a tombstone, in the way that NATS' own tools understand.
const OPERATION: &str = "KV-Operation";

/// The key under which a value stands that the operator key recognises. Ids are longer.
const MARK: &str = "operator";

/// Requests in flight at once.
const IN_FLIGHT: usize = 128;

/// Fewest keys worth a batch: it costs the server a few files of its own.
const MIN_BATCH: usize = 8;

/// Keys kept in memory.
const CACHED_KEYS: usize = 65_536;

/// Messages kept of a key: itself and, for a moment, its tombstone. With one, the tombstone would
/// push the key out without overwriting it.
const HISTORY: i64 = 2;

/// Why the key store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was made with another operator key.
    #[error("the keys in the bucket {bucket} were wrapped with another operator key")]
    WrongOperatorKey {
        /// The bucket.
        bucket: String,
    },
    /// Its stream cannot be used.
    #[error(transparent)]
    Stream(#[from] ConnectError),
    /// It could not be read.
    #[error("the bucket {bucket} cannot be read: {reason}")]
    Unavailable {
        /// The bucket.
        bucket: String,
        /// Why.
        reason: String,
    },
}

/// The key store on JetStream. See the [module](self).
pub struct JetStream {
    shared: Arc<Shared>,
    operator: OperatorKey,
    random: Arc<dyn SecureRandom + Send + Sync>,
    /// Ends with the store.
    _watch: JoinSet<()>,
}

/// What the watch shares with the store.
struct Shared {
    api: Api,
    patience: Duration,
    bucket: String,
    stream: String,
    cache: Cache,
    /// How often keys were destroyed. A key fetched meanwhile does not enter the cache.
    destroyed: RwLock<u64>,
}

impl JetStream {
    /// Opens the key store beside a log, making it if there is none.
    pub async fn open(
        log: &JetStreamLog,
        operator: OperatorKey,
        random: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Result<JetStream, OpenError> {
        let bucket = format!("{}-keys", log.config().prefix);
        let wanted = wanted(&bucket, log.config().replicas);
        let patience = log.config().patience;
        let info = existing_or_new(log.api(), &wanted, patience).await?;
        check_stream(&info.config, &wanted)?;
        check_erasure(&info.config)?;

        let shared = Arc::new(Shared {
            api: log.api().clone(),
            patience,
            stream: wanted.name,
            cache: Cache::new(CACHED_KEYS),
            destroyed: RwLock::new(0),
            bucket,
        });
        let unavailable = |e: ApiError| OpenError::Unavailable {
            bucket: shared.bucket.clone(),
            reason: e.to_string(),
        };
        let mark = Bytes::from(operator.mark(&*random));
        let subject = shared.subject_named(MARK);
        let found = insist(patience, || shared.first(&subject, &mark))
            .await
            .map_err(unavailable)?;
        if found.is_some_and(|found| !operator.recognises(&found.payload)) {
            return Err(OpenError::WrongOperatorKey {
                bucket: shared.bucket.clone(),
            });
        }
        let mut watch = JoinSet::new();
        watch.spawn(watch::watch(shared.clone(), info.state.last_sequence));
        Ok(JetStream {
            shared,
            operator,
            random,
            _watch: watch,
        })
    }

    /// What a message of the bucket says of a key. It goes into the cache, unless keys have been
    /// destroyed since `destroyed`.
    fn state(
        &self,
        id: &KeyId,
        message: Option<&StreamMessage>,
        destroyed: u64,
    ) -> Result<KeyState, KeyError> {
        let state = match message {
            None => return Ok(KeyState::Unknown),
            Some(message) if is_tombstone(&message.headers) => KeyState::Destroyed,
            Some(message) => {
                let raw = self.operator.unwrap(id, &message.payload);
                let raw = raw.map_err(|_| KeyError::WrongOperatorKey)?;
                KeyState::Present(Arc::new(ContentKey::new(&raw)))
            }
        };
        self.shared.remember(id, &state, destroyed);
        Ok(state)
    }

    async fn find(&self, id: &KeyId) -> Result<KeyState, KeyError> {
        if let Some(state) = self.shared.cache.get(id) {
            return Ok(state);
        }
        let shared = &*self.shared;
        let destroyed = *shared.destroyed.read();
        let subject = shared.subject(id);
        let request = || shared.api.last_of(&shared.stream, &subject);
        let found = insist(shared.patience, request)
            .await
            .map_err(unavailable)?;
        self.state(id, found.as_ref(), destroyed)
    }

    /// Makes the keys of `ids`, of which each is there once.
    async fn make_all(&self, ids: &[&KeyId]) -> Result<(), KeyError> {
        for ids in ids.chunks(MAX_BATCH) {
            // A batch fails if another node is making one of its keys, too.
            if ids.len() < MIN_BATCH || self.make_together(ids).await.is_err() {
                let made = stream::iter(0..ids.len()).map(|i| self.make(ids[i]));
                made.buffered(IN_FLIGHT).try_collect::<Vec<_>>().await?;
            }
        }
        Ok(())
    }

    async fn make_together(&self, ids: &[&KeyId]) -> Result<(), ApiError> {
        let shared = &*self.shared;
        let destroyed = *shared.destroyed.read();
        let raws: Vec<_> = ids
            .iter()
            .map(|_| RawKey::generate(&*self.random))
            .collect();
        let messages = ids.iter().zip(&raws).map(|(id, raw)| {
            let wrapped = self.operator.wrap(id, raw, &*self.random);
            (shared.subject(id), Bytes::copy_from_slice(&wrapped))
        });
        shared.api.publish_firsts(messages).await?;
        for (id, raw) in ids.iter().zip(&raws) {
            let state = KeyState::Present(Arc::new(ContentKey::new(raw)));
            shared.remember(id, &state, destroyed);
        }
        Ok(())
    }

    async fn make(&self, id: &KeyId) -> Result<KeyState, KeyError> {
        let shared = &*self.shared;
        let destroyed = *shared.destroyed.read();
        let raw = RawKey::generate(&*self.random);
        let wrapped = Bytes::copy_from_slice(&self.operator.wrap(id, &raw, &*self.random));
        let subject = shared.subject(id);
        let made = insist(shared.patience, || shared.first(&subject, &wrapped)).await;
        match made.map_err(unavailable)? {
            Some(other) => self.state(id, Some(&other), destroyed),
            None => {
                let state = KeyState::Present(Arc::new(ContentKey::new(&raw)));
                shared.remember(id, &state, destroyed);
                Ok(state)
            }
        }
    }
}

impl Shared {
    fn subject(&self, id: &KeyId) -> String {
        self.subject_named(&URL_SAFE_NO_PAD.encode(id.to_bytes()))
    }

    fn subject_named(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.bucket)
    }

    /// The id whose key stands under a subject.
    fn id(&self, subject: &str) -> Option<KeyId> {
        let key = subject
            .strip_prefix("$KV.")?
            .strip_prefix(&*self.bucket)?
            .strip_prefix('.')?;
        KeyId::from_bytes(&URL_SAFE_NO_PAD.decode(key).ok()?)
    }

    /// Puts the first value of a subject. If it has one already, that is the answer.
    async fn first(&self, subject: &str, value: &Bytes) -> Result<Option<StreamMessage>, ApiError> {
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

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
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

    fn remember(&self, id: &KeyId, state: &KeyState, destroyed: u64) {
        let now = self.destroyed.read();
        if *now == destroyed || matches!(state, KeyState::Destroyed) {
            self.cache.insert(id, state.clone());
        }
    }

    fn forget(&self, id: &KeyId) {
        let mut destroyed = self.destroyed.write();
        *destroyed += 1;
        self.cache.insert(id, KeyState::Destroyed);
    }
}

#[async_trait]
impl KeyStore for JetStream {
    async fn ensure(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        let states = self.get(ids).await?;
        let unknown = |state: &KeyState| matches!(state, KeyState::Unknown);
        let missing: HashSet<&KeyId> = ids
            .iter()
            .zip(&states)
            .filter(|(_, state)| unknown(state))
            .map(|(id, _)| id)
            .collect();
        if missing.is_empty() {
            return Ok(states);
        }
        self.make_all(&missing.into_iter().collect::<Vec<_>>())
            .await?;
        self.get(ids).await
    }

    fn cached(&self, id: &KeyId) -> Option<KeyState> {
        self.shared.cache.get(id)
    }

    async fn get(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        let states = stream::iter(0..ids.len()).map(|i| self.find(&ids[i]));
        states.buffered(IN_FLIGHT).try_collect().await
    }

    async fn destroy(&self, ids: &[KeyId]) -> Result<(), KeyError> {
        let buried = stream::iter(0..ids.len()).map(|i| self.shared.destroy(&ids[i]));
        buried.buffered(IN_FLIGHT).try_collect().await
    }
}

/// The bucket's stream: a key-value bucket to NATS' own tools, save that messages may be erased.
fn wanted(bucket: &str, replicas: usize) -> Config {
    Config {
        name: format!("KV_{bucket}"),
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

fn is_tombstone(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some()
}

fn unavailable(error: ApiError) -> KeyError {
    KeyError::Unavailable(error.to_string())
}
