//! Where in a message the words of a query stand. The index does not keep texts; whoever has the message
//! at hand asks here.

use std::ops::Range;

use super::query::Filter;
use crate::query::MAX_DEPTH;
use crate::text::{Analyzer, Marks, ranges};

/// What one query marks.
#[derive(Default)]
pub struct Highlighter {
    marks: Marks,
    analyzer: Analyzer,
}

impl Highlighter {
    /// For the words of a filter, those that must not be there left out, as an index finds them by default.
    pub fn new(filter: &Filter) -> Highlighter {
        Highlighter::with(filter, Analyzer::default())
    }

    /// The same for what an index with this analyzer finds: [`MessageIndex::analyzer`].
    ///
    /// [`MessageIndex::analyzer`]: super::MessageIndex::analyzer
    pub fn with(filter: &Filter, analyzer: Analyzer) -> Highlighter {
        let mut highlighter = Highlighter {
            marks: Marks::default(),
            analyzer,
        };
        highlighter.add(filter, 0);
        highlighter
    }

    fn add(&mut self, filter: &Filter, depth: usize) {
        match filter {
            Filter::All(parts) | Filter::Any(parts) if depth <= MAX_DEPTH => {
                for part in parts {
                    self.add(part, depth + 1);
                }
            }
            Filter::Text { words, how } => self.marks.add(how.terms(words, self.analyzer)),
            _ => {}
        }
    }

    /// The places in a text, in bytes: ascending and apart, at most
    /// [`MAX_HIGHLIGHTS`](crate::text::MAX_HIGHLIGHTS).
    pub fn of(&self, text: &str) -> Vec<Range<usize>> {
        ranges(text, &[&self.marks], self.analyzer)
    }
}
