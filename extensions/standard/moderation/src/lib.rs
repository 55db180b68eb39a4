//! Moderation of the standard set: word lists, links, contact details, repeated texts and rates.
//!
//! `fold` reads a text as people do, through accents, other scripts' lookalikes and what cannot be seen. `words`, `links` and
//! `contacts` find what the settings name in it and where it stands, `repeats` says when two texts count as one, and `verdict` makes
//! of all that was found what becomes of the draft. None of it knows the sandbox; `component` does.
//!
//! A verdict is given while somebody waits, each time in an instance that knows nothing yet: so there is no regular expression and no
//! automaton to be made first, and the built-in lists are constants that are folded already.

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
