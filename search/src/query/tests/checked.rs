//! Queries of programs.

use serde_json::json;

use super::*;

fn query(filter: Filter) -> PeopleQuery {
    serde_json::from_value(json!({ "filter": filter })).expect("the rest has defaults")
}

fn refused(filter: Filter) -> String {
    check_filter(&filter, &attributes(), false)
        .expect_err("it is bad")
        .to_string()
}

#[test]
fn a_query_in_json() {
    let given = json!({
        "filter": { "all": [
            { "text": { "words": "rock climbing" } },
            { "is": { "attribute": "city", "value": { "keyword": "Berlin" } } },
            { "range": { "attribute": "age", "from": { "number": 25.0 }, "to": null } },
            { "not": { "has": { "attribute": "photo" } } },
            { "near": { "attribute": "location", "at": { "lat": 52.52, "lon": 13.4 }, "within_m": 30000.0 } },
        ] },
        "online": "first",
        "sort": { "distance": { "attribute": "location", "from": { "lat": 52.52, "lon": 13.4 } } },
        "facets": ["city", "verified"],
        "limit": 50,
    });
    let query: PeopleQuery = serde_json::from_value(given).expect("it is a query");
    assert_eq!(check(&query, &attributes(), false), Ok(()));
    assert_eq!(
        query.filter.to_string(),
        "rock climbing city:Berlin age:25.. -has:photo location:52.52,13.4,30000m"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (filter, told) in [
        (
            Filter::All(vec![
                words("a"),
                Filter::Any(vec![not(keyword("ctiy", "x"))]),
            ]),
            "filter.all[1].any[0].not.is.attribute: there is no attribute `ctiy`, did you mean `city`?",
        ),
        (
            keyword("score", "x"),
            "filter.is.attribute: there is no attribute `score`; there are: about,",
        ),
        (
            keyword("age", "x"),
            "filter.is.value: `age` is a number, and this is a keyword",
        ),
        (
            keyword("about", "x"),
            "filter.is.attribute: `about` is a text; `is` is for keywords",
        ),
        (
            keyword("city", " "),
            "filter.is.value: the keyword is empty",
        ),
        (
            keyword("city", &"x".repeat(257)),
            "filter.is.value: 257 bytes",
        ),
        (
            is("age", Value::Number(f64::NAN)),
            "filter.is.value: NaN is not a number",
        ),
        (
            is("joined", Value::Date(i64::MAX)),
            "not in the years 1 to 9999",
        ),
        (
            range("age", None, None),
            "filter.range: a range needs `from` or `to`",
        ),
        (
            range("age", Some(Value::Number(2.0)), Some(Value::Number(1.0))),
            "filter.range: the range ends before it begins",
        ),
        (
            range("age", Some(Value::Number(f64::INFINITY)), None),
            "filter.range.from: inf is not",
        ),
        (
            range("age", None, Some(Value::Date(0))),
            "filter.range.to: `age` is a number, and this is a date",
        ),
        (
            range("city", None, None),
            "filter.range.attribute: `city` is a keyword; ranges are of numbers or dates (age, joined)",
        ),
        (
            text_in("city", "x", How::Words),
            "filter.text.attribute: `city` is a keyword; words are looked for in texts (about, headline)",
        ),
        (
            words("?!"),
            "filter.text.words: there is no letter or digit",
        ),
        (
            words(&"x ".repeat(2_049)),
            "filter.text.words: more than 4096 bytes of words",
        ),
        (
            words(&(0..257).map(|n| format!("{n} ")).collect::<String>()),
            "more than 256 words",
        ),
        (
            Filter::Has {
                attribute: "x".repeat(9_999),
            },
            "filter.has.attribute: there is no attribute `xxx",
        ),
        (
            Filter::All(vec![words("a"); 256]),
            "filter.all[255]: the query has more than 256 parts",
        ),
        (
            (0..16).fold(words("a"), |filter, _| not(filter)),
            "nested too deep: the limit is 16 levels",
        ),
    ] {
        let error = refused(filter);
        assert!(error.contains(told) && error.len() < 400, "{error}");
    }
    let near = |lat, lon, within_m| {
        let at = GeoPoint { lat, lon };
        refused(Filter::Near {
            attribute: "location".to_owned(),
            at,
            within_m,
        })
    };
    assert!(near(91.0, 0.0, 1.0).starts_with("filter.near.at: there is no latitude 91"));
    assert!(near(0.0, f64::NAN, 1.0).starts_with("filter.near.at: "));
    for within_m in [0.0, -1.0, f64::NAN, f64::INFINITY, 3e7] {
        assert!(near(0.0, 0.0, within_m).starts_with("filter.near.within_m: "));
    }
}

#[test]
fn what_stands_beside_the_filter_is_checked() {
    let refused = |change: fn(&mut PeopleQuery)| {
        let mut query = query(Filter::All(Vec::new()));
        assert_eq!(check(&query, &attributes(), false), Ok(()));
        change(&mut query);
        check(&query, &attributes(), false)
            .expect_err("it is bad")
            .to_string()
    };
    assert_eq!(
        refused(|query| query.limit = 0),
        "limit: 0 is not from 1 to 100"
    );
    assert_eq!(
        refused(|query| query.limit = 101),
        "limit: 101 is not from 1 to 100"
    );
    assert_eq!(
        refused(|query| query.facets = vec!["age".to_owned()]),
        "facets[0]: `age` is a number; keywords and booleans can be counted (city, photo, skills, verified)"
    );
    assert_eq!(
        refused(|query| query.facets = vec!["city".to_owned(), "city".to_owned()]),
        "facets[1]: `city` is counted already"
    );
    assert!(
        refused(|query| query.facets = vec!["score".to_owned()]).contains("no attribute `score`")
    );
    assert!(refused(|query| query.facets = vec![String::new(); 17]).contains("the limit is 16"));
    assert_eq!(
        refused(|query| query.sort = Sort::Distance {
            attribute: "city".to_owned(),
            from: GeoPoint { lat: 0.0, lon: 0.0 },
        }),
        "sort.distance.attribute: `city` is a keyword; distance is from a place (location)"
    );
    assert!(
        refused(|query| query.sort = Sort::Distance {
            attribute: "location".to_owned(),
            from: GeoPoint {
                lat: 0.0,
                lon: 181.0
            },
        })
        .starts_with("sort.distance.from: there is no latitude 0 with longitude 181")
    );
}

#[test]
fn backends_may_ask_for_everything() {
    let mut query = query(is("score", Value::Number(1.0)));
    assert!(check(&query, &attributes(), false).is_err());
    assert_eq!(check(&query, &attributes(), true), Ok(()));
    query.filter = text_in("notes", "x", How::Words);
    assert_eq!(check(&query, &attributes(), true), Ok(()));
}
