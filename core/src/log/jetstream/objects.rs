//! Objects beside the log, for all nodes: what is too large for a record and named by its contents.

use std::time::Duration;

use async_nats::jetstream::{
    context::CreateKeyValueErrorKind,
    object_store::{self, GetErrorKind, ObjectStore},
};
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use super::JetStream;

/// How often a bucket that is not there and cannot be made is tried again, and after which pause: servers that have just begun agree on
/// a leader first.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// A bucket of JetStream's object store, named after the log.
pub struct Objects {
    store: ObjectStore,
}

/// Why objects could not be kept or had.
#[derive(Debug, thiserror::Error)]
#[error("the object store of NATS: {0}")]
pub struct ObjectsError(String);

fn failed(error: impl std::fmt::Display) -> ObjectsError {
    ObjectsError(error.to_string())
}

impl Objects {
    /// Opens the bucket, or makes it with as many replicas as the log has.
    ///
    /// # Errors
    /// When it is neither there nor can be made.
    pub async fn open(log: &JetStream, what: &str) -> Result<Objects, ObjectsError> {
        let context = log.context();
        let bucket = format!("{}-{what}", log.config().prefix.replace('.', "_"));
        let config = object_store::Config {
            bucket: bucket.clone(),
            num_replicas: log.config().replicas,
            ..object_store::Config::default()
        };
        let mut tries = 0;
        let store = loop {
            if let Ok(store) = context.get_object_store(&bucket).await {
                break store;
            }
            match context.create_object_store(config.clone()).await {
                Ok(store) => break store,
                // Another node has made it meanwhile, or the servers have no leader for it yet.
                Err(error)
                    if error.kind() == CreateKeyValueErrorKind::BucketCreate && tries < TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(failed(error)),
            }
        };
        Ok(Objects { store })
    }

    /// Keeps an object. What is there already under the name stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put(&self, name: &str, object: &[u8]) -> Result<(), ObjectsError> {
        if self.store.info(name).await.is_ok() {
            return Ok(());
        }
        let mut reader = object;
        self.store.put(name, &mut reader).await.map_err(failed)?;
        Ok(())
    }

    /// Gets an object, if it is there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectsError> {
        let mut found = match self.store.get(name).await {
            Ok(found) => found,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        found.read_to_end(&mut bytes).await.map_err(failed)?;
        Ok(Some(bytes.into()))
    }
}
