//! What is to reach somebody by a way of the product's own: recorded as an event of the kind `delivery.`, which the product's backend
//! reads from the feed.

use serde_json::{Value, json};
use tidings_core::domain::{Command, UserId, user::APP_PAYLOAD_BYTES};
use tidings_extension_host::staged::Push;

/// How long a push is worth delivering if nothing is said, in milliseconds: a day.
pub(crate) const PUSH_MS: u64 = 24 * 3_600 * 1_000;

/// Records that something is to reach a user by a channel.
pub(crate) fn command(to: &UserId, channel: &str, payload: &Value) -> Command {
    noted(to, channel, payload.to_string())
}

/// The same with a payload of an extension's own.
pub(crate) fn noted(to: &UserId, channel: &str, payload: String) -> Command {
    Command::AppEvent {
        subject: to.clone(),
        kind: format!("delivery.{channel}"),
        payload,
    }
}

/// What the backend is told of a push that is staged at a time.
pub(crate) fn push(push: &Push, at_ms: u64) -> Value {
    let after_ms = push.expire_after_ms.map_or(PUSH_MS, u64::from);
    let mut payload = json!({
        "title": push.title,
        "body": push.body,
        "expires_ms": at_ms.saturating_add(after_ms),
    });
    for (name, text) in [("link", &push.link), ("collapse", &push.collapse)] {
        if let Some(text) = text {
            payload[name] = text.as_str().into();
        }
    }
    payload
}

/// Whether a payload can be recorded.
pub(crate) fn fits(payload: &str) -> bool {
    payload.len() <= APP_PAYLOAD_BYTES
}
