//! What is answered: refusals with their statuses, and what came of changes.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use tidings_core::handler::{Accepted, Answer};
use tidings_protocol::ErrorCode;

use super::Repeated;
use crate::translate::Failure;

/// A refusal on its way.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Failure);

/// Why a request was refused: the codes are those of the client protocol.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// A name to decide by.
    pub(super) code: &'static str,
    /// For people; names the offending value.
    pub(super) message: String,
    /// Whether the same request may succeed later without being changed.
    pub(super) retry: bool,
    /// When to try again, milliseconds from now; 0 when the caller may choose.
    pub(super) retry_after_ms: u32,
}

/// What came of a change.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed {
    /// Where it stands in the log: a read with `at_least` of this holds it.
    pub(super) position: u64,
    /// When it was recorded, or happened where that was said, milliseconds since 1970.
    pub(super) at_ms: u64,
    /// The conversation it was in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<String>,
    /// The number of the message that was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// Its number among those that moderation holds in the conversation, where it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<u64>,
    /// It had been carried out before, under the same idempotency key: this is the answer of then.
    pub(super) duplicate: bool,
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Refused {
        Refused(Failure::new(code, message))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refused {
        Refused::new(ErrorCode::Invalid, message)
    }

    pub(super) fn problem(self) -> Problem {
        let Failure {
            code,
            message,
            retry_after_ms,
        } = self.0;
        Problem {
            code: code.as_str(),
            message,
            retry: code.retry(),
            retry_after_ms,
        }
    }
}

/// The status of an error.
pub(super) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Invalid | ErrorCode::UnknownRequest | ErrorCode::NotReady => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::NotMember | ErrorCode::Forbidden | ErrorCode::BlockedByYou => {
            StatusCode::FORBIDDEN
        }
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Retracted
        | ErrorCode::Full
        | ErrorCode::LastOwner
        | ErrorCode::WrongKind
        | ErrorCode::Rejected
        | ErrorCode::TooOld
        | ErrorCode::CommandIdReused => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer with the headers that go with an error of this code.
pub(super) fn refusal(code: ErrorCode, retry_after_ms: u32, body: impl Serialize) -> Response {
    let mut response = (status(code), Json(body)).into_response();
    if code.retry() {
        let seconds = u64::from(retry_after_ms).div_ceil(1_000).max(1);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    if code == ErrorCode::Unauthenticated {
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(code);
    response
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (code, after) = (self.0.code, self.0.retry_after_ms);
        refusal(code, after, self.problem())
    }
}

impl From<Repeated> for Refused {
    fn from(repeated: Repeated) -> Refused {
        Refused::invalid(repeated.to_string())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused(failure)
    }
}

impl From<Accepted> for Changed {
    fn from(accepted: Accepted) -> Changed {
        Changed {
            position: accepted.position,
            at_ms: accepted.at_ms,
            conversation: accepted
                .conversation
                .map(|conversation| conversation.to_string()),
            seq: (accepted.seq != 0).then_some(accepted.seq),
            held: (accepted.held != 0).then_some(accepted.held),
            duplicate: accepted.duplicate,
        }
    }
}

/// An answer of the handler, as either.
pub(super) fn settled(answer: Answer) -> Result<Accepted, Refused> {
    match answer {
        Answer::Accepted(accepted) => Ok(accepted),
        Answer::Refused(refusal) => Err(Refused(refusal.into())),
        Answer::Unavailable(why) => Err(Refused::new(ErrorCode::Unavailable, why)),
    }
}
