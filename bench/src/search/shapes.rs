//! The kinds of questions that are asked.

use serde::Serialize;
use tidings_search::profile::Value;
use tidings_search::query::{Filter, How, Online, PeopleQuery, Sort, Words};

use super::{
    profiles::{World, city},
    vocabulary::{character, word},
};

/// Hits of a page.
pub(super) const PAGE: usize = 20;

/// What a shape is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Conditions, with words or without.
    Filtered,
    /// Words alone, which can be answered without looking at everybody who has them.
    Text,
    /// Orders that have nothing to do with words.
    Browse,
}

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    RareWordFiltered,
    TwoWordsAges,
    CommonWordAges,
    City,
    Near,
    NearAges,
    Chinese,
    CommonWord,
    EitherOfTwoWords,
    Everybody,
    LastActive,
    CommonWordLastActive,
}

impl Shape {
    pub(super) const ALL: [Shape; 12] = [
        Shape::RareWordFiltered,
        Shape::TwoWordsAges,
        Shape::CommonWordAges,
        Shape::City,
        Shape::Near,
        Shape::NearAges,
        Shape::Chinese,
        Shape::CommonWord,
        Shape::EitherOfTwoWords,
        Shape::Everybody,
        Shape::LastActive,
        Shape::CommonWordLastActive,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::RareWordFiltered => "rare word, city, ages, verified",
            Shape::TwoWordsAges => "two words, ages",
            Shape::CommonWordAges => "common word, ages",
            Shape::City => "a city",
            Shape::Near => "within 10 km",
            Shape::NearAges => "within 100 km, born between",
            Shape::Chinese => "Chinese, ages",
            Shape::CommonWord => "common word alone",
            Shape::EitherOfTwoWords => "either of two words",
            Shape::Everybody => "everybody",
            Shape::LastActive => "everybody, last active first",
            Shape::CommonWordLastActive => "common word, last active first",
        }
    }

    pub(super) fn class(self) -> Class {
        match self {
            Shape::RareWordFiltered
            | Shape::TwoWordsAges
            | Shape::CommonWordAges
            | Shape::City
            | Shape::Near
            | Shape::NearAges
            | Shape::Chinese => Class::Filtered,
            Shape::CommonWord | Shape::EitherOfTwoWords => Class::Text,
            Shape::Everybody | Shape::LastActive | Shape::CommonWordLastActive => Class::Browse,
        }
    }

    /// A question of this kind.
    pub(super) fn query(self, world: &World, random: &mut fastrand::Rng) -> PeopleQuery {
        let sort = match self {
            Shape::LastActive | Shape::CommonWordLastActive => Sort::Active,
            _ => Sort::Relevance,
        };
        PeopleQuery {
            filter: self.filter(world, random),
            online: Online::Any,
            away: true,
            sort,
            facets: Vec::new(),
            limit: PAGE,
            after: None,
            highlight: false,
            explain: false,
        }
    }

    fn filter(self, world: &World, random: &mut fastrand::Rng) -> Filter {
        // The few most frequent words are what nobody looks for.
        let common = |random: &mut fastrand::Rng| word(random.usize(5..150));
        match self {
            Shape::RareWordFiltered => Filter::All(vec![
                words(word(random.usize(1_000..10_000))),
                is("city", Value::Keyword(city(random.usize(..20)))),
                ages(random),
                is("verified", Value::Boolean(random.bool())),
            ]),
            Shape::TwoWordsAges => {
                let both = format!("{} {}", common(random), common(random));
                Filter::All(vec![words(both), ages(random)])
            }
            Shape::CommonWordAges => Filter::All(vec![words(common(random)), ages(random)]),
            // Folded, as people write.
            Shape::City => is(
                "city",
                Value::Keyword(city(random.usize(..20)).to_lowercase()),
            ),
            Shape::Near => near(world, random, 10_000.0),
            Shape::NearAges => Filter::All(vec![near(world, random, 100_000.0), born(random)]),
            Shape::Chinese => {
                let pair = [random.usize(..20), random.usize(..20)].map(character);
                Filter::All(vec![words(pair.iter().collect()), ages(random)])
            }
            Shape::CommonWord | Shape::CommonWordLastActive => words(common(random)),
            Shape::EitherOfTwoWords => {
                Filter::Any(vec![words(common(random)), words(common(random))])
            }
            Shape::Everybody | Shape::LastActive => Filter::All(Vec::new()),
        }
    }
}

fn words(words: String) -> Filter {
    Filter::Text(Words {
        words,
        how: How::Words,
        attribute: None,
    })
}

fn is(attribute: &str, value: Value) -> Filter {
    Filter::Is {
        attribute: attribute.to_owned(),
        value,
    }
}

/// A range of 5 to 14 years.
fn ages(random: &mut fastrand::Rng) -> Filter {
    let from = random.u32(20..50);
    Filter::Range {
        attribute: "age".to_owned(),
        from: Some(Value::Number(from.into())),
        to: Some(Value::Number((from + random.u32(5..15)).into())),
    }
}

/// A range of 5 to 14 years, by dates.
fn born(random: &mut fastrand::Rng) -> Filter {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let from = random.i64(-20..25);
    Filter::Range {
        attribute: "born".to_owned(),
        from: Some(Value::Date(from * YEAR_MS)),
        to: Some(Value::Date((from + random.i64(5..15)) * YEAR_MS)),
    }
}

fn near(world: &World, random: &mut fastrand::Rng, within_m: f64) -> Filter {
    Filter::Near {
        attribute: "place".to_owned(),
        at: world.place(random),
        within_m,
    }
}
