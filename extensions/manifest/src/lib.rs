//! The manifest: what an extension says of itself and what it asks for.
//!
//! Its author writes it as `extension.toml`, in the folder of the sources ([`Manifest::parse_toml`], [`Manifest::read`]). Building puts
//! it into the component as JSON ([`embed`]), so that one file is the whole extension: what an operator is shown
//! ([`Manifest::asks`]) is what was built, and cannot get lost or be another version's. A new version that asks for more than the
//! one before it is found by [`diff`].
//!
//! Nothing here compiles or runs anything. Whether a component has the hooks its manifest names is looked at by who has both.

pub mod hooks;

mod asks;
mod check;
mod diff;
mod embed;
mod grants;
mod manifest;
mod parse;
mod schema;
mod settings;
#[cfg(test)]
mod tests;

pub use asks::Ask;
pub use diff::{Change, Diff, diff};
pub use embed::{EmbedError, SECTION, embed, read, strip};
pub use grants::{EffectKind, Grants, Reach, View};
pub use hooks::{Callers, Command, DraftKind, OnFailure, Subscription};
pub use manifest::{Emit, HttpHost, Instances, Limits, Manifest, Secret};
pub use parse::{ManifestError, Problem};
pub use schema::{NotDeclared, Violation};
pub use settings::SettingsErrors;
