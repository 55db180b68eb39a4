//! The product's own facts, recorded in the log: profile viewed, like, match, order paid.

use axum::{
    Json,
    http::Method,
    response::{IntoResponse, Response},
    routing::post,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_core::{
    domain::{Command, CommandId, UserId, user},
    handler::Chain,
    projections::rows::feed,
};
use tidings_protocol::ErrorCode;

use super::{
    Endpoint, Refused,
    answer::{Problem, refusal},
    request::{Body, Call, checked_key},
};
use crate::{
    auth::Scope,
    translate::{self, Failure},
};

/// Most facts in a request.
const AT_ONCE: usize = 500;

/// How far ahead of this server's clock a fact may be, in milliseconds: a day, as for the clocks of
/// clients.
const AHEAD_MS: u64 = 24 * 3600 * 1000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Recorded>(
            Method::POST,
            "/v1/events",
            Scope::Events,
            "Records facts of the product's own, at most 500 at a time.",
            post(record),
        )
        .takes::<Facts>()
        .changes(),
    ]
}

/// Facts to record, in order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Facts {
    /// At most 500.
    events: Vec<Fact>,
}

/// A fact of the product's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fact {
    /// What sort of fact: 1 to 64 of a-z, 0-9, `_` and `.`, such as `profile.viewed`.
    kind: String,
    /// Who did it.
    actor: String,
    /// Whom it concerns: it is recorded among their facts, and erased with them.
    subject: String,
    /// What else there is to say, an object of at most 4096 bytes. Kept sealed.
    #[serde(default)]
    payload: Map<String, Value>,
    /// When it happened, where that is not now, milliseconds since 1970.
    at_ms: Option<u64>,
    /// Whether it is left out where the actor is invisible: for what shows by itself that somebody is here, such as
    /// looking at a profile.
    #[serde(default)]
    unless_invisible: bool,
    /// Names it for the actor, so that it is recorded once however often it is sent: 1 to 128 bytes.
    /// Without it, the request's `Idempotency-Key` and its place in the batch do.
    key: Option<String>,
}

/// What came of each fact.
#[derive(Serialize, JsonSchema)]
struct Recorded {
    /// Everything is recorded up to this position.
    position: u64,
    /// In the order in which they were sent.
    results: Vec<Outcome>,
}

/// What came of a fact.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Outcome {
    /// It stands in the log.
    Recorded {
        /// Where.
        position: u64,
        /// When it happened, milliseconds since 1970.
        at_ms: u64,
        /// It had been recorded before, under the same key.
        duplicate: bool,
    },
    /// It was left out, as was asked for.
    LeftOut {
        /// `invisible`: the actor is.
        left_out: &'static str,
    },
    /// It was not recorded.
    Refused {
        /// Why.
        error: Problem,
    },
}

/// The first error, and what came of each all the same: those that were recorded stay.
#[derive(Serialize)]
struct Partly {
    #[serde(flatten)]
    error: Problem,
    results: Vec<Outcome>,
}

/// A fact that can be recorded.
struct Ready {
    actor: UserId,
    command: Command,
    id: CommandId,
    happened_ms: Option<u64>,
    unless_invisible: bool,
}

async fn record(call: Call, Body(Facts { events }): Body<Facts>) -> Result<Response, Refused> {
    if events.is_empty() || events.len() > AT_ONCE {
        return Err(Refused::invalid(format!(
            "{} events: send 1 to {AT_ONCE} at a time",
            events.len()
        )));
    }
    // All are looked at before any is recorded.
    let mut ready = Vec::with_capacity(events.len());
    for (nth, fact) in events.into_iter().enumerate() {
        let checked = check(&call, nth, fact);
        ready.push(checked.map_err(|Refused(failure)| {
            Refused(Failure {
                message: format!("events[{nth}]: {}", failure.message),
                ..failure
            })
        })?);
    }
    // In order also where one of them could not be written: then those behind it come again with it.
    let chain = Chain::default();
    let begun: Vec<_> = ready
        .into_iter()
        .map(|fact| {
            if fact.unless_invisible && call.gateway.node.projections.is_invisible(&fact.actor) {
                return None;
            }
            let Ready { command, id, .. } = fact;
            Some(call.submit(&fact.actor, command, id, fact.happened_ms, Some(&chain)))
        })
        .collect();
    let mut position = 0;
    let mut results = Vec::with_capacity(begun.len());
    let mut first: Option<(ErrorCode, Problem)> = None;
    for (nth, told) in begun.into_iter().enumerate() {
        let Some(told) = told else {
            let left_out = "invisible";
            results.push(Outcome::LeftOut { left_out });
            continue;
        };
        results.push(match call.settle(told).await {
            Ok(accepted) => {
                position = position.max(accepted.position);
                Outcome::Recorded {
                    position: accepted.position,
                    at_ms: accepted.at_ms,
                    duplicate: accepted.duplicate,
                }
            }
            Err(Refused(failure)) => {
                first.get_or_insert_with(|| {
                    let message = format!("events[{nth}]: {}", failure.message);
                    let code = failure.code;
                    (code, Refused(Failure::new(code, message)).problem())
                });
                Outcome::Refused {
                    error: Refused(failure).problem(),
                }
            }
        });
    }
    Ok(match first {
        None => Json(Recorded { position, results }).into_response(),
        Some((code, error)) => refusal(code, 0, Partly { error, results }),
    })
}

fn check(call: &Call, nth: usize, fact: Fact) -> Result<Ready, Refused> {
    let actor = call.acting(&fact.actor)?;
    let subject = translate::user_id(&fact.subject)?;
    let payload = Value::Object(fact.payload).to_string();
    if feed::is_reserved(&fact.kind) {
        return Err(Refused::invalid(format!(
            "kind is {:?}: what begins with ext. or delivery. is for extensions and the server to record",
            fact.kind
        )));
    }
    user::app_event(&fact.kind, &payload).map_err(|refusal| Refused(refusal.into()))?;
    let now_ms = call.gateway.node.clock.now_ms();
    if let Some(at_ms) = fact.at_ms.filter(|at_ms| *at_ms > now_ms + AHEAD_MS) {
        return Err(Refused::invalid(format!(
            "at_ms is {at_ms}, it is {now_ms} now"
        )));
    }
    let own = match &fact.key {
        None => None,
        Some(key) => Some(checked_key("key", Some(key))?),
    };
    Ok(Ready {
        id: call.command_id_of(&actor, own.as_deref(), nth),
        actor,
        command: Command::AppEvent {
            subject,
            kind: fact.kind,
            payload,
        },
        happened_ms: fact.at_ms,
        unless_invisible: fact.unless_invisible,
    })
}
