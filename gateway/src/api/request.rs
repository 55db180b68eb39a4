//! The parts of a request, each read as a whole or refused with the reason.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request as HttpRequest},
    http::{HeaderValue, header, request::Parts},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use tidings_core::{
    domain::{Command, CommandId, UserId},
    handler::{Accepted, Answer, Chain, Submission},
    log::Lane,
    projections::read,
    review::Origin,
};
use tidings_protocol::{
    ErrorCode,
    frame::{Outcome, Request},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    BODY_BYTES, Room,
    answer::{Changed, Refused, settled},
    only,
};
use crate::{
    auth::{Caller, SYSTEM_PREFIX},
    query,
    session::{Gateway, Shared},
    translate,
};

/// Names a request, so that trying it again is recognised.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Says which trace a request is part of (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: &str = "traceparent";

/// Longest idempotency key, in bytes.
pub(super) const KEY_BYTES: usize = 128;

/// How long a body may take to arrive.
const ARRIVES: Duration = Duration::from_secs(30);

/// How long a read waits for the position it asks for.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Who acts, where nothing else is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acting {
    /// The user who acts: a member of the conversation.
    #[serde(rename = "as")]
    pub(super) user: String,
}

/// Who looks, and how much must have happened.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Looking {
    /// The user who looks: a member of the conversation.
    #[serde(rename = "as")]
    pub(super) user: String,
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    pub(super) at_least: u64,
}

/// What every request comes with.
pub(super) struct Call {
    pub(super) gateway: Arc<Gateway>,
    caller: Caller,
    key: Option<String>,
    /// The trace that it is part of, as the header `traceparent` says.
    pub(super) trace: Option<Uuid>,
}

impl FromRequestParts<Arc<Gateway>> for Call {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Call, Refused> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let key = match only(&parts.headers, IDEMPOTENCY_KEY)? {
            None => None,
            Some(value) => Some(key_in(value)?),
        };
        Ok(Call {
            gateway: gateway.clone(),
            // A route without its gate would be open to all.
            caller: caller.expect("every route of the API is behind `authorise`"),
            key,
            trace: parts.headers.get(TRACEPARENT).and_then(trace_in),
        })
    }
}

/// The trace id of a W3C trace context. What is no such thing is nothing: so its specification has it.
fn trace_in(value: &HeaderValue) -> Option<Uuid> {
    let mut parts = value.to_str().ok()?.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len| {
        text.len() == len && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    let well = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16);
    let trace = Uuid::parse_str(trace).ok().filter(|_| well)?;
    (!trace.is_nil()).then_some(trace)
}

/// The idempotency key in a header. What is beyond ASCII is read there in one way by this and in another by
/// that, and so might name another request the second time.
fn key_in(value: &HeaderValue) -> Result<String, Refused> {
    if !value.as_bytes().is_ascii() {
        return Err(Refused::invalid(format!(
            "{IDEMPOTENCY_KEY} is to be ASCII, 1 to {KEY_BYTES} bytes of it, and has other characters in it"
        )));
    }
    checked_key(IDEMPOTENCY_KEY, value.to_str().ok())
}

/// An idempotency key, checked.
pub(super) fn checked_key(what: &str, key: Option<&str>) -> Result<String, Refused> {
    match key {
        Some(key) if (1..=KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control) => {
            Ok(key.to_owned())
        }
        _ => Err(Refused::invalid(format!(
            "{what} is to have 1 to {KEY_BYTES} bytes without control characters"
        ))),
    }
}

impl Call {
    /// A user for whom this caller may act.
    pub(super) fn acting(&self, user: &str) -> Result<UserId, Refused> {
        let id = self.user(user)?;
        if self.is_erased(&id)? {
            let message = format!("{user} has been erased");
            return Err(Refused::new(ErrorCode::Forbidden, message));
        }
        Ok(id)
    }

    pub(super) fn is_erased(&self, user: &UserId) -> Result<bool, Refused> {
        let rows = self.gateway.node.projections.read();
        read::is_erased(&rows, user).map_err(|error| Refused(error.into()))
    }

    /// A user whom something is asked about, or done to; erased or not.
    pub(super) fn user(&self, user: &str) -> Result<UserId, Refused> {
        let id = translate::user_id(user)?;
        if id.starts_with(SYSTEM_PREFIX) && !self.caller.is_key {
            return Err(Refused::new(
                ErrorCode::Forbidden,
                format!("{user:?} is a system account: only API keys act for it, not tokens"),
            ));
        }
        Ok(id)
    }

    /// The id of a change: it follows from the idempotency key, where there is one.
    fn command_id(&self, user: &UserId) -> CommandId {
        match &self.key {
            Some(key) => self.derived(user, &[key.as_bytes()]),
            None => self.gateway.fresh_command_id(),
        }
    }

    /// The id of one of several changes in a request, under a key of its own or that of the request.
    pub(super) fn command_id_of(&self, user: &UserId, own: Option<&str>, nth: usize) -> CommandId {
        match (own, &self.key) {
            (Some(own), _) => self.derived(user, &[own.as_bytes()]),
            (None, Some(key)) => self.derived(user, &[key.as_bytes(), &nth.to_be_bytes()]),
            (None, None) => self.gateway.fresh_command_id(),
        }
    }

    fn derived(&self, user: &UserId, key: &[&[u8]]) -> CommandId {
        let mut parts: Vec<&[u8]> = vec![self.caller.name.as_bytes(), user.as_bytes()];
        parts.extend(key);
        self.gateway.node.ids.command("api", &parts)
    }

    /// Carries out what a client would ask over a socket.
    pub(super) async fn change(&self, user: &UserId, request: Request) -> Result<Changed, Refused> {
        let id = self.command_id(user);
        let ids = &self.gateway.node.ids;
        let Some(command) = translate::command(request, user, Some(id), ids)? else {
            return Err(Refused::new(ErrorCode::Internal, "this changes nothing"));
        };
        let told = self.submit(user, command, id, None, None);
        self.settle(told).await.map(Changed::from)
    }

    /// Carries out a command that no client could ask for.
    pub(super) async fn change_as(
        &self,
        user: &UserId,
        command: Command,
    ) -> Result<Changed, Refused> {
        let told = self.submit(user, command, self.command_id(user), None, None);
        self.settle(told).await.map(Changed::from)
    }

    /// Gives a command to the handler. It is carried out whether or not the caller stays.
    pub(super) fn submit(
        &self,
        actor: &UserId,
        command: Command,
        id: CommandId,
        happened_ms: Option<u64>,
        chain: Option<&Chain>,
    ) -> oneshot::Receiver<Answer> {
        let (tell, told) = oneshot::channel();
        let of = chain.cloned();
        let submission = Submission {
            actor: actor.clone(),
            command,
            id: Some(id),
            happened_ms,
            known: self.gateway.accepted.load(Ordering::Relaxed),
            chain: chain.cloned(),
            trace: self.trace,
            reply: Box::new(move |answer| {
                if let Some(chain) = of {
                    chain.answered(&answer);
                }
                drop(tell.send(answer));
            }),
        };
        let reviewing = &self.gateway.node.reviewing;
        reviewing.submit(Origin::Backend, submission);
        told
    }

    /// Waits for its answer.
    pub(super) async fn settle(
        &self,
        told: oneshot::Receiver<Answer>,
    ) -> Result<Accepted, Refused> {
        let answer = told.await;
        let answer =
            answer.unwrap_or_else(|_| Answer::Unavailable("the server is stopping".to_owned()));
        let accepted = settled(answer)?;
        let Gateway {
            accepted: last,
            metrics,
            ..
        } = &*self.gateway;
        last.fetch_max(accepted.position, Ordering::Relaxed);
        metrics.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(accepted)
    }

    /// Reads what a client would ask over a socket, once everything up to `at_least` is there.
    pub(super) async fn read(
        &self,
        user: &UserId,
        at_least: u64,
        request: Request,
    ) -> Result<Outcome, Refused> {
        self.reached(at_least).await?;
        let shared = Shared::detached(self.gateway.clone());
        Ok(query::answer(&shared, user, request).await?)
    }

    pub(super) async fn reached(&self, position: u64) -> Result<(), Refused> {
        let node = &self.gateway.node;
        if position <= node.projections.cursor() {
            return Ok(());
        }
        let head = node.log.head(Lane::Journal).await;
        let head = head.map_err(|error| Refused::new(ErrorCode::Unavailable, error.to_string()))?;
        if position > head.0 {
            let message = format!("at_least is {position}, and the log ends at {head}");
            return Err(Refused::invalid(message));
        }
        let reached = node.projections.reached(position);
        let reached = tokio::time::timeout(CATCH_UP, reached).await;
        reached.map_err(|_| {
            let message = format!("the server has not come to position {position} yet: try again");
            Refused::new(ErrorCode::Unavailable, message)
        })
    }
}

/// What stands in the path.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Gateway>> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<At<T>, Refused> {
        match Path::from_request_parts(parts, gateway).await {
            Ok(Path(found)) => Ok(At(found)),
            Err(rejection) => Err(Refused::invalid(format!("path: {}", rejection.body_text()))),
        }
    }
}

/// What stands in the query.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Gateway>> for Ask<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Gateway>) -> Result<Ask<T>, Refused> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(found)) => Ok(Ask(found)),
            Err(rejection) => Err(Refused::invalid(format!(
                "query: {}",
                rejection.body_text()
            ))),
        }
    }
}

/// A body of JSON, whatever its type is said to be.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Gateway>> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: HttpRequest, _: &Arc<Gateway>) -> Result<Body<T>, Refused> {
        let too_large = || {
            let message = format!("the body is longer than {BODY_BYTES} bytes");
            Refused::new(ErrorCode::TooLarge, message)
        };
        // A length that is announced is known to be too much before anything is read.
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > BODY_BYTES) {
            return Err(too_large());
        }
        // As much room as it may take; the permit lives as long as the body does.
        let kib = announced.unwrap_or(BODY_BYTES).div_ceil(1_024) as u32;
        let room = request.extensions().get::<Room>().cloned();
        let Room(room) = room.expect("every route of the API is behind `authorise`");
        let Ok(_held) = room.try_acquire_many_owned(kib) else {
            let message = "too much is being sent at a time";
            return Err(Refused::new(ErrorCode::Unavailable, message));
        };
        let body = to_bytes(request.into_body(), BODY_BYTES);
        let body = match tokio::time::timeout(ARRIVES, body).await {
            Ok(Ok(body)) => body,
            // Whatever else may have cut it short, nobody is left then to be told.
            Ok(Err(_)) => return Err(too_large()),
            Err(_) => {
                let message = format!("the body took longer than {ARRIVES:?}");
                return Err(Refused::invalid(message));
            }
        };
        object(&body).map(Body)
    }
}

/// What an object of JSON says. A list of the same values would be taken for one by their order, which
/// another version may change.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let found = serde_json::from_slice(body);
    match (body.trim_ascii_start().first(), found) {
        (Some(b'{'), Ok(found)) => Ok(found),
        (Some(b'{'), Err(error)) => Err(Refused::invalid(format!("body: {error}"))),
        (_, _) => Err(Refused::invalid(
            "body: an object of JSON is wanted, such as {\"name\": \"value\"}",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(result: Result<T, Refused>) -> String {
        match result {
            Ok(_) => panic!("it is taken"),
            Err(refused) => refused.problem().message,
        }
    }

    #[test]
    fn a_key_beyond_ascii_is_told_so() {
        let key = |bytes: &[u8]| key_in(&HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(key(b"a key, 1").unwrap(), "a key, 1");
        for other in ["ключ".as_bytes(), b"caf\xe9"] {
            assert_eq!(
                message(key(other)),
                "Idempotency-Key is to be ASCII, 1 to 128 bytes of it, and has other characters in it"
            );
        }
        for other in [&b""[..], &[b'k'; KEY_BYTES + 1], b"a\tb"] {
            assert!(message(key(other)).contains("1 to 128 bytes without control characters"));
        }
    }

    #[test]
    fn a_body_is_an_object() {
        #[derive(Debug, Deserialize)]
        struct Said {
            text: String,
            #[serde(default)]
            more: Vec<u32>,
        }
        let said: Said = object(b" \n{\"text\": \"hi\", \"more\": [1]}").unwrap();
        assert_eq!((&*said.text, &*said.more), ("hi", &[1][..]));
        for other in [
            "",
            " ",
            "[\"hi\", []]",
            " [\"hi\"]",
            "\"hi\"",
            "7",
            "null",
            "hi",
        ] {
            let refused = message(object::<Said>(other.as_bytes()));
            assert!(
                refused.starts_with("body: an object of JSON is wanted"),
                "{other}: {refused}"
            );
        }
        assert!(message(object::<Said>(b"{}")).starts_with("body: missing field `text`"));
        assert!(message(object::<Said>(b"{")).starts_with("body: EOF"));
    }
}
