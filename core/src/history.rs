//! Random histories for tests: users of a few conversations do this and that, the real domain
//! decides what comes of it, and a naive model keeps what everyone may see.

pub(crate) mod act;
pub(crate) mod client;
pub(crate) mod model;
pub(crate) mod play;

pub(crate) use act::{Act, Deed, acts};
pub(crate) use client::Client;
pub(crate) use play::Play;
