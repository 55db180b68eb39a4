//! Settings of the gateway.

use serde::{Deserialize, Serialize};

use crate::forwarded::Networks;

/// Limits of connections and sessions.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest frame from a client, in bytes.
    pub frame_bytes: usize,
    /// Texts longer than this are pushed as a stub, in bytes.
    pub push_text_bytes: usize,
    /// Most bytes waiting to be sent on one connection.
    pub outgoing_bytes: usize,
    /// Requests a second of one connection, sustained.
    pub requests_per_second: u32,
    /// Requests at once above that.
    pub request_burst: u32,
    /// Requests a second to the backend API, of one API key or token, sustained.
    pub api_requests_per_second: u32,
    /// Requests at once above that.
    pub api_request_burst: u32,
    /// Connections of one user.
    pub connections_per_user: usize,
    /// Connections from one address: that of a client, also behind [`trusted_proxies`](Self::trusted_proxies).
    pub connections_per_address: usize,
    /// All connections.
    pub connections: usize,
    /// A client is to be heard at least this often, in milliseconds; one not heard for twice as long is closed.
    pub heartbeat_ms: u32,
    /// A connection without a `hello` is closed after this, in milliseconds; as is one over HTTP whose
    /// request does not come.
    pub hello_ms: u64,
    /// Most events replayed to a resuming client; beyond it comes a reset.
    pub replay_events: usize,
    /// Most bytes of events replayed to a resuming client; beyond it comes a reset.
    pub replay_bytes: usize,
    /// Conversations in the window of a reset.
    pub window: usize,
    /// Logins worked on at a time: a login storm waits here and not in front of messages.
    pub logins: usize,
    /// Reads worked on at a time.
    pub queries: usize,
    /// Clients are told to come back within so many milliseconds when the server drains.
    pub drain_ms: u32,
    /// Proxies that are believed when they say in `X-Forwarded-For` where a request comes from. Who counts as
    /// one address follows from it; by itself it limits nothing, so it is not read from among the limits.
    #[serde(skip)]
    pub trusted_proxies: Networks,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes: 128 * 1024,
            push_text_bytes: 4 * 1024,
            outgoing_bytes: 256 * 1024,
            requests_per_second: 50,
            request_burst: 200,
            api_requests_per_second: 500,
            api_request_burst: 2_000,
            connections_per_user: 32,
            connections_per_address: 1_024,
            connections: 100_000,
            heartbeat_ms: 30_000,
            hello_ms: 10_000,
            replay_events: 1_000,
            replay_bytes: 512 * 1024,
            window: 20,
            logins: 8,
            queries: 64,
            drain_ms: 5_000,
            trusted_proxies: Networks::default(),
        }
    }
}
