//! Where in a text the words of a query stand.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use tantivy::tokenizer::{TokenStream as _, Tokenizer as _};

use super::{Analyzer, Term, Words};

/// Most places that are marked in one text.
pub const MAX_HIGHLIGHTS: usize = 256;

/// What is marked in texts.
#[derive(Default)]
pub(crate) struct Marks {
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

impl Marks {
    pub(crate) fn add(&mut self, terms: Vec<Term>) {
        for term in terms {
            match term {
                Term::Word(word) => drop(self.words.insert(word)),
                Term::Begins(begin) => drop(self.begins.insert(begin)),
                Term::Together { words, begins } => {
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

/// The places in a text: ranges of bytes, ascending and apart. Marks are of what the same analyzer looks for.
pub(crate) fn ranges(text: &str, marks: &[&Marks], analyzer: Analyzer) -> Vec<Range<usize>> {
    let mut tokenizer = Words::new(analyzer);
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
