//! Search of people, joined with who is online at query time, and of messages.
//!
//! Nothing here is truth: an index is made of the log and can be deleted. Its commits carry the log
//! position that they hold, so that it resumes exactly.

pub mod attributes;
pub mod messages;
pub mod people;
pub mod profile;
pub mod query;
#[cfg(test)]
mod seeds;
pub mod text;
