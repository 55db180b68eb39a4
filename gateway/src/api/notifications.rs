//! Toasts and badges: what users are shown on their devices while they are anywhere in the product.

use axum::{
    Json,
    http::Method,
    routing::{get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_core::domain::{
    Command, ConversationId, NewToast, UserCommand,
    id::COMMAND_MEMORY_MS,
    toast::{BACKEND, WAITS_MOST_MS},
};
use tidings_protocol::{
    frame::{Outcome, Request},
    query,
};

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Ask, At, Body, Call},
    users::unexpected,
};
use crate::{auth::Scope, translate};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let scope = Scope::Notifications;
    vec![
        Endpoint::new::<Changed>(
            Method::POST,
            "/v1/users/{user}/toasts",
            scope,
            "Shows a user a toast, on all devices, until they see it on one. It is left out where they and whom it \
             tells of block each other, and where it tells of a conversation that they are not in.",
            post(queue),
        )
        .takes::<ToastToQueue>()
        .changes(),
        Endpoint::new::<Notifications>(
            Method::GET,
            "/v1/users/{user}/notifications",
            scope,
            "Lists a user's toasts that wait to be seen, oldest first, and their badges, extensions' included.",
            get(list),
        )
        .asks::<ListNotifications>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/users/{user}/badges/{name}",
            scope,
            "Sets a number beside something on a user's screen. The same number again changes nothing.",
            put(set_badge),
        )
        .takes::<Count>()
        .changes(),
    ]
}

/// A toast to be shown.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ToastToQueue {
    /// What it says, 1 to 256 bytes.
    title: String,
    /// What else it says, at most 1,024 bytes.
    #[serde(default)]
    body: String,
    /// What opens at a click, at most 1,024 bytes: a path, which the client understands, or an https address.
    link: Option<String>,
    /// It takes the place of a toast of the backend's with the same key that the user has not seen: 1 to 256 bytes.
    collapse_key: Option<String>,
    /// Of whom it tells. It goes when they are erased.
    about_user: Option<String>,
    /// Of which conversation it tells. It counts as seen where one of the user's devices shows that.
    about_conversation: Option<String>,
    /// From when on it is not shown any more, milliseconds since 1970, at most 30 days ahead; 7 days without it.
    expires_ms: Option<u64>,
}

async fn queue(
    call: Call,
    At(user): At<String>,
    Body(new): Body<ToastToQueue>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let now_ms = call.gateway.node.clock.now_ms();
    // Nothing is tried again for so long, so that whoever tries again is told what they were told the first time.
    let long_ago = now_ms.saturating_sub(COMMAND_MEMORY_MS.max(WAITS_MOST_MS));
    if let Some(ms) = new.expires_ms.filter(|ms| *ms < long_ago) {
        return Err(Refused::invalid(format!(
            "expires_ms is {ms}, which is long ago: it is {now_ms} now, in milliseconds since 1970"
        )));
    }
    let about_user = new.about_user.as_deref().map(translate::user_id);
    let about_conversation = new.about_conversation.as_deref().map(|text| {
        uuid::Uuid::parse_str(text)
            .map(ConversationId)
            .map_err(|_| {
                Refused::invalid(format!("about_conversation is {text:?}, which is no UUID"))
            })
    });
    let toast = NewToast {
        source: BACKEND.to_owned(),
        collapse: new.collapse_key,
        title: new.title,
        body: new.body,
        link: new.link,
        about_user: about_user.transpose()?,
        about_conversation: about_conversation.transpose()?,
        expires_ms: new.expires_ms,
    };
    let command = Command::User(UserCommand::QueueToast(Box::new(toast)));
    call.change_as(&user, command).await.map(Json)
}

/// Which part of a user's notifications.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListNotifications {
    /// Only toasts with a higher number; 0 for all.
    #[serde(default)]
    after: u64,
    /// How many toasts, at most 100; 0 for 50.
    #[serde(default)]
    limit: u32,
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// Toasts that wait, and badges.
#[derive(Serialize, JsonSchema)]
struct Notifications {
    /// Oldest first.
    toasts: Vec<Toast>,
    /// Whether more wait: ask with `after` of the last one's `toast`.
    more: bool,
    /// All badges that are not 0.
    badges: Vec<Badge>,
    /// Everything up to this position is in it.
    position: u64,
}

/// A toast that waits.
#[derive(Serialize, JsonSchema)]
struct Toast {
    /// Its number among the user's.
    toast: u64,
    /// `backend`, or the extension that wants it shown.
    source: String,
    /// What it says.
    title: String,
    /// What else it says.
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    /// What opens at a click.
    #[serde(skip_serializing_if = "String::is_empty")]
    link: String,
    /// Of whom it tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    about_user: String,
    /// Of which conversation it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    about_conversation: Option<String>,
    /// When it was queued, milliseconds since 1970.
    at_ms: u64,
    /// From when on it is not shown any more, milliseconds since 1970.
    expires_ms: u64,
}

/// A number beside something.
#[derive(Serialize, JsonSchema)]
struct Badge {
    /// `backend`, or the extension whose badge it is.
    source: String,
    /// Its name.
    name: String,
    /// The number.
    count: u32,
}

async fn list(
    call: Call,
    At(user): At<String>,
    Ask(asked): Ask<ListNotifications>,
) -> Result<Json<Notifications>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::ListNotifications(query::ListNotifications {
        after: asked.after,
        limit: asked.limit,
    });
    let found = match call.read(&user, asked.at_least, request).await? {
        Outcome::Notifications(found) => found,
        other => return Err(unexpected(&other)),
    };
    let toasts = found.toasts.into_iter().map(|toast| Toast {
        toast: toast.toast,
        source: toast.source,
        title: toast.title,
        body: toast.body,
        link: toast.link,
        about_user: toast.about_user,
        about_conversation: tidings_protocol::id::from_wire(&toast.about_conversation)
            .map(|id| id.to_string()),
        at_ms: toast.at_ms,
        expires_ms: toast.expires_ms,
    });
    let badges = found.badges.into_iter().map(|badge| Badge {
        source: badge.source,
        name: badge.name,
        count: badge.count,
    });
    Ok(Json(Notifications {
        toasts: toasts.collect(),
        more: found.more,
        badges: badges.collect(),
        position: found.position,
    }))
}

/// What a badge is to show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    /// The number; 0 removes the badge.
    count: u32,
}

async fn set_badge(
    call: Call,
    At((user, name)): At<(String, String)>,
    Body(Count { count }): Body<Count>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let command = Command::User(UserCommand::SetBadge {
        source: BACKEND.to_owned(),
        name,
        count,
    });
    call.change_as(&user, command).await.map(Json)
}
