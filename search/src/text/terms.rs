//! What a query has to look for in the index.

use std::collections::HashSet;

use super::pieces::{Kind, Pieces};

/// Something that has to be in a text. All words are folded as they are in the index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// This word.
    Word(String),
    /// A word that begins like this: asked for so, or a single character of a script without spaces,
    /// which the pairs it begins are found by.
    Begins(String),
    /// Several, standing together: a run of characters as pairs, `node.js`, a phrase.
    Together {
        /// Two or more, at one position after the other.
        words: Vec<String>,
        /// Whether the last one need only be the beginning of a word.
        begins: bool,
    },
}

/// What has to be there for all words of a text to be there, in any order.
pub fn terms(text: &str) -> Vec<Term> {
    groups(text, false, false)
}

/// The same, the last word as the beginning of one.
pub fn prefix(text: &str) -> Vec<Term> {
    groups(text, false, true)
}

/// What has to be there for the words of a text to be there one after the other; nothing if there are none.
pub fn phrase(text: &str) -> Option<Term> {
    groups(text, true, false).pop()
}

fn groups(text: &str, whole: bool, prefix: bool) -> Vec<Term> {
    let mut pieces = Pieces::default();
    pieces.cut(text);
    let mut groups: Vec<Group> = Vec::new();
    for (piece, folded) in pieces.iter() {
        match groups.last_mut() {
            Some(group) if whole || piece.joined || piece.position == group.position => {
                group.add(piece.kind, piece.position, folded);
            }
            _ => {
                let mut group = Group::default();
                group.add(piece.kind, piece.position, folded);
                groups.push(group);
            }
        }
    }
    // Pairs say by themselves that more may follow; after `C++` or a pair nothing is cut short.
    if prefix && let Some(group) = groups.last_mut() {
        group.begins |= group.ends_in_word;
    }
    let mut terms: Vec<Term> = groups.into_iter().filter_map(Group::into_term).collect();
    let mut seen = HashSet::with_capacity(terms.len());
    terms.retain(|term| seen.insert(term.clone()));
    terms
}

#[derive(Default)]
struct Group {
    words: Vec<String>,
    /// Of what was added last.
    position: usize,
    begins: bool,
    ends_in_word: bool,
    ends_in_last: bool,
}

impl Group {
    fn add(&mut self, kind: Kind, position: usize, folded: &str) {
        self.position = position;
        // If more is added, the character stands right before a word, where it is alone in the index too.
        self.begins = kind == Kind::Single;
        self.ends_in_word = kind == Kind::Word;
        self.ends_in_last = kind == Kind::Last;
        if kind != Kind::Bare {
            self.words.push(folded.to_owned());
        }
    }

    fn into_term(mut self) -> Option<Term> {
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
