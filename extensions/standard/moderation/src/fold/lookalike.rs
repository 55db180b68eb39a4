//! Letters of Greek and Cyrillic that look like Latin ones. They are read as Latin where somebody mixes them in, and stay what they
//! are in Greek and in Russian.

use super::{Kind, Letter};

/// Each letter with the Latin one that it looks like.
const LOOKALIKES: [(char, char); 43] = [
    ('α', 'a'),
    ('β', 'b'),
    ('γ', 'y'),
    ('ε', 'e'),
    ('η', 'n'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('σ', 'o'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('ω', 'w'),
    ('ϲ', 'c'),
    ('ϳ', 'j'),
    ('а', 'a'),
    ('в', 'b'),
    ('е', 'e'),
    ('з', 'z'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('ь', 'b'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ї', 'i'),
    ('ј', 'j'),
    ('ѵ', 'v'),
    ('ү', 'y'),
    ('һ', 'h'),
    ('ӏ', 'l'),
    ('ԁ', 'd'),
    ('ԍ', 'g'),
    ('ԛ', 'q'),
    ('ԝ', 'w'),
];

fn latin(letter: char) -> Option<char> {
    let at = LOOKALIKES.binary_search_by_key(&letter, |(has, _)| *has);
    at.ok().map(|at| LOOKALIKES[at].1)
}

fn is_foreign(letter: char) -> bool {
    matches!(letter, '\u{370}'..='\u{52F}')
}

/// Greek and Cyrillic letters by the letter without marks; `й` is one of its own.
pub(super) fn without_marks(letter: char) -> char {
    match letter {
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ό' => 'ο',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'ώ' => 'ω',
        'ς' => 'σ',
        'ё' => 'е',
        _ => letter,
    }
}

/// Reads lookalikes as Latin in words that have Latin letters as well, and everywhere if the text has no word that can only be
/// Greek or Cyrillic. Says whether there were any.
pub(super) fn fold(letters: &mut [Letter]) -> bool {
    let genuine = letters
        .iter()
        .any(|letter| is_foreign(letter.letter) && latin(letter.letter).is_none());
    let mut folded = false;
    for word in
        letters.chunk_by_mut(|one, next| one.kind != Kind::Space && next.kind != Kind::Space)
    {
        let mixed = word.iter().any(|letter| letter.letter.is_ascii_lowercase());
        if !mixed && genuine {
            continue;
        }
        for letter in word {
            if let Some(latin) = is_foreign(letter.letter)
                .then(|| latin(letter.letter))
                .flatten()
            {
                letter.letter = latin;
                folded = true;
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_are_in_the_order_that_they_are_looked_up_by() {
        assert!(LOOKALIKES.is_sorted());
    }
}
