//! Where clients arrive: transports, sessions, authentication.
//!
//! The modules stand in reading order.

pub mod arrivals;
mod commands;
mod held;
mod looking;
mod notifications;
pub mod outgoing;
pub mod query;
mod rate;
pub mod session;
pub mod translate;
pub mod transport;

pub mod api;
pub mod assets;
pub mod auth;
pub mod config;
pub mod forwarded;
pub mod health;
pub mod http;
mod import;
pub mod metrics;
pub mod search;
pub mod server;
pub mod tls;

pub use config::Limits;
pub use session::{Gateway, Session};
