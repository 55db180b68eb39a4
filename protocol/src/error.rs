//! The error catalogue.

macro_rules! error_codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, retry: $retry:literal; )+) => {
        /// Why a request was refused. The name is stable; more may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $( $(#[doc = $doc])+ $variant, )+ }

        impl ErrorCode {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [ErrorCode] = &[ $( ErrorCode::$variant, )+ ];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $( ErrorCode::$variant => $name, )+ }
            }

            /// Whether the same request may succeed later without being changed.
            pub const fn retry(self) -> bool {
                match self { $( ErrorCode::$variant => $retry, )+ }
            }

            /// What it means and what a client does.
            pub const fn doc(self) -> &'static str {
                match self { $( ErrorCode::$variant => concat!($($doc),+), )+ }
            }

            /// The code of a name; `None` for one this version does not know.
            pub fn from_name(name: &str) -> Option<ErrorCode> {
                match name { $( $name => Some(ErrorCode::$variant), )+ _ => None }
            }
        }
    };
}

error_codes! {
    /// A field is missing, too long or malformed. Correct the request.
    Invalid = "invalid", retry: false;
    /// This server does not know the request. Update the client or the server.
    UnknownRequest = "unknown_request", retry: false;
    /// The first frame was not `hello`. Send `hello` first.
    NotReady = "not_ready", retry: false;
    /// The token is missing, malformed, expired or not signed by a trusted key. Get a new one.
    Unauthenticated = "unauthenticated", retry: false;
    /// The conversation, message or member does not exist, or the caller may not know of it.
    NotFound = "not_found", retry: false;
    /// The caller is not a member any more. Stop offering the action.
    NotMember = "not_member", retry: false;
    /// The caller's role does not allow it.
    Forbidden = "forbidden", retry: false;
    /// The caller has blocked the other user. Offer to unblock.
    BlockedByYou = "blocked_by_you", retry: false;
    /// The message was taken back.
    Retracted = "retracted", retry: false;
    /// The group is full.
    Full = "full", retry: false;
    /// The last owner cannot leave or be demoted. Make somebody else owner first.
    LastOwner = "last_owner", retry: false;
    /// The action does not apply to this kind of conversation.
    WrongKind = "wrong_kind", retry: false;
    /// The command id is older than the server remembers (7 days): it may have been executed already. Compare with the history before sending it as a new command.
    TooOld = "too_old", retry: false;
    /// The command id was used for a different command. Make a new one.
    CommandIdReused = "command_id_reused", retry: false;
    /// The text or frame is longer than the limit in `welcome`.
    TooLarge = "too_large", retry: false;
    /// Too many requests. Wait `retry_after_ms`.
    RateLimited = "rate_limited", retry: true;
    /// The server is overloaded or the log cannot be written right now; nothing was recorded, or the outcome is unknown. Retry with the same command id.
    Unavailable = "unavailable", retry: true;
    /// A fault in the server. Retry with the same command id.
    Internal = "internal", retry: true;
}
