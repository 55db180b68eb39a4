//! The fields of the index, made of what is declared, and the document made of a profile.

use std::collections::BTreeMap;

use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, SchemaBuilder,
    TextFieldIndexing, TextOptions,
};

use super::{Facts, geo};
use crate::attributes::{Attributes, Kind};
use crate::profile::{Profile, Value};
use crate::text::{self, Analyzer};

/// Raised whenever documents are made differently, so that older indexes are made anew.
const FORMAT: u32 = 2;

/// Where the values of an attribute are.
#[derive(Clone, Debug)]
pub(super) struct AttributeFields {
    pub(super) kind: Kind,
    pub(super) public: bool,
    /// Terms: words of a text, folded keywords, booleans, the cells that hold a place.
    pub(super) terms: Option<Field>,
    /// Values by document: everything but texts.
    pub(super) column: Option<Field>,
    /// What the column is called, for reading it.
    pub(super) column_name: String,
}

/// All fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    /// The user, as a term (to replace and remove) and as a column (to answer).
    pub(super) user: Field,
    /// [`user_key`]: what breaks ties.
    pub(super) key: Field,
    pub(super) joined: Field,
    pub(super) active: Field,
    /// One term for who is not to be found by clients.
    pub(super) hidden: Field,
    /// The names of attributes that have a value.
    pub(super) has: Field,
    /// The words of all public texts and keywords together, so that a query for words without an attribute is
    /// one term per word, which is what Tantivy can prune. If there is just one such text and no keyword, it
    /// is that text's own field.
    pub(super) words: Field,
    /// Whether `words` is a field of its own.
    words_apart: bool,
    pub(super) attributes: BTreeMap<String, AttributeFields>,
    pub(super) analyzer: Analyzer,
    /// Tells declarations, formats and analyzers apart.
    pub(super) fingerprint: u64,
}

pub(super) const KEY: &str = "_key";
pub(super) const USER: &str = "_user";
pub(super) const JOINED: &str = "_joined";
pub(super) const ACTIVE: &str = "_active";

/// Found whole.
pub(crate) fn raw_terms() -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false),
    )
}

/// Found by words and phrases.
pub(crate) fn words() -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(text::WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    )
}

impl Fields {
    pub(super) fn new(attributes: &Attributes, analyzer: Analyzer) -> Fields {
        let mut schema = Schema::builder();
        let column = NumericOptions::default().set_fast();
        let user = schema.add_text_field(USER, raw_terms().set_fast("raw"));
        let key = schema.add_u64_field(KEY, column.clone());
        let joined = schema.add_i64_field(JOINED, column.clone());
        let active = schema.add_i64_field(ACTIVE, column);
        let hidden = schema.add_text_field("_hidden", raw_terms());
        let has = schema.add_text_field("_has", raw_terms());
        let by_name: BTreeMap<String, AttributeFields> = attributes
            .iter()
            .map(|(name, attribute)| {
                (
                    name.to_owned(),
                    fields_of(&mut schema, name, attribute.kind, attribute.public),
                )
            })
            .collect();
        let worded: Vec<&AttributeFields> = by_name
            .values()
            .filter(|fields| fields.public && fields.kind.has_words())
            .collect();
        let (words, words_apart) = match worded[..] {
            [
                AttributeFields {
                    kind: Kind::Text,
                    terms: Some(only),
                    ..
                },
            ] => (*only, false),
            _ => (schema.add_text_field("_words", words()), true),
        };
        Fields {
            schema: schema.build(),
            user,
            key,
            joined,
            active,
            hidden,
            has,
            words,
            words_apart,
            attributes: by_name,
            analyzer,
            fingerprint: fingerprint(attributes, analyzer),
        }
    }

    /// What the index keeps of a person.
    pub(super) fn document(&self, user: &str, profile: &Profile, facts: &Facts) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.user, user);
        document.add_u64(self.key, user_key(user));
        document.add_i64(self.joined, facts.joined_ms);
        document.add_i64(self.active, facts.active_ms);
        if facts.hidden {
            document.add_text(self.hidden, HIDDEN);
        }
        for (name, values) in &profile.attributes {
            let Some(fields) = self.attributes.get(name) else {
                continue;
            };
            if !values.is_empty() {
                document.add_text(self.has, name);
            }
            // Whoever says the same twice is counted once.
            let mut said: Vec<String> = Vec::new();
            for value in values {
                if let Value::Keyword(keyword) = value {
                    let folded = text::fold(keyword);
                    if said.contains(&folded) {
                        continue;
                    }
                    said.push(folded);
                }
                self.add(&mut document, fields, value);
            }
        }
        document
    }

    fn add(&self, document: &mut TantivyDocument, fields: &AttributeFields, value: &Value) {
        match (value, fields.terms, fields.column) {
            (Value::Text(value), Some(terms), _) if fields.kind == Kind::Text => {
                document.add_text(terms, value);
                if fields.public && self.words_apart {
                    document.add_text(self.words, value);
                }
            }
            (Value::Keyword(value), Some(terms), Some(column)) if fields.kind == Kind::Keyword => {
                document.add_text(terms, text::fold(value));
                document.add_text(column, value);
                if fields.public {
                    document.add_text(self.words, value);
                }
            }
            (Value::Boolean(value), Some(terms), Some(column)) if fields.kind == Kind::Boolean => {
                document.add_text(terms, boolean(*value));
                document.add_text(column, boolean(*value));
            }
            (Value::Number(value), _, Some(column)) if fields.kind == Kind::Number => {
                document.add_f64(column, *value);
            }
            (Value::Date(value), _, Some(column)) if fields.kind == Kind::Date => {
                document.add_i64(column, *value);
            }
            (Value::GeoPoint(at), Some(terms), Some(column)) if fields.kind == Kind::GeoPoint => {
                let packed = geo::pack(*at);
                document.add_u64(column, packed);
                for level in geo::LEVELS {
                    document.add_u64(terms, geo::cell(packed, level));
                }
            }
            // A profile of another declaration: what does not fit is not searched.
            _ => {}
        }
    }
}

/// The term of [`Fields::hidden`].
pub(super) const HIDDEN: &str = "yes";

/// How booleans are written as terms.
pub(super) fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn fields_of(schema: &mut SchemaBuilder, name: &str, kind: Kind, public: bool) -> AttributeFields {
    let term_name = format!("i_{name}");
    let column_name = format!("v_{name}");
    let (terms, column) = match kind {
        Kind::Text => (Some(schema.add_text_field(&term_name, words())), None),
        Kind::Keyword | Kind::Boolean => (
            Some(schema.add_text_field(&term_name, raw_terms())),
            Some(schema.add_text_field(&column_name, TextOptions::default().set_fast("raw"))),
        ),
        Kind::Number => (None, Some(schema.add_f64_field(&column_name, FAST))),
        Kind::Date => (None, Some(schema.add_i64_field(&column_name, FAST))),
        Kind::GeoPoint => (
            Some(schema.add_u64_field(&term_name, INDEXED)),
            Some(schema.add_u64_field(&column_name, FAST)),
        ),
    };
    AttributeFields {
        kind,
        public,
        terms,
        column,
        column_name,
    }
}

/// A number for a user that is the same in every index, on every node and after every restart: it breaks
/// ties between hits, and pages go on after it.
pub(super) fn user_key(user: &str) -> u64 {
    spread(user.bytes())
}

/// FNV-1a, its bits spread by the last steps of SplitMix64.
pub(crate) fn spread(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn fingerprint(attributes: &Attributes, analyzer: Analyzer) -> u64 {
    let mut described = format!("format {FORMAT};{}", analyzer.fingerprint());
    for (name, attribute) in attributes.iter() {
        described.push_str(&format!(
            "{name} {:?} {} {};",
            attribute.kind, attribute.multiple, attribute.public
        ));
    }
    spread(described.bytes())
}
