//! What is asked of people search: as a tree for programs, and a language for people that becomes one.

mod check;
mod error;
mod json;
pub(crate) mod limits;
pub(crate) mod parse;
mod print;
pub(crate) mod suggest;
pub(crate) mod value;

use serde::{Deserialize, Serialize};

pub use check::{QueryError, check, check_filter};
pub use error::ParseError;
pub use parse::{Context, parse};

use crate::profile::{GeoPoint, Value};
use crate::text;

/// Most nodes of a query.
pub const MAX_NODES: usize = 256;

/// Deepest nesting.
pub const MAX_DEPTH: usize = 16;

/// Most words of a query; of scripts without spaces every two neighbouring characters count as one.
pub const MAX_WORDS: usize = 256;

/// Longest query in the language, and most bytes of words in a [`Filter`].
pub const MAX_QUERY_BYTES: usize = 4 * 1024;

/// Farthest that is near, in metres: half-way round the Earth.
pub const MAX_WITHIN_M: f64 = 20_037_508.0;

/// Most attributes that are counted for one query.
pub const MAX_FACETS: usize = 16;

/// Most hits of a page.
pub const MAX_LIMIT: usize = 100;

/// Who is looked for. Its [`Display`](std::fmt::Display) is the query language: what [`parse`] reads prints
/// as something that is read as the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Who fits all of these; with none of them: everybody.
    All(Vec<Filter>),
    /// Who fits at least one.
    Any(Vec<Filter>),
    /// Who does not fit.
    Not(Box<Filter>),
    /// Who has these words in a text, or in a text or keyword.
    Text(Words),
    /// Who has this value: a keyword (case and accents folded), number, date or boolean.
    Is {
        /// Which attribute.
        attribute: String,
        /// The value.
        value: Value,
    },
    /// Who has a number or date in a range; both ends belong to it.
    Range {
        /// Which attribute.
        attribute: String,
        /// From here on, if said.
        from: Option<Value>,
        /// Up to here, if said.
        to: Option<Value>,
    },
    /// Who is near.
    Near {
        /// Which attribute: a place.
        attribute: String,
        /// The middle.
        at: GeoPoint,
        /// How far from it, in metres.
        within_m: f64,
    },
    /// Who has any value of an attribute.
    Has {
        /// Which attribute.
        attribute: String,
    },
}

/// Words in texts and keywords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// What is looked for, as written: the analyzer of the field makes words of it.
    pub words: String,
    /// How they are to stand there.
    #[serde(default)]
    pub how: How,
    /// In which text attribute; otherwise in any text or keyword that is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

/// How words are to stand in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// All of them, anywhere.
    #[default]
    Words,
    /// One after the other.
    Phrase,
    /// All of them, the last one as the beginning of a word.
    Prefix,
}

impl How {
    /// What has to be in a text for words to stand there so.
    pub(crate) fn terms(self, words: &str, analyzer: text::Analyzer) -> Vec<text::Term> {
        match self {
            How::Words => analyzer.terms(words),
            How::Prefix => analyzer.prefix(words),
            How::Phrase => analyzer.phrase(words).into_iter().collect(),
        }
    }
}

/// How who is online counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Online {
    /// Who is not is left out.
    Only,
    /// Who is comes first.
    First,
    /// Not at all.
    #[default]
    Any,
}

/// What comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What fits the words best.
    #[default]
    Relevance,
    /// Who is nearest to a place.
    Distance {
        /// Which attribute.
        attribute: String,
        /// From where.
        from: GeoPoint,
    },
    /// Who was active last.
    Active,
    /// Whose profile was made last.
    Newest,
}

/// A question to people search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeopleQuery {
    /// Who is looked for.
    pub filter: Filter,
    /// How who is online counts.
    #[serde(default)]
    pub online: Online,
    /// Whether who is away counts as online.
    #[serde(default = "yes")]
    pub away: bool,
    /// What comes first.
    #[serde(default)]
    pub sort: Sort,
    /// Keyword and boolean attributes whose values are to be counted over all that fit.
    #[serde(default)]
    pub facets: Vec<String>,
    /// Most hits, 1 to [`MAX_LIMIT`].
    #[serde(default = "page")]
    pub limit: usize,
    /// Goes on after an earlier page: its `next`.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether to say where in the texts the words stand.
    #[serde(default)]
    pub highlight: bool,
    /// Whether to say why each hit ranks where it does.
    #[serde(default)]
    pub explain: bool,
}

fn yes() -> bool {
    true
}

fn page() -> usize {
    20
}

#[cfg(test)]
mod tests;
