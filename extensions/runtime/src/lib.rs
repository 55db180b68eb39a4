//! Extensions on a running server: which of them act, what they are told, and what comes of it.
//!
//! The log says which extensions there are, which versions act and what came of everything they were told; this crate
//! brings the sandbox ([`tidings_extension_host`]) and the core ([`tidings_core`]) together. [`moderation`] asks them before
//! something is recorded, [`reactor`] tells them of what was, [`outbox`] carries out what they wanted done elsewhere, and
//! [`manage`] is what operators do, [`set_aside`] what they do about events that an extension could not deal with.

pub mod backfill;
pub mod invoke;
pub mod manage;
pub mod rank;
pub mod said;
pub mod set_aside;
pub mod stats;

mod acting;
mod answers;
mod breaker;
mod calling;
mod components;
mod deliveries;
mod events;
mod http;
mod moderation;
mod outbox;
mod rates;
mod reactor;
mod recall;
mod sealing;
mod server;
mod views;

pub use tidings_extension_host::Digest;

pub use components::{ComponentsError, Shelf};
pub use server::{Config, Extensions, IsPublic, Secret, StartError};
