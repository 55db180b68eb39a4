//! The backend of the demo's product: what stands between an app and Tidings wherever there is one. The page tells it
//! what somebody does, and it decides what of that is a fact and records it. A client cannot.
//!
//! A product's own does that over the backend API (`POST /v1/events`), with an API key. This one is within the server, so
//! that a demo is one program: its routes are made by `tidings demo` and by nothing else. Of its own it keeps nothing: who
//! likes whom is in the log, under ids that follow from who likes whom.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use serde_json::json;
use tidings_core::{
    domain::{Command, CommandId, UserId},
    handler::Answer,
    projections::{Table, rows},
};
use tidings_gateway::{Gateway, http::Product};
use tokio::sync::Mutex;

/// What the page is offered.
pub(crate) const PRODUCT: Product = Product {
    at: "/product",
    routes,
};

/// What users can look at, as their badges are called.
const BADGES: [&str; 3] = ["profile_views", "likes", "matches"];

fn routes(gateway: Arc<Gateway>) -> Router {
    let product = Backend {
        gateway,
        liking: Mutex::default(),
    };
    Router::new()
        .route("/people/{user}/viewed", post(view))
        .route("/people/{user}/flirted", post(flirt))
        .route("/people/{user}/liked", post(like))
        .route("/badges/{badge}/seen", post(see))
        .with_state(Arc::new(product))
}

struct Backend {
    gateway: Arc<Gateway>,
    /// Held by who likes: of two who like each other at once, one comes second.
    liking: Mutex<()>,
}

/// How two people are with each other, as one of them may know.
#[derive(Serialize)]
struct Between {
    liked: bool,
    /// Both like each other.
    matched: bool,
}

/// Why something was not done.
struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Failed(status, message) = self;
        (status, Json(json!({ "message": message }))).into_response()
    }
}

/// Opens somebody's profile.
async fn view(
    State(backend): State<Arc<Backend>>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Between>, Failed> {
    let (me, other) = backend.two(&headers, &user)?;
    // Looking shows that somebody is here. (`unless_invisible`, in the backend API.)
    if !backend.gateway.node.projections.is_invisible(&me) {
        backend.record("profile.viewed", &me, &other, None).await?;
    }
    backend.between(&me, &other).map(Json)
}

/// Flirts with somebody.
async fn flirt(
    State(backend): State<Arc<Backend>>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Between>, Failed> {
    let (me, other) = backend.two(&headers, &user)?;
    backend.record("profile.flirted", &me, &other, None).await?;
    backend.between(&me, &other).map(Json)
}

/// Likes somebody, once. If they like each other now they are a match.
async fn like(
    State(backend): State<Arc<Backend>>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Between>, Failed> {
    let (me, other) = backend.two(&headers, &user)?;
    let _liking = backend.liking.lock().await;
    let id = backend.like(&me, &other);
    backend
        .record("profile.liked", &me, &other, Some(id))
        .await?;
    let likes_back = backend.done(backend.like(&other, &me), &other)?;
    if likes_back && !backend.between(&me, &other)?.matched {
        let id = backend.matched(&me, &other);
        backend.record("match.made", &me, &other, Some(id)).await?;
    }
    backend.between(&me, &other).map(Json)
}

/// Looks at what a badge counts.
async fn see(
    State(backend): State<Arc<Backend>>,
    Path(badge): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failed> {
    let me = backend.user(&headers)?;
    if !BADGES.contains(&badge.as_str()) {
        let message = format!("there is no badge {badge}: {}", BADGES.join(", "));
        return Err(Failed(StatusCode::NOT_FOUND, message));
    }
    let kind = format!("badges.cleared.{badge}");
    backend.record(&kind, &me, &me, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Backend {
    /// Whose app asks, by the token that it connects with.
    fn user(&self, headers: &HeaderMap) -> Result<UserId, Failed> {
        let bearer = headers.get(header::AUTHORIZATION);
        let bearer = bearer.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(token) = bearer else {
            let message = "a token is missing: send it as `Authorization: Bearer ...`";
            return Err(Failed(StatusCode::UNAUTHORIZED, message.to_owned()));
        };
        let now_ms = self.gateway.node.clock.now_ms();
        let identity = self.gateway.auth.authenticate(token, now_ms);
        let identity =
            identity.map_err(|error| Failed(StatusCode::UNAUTHORIZED, error.to_string()))?;
        UserId::new(&identity.user)
            .map_err(|error| Failed(StatusCode::UNAUTHORIZED, error.to_string()))
    }

    /// Whose app asks, and about whom: not themselves.
    fn two(&self, headers: &HeaderMap, other: &str) -> Result<(UserId, UserId), Failed> {
        let me = self.user(headers)?;
        let bad = |message: String| Failed(StatusCode::BAD_REQUEST, message);
        let other = UserId::new(other).map_err(|error| bad(error.to_string()))?;
        match me == other {
            true => Err(bad("that is yourself".to_owned())),
            false => Ok((me, other)),
        }
    }

    fn like(&self, who: &UserId, whom: &UserId) -> CommandId {
        let ids = &self.gateway.node.ids;
        ids.command("demo like", &[who.as_bytes(), whom.as_bytes()])
    }

    /// Of two people, whoever of them is named first.
    fn matched(&self, a: &UserId, b: &UserId) -> CommandId {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        let ids = &self.gateway.node.ids;
        ids.command("demo match", &[first.as_bytes(), second.as_bytes()])
    }

    /// Records a fact. It can be read once this returns.
    async fn record(
        &self,
        kind: &str,
        actor: &UserId,
        subject: &UserId,
        id: Option<CommandId>,
    ) -> Result<(), Failed> {
        let fact = Command::AppEvent {
            subject: subject.clone(),
            kind: kind.to_owned(),
            payload: "{}".to_owned(),
        };
        let node = &self.gateway.node;
        match node.handler.execute(actor.clone(), fact, id, None).await {
            Answer::Accepted(accepted) => {
                node.projections.reached(accepted.position).await;
                Ok(())
            }
            Answer::Refused(refusal) => Err(Failed(StatusCode::BAD_REQUEST, refusal.to_string())),
            Answer::Unavailable(why) => Err(Failed(StatusCode::SERVICE_UNAVAILABLE, why)),
        }
    }

    fn between(&self, me: &UserId, other: &UserId) -> Result<Between, Failed> {
        let matched = self.matched(me, other);
        Ok(Between {
            liked: self.done(self.like(me, other), me)?,
            // By whoever liked last.
            matched: self.done(matched, me)? || self.done(matched, other)?,
        })
    }

    /// Whether a fact was recorded under this id.
    fn done(&self, id: CommandId, actor: &UserId) -> Result<bool, Failed> {
        let view = self.gateway.node.projections.read();
        let key = rows::command(id, actor);
        let row: Result<Option<rows::Command>, _> = rows::get(&view, Table::Commands, &key);
        row.map(|row| row.is_some())
            .map_err(|error| Failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }
}
