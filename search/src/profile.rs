//! What is known of a person.

pub(crate) mod dates;
mod json;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, Kind};

/// Longest text of one value, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Longest keyword, in bytes.
pub const MAX_KEYWORD_BYTES: usize = 256;

/// Most values of one attribute.
pub const MAX_VALUES: usize = 64;

/// Most bytes of all texts and keywords of a profile together.
pub const MAX_PROFILE_BYTES: usize = 64 * 1024;

/// A place on Earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoPoint {
    /// Latitude, -90 to 90.
    pub lat: f64,
    /// Longitude, -180 to 180.
    pub lon: f64,
}

/// A value of an attribute, of the kind declared for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Keyword`].
    Keyword(String),
    /// Of [`Kind::Number`]; finite.
    Number(f64),
    /// Of [`Kind::Date`]: milliseconds since 1970.
    Date(i64),
    /// Of [`Kind::GeoPoint`].
    GeoPoint(GeoPoint),
    /// Of [`Kind::Boolean`].
    Boolean(bool),
}

impl GeoPoint {
    /// Whether there is such a place.
    pub fn is_valid(self) -> bool {
        (-90.0..=90.0).contains(&self.lat) && (-180.0..=180.0).contains(&self.lon)
    }
}

impl Value {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::Keyword(_) => Kind::Keyword,
            Value::Number(_) => Kind::Number,
            Value::Date(_) => Kind::Date,
            Value::GeoPoint(_) => Kind::GeoPoint,
            Value::Boolean(_) => Kind::Boolean,
        }
    }
}

/// A person's attributes, checked against what is declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Values by attribute; never an empty list.
    pub attributes: BTreeMap<String, Vec<Value>>,
}

/// Why a profile is refused. Each names the attribute and says what would do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// Nothing of that name is declared.
    #[error("no attribute `{name}` is declared; there are: {declared}")]
    Unknown {
        /// As given.
        name: String,
        /// What there is, separated by commas.
        declared: String,
    },
    /// A value of another kind.
    #[error("`{name}` is {wanted}, and {found} is not")]
    Kind {
        /// Which attribute.
        name: String,
        /// For example `a number`.
        wanted: &'static str,
        /// What was given, shortened.
        found: String,
    },
    /// More than one value where there is one.
    #[error("`{name}` has one value, and {count} were given")]
    Multiple {
        /// Which attribute.
        name: String,
        /// How many.
        count: usize,
    },
    /// A value outside its limits.
    #[error("`{name}`: {reason}")]
    Limit {
        /// Which attribute.
        name: String,
        /// What the limit is.
        reason: String,
    },
}

impl Profile {
    /// Reads a profile from a JSON object: strings, numbers, booleans, lists of them where an attribute
    /// has several values, dates as `2026-11-22` or RFC 3339, places as `{"lat": 52.5, "lon": 13.4}`.
    /// `null` and empty lists mean that there is no value; a keyword said twice counts once.
    pub fn from_json(
        attributes: &Attributes,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Profile, ProfileError> {
        json::read(attributes, object)
    }

    /// The same as JSON, as clients see it: only public attributes unless `all`, and none that are not
    /// declared any more.
    pub fn to_json(
        &self,
        attributes: &Attributes,
        all: bool,
    ) -> serde_json::Map<String, serde_json::Value> {
        json::write(self, attributes, all)
    }
}

/// Reads the attributes of a profile where there may be none, for `deserialize_with`: a name that is there
/// twice is an error, because nobody can say which value was meant.
pub fn each_once<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>, D::Error> {
    json::each_once(from)
}

#[cfg(test)]
mod tests;
