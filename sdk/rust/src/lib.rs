//! Client of Tidings for tokio: one [`Client`] over QUIC or WebSocket, JSON or Protobuf.
//!
//! The client connects and comes back by itself, resumes where it was, keeps the connection alive,
//! acknowledges what the application has taken, and carries every command through whatever happens in
//! between: commands wait in an [`outbox`] and are repeated under the same id until the server has
//! answered for good. What the user sees is in [`State`]; what changed comes as [`Update`]s.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use tidings_sdk::{Client, Options, Update};
//!
//! let (client, mut updates) = Client::connect(Options::new("ws://localhost:8080", "dev:ann")).await?;
//! let conversation = client.start_direct("ben", "").await?.conversation;
//! client.post(conversation, "hello").await?;
//! while let Some(update) = updates.recv().await {
//!     if let Update::Event(event) = update {
//!         println!("{event:?}");
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Over QUIC (`quic://host:port`) and `wss://` the server proves who it is by the authorities that browsers
//! trust. A development server has a certificate of its own making and prints its SHA-256 when it starts:
//! `options.tls = Tls::certificate_hex("...")?`.
//!
//! Tools that want a connection as it is use [`Connector`] and [`Connection`].

pub mod address;
pub mod backoff;
pub mod client;
pub mod connection;
pub mod error;
pub mod options;
pub mod outbox;
pub mod state;
pub mod tls;

pub use address::{Address, Transport};
pub use backoff::Backoff;
pub use client::{Accepted, Client, Status, Submitted, Update, Updates};
pub use connection::{Connection, Connector, Disconnect};
pub use error::{Error, ErrorKind};
pub use options::{Options, Token};
pub use state::State;
pub use tidings_protocol as protocol;
pub use tls::Tls;
