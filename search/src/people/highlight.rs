//! Where in a profile the words of a query stand. The index does not keep texts; whoever has the profile
//! at hand asks here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use tantivy::tokenizer::{TokenStream as _, Tokenizer as _};

use crate::attributes::{Attributes, Kind};
use crate::profile::{Profile, Value};
use crate::query::{Filter, How, MAX_DEPTH, Words};
use crate::text;

/// Most places that are marked in one text.
pub const MAX_HIGHLIGHTS: usize = 256;

/// What one query marks.
pub struct Highlighter<'a> {
    attributes: &'a Attributes,
    /// For words looked for anywhere.
    anywhere: Marks,
    /// For words looked for in one attribute.
    by_attribute: HashMap<&'a str, Marks>,
}

/// Marked places by attribute: for each value the ranges of bytes, ascending and apart. Attributes without
/// any are left out.
pub type Highlights = BTreeMap<String, Vec<Vec<Range<usize>>>>;

#[derive(Default)]
struct Marks {
    words: HashSet<String>,
    begins: HashSet<String>,
    /// By their first word.
    together: HashMap<String, Vec<Together>>,
}

struct Together {
    words: Vec<String>,
    begins: bool,
}

struct Token {
    position: usize,
    bytes: Range<usize>,
    text: String,
}

impl<'a> Highlighter<'a> {
    /// For the words of a filter, those that must not be there left out.
    pub fn new(attributes: &'a Attributes, filter: &'a Filter) -> Highlighter<'a> {
        let mut highlighter = Highlighter {
            attributes,
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
                None => self.anywhere.add(words),
                Some(name) => self.by_attribute.entry(name).or_default().add(words),
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
            if attribute.kind != Kind::Text || !(attribute.public || private) {
                continue;
            }
            let ranges: Vec<Vec<Range<usize>>> = values
                .iter()
                .map(|value| match value {
                    Value::Text(text) => ranges(text, &marks),
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

impl Marks {
    fn add(&mut self, words: &Words) {
        let terms = match words.how {
            How::Words => text::terms(&words.words),
            How::Prefix => text::prefix(&words.words),
            How::Phrase => text::phrase(&words.words).into_iter().collect(),
        };
        for term in terms {
            match term {
                text::Term::Word(word) => drop(self.words.insert(word)),
                text::Term::Begins(begin) => drop(self.begins.insert(begin)),
                text::Term::Together { words, begins } => {
                    if let Some(first) = words.first() {
                        let together = self.together.entry(first.clone()).or_default();
                        together.push(Together { words, begins });
                    }
                }
            }
        }
    }

    fn mark(&self, tokens: &[Token], at: usize, ranges: &mut Vec<Range<usize>>) {
        let token = &tokens[at];
        let begins = || {
            let ends = token.text.char_indices().map(|(end, _)| end).skip(1);
            let mut begins = ends.chain([token.text.len()]);
            begins.any(|end| self.begins.contains(&token.text[..end]))
        };
        if self.words.contains(&token.text) || (!self.begins.is_empty() && begins()) {
            ranges.push(token.bytes.clone());
        }
        for together in self.together.get(&token.text).into_iter().flatten() {
            let mut found = Vec::with_capacity(together.words.len());
            for (distance, word) in together.words.iter().enumerate() {
                let cut = together.begins && distance + 1 == together.words.len();
                let place = tokens[at..]
                    .iter()
                    .take_while(|other| other.position <= token.position + distance)
                    .filter(|other| other.position == token.position + distance)
                    .find(|other| other.text == *word || (cut && other.text.starts_with(word)));
                match place {
                    Some(place) => found.push(place.bytes.clone()),
                    None => break,
                }
            }
            if found.len() == together.words.len() {
                ranges.extend(found);
            }
        }
    }
}

fn ranges(text: &str, marks: &[&Marks]) -> Vec<Range<usize>> {
    let mut tokenizer = text::Words::default();
    let mut stream = tokenizer.token_stream(text);
    let mut tokens = Vec::new();
    while stream.advance() {
        let token = stream.token();
        tokens.push(Token {
            position: token.position,
            bytes: token.offset_from..token.offset_to,
            text: token.text.clone(),
        });
    }
    let mut ranges = Vec::new();
    for at in 0..tokens.len() {
        for marks in marks {
            marks.mark(&tokens, at, &mut ranges);
        }
        if ranges.len() > 4 * MAX_HIGHLIGHTS {
            break;
        }
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart.truncate(MAX_HIGHLIGHTS);
    apart
}
