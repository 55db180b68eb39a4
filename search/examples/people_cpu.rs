//! What searches for people cost, in CPU time of the searching thread: each kind of query without any
//! online condition, for online people only, with online people first, and for online people only by
//! filtering pages of all people, as it would be done outside of the index.
//!
//! `cargo run --release -p tidings-search --example people_cpu -- [profiles] [queries]`
//!
//! Profiles and queries are made of a seed: words by Zipf's law, cities, ages, places around the cities,
//! one profile in ten in Chinese characters.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tidings_search::attributes::{Attribute, Attributes, Kind};
use tidings_search::people::{Facts, PeopleIndex, Presence, Viewer};
use tidings_search::profile::{GeoPoint, Profile, Value};
use tidings_search::query::{Filter, How, Online, PeopleQuery, Sort, Words};

const WORDS: usize = 50_000;
const CITIES: usize = 200;

/// Numbers below a bound, small ones more often, as words are.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(bound: usize) -> Zipf {
        let mut sum = 0.0;
        let sums = (1..=bound)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Zipf { sums }
    }

    fn pick(&self, random: &mut fastrand::Rng) -> usize {
        let at = random.f64() * self.sums[self.sums.len() - 1];
        self.sums
            .partition_point(|sum| *sum < at)
            .min(self.sums.len() - 1)
    }
}

struct World {
    words: Zipf,
    cities: Zipf,
    characters: Zipf,
    centres: Vec<GeoPoint>,
}

/// A word of a rank: `bakodu`.
fn word(rank: usize) -> String {
    let (mut rank, mut word) = (rank + 400, String::new());
    while rank > 0 {
        let syllable = rank % 60;
        word.push(char::from(b"bdfgklmnprst"[syllable % 12]));
        word.push(char::from(b"aeiou"[syllable / 12]));
        rank /= 60;
    }
    word
}

fn character(rank: usize) -> char {
    char::from_u32(0x4E00 + rank as u32 * 7).unwrap_or('人')
}

impl World {
    fn new(random: &mut fastrand::Rng) -> World {
        let centres = (0..CITIES)
            .map(|_| GeoPoint {
                lat: random.f64() * 110.0 - 50.0,
                lon: random.f64() * 360.0 - 180.0,
            })
            .collect();
        World {
            words: Zipf::new(WORDS),
            cities: Zipf::new(CITIES),
            characters: Zipf::new(1_500),
            centres,
        }
    }

    fn around(&self, city: usize, random: &mut fastrand::Rng) -> GeoPoint {
        let mut near = || (random.f64() + random.f64() - 1.0) * 0.25;
        let centre = self.centres[city];
        GeoPoint {
            lat: centre.lat + near(),
            lon: (centre.lon + near()).clamp(-180.0, 180.0),
        }
    }

    fn profile(&self, random: &mut fastrand::Rng) -> Profile {
        let city = self.cities.pick(random);
        let about = if random.u32(..10) == 0 {
            (0..random.usize(20..80))
                .map(|_| character(self.characters.pick(random)))
                .collect()
        } else {
            let count = random.usize(10..70);
            let words = (0..count).map(|_| word(self.words.pick(random)));
            words.collect::<Vec<_>>().join(" ")
        };
        let values = [
            ("about", Value::Text(about)),
            ("city", Value::Keyword(format!("City {city}"))),
            (
                "age",
                Value::Number((18 + random.u32(..30) + random.u32(..30)).into()),
            ),
            ("place", Value::GeoPoint(self.around(city, random))),
            ("verified", Value::Boolean(random.u32(..3) == 0)),
        ];
        let attributes = values.map(|(name, value)| (name.to_owned(), vec![value]));
        Profile {
            attributes: BTreeMap::from(attributes),
        }
    }
}

const SHAPES: [&str; 12] = [
    "rare word, city, ages",
    "two words, ages",
    "common word, ages",
    "a city",
    "near a place, 10 km",
    "near a place, 100 km, ages",
    "Chinese, ages",
    "everybody",
    "common word, last active first",
    "a common word",
    "either of two words",
    "both of two words",
];
/// From here on shapes are words alone.
const TEXT_ONLY: usize = 9;

fn filter(world: &World, shape: usize, random: &mut fastrand::Rng) -> Filter {
    let text = |words: String| {
        Filter::Text(Words {
            words,
            how: How::Words,
            attribute: None,
        })
    };
    let mut common = || word(random.usize(5..150));
    let (first, second) = (common(), common());
    let from = random.u32(20..50);
    let ages = Filter::Range {
        attribute: "age".into(),
        from: Some(Value::Number(from.into())),
        to: Some(Value::Number((from + random.u32(5..15)).into())),
    };
    let city = Filter::Is {
        attribute: "city".into(),
        value: Value::Keyword(format!("city {}", random.usize(..20))),
    };
    let mut near = |within_m| Filter::Near {
        attribute: "place".into(),
        at: world.around(world.cities.pick(random), random),
        within_m,
    };
    match shape {
        0 => Filter::All(vec![text(word(random.usize(1_000..10_000))), city, ages]),
        1 => Filter::All(vec![text(format!("{first} {second}")), ages]),
        2 => Filter::All(vec![text(first), ages]),
        3 => city,
        4 => near(10_000.0),
        5 => Filter::All(vec![near(100_000.0), ages]),
        6 => {
            let pair = [random.usize(..60), random.usize(..60)].map(character);
            Filter::All(vec![text(pair.iter().collect()), ages])
        }
        7 => Filter::All(vec![]),
        8 | 9 => text(first),
        10 => Filter::Any(vec![text(first), text(second)]),
        _ => text(format!("{first} {second}")),
    }
}

fn cpu_us() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

fn quantile(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * part) as usize]
}

fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let profiles: usize = arguments
        .next()
        .map_or(Ok(200_000), |count| count.parse())?;
    let queries: usize = arguments.next().map_or(Ok(60), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let attribute = |kind| Attribute {
        kind,
        multiple: false,
        public: true,
    };
    let attributes = Attributes::new(
        [
            ("about", Kind::Text),
            ("city", Kind::Keyword),
            ("age", Kind::Number),
            ("place", Kind::GeoPoint),
            ("verified", Kind::Boolean),
        ]
        .map(|(name, kind)| (name.to_owned(), attribute(kind))),
    )?;
    let people = PeopleIndex::open(folder.path(), &attributes, 64_000_000)?;
    let mut random = fastrand::Rng::with_seed(1);
    let world = World::new(&mut random);

    let (started, before) = (Instant::now(), cpu_us());
    for user in 0..profiles {
        let facts = Facts {
            joined_ms: user as i64,
            active_ms: random.i64(0..1 << 40),
            hidden: random.u32(..100) == 0,
        };
        people.put(
            &format!("user-{user:08}"),
            &world.profile(&mut random),
            &facts,
        )?;
    }
    people.commit(1, [0; 16])?;
    println!(
        "{profiles} profiles: {:.1} s, of which the caller's CPU {:.1} s; peak memory {:?} MB",
        started.elapsed().as_secs_f64(),
        (cpu_us() - before) / 1e6,
        peak_memory_mb(),
    );
    let before = cpu_us();
    for turn in 0..1_000_000_usize {
        let presence = if turn % 2 == 0 {
            Presence::Available
        } else {
            Presence::Offline
        };
        people.set_presence(&format!("user-{:08}", turn / 2 * 7919 % profiles), presence);
    }
    println!(
        "a transition: {:.2} us, its user id written included",
        (cpu_us() - before) / 1e6
    );

    println!(
        "\nCPU in us: median/p99; x: median of only, first, filtering pages / median of plain"
    );
    for percent in [1, 10, 30, 60] {
        for user in 0..profiles {
            let online = random.usize(..100) < percent;
            let presence = if online {
                Presence::Available
            } else {
                Presence::Offline
            };
            people.set_presence(&format!("user-{user:08}"), presence);
        }
        println!("\n{percent} % online");
        println!(
            "{:32} {:>13} {:>13} {:>13} {:>8} {:>8} {:>8}",
            "", "plain", "only", "first", "only", "first", "pages"
        );
        for (shape, name) in SHAPES.iter().enumerate() {
            if shape == TEXT_ONLY {
                println!("words alone:");
            }
            measure(&people, &world, shape, name, queries)?;
        }
    }
    Ok(())
}

fn measure(
    people: &PeopleIndex,
    world: &World,
    shape: usize,
    name: &str,
    queries: usize,
) -> Result<(), Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(shape as u64);
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..queries {
        let asked = PeopleQuery {
            filter: filter(world, shape, &mut random),
            online: Online::Any,
            away: true,
            sort: if shape == 8 {
                Sort::Active
            } else {
                Sort::Relevance
            },
            facets: Vec::new(),
            limit: 20,
            after: None,
            highlight: false,
            explain: false,
        };
        for _ in 0..3 {
            for (way, online) in [Online::Any, Online::Only, Online::First]
                .into_iter()
                .enumerate()
            {
                let asked = PeopleQuery {
                    online,
                    ..asked.clone()
                };
                let before = cpu_us();
                people.search(&asked, &Viewer::default())?;
                times[way].push(cpu_us() - before);
            }
        }
        let before = cpu_us();
        let (mut found, mut page) = (
            0,
            PeopleQuery {
                limit: 100,
                ..asked
            },
        );
        loop {
            let answer = people.search(&page, &Viewer::default())?;
            found += answer
                .hits
                .iter()
                .filter(|hit| hit.presence != Presence::Offline)
                .count();
            page.after = answer.next;
            if found >= 20 || page.after.is_none() {
                break;
            }
        }
        times[3].push(cpu_us() - before);
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| quantile(times, 0.5)).collect();
    let both = |way: usize, times: &mut [Vec<f64>; 4]| {
        format!("{:.0}/{:.0}", medians[way], quantile(&mut times[way], 0.99))
    };
    println!(
        "{name:32} {:>13} {:>13} {:>13} {:>8.2} {:>8.2} {:>8.2}",
        both(0, &mut times),
        both(1, &mut times),
        both(2, &mut times),
        medians[1] / medians[0],
        medians[2] / medians[0],
        medians[3] / medians[0],
    );
    Ok(())
}
