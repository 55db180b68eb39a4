//! Hears of keys that other nodes destroy.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, push};
use futures_util::StreamExt;

use super::bucket::{Bucket, is_tombstone};

const PAUSE: Duration = Duration::from_millis(500);

/// Follows the bucket from the message after `last`, for ever. Headers only: the keys themselves
/// are fetched when they are needed.
pub(super) async fn watch(bucket: Arc<Bucket>, mut last: u64) {
    loop {
        let config = push::OrderedConfig {
            deliver_subject: bucket.api.client().new_inbox(),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: last + 1,
            },
            headers_only: true,
            ..push::OrderedConfig::default()
        };
        let context = &bucket.api.context;
        let consumer = context
            .create_consumer_on_stream(config, &*bucket.stream)
            .await;
        let messages = match consumer {
            Ok(consumer) => consumer.messages().await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match messages {
            Ok(mut messages) => {
                while let Some(Ok(message)) = messages.next().await {
                    if let Ok(info) = message.info() {
                        last = last.max(info.stream_sequence);
                    }
                    if message.headers.as_ref().is_some_and(is_tombstone)
                        && let Some(id) = bucket.id(&message.subject)
                    {
                        bucket.forget(&id);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(
                    bucket = bucket.name,
                    error,
                    "cannot watch for destroyed keys"
                );
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
