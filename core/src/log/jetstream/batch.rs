//! Several messages put together: all of them or none, and synced once.

use async_nats::HeaderMap;
use bytes::Bytes;

use super::api::{Api, ApiError};

/// Most messages of one batch; the server's limit is twice that.
pub(crate) const MAX_BATCH: usize = 500;

impl Api {
    /// Publishes the first message of each of these subjects, to a stream that allows batches. If
    /// one of them has a message already, none is put. An error may also mean that all were put and
    /// the answer was lost.
    pub(crate) async fn publish_firsts(
        &self,
        messages: impl ExactSizeIterator<Item = (String, Bytes)>,
    ) -> Result<(), ApiError> {
        let inbox = self.client().new_inbox();
        let batch = inbox.rsplit('.').next().unwrap_or(&inbox);
        let count = messages.len();
        for (n, (subject, payload)) in (1..).zip(messages) {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Batch-Id", batch);
            headers.insert("Nats-Batch-Sequence", n.to_string());
            if n == count {
                // Ends the batch, and is answered for all of it.
                headers.insert("Nats-Batch-Commit", "1");
                self.publish(subject, 0, headers, payload).await?;
            } else {
                self.publish_unanswered(subject, 0, headers, payload)
                    .await?;
            }
        }
        Ok(())
    }
}
