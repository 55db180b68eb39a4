//! What to run against what.

use std::time::Duration;

use tidings_protocol::Encoding;
use tidings_sdk::Tls;

/// How users connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// WebSocket without TLS.
    WebSocket,
    /// Raw QUIC.
    Quic,
}

/// A run. [`Options::new`] fills in everything but the server and the tokens.
pub struct Options {
    /// `host:port` of each node; users are spread over them in turn.
    pub addresses: Vec<String>,
    /// Makes the token of a user.
    pub token: Box<dyn Fn(&str) -> String>,
    /// Connected users.
    pub users: u32,
    /// Messages a second, all users together. 0 only holds the connections.
    pub rate: u32,
    /// How long messages are measured.
    pub duration: Duration,
    /// How long messages are sent before that.
    pub warm_up: Duration,
    /// How users connect.
    pub transport: TransportKind,
    /// How frames are written.
    pub encoding: Encoding,
    /// Members of each group; `None` for direct conversations of two.
    pub group: Option<u32>,
    /// Length of each message's text in bytes, at least 24.
    pub text_bytes: usize,
    /// Whom to trust on QUIC.
    pub tls: Tls,
    /// Connections being opened at the same time.
    pub connecting: usize,
    /// How long to wait, after the last message was sent, for everything to arrive.
    pub settle: Duration,
    /// Server processes whose CPU time and memory are reported, added up.
    pub server_pids: Vec<u32>,
    /// NATS processes whose CPU time is reported apart.
    pub nats_pids: Vec<u32>,
    /// `host:port` that answers `GET /metrics`; `None` for the first address, if that is a WebSocket.
    pub metrics: Option<String>,
    /// Name of the server's log backend, for the report.
    pub log: String,
    /// Whether to draw progress on the terminal.
    pub progress: bool,
}

impl Options {
    /// A thousand users in pairs, a thousand messages a second for ten seconds.
    pub fn new(addresses: Vec<String>, token: impl Fn(&str) -> String + 'static) -> Options {
        Options {
            addresses,
            token: Box::new(token),
            users: 1000,
            rate: 1000,
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(2),
            transport: TransportKind::WebSocket,
            encoding: Encoding::Protobuf,
            group: None,
            text_bytes: 100,
            tls: Tls::web_roots(),
            connecting: 64,
            settle: Duration::from_secs(10),
            server_pids: Vec::new(),
            nats_pids: Vec::new(),
            metrics: None,
            log: String::new(),
            progress: false,
        }
    }
}
