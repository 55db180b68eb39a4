//! The error catalogue: why a request was refused, and what a client does then.

/// What a client does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The same request again, with the same command id, after `retry_after_ms`.
    Retry,
    /// A new token, then the same request.
    NewToken,
    /// Never the same request again: it is wrong, and whoever made it has a fault to mend.
    Correct,
    /// Never the same request again by itself: people are told, and decide.
    Tell,
    /// Never the same request again: what the client held is out of date.
    Refresh,
    /// Not again before the history was looked at: it may have been carried out.
    Compare,
}

impl Remedy {
    /// All there are, in the order in which they are explained.
    pub const ALL: [Remedy; 6] = [
        Remedy::Retry,
        Remedy::NewToken,
        Remedy::Refresh,
        Remedy::Tell,
        Remedy::Correct,
        Remedy::Compare,
    ];

    /// Its name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Remedy::Retry => "retry",
            Remedy::NewToken => "new token",
            Remedy::Correct => "correct",
            Remedy::Tell => "tell",
            Remedy::Refresh => "refresh",
            Remedy::Compare => "compare",
        }
    }

    /// What a client does.
    pub const fn doc(self) -> &'static str {
        match self {
            Remedy::Retry => {
                "Send the same request again with the same command id, after `retry_after_ms`; where that \
                 is 0, after a second, then twice as long each time up to 30 seconds, each time with random \
                 jitter. Nobody needs to be told. A command keeps its place: what comes behind it in the \
                 same conversation waits."
            }
            Remedy::NewToken => {
                "Get a new token from the product's backend, then send the same request with it. Never \
                 again with the same token."
            }
            Remedy::Correct => {
                "Never send the same again. The request is at fault, or the program that made it: drop the \
                 command, take back what was shown ahead of the answer, and log `message`."
            }
            Remedy::Tell => {
                "Never send the same again by itself. Tell the user, who can do something about it; keep \
                 what they wrote until they have decided."
            }
            Remedy::Refresh => {
                "Never send the same again. Things have changed since the client looked: drop the command, \
                 take back what was shown ahead of the answer, tell the user, and stop offering the action. \
                 A client that applies every event learns of the change by itself; any other fetches the \
                 conversation afresh."
            }
            Remedy::Compare => {
                "Never send the same again. The command may have been carried out: look for it in the \
                 history (messages carry their `command_id`), and where it is not there let the user send it \
                 as a new command, with a new id."
            }
        }
    }
}

macro_rules! error_codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $remedy:ident, $then:literal; )+) => {
        /// Why a request was refused. The name is stable; more may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $( $(#[doc = $doc])+ #[doc = ""] #[doc = $then] $variant, )+ }

        impl ErrorCode {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [ErrorCode] = &[ $( ErrorCode::$variant, )+ ];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $( ErrorCode::$variant => $name, )+ }
            }

            /// What sort of thing a client does about it.
            pub const fn remedy(self) -> Remedy {
                match self { $( ErrorCode::$variant => Remedy::$remedy, )+ }
            }

            /// What it means.
            pub const fn doc(self) -> &'static str {
                match self { $( ErrorCode::$variant => concat!($($doc),+), )+ }
            }

            /// What a client does about this one in particular.
            pub const fn then(self) -> &'static str {
                match self { $( ErrorCode::$variant => $then, )+ }
            }

            /// The code of a name; `None` for one this version does not know.
            pub fn from_name(name: &str) -> Option<ErrorCode> {
                match name { $( $name => Some(ErrorCode::$variant), )+ _ => None }
            }
        }
    };
}

error_codes! {
    /// A field is missing, too long or malformed.
    Invalid = "invalid", Correct, "`message` names the field.";
    /// This server does not know the request.
    UnknownRequest = "unknown_request", Correct, "Do without it until client or server is updated.";
    /// The first frame was not `hello`. The connection is closed with `protocol`.
    NotReady = "not_ready", Correct, "Send `hello` first, and wait for `welcome`.";
    /// The token is missing, malformed, expired or not signed by a trusted key; for `renew_token` also of another user. The session goes on until its own token ends.
    Unauthenticated = "unauthenticated", NewToken, "If a token that is new is refused, too, let the user sign in.";
    /// The conversation, message or member does not exist, or the caller may not know of it.
    NotFound = "not_found", Refresh, "Show it no longer.";
    /// The caller is not a member any more.
    NotMember = "not_member", Refresh, "Show what they may still read, and no field to write in.";
    /// The caller's role does not allow it.
    Forbidden = "forbidden", Refresh, "Offer what their role allows; `get_conversation` says which it is.";
    /// The caller has blocked the other user.
    BlockedByYou = "blocked_by_you", Tell, "Offer to unblock.";
    /// The message was taken back.
    Retracted = "retracted", Refresh, "Show its place without text.";
    /// The group is full.
    Full = "full", Tell, "Somebody has to leave first.";
    /// The last owner cannot leave or be demoted.
    LastOwner = "last_owner", Tell, "Offer to make somebody else owner first.";
    /// The action does not apply to this kind of conversation.
    WrongKind = "wrong_kind", Correct, "Do not offer it there.";
    /// Moderation does not let it happen.
    Rejected = "rejected", Tell, "`message` is the reason, for the user: they may write it otherwise.";
    /// The command id is older than the server remembers (7 days): it may have been executed already.
    TooOld = "too_old", Compare, "The outbox has waited for more than 7 days.";
    /// The command id was used for a different command.
    CommandIdReused = "command_id_reused", Compare, "That one was carried out and this one was not: ids are to be made anew for each command.";
    /// The text or frame is longer than the limit in `welcome`.
    TooLarge = "too_large", Tell, "Let the user shorten it; better, check before sending.";
    /// Too many requests.
    RateLimited = "rate_limited", Retry, "It concerns the whole connection: everything waits, not this request only.";
    /// The server is overloaded, the log cannot be written right now, or keys for a token are being fetched; nothing was recorded, or the outcome is unknown.
    Unavailable = "unavailable", Retry, "With another command id it could happen twice.";
    /// A fault in the server. Nothing was recorded, or the outcome is unknown.
    Internal = "internal", Retry, "After ten tries let the user decide whether to go on.";
}

impl ErrorCode {
    /// Whether the same request may succeed later without being changed.
    pub const fn retry(self) -> bool {
        matches!(self.remedy(), Remedy::Retry)
    }
}
