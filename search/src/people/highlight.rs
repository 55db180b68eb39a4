//! Where in a profile the words of a query stand. The index does not keep texts; whoever has the profile
//! at hand asks here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::attributes::Attributes;
use crate::profile::{Profile, Value};
use crate::query::{Filter, MAX_DEPTH};
use crate::text::{Analyzer, Marks, ranges};

pub use crate::text::MAX_HIGHLIGHTS;

/// What one query marks.
pub struct Highlighter<'a> {
    attributes: &'a Attributes,
    analyzer: Analyzer,
    /// For words looked for anywhere.
    anywhere: Marks,
    /// For words looked for in one attribute.
    by_attribute: HashMap<&'a str, Marks>,
}

/// Marked places by attribute: for each value the ranges of bytes, ascending and apart. Attributes without
/// any are left out.
pub type Highlights = BTreeMap<String, Vec<Vec<Range<usize>>>>;

impl<'a> Highlighter<'a> {
    /// For the words of a filter, those that must not be there left out, as an index finds them by default.
    pub fn new(attributes: &'a Attributes, filter: &'a Filter) -> Highlighter<'a> {
        Highlighter::with(attributes, filter, Analyzer::default())
    }

    /// The same for what an index with this analyzer finds: [`PeopleIndex::analyzer`].
    ///
    /// [`PeopleIndex::analyzer`]: super::PeopleIndex::analyzer
    pub fn with(
        attributes: &'a Attributes,
        filter: &'a Filter,
        analyzer: Analyzer,
    ) -> Highlighter<'a> {
        let mut highlighter = Highlighter {
            attributes,
            analyzer,
            anywhere: Marks::default(),
            by_attribute: HashMap::new(),
        };
        highlighter.add(filter, 0);
        highlighter
    }

    fn add(&mut self, filter: &'a Filter, depth: usize) {
        match filter {
            Filter::All(all) | Filter::Any(all) if depth <= MAX_DEPTH => {
                for filter in all {
                    self.add(filter, depth + 1);
                }
            }
            Filter::Text(words) => match &words.attribute {
                None => self
                    .anywhere
                    .add(words.how.terms(&words.words, self.analyzer)),
                Some(name) => self
                    .by_attribute
                    .entry(name)
                    .or_default()
                    .add(words.how.terms(&words.words, self.analyzer)),
            },
            _ => {}
        }
    }

    /// The places in a profile. `private` is whether attributes that are not public are marked where a
    /// query names them.
    pub fn of(&self, profile: &Profile, private: bool) -> Highlights {
        let mut highlights = Highlights::new();
        for (name, values) in &profile.attributes {
            let Some(attribute) = self.attributes.get(name) else {
                continue;
            };
            let named = self.by_attribute.get(name.as_str());
            let marks: Vec<&Marks> = named
                .into_iter()
                .chain(attribute.public.then_some(&self.anywhere))
                .collect();
            if !attribute.kind.has_words() || !(attribute.public || private) {
                continue;
            }
            let ranges: Vec<Vec<Range<usize>>> = values
                .iter()
                .map(|value| match value {
                    Value::Text(text) | Value::Keyword(text) => ranges(text, &marks, self.analyzer),
                    _ => Vec::new(),
                })
                .collect();
            if ranges.iter().any(|ranges| !ranges.is_empty()) {
                highlights.insert(name.clone(), ranges);
            }
        }
        highlights
    }
}
