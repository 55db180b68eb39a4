//! The wire, held against its golden frames and its documents.
//!
//! `UPDATE_VECTORS=1` writes `protocol/vectors/` anew, `UPDATE_DOCS=1` the generated parts of
//! `docs/protocol.md` and `protocol/tidings.proto`. A change in a vector that is already there is a
//! change every client in the field would notice.

mod delimited;
mod document;
mod forward;
mod golden;
mod hostile;
mod samples;
mod schema;
