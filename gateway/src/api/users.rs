//! Users: tokens, lists, counts, blocks.

use axum::{
    Json,
    http::Method,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_protocol::{
    ErrorCode, command,
    frame::{Outcome, Request},
    query,
};

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Ask, At, Body, Call},
    shape::Conversation,
};
use crate::auth::{SYSTEM_PREFIX, Scope};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Token>(
            Method::POST,
            "/v1/users/{user}/tokens",
            Scope::Tokens,
            "Makes a connection token for a user.",
            post(token),
        )
        .takes::<NewToken>(),
        Endpoint::new::<Conversations>(
            Method::GET,
            "/v1/users/{user}/conversations",
            Scope::Users,
            "Lists a user's conversations, latest activity first.",
            get(conversations),
        )
        .asks::<ListConversations>(),
        Endpoint::new::<Unread>(
            Method::GET,
            "/v1/users/{user}/unread",
            Scope::Users,
            "Counts a user's unread messages.",
            get(unread),
        )
        .asks::<Fresh>(),
        Endpoint::new::<Blocked>(
            Method::GET,
            "/v1/users/{user}/blocks",
            Scope::Users,
            "Lists whom a user has blocked.",
            get(blocked),
        )
        .asks::<Fresh>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/users/{user}/blocks/{other}",
            Scope::Users,
            "Blocks another user for a user.",
            put(block),
        )
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            "/v1/users/{user}/blocks/{other}",
            Scope::Users,
            "Ends a block.",
            delete(unblock),
        )
        .changes(),
    ]
}

/// Longest time a token is made for, in seconds: 30 days.
const TOKEN_S: u64 = 30 * 24 * 3600;

/// What token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// For how long, in seconds, at most 30 days.
    ttl_s: u64,
}

/// A connection token.
#[derive(Serialize, JsonSchema)]
struct Token {
    /// For the client's `hello`.
    token: String,
    /// Until when, milliseconds since 1970.
    expires_ms: u64,
}

async fn token(
    call: Call,
    At(user): At<String>,
    Body(NewToken { ttl_s }): Body<NewToken>,
) -> Result<Json<Token>, Refused> {
    let user = call.acting(&user)?;
    if user.starts_with(SYSTEM_PREFIX) {
        let message = format!("{user:?} is a system account: nobody logs in as one");
        return Err(Refused::new(ErrorCode::Forbidden, message));
    }
    if !(1..=TOKEN_S).contains(&ttl_s) {
        let message = format!("ttl_s is {ttl_s}: use 1 to {TOKEN_S} seconds");
        return Err(Refused::invalid(message));
    }
    let Some(signer) = call.gateway.auth.signer() else {
        return Err(Refused::new(
            ErrorCode::Forbidden,
            "this server has no HS256 secret (auth.secrets), so it signs no tokens: sign them where the private key is",
        ));
    };
    let expires_ms = (call.gateway.node.clock.now_ms() / 1_000 + ttl_s) * 1_000;
    Ok(Json(Token {
        token: signer.sign(&user, expires_ms),
        expires_ms,
    }))
}

/// Which page of conversations.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListConversations {
    /// Those with an `activity_position` below this; 0 for the latest.
    #[serde(default)]
    before: u64,
    /// How many, at most 100; 0 for 20.
    #[serde(default)]
    limit: u32,
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// A page of conversations.
#[derive(Serialize, JsonSchema)]
struct Conversations {
    /// Latest activity first.
    conversations: Vec<Conversation>,
    /// Whether there are more: ask with `before` of the last one's `activity_position`.
    more: bool,
    /// Everything up to this position is in it.
    position: u64,
}

async fn conversations(
    call: Call,
    At(user): At<String>,
    Ask(asked): Ask<ListConversations>,
) -> Result<Json<Conversations>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::ListConversations(query::ListConversations {
        before: asked.before,
        limit: asked.limit,
    });
    match call.read(&user, asked.at_least, request).await? {
        Outcome::Conversations(page) => Ok(Json(Conversations {
            conversations: page.conversations.into_iter().map(Into::into).collect(),
            more: page.more,
            position: page.position,
        })),
        other => Err(unexpected(&other)),
    }
}

/// How much must have happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fresh {
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// A user's unread messages.
#[derive(Serialize, JsonSchema)]
struct Unread {
    /// In all conversations that are not muted.
    total: u64,
    /// Everything up to this position is in it.
    position: u64,
}

async fn unread(
    call: Call,
    At(user): At<String>,
    Ask(Fresh { at_least }): Ask<Fresh>,
) -> Result<Json<Unread>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::GetUnread(query::GetUnread {});
    match call.read(&user, at_least, request).await? {
        Outcome::Unread(query::Unread { total, as_of }) => Ok(Json(Unread {
            total,
            position: as_of,
        })),
        other => Err(unexpected(&other)),
    }
}

/// Whom a user has blocked.
#[derive(Serialize, JsonSchema)]
struct Blocked {
    /// Their ids.
    users: Vec<String>,
}

async fn blocked(
    call: Call,
    At(user): At<String>,
    Ask(Fresh { at_least }): Ask<Fresh>,
) -> Result<Json<Blocked>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::ListBlocked(query::ListBlocked {});
    match call.read(&user, at_least, request).await? {
        Outcome::Blocked(query::Blocked { users }) => Ok(Json(Blocked { users })),
        other => Err(unexpected(&other)),
    }
}

async fn block(
    call: Call,
    At((user, other)): At<(String, String)>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::BlockUser(command::BlockUser { user: other });
    call.change(&user, request).await.map(Json)
}

async fn unblock(
    call: Call,
    At((user, other)): At<(String, String)>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::UnblockUser(command::UnblockUser { user: other });
    call.change(&user, request).await.map(Json)
}

/// A query is answered with what it asks for; anything else is a fault of ours.
pub(super) fn unexpected(outcome: &Outcome) -> Refused {
    tracing::error!(?outcome, "a query was answered with something else");
    Refused::new(ErrorCode::Internal, "the server does not understand itself")
}
