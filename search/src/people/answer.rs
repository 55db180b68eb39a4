//! What a search answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether someone is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Online and there.
    Available,
    /// Online and not looking.
    Away,
    /// Not online, or not to be seen as such.
    #[default]
    Offline,
}

/// A page of people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How many fit, on all pages.
    pub total: Total,
    /// By attribute, for every facet that was asked for.
    pub facets: BTreeMap<String, Facet>,
    /// Goes on after the last hit; nothing if there are no more.
    pub next: Option<String>,
    /// Whether the beginning of a word stood for more words than are looked at
    /// ([`MAX_EXPANSIONS`](super::MAX_EXPANSIONS)), so that people may be missing.
    pub cut: bool,
}

/// How many people fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Whether it is just as many; otherwise at least. Queries for words alone are not counted to the end
    /// where there is another page, as the best are found long before that; with a facet, a filter or another
    /// order they are.
    pub exact: bool,
}

/// Someone who fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Who.
    pub user: String,
    /// How well the words fit (BM25); 0 if none were looked for or the order is another.
    pub score: f32,
    /// At the moment of answering.
    pub presence: Presence,
    /// From the place that is sorted by, or else the first that the query wants to be near to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<f64>,
    /// Why it ranks where it does, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// One thing that counts, and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// In words.
    pub what: String,
    /// What it adds, where that is a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Explanation>,
}

/// The values of an attribute among all who fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facet {
    /// Most frequent first, at most [`MAX_FACET_VALUES`](super::MAX_FACET_VALUES).
    pub values: Vec<FacetValue>,
    /// Whether there are more values than listed.
    pub more: bool,
}

/// How many have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetValue {
    /// As most write it, where case and accents differ.
    pub value: String,
    /// How many people.
    pub count: u64,
}
