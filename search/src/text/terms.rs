//! What a query has to look for in the index.

use std::collections::HashSet;

use super::{
    Analyzer,
    pieces::{Kind, Pieces},
};

/// Something that has to be in a text. All words are folded as they are in the index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// This word.
    Word(String),
    /// A word that begins like this: asked for so, or a single character of a script without spaces,
    /// which the pairs it begins are found by.
    Begins(String),
    /// Several, standing together: a run of characters as pairs, `node.js`, a phrase, characters that make
    /// no word of the dictionary.
    Together {
        /// Two or more, at one position after the other.
        words: Vec<String>,
        /// Whether the last one need only be the beginning of a word.
        begins: bool,
    },
}

/// What has to be there for a text that is asked for: its words one after the other if that is the `whole`,
/// and the last one as the beginning of one if it is a `prefix`.
pub(super) fn ask(analyzer: Analyzer, text: &str, whole: bool, prefix: bool) -> Vec<Term> {
    let mut pieces = Pieces::default();
    pieces.cut(text, analyzer);
    let mut groups: Vec<Group> = Vec::new();
    let mut position = 0;
    for (piece, folded) in pieces.iter() {
        let goes_on = whole || piece.joined || piece.position == position;
        position = piece.position;
        match (piece.kind, groups.last_mut()) {
            // Only texts have them.
            (Kind::Part, _) => {}
            // Characters are enough: a phrase is what stands there, whatever words that makes.
            (Kind::Known, _) if whole => {}
            (Kind::Known, _) => groups.push(Group::known(folded)),
            (Kind::Covered, Some(group)) if !whole => group.words.push(folded.to_owned()),
            (kind, Some(group)) if goes_on && group.known.is_none() => group.add(kind, folded),
            (kind, _) => {
                let mut group = Group::default();
                group.add(kind, folded);
                groups.push(group);
            }
        }
    }
    if prefix && let Some(group) = groups.last_mut() {
        group.begins_something();
    }
    let mut terms: Vec<Term> = groups.into_iter().filter_map(Group::into_term).collect();
    let mut seen = HashSet::with_capacity(terms.len());
    terms.retain(|term| seen.insert(term.clone()));
    terms
}

/// What is looked for together, or a known word.
#[derive(Default)]
struct Group {
    /// Of a known word its characters.
    words: Vec<String>,
    known: Option<String>,
    begins: bool,
    ends_in_word: bool,
    ends_in_last: bool,
}

impl Group {
    fn known(word: &str) -> Group {
        Group {
            known: Some(word.to_owned()),
            ..Group::default()
        }
    }

    fn add(&mut self, kind: Kind, folded: &str) {
        // If more is added, the character stands right before a word, where it is alone in the index too.
        self.begins = kind == Kind::Single;
        self.ends_in_word = kind == Kind::Word;
        self.ends_in_last = kind == Kind::Last;
        if kind != Kind::Bare {
            self.words.push(folded.to_owned());
        }
    }

    /// What comes last is the beginning of a word.
    fn begins_something(&mut self) {
        // Which word it is to become is not known: its characters are.
        self.known = None;
        // Pairs say by themselves that more may follow; after `C++` or a pair nothing is cut short.
        self.begins |= self.ends_in_word;
    }

    fn into_term(mut self) -> Option<Term> {
        if let Some(word) = self.known {
            return Some(Term::Word(word));
        }
        if self.ends_in_last {
            // The run may go on in the text.
            self.words.pop();
        }
        let begins = self.begins;
        if self.words.len() > 1 {
            return Some(Term::Together {
                words: self.words,
                begins,
            });
        }
        let word = self.words.pop()?;
        Some(if begins {
            Term::Begins(word)
        } else {
            Term::Word(word)
        })
    }
}
