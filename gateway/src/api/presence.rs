//! Who is here, for backends: asking, heartbeats of those who hold no connection, visibility.

use axum::{
    Json,
    http::Method,
    routing::{get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_core::{domain::UserId, presence::record::State};
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
        Endpoint::new::<PresenceOfMany>(
            Method::POST,
            "/v1/presence",
            Scope::Users,
            "Says how many users are: as they are, or as another user sees them.",
            post(presences),
        )
        .takes::<Many>(),
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
    /// Where offline: when they were here last, as far as others could see it, milliseconds since 1970; 0 where
    /// that is not known or not shown.
    seen_ms: u64,
    /// Whether they have chosen to be invisible; false to a user who looks.
    invisible: bool,
}

/// Several users.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Many {
    /// Who is asked about: 1 to 500.
    users: Vec<String>,
    /// The user who looks; without one the users are shown as they are, the invisible too.
    #[serde(rename = "as")]
    viewer: Option<String>,
}

/// How several users are, in the order in which they were asked about.
#[derive(Serialize, JsonSchema)]
struct PresenceOfMany {
    users: Vec<PresenceOf>,
}

/// How one of several users is.
#[derive(Serialize, JsonSchema)]
struct PresenceOf {
    user: String,
    #[serde(flatten)]
    presence: Presence,
}

/// Most users asked about at once: as many as a session may watch.
const MANY: usize = 500;

async fn presence(
    call: Call,
    At(user): At<String>,
    Ask(Seeing { viewer }): Ask<Seeing>,
) -> Result<Json<Presence>, Refused> {
    let user = call.user(&user)?;
    let viewer = viewer.map(|viewer| call.acting(&viewer)).transpose()?;
    seen(&call, viewer.as_ref(), &user).map(Json)
}

async fn presences(
    call: Call,
    Body(Many { users, viewer }): Body<Many>,
) -> Result<Json<PresenceOfMany>, Refused> {
    if users.is_empty() || users.len() > MANY {
        let asked = users.len();
        return Err(Refused::invalid(format!(
            "{asked} users are asked about: 1 to {MANY} can be"
        )));
    }
    let viewer = viewer.map(|viewer| call.acting(&viewer)).transpose()?;
    let users = users.into_iter().map(|name| {
        let user = call.user(&name)?;
        let presence = seen(&call, viewer.as_ref(), &user)?;
        Ok(PresenceOf {
            user: name,
            presence,
        })
    });
    Ok(Json(PresenceOfMany {
        users: users.collect::<Result<_, Refused>>()?,
    }))
}

fn seen(call: &Call, viewer: Option<&UserId>, user: &UserId) -> Result<Presence, Refused> {
    let node = &call.gateway.node;
    // Their sessions end in a moment, and they are hidden for good: that is nothing they have chosen.
    if call.is_erased(user)? {
        return Ok(Presence {
            state: State::Offline.as_str(),
            seen_ms: 0,
            invisible: false,
        });
    }
    let seen = node.presence.seen(viewer, user).map_err(|error| {
        tracing::error!(%error, "presence cannot be read");
        Refused::new(ErrorCode::Internal, "the server cannot read its state")
    })?;
    Ok(Presence {
        state: seen.state.as_str(),
        seen_ms: seen.seen_ms,
        invisible: viewer.is_none() && node.projections.is_invisible(user),
    })
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
