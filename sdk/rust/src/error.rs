//! What can go wrong with a request, and what to do about it.

use std::time::Duration;

use tidings_protocol::{ErrorCode, frame};

/// A request that was not carried out, or whose outcome the caller will not learn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    code: Option<ErrorCode>,
    message: String,
    retry_after: Option<Duration>,
}

/// What a caller does about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong in itself: correct it.
    Invalid,
    /// The conversation, message or member does not exist for this user.
    NotFound,
    /// This user may not do it, or not any more: stop offering it.
    Forbidden,
    /// It clashes with how things are now (full, retracted, last owner, too long): show the message.
    Conflict,
    /// The command id cannot be used: compare with the history before sending it as a new command.
    Unrepeatable,
    /// The token was refused: get a new one and connect again.
    Unauthenticated,
    /// No server could prove who it is: see [`Tls`](crate::Tls).
    Untrusted,
    /// The server cannot do it right now: try again later.
    Unavailable,
    /// No answer came in time. A query may be asked again.
    Timeout,
    /// The outbox could not store the command: nothing was sent.
    Storage,
    /// The client was closed, or had to stop for good. Commands in a persistent outbox are kept.
    Closed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            code: None,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The refusal in a server's reply.
    pub(crate) fn refused(error: &frame::Error) -> Error {
        let code = ErrorCode::from_name(&error.code);
        let kind = code.map(kind_of).unwrap_or(match error.retry {
            true => ErrorKind::Unavailable,
            false => ErrorKind::Conflict,
        });
        let message = match error.message.as_str() {
            "" => error.code.clone(),
            message => message.to_owned(),
        };
        let wait = Duration::from_millis(error.retry_after_ms.into());
        let retry_after = (!wait.is_zero()).then_some(wait);
        Error {
            kind,
            code,
            message,
            retry_after,
        }
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The server's code, where the server refused and this version knows the code.
    pub fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    /// Whether the same request may succeed later without being changed. The client repeats
    /// commands by itself, so this is seen on queries, and on a command at which the server has failed
    /// ten times.
    pub fn retry(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
    }

    /// The earliest time from now at which the server wants to be asked again, if it said.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::Invalid
        | ErrorCode::UnknownRequest
        | ErrorCode::NotReady
        | ErrorCode::WrongKind => ErrorKind::Invalid,
        ErrorCode::NotFound => ErrorKind::NotFound,
        ErrorCode::NotMember | ErrorCode::Forbidden | ErrorCode::BlockedByYou => {
            ErrorKind::Forbidden
        }
        ErrorCode::Rejected
        | ErrorCode::Retracted
        | ErrorCode::Full
        | ErrorCode::LastOwner
        | ErrorCode::TooLarge => ErrorKind::Conflict,
        ErrorCode::TooOld | ErrorCode::CommandIdReused => ErrorKind::Unrepeatable,
        ErrorCode::Unauthenticated => ErrorKind::Unauthenticated,
        ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::Internal => {
            ErrorKind::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_protocol::error::Remedy;

    use super::*;

    #[test]
    fn what_the_catalogue_says_about_retrying_holds() {
        for code in ErrorCode::ALL {
            let error = Error::refused(&frame::Error {
                code: code.as_str().to_owned(),
                retry: code.retry(),
                ..frame::Error::default()
            });
            assert_eq!(error.retry(), code.retry(), "{}", code.as_str());
            assert_eq!(error.code(), Some(*code));
            assert_eq!(error.to_string(), code.as_str());
        }
    }

    /// What a caller is told to do is what the catalogue tells clients to do.
    #[test]
    fn every_code_is_of_a_kind_that_fits_its_remedy() {
        for code in ErrorCode::ALL {
            let fitting: &[ErrorKind] = match code.remedy() {
                Remedy::Retry => &[ErrorKind::Unavailable],
                Remedy::NewToken => &[ErrorKind::Unauthenticated],
                Remedy::Correct => &[ErrorKind::Invalid],
                Remedy::Compare => &[ErrorKind::Unrepeatable],
                Remedy::Refresh => &[
                    ErrorKind::NotFound,
                    ErrorKind::Forbidden,
                    ErrorKind::Conflict,
                ],
                // A text that is too long is for whoever typed it.
                Remedy::Tell => &[ErrorKind::Forbidden, ErrorKind::Conflict],
            };
            let kind = kind_of(*code);
            assert!(fitting.contains(&kind), "{}: {kind:?}", code.as_str());
        }
    }

    #[test]
    fn an_unknown_code_goes_by_what_the_server_says() {
        let mut error = frame::Error {
            code: "eclipse".into(),
            retry: true,
            ..Default::default()
        };
        assert!(Error::refused(&error).retry());
        error.retry = false;
        error.retry_after_ms = 250;
        let error = Error::refused(&error);
        assert!(!error.retry());
        assert_eq!(error.kind(), ErrorKind::Conflict, "somebody is to be told");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
    }
}
