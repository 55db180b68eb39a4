//! The backend API: JSON over HTTP/1.1 for the product's own programs, which act for its users.
//!
//! Every endpoint is an [`Endpoint`] in one of the lists below; router and OpenAPI document
//! ([`openapi`]) are both made from them. A request passes [`authorise`] (who, which scope, how often),
//! then its parts are read ([`request`]), then it is asked what a client would ask over a socket:
//! commands go through [`crate::translate`], reads through [`crate::query`].

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tidings_protocol::ErrorCode;
use tokio::sync::Semaphore;

use crate::{auth::Scope, rate::Rate, session::Gateway, translate::Failure};

mod answer;
mod commands;
mod contacts;
mod conversations;
mod events;
mod extensions;
mod feed;
mod messages;
mod moderation;
mod notifications;
pub mod openapi;
mod presence;
mod profiles;
mod request;
mod search;
mod shape;
mod users;

pub(crate) use self::answer::Refused;

/// Longest body, in bytes.
pub(crate) const BODY_BYTES: usize = 1 << 20;

/// Bodies being read at a time, in KiB together: what comes beyond it is told to come back.
const ROOM_KIB: usize = 64 * 1024;

/// The room there is for bodies.
#[derive(Clone)]
struct Room(Arc<Semaphore>);

type MakesSchema = fn(&mut SchemaGenerator) -> Schema;

/// One thing that can be asked.
pub(crate) struct Endpoint {
    method: Method,
    path: &'static str,
    scope: Scope,
    /// A sentence for the document.
    summary: &'static str,
    /// Whether it changes something: then it takes an idempotency key.
    changes: bool,
    query: Option<MakesSchema>,
    body: Option<MakesSchema>,
    answer: MakesSchema,
    route: MethodRouter<Arc<Gateway>>,
}

impl Endpoint {
    /// Something that only reads, or hands out, and answers `A`.
    fn new<A: JsonSchema>(
        method: Method,
        path: &'static str,
        scope: Scope,
        summary: &'static str,
        route: MethodRouter<Arc<Gateway>>,
    ) -> Endpoint {
        Endpoint {
            method,
            path,
            scope,
            summary,
            changes: false,
            query: None,
            body: None,
            answer: |schemas| schemas.subschema_for::<A>(),
            route,
        }
    }

    fn changes(self) -> Endpoint {
        Endpoint {
            changes: true,
            ..self
        }
    }

    /// With parameters in the query.
    fn asks<Q: JsonSchema>(self) -> Endpoint {
        Endpoint {
            query: Some(|schemas| schemas.root_schema_for::<Q>()),
            ..self
        }
    }

    /// With a body.
    fn takes<B: JsonSchema>(self) -> Endpoint {
        Endpoint {
            body: Some(|schemas| schemas.subschema_for::<B>()),
            ..self
        }
    }
}

/// All there is to be asked.
fn endpoints() -> Vec<Endpoint> {
    let mut all = users::endpoints();
    all.extend(contacts::endpoints());
    all.extend(presence::endpoints());
    all.extend(profiles::endpoints());
    all.extend(search::endpoints());
    all.extend(conversations::endpoints());
    all.extend(messages::endpoints());
    all.extend(moderation::endpoints());
    all.extend(notifications::endpoints());
    all.extend(events::endpoints());
    all.extend(feed::endpoints());
    all.extend(extensions::endpoints());
    all.extend(commands::endpoints());
    all
}

/// The routes of the API.
pub(crate) fn routes(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let rates = Arc::new(Rates::default());
    let room = Room(Arc::new(Semaphore::new(ROOM_KIB)));
    let mut router = Router::new();
    for endpoint in endpoints() {
        let gate = Gate {
            gateway: gateway.clone(),
            rates: rates.clone(),
            room: room.clone(),
            scope: endpoint.scope,
            asks: endpoint.query.is_some(),
        };
        let guarded = middleware::from_fn_with_state(gate, authorise);
        router = router.route(endpoint.path, endpoint.route.route_layer(guarded));
    }
    let document = Arc::new(openapi::document());
    router
        .method_not_allowed_fallback(|method: Method| async move {
            let message = format!("{method} is not among the methods of this path");
            let mut response =
                Refused(Failure::new(ErrorCode::UnknownRequest, message)).into_response();
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
        })
        // A path that is misspelt is answered in JSON, too.
        .route(
            "/v1/{*path}",
            any(|method: Method, uri: Uri| async move {
                let message = format!("there is no {method} {}", uri.path());
                let mut response =
                    Refused(Failure::new(ErrorCode::UnknownRequest, message)).into_response();
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }),
        )
        .route(
            "/v1/openapi.json",
            get(move || async move { Json(&*document).into_response() }),
        )
}

/// A header that is there more than once, and of which nobody can say which is meant: a proxy may have looked
/// at one of them and we at the other.
#[derive(Debug, thiserror::Error)]
#[error("the header {name} is there {times} times: send it once")]
pub(crate) struct Repeated {
    name: &'static str,
    times: usize,
}

/// The value of a header that is no list. Those that say something here are asked for in this way only.
pub(crate) fn only<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next();
    match values.count() {
        0 => Ok(value),
        more => Err(Repeated {
            name,
            times: more + 1,
        }),
    }
}

/// The token or API key of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Repeated> {
    let value = only(headers, "Authorization")?;
    let parts = value.and_then(|value| value.to_str().ok()?.split_once(' '));
    let bearer = parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(bearer.map(|(_, bearer)| bearer.trim()))
}

/// What stands before an endpoint.
#[derive(Clone)]
struct Gate {
    gateway: Arc<Gateway>,
    rates: Arc<Rates>,
    room: Room,
    scope: Scope,
    /// Whether it takes parameters in the query: those that do look at theirs themselves.
    asks: bool,
}

/// How often each caller has called.
#[derive(Default)]
struct Rates(Mutex<HashMap<String, Arc<Rate>>>);

/// Callers counted. Keys are few; tokens with a scope are an operator's.
const CALLERS: usize = 10_000;

impl Rates {
    fn of(&self, gateway: &Gateway, caller: &str) -> Arc<Rate> {
        let mut rates = self.0.lock();
        if let Some(rate) = rates.get(caller) {
            return rate.clone();
        }
        if rates.len() >= CALLERS {
            rates.clear();
        }
        let limits = &gateway.limits;
        let rate = Arc::new(Rate::new(
            limits.api_requests_per_second,
            limits.api_request_burst,
        ));
        rates.insert(caller.to_owned(), rate.clone());
        rate
    }
}

/// Lets callers through who may ask this, as often as they may.
async fn authorise(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let query = request.uri().query().filter(|query| !query.is_empty());
    let response = match gate.caller(request.headers()) {
        Ok(_) if !gate.asks && query.is_some() => {
            let query = query.unwrap_or_default();
            Refused::invalid(format!(
                "this takes no parameters in the query, and has {query:?}"
            ))
            .into_response()
        }
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(gate.room.clone());
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    };
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        gate.gateway.metrics.refuse(*code);
    }
    response
}

impl Gate {
    fn caller(&self, headers: &HeaderMap) -> Result<crate::auth::Caller, Refused> {
        // A body is JSON whatever its type is said to be, but not if it is said to be two things.
        only(headers, "Content-Type")?;
        let Some(bearer) = bearer(headers)? else {
            let message = "an API key or token is missing: send it as `Authorization: Bearer ...`";
            return Err(Refused::new(ErrorCode::Unauthenticated, message));
        };
        let now_ms = self.gateway.node.clock.now_ms();
        let caller = self.gateway.auth.caller(bearer, now_ms).map_err(|error| {
            let code = match error.retry() {
                true => ErrorCode::Unavailable,
                false => ErrorCode::Unauthenticated,
            };
            Refused::new(code, error.to_string())
        })?;
        let scope = self.scope;
        if !caller.allows(scope) {
            let message = match caller.is_key {
                true => format!("this API key does not have the scope \"{scope}\""),
                false => format!("this token's claim `scope` lacks \"tidings:{scope}\""),
            };
            return Err(Refused::new(ErrorCode::Forbidden, message));
        }
        let rate = self.rates.of(&self.gateway, &caller.name);
        rate.take().map_err(|wait_ms| {
            let most = self.gateway.limits.api_requests_per_second;
            Refused(Failure {
                code: ErrorCode::RateLimited,
                message: format!("more than {most} requests a second"),
                retry_after_ms: wait_ms,
            })
        })?;
        Ok(caller)
    }
}
