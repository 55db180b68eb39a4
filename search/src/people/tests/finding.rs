//! What is found, condition by condition.

use super::*;
use crate::query::{MAX_DEPTH, MAX_NODES};

fn at(lat: f64, lon: f64) -> Value {
    Value::GeoPoint(GeoPoint { lat, lon })
}

fn keyword(value: &str) -> Value {
    Value::Keyword(value.to_owned())
}

fn range(attribute: &str, from: Option<Value>, to: Option<Value>) -> Filter {
    Filter::Range {
        attribute: attribute.to_owned(),
        from,
        to,
    }
}

fn near(lat: f64, lon: f64, within_m: f64) -> Filter {
    Filter::Near {
        attribute: "place".to_owned(),
        at: GeoPoint { lat, lon },
        within_m,
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn some_people() -> Opened {
    let people = open();
    people.put(
        "ada",
        &profile(&[
            ("about", Value::Text("Rust and C++, climbing".into())),
            ("work", Value::Text("Engineer at a bank".into())),
            ("work", Value::Text("Teacher of maths".into())),
            ("notes", Value::Text("asked for a refund".into())),
            ("city", keyword("Berlin")),
            ("city", keyword("Zürich")),
            ("age", Value::Number(30.0)),
            ("born", Value::Date(1_000)),
            ("place", at(52.52, 13.40)),
            ("verified", Value::Boolean(true)),
        ]),
    );
    people.put(
        "bob",
        &profile(&[
            (
                "about",
                Value::Text("Climbs mountains, teaches engineers".into()),
            ),
            ("city", keyword("zurich")),
            ("age", Value::Number(0.0)),
            ("born", Value::Date(-5)),
            ("place", at(-16.5, 179.95)),
            ("verified", Value::Boolean(false)),
        ]),
    );
    people.put(
        "mei",
        &profile(&[
            ("about", Value::Text("我在上海工作，喜欢攀岩和音乐".into())),
            ("city", keyword("上海")),
            ("age", Value::Number(-0.0)),
            ("place", at(31.23, 121.47)),
            ("place", at(89.9, 10.0)),
        ]),
    );
    people.commit();
    people
}

#[test]
fn words_phrases_beginnings() {
    let people = some_people();
    let text = |words: &str, how: How, attribute: Option<&str>| {
        let attribute = attribute.map(str::to_owned);
        people.found(Filter::Text(Words {
            words: words.to_owned(),
            how,
            attribute,
        }))
    };
    assert_eq!(text("rust engineer", How::Words, None), names(&["ada"]));
    assert_eq!(text("engineer", How::Prefix, None), names(&["ada", "bob"]));
    assert_eq!(text("clim", How::Prefix, None), names(&["ada", "bob"]));
    assert_eq!(text("clim", How::Words, None), names(&[]));
    assert_eq!(text("a bank", How::Phrase, None), names(&["ada"]));
    assert_eq!(text("bank a", How::Phrase, None), names(&[]));
    assert_eq!(
        text("bank teacher", How::Phrase, None),
        names(&[]),
        "across two values"
    );
    assert_eq!(text("engineer", How::Words, Some("about")), names(&[]));
    assert_eq!(text("engineer", How::Words, Some("work")), names(&["ada"]));
    assert_eq!(text("c++", How::Words, None), names(&["ada"]));
    assert_eq!(text("上海", How::Words, None), names(&["mei"]));
    assert_eq!(text("喜欢攀岩", How::Words, None), names(&["mei"]));
    assert_eq!(text("攀", How::Words, None), names(&["mei"]));
    assert_eq!(text("欢喜", How::Words, None), names(&[]));
    let both = Filter::Any(vec![words("rust"), words("mountains")]);
    assert_eq!(people.found(both), names(&["ada", "bob"]));
    let without = Filter::All(vec![words("climbing"), not(words("rust"))]);
    assert_eq!(people.found(without), names(&[]));
}

#[test]
fn values_and_ranges() {
    let people = some_people();
    assert_eq!(people.found(is("city", "ZÜRICH")), names(&["ada", "bob"]));
    assert_eq!(people.found(is("city", "上海")), names(&["mei"]));
    assert_eq!(people.found(not(is("city", "zürich"))), names(&["mei"]));
    let number = |value: f64| Some(Value::Number(value));
    assert_eq!(
        people.found(range("age", number(0.0), number(0.0))),
        names(&["bob", "mei"])
    );
    assert_eq!(
        people.found(range("age", number(-0.0), None)),
        names(&["ada", "bob", "mei"])
    );
    assert_eq!(
        people.found(range("age", None, number(29.9))),
        names(&["bob", "mei"])
    );
    assert_eq!(
        people.found(range("age", number(30.0), number(30.0))),
        names(&["ada"])
    );
    assert_eq!(
        people.found(range("age", number(31.0), number(30.0))),
        names(&[])
    );
    assert_eq!(
        people.found(range("born", None, Some(Value::Date(-5)))),
        names(&["bob"])
    );
    assert_eq!(
        people.found(range("born", None, None)),
        names(&["ada", "bob"])
    );
    let verified = |value| Filter::Is {
        attribute: "verified".into(),
        value: Value::Boolean(value),
    };
    assert_eq!(people.found(verified(true)), names(&["ada"]));
    assert_eq!(people.found(verified(false)), names(&["bob"]));
    let has = |attribute: &str| Filter::Has {
        attribute: attribute.into(),
    };
    assert_eq!(people.found(has("work")), names(&["ada"]));
    assert_eq!(people.found(not(has("work"))), names(&["bob", "mei"]));
    assert_eq!(people.found(has("place")), names(&["ada", "bob", "mei"]));
    assert_eq!(
        people.found(Filter::All(vec![])),
        names(&["ada", "bob", "mei"])
    );
    assert_eq!(people.found(Filter::Any(vec![])), names(&[]));
}

#[test]
fn places() {
    let people = some_people();
    assert_eq!(people.found(near(52.4, 13.1, 30_000.0)), names(&["ada"]));
    assert_eq!(people.found(near(52.4, 13.1, 20_000.0)), names(&[]));
    assert_eq!(
        people.found(near(-16.5, -179.95, 11_000.0)),
        names(&["bob"])
    );
    assert_eq!(people.found(near(-16.5, -179.95, 10_000.0)), names(&[]));
    assert_eq!(people.found(near(90.0, -100.0, 12_000.0)), names(&["mei"]));
    assert_eq!(
        people.found(near(0.0, 0.0, 1e9)),
        names(&["ada", "bob", "mei"])
    );
    assert_eq!(
        people.found(not(near(52.4, 13.1, 30_000.0))),
        names(&["bob", "mei"])
    );
    let sorted = PeopleQuery {
        sort: Sort::Distance {
            attribute: "place".into(),
            from: GeoPoint {
                lat: 48.0,
                lon: 11.0,
            },
        },
        ..query(Filter::All(vec![]))
    };
    let answer = people.ask(&sorted);
    assert_eq!(users(&answer), ["ada", "mei", "bob"]);
    let distances: Vec<f64> = answer
        .hits
        .iter()
        .map(|hit| hit.distance_m.unwrap())
        .collect();
    assert!(distances.is_sorted(), "{distances:?}");
    assert!((distances[0] - 529_000.0).abs() < 5_000.0, "{distances:?}");
}

#[test]
fn facets_count_who_fits_and_no_one_else() {
    let people = some_people();
    people
        .index
        .put(
            "sue",
            &profile(&[("city", keyword("Berlin"))]),
            &Facts::default(),
        )
        .unwrap();
    let hidden = Facts {
        hidden: true,
        ..Facts::default()
    };
    people
        .index
        .put("hal", &profile(&[("city", keyword("Berlin"))]), &hidden)
        .unwrap();
    people.commit();
    let facets = vec!["city".to_owned(), "verified".to_owned()];
    let asked = PeopleQuery {
        facets,
        limit: 1,
        ..query(Filter::All(vec![]))
    };
    let counts = |answer: &Answer, facet: &str| -> Vec<(String, u64)> {
        let values = answer.facets[facet].values.iter();
        values
            .map(|value| (value.value.clone(), value.count))
            .collect()
    };
    let answer = people.ask(&asked);
    assert_eq!(
        answer.total,
        Total {
            count: 4,
            exact: true
        }
    );
    let expected = [("Berlin", 2), ("Zürich", 2), ("上海", 1)];
    assert_eq!(
        counts(&answer, "city"),
        expected.map(|(city, count)| (city.to_owned(), count))
    );
    assert_eq!(
        counts(&answer, "verified"),
        [("false".to_owned(), 1), ("true".to_owned(), 1)]
    );
    // Whom the viewer excludes is not counted either.
    let exclude = ["ada".to_owned(), "nobody".to_owned(), "hal".to_owned()];
    let viewer = Viewer {
        exclude: &exclude,
        may_see_private: false,
    };
    let answer = people.index.search(&asked, &viewer).unwrap();
    assert_eq!(answer.total.count, 3);
    let expected = [("Berlin", 1), ("zurich", 1), ("上海", 1)];
    assert_eq!(
        counts(&answer, "city"),
        expected.map(|(city, count)| (city.to_owned(), count))
    );
    // The backend finds hidden people.
    let viewer = Viewer {
        exclude: &[],
        may_see_private: true,
    };
    assert_eq!(people.index.search(&asked, &viewer).unwrap().total.count, 5);
    // Words alone are counted to the end when there are facets.
    let asked = PeopleQuery {
        facets: vec!["city".to_owned()],
        ..query(words("climbing"))
    };
    assert_eq!(
        people.ask(&asked).total,
        Total {
            count: 1,
            exact: true
        }
    );
}

#[test]
fn who_is_hidden_or_removed_is_not_counted_any_more_before_a_commit() {
    let people = some_people();
    let asked = PeopleQuery {
        facets: vec!["city".to_owned()],
        ..query(Filter::All(vec![]))
    };
    let all = Viewer {
        may_see_private: true,
        ..Viewer::default()
    };
    let total = |viewer: &Viewer<'_>| people.index.search(&asked, viewer).unwrap().total.count;
    let before = total(&all);
    assert_eq!(total(&Viewer::default()), before);
    let ada = profile(&[("city", keyword("Berlin"))]);
    let facts = |hidden| Facts {
        hidden,
        ..Facts::default()
    };
    people.index.put("ada", &ada, &facts(true)).unwrap();
    assert_eq!(total(&Viewer::default()), before - 1);
    assert_eq!(total(&all), before);
    // Who is shown again meanwhile is found as before.
    people.index.put("ada", &ada, &facts(false)).unwrap();
    assert_eq!(total(&Viewer::default()), before);
    people.index.remove("ada").unwrap();
    assert_eq!(total(&Viewer::default()), before - 1);
    assert_eq!(total(&all), before - 1);
    people.commit();
    assert_eq!(total(&all), before - 1);
    people.index.put("ada", &ada, &facts(false)).unwrap();
    people.commit();
    assert_eq!(total(&Viewer::default()), before);
}

#[test]
fn what_is_not_public_is_not_there_for_clients() {
    let people = some_people();
    let notes = Filter::Text(Words {
        words: "refund".into(),
        how: How::Words,
        attribute: Some("notes".into()),
    });
    let refused = people
        .index
        .search(&query(notes.clone()), &Viewer::default());
    let unknown = FilterError::Unknown("notes".into());
    assert!(matches!(refused, Err(SearchError::Filter(error)) if error == unknown));
    let has = query(Filter::Has {
        attribute: "notes".into(),
    });
    assert!(people.index.search(&has, &Viewer::default()).is_err());
    assert_eq!(people.found(words("refund")), names(&[]));
    let backend = Viewer {
        exclude: &[],
        may_see_private: true,
    };
    let answer = people.index.search(&query(notes), &backend).unwrap();
    assert_eq!(users(&answer), ["ada"]);
}

#[test]
fn wrong_questions_are_refused() {
    let people = some_people();
    let refused = |query: &PeopleQuery| {
        people
            .index
            .search(query, &Viewer::default())
            .unwrap_err()
            .to_string()
    };
    let filter = |filter: Filter| refused(&query(filter));
    assert_eq!(filter(is("town", "x")), "there is no attribute `town`");
    assert_eq!(
        filter(is("age", "x")),
        "`age` is a Number, which this value does not fit"
    );
    assert_eq!(
        filter(range("city", None, None)),
        "`city` is a Keyword, which a range does not fit"
    );
    assert!(filter(range("age", Some(Value::Date(1)), None)).contains("this end"));
    assert!(filter(range("age", Some(Value::Number(f64::NAN)), None)).contains("not a number"));
    assert!(filter(near(91.0, 0.0, 1.0)).contains("latitude"));
    assert!(filter(near(f64::NAN, 0.0, 1.0)).contains("latitude"));
    assert!(filter(near(1.0, 0.0, f64::INFINITY)).contains("metres"));
    assert!(filter(words("  ,.! ")).contains("no word"));
    let many = (0..10_000)
        .map(|word| format!("w{word} "))
        .collect::<String>();
    assert!(filter(words(&many)).contains("limit is 4096"));
    let many = (0..300).map(|word| format!("w{word} ")).collect::<String>();
    assert!(filter(words(&many)).contains("256 words"));
    let places = vec![near(1.0, 1.0, 1e7); MAX_RANGES + 1];
    assert!(filter(Filter::Any(places)).contains("16 places"));
    assert!(filter(Filter::All(vec![Filter::All(vec![]); MAX_NODES])).contains("256 conditions"));
    let deep = (0..=MAX_DEPTH).fold(words("x"), |inner, _| not(inner));
    assert!(filter(deep).contains("16 levels"));
    let limited = PeopleQuery {
        limit: 101,
        ..query(words("x"))
    };
    assert!(refused(&limited).contains("101 hits"));
    let facets = PeopleQuery {
        facets: vec!["age".into()],
        ..query(words("x"))
    };
    assert!(refused(&facets).contains("counting"));
    let from = GeoPoint { lat: 0.0, lon: 0.0 };
    let sort = Sort::Distance {
        attribute: "city".into(),
        from,
    };
    assert!(
        refused(&PeopleQuery {
            sort,
            ..query(words("x"))
        })
        .contains("sorting by distance")
    );
}

#[test]
fn a_beginning_of_very_many_words_says_that_it_is_cut() {
    let people = open();
    for user in 0..50 {
        let many: String = (0..100)
            .map(|word| format!("x{:05} ", user * 100 + word))
            .collect();
        people.put(&format!("u{user}"), &about(&many));
    }
    people.commit();
    let prefix = |words: &str| {
        let words = Words {
            words: words.into(),
            how: How::Prefix,
            attribute: None,
        };
        people.ask(&query(Filter::Text(words)))
    };
    assert!(prefix("x").cut);
    let some = prefix("x000");
    assert!(!some.cut);
    assert_eq!(users(&some), ["u0"]);
}

#[test]
fn hits_say_why() {
    let people = some_people();
    people.index.set_presence("ada", Presence::Available);
    let any = Filter::Any(vec![words("climbing"), words("mountains")]);
    let asked = PeopleQuery {
        explain: true,
        online: Online::First,
        ..query(any)
    };
    let answer = people.ask(&asked);
    assert_eq!(users(&answer), ["ada", "bob"]);
    let explained = answer.hits[0].explanation.as_ref().unwrap();
    assert_eq!(
        explained.details[0].what,
        "is online: online people come first"
    );
    let words = &explained.details[1];
    assert_eq!(words.details.len(), 1);
    assert_eq!(words.details[0].what, "has `climbing`");
    let sum: f64 = words.details.iter().filter_map(|detail| detail.value).sum();
    assert!((sum - words.value.unwrap()).abs() < 0.001, "{words:?}");
}

#[test]
fn words_are_marked_where_they_stand() {
    let attributes = attributes();
    let marked = |filter: Filter, text: &str| -> Vec<String> {
        let highlights = Highlighter::new(&attributes, &filter).of(&about(text), false);
        let ranges = highlights
            .get("about")
            .map_or(&[][..], |values| &values[0][..]);
        ranges
            .iter()
            .map(|range| text[range.clone()].to_owned())
            .collect()
    };
    let text = |words: &str, how| {
        Filter::Text(Words {
            words: words.into(),
            how,
            attribute: None,
        })
    };
    let line = "Café owner, climbs; the café is a book café";
    assert_eq!(
        marked(text("cafe", How::Words), line),
        ["Café", "café", "café"]
    );
    assert_eq!(marked(text("clim", How::Prefix), line), ["climbs"]);
    assert_eq!(
        marked(text("book cafe", How::Phrase), line),
        ["book", "café"]
    );
    assert_eq!(
        marked(not(text("cafe", How::Words)), line),
        Vec::<String>::new()
    );
    assert_eq!(
        marked(text("喜欢攀岩", How::Words), "我在上海，喜欢攀岩和音乐"),
        ["喜欢攀岩"]
    );
    let elsewhere = Filter::Text(Words {
        words: "cafe".into(),
        how: How::Words,
        attribute: Some("work".into()),
    });
    assert_eq!(marked(elsewhere, line), Vec::<String>::new());
}
