//! What is answered in a quicker way is answered as by looking at everybody.

use super::*;

/// Several segments with replaced, removed and hidden people, of whom some are online.
fn crowd(random: &mut fastrand::Rng, online: u32) -> Opened {
    const WORDS: [&str; 3] = ["jazz", "tea", "film"];
    let people = open();
    for _ in 0..5 {
        for _ in 0..90 {
            let user = format!("user-{}", random.u32(..260));
            if random.u32(..8) == 0 {
                people.index.remove(&user).unwrap();
                continue;
            }
            let text: Vec<&str> = (0..random.usize(1..9))
                .map(|_| WORDS[random.usize(..3).min(random.usize(..3))])
                .collect();
            let facts = Facts {
                joined_ms: random.i64(0..40),
                active_ms: random.i64(-20..20),
                hidden: random.u32(..9) == 0,
            };
            people
                .index
                .put(&user, &about(&text.join(" ")), &facts)
                .unwrap();
            let presence = match random.u32(..100) {
                share if share >= online => Presence::Offline,
                share if share % 3 == 0 => Presence::Away,
                _ => Presence::Available,
            };
            people.index.set_presence(&user, presence);
        }
        people.commit();
    }
    people
}

const ONLINE: [Online; 3] = [Online::Any, Online::Only, Online::First];

/// All pages.
fn pages(people: &Opened, asked: &PeopleQuery, viewer: &Viewer<'_>) -> Vec<Answer> {
    let mut asked = asked.clone();
    let mut pages = Vec::new();
    loop {
        let answer = people.index.search(&asked, viewer).unwrap();
        asked.after.clone_from(&answer.next);
        pages.push(answer);
        if asked.after.is_none() {
            return pages;
        }
        assert!(pages.len() < 1_000, "pages never end for {asked:?}");
    }
}

#[test]
fn everybody_is_as_everybody_who_has_what_everybody_has() {
    let mut random = fastrand::Rng::with_seed(31);
    for share in [0, 3, 60] {
        let people = crowd(&mut random, share);
        let exclude: Vec<String> = (0..40).map(|user| format!("user-{user}")).collect();
        let viewers = [
            Viewer::default(),
            Viewer {
                exclude: &exclude,
                may_see_private: false,
            },
            Viewer {
                exclude: &exclude,
                may_see_private: true,
            },
        ];
        for (online, sort) in ONLINE.into_iter().flat_map(|online| {
            [Sort::Relevance, Sort::Active, Sort::Newest].map(|sort| (online, sort))
        }) {
            for viewer in &viewers {
                for (away, limit) in [(true, 7), (false, 50)] {
                    let asked = PeopleQuery {
                        online,
                        away,
                        sort: sort.clone(),
                        limit,
                        ..query(Filter::All(vec![Filter::All(Vec::new())]))
                    };
                    let slow = PeopleQuery {
                        filter: Filter::Has {
                            attribute: "about".into(),
                        },
                        ..asked.clone()
                    };
                    let wanted = pages(&people, &slow, viewer);
                    let found = pages(&people, &asked, viewer);
                    assert_eq!(found.len(), wanted.len(), "{asked:?}");
                    for (found, wanted) in found.iter().zip(&wanted) {
                        assert_eq!(found.hits, wanted.hits, "{share} % for {asked:?}");
                        assert_eq!(found.total, wanted.total, "{share} % for {asked:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn either_of_two_words_is_as_of_three_of_which_one_is_nowhere() {
    let mut random = fastrand::Rng::with_seed(32);
    for share in [3, 50] {
        let people = crowd(&mut random, share);
        for (online, limit) in ONLINE
            .into_iter()
            .flat_map(|online| [(online, 6), (online, 60)])
        {
            let words = |all: &[&str]| Filter::Any(all.iter().map(|one| words(one)).collect());
            let asked = PeopleQuery {
                online,
                limit,
                ..query(words(&["jazz", "film"]))
            };
            let slow = PeopleQuery {
                filter: words(&["jazz", "film", "nowhere"]),
                ..asked.clone()
            };
            let viewer = Viewer::default();
            let all = |asked: &PeopleQuery| -> Vec<Hit> {
                let pages = pages(&people, asked, &viewer).into_iter();
                pages.flat_map(|answer| answer.hits).collect()
            };
            let (wanted, found) = (all(&slow), all(&asked));
            // Ties are in no order.
            let scores = |hits: &[Hit]| -> Vec<f32> { hits.iter().map(|hit| hit.score).collect() };
            assert_eq!(scores(&found), scores(&wanted), "{share} % for {asked:?}");
            let set = |hits: &[Hit]| -> BTreeSet<(String, u32)> {
                let hits = hits.iter();
                hits.map(|hit| (hit.user.clone(), hit.score.to_bits()))
                    .collect()
            };
            assert_eq!(set(&found), set(&wanted), "{share} % for {asked:?}");
            assert_eq!(set(&found).len(), found.len(), "{asked:?}");
            assert!(online == Online::Only || !found.is_empty());
        }
    }
}

#[test]
fn who_fits_on_a_page_is_counted() {
    let people = open();
    for user in 0..30 {
        people.put(&format!("user-{user}"), &about("jazz and tea"));
    }
    people.put("ada", &about("film, jazz"));
    people.index.set_presence("ada", Presence::Available);
    people.commit();
    let total = |written: &[&str], online, limit| {
        let asked = PeopleQuery {
            online,
            limit,
            ..query(Filter::Any(written.iter().map(|one| words(one)).collect()))
        };
        let Total { count, exact } = people.ask(&asked).total;
        (count, exact)
    };
    for online in ONLINE {
        assert_eq!(total(&["nowhere"], online, 20), (0, true), "{online:?}");
        assert_eq!(total(&["film"], online, 20), (1, true), "{online:?}");
        let either = total(&["film", "nowhere"], online, 1);
        assert_eq!(either, (1, true), "{online:?}");
    }
    assert_eq!(total(&["jazz"], Online::Any, 31), (31, true));
    assert_eq!(total(&["jazz"], Online::First, 31), (31, true));
    assert_eq!(total(&["jazz", "film"], Online::Any, 40), (31, true));
    assert_eq!(total(&["jazz"], Online::Only, 30), (1, true));
    let (count, exact) = total(&["jazz"], Online::Any, 20);
    assert!(!exact && (21..=31).contains(&count), "{count}");
}
