//! Profiles as backends send them, good and bad.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::attributes::Attribute;

fn attributes() -> Attributes {
    let declare = |name: &str, kind, multiple, public| {
        (
            name.to_owned(),
            Attribute {
                kind,
                multiple,
                public,
            },
        )
    };
    Attributes::new([
        declare("about", Kind::Text, false, true),
        declare("city", Kind::Keyword, false, true),
        declare("skills", Kind::Keyword, true, true),
        declare("age", Kind::Number, false, true),
        declare("joined", Kind::Date, false, true),
        declare("location", Kind::GeoPoint, false, true),
        declare("verified", Kind::Boolean, false, true),
        declare("score", Kind::Number, false, false),
    ])
    .expect("they are good")
}

fn read(given: Json) -> Result<Profile, ProfileError> {
    Profile::from_json(&attributes(), given.as_object().expect("an object"))
}

fn error(given: Json) -> String {
    read(given).expect_err("it is bad").to_string()
}

#[test]
fn every_kind_is_read_and_written() {
    let given = json!({
        "about": "Ich klettere.\n登山も好き",
        "city": "Berlin",
        "skills": ["Rust", "C++"],
        "age": 31,
        "joined": "2026-11-22",
        "location": { "lat": 52.52, "lon": 13.4 },
        "verified": true,
        "score": 0.25,
    });
    let profile = read(given.clone()).expect("it is good");
    assert_eq!(profile.attributes["age"], [Value::Number(31.0)]);
    assert_eq!(
        profile.attributes["joined"],
        [Value::Date(1_795_305_600_000)]
    );
    assert_eq!(Json::from(profile.to_json(&attributes(), true)), given);
    let mut seen = given;
    seen.as_object_mut().expect("an object").remove("score");
    assert_eq!(Json::from(profile.to_json(&attributes(), false)), seen);
    // What is not declared any more is not shown.
    assert!(profile.to_json(&Attributes::default(), true).is_empty());
}

#[test]
fn nothing_is_no_value() {
    let profile = read(json!({ "city": null, "skills": [], "age": [] })).expect("it is good");
    assert_eq!(profile, Profile::default());
    // One value may come as a list of one, and a list of one as one.
    let profile = read(json!({ "age": [31], "skills": "Rust" })).expect("it is good");
    let seen = profile.to_json(&attributes(), false);
    assert_eq!(Json::from(seen), json!({ "age": 31, "skills": ["Rust"] }));
}

#[test]
fn a_keyword_said_twice_counts_once() {
    let profile = read(json!({ "skills": ["Rust", " rust ", "RÜST"] })).expect("it is good");
    assert_eq!(
        profile.attributes["skills"],
        [Value::Keyword("Rust".to_owned()),]
    );
}

#[test]
fn moments_keep_their_time() {
    let profile = read(json!({ "joined": "2026-11-22T18:30:00.250+01:00" })).expect("it is good");
    let seen = profile.to_json(&attributes(), false);
    assert_eq!(seen["joined"], "2026-11-22T17:30:00.250Z");
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(
        error(json!({ "colour": "red" })),
        "no attribute `colour` is declared; there are: about, age, city, joined, location, score, \
         skills, verified"
    );
    assert_eq!(
        error(json!({ "age": "31" })),
        "`age` is a number, and \"31\" is not"
    );
    assert_eq!(
        error(json!({ "age": [1, 2] })),
        "`age` has one value, and 2 were given"
    );
    assert_eq!(
        error(json!({ "joined": "22.11.2026" })),
        "`joined` is a date (`2026-11-22` or RFC 3339 as `2026-11-22T18:30:00Z`, years 1 to 9999), and \
         \"22.11.2026\" is not"
    );
    assert_eq!(
        error(json!({ "location": { "lat": 91, "lon": 0 } })),
        "`location`: there is no latitude 91 with longitude 0: -90 to 90 and -180 to 180"
    );
    assert_eq!(
        error(json!({ "city": " \u{AD} " })),
        "`city`: a keyword cannot be empty"
    );
    assert_eq!(
        error(json!({ "city": "a\0b" })),
        "`city`: a keyword cannot have control characters"
    );
    assert_eq!(
        error(json!({ "city": "x".repeat(257) })),
        "`city`: 257 bytes, the limit is 256"
    );
    assert_eq!(
        error(json!({ "about": "x".repeat(MAX_TEXT_BYTES + 1) })),
        "`about`: 16385 bytes, the limit is 16384"
    );
    assert_eq!(
        error(json!({ "skills": vec!["x"; 65] })),
        "`skills`: 65 values, the limit is 64"
    );
    for wrong in [
        json!({ "about": 7 }),
        json!({ "city": ["Berlin", null] }),
        json!({ "skills": [["Rust"]] }),
        json!({ "verified": "yes" }),
        json!({ "location": [52.5, 13.4] }),
        json!({ "location": { "lat": 1, "lon": 2, "alt": 3 } }),
        json!({ "location": { "lat": "1", "lon": 2 } }),
        json!({ "joined": 1_764_000_000 }),
        json!({ "age": { "deep": vec![0; 100_000] } }),
    ] {
        let told = error(wrong.clone());
        let name = wrong
            .as_object()
            .and_then(|all| all.keys().next())
            .expect("one");
        assert!(
            told.starts_with(&format!("`{name}`")) && told.len() < 300,
            "{told}"
        );
    }
}

#[test]
fn a_profile_is_bounded_as_a_whole() {
    let attributes = Attributes::new((0..8).map(|number| {
        let text = Attribute {
            kind: Kind::Text,
            multiple: true,
            public: true,
        };
        (format!("t{number}"), text)
    }))
    .expect("they are good");
    let texts = |count: usize| {
        (0..count)
            .map(|number| (format!("t{number}"), json!("x".repeat(MAX_TEXT_BYTES))))
            .collect()
    };
    assert!(Profile::from_json(&attributes, &texts(4)).is_ok());
    let error = Profile::from_json(&attributes, &texts(5)).expect_err("it is too large");
    assert!(
        error
            .to_string()
            .starts_with("`t4`: the profile has more than 65536 bytes"),
        "{error}"
    );
}

proptest! {
    /// Whatever is given: it is refused, or read, and then its JSON is read as the same.
    #[test]
    fn profiles_are_written_as_they_are_read(given in prop::collection::btree_map(name(), any_json(), 0..4)) {
        let object = given.into_iter().collect();
        if let Ok(profile) = Profile::from_json(&attributes(), &object) {
            let written = profile.to_json(&attributes(), true);
            prop_assert_eq!(Profile::from_json(&attributes(), &written), Ok(profile));
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "about", "city", "skills", "age", "joined", "location", "verified",
    ])
    .prop_map(str::to_owned)
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
        (-90_000_000_000_000..300_000_000_000_000_i64).prop_map(|ms| Json::from(dates::write(ms))),
        (-100.0..100.0, -200.0..200.0).prop_map(|(lat, lon)| json!({ "lat": lat, "lon": lon })),
    ];
    prop_oneof![
        leaf.clone(),
        prop::collection::vec(leaf, 0..4).prop_map(Json::from)
    ]
}
