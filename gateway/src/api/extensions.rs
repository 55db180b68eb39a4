//! Extensions: installed, activated, looked at. For whoever runs the server.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::Method,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_core::domain::{ExtensionId, UserId};
use tidings_extensions::{
    backfill,
    manage::{Activate, Installed, ManageError, OPERATOR, Status},
    set_aside::{Become, LISTED, WaitingEvent},
    stats,
};
use tidings_protocol::ErrorCode;
use tokio::sync::Semaphore;

use super::{
    Endpoint, Refused,
    request::{Ask, At, Body, Call},
};
use crate::{auth::Scope, session::Gateway, translate::Failure};

/// Longest component, in bytes.
pub(crate) const COMPONENT_BYTES: usize = 64 << 20;

/// How long a component may take to arrive.
const ARRIVES: Duration = Duration::from_mins(2);

static READING: Semaphore = Semaphore::const_new(1);

pub(super) fn endpoints() -> Vec<Endpoint> {
    let scope = Scope::Operate;
    vec![
        Endpoint::new::<Extensions>(
            Method::GET,
            "/v1/extensions",
            scope,
            "Lists extensions: versions, which of them act, how they fare.",
            get(list),
        ),
        Endpoint::new::<Installed>(
            Method::POST,
            "/v1/extensions",
            scope,
            "Installs an extension: the body is the component that `tidings ext build` makes. It does not act yet.",
            post(install),
        )
        .changes(),
        Endpoint::new::<Manifest>(
            Method::GET,
            "/v1/extensions/{extension}/versions/{version}",
            scope,
            "Shows what a version says of itself.",
            get(manifest),
        ),
        Endpoint::new::<Done>(
            Method::DELETE,
            "/v1/extensions/{extension}/versions/{version}",
            scope,
            "Forgets a version that does not act; with the last one its store, timers and events that wait, where `with_store` is true.",
            delete(remove),
        )
        .asks::<Removal>()
        .changes(),
        Endpoint::new::<Done>(
            Method::PUT,
            "/v1/extensions/{extension}/active",
            scope,
            "Lets a version act, in the place of the one that does. It does once this is answered.",
            put(activate),
        )
        .takes::<Activation>()
        .changes(),
        Endpoint::new::<Done>(
            Method::DELETE,
            "/v1/extensions/{extension}/active",
            scope,
            "Lets no version act any more.",
            delete(deactivate),
        )
        .asks::<Which>()
        .changes(),
        Endpoint::new::<Done>(
            Method::POST,
            "/v1/extensions/{extension}/rollback",
            scope,
            "Lets the version act again that did before, with the settings of then.",
            post(rollback),
        )
        .changes(),
        Endpoint::new::<Told>(
            Method::POST,
            "/v1/extensions/{extension}/backfill",
            scope,
            "Tells an extension of a piece of history again, at most 64 events, toasts and deliveries left out. The next piece begins \
             at `next`.",
            post(backfill),
        )
        .takes::<Piece>()
        .changes(),
        Endpoint::new::<Lines>(
            Method::GET,
            "/v1/extensions/{extension}/logs",
            scope,
            "Lists the last lines that an extension wrote on this server.",
            get(logs),
        )
        .asks::<Since>(),
        Endpoint::new::<Waiting>(
            Method::GET,
            "/v1/extensions/{extension}/waiting",
            scope,
            "Lists events that an extension could not deal with: those that it is to be told again, and those set aside.",
            get(waiting),
        )
        .asks::<Behind>(),
        Endpoint::new::<Became>(
            Method::POST,
            "/v1/extensions/{extension}/waiting/retry",
            scope,
            "Has an extension told again, now, of events that it could not deal with: of all, or of those named.",
            post(retry),
        )
        .takes::<Events>()
        .changes(),
        Endpoint::new::<Became>(
            Method::POST,
            "/v1/extensions/{extension}/waiting/forget",
            scope,
            "Forgets events that an extension could not deal with: all that are set aside, or those named.",
            post(forget),
        )
        .takes::<Events>()
        .changes(),
    ]
}

/// Extensions and what they did.
#[derive(Serialize, JsonSchema)]
struct Extensions {
    /// By id.
    extensions: Vec<Status>,
    /// Calls on this server since it was started, by extension, version and hook.
    calls: Vec<stats::Row>,
}

/// What a version says of itself.
#[derive(Serialize, JsonSchema)]
struct Manifest {
    /// The manifest.
    manifest: serde_json::Value,
}

/// It was done.
#[derive(Serialize, JsonSchema)]
struct Done {
    /// Position of the log at which it holds.
    position: u64,
    /// The version that acts now, where another one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// How a version is to act.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Activation {
    /// Which one.
    version: String,
    /// Its settings, by the schema in its manifest. Without them those of the version before it are taken over.
    #[serde(default)]
    settings: Option<serde_json::Map<String, serde_json::Value>>,
    /// Its place among others that look at the same thing: the lowest is asked first.
    #[serde(default)]
    order: Option<u32>,
    /// It only looks on, beside the version that acts: what it would do has no effect.
    #[serde(default)]
    shadow: bool,
    /// It may ask for more than the version before it did.
    #[serde(default)]
    accept_wider: bool,
}

/// Which of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only the one that looks on.
    #[serde(default)]
    shadow: bool,
}

/// What goes with a version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// If it is the last one: what the extension keeps, too.
    #[serde(default)]
    with_store: bool,
}

/// A piece of history.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Piece {
    /// Behind which event: `next` of the piece before, or a position of the log; from the beginning, if nothing is said.
    #[serde(default)]
    after: Option<String>,
    /// Up to which position, as far as it was told so far; up to where the version that acts began, if nothing is said.
    #[serde(default)]
    until: Option<u64>,
}

/// What became of a piece of history.
#[derive(Serialize, JsonSchema)]
struct Told {
    /// Where the next piece begins: to be given as `after`.
    next: String,
    /// Up to which position it goes in all.
    until: u64,
    /// Events that were told.
    told: u64,
    /// Those of them that the extension could not deal with.
    failed: u64,
    /// There is no more.
    done: bool,
}

/// From when on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Only lines after this, milliseconds since 1970.
    #[serde(default)]
    since_ms: u64,
}

/// Lines that an extension wrote.
#[derive(Serialize, JsonSchema)]
struct Lines {
    /// The oldest first, at most 1,000.
    lines: Vec<stats::Line>,
}

/// From where on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Behind {
    /// Only those behind this one: `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// How many at most: up to 100.
    #[serde(default)]
    limit: Option<usize>,
}

/// Events that an extension could not deal with.
#[derive(Serialize, JsonSchema)]
struct Waiting {
    /// In the order of the log.
    events: Vec<WaitingEvent>,
    /// Where the next page begins: to be given as `after`. Without it there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Events {
    /// Those at these places of the log, by `at` of the list, at most 1,000; without it all.
    #[serde(default)]
    at: Option<Vec<String>>,
}

/// What became of events.
#[derive(Serialize, JsonSchema)]
struct Became {
    /// How many they are.
    count: u64,
}

impl From<ManageError> for Refused {
    fn from(error: ManageError) -> Refused {
        let message = error.to_string();
        match error {
            ManageError::Compile(_)
            | ManageError::NoManifest
            | ManageError::Manifest(_)
            | ManageError::Hooks { .. }
            | ManageError::Settings(_)
            | ManageError::Id(_) => Refused::new(ErrorCode::Invalid, message),
            ManageError::Wider(_) => Refused::new(ErrorCode::Forbidden, message),
            ManageError::NotFound(_) => Refused::new(ErrorCode::NotFound, message),
            ManageError::Refused(refusal) => Refused(refusal.into()),
            ManageError::Unavailable(_) | ManageError::Components(_) => {
                Refused::new(ErrorCode::Unavailable, message)
            }
            ManageError::Read(_) => Refused::new(ErrorCode::Internal, message),
        }
    }
}

/// A component, as it is.
struct Component(Bytes);

impl FromRequest<Arc<Gateway>> for Component {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Arc<Gateway>) -> Result<Component, Refused> {
        // Read one at a time: they are large, and few.
        let Ok(_reading) = READING.try_acquire() else {
            let message = "another component is being sent: try again";
            return Err(Refused::new(ErrorCode::Unavailable, message));
        };
        let body = to_bytes(request.into_body(), COMPONENT_BYTES);
        let Ok(body) = tokio::time::timeout(ARRIVES, body).await else {
            let message = format!("the component took longer than {ARRIVES:?}");
            return Err(Refused::invalid(message));
        };
        let body = body.map_err(|_| {
            let message = format!(
                "the component is longer than {COMPONENT_BYTES} bytes, or did not come whole"
            );
            Refused::new(ErrorCode::TooLarge, message)
        })?;
        match body.is_empty() {
            true => Err(Refused::invalid(
                "body: a component is wanted, as `tidings ext build` makes it",
            )),
            false => Ok(Component(body)),
        }
    }
}

fn id_of(extension: &str) -> Result<ExtensionId, Refused> {
    ExtensionId::new(extension).map_err(|error| Refused::invalid(error.to_string()))
}

fn operator() -> UserId {
    UserId::new(OPERATOR).expect("an id")
}

async fn list(call: Call) -> Result<Json<Extensions>, Refused> {
    let extensions = &call.gateway.extensions;
    Ok(Json(Extensions {
        extensions: extensions.list()?,
        calls: extensions.stats().rows(),
    }))
}

async fn install(call: Call, Component(component): Component) -> Result<Json<Installed>, Refused> {
    let command = call.command_id_of(&operator(), None, 0);
    let installed = call
        .gateway
        .extensions
        .install(component, Some(command))
        .await?;
    Ok(Json(installed))
}

async fn manifest(
    call: Call,
    At((extension, version)): At<(String, String)>,
) -> Result<Json<Manifest>, Refused> {
    let manifest = call
        .gateway
        .extensions
        .manifest(&id_of(&extension)?, &version)?;
    Ok(Json(Manifest { manifest }))
}

async fn remove(
    call: Call,
    At((extension, version)): At<(String, String)>,
    Ask(Removal { with_store }): Ask<Removal>,
) -> Result<Json<Done>, Refused> {
    let command = call.command_id_of(&operator(), None, 0);
    let extensions = &call.gateway.extensions;
    let position = extensions
        .remove(&id_of(&extension)?, &version, with_store, Some(command))
        .await?;
    Ok(Json(Done {
        position,
        version: None,
    }))
}

async fn activate(
    call: Call,
    At(extension): At<String>,
    Body(activation): Body<Activation>,
) -> Result<Json<Done>, Refused> {
    let command = call.command_id_of(&operator(), None, 0);
    let how = Activate {
        settings: activation.settings.map(serde_json::Value::Object),
        order: activation.order,
        shadow: activation.shadow,
        accept_wider: activation.accept_wider,
    };
    let version = activation.version;
    let extensions = &call.gateway.extensions;
    let position = extensions
        .activate(&id_of(&extension)?, &version, how, Some(command))
        .await?;
    Ok(Json(Done {
        position,
        version: Some(version),
    }))
}

async fn deactivate(
    call: Call,
    At(extension): At<String>,
    Ask(Which { shadow }): Ask<Which>,
) -> Result<Json<Done>, Refused> {
    let command = call.command_id_of(&operator(), None, 0);
    let extensions = &call.gateway.extensions;
    let position = extensions
        .deactivate(&id_of(&extension)?, shadow, Some(command))
        .await?;
    Ok(Json(Done {
        position,
        version: None,
    }))
}

async fn rollback(call: Call, At(extension): At<String>) -> Result<Json<Done>, Refused> {
    let command = call.command_id_of(&operator(), None, 0);
    let extensions = &call.gateway.extensions;
    let (version, position) = extensions
        .rollback(&id_of(&extension)?, Some(command))
        .await?;
    Ok(Json(Done {
        position,
        version: Some(version),
    }))
}

async fn backfill(
    call: Call,
    At(extension): At<String>,
    Body(Piece { after, until }): Body<Piece>,
) -> Result<Json<Told>, Refused> {
    let after = match after.as_deref().unwrap_or_default() {
        "" => (0, 0),
        text => place(text).ok_or_else(|| {
            Refused::invalid(format!(
                "after is {text:?}: it is the `next` of the piece before, or a position of the log"
            ))
        })?,
    };
    let piece = backfill::Piece { after, until };
    let id = call.command_id_of(&operator(), None, 0);
    let told = call
        .gateway
        .extensions
        .backfill(&id_of(&extension)?, piece, id)
        .await;
    let told = told.map_err(|error| Refused(Failure::from(error)))?;
    Ok(Json(Told {
        next: format!("{}.{}", told.next.0, told.next.1),
        until: told.until,
        told: told.told,
        failed: told.failed,
        done: told.done,
    }))
}

/// A place of the log: behind an event, or behind a whole commit.
fn place(text: &str) -> Option<(u64, u32)> {
    match text.split_once('.') {
        Some((position, index)) => Some((position.parse().ok()?, index.parse().ok()?)),
        None => Some((text.parse().ok()?, u32::MAX)),
    }
}

async fn logs(
    call: Call,
    At(extension): At<String>,
    Ask(Since { since_ms }): Ask<Since>,
) -> Result<Json<Lines>, Refused> {
    let extension = id_of(&extension)?;
    call.gateway.extensions.exists(&extension)?;
    let lines = call
        .gateway
        .extensions
        .stats()
        .lines_of(&extension, since_ms);
    Ok(Json(Lines { lines }))
}

/// Most events that are named at a time.
const NAMED: usize = 1_000;

/// Where an event stands.
fn event_at(text: &str) -> Result<(u64, u32), Refused> {
    let at = text.split_once('.');
    at.and_then(|(position, index)| Some((position.parse().ok()?, index.parse().ok()?)))
        .ok_or_else(|| {
            Refused::invalid(format!(
                "{text:?} is no place of an event: a position of the log and an index are wanted, as in 12.0"
            ))
        })
}

async fn waiting(
    call: Call,
    At(extension): At<String>,
    Ask(Behind { after, limit }): Ask<Behind>,
) -> Result<Json<Waiting>, Refused> {
    let after = after.as_deref().map(event_at).transpose()?;
    let limit = limit.unwrap_or(LISTED);
    if limit == 0 || limit > LISTED {
        let message = format!("limit is {limit}: 1 to {LISTED} can be asked for");
        return Err(Refused::invalid(message));
    }
    let extensions = &call.gateway.extensions;
    let (events, next) = extensions
        .waiting(&id_of(&extension)?, after.unwrap_or_default(), limit)
        .await?;
    Ok(Json(Waiting {
        events,
        next: next.map(|(position, index)| format!("{position}.{index}")),
    }))
}

async fn retry(
    call: Call,
    At(extension): At<String>,
    Body(which): Body<Events>,
) -> Result<Json<Became>, Refused> {
    let_become(&call, &extension, which, Become::Told).await
}

async fn forget(
    call: Call,
    At(extension): At<String>,
    Body(which): Body<Events>,
) -> Result<Json<Became>, Refused> {
    let_become(&call, &extension, which, Become::Forgotten).await
}

async fn let_become(
    call: &Call,
    extension: &str,
    which: Events,
    what: Become,
) -> Result<Json<Became>, Refused> {
    let at = which.at.map(|at| {
        if at.len() > NAMED {
            let message = format!("at names {} events, the limit is {NAMED}", at.len());
            return Err(Refused::invalid(message));
        }
        at.iter().map(|at| event_at(at)).collect()
    });
    let at: Option<Vec<(u64, u32)>> = at.transpose()?;
    let extensions = &call.gateway.extensions;
    let count = extensions
        .let_become(&id_of(extension)?, at.as_deref(), what)
        .await?;
    Ok(Json(Became { count }))
}
