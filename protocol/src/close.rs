//! Why a server closes a connection, and what the client does then.

macro_rules! close_codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal, reconnect: $reconnect:literal; )+) => {
        /// Close codes: WebSocket close codes and QUIC application error codes alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseCode { $( $(#[doc = $doc])+ $variant = $code, )+ }

        impl CloseCode {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [CloseCode] = &[ $( CloseCode::$variant, )+ ];

            /// The number on the wire.
            pub const fn code(self) -> u16 { self as u16 }

            /// The name in `closing` frames, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $( CloseCode::$variant => $name, )+ }
            }

            /// Whether a client connects again by itself.
            pub const fn reconnect(self) -> bool {
                match self { $( CloseCode::$variant => $reconnect, )+ }
            }

            /// What it means and what a client does.
            pub const fn doc(self) -> &'static str {
                match self { $( CloseCode::$variant => concat!($($doc),+), )+ }
            }

            /// The code of a number; `None` for one this version does not know.
            pub fn from_code(code: u16) -> Option<CloseCode> {
                match code { $( $code => Some(CloseCode::$variant), )+ _ => None }
            }
        }
    };
}

close_codes! {
    /// A frame could not be decoded, or came before `hello`. A fault of the client: do not reconnect.
    Protocol = 4000, "protocol", reconnect: false;
    /// The token was refused. Get a new token, then connect.
    Unauthenticated = 4001, "unauthenticated", reconnect: false;
    /// The token expired in mid-session. Get a new token, then connect and resume.
    TokenExpired = 4002, "token_expired", reconnect: false;
    /// The client did not read fast enough. Connect at once and resume.
    Slow = 4003, "slow", reconnect: true;
    /// The server is shutting down. Connect after the time in `closing` and resume.
    Draining = 4004, "draining", reconnect: true;
    /// Too many connections of this user or address. Connect after the time in `closing`.
    TooManyConnections = 4005, "too_many_connections", reconnect: true;
    /// Far more requests than the limit. Connect after the time in `closing`.
    RateLimited = 4006, "rate_limited", reconnect: true;
    /// A frame was longer than the limit. A fault of the client: do not reconnect.
    TooLarge = 4007, "too_large", reconnect: false;
    /// Nothing was heard for two heartbeats. Connect and resume.
    Idle = 4008, "idle", reconnect: true;
    /// A fault in the server. Connect with backoff and resume.
    Internal = 4010, "internal", reconnect: true;
}
