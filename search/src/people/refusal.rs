//! Why a filter cannot be looked for.

use crate::attributes::Kind;
use crate::profile::GeoPoint;
use crate::query::{MAX_DEPTH, MAX_NODES, MAX_QUERY_BYTES, MAX_WORDS};

/// Most places and beginnings of words in a query: each is looked up in full before anything is found.
pub const MAX_RANGES: usize = 16;

/// Why a filter cannot be looked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FilterError {
    /// Nothing of that name is declared, or not for clients.
    #[error("there is no attribute `{0}`")]
    Unknown(String),
    /// An attribute of another kind.
    #[error("`{attribute}` is a {kind:?}, which {what} does not fit")]
    Kind {
        /// Which attribute.
        attribute: String,
        /// What it is.
        kind: Kind,
        /// What was asked of it.
        what: &'static str,
    },
    /// A number that is none, a place outside the Earth.
    #[error("`{attribute}`: {reason}")]
    Value {
        /// Which attribute.
        attribute: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Too large.
    #[error("the query has more than {MAX_NODES} conditions")]
    TooManyNodes,
    /// Too deep.
    #[error("the query is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Too many words.
    #[error("the query has more than {MAX_WORDS} words")]
    TooManyWords,
    /// Too many that cost much.
    #[error("the query has more than {MAX_RANGES} places and beginnings of words")]
    TooManyRanges,
    /// Too much text.
    #[error("words of {0} bytes are looked for, the limit is {MAX_QUERY_BYTES}")]
    TooLong(usize),
    /// Text without any word.
    #[error("`{0}` has no word to look for")]
    NoWords(String),
}

/// Whether a place is on Earth.
pub(super) fn check_place(name: &str, at: GeoPoint) -> Result<(), FilterError> {
    if (-90.0..=90.0).contains(&at.lat) && (-180.0..=180.0).contains(&at.lon) {
        return Ok(());
    }
    let reason = "a place has a latitude of -90 to 90 and a longitude of -180 to 180";
    Err(FilterError::Value {
        attribute: name.to_owned(),
        reason,
    })
}

pub(super) fn kind_error(attribute: &str, kind: Kind, what: &'static str) -> FilterError {
    FilterError::Kind {
        attribute: attribute.to_owned(),
        kind,
        what,
    }
}
