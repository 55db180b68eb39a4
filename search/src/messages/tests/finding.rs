//! Who finds what.

use super::*;

#[test]
fn words_of_many_languages_are_found() {
    let texts = [
        "Lunch at the new place? Let's meet at 12:30",
        "Kein Problem, Straße 5, Übung macht den Meister",
        "İstanbul'da buluşalım, ışıklar çok güzel",
        "明天我们去登山 bring water",
        "今日は東京タワーで会いましょう、コーヒーも",
        "내일 서울에서 만나요 ok",
        "l'école est fermée aujourd'hui",
        "Встретимся у ёлки в шесть",
        "we use node.js and C++ 🚀",
        "พรุ่งนี้เจอกันที่กรุงเทพ",
    ];
    let opened = open();
    opened.say(&texts);
    for (query, found) in [
        ("lunch", vec![1]),
        ("LUNCH meet", vec![1]),
        ("lunch school", vec![]),
        ("strasse", vec![2]),
        ("ubung", vec![2]),
        ("Ｍｅｉｓｔｅｒ", vec![2]),
        ("istanbul", vec![3]),
        ("guzel", vec![3]),
        ("登山", vec![4]),
        ("登山 water", vec![4]),
        ("山", vec![4]),
        ("我们去登山", vec![4]),
        ("山登", vec![]),
        ("東京", vec![5]),
        ("コーヒー", vec![5]),
        ("ｺｰﾋｰ", vec![5]),
        ("서울", vec![6]),
        ("만나요 OK", vec![6]),
        ("ecole", vec![7]),
        ("елки", vec![8]),
        ("c++", vec![9]),
        ("node.js", vec![9]),
        ("🚀", vec![9]),
        ("กรุงเทพ", vec![10]),
        ("meet*", vec![1]),
        ("mei*", vec![2]),
        ("\"the new place\"", vec![1]),
        ("\"new the place\"", vec![]),
        ("lunch OR 登山 OR 서울", vec![6, 4, 1]),
        ("(lunch OR strasse) -meister", vec![1]),
        ("-lunch from:alice", vec![10, 9, 8, 7, 6, 5, 4, 3, 2]),
        ("NOT (lunch OR a* OR o*)", vec![10, 8, 5, 4, 3, 2]),
    ] {
        assert_eq!(opened.finds_by(query), found, "{query}");
    }
}

#[test]
fn authors_conversations_and_times() {
    let opened = open();
    const DAY: i64 = 86_400_000;
    for (number, seq, author, at_ms) in [
        (1, 1, "alice", NOW_MS - 400 * DAY),
        (1, 2, "bob", NOW_MS - 8 * DAY),
        (2, 3, "bob", NOW_MS - DAY),
        (2, 4, "Bob", NOW_MS),
        (3, 5, "carol:x", NOW_MS + DAY - 1),
        (3, 6, "alice", NOW_MS + DAY),
    ] {
        opened.put(&Document {
            author,
            at_ms,
            ..message(number, seq, "hello")
        });
    }
    opened.commit();
    let [one, two] = [1, 2].map(|number| id::write(&conversation(number)));
    for (query, found) in [
        ("", vec![6, 5, 4, 3, 2, 1]),
        ("*", vec![6, 5, 4, 3, 2, 1]),
        ("from:bob", vec![3, 2]),
        ("from:Bob", vec![4]),
        ("from:bob,alice", vec![6, 3, 2, 1]),
        ("-from:bob,alice", vec![5, 4]),
        ("from:\"carol:x\"", vec![5]),
        (&format!("in:{one}"), vec![2, 1]),
        (
            &format!("in:{one},{}", two.to_uppercase()),
            vec![4, 3, 2, 1],
        ),
        (&format!("hello -in:{one}"), vec![6, 5, 4, 3]),
        (&format!("in:{one} from:bob hello"), vec![2]),
        ("before:2026-11-22", vec![3, 2, 1]),
        ("after:2026-11-22", vec![6]),
        ("after:2025", vec![6, 5, 4, 3, 2]),
        ("before:2026", vec![1]),
        ("after:-7d", vec![6, 5, 4, 3]),
        ("after:-25h", vec![6, 5, 4, 3]),
        ("sent:2026-11-22", vec![5, 4]),
        ("sent:2026-11-21..2026-11-22", vec![5, 4, 3]),
        ("sent:-8d..", vec![6, 5, 4, 3, 2]),
        ("sent:2026-11-22T00:00:00Z", vec![4]),
        ("hello after:2026-11-20 before:2026-11-22", vec![3]),
        ("after:2026-11-22 before:2026-11-20", vec![]),
        ("-sent:2026-11-22", vec![6, 3, 2, 1]),
        ("sent:2026-11-22 OR before:2026", vec![5, 4, 1]),
        ("hello -(sent:2026-11-22 OR from:bob)", vec![6, 1]),
        ("before:0001", vec![]),
        ("after:9999", vec![]),
    ] {
        assert_eq!(opened.finds_by(query), found, "{query}");
        // A program finds the same.
        let filter = parse(query, &Context { now_ms: NOW_MS }).unwrap();
        let json = serde_json::to_value(&filter).unwrap();
        let read: Filter = serde_json::from_value(json).unwrap();
        assert_eq!(opened.finds(read), found, "{query}");
        // The order of relevance finds the same.
        let mut best = seqs(&opened.ask(
            &MessageQuery {
                sort: Sort::Relevance,
                ..MessageQuery::new(filter)
            },
            &viewer("alice"),
        ));
        best.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(best, found, "{query}");
    }
}

#[test]
fn only_members_find_and_only_what_they_see() {
    let opened = open();
    for seq in 1..=6 {
        opened.put(&message(1, seq, "lunch"));
        opened.put(&Document {
            members: &["bob", "carol"],
            ..message(2, seq, "lunch")
        });
        opened.put(&Document {
            members: &[],
            ..message(3, seq, "lunch")
        });
    }
    opened.commit();
    let query = MessageQuery::new(words("lunch"));
    let found = |viewer: Viewer<'_>| {
        let best = MessageQuery {
            sort: Sort::Relevance,
            ..query.clone()
        };
        let (newest, best) = (opened.ask(&query, &viewer), opened.ask(&best, &viewer));
        assert_eq!(by_conversation(&newest), by_conversation(&best));
        by_conversation(&newest)
    };
    let all = vec![6, 5, 4, 3, 2, 1];
    assert_eq!(found(viewer("alice")), BTreeMap::from([(1, all.clone())]));
    assert_eq!(
        found(viewer("bob")),
        BTreeMap::from([(1, all.clone()), (2, all.clone())])
    );
    assert_eq!(found(viewer("nobody")), BTreeMap::new());
    let large = [conversation(3), conversation(3), conversation(9)];
    assert_eq!(
        found(Viewer {
            large: &large,
            ..viewer("alice")
        }),
        BTreeMap::from([(1, all.clone()), (3, all.clone())])
    );
    // Who left sees nothing that was written later; who came back sees it from then on.
    let sees = |conversation: Conversation, seq| match conversation[0] {
        1 => Sight::among(seq, [(1, 2), (5, 5)]),
        _ => Sight::of(seq, seq <= 3),
    };
    let left = Viewer {
        large: &large,
        sees: &sees,
        ..viewer("alice")
    };
    assert_eq!(
        found(left),
        BTreeMap::from([(1, vec![5, 2, 1]), (3, vec![3, 2, 1])])
    );
    // Somebody else's conversation is not opened by naming it.
    for number in [2, 3] {
        let named = MessageQuery::new(Filter::In(vec![conversation(number)]));
        assert_eq!(opened.ask(&named, &viewer("alice")).hits, []);
    }
    let never = |_, _| panic!("the operator sees everything");
    let operator = Viewer {
        all: true,
        sees: &never,
        ..viewer("")
    };
    assert_eq!(
        found(operator),
        BTreeMap::from([(1, all.clone()), (2, all.clone()), (3, all)])
    );
}

#[test]
fn sight_is_asked_of_a_page_alone() {
    let opened = open();
    for seq in 1..=20_000 {
        opened.put(&message(1, seq, "lunch"));
    }
    opened.commit();
    for sort in [Sort::Newest, Sort::Relevance] {
        let asked = std::cell::Cell::new(0);
        let sees = |_, seq| {
            asked.set(asked.get() + 1);
            Sight::of(seq, seq % 2 == 0)
        };
        let one_by_one = Viewer {
            sees: &sees,
            ..viewer("alice")
        };
        let query = MessageQuery {
            sort,
            limit: 5,
            ..MessageQuery::new(words("lunch"))
        };
        let answer = opened.ask(&query, &one_by_one);
        assert_eq!(seqs(&answer), [20_000, 19_998, 19_996, 19_994, 19_992]);
        let limit = match sort {
            Sort::Newest => 12,
            // All fit as well as each other, and come in the order of time.
            Sort::Relevance => 20_000,
        };
        assert!(
            asked.get() <= limit,
            "{sort:?}: asked {} times",
            asked.get()
        );

        asked.set(0);
        let sees = |_, seq| {
            asked.set(asked.get() + 1);
            Sight::among(seq, [(1, 10)])
        };
        let by_interval = Viewer {
            sees: &sees,
            ..viewer("alice")
        };
        assert_eq!(seqs(&opened.ask(&query, &by_interval)), [10, 9, 8, 7, 6]);
        assert_eq!(asked.get(), 2);
    }
}

#[test]
fn relevance_is_by_words_and_then_by_time() {
    let opened = open();
    opened.say(&[
        "climbing",
        "climbing and some other words which are many",
        "climbing climbing",
        "climbing",
        "weather",
    ]);
    let query = MessageQuery {
        sort: Sort::Relevance,
        ..MessageQuery::new(words("climbing"))
    };
    let answer = opened.ask(&query, &viewer("alice"));
    assert_eq!(seqs(&answer), [3, 4, 1, 2]);
    assert!(answer.hits[0].score > answer.hits[1].score);
    assert!(answer.hits[3].score > 0.0);
    // Without words newest come first.
    let query = MessageQuery {
        sort: Sort::Relevance,
        ..MessageQuery::new(everything())
    };
    assert_eq!(seqs(&opened.ask(&query, &viewer("bob"))), [5, 4, 3, 2, 1]);
}

#[test]
fn hits_say_what_they_are() {
    let opened = open();
    opened.put(&Document {
        author: "bob",
        at_ms: -5,
        ..message(7, 3, "hi")
    });
    opened.commit();
    let answer = opened.ask(&MessageQuery::new(everything()), &viewer("alice"));
    let hit = Hit {
        conversation: conversation(7),
        seq: 3,
        author: "bob".to_owned(),
        at_ms: -5,
        score: 0.0,
    };
    assert_eq!(answer.hits, [hit]);
    assert_eq!(answer.next, None);
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(
        json["hits"][0]["conversation"],
        "07070707-0707-0707-0707-070707070707"
    );
}

#[test]
fn words_are_marked_in_a_text() {
    let context = Context { now_ms: NOW_MS };
    let marked = |query: &str, text: &str| {
        let highlighter = Highlighter::new(&parse(query, &context).unwrap());
        let ranges = highlighter.of(text).into_iter();
        ranges
            .map(|range| text[range].to_owned())
            .collect::<Vec<_>>()
    };
    let text = "Lunch in der Straße? 明天我们去登山, Climbing the wall";
    for (query, found) in [
        ("lunch from:bob before:2026", vec!["Lunch"]),
        ("strasse clim*", vec!["Straße", "Climbing"]),
        ("登山 OR lunch", vec!["Lunch", "登山"]),
        ("\"the wall\"", vec!["the", "wall"]),
        ("\"wall the\"", vec![]),
        ("wall -lunch", vec!["wall"]),
        ("from:lunch", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(marked(query, text), found, "{query}");
    }
}

#[test]
fn too_many_are_ranked_from_the_newest() {
    let opened = open();
    let all = MAX_RANKED as u64 + 20_000;
    for seq in 1..=all {
        // What fits best is the oldest; it is left out where too much fits.
        let text = if seq == 1 {
            "lunch rare"
        } else {
            "lunch lunch"
        };
        opened.put(&message(1, seq, text));
    }
    opened.commit();
    let query = |filter| MessageQuery {
        sort: Sort::Relevance,
        limit: 100,
        ..MessageQuery::new(filter)
    };
    let common = query(words("lunch"));
    let first = opened.ask(&common, &viewer("alice"));
    assert_eq!(seqs(&first), (all - 99..=all).rev().collect::<Vec<_>>());
    let since_ms = first.since_ms.expect("there are too many");
    assert!(since_ms <= (all - MAX_RANKED as u64) as i64 * 1_000);
    // To find each phrase more is looked at.
    let phrase = query(Filter::Text {
        words: "lunch lunch".to_owned(),
        how: How::Phrase,
    });
    let found = opened.ask(&phrase, &viewer("alice"));
    let since = found.since_ms.expect("there are too many");
    assert!(since > since_ms, "{since} {since_ms}");
    assert!(since <= (all - MAX_RANKED_PHRASES as u64) as i64 * 1_000);
    // Going on does not go farther back.
    let second = opened.ask(
        &MessageQuery {
            after: first.next,
            ..common
        },
        &viewer("alice"),
    );
    assert_eq!(
        seqs(&second),
        (all - 199..=all - 100).rev().collect::<Vec<_>>()
    );
    assert_eq!(second.since_ms, Some(since_ms));
    // With something rarer everything is ranked.
    let rare = opened.ask(&query(words("lunch rare")), &viewer("alice"));
    assert_eq!((seqs(&rare), rare.since_ms), (vec![1], None));
    let newest = opened.ask(&MessageQuery::new(words("lunch")), &viewer("alice"));
    assert_eq!(newest.since_ms, None);
}
