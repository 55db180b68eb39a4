//! Components of extensions, for all servers of a log on JetStream.

use async_trait::async_trait;
use bytes::Bytes;
use tidings_core::log::jetstream::objects::Objects;
use tidings_extensions::{ComponentsError, Digest, Shelf};

/// The log's object store.
pub(super) struct OnJetStream(pub(super) Objects);

#[async_trait]
impl Shelf for OnJetStream {
    async fn put(&self, digest: Digest, component: Bytes) -> Result<(), ComponentsError> {
        let put = self.0.put(&digest.to_string(), &component).await;
        put.map_err(|error| ComponentsError::Shared(error.to_string()))
    }

    async fn get(&self, digest: Digest) -> Result<Option<Bytes>, ComponentsError> {
        let got = self.0.get(&digest.to_string()).await;
        got.map_err(|error| ComponentsError::Shared(error.to_string()))
    }
}
