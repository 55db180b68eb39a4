//! Made-up people: the same for the same seed and number, every time.

use std::collections::BTreeMap;

use tidings_search::attributes::{Attribute, Attributes, DeclarationError, Kind};
use tidings_search::people::Facts;
use tidings_search::profile::{GeoPoint, Profile, Value};

use super::vocabulary::{Vocabulary, Zipf};

/// Cities there are, as large as Zipf's law has it.
const CITIES: usize = 200;
/// Interests there are, by the same law.
const INTERESTS: usize = 100;
/// One profile in so many is in Chinese.
const CHINESE: u32 = 10;
/// One person in so many is hidden from others.
const HIDDEN: u32 = 100;

const DAY_MS: i64 = 86_400_000;

/// What people are made of.
pub(super) struct World {
    seed: u64,
    vocabulary: Vocabulary,
    cities: Zipf,
    interests: Zipf,
    centres: Vec<GeoPoint>,
}

/// The id of a user.
pub(super) fn user(number: u32) -> String {
    format!("user-{number:08}")
}

/// A city by its rank, the largest first.
pub(super) fn city(rank: usize) -> String {
    format!("City {rank}")
}

/// What profiles consist of.
pub(super) fn attributes() -> Result<Attributes, DeclarationError> {
    let declared = [
        ("about", Kind::Text, false),
        ("city", Kind::Keyword, false),
        ("interests", Kind::Keyword, true),
        ("age", Kind::Number, false),
        ("born", Kind::Date, false),
        ("place", Kind::GeoPoint, false),
        ("verified", Kind::Boolean, false),
    ];
    Attributes::new(declared.map(|(name, kind, multiple)| {
        let attribute = Attribute {
            kind,
            multiple,
            public: true,
        };
        (name.to_owned(), attribute)
    }))
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut random = fastrand::Rng::with_seed(seed);
        let centres = (0..CITIES)
            .map(|_| GeoPoint {
                lat: random.f64() * 110.0 - 50.0,
                lon: random.f64() * 360.0 - 180.0,
            })
            .collect();
        World {
            seed,
            vocabulary: Vocabulary::new(),
            cities: Zipf::new(CITIES),
            interests: Zipf::new(INTERESTS),
            centres,
        }
    }

    /// Randomness for one purpose.
    pub(super) fn random(&self, purpose: u64) -> fastrand::Rng {
        // SplitMix64, so that neighbouring purposes have nothing in common.
        let mut mixed = (self.seed ^ purpose.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        fastrand::Rng::with_seed(mixed ^ (mixed >> 31))
    }

    /// A place as people live: more of them in larger cities, within about 30 km of the centre.
    pub(super) fn place(&self, random: &mut fastrand::Rng) -> GeoPoint {
        let city = self.cities.pick(random);
        self.around(city, random)
    }

    fn around(&self, city: usize, random: &mut fastrand::Rng) -> GeoPoint {
        let mut near = || (random.f64() + random.f64() - 1.0) * 0.25;
        let centre = self.centres[city];
        GeoPoint {
            lat: centre.lat + near(),
            lon: (centre.lon + near()).clamp(-180.0, 180.0),
        }
    }

    /// A person by number.
    pub(super) fn person(&self, number: u32) -> (Profile, Facts) {
        let random = &mut self.random(u64::from(number) + 1);
        let city_rank = self.cities.pick(random);
        let about = if random.u32(..CHINESE) == 0 {
            let count = random.usize(20..80);
            self.vocabulary.characters(count, random)
        } else {
            let count = random.usize(10..70);
            self.vocabulary.words(count, random)
        };
        let mut interests: Vec<usize> = (0..random.usize(1..6))
            .map(|_| self.interests.pick(random))
            .collect();
        interests.sort_unstable();
        interests.dedup();
        let interests = interests
            .into_iter()
            .map(|rank| Value::Keyword(format!("Interest {rank}")));
        // More people in the middle of their lives than at the ends.
        let age = 18 + random.u32(..30) + random.u32(..30);
        let born_ms = (2026 - 1970 - i64::from(age)) * 365 * DAY_MS + random.i64(0..365) * DAY_MS;
        let values = [
            ("about", vec![Value::Text(about)]),
            ("city", vec![Value::Keyword(city(city_rank))]),
            ("interests", interests.collect()),
            ("age", vec![Value::Number(age.into())]),
            ("born", vec![Value::Date(born_ms)]),
            (
                "place",
                vec![Value::GeoPoint(self.around(city_rank, random))],
            ),
            ("verified", vec![Value::Boolean(random.u32(..3) == 0)]),
        ];
        let profile = Profile {
            attributes: BTreeMap::from(values.map(|(name, values)| (name.to_owned(), values))),
        };
        let facts = Facts {
            joined_ms: i64::from(number),
            active_ms: random.i64(0..1 << 40),
            hidden: random.u32(..HIDDEN) == 0,
        };
        (profile, facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::vocabulary::tests::Fingerprint;

    #[test]
    fn a_seed_makes_the_same_people() {
        let (one, same, other) = (World::new(1), World::new(1), World::new(2));
        for number in 0..200 {
            assert_eq!(one.person(number), same.person(number));
            assert_ne!(one.person(number), other.person(number));
            assert_ne!(one.person(number), one.person(number + 1));
        }
    }

    /// Figures of one day are to be compared with those of another.
    #[test]
    fn a_seed_makes_the_people_it_always_made() {
        let world = World::new(7);
        let mut all = Fingerprint::new();
        for number in 0..500 {
            let (profile, facts) = world.person(number);
            all.put(&format!("{:?}", profile.attributes));
            let Facts {
                joined_ms,
                active_ms,
                hidden,
            } = facts;
            all.put(&format!("{joined_ms} {active_ms} {hidden};"));
        }
        assert_eq!(all.digits(), "4b195478c88a4d71");
    }
}
