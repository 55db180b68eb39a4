//! The kinds of questions for messages that are asked.

use tidings_search::{messages::Filter, query::How};

use super::corpus::{Material, SPAN_MS, START_MS};

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    CommonWord,
    RareWord,
    TwoWords,
    Phrase,
    ChinesePair,
    FromSomeone,
    Nothing,
    CommonWordMonth,
    EitherNotThird,
}

impl Shape {
    pub(super) const ALL: [Shape; 9] = [
        Shape::CommonWord,
        Shape::RareWord,
        Shape::TwoWords,
        Shape::Phrase,
        Shape::ChinesePair,
        Shape::FromSomeone,
        Shape::Nothing,
        Shape::CommonWordMonth,
        Shape::EitherNotThird,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::CommonWord => "common word",
            Shape::RareWord => "rare word",
            Shape::TwoWords => "two words",
            Shape::Phrase => "phrase",
            Shape::ChinesePair => "Chinese pair",
            Shape::FromSomeone => "from someone, no words",
            Shape::Nothing => "nothing asked",
            Shape::CommonWordMonth => "common word, a month",
            Shape::EitherNotThird => "either of two, not a third",
        }
    }

    /// Whether there is something to ask of this kind.
    pub(super) fn fits(self, material: &Material) -> bool {
        match self {
            Shape::ChinesePair => !material.characters.is_empty(),
            Shape::Phrase => !material.phrases.is_empty(),
            Shape::FromSomeone | Shape::Nothing => true,
            _ => !material.words.is_empty(),
        }
    }

    /// A question of this kind, which [fits](Self::fits).
    pub(super) fn filter(
        self,
        material: &Material,
        authors: &[String],
        random: &mut fastrand::Rng,
    ) -> Filter {
        let words = &material.words;
        let mut common = |of: usize| words[random.usize(..of.min(words.len()))].clone();
        match self {
            Shape::CommonWord => text(common(50), How::Words),
            Shape::RareWord => {
                let to = words.len().min(40_000);
                text(words[random.usize(to / 8..to)].clone(), How::Words)
            }
            Shape::TwoWords => {
                let both = format!("{} {}", common(150), common(150));
                text(both, How::Words)
            }
            Shape::Phrase => {
                let phrases = &material.phrases;
                text(phrases[random.usize(..phrases.len())].clone(), How::Phrase)
            }
            Shape::ChinesePair => {
                let most = material.characters.len().min(60);
                let pair = [(); 2].map(|()| material.characters[random.usize(..most)]);
                text(pair.iter().collect(), How::Words)
            }
            Shape::FromSomeone => {
                Filter::From(vec![authors[random.usize(..authors.len())].clone()])
            }
            Shape::Nothing => Filter::All(Vec::new()),
            Shape::CommonWordMonth => {
                let word = text(common(50), How::Words);
                let from = START_MS + random.i64(0..SPAN_MS);
                let to = from + 30 * 86_400_000;
                let (from, to) = (Some(from), Some(to));
                Filter::All(vec![word, Filter::Sent { from, to }])
            }
            Shape::EitherNotThird => {
                let mut one = || text(common(150), How::Words);
                let either = Filter::Any(vec![one(), one()]);
                Filter::All(vec![either, Filter::Not(Box::new(one()))])
            }
        }
    }
}

fn text(words: String, how: How) -> Filter {
    Filter::Text { words, how }
}
