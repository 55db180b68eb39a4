//! Answers against those of a program that looks at everybody.

use super::*;

const VOCABULARY: [&str; 12] = [
    "jazz", "rust", "tea", "run", "cook", "film", "chess", "sail", "yoga", "code", "ski", "read",
];
const CITIES: [&str; 5] = ["Berlin", "Paris", "Lima", "Oslo", "Rome"];

#[derive(Clone, Debug)]
struct Person {
    words: Vec<&'static str>,
    city: &'static str,
    age: f64,
    at: GeoPoint,
    active_ms: i64,
    hidden: bool,
    presence: Presence,
}

fn person(random: &mut fastrand::Rng) -> Person {
    let skewed =
        |random: &mut fastrand::Rng| random.usize(..VOCABULARY.len()).min(random.usize(..12));
    Person {
        words: (0..random.usize(1..12))
            .map(|_| VOCABULARY[skewed(random)])
            .collect(),
        city: CITIES[random.usize(..CITIES.len())],
        age: random.u32(18..60).into(),
        at: GeoPoint {
            lat: random.f64() * 20.0 + 70.0,
            lon: random.f64() * 360.0 - 180.0,
        },
        active_ms: random.i64(0..50),
        hidden: random.u32(..20) == 0,
        presence: match random.u32(..4) {
            0 => Presence::Available,
            1 => Presence::Away,
            _ => Presence::Offline,
        },
    }
}

impl Person {
    fn profile(&self) -> Profile {
        profile(&[
            ("about", Value::Text(self.words.join(" "))),
            ("city", Value::Keyword(self.city.to_owned())),
            ("age", Value::Number(self.age)),
            ("place", Value::GeoPoint(self.at)),
        ])
    }

    fn fits(&self, filter: &Filter) -> bool {
        match filter {
            Filter::All(all) => all.iter().all(|filter| self.fits(filter)),
            Filter::Any(any) => any.iter().any(|filter| self.fits(filter)),
            Filter::Not(inner) => !self.fits(inner),
            Filter::Text(words) => words
                .words
                .split(' ')
                .all(|word| self.words.contains(&word)),
            Filter::Is { value, .. } => *value == Value::Keyword(self.city.to_owned()),
            Filter::Range { from, to, .. } => {
                let number = |value: &Option<Value>, open| match value {
                    Some(Value::Number(number)) => *number,
                    _ => open,
                };
                (number(from, f64::MIN)..=number(to, f64::MAX)).contains(&self.age)
            }
            Filter::Near { at, within_m, .. } => {
                // Another formula than the index uses: the angle between two vectors.
                let vector = |at: &GeoPoint| {
                    let (lat, lon) = (at.lat.to_radians(), at.lon.to_radians());
                    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
                };
                let (left, right) = (vector(at), vector(&self.at));
                let chord: f64 = (0..3)
                    .map(|axis| (left[axis] - right[axis]).powi(2))
                    .sum::<f64>()
                    .sqrt();
                2.0 * (chord / 2.0).asin() * 6_371_008.8 <= *within_m
            }
            Filter::Has { .. } => true,
        }
    }
}

fn filter(random: &mut fastrand::Rng, depth: usize) -> Filter {
    let word = |random: &mut fastrand::Rng| VOCABULARY[random.usize(..VOCABULARY.len())];
    match random.u32(..if depth == 0 { 6 } else { 9 }) {
        0 | 1 => words(word(random)),
        2 => words(&format!("{} {}", word(random), word(random))),
        3 => is("city", CITIES[random.usize(..CITIES.len())]),
        4 => Filter::Range {
            attribute: "age".into(),
            from: random
                .bool()
                .then(|| Value::Number(random.u32(18..60).into())),
            to: random
                .bool()
                .then(|| Value::Number(random.u32(18..60).into())),
        },
        5 => Filter::Near {
            attribute: "place".into(),
            at: GeoPoint {
                lat: random.f64() * 20.0 + 70.0,
                lon: random.f64() * 360.0 - 180.0,
            },
            within_m: random.f64() * 2_000_000.0,
        },
        6 => Filter::Not(Box::new(filter(random, depth - 1))),
        7 => Filter::All(
            (0..random.usize(..4))
                .map(|_| filter(random, depth - 1))
                .collect(),
        ),
        _ => Filter::Any(
            (0..random.usize(1..4))
                .map(|_| filter(random, depth - 1))
                .collect(),
        ),
    }
}

/// All pages of a query, checked for what holds for each.
fn pages(people: &Opened, asked: &PeopleQuery, viewer: &Viewer<'_>) -> (Vec<Hit>, Vec<Answer>) {
    let mut asked = asked.clone();
    let mut all: Vec<Hit> = Vec::new();
    let mut answers = Vec::new();
    loop {
        let answer = people.index.search(&asked, viewer).unwrap();
        all.extend(answer.hits.iter().cloned());
        asked.after.clone_from(&answer.next);
        answers.push(answer);
        if asked.after.is_none() {
            return (all, answers);
        }
        assert!(all.len() < 10_000, "pages never end for {asked:?}");
    }
}

#[test]
fn answers_are_those_of_looking_at_everybody() {
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let people = open();
    let mut truth: BTreeMap<String, Person> = BTreeMap::new();
    for round in 0..12 {
        for _ in 0..120 {
            let user = format!("user-{}", random.u32(..600));
            if random.u32(..6) == 0 {
                people.index.remove(&user).unwrap();
                truth.remove(&user);
                continue;
            }
            let person = person(&mut random);
            let facts = Facts {
                joined_ms: 5,
                active_ms: person.active_ms,
                hidden: person.hidden,
            };
            people.index.put(&user, &person.profile(), &facts).unwrap();
            people.index.set_presence(&user, person.presence);
            truth.insert(user, person);
        }
        people.commit();
        for _ in 0..60 {
            check(&people, &truth, &mut random, round);
        }
    }
}

fn check(
    people: &Opened,
    truth: &BTreeMap<String, Person>,
    random: &mut fastrand::Rng,
    round: usize,
) {
    let online = [Online::Any, Online::First, Online::Only][random.usize(..3)];
    let away = random.bool();
    let from = GeoPoint {
        lat: 80.0,
        lon: random.f64() * 360.0 - 180.0,
    };
    let sort = match random.u32(..6) {
        0 => Sort::Active,
        1 => Sort::Distance {
            attribute: "place".into(),
            from,
        },
        _ => Sort::Relevance,
    };
    let asked = PeopleQuery {
        online,
        away,
        sort: sort.clone(),
        limit: random.usize(1..40),
        facets: if random.u32(..4) == 0 {
            vec!["city".into()]
        } else {
            Vec::new()
        },
        ..query(filter(random, 3))
    };
    let exclude: Vec<String> = (0..random.usize(..30) * random.usize(..2))
        .map(|_| format!("user-{}", random.u32(..600)))
        .collect();
    let private = random.u32(..4) == 0;
    let viewer = Viewer {
        exclude: &exclude,
        may_see_private: private,
    };
    let is_online = |person: &Person| {
        person.presence == Presence::Available || (away && person.presence == Presence::Away)
    };
    let wanted: BTreeSet<&str> = truth
        .iter()
        .filter(|(user, person)| {
            person.fits(&asked.filter)
                && (online != Online::Only || is_online(person))
                && (private || !person.hidden)
                && !exclude.contains(user)
        })
        .map(|(user, _)| user.as_str())
        .collect();
    let (hits, answers) = pages(people, &asked, &viewer);
    let first = &answers[0];
    let context = format!("round {round}: {asked:?}");
    let found: BTreeSet<&str> = hits.iter().map(|hit| hit.user.as_str()).collect();
    assert_eq!(found.len(), hits.len(), "somebody is repeated in {context}");
    assert_eq!(found, wanted, "{context}");
    for Answer { total, .. } in &answers {
        if total.exact {
            assert_eq!(total.count, wanted.len() as u64, "{context}");
        } else {
            assert!(total.count <= wanted.len() as u64, "{context}");
        }
    }
    // Whoever fits on one page was counted on the way.
    assert!(first.total.exact || first.next.is_some(), "{context}");
    let tier = |hit: &Hit| online == Online::First && is_online(&truth[&hit.user]);
    assert!(
        hits.is_sorted_by(|left, right| tier(left) >= tier(right)),
        "{context}"
    );
    for pair in hits
        .windows(2)
        .filter(|pair| tier(&pair[0]) == tier(&pair[1]))
    {
        let (left, right) = (&pair[0], &pair[1]);
        match &sort {
            Sort::Relevance => assert!(left.score >= right.score, "{context}"),
            Sort::Active => assert!(
                truth[&left.user].active_ms >= truth[&right.user].active_ms,
                "{context}"
            ),
            _ => assert!(left.distance_m <= right.distance_m, "{context}"),
        }
    }
    for hit in &hits {
        assert_eq!(hit.presence, truth[&hit.user].presence, "{context}");
    }
    if let Some(facet) = first.facets.get("city") {
        for value in &facet.values {
            let count = wanted
                .iter()
                .filter(|user| truth[**user].city == value.value)
                .count();
            assert_eq!(value.count, count as u64, "{} in {context}", value.value);
        }
        let counted: u64 = facet.values.iter().map(|value| value.count).sum();
        assert_eq!(counted, wanted.len() as u64, "{context}");
    }
}
