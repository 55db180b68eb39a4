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

use async_nats::jetstream::message::StreamMessage;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hashbrown::HashSet;
use ring::rand::SecureRandom;
use tokio::task::JoinSet;

use super::seal::{OperatorKey, RawKey};
use super::{ContentKey, KeyError, KeyId, KeyState, KeyStore};
use crate::log::jetstream::{ApiError, ConnectError, JetStream as JetStreamLog, MAX_BATCH, insist};
use bucket::{Bucket, is_tombstone};

mod bucket;
mod watch;

#[cfg(test)]
mod tests;

/// The key under which a value stands that the operator key recognises. Ids are longer.
const MARK: &str = "operator";

/// Requests in flight at once.
const IN_FLIGHT: usize = 128;

/// Fewest keys worth a batch: it costs the server a few files of its own.
const MIN_BATCH: usize = 8;

/// Why the key store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was made with another operator key.
    #[error(
        "the keys in the bucket {bucket} were wrapped with another operator key: this node needs a copy of the one that the first node has"
    )]
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
    bucket: Arc<Bucket>,
    operator: OperatorKey,
    random: Arc<dyn SecureRandom + Send + Sync>,
    /// Ends with the store.
    _watch: JoinSet<()>,
}

/// The stream that the keys beside a log are in.
pub fn stream_of(log: &JetStreamLog) -> String {
    bucket::stream(&bucket::name(log))
}

/// Whether there is a key store beside a log; none is made. If so, its operator key must not be made
/// anew.
pub async fn exists(log: &JetStreamLog) -> Result<bool, OpenError> {
    let found = bucket::has(log, MARK).await;
    found.map_err(|error| OpenError::Unavailable {
        bucket: bucket::name(log),
        reason: error.to_string(),
    })
}

impl JetStream {
    /// Opens the key store beside a log, making it if there is none.
    pub async fn open(
        log: &JetStreamLog,
        operator: OperatorKey,
        random: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Result<JetStream, OpenError> {
        let (bucket, last) = Bucket::open(log).await?;
        let bucket = Arc::new(bucket);
        let unavailable = |e: ApiError| OpenError::Unavailable {
            bucket: bucket.name.clone(),
            reason: e.to_string(),
        };
        let mark = Bytes::from(operator.mark(&*random));
        let subject = bucket.subject_named(MARK);
        let putting = insist(bucket.patience, || bucket.first(&subject, &mark));
        let found = putting.await.map_err(unavailable)?;
        if found.is_some_and(|found| !operator.recognises(&found.payload)) {
            let bucket = bucket.name.clone();
            return Err(OpenError::WrongOperatorKey { bucket });
        }
        let mut watch = JoinSet::new();
        watch.spawn(watch::watch(bucket.clone(), last));
        Ok(JetStream {
            bucket,
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
        self.bucket.remember(id, &state, destroyed);
        Ok(state)
    }

    async fn find(&self, id: &KeyId) -> Result<KeyState, KeyError> {
        if let Some(state) = self.bucket.cache.get(id) {
            return Ok(state);
        }
        let bucket = &*self.bucket;
        let destroyed = *bucket.destroyed.read();
        let subject = bucket.subject(id);
        let request = || bucket.api.last_of(&bucket.stream, &subject);
        let found = insist(bucket.patience, request)
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
        let bucket = &*self.bucket;
        let destroyed = *bucket.destroyed.read();
        let raws: Vec<_> = ids
            .iter()
            .map(|_| RawKey::generate(&*self.random))
            .collect();
        let messages = ids.iter().zip(&raws).map(|(id, raw)| {
            let wrapped = self.operator.wrap(id, raw, &*self.random);
            (bucket.subject(id), Bytes::copy_from_slice(&wrapped))
        });
        bucket.api.publish_firsts(messages).await?;
        for (id, raw) in ids.iter().zip(&raws) {
            let state = KeyState::Present(Arc::new(ContentKey::new(raw)));
            bucket.remember(id, &state, destroyed);
        }
        Ok(())
    }

    async fn make(&self, id: &KeyId) -> Result<KeyState, KeyError> {
        let bucket = &*self.bucket;
        let destroyed = *bucket.destroyed.read();
        let raw = RawKey::generate(&*self.random);
        let wrapped = Bytes::copy_from_slice(&self.operator.wrap(id, &raw, &*self.random));
        let subject = bucket.subject(id);
        let made = insist(bucket.patience, || bucket.first(&subject, &wrapped)).await;
        match made.map_err(unavailable)? {
            Some(other) => self.state(id, Some(&other), destroyed),
            None => {
                let state = KeyState::Present(Arc::new(ContentKey::new(&raw)));
                bucket.remember(id, &state, destroyed);
                Ok(state)
            }
        }
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
        self.bucket.cache.get(id)
    }

    async fn get(&self, ids: &[KeyId]) -> Result<Vec<KeyState>, KeyError> {
        let states = stream::iter(0..ids.len()).map(|i| self.find(&ids[i]));
        states.buffered(IN_FLIGHT).try_collect().await
    }

    async fn recorded(&self, name: &str, value: &[u8]) -> Result<Bytes, KeyError> {
        let bucket = &*self.bucket;
        let (subject, value) = (bucket.subject_named(name), Bytes::copy_from_slice(value));
        let found = insist(bucket.patience, || bucket.first(&subject, &value)).await;
        let found = found.map_err(unavailable)?;
        Ok(found.map_or(value, |found| found.payload))
    }

    async fn destroy(&self, ids: &[KeyId]) -> Result<(), KeyError> {
        let buried = stream::iter(0..ids.len()).map(|i| self.bucket.destroy(&ids[i]));
        buried.buffered(IN_FLIGHT).try_collect().await
    }
}

fn unavailable(error: ApiError) -> KeyError {
    KeyError::Unavailable(error.to_string())
}
