//! How a client is set up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_protocol::Encoding;
use uuid::Uuid;

use crate::outbox::{Memory, Outbox};
use crate::{Backoff, State, Tls};

/// Everything a [`Client`](crate::Client) needs to know. [`Options::new`] fills in the rest.
pub struct Options {
    /// Servers to try in turn: `quic://host:port`, `ws://host:port`, `wss://host:port`. The next one
    /// is tried whenever one fails; all must belong to one installation, so that a client can leave
    /// one and resume on another.
    pub addresses: Vec<String>,
    /// Who the user is.
    pub token: Token,
    /// One client installation, at most 64 bytes: store it and give the same one the next time.
    pub device: String,
    /// Name and version of the software, for the operator; at most 128 bytes.
    pub client: String,
    /// JSON or Protobuf.
    pub encoding: Encoding,
    /// Whom to trust on `quic://` and `wss://`.
    pub tls: Tls,
    /// Conversations in the window of a reset, at most 100; 0 for the server's default.
    pub window: u32,
    /// Where commands wait until they are answered.
    pub outbox: Box<dyn Outbox>,
    /// What an earlier run knew (see [`Client::state`](crate::Client::state)): the session resumes
    /// at its cursor.
    pub state: Option<State>,
    /// Messages kept in the local view per conversation; older ones are dropped.
    pub keep_messages: usize,
    /// Bytes of updates held for an application that does not take them. When they are exceeded the
    /// queue is replaced by one [`Update::Lagged`](crate::Update::Lagged).
    pub updates_bytes: usize,
    /// How long a query waits for its answer, reconnecting included. Commands wait for as long as it
    /// takes.
    pub query_timeout: Duration,
    /// How long connecting and the answer to `hello` may take.
    pub connect_timeout: Duration,
    /// Delays between attempts where the server does not set them.
    pub backoff: Backoff,
    /// Unanswered commands per conversation. One keeps their order whatever happens; with more, a
    /// command that is refused for a moment (`rate_limited`) is overtaken by those behind it.
    pub pipeline: usize,
}

impl Options {
    /// Options with a server, a token and defaults: Protobuf, web roots, an outbox in memory, a
    /// device id of its own.
    pub fn new(address: impl Into<String>, token: impl Into<Token>) -> Options {
        Options {
            addresses: vec![address.into()],
            token: token.into(),
            device: Uuid::now_v7().to_string(),
            client: concat!("tidings-sdk-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            encoding: Encoding::Protobuf,
            tls: Tls::default(),
            window: 0,
            outbox: Box::new(Memory::default()),
            state: None,
            keep_messages: 500,
            updates_bytes: 16 * 1024 * 1024,
            query_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
            pipeline: 1,
        }
    }
}

/// Where tokens come from.
#[derive(Clone)]
pub enum Token {
    /// One token for as long as it lasts. The client stops when it has expired.
    Fixed(String),
    /// Asked on connecting, before a token expires and after one was refused.
    Provider(Provider),
}

/// Asynchronously gets a token; an error's text is shown and the call repeated later.
pub type Provider =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

impl Token {
    /// A token from an asynchronous function.
    pub fn provider<F, T>(provide: F) -> Token
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, String>> + Send + 'static,
    {
        Token::Provider(Arc::new(move || Box::pin(provide())))
    }

    pub(crate) async fn get(&self) -> Result<String, String> {
        match self {
            Token::Fixed(token) => Ok(token.clone()),
            Token::Provider(provide) => provide().await,
        }
    }
}

impl From<String> for Token {
    fn from(token: String) -> Token {
        Token::Fixed(token)
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Token {
        Token::Fixed(token.to_owned())
    }
}
