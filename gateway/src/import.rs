//! Imports: an operator's tool brings in what happened elsewhere, in anyone's name and with its
//! original time.
//!
//! `POST /v1/import` takes a batch of commands ([`tidings_protocol::import`]), carries them out one
//! after another and answers each; `GET /v1/import` says what a batch may hold. Both ask for a token
//! with the scope [`IMPORT_SCOPE`]: a user's own token does not do.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use tidings_core::{
    handler::{Answer, Chain, Submission},
    log::Lane,
};
use tidings_protocol::{
    ErrorCode,
    codec::delimited,
    frame::Outcome,
    id,
    import::{ImportAnswer, ImportCommand, ImportLimits},
};
use tokio::sync::{Semaphore, oneshot};

use crate::{
    api,
    auth::{IMPORT_SCOPE, Scope},
    session::Gateway,
    translate::{self, Failure, Imported},
};

/// Longest body, in bytes.
const BODY_BYTES: usize = 4 << 20;

/// Most commands in a body.
const COMMANDS: usize = 5_000;

/// Batches held at a time; further ones are told to come back.
const AT_ONCE: usize = 4;

/// How long a body may take to arrive.
const ARRIVES: Duration = Duration::from_secs(60);

/// Commands that go into the handler's queue together. The next so many follow when these are
/// answered, so that one which fails does not find thousands written behind it.
const STRIDE: usize = 1_000;

/// What the body of answers is.
const PROTOBUF: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/x-protobuf")];

/// Batches that may be held.
#[derive(Clone)]
struct Room(Arc<Semaphore>);

/// The routes of imports.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/import", get(limits).post(import))
        .layer(Extension(Room(Arc::new(Semaphore::new(AT_ONCE)))))
}

async fn limits(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    authorise(&gateway, &headers)?;
    let head = gateway.node.log.head(Lane::Journal).await;
    let head = head.map_err(|error| unavailable(error.to_string()))?;
    let limits = ImportLimits {
        body_bytes: BODY_BYTES as u64,
        commands: COMMANDS as u32,
        group_members: gateway.node.config.limits.group_members,
        position: head.0,
    };
    Ok((PROTOBUF, limits.encode_to_vec()).into_response())
}

async fn import(
    State(gateway): State<Arc<Gateway>>,
    Extension(Room(room)): Extension<Room>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    authorise(&gateway, &headers)?;
    let Ok(held) = room.try_acquire_owned() else {
        return Err(unavailable("too many imports at a time"));
    };
    // A length that is announced is known to be too much before anything is read.
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_BYTES) {
        return Err(too_large());
    }
    let body = match tokio::time::timeout(ARRIVES, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        // Whatever else may have cut it short, nobody is left then to be told.
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let message = format!("the body took longer than {ARRIVES:?}\n");
            return Err((StatusCode::REQUEST_TIMEOUT, message).into_response());
        }
    };
    // Nothing is carried out of a batch that cannot be read to its end.
    let commands =
        read(body).map_err(|why| (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response())?;
    // Not given up when the client is: a task of its own ends what it has begun.
    let carried = async move {
        let _held = held;
        carry_out(&gateway, commands).await
    };
    let answers = tokio::spawn(carried).await;
    let answers = answers.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())?;
    let mut out = BytesMut::new();
    for answer in answers {
        delimited::write(&answer.encode_to_vec(), &mut out);
    }
    Ok((PROTOBUF, out.freeze()).into_response())
}

/// Lets operators through.
#[expect(clippy::result_large_err, reason = "once a batch")]
fn authorise(gateway: &Gateway, headers: &HeaderMap) -> Result<(), Response> {
    let denied = |status: StatusCode, challenge: &str, message: String| {
        let challenge = [(header::WWW_AUTHENTICATE, challenge.to_owned())];
        Err((status, challenge, message + "\n").into_response())
    };
    let repeated = api::only(headers, "Content-Type").err();
    let bearer = match (api::bearer(headers), repeated) {
        (Ok(bearer), None) => bearer,
        (Err(repeated), _) | (_, Some(repeated)) => {
            return Err((StatusCode::BAD_REQUEST, format!("{repeated}\n")).into_response());
        }
    };
    let Some(bearer) = bearer else {
        let message = "a token is missing: send one as `Authorization: Bearer ...`";
        return denied(StatusCode::UNAUTHORIZED, "Bearer", message.to_owned());
    };
    let now_ms = gateway.node.clock.now_ms();
    match gateway.auth.caller(bearer, now_ms) {
        Ok(caller) if caller.allows(Scope::Import) => Ok(()),
        Ok(caller) => denied(
            StatusCode::FORBIDDEN,
            "Bearer error=\"insufficient_scope\", scope=\"tidings:import\"",
            match caller.is_key {
                true => {
                    "this API key does not allow imports: it lacks the scope \"import\"".to_owned()
                }
                false => format!(
                    "this token does not allow imports: its claim `scope` lacks {IMPORT_SCOPE:?}"
                ),
            },
        ),
        Err(error) if error.retry() => Err(unavailable(error.to_string())),
        Err(error) => denied(
            StatusCode::UNAUTHORIZED,
            "Bearer error=\"invalid_token\"",
            error.to_string(),
        ),
    }
}

fn unavailable(why: impl Into<String>) -> Response {
    let after = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, after, why.into() + "\n").into_response()
}

fn too_large() -> Response {
    let message = format!("the body is longer than {BODY_BYTES} bytes: send smaller batches\n");
    (StatusCode::PAYLOAD_TOO_LARGE, message).into_response()
}

/// The commands of a body.
fn read(body: Bytes) -> Result<Vec<ImportCommand>, String> {
    let mut rest = BytesMut::from(body);
    let mut commands = Vec::new();
    loop {
        let nth = commands.len() + 1;
        let frame = delimited::read(&mut rest, BODY_BYTES)
            .map_err(|error| format!("command {nth}: {error}"))?;
        let Some(frame) = frame else { break };
        if nth > COMMANDS {
            return Err(format!(
                "more than {COMMANDS} commands: send smaller batches"
            ));
        }
        let command = ImportCommand::decode(frame)
            .map_err(|error| format!("command {nth} is malformed: {error}"))?;
        commands.push(command);
    }
    match rest.len() {
        0 => Ok(commands),
        left => Err(format!(
            "command {}: the body ends in the middle of it, after {left} bytes",
            commands.len() + 1
        )),
    }
}

/// Carries commands out in their order. After one that could not be written the rest is not tried:
/// it comes again behind that one.
async fn carry_out(gateway: &Gateway, commands: Vec<ImportCommand>) -> Vec<ImportAnswer> {
    let mut answers = Vec::with_capacity(commands.len());
    let chain = Chain::default();
    let mut commands = commands.into_iter();
    while commands.len() > 0 {
        let stride = commands.by_ref().take(STRIDE);
        let on_their_way: Vec<_> = stride
            .map(|command| submit(gateway, command, &chain))
            .collect();
        for begun in on_their_way {
            answers.push(settle(gateway, begun).await);
        }
    }
    answers
}

/// A command that was submitted, or why it was not, and the conversation it is for.
struct Begun(Result<oneshot::Receiver<Answer>, Failure>, Bytes);

fn submit(gateway: &Gateway, command: ImportCommand, chain: &Chain) -> Begun {
    if chain.is_broken() {
        let why = "not tried, for one before it could not be written: try again";
        return Begun(Err(Failure::new(ErrorCode::Unavailable, why)), Bytes::new());
    }
    let node = &gateway.node;
    let imported = match translate::import(command, &node.ids, node.clock.now_ms()) {
        Ok(imported) => imported,
        Err(failure) => return Begun(Err(failure), Bytes::new()),
    };
    let Imported {
        actor,
        command,
        conversation,
        id,
        happened_ms,
    } = imported;
    let (tell, told) = oneshot::channel();
    let of = chain.clone();
    node.handler.submit(Submission {
        actor,
        command,
        id: Some(id),
        happened_ms,
        known: 0,
        chain: Some(chain.clone()),
        trace: None,
        reply: Box::new(move |answer| {
            of.answered(&answer);
            drop(tell.send(answer));
        }),
    });
    Begun(Ok(told), id::to_wire(conversation.0))
}

async fn settle(gateway: &Gateway, Begun(told, conversation): Begun) -> ImportAnswer {
    let outcome = match told {
        Ok(told) => translate::answer(
            told.await
                .unwrap_or_else(|_| Answer::Unavailable("the server is stopping".to_owned())),
        ),
        Err(failure) => failure.outcome(),
    };
    let mut answer = ImportAnswer {
        conversation,
        ..ImportAnswer::default()
    };
    match outcome {
        Outcome::Accepted(accepted) => {
            gateway.metrics.accepted.fetch_add(1, Ordering::Relaxed);
            // Reads on any session of this node include it.
            gateway
                .accepted
                .fetch_max(accepted.position, Ordering::Relaxed);
            answer.accepted = Some(accepted);
        }
        Outcome::Error(error) => {
            if let Some(code) = ErrorCode::from_name(&error.code) {
                gateway.metrics.refuse(code);
            }
            answer.error = Some(error);
        }
        _ => unreachable!("a command is accepted or refused"),
    }
    answer
}

#[cfg(test)]
mod tests;
