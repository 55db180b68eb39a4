//! What a product says of its people: declared once, in configuration.

use serde::{Deserialize, Serialize};

/// Most attributes that can be declared.
pub const MAX_ATTRIBUTES: usize = 64;

/// Longest name of an attribute, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// What an attribute's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Free text, found by its words.
    Text,
    /// One of a set of words, found whole by its attribute and by its words without; counted in facets.
    Keyword,
    /// A number (64-bit float).
    Number,
    /// A day or a moment, stored in milliseconds since 1970 (UTC).
    Date,
    /// A place on Earth, in degrees.
    GeoPoint,
    /// Yes or no.
    Boolean,
}

impl Kind {
    /// In words, with its article: `a number`.
    pub fn described(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Keyword => "a keyword",
            Kind::Number => "a number",
            Kind::Date => "a date",
            Kind::GeoPoint => "a place",
            Kind::Boolean => "yes or no",
        }
    }

    /// Whether words that are looked for anywhere may stand in values of it, if they are public.
    pub(crate) fn has_words(self) -> bool {
        matches!(self, Kind::Text | Kind::Keyword)
    }
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// What its values are.
    pub kind: Kind,
    /// Whether a profile may have several.
    #[serde(default)]
    pub multiple: bool,
    /// Whether other people see it and may look for it. Attributes that are not public are for the
    /// backend alone.
    #[serde(default = "yes")]
    pub public: bool,
}

fn yes() -> bool {
    true
}

/// All attributes that are declared, by name. Built by [`Attributes::new`], which checks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    by_name: std::collections::BTreeMap<String, Attribute>,
}

/// Words of the query language, and what else a line of an import says of a user: no attribute can be called so.
pub const RESERVED: [&str; 11] = [
    "is", "has", "near", "user", "online", "sort", "or", "and", "not", "hidden", "at_ms",
];

/// Why a declaration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// Too many.
    #[error("{0} attributes are declared, the limit is {MAX_ATTRIBUTES}")]
    TooMany(usize),
    /// A name that queries could not say.
    #[error(
        "`{0}` cannot be an attribute's name: a small letter first, then small letters, digits and _, \
         at most {MAX_NAME_BYTES} bytes"
    )]
    Name(String),
    /// A word that means something else.
    #[error("`{0}` cannot be an attribute's name: queries or imports use the word themselves")]
    Reserved(String),
}

impl Attributes {
    /// Checks what is declared.
    pub fn new(
        declared: impl IntoIterator<Item = (String, Attribute)>,
    ) -> Result<Attributes, DeclarationError> {
        let by_name: std::collections::BTreeMap<_, _> = declared.into_iter().collect();
        if by_name.len() > MAX_ATTRIBUTES {
            return Err(DeclarationError::TooMany(by_name.len()));
        }
        for name in by_name.keys() {
            if !is_name(name) {
                return Err(DeclarationError::Name(name.clone()));
            }
            if RESERVED.contains(&name.as_str()) {
                return Err(DeclarationError::Reserved(name.clone()));
            }
        }
        Ok(Attributes { by_name })
    }

    /// The attribute of a name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.by_name.get(name)
    }

    /// The attribute of a name, if it is public or `all` are meant.
    pub fn visible(&self, name: &str, all: bool) -> Option<&Attribute> {
        self.get(name).filter(|attribute| all || attribute.public)
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.by_name
            .iter()
            .map(|(name, attribute)| (name.as_str(), attribute))
    }
}

/// Whether an attribute could be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(names: &[&str]) -> Result<Attributes, DeclarationError> {
        let keyword = Attribute {
            kind: Kind::Keyword,
            multiple: false,
            public: true,
        };
        Attributes::new(
            names
                .iter()
                .map(|name| ((*name).to_owned(), keyword.clone())),
        )
    }

    #[test]
    fn names_are_what_queries_can_say() {
        assert!(declare(&["city", "works_at2"]).is_ok());
        for name in [
            "",
            "City",
            "2nd",
            "_x",
            "wörk",
            "a-b",
            "a b",
            "a:b",
            &"a".repeat(65),
        ] {
            assert_eq!(
                declare(&[name]),
                Err(DeclarationError::Name(name.to_owned()))
            );
        }
        for name in RESERVED {
            assert_eq!(
                declare(&[name]),
                Err(DeclarationError::Reserved(name.to_owned()))
            );
        }
        let many: Vec<String> = (0..65).map(|number| format!("a{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(declare(&many), Err(DeclarationError::TooMany(65)));
        assert!(declare(&many[..64]).is_ok());
    }

    #[test]
    fn declarations_are_read() {
        let read = |text| serde_json::from_str::<Attribute>(text);
        let place = read(r#"{"kind": "geo_point", "public": false}"#).expect("it is good");
        assert_eq!(
            place,
            Attribute {
                kind: Kind::GeoPoint,
                multiple: false,
                public: false
            }
        );
        assert!(read(r#"{"kind": "keyword", "many": true}"#).is_err());
        assert!(read(r#"{"kind": "colour"}"#).is_err());
    }
}
