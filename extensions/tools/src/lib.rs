//! What extensions are written with: `tidings ext new`, `build`, `check` and `test`. None of it needs a server, nor the network once
//! the tools of the language are there.
//!
//! - [`new`] makes a folder with an example for each chosen hook, which builds and passes its tests.
//! - [`build`] has the language's tools make a component of it, checks that, and puts the manifest into it.
//! - [`check`] says what a component is and where it and its manifest do not agree.
//! - [`test`] runs the component in the sandbox that servers have, against a [`world`] in memory, as files of cases say, and finds out
//!   whether what the server promises holds for it.
//!
//! Each has its options as a `clap::Args`, for the command line, and answers with data that can be shown and told as JSON.

pub mod build;
pub mod check;
pub mod new;
pub mod test;
pub mod world;

mod language;
mod project;
mod wit;

pub use language::Language;
pub use project::{Built, Project, ProjectError};
