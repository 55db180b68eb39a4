//! Page after page.

use std::collections::BTreeSet;

use super::*;

fn pages(opened: &Opened, query: &MessageQuery, mut between: impl FnMut()) -> Vec<(u8, u64)> {
    let (mut query, mut found) = (query.clone(), Vec::new());
    loop {
        let answer = opened.ask(&query, &viewer("alice"));
        assert!(answer.hits.len() <= query.limit);
        found.extend(answer.hits.iter().map(|hit| (hit.conversation[0], hit.seq)));
        if answer.next.is_none() {
            return found;
        }
        assert_eq!(answer.hits.len(), query.limit);
        query.after = answer.next;
        between();
    }
}

#[test]
fn pages_follow_each_other_without_a_gap() {
    let opened = open();
    let mut random = fastrand::Rng::with_seed(3);
    let mut expected = Vec::new();
    for seq in 1..=150 {
        for number in 1..=3 {
            // Many at the same time, over several commits and out of order.
            let at_ms = random.i64(0..40);
            let lunch = "lunch ".repeat(random.usize(1..4));
            opened.put(&Document {
                at_ms,
                ..message(number, seq, &lunch)
            });
            expected.push((at_ms, number, seq));
        }
        if seq % 40 == 0 {
            opened.commit();
        }
    }
    opened.commit();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let expected: Vec<(u8, u64)> = expected.iter().map(|(_, at, seq)| (*at, *seq)).collect();
    for limit in [1, 7, 100] {
        let query = MessageQuery {
            limit,
            ..MessageQuery::new(words("lunch"))
        };
        assert_eq!(pages(&opened, &query, || {}), expected);
        let best = MessageQuery {
            sort: Sort::Relevance,
            ..query
        };
        let found = pages(&opened, &best, || {});
        assert_eq!(found.len(), expected.len());
        let set: BTreeSet<_> = found.iter().collect();
        assert_eq!(set, expected.iter().collect());
        let whole = pages(&opened, &MessageQuery { limit: 100, ..best }, || {});
        assert_eq!(found, whole);
    }
}

#[test]
fn pages_are_stable_while_the_index_changes() {
    for sort in [Sort::Newest, Sort::Relevance] {
        let opened = open();
        for seq in 1..=60 {
            opened.put(&message(1, seq, &"lunch ".repeat(seq as usize % 4 + 1)));
        }
        opened.commit();
        let query = MessageQuery {
            limit: 10,
            sort,
            ..MessageQuery::new(words("lunch"))
        };
        let before = pages(&opened, &query, || {});
        let mut next = 1_000;
        let after = pages(&opened, &query, || {
            // New ones come before, and change how rare the word is; another is edited.
            for _ in 0..10 {
                next += 1;
                opened.put(&message(1, next, "something else, and lunch"));
            }
            let again = "lunch ".repeat(30 % 4 + 1);
            opened.put(&message(1, 30, &again));
            opened.commit();
        });
        let after: Vec<_> = after.into_iter().filter(|(_, seq)| *seq <= 1_000).collect();
        assert_eq!(before, after, "{sort:?}");
    }
}

#[test]
fn a_token_is_for_one_query() {
    let opened = open();
    opened.say(&["lunch", "lunch", "lunch"]);
    let query = MessageQuery {
        limit: 1,
        ..MessageQuery::new(words("lunch"))
    };
    let next = opened.ask(&query, &viewer("alice")).next;
    let asked = |query: &MessageQuery, after: Option<String>| {
        let query = MessageQuery {
            after,
            ..query.clone()
        };
        opened.index.search(&query, &viewer("alice"))
    };
    assert_eq!(seqs(&asked(&query, next.clone()).unwrap()), [2]);
    let other = MessageQuery {
        sort: Sort::Relevance,
        ..query.clone()
    };
    for other in [other, MessageQuery::new(words("dinner"))] {
        assert!(matches!(
            asked(&other, next.clone()),
            Err(SearchError::Page(PageError::OtherQuery))
        ));
    }
    let token = next.unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..500 {
        let mut bytes = token.clone().into_bytes();
        let at = random.usize(..bytes.len());
        bytes[at] = random.alphanumeric() as u8;
        // Refused or another place, but nothing worse.
        let _ = asked(&query, String::from_utf8(bytes).ok());
    }
    for wrong in [
        "",
        "x",
        "ümlaut",
        &token[..token.len() / 2],
        &"A".repeat(9_000),
    ] {
        assert!(matches!(
            asked(&query, Some(wrong.to_owned())),
            Err(SearchError::Page(PageError::Unknown))
        ));
    }
}

/// Strangers' messages are counted when words are scored; nobody may learn from it what they say.
#[test]
fn tokens_and_scores_say_nothing_of_what_few_strangers_write() {
    let answers = |strangers: u64| -> Vec<(Option<String>, Vec<f32>)> {
        let opened = open();
        for seq in 1..=6 {
            opened.put(&message(1, seq, "lunch and a diagnosis, soon"));
        }
        for seq in 1..=100 {
            let text = match seq <= strangers {
                true => "the diagnosis was in the morning",
                false => "the weather was in the morning",
            };
            opened.put(&Document {
                author: "carol",
                members: &["carol", "dave"],
                ..message(2, seq, text)
            });
        }
        opened.commit();
        let ask = |filter| {
            let query = MessageQuery {
                sort: Sort::Relevance,
                limit: 3,
                ..MessageQuery::new(filter)
            };
            let answer = opened.ask(&query, &viewer("alice"));
            assert_eq!(answer.hits.len(), 3);
            assert!(answer.hits.iter().all(|hit| hit.score > 0.0));
            let scores = answer.hits.iter().map(|hit| hit.score);
            (answer.next, scores.collect())
        };
        let phrase = text("a diagnosis", How::Phrase);
        let either = Filter::Any(vec![words("diagnosis"), words("secret")]);
        vec![ask(words("diagnosis")), ask(phrase), ask(either)]
    };
    // Places and all, as one's own messages are the same.
    let nobody = answers(0);
    assert!(nobody.iter().all(|(next, _)| next.is_some()));
    for strangers in [1, 20, 50] {
        assert_eq!(answers(strangers), nobody, "{strangers} strangers");
    }
}

/// What very many write is told apart from what few do, so that the rarer word counts more.
#[test]
fn common_words_count_less_than_rare_ones() {
    let opened = open();
    for seq in 1..=5_000 {
        opened.put(&message(1, seq, "lunch today"));
    }
    opened.put(&message(1, 5_001, "today diagnosis"));
    opened.put(&message(1, 5_002, "today lunch"));
    opened.commit();
    let query = MessageQuery {
        sort: Sort::Relevance,
        ..MessageQuery::new(Filter::Any(vec![words("diagnosis"), words("lunch")]))
    };
    let answer = opened.ask(&query, &viewer("alice"));
    assert_eq!(seqs(&answer)[0], 5_001);
    assert!(answer.hits[0].score > 4.0 * answer.hits[1].score);
}
