//! Badges of the standard set: how many profile views, likes and matches somebody has not looked at yet.
//!
//! `counter` is what is kept of one badge of one user, `count` decides what an event or a command changes. `component` alone knows the
//! sandbox.

pub mod count;
mod counter;
pub mod settings;

#[cfg(target_arch = "wasm32")]
mod component;
