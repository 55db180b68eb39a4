//! A text in pieces, as addresses and numbers are told: words, dots and `@`, also where they are words themselves.

mod vocabulary;

use crate::fold::{Folded, Kind, Letter};
pub(crate) use vocabulary::{AT, DOT, MESSENGER, NAMES, ON, PROVIDER, SAYS, TLD, WORDY};

/// What a word means in an address or a number: several things at once, perhaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Meaning {
    flags: u16,
    /// Of a digit's name.
    pub(crate) digit: Option<u8>,
}

impl Meaning {
    const fn and(self, other: Self) -> Self {
        let digit = if self.digit.is_some() {
            self.digit
        } else {
            other.digit
        };
        Self {
            flags: self.flags | other.flags,
            digit,
        }
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.flags & other.flags != 0
    }
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Letters, digits, `-` and `_`.
    Word,
    /// A dot. `true` where it is none of a plain address: between spaces, in brackets or as a word.
    Dot(bool),
    /// An `@`, likewise.
    At(bool),
    /// Anything else.
    Other,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) shape: Shape,
    /// What it means, if it is a word that means something.
    pub(crate) meaning: Meaning,
    /// Whether there is a space or a bracket before it.
    pub(crate) apart: bool,
    /// Its letters in the folded text.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// The text in pieces.
pub(crate) fn pieces(text: &Folded) -> Vec<Piece> {
    let letters = &text.letters;
    let mut pieces = Vec::with_capacity(letters.len() / 4 + 4);
    let mut at = 0;
    let mut apart = true;
    while let Some(letter) = letters.get(at) {
        let from = at;
        at += 1;
        let mut meaning = Meaning::default();
        let shape = match (letter.kind, letter.letter) {
            (Kind::Space, _) | (_, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>') => {
                apart = true;
                continue;
            }
            (_, '.' | '。') | (Kind::Dense, '点' | '點') => {
                Shape::Dot(apart && is_apart(letters.get(at)))
            }
            (_, '@') => Shape::At(apart && is_apart(letters.get(at))),
            _ if is_of_word(letter) => {
                while letters.get(at).is_some_and(is_of_word) {
                    at += 1;
                }
                meaning = meaning_of(&letters[from..at]);
                // A word of an address stands by itself there: `dot` in `dot.com` does not.
                match meaning {
                    _ if !apart || !is_apart(letters.get(at)) => Shape::Word,
                    _ if meaning.has(DOT) => Shape::Dot(true),
                    _ if meaning.has(AT) => Shape::At(true),
                    _ => Shape::Word,
                }
            }
            _ => Shape::Other,
        };
        pieces.push(Piece {
            shape,
            meaning,
            apart,
            from,
            to: at,
        });
        apart = false;
    }
    pieces
}

fn is_apart(next: Option<&Letter>) -> bool {
    next.is_none_or(|next| next.kind == Kind::Space || "()[]{}<>".contains(next.letter))
}

fn is_of_word(letter: &Letter) -> bool {
    matches!(letter.kind, Kind::Letter | Kind::Digit) || matches!(letter.letter, '-' | '_')
}

fn meaning_of(word: &[Letter]) -> Meaning {
    let spelled = || word.iter().map(|letter| letter.letter);
    let found = vocabulary::WORDS.binary_search_by(|(known, _)| known.chars().cmp(spelled()));
    found.map(|at| vocabulary::WORDS[at].1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_order_that_they_are_looked_up_by() {
        assert!(vocabulary::WORDS.is_sorted_by(|(one, _), (other, _)| one < other));
        for (word, meaning) in vocabulary::WORDS {
            assert_eq!(meaning_of(&Folded::of(word).letters), meaning, "{word}");
        }
    }

    #[test]
    fn dots_and_ats_are_told_from_those_of_plain_addresses() {
        let shapes = |text: &str| -> Vec<Shape> {
            pieces(&Folded::of(text))
                .iter()
                .map(|piece| piece.shape)
                .collect()
        };
        use Shape::{At, Dot, Other, Word};
        assert_eq!(shapes("a.b@c"), [Word, Dot(false), Word, At(false), Word]);
        assert_eq!(
            shapes("a dot b (at) c"),
            [Word, Dot(true), Word, At(true), Word]
        );
        assert_eq!(
            shapes("a . b [.] c"),
            [Word, Dot(true), Word, Dot(true), Word]
        );
        assert_eq!(
            shapes("end. Dot, then"),
            [Word, Dot(false), Word, Other, Word]
        );
    }
}
