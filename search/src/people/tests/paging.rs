//! Pages follow each other without a gap, whatever happens between them.

use super::*;

const WORDS: [&str; 6] = ["jazz", "rust", "tea", "run", "cook", "film"];

fn text(random: &mut fastrand::Rng) -> String {
    let count = random.usize(1..20);
    (0..count)
        .map(|_| WORDS[random.usize(..WORDS.len())])
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn who_does_not_change_is_neither_repeated_nor_left_out() {
    let mut random = fastrand::Rng::with_seed(5);
    for (round, online) in [Online::Any, Online::First, Online::Only]
        .into_iter()
        .cycle()
        .take(9)
        .enumerate()
    {
        let people = open();
        let any = Filter::Any(WORDS[..2].iter().map(|word| words(word)).collect());
        let filter = match round / 3 {
            0 => any,
            1 => words("jazz tea rust"),
            _ => Filter::All(vec![
                any,
                words("tea"),
                Filter::Has {
                    attribute: "about".into(),
                },
            ]),
        };
        let mut fits = BTreeSet::new();
        for user in 0..150 {
            let (user, text) = (format!("still-{user}"), text(&mut random));
            let has = |word: &str| text.split(' ').any(|other| other == word);
            let wanted = match round / 3 {
                0 => has("jazz") || has("rust"),
                1 => has("jazz") && has("rust") && has("tea"),
                _ => (has("jazz") || has("rust")) && has("tea"),
            };
            people.put(&user, &about(&text));
            let available = random.bool();
            if available {
                people.index.set_presence(&user, Presence::Available);
            }
            if wanted && (available || online != Online::Only) {
                fits.insert(user);
            }
        }
        people.commit();
        let mut asked = PeopleQuery {
            online,
            limit: 12,
            ..query(filter)
        };
        let mut seen = BTreeSet::new();
        loop {
            let answer = people.ask(&asked);
            for hit in answer.hits {
                let still = hit.user.starts_with("still");
                assert!(
                    seen.insert(hit.user.clone()) || !still,
                    "{} is repeated",
                    hit.user
                );
            }
            asked.after = answer.next;
            if asked.after.is_none() {
                break;
            }
            // Others come, change and go: what words are worth changes with them.
            for _ in 0..30 {
                let user = format!("moving-{}", random.u32(..200));
                if random.u32(..3) == 0 {
                    people.index.remove(&user).unwrap();
                } else {
                    people.put(&user, &about(&text(&mut random)));
                    people.index.set_presence(&user, Presence::Available);
                }
            }
            people.commit();
        }
        let still: BTreeSet<String> = seen
            .into_iter()
            .filter(|user| user.starts_with("still"))
            .collect();
        assert_eq!(still, fits, "round {round}, {online:?}");
    }
}

/// Who ties is shown once each, also when they are more than a token lists.
#[test]
fn many_ties_are_all_shown() {
    let people = open();
    for user in 0..500 {
        people.put(&format!("same-{user}"), &about("jazz tea"));
        people.put(
            &format!("better-{user}"),
            &about(if user < 30 { "jazz" } else { "tea" }),
        );
    }
    people.commit();
    for online in [Online::Any, Online::First] {
        let mut asked = PeopleQuery {
            online,
            limit: 23,
            ..query(words("jazz"))
        };
        let mut seen: Vec<String> = Vec::new();
        loop {
            let answer = people.ask(&asked);
            seen.extend(answer.hits.into_iter().map(|hit| hit.user));
            asked.after = answer.next;
            let Some(token) = &asked.after else { break };
            assert!(token.len() < 4_096, "{} bytes of token", token.len());
            // Documents move to other segments, and so to other places among their equals.
            for user in 0..20 {
                people.put(&format!("other-{user}"), &about("tea"));
            }
            people.commit();
        }
        assert!(seen[..30].iter().all(|user| user.starts_with("better-")));
        assert_eq!(seen.len(), 530, "{online:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 530, "{online:?}");
    }
}

#[test]
fn a_token_of_another_query_or_of_no_one_is_refused() {
    let people = open();
    for user in 0..30 {
        people.put(&format!("user-{user}"), &about("jazz tea"));
    }
    people.commit();
    let asked = PeopleQuery {
        limit: 5,
        ..query(words("jazz"))
    };
    let next = people.ask(&asked).next;
    assert!(next.is_some());
    let refused = |asked: PeopleQuery| match people.index.search(&asked, &Viewer::default()) {
        Err(SearchError::Page(error)) => Some(error),
        _ => None,
    };
    let others = [
        query(words("tea")),
        PeopleQuery {
            online: Online::First,
            ..asked.clone()
        },
        PeopleQuery {
            away: false,
            ..asked.clone()
        },
        PeopleQuery {
            sort: Sort::Active,
            ..asked.clone()
        },
    ];
    for other in others {
        let other = PeopleQuery {
            after: next.clone(),
            ..other
        };
        assert_eq!(refused(other), Some(PageError::OtherQuery));
    }
    let long = "A".repeat(100_000);
    for token in ["", "x", "AAAA", "🐢", &long] {
        let asked = PeopleQuery {
            after: Some(token.to_owned()),
            ..asked.clone()
        };
        assert_eq!(refused(asked), Some(PageError::Unknown), "{token:.10}");
    }
    // What of a page is shown may change.
    let more = PeopleQuery {
        limit: 100,
        explain: true,
        after: next.clone(),
        ..asked.clone()
    };
    assert_eq!(people.ask(&more).hits.len(), 25);
    // Whatever else a token says, it is answered or refused.
    let token = next.unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..2_000 {
        let mut bytes = token.clone().into_bytes();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = b"ABCDEFGHabcdefgh0123456789-_"[random.usize(..28)];
        }
        let after = String::from_utf8(bytes).ok();
        let _ = people.index.search(
            &PeopleQuery {
                after,
                ..asked.clone()
            },
            &Viewer::default(),
        );
    }
}
