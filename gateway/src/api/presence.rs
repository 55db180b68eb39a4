//! Who is here, for backends: asking, heartbeats of those who hold no connection, visibility.

use axum::{
    Json,
    http::Method,
    routing::{get, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_core::presence::record::State;
use tidings_protocol::{ErrorCode, command, frame::Request};

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Ask, At, Body, Call},
};
use crate::auth::Scope;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Presence>(
            Method::GET,
            "/v1/users/{user}/presence",
            Scope::Users,
            "Says how a user is: as they are, or as another user sees them.",
            get(presence),
        )
        .asks::<Seeing>(),
        Endpoint::new::<Beaten>(
            Method::PUT,
            "/v1/users/{user}/presence",
            Scope::Users,
            "Keeps a user who holds no connection here for a while: a heartbeat.",
            put(beat),
        )
        .takes::<Beat>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/users/{user}/visibility",
            Scope::Users,
            "Makes a user invisible to others, or visible again.",
            put(visibility),
        )
        .takes::<Visibility>()
        .changes(),
    ]
}

/// Whose eyes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Seeing {
    /// The user who looks; without one the user is shown as they are, the invisible too.
    #[serde(rename = "as")]
    viewer: Option<String>,
}

/// How a user is.
#[derive(Serialize, JsonSchema)]
struct Presence {
    /// `available`, `away` or `offline`.
    state: &'static str,
    /// When they were here last, as far as others could see it, milliseconds since 1970; 0 where that is not
    /// known or not shown.
    seen_ms: u64,
    /// Whether they have chosen to be invisible; false to a user who looks.
    invisible: bool,
}

async fn presence(
    call: Call,
    At(user): At<String>,
    Ask(Seeing { viewer }): Ask<Seeing>,
) -> Result<Json<Presence>, Refused> {
    let user = call.acting(&user)?;
    let viewer = viewer.map(|viewer| call.acting(&viewer)).transpose()?;
    let node = &call.gateway.node;
    let seen = node
        .presence
        .seen(viewer.as_ref(), &user)
        .map_err(|error| {
            tracing::error!(%error, "presence cannot be read");
            Refused::new(ErrorCode::Internal, "the server cannot read its state")
        })?;
    Ok(Json(Presence {
        state: seen.state.as_str(),
        seen_ms: seen.seen_ms,
        invisible: viewer.is_none() && node.projections.is_invisible(&user),
    }))
}

/// A heartbeat.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Beat {
    /// `available` or `away`.
    state: String,
}

/// How long a heartbeat holds.
#[derive(Serialize, JsonSchema)]
struct Beaten {
    /// Send the next one within so many milliseconds, to whichever node.
    within_ms: u64,
}

async fn beat(
    call: Call,
    At(user): At<String>,
    Body(Beat { state }): Body<Beat>,
) -> Result<Json<Beaten>, Refused> {
    let user = call.acting(&user)?;
    let state = State::from_name(&state)
        .filter(|state| *state != State::Offline)
        .ok_or_else(|| {
            Refused::invalid(format!(
                "state is {state:?}: it is to be \"available\" or \"away\""
            ))
        })?;
    let presence = &call.gateway.node.presence;
    presence.beat(&user, state);
    Ok(Json(Beaten {
        within_ms: presence.config().heartbeat_ms,
    }))
}

/// Whether a user is to be seen.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Visibility {
    /// From now on.
    invisible: bool,
}

async fn visibility(
    call: Call,
    At(user): At<String>,
    Body(Visibility { invisible }): Body<Visibility>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    if invisible {
        call.gateway.node.presence.hides(&user);
    }
    let request = Request::SetInvisible(command::SetInvisible { invisible });
    call.change(&user, request).await.map(Json)
}
