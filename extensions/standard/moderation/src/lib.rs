//! Moderation of the standard set: word lists, links, contact details, repeated texts and rates.
//!
//! `fold` reads a text as people do, through accents, other scripts' lookalikes and what cannot be seen. `words`, `links` and
//! `contacts` find what the settings name in it and where it stands, `repeats` says when two texts count as one, and `verdict` makes
//! of all that was found what becomes of the draft. None of it knows the sandbox; `component` does.
//!
//! A verdict is given while somebody waits. The settings are read, and the terms put in order, once for the many calls that an instance
//! answers (`instances = "warm"`); beside that it keeps nothing, as `tidings ext test` tries.

mod contacts;
pub mod fold;
mod links;
pub mod repeats;
pub mod review;
pub mod settings;
mod spoken;
pub mod verdict;
pub mod words;

#[cfg(target_arch = "wasm32")]
mod component;
