//! Queries of people and of message search: the language, a filter in JSON, and a profile in JSON.
//!
//! Every input is tried as a query of either; one that begins with `{` also as a filter and as a profile.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tidings_search::{
    attributes::{Attribute, Attributes},
    messages,
    profile::Profile,
    query::{Context, Filter, MAX_QUERY_BYTES, check_filter, parse},
    text::{Analyzer, Term},
};

use crate::{Meter, meter::Allowance};

/// Every letter a word of its own is the worst: each is looked at as a piece and as a term.
const ALLOWANCE: Allowance = Allowance {
    fixed: 64 * 1024,
    per_byte: 512,
};

static ATTRIBUTES: LazyLock<Attributes> = LazyLock::new(|| {
    let declared = json!({
        "about": { "kind": "text" },
        "headline": { "kind": "text", "multiple": true },
        "notes": { "kind": "text", "public": false },
        "city": { "kind": "keyword" },
        "skills": { "kind": "keyword", "multiple": true },
        "age": { "kind": "number" },
        "score": { "kind": "number", "public": false },
        "joined": { "kind": "date" },
        "location": { "kind": "geo_point" },
        "verified": { "kind": "boolean" },
    });
    let declared: std::collections::BTreeMap<String, Attribute> =
        serde_json::from_value(declared).expect("they are read");
    Attributes::new(declared).expect("they are good")
});

/// 2026-11-22.
const NOW_MS: i64 = 1_795_305_600_000;

/// What is read prints as something that is read as the same, and errors point into the query.
pub fn check(data: &[u8], meter: Meter) {
    let attributes = &*ATTRIBUTES;
    let text = String::from_utf8_lossy(data);
    for all in [false, true] {
        let context = Context {
            attributes,
            all,
            now_ms: NOW_MS,
        };
        match ALLOWANCE.hold(meter, text.len(), || parse(&text, &context)) {
            Ok(filter) => {
                assert!(text.len() <= MAX_QUERY_BYTES);
                read(&filter, &context);
                // Who may ask for more is answered the same.
                let more = parse(
                    &text,
                    &Context {
                        all: true,
                        ..context
                    },
                );
                assert_eq!(more.as_ref(), Ok(&filter));
            }
            Err(error) => {
                let pointed = text.get(error.at..error.at + error.len);
                assert!(pointed.is_some(), "{error:?}");
                assert!(error.message.len() < 2_000);
                assert_eq!(error.render(&text).lines().count(), 3);
                // What is not public is not told.
                assert!(all || !error.message.contains("notes,"));
            }
        }
    }
    messages(&text, meter);
    words(&text, meter);
    if data.first() == Some(&b'{') {
        filter(data, meter);
        profile(data);
    }
}

/// What was read passes the check for programs and survives being printed.
fn read(filter: &Filter, context: &Context<'_>) {
    assert_eq!(
        check_filter(filter, context.attributes, context.all),
        Ok(())
    );
    let printed = filter.to_string();
    // A short query may become a long one: `-7d` is a moment to the second.
    if printed.len() <= MAX_QUERY_BYTES {
        assert_eq!(parse(&printed, context).as_ref(), Ok(filter), "{printed}");
    }
}

/// What is read passes the check for programs, and errors point into the query.
fn messages(text: &str, meter: Meter) {
    let context = messages::Context { now_ms: NOW_MS };
    match ALLOWANCE.hold(meter, text.len(), || messages::parse(text, &context)) {
        Ok(filter) => {
            assert!(text.len() <= MAX_QUERY_BYTES);
            assert_eq!(messages::check_filter(&filter), Ok(()));
        }
        Err(error) => {
            let pointed = text.get(error.at..error.at + error.len);
            assert!(pointed.is_some(), "{error:?}");
            assert!(error.message.len() < 2_000);
        }
    }
}

/// Terms are never empty, and a text that has words has them in every way of asking.
fn words(text: &str, meter: Meter) {
    let analyzer = Analyzer::default();
    let all = ALLOWANCE.hold(meter, text.len(), || analyzer.terms(text));
    assert_eq!(all.is_empty(), analyzer.phrase(text).is_none());
    assert_eq!(all.is_empty(), analyzer.prefix(text).is_empty());
    for term in all {
        match term {
            Term::Word(word) | Term::Begins(word) => assert!(!word.is_empty()),
            Term::Together { words, .. } => {
                assert!(words.len() > 1 && words.iter().all(|word| !word.is_empty()));
            }
        }
    }
}

/// A filter that passes the check prints as a query that is read, and then prints the same.
fn filter(data: &[u8], meter: Meter) {
    let Ok(filter) = serde_json::from_slice::<Filter>(data) else {
        return;
    };
    for all in [false, true] {
        let checked = ALLOWANCE.hold(meter, data.len(), || {
            check_filter(&filter, &ATTRIBUTES, all)
        });
        match checked {
            Ok(()) => {
                let context = Context {
                    attributes: &ATTRIBUTES,
                    all,
                    now_ms: NOW_MS,
                };
                let printed = filter.to_string();
                if printed.len() <= MAX_QUERY_BYTES {
                    let again = parse(&printed, &context);
                    assert_eq!(again.map(|again| again.to_string()).as_ref(), Ok(&printed));
                }
            }
            Err(error) => assert!(error.to_string().len() < 2_000, "{error}"),
        }
    }
}

/// A profile that is read is written as what is read as the same.
fn profile(data: &[u8]) {
    let Ok(Value::Object(object)) = serde_json::from_slice(data) else {
        return;
    };
    match Profile::from_json(&ATTRIBUTES, &object) {
        Ok(profile) => {
            let written = profile.to_json(&ATTRIBUTES, true);
            assert_eq!(Profile::from_json(&ATTRIBUTES, &written), Ok(profile));
        }
        Err(error) => assert!(error.to_string().len() < 2_000, "{error}"),
    }
}

/// Inputs of every form to begin with, by name.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let queries = [
        ("words", "rock climbing photo*"),
        ("phrase", "\"rock \\\"climbing\\\"\" berlin"),
        ("any", "a b OR (c -d) OR NOT \"e f\""),
        (
            "keywords",
            "city:berlin,hamburg,\"New York\" -skills:C++,c#",
        ),
        ("ranges", "age:25..35,40.. age:<=9e9 score:>=-0.5"),
        (
            "dates",
            "joined:2026-01..2026-11-22 joined:-7d.. joined:2026-11-22T10:00:00.5Z",
        ),
        ("places", "near:52.52,13.40,30km location:52.52,13.40,500m"),
        ("booleans", "verified:yes,no has:about,city"),
        (
            "texts",
            "about:(rock climb*) about:climb* headline:\"a b\",c",
        ),
        (
            "cjk",
            "登山 東京都に住む ｶﾞｲﾄﾞ 서울에서 city：北京，上海 （摄影　OR　“北京”）",
        ),
        ("accents", "Straße ŁÓDŹ d'accord İSTANBUL ﷺ ½ 🧗🏽‍♀️ กรุงเทพ"),
        ("nested", "((((-(a OR (b -(c OR d)))))))"),
        (
            "messages",
            "from:alice,bob in:0198c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f after:-7d before:2026-11 sent:2026-01..",
        ),
        ("wrong-name", "ctiy:berlin"),
        ("wrong-value", "age:old near:91,0,1km joined:22.11.2026"),
        ("wrong-signs", "a*b \"c OR ) ("),
    ];
    let mut seeds: Vec<(String, Vec<u8>)> = queries
        .into_iter()
        .map(|(name, query)| (format!("query-{name}"), query.as_bytes().to_vec()))
        .collect();
    let documents = [
        (
            "filter-all",
            json!({ "all": [
                { "text": { "words": "rock climbing", "how": "phrase", "attribute": "about" } },
                { "any": [
                    { "is": { "attribute": "city", "value": { "keyword": "São Paulo" } } },
                    { "is": { "attribute": "verified", "value": { "boolean": true } } },
                    { "is": { "attribute": "joined", "value": { "date": NOW_MS } } },
                ] },
                { "not": { "has": { "attribute": "location" } } },
            ] }),
        ),
        (
            "filter-range",
            json!({ "range": { "attribute": "age", "from": { "number": 25 }, "to": { "number": 35.5 } } }),
        ),
        (
            "filter-near",
            json!({ "near": { "attribute": "location", "at": { "lat": 52.52, "lon": 13.4 }, "within_m": 1e4 } }),
        ),
        (
            "filter-prefix",
            json!({ "text": { "words": "(a) -b OR c*", "how": "prefix" } }),
        ),
        (
            "profile",
            json!({
                "about": "Ich klettere. 登山も好き",
                "headline": ["a", "b"],
                "city": "Berlin",
                "skills": ["Rust", "C++", "rust"],
                "age": 31.5,
                "joined": "2026-11-22T18:30:00.250+01:00",
                "location": { "lat": 52.52, "lon": -13 },
                "verified": true,
                "score": null,
            }),
        ),
    ];
    for (name, document) in documents {
        seeds.push((name.to_owned(), document.to_string().into_bytes()));
    }
    seeds
}
