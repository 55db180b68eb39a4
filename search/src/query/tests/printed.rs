//! What is printed is read as the same.

use proptest::prelude::*;

use super::*;

#[test]
fn filters_print_as_people_write() {
    for query in [
        "*",
        "rock climbing",
        "rock photo*",
        "\"rock climbing\"",
        "a b OR c -d",
        "a (b OR c) -(d e)",
        "(a b) OR -(c OR d)",
        "a (b)",
        "city:berlin,hamburg",
        "city:\"New York\",\"a,b\",\"\\\"\\\\\"",
        "age:25..35,40 -age:30",
        "joined:2026-01-01..2026-12-31",
        "joined:2026-01-01T12:00:00.250Z",
        "location:52.52,13.4,30000m",
        "has:photo,about verified:yes",
        "about:climb*,\"rock climbing\",surf",
        "about:(rock climb*) headline:(a,b)",
        "--a",
        "-city:a,b",
        "age:1e300",
    ] {
        let filter = good(query);
        let printed = filter.to_string();
        assert_eq!(good(&printed), filter, "{printed}");
        if query != "(a b) OR -(c OR d)" {
            assert_eq!(printed, query);
        }
    }
}

#[test]
fn what_programs_make_prints_as_the_same_question() {
    for (filter, printed) in [
        (Filter::All(vec![words("a"), words("b")]), "a (b)"),
        (Filter::All(vec![Filter::Any(vec![words("a")])]), "a"),
        (Filter::Any(Vec::new()), "-*"),
        (
            words("(say \"OR\" city:x -y z*) NOT"),
            "say or city x y z not",
        ),
        (text("a -", How::Prefix), "a*"),
        (text_in("about", "a \"b\" c*", How::Words), "about:(a b c)"),
        (not(not(Filter::All(Vec::new()))), "--*"),
    ] {
        assert_eq!(filter.to_string(), printed);
        assert!(read(printed).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any text is read or refused at a place in it; what is read passes the check for programs, prints, and
    /// is read as the same again.
    #[test]
    fn any_text_holds(query in any_query()) {
        match read(&query) {
            Ok(filter) => {
                prop_assert_eq!(check_filter(&filter, &attributes(), false), Ok(()));
                let printed = filter.to_string();
                if printed.len() <= MAX_QUERY_BYTES {
                    prop_assert_eq!(read(&printed), Ok(filter), "{}", printed);
                }
            }
            Err(error) => {
                prop_assert!(query.get(error.at..error.at + error.len).is_some());
                prop_assert!(error.message.len() < 1_000);
                prop_assert!(error.render(&query).lines().count() == 3);
            }
        }
    }

    /// What a program may ask prints as a query that is read, and then prints the same.
    #[test]
    fn any_filter_prints(filter in any_filter()) {
        if check_filter(&filter, &attributes(), false).is_ok() {
            let printed = filter.to_string();
            if printed.len() <= MAX_QUERY_BYTES {
                let again = read(&printed);
                prop_assert!(again.is_ok(), "{}: {:?}", printed, again);
                if let Ok(again) = again {
                    prop_assert_eq!(again.to_string(), printed);
                }
            }
            let json = serde_json::to_value(&filter).expect("it is data");
            prop_assert_eq!(serde_json::from_value::<Filter>(json).expect("as written"), filter);
        }
    }
}

fn any_query() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![
            "rock", "climb*", "登山", "OR", "AND", "NOT", "-", "(", ")", "\"", "“", "”", "*", ",", ":",
            "：", "\\", "..", " ", "city:", "age:", "joined:", "near:", "location:", "has:", "photo",
            "verified:", "about:", "berlin", "25", "35", "2026-11-22", "2026-01", "-7d", "yes",
            "52.52,13.40,30km", "about:(", "city:berlin,hamburg", "age:25..35", "\"rock climbing\"", "c++",
            ">=", "<=", "e\u{301}", "T10:00:00Z", "1e300", "0", "🧗",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
        2 => Just(" ".to_owned()),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let how = prop::sample::select(vec![How::Words, How::Phrase, How::Prefix]);
    let said = prop_oneof![
        "[a-zA-Z(\"*:,. -]{1,8}",
        "\\PC{1,6}",
        Just("OR NOT".to_owned())
    ];
    let attribute = prop::option::of(Just("about".to_owned()));
    let number = prop_oneof![any::<f64>(), (-9..99_i32).prop_map(f64::from)];
    let date = prop_oneof![
        any::<i64>(),
        (-9..9_i64).prop_map(|days| days * 86_400_000 - days % 2)
    ];
    let leaf = prop_oneof![
        (said, how, attribute).prop_map(|(words, how, attribute)| Filter::Text(Words {
            words,
            how,
            attribute
        })),
        "\\PC{1,6}".prop_map(|value| keyword("city", &value)),
        number
            .clone()
            .prop_map(|value| is("age", Value::Number(value))),
        prop::option::of(number.clone()).prop_map(|from| range(
            "age",
            from.map(Value::Number),
            None
        )),
        (date.clone(), date.clone()).prop_map(|(from, to)| range(
            "joined",
            Some(Value::Date(from)),
            Some(Value::Date(to))
        )),
        date.prop_map(|value| is("joined", Value::Date(value))),
        any::<bool>().prop_map(|yes| is("verified", Value::Boolean(yes))),
        Just(Filter::Has {
            attribute: "photo".to_owned()
        }),
        (-90.0..90.0, -180.0..180.0, number).prop_map(|(lat, lon, within_m)| Filter::Near {
            attribute: "location".to_owned(),
            at: GeoPoint { lat, lon },
            within_m,
        }),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Any),
            inner.prop_map(not),
        ]
    })
}
