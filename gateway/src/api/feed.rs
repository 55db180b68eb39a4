//! The feed: what extensions have for the product's backend. Read on from where one was; nothing is taken out by reading.

use std::time::Duration;

use axum::{Json, http::Method, routing::get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_core::feed;
use tidings_protocol::ErrorCode;
use tokio::time::Instant;

use super::{
    Endpoint, Refused,
    request::{Ask, Call},
};
use crate::auth::Scope;

/// Events on a page, if nothing is said, and at most.
const LIMIT: usize = 100;
const LIMIT_MOST: usize = 1_000;

/// How long an answer waits for an event at most.
const WAIT_MOST: Duration = Duration::from_secs(30);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Feed>(
            Method::GET,
            "/v1/feed",
            Scope::Feed,
            "Lists what extensions have for the product's backend, oldest first: what they emit (`ext.`), and what is to reach \
             somebody by a way of the product's own (`delivery.`: pushes, mails, nudges). Kept for 30 days.",
            get(read),
        )
        .asks::<Asked>(),
    ]
}

/// Which of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Behind which: `next` of the page before. Without it from the oldest that is kept.
    #[serde(default)]
    after: Option<String>,
    /// Only kinds that begin so, such as `delivery.` or `ext.quiz.answered`.
    #[serde(default)]
    kind: String,
    /// How many at most: 1 to 1,000; 100 if nothing is said.
    #[serde(default)]
    limit: Option<usize>,
    /// How long to wait for one if there is none, in milliseconds, at most 30,000.
    #[serde(default)]
    wait_ms: u64,
}

/// A page.
#[derive(Serialize, JsonSchema)]
struct Feed {
    /// Oldest first.
    events: Vec<Event>,
    /// Where to go on: to be given as `after`, and to be kept once the events are dealt with.
    next: String,
}

/// What happened, or is to be delivered.
#[derive(Serialize, JsonSchema)]
struct Event {
    /// Names it for ever.
    id: String,
    /// `ext.<extension>.<kind>`, `delivery.push`, `delivery.recall`, or `delivery.` and a channel of an extension's.
    kind: String,
    /// The extension's account that caused it, or `system:tidings`.
    actor: String,
    /// Whom it is about, or for.
    subject: String,
    /// What else there is to say; absent where the subject was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    /// When it was recorded, milliseconds since 1970.
    at_ms: u64,
}

async fn read(call: Call, Ask(asked): Ask<Asked>) -> Result<Json<Feed>, Refused> {
    let after = match asked.after.as_deref() {
        None | Some("") => (0, 0),
        Some(text) => place(text).ok_or_else(|| {
            Refused::invalid(format!(
                "after is {text:?}: it is the `next` of the page before"
            ))
        })?,
    };
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MOST).contains(&limit) {
        return Err(Refused::invalid(format!(
            "limit is {limit}: use 1 to {LIMIT_MOST}"
        )));
    }
    let wait = Duration::from_millis(asked.wait_ms);
    if wait > WAIT_MOST {
        return Err(Refused::invalid(format!(
            "wait_ms is {}: at most {}",
            asked.wait_ms,
            WAIT_MOST.as_millis()
        )));
    }
    let node = &call.gateway.node;
    let until = Instant::now() + wait;
    let (mut from, mut events) = (after, Vec::new());
    loop {
        let head = node.projections.cursor();
        let page = feed::read(node, from, &asked.kind, limit - events.len()).await;
        let page = page.map_err(|error| {
            tracing::error!(%error, "the feed cannot be read");
            Refused::new(ErrorCode::Unavailable, "the feed cannot be read: try again")
        })?;
        from = page.looked;
        let now_ms = node.clock.now_ms();
        let shown = page.entries.into_iter().map(shown);
        events.extend(shown.filter(|event| !is_over(event, now_ms)));
        if page.more && events.len() < limit {
            // The rest of the page; others get their turn in between.
            tokio::task::yield_now().await;
            continue;
        }
        if !events.is_empty() || Instant::now() >= until {
            let next = format!("{}.{}", from.0, from.1);
            return Ok(Json(Feed { events, next }));
        }
        let more = node.projections.reached(head + 1);
        let _ = tokio::time::timeout_at(until, more).await;
    }
}

fn place(text: &str) -> Option<(u64, u32)> {
    let (position, index) = text.split_once('.')?;
    Some((position.parse().ok()?, index.parse().ok()?))
}

fn shown(entry: feed::Entry) -> Event {
    let (position, index) = entry.at;
    Event {
        id: format!("{position}.{index}"),
        kind: entry.kind,
        actor: entry.actor.to_string(),
        subject: entry.subject.to_string(),
        payload: entry
            .payload
            .and_then(|text| serde_json::from_str(&text).ok()),
        at_ms: entry.at_ms,
    }
}

/// Whether a delivery came too late, or whom it was for is gone.
fn is_over(event: &Event, now_ms: u64) -> bool {
    if !event.kind.starts_with("delivery.") {
        return false;
    }
    let Some(payload) = &event.payload else {
        return true;
    };
    let expires_ms = payload.get("expires_ms").and_then(Value::as_u64);
    expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
}
