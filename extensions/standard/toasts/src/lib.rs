//! Toasts of the standard set: short notices of what happened to somebody, made from the product's own events, contacts and messages.
//!
//! `occasion` says what an event is an occasion for and whom it is told, `react` decides, with `settings` for the texts, `tally` for
//! ten views that are one toast and `quiet` for how many somebody is shown in an hour. None of it knows the sandbox; `component`
//! does, and reads the settings once for the many calls that an instance answers.

pub mod occasion;
mod quiet;
pub mod react;
pub mod settings;
mod tally;
mod texts;

#[cfg(target_arch = "wasm32")]
mod component;
