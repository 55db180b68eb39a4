//! When two texts count as one: spaces, signs, digits, marks and capitals do not matter, nor how somebody is greeted.

use crate::fold::{Folded, Kind};

/// Words of a greeting, where no sign ends it: `hi Anna how`.
const GREETING: usize = 3;
/// Words of a greeting that a sign ends: `Hello my dear Anna,`.
const LONGEST_GREETING: usize = 6;

/// Names under which a text is counted: the whole, and without its greeting if enough is left. None for short texts.
#[must_use]
pub fn keys(text: &Folded, author: &str, least: usize) -> Vec<String> {
    let is_read = |kind| matches!(kind, Kind::Letter | Kind::Dense);
    let key = |sort: char, from: usize| {
        let letters = text.letters[from..]
            .iter()
            .filter(|letter| is_read(letter.kind));
        let mut count = 0;
        let mut hash = Hash::new();
        for letter in letters {
            count += 1;
            hash.add(letter.letter);
        }
        (count >= least).then(|| format!("{author}/{sort}{:016x}", hash.0))
    };
    let behind_greeting = behind_greeting(text, is_read);
    let whole = key('w', 0);
    let rest = (behind_greeting > 0)
        .then(|| key('r', behind_greeting))
        .flatten();
    whole.into_iter().chain(rest).collect()
}

/// Where what is said to everybody begins; 0 where nothing comes before it.
fn behind_greeting(text: &Folded, is_read: impl Fn(Kind) -> bool) -> usize {
    let mut after_words = 0;
    let mut words = 0;
    let mut within = false;
    for (at, letter) in text.letters.iter().enumerate() {
        let reads = is_read(letter.kind);
        if reads && !within {
            words += 1;
            if words == GREETING + 1 {
                after_words = at;
            }
            if words > LONGEST_GREETING {
                break;
            }
        }
        within = reads;
        if words > 0 && (letter.kind == Kind::Break || letter.letter == '!') {
            return at + 1;
        }
    }
    after_words
}

/// FNV-1a: two texts that come out the same are counted together, which takes a text made for it.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, letter: char) {
        self.0 = (self.0 ^ u64::from(letter as u32)).wrapping_mul(0x0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Vec<String> {
        keys(&Folded::of(text), "ann", 10)
    }

    #[test]
    fn what_reads_the_same_counts_as_one() {
        let first = of("Invest in my great scheme today!");
        for again in [
            "INVEST in my  great scheme today",
            "Ínvest in my gréat scheme 2 today!!! 😀",
            "I-n-v-e-s-t in my great scheme today",
        ] {
            assert_eq!(of(again).first(), first.first(), "{again}");
        }
        assert_ne!(of("Invest in my small scheme today!"), first);
    }

    #[test]
    fn who_is_greeted_does_not_matter() {
        let (anna, bob) = (
            of("Hi dear Anna, you look really lovely"),
            of("Hi dear Bob, you look really lovely"),
        );
        assert_ne!(anna[0], bob[0]);
        assert_eq!(anna[1], bob[1]);
        let (anna, bob) = (
            of("hi Anna how are you all these days"),
            of("hi Bob how are you all these days"),
        );
        assert_eq!(anna[1], bob[1]);
        assert_eq!(
            of("Anna! You look really lovely")[1],
            of("My dearest darling Bob: you look really lovely")[1]
        );
    }

    #[test]
    fn short_texts_may_be_repeated() {
        assert_eq!(of("see you!"), [""; 0]);
        assert_eq!(of("123456789012345"), [""; 0]);
        assert_eq!(
            keys(&Folded::of("今天晚上一起吃饭好吗朋友"), "ann", 10).len(),
            1
        );
    }

    proptest! {
        /// The host takes keys of 256 bytes, and ids have up to 128.
        #[test]
        fn keys_are_short_enough(text in "\\PC{0,200}", author in "[a-z]{128}") {
            for key in keys(&Folded::of(&text), &author, 1) {
                prop_assert!(key.len() <= 256);
            }
        }
    }
}
