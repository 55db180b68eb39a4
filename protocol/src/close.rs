//! Why a server closes a connection, and what the client does then.

/// What a client does once the server has closed its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// Connects again at once, to the same server, and resumes.
    AtOnce,
    /// Connects again after the time in `closing`, where it says, and resumes.
    AsTold,
    /// Connects again with backoff, to another server if there is one, and resumes.
    Backoff,
    /// Gets a new token, then connects and resumes.
    NewToken,
    /// Does not connect again.
    Stop,
}

impl After {
    /// All there are, in the order in which they are explained.
    pub const ALL: [After; 5] = [
        After::AtOnce,
        After::AsTold,
        After::Backoff,
        After::NewToken,
        After::Stop,
    ];

    /// Its name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            After::AtOnce => "at once",
            After::AsTold => "as told",
            After::Backoff => "backoff",
            After::NewToken => "new token",
            After::Stop => "stop",
        }
    }

    /// What a client does.
    pub const fn doc(self) -> &'static str {
        match self {
            After::AtOnce => {
                "Connect to the same server at once and resume. If that ends in the same way before ten \
                 seconds have passed, with backoff."
            }
            After::AsTold => {
                "Connect after the `after_ms` of `closing` and resume, at its `address` if there is one. \
                 Where no `closing` came, with backoff."
            }
            After::Backoff => {
                "Connect and resume: at the same node after the `after_ms` of `closing`; where no `closing` \
                 came, at another node if one is known. Each time it happens again wait longer."
            }
            After::NewToken => {
                "Get a new token, then connect at once and resume. Where there is none to be had, or a new \
                 one is refused, too, stop and let the user sign in."
            }
            After::Stop => {
                "Do not connect again: the same would happen. The program has a fault; log `message`, and \
                 tell the user that it cannot go on."
            }
        }
    }
}

macro_rules! close_codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal, $after:ident, $then:literal; )+) => {
        /// Close codes: WebSocket close codes and QUIC application error codes alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseCode { $( $(#[doc = $doc])+ #[doc = ""] #[doc = $then] $variant = $code, )+ }

        impl CloseCode {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [CloseCode] = &[ $( CloseCode::$variant, )+ ];

            /// The number on the wire.
            pub const fn code(self) -> u16 { self as u16 }

            /// The name in `closing` frames, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $( CloseCode::$variant => $name, )+ }
            }

            /// What sort of thing a client does then.
            pub const fn after(self) -> After {
                match self { $( CloseCode::$variant => After::$after, )+ }
            }

            /// What it means.
            pub const fn doc(self) -> &'static str {
                match self { $( CloseCode::$variant => concat!($($doc),+), )+ }
            }

            /// What a client does about this one in particular.
            pub const fn then(self) -> &'static str {
                match self { $( CloseCode::$variant => $then, )+ }
            }

            /// The code of a number; `None` for one this version does not know.
            pub fn from_code(code: u16) -> Option<CloseCode> {
                match code { $( $code => Some(CloseCode::$variant), )+ _ => None }
            }
        }
    };
}

close_codes! {
    /// A frame could not be decoded, or the first was not a valid `hello` or did not come in time.
    Protocol = 4000, "protocol", Stop, "Where a command of the outbox was behind it, give that one up and connect.";
    /// The token of `hello` was refused, or the user has been erased.
    Unauthenticated = 4001, "unauthenticated", NewToken, "The same token is refused again.";
    /// The token expired in mid-session, and was not renewed.
    TokenExpired = 4002, "token_expired", NewToken, "Send `renew_token` in time and it does not happen.";
    /// The client did not read fast enough.
    Slow = 4003, "slow", AtOnce, "Nothing is lost. If it happens again and again, the client or its network is too slow for what it is sent.";
    /// The server is shutting down.
    Draining = 4004, "draining", AsTold, "The times are spread so that not all come at once.";
    /// Too many connections of this user, of this address, or in all.
    TooManyConnections = 4005, "too_many_connections", AsTold, "Close connections that are not needed.";
    /// Far more requests than the limit.
    RateLimited = 4006, "rate_limited", AsTold, "Heed `retry_after_ms` and it does not happen.";
    /// A frame was longer than the limit.
    TooLarge = 4007, "too_large", Stop, "Where a command of the outbox was behind it, give that one up and connect.";
    /// Nothing was heard for two heartbeats.
    Idle = 4008, "idle", AtOnce, "Send a `ping` each heartbeat and it does not happen.";
    /// A fault in the server, or it cannot open the session at present, or it is fetching the key of the token.
    Internal = 4010, "internal", Backoff, "With the same token.";
}

impl CloseCode {
    /// Whether a client connects again by itself, with the token it has.
    pub const fn reconnect(self) -> bool {
        !matches!(self.after(), After::NewToken | After::Stop)
    }
}
