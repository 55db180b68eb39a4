//! The sandbox that extensions run in.
//!
//! An extension is a WebAssembly component built against the package in `wit/`. This crate finds out whether one can be used
//! ([`check`]), compiles it ([`Engine::compile`]) and calls its hooks ([`Extension`]), each call in an instance of its own that
//! can hurt neither the server nor another call. It knows nothing else of the server: what an extension may read comes in by
//! the trait [`Host`], what it wants done comes out as plain data ([`staged`]).

pub mod input;
pub mod limits;
pub mod measure;
pub mod staged;
pub mod usage;

mod artifact;
mod bindings;
mod call;
mod engine;
mod extension;
mod hook;
mod host;
mod inspect;
mod silent;
#[cfg(test)]
mod tests;
mod warm;

pub use artifact::{Artifact, Cache, CompileError};
pub use call::{CallError, Called, HookError};
pub use engine::{Engine, EngineError, Settings};
pub use extension::{Definition, Extension, ExtensionError, Reply};
pub use hook::{Hook, PACKAGE, VERSION};
pub use host::{
    Answer, Ask, Conversation, Entry, Header, Host, HttpError, Message, Presence, Refusal, Request,
    Response, Staging,
};
pub use inspect::{CheckError, Digest, Inspection, check};
pub use limits::Limits;
