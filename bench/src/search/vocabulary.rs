//! What made-up texts consist of: words and Chinese characters, as frequent as Zipf's law has it. The same for
//! people and for messages, so that the same questions do for both.

/// Words there are.
pub(super) const WORDS: usize = 50_000;
/// Chinese characters there are.
pub(super) const CHARACTERS: usize = 1_500;

/// Numbers below a bound, small ones more often, as words are.
pub(super) struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(bound: usize) -> Zipf {
        let mut sum = 0.0;
        let sums = (1..=bound)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Zipf { sums }
    }

    pub(super) fn pick(&self, random: &mut fastrand::Rng) -> usize {
        let last = self.sums.len() - 1;
        let at = random.f64() * self.sums[last];
        self.sums.partition_point(|sum| *sum < at).min(last)
    }
}

/// A word by its rank, the most frequent first: `bakodu`.
pub(super) fn word(rank: usize) -> String {
    let (mut rank, mut word) = (rank + 400, String::new());
    while rank > 0 {
        let syllable = rank % 60;
        word.push(char::from(b"bdfgklmnprst"[syllable % 12]));
        word.push(char::from(b"aeiou"[syllable / 12]));
        rank /= 60;
    }
    word
}

/// A character by its rank, the most frequent first.
pub(super) fn character(rank: usize) -> char {
    char::from_u32(0x4E00 + rank as u32 * 7).unwrap_or('人')
}

/// Texts of one language or the other.
pub(super) struct Vocabulary {
    words: Zipf,
    characters: Zipf,
}

impl Vocabulary {
    pub(super) fn new() -> Vocabulary {
        Vocabulary {
            words: Zipf::new(WORDS),
            characters: Zipf::new(CHARACTERS),
        }
    }

    /// So many words.
    pub(super) fn words(&self, count: usize, random: &mut fastrand::Rng) -> String {
        let words = (0..count).map(|_| word(self.words.pick(random)));
        words.collect::<Vec<_>>().join(" ")
    }

    /// So many Chinese characters.
    pub(super) fn characters(&self, count: usize, random: &mut fastrand::Rng) -> String {
        let characters = (0..count).map(|_| character(self.characters.pick(random)));
        characters.collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A few digits that are others if anything of what is put in is.
    pub(in crate::search) struct Fingerprint(ring::digest::Context);

    impl Fingerprint {
        pub(in crate::search) fn new() -> Fingerprint {
            Fingerprint(ring::digest::Context::new(&ring::digest::SHA256))
        }

        pub(in crate::search) fn put(&mut self, text: &str) {
            self.0.update(text.as_bytes());
        }

        pub(in crate::search) fn digits(self) -> String {
            let sum = self.0.finish();
            let bytes = sum.as_ref().iter().take(8);
            bytes.map(|byte| format!("{byte:02x}")).collect()
        }
    }

    #[test]
    fn frequent_words_are_frequent() {
        let (zipf, mut random) = (Zipf::new(1_000), fastrand::Rng::with_seed(1));
        let mut counts = vec![0; 1_000];
        for _ in 0..100_000 {
            counts[zipf.pick(&mut random)] += 1;
        }
        assert!(counts[0] > 3 * counts[5], "{counts:?}");
        assert!(counts[5] > 3 * counts[50], "{counts:?}");
        assert!(counts.iter().filter(|count| **count > 0).count() > 900);
    }

    #[test]
    fn no_two_words_are_the_same() {
        let words: std::collections::HashSet<String> = (0..WORDS).map(word).collect();
        assert_eq!(words.len(), WORDS);
        let characters: std::collections::HashSet<char> = (0..CHARACTERS).map(character).collect();
        assert_eq!(characters.len(), CHARACTERS);
    }
}
