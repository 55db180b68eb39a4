//! Queries as people and programs write them.

mod checked;
mod documented;
mod printed;
mod refused;

use super::*;
use crate::attributes::{Attribute, Attributes, Kind};

const NOW_MS: i64 = 1_795_305_600_000;

fn attributes() -> Attributes {
    let declare = |name: &str, kind, public| {
        let multiple = name == "skills";
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
        declare("about", Kind::Text, true),
        declare("headline", Kind::Text, true),
        declare("notes", Kind::Text, false),
        declare("city", Kind::Keyword, true),
        declare("skills", Kind::Keyword, true),
        declare("age", Kind::Number, true),
        declare("score", Kind::Number, false),
        declare("joined", Kind::Date, true),
        declare("location", Kind::GeoPoint, true),
        declare("verified", Kind::Boolean, true),
        declare("photo", Kind::Boolean, true),
    ])
    .expect("they are good")
}

fn read(query: &str) -> Result<Filter, ParseError> {
    let attributes = attributes();
    parse(
        query,
        &Context {
            attributes: &attributes,
            all: false,
            now_ms: NOW_MS,
        },
    )
}

fn good(query: &str) -> Filter {
    read(query).unwrap_or_else(|error| panic!("{}", error.render(query)))
}

fn text(words: &str, how: How) -> Filter {
    Filter::Text(Words {
        words: words.to_owned(),
        how,
        attribute: None,
    })
}

fn words(words: &str) -> Filter {
    text(words, How::Words)
}

fn text_in(attribute: &str, words: &str, how: How) -> Filter {
    Filter::Text(Words {
        words: words.to_owned(),
        how,
        attribute: Some(attribute.to_owned()),
    })
}

fn keyword(attribute: &str, value: &str) -> Filter {
    is(attribute, Value::Keyword(value.to_owned()))
}

fn is(attribute: &str, value: Value) -> Filter {
    Filter::Is {
        attribute: attribute.to_owned(),
        value,
    }
}

fn range(attribute: &str, from: Option<Value>, to: Option<Value>) -> Filter {
    Filter::Range {
        attribute: attribute.to_owned(),
        from,
        to,
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

#[test]
fn words_and_phrases() {
    for everybody in ["", "  \n", "*"] {
        assert_eq!(good(everybody), Filter::All(Vec::new()));
    }
    assert_eq!(good(" rock   climbing "), words("rock climbing"));
    assert_eq!(
        good("\"rock climbing\""),
        text("rock climbing", How::Phrase)
    );
    assert_eq!(good("rock photo*"), text("rock photo", How::Prefix));
    assert_eq!(
        good(r#""say \"hi\" \\o/""#),
        text(r#"say "hi" \o/"#, How::Phrase)
    );
    assert_eq!(good("我喜欢登山"), words("我喜欢登山"));
    assert_eq!(
        good("d'accord e-mail 10:30 c++ rock & roll - yes"),
        words("d'accord e-mail 10:30 c++ rock & roll - yes")
    );
    assert_eq!(good("or and not"), words("or and not"));
    assert_eq!(
        good("a* b \"c d\" e"),
        Filter::All(vec![
            text("a", How::Prefix),
            words("b"),
            text("c d", How::Phrase),
            words("e"),
        ])
    );
}

#[test]
fn any_all_and_not() {
    assert_eq!(
        good("a b OR c"),
        Filter::Any(vec![words("a b"), words("c")])
    );
    assert_eq!(good("a AND b"), words("a b"));
    assert_eq!(
        good("a (b OR c) -d"),
        Filter::All(vec![
            words("a"),
            Filter::Any(vec![words("b"), words("c")]),
            not(words("d")),
        ])
    );
    assert_eq!(
        good("NOT a b"),
        Filter::All(vec![not(words("a")), words("b")])
    );
    assert_eq!(good("-(a b)"), not(words("a b")));
    assert_eq!(good("--a"), not(not(words("a"))));
    assert_eq!(good("-climb*"), not(text("climb", How::Prefix)));
    assert_eq!(
        good("-\"a b\" -city:berlin"),
        Filter::All(vec![
            not(text("a b", How::Phrase)),
            not(keyword("city", "berlin")),
        ])
    );
    assert_eq!(good("((a))"), words("a"));
}

#[test]
fn values_of_attributes() {
    assert_eq!(good("city:berlin"), keyword("city", "berlin"));
    assert_eq!(good("City:\"New York\""), keyword("city", "New York"));
    let two = Filter::Any(vec![
        keyword("city", "berlin"),
        keyword("city", "São Paulo"),
    ]);
    assert_eq!(good("city:berlin,\"São Paulo\""), two);
    assert_eq!(good("city:berlin, \"São Paulo\""), two);
    assert_eq!(
        good("skills:C++,c#,node.js").to_string(),
        "skills:C++,c#,node.js"
    );
    assert_eq!(good("verified:yes"), is("verified", Value::Boolean(true)));
    assert_eq!(
        good("verified:FALSE"),
        is("verified", Value::Boolean(false))
    );
    assert_eq!(
        good("has:photo"),
        Filter::Has {
            attribute: "photo".to_owned()
        }
    );
    let number = |number| Some(Value::Number(number));
    assert_eq!(good("age:30"), is("age", Value::Number(30.0)));
    assert_eq!(good("age:25..35"), range("age", number(25.0), number(35.0)));
    for open in ["age:25..", "age:>=25"] {
        assert_eq!(good(open), range("age", number(25.0), None));
    }
    for open in ["age:..-3.5e1", "age:<=-35"] {
        assert_eq!(good(open), range("age", None, number(-35.0)));
    }
    assert_eq!(
        good("about:climbing"),
        text_in("about", "climbing", How::Words)
    );
    assert_eq!(good("about:climb*"), text_in("about", "climb", How::Prefix));
    assert_eq!(
        good("about:\"rock climbing\""),
        text_in("about", "rock climbing", How::Phrase)
    );
    assert_eq!(
        good("about:(rock climb*)"),
        text_in("about", "rock climb", How::Prefix)
    );
    assert_eq!(
        good("about:climbing,登山"),
        Filter::Any(vec![
            text_in("about", "climbing", How::Words),
            text_in("about", "登山", How::Words),
        ])
    );
}

#[test]
fn dates() {
    let date = |ms: i64| Some(Value::Date(ms));
    let day = 86_400_000;
    let year = 1_767_225_600_000;
    assert_eq!(
        good("joined:2026"),
        range("joined", date(year), date(year + 365 * day - 1))
    );
    assert_eq!(
        good("joined:2026-01"),
        range("joined", date(year), date(year + 31 * day - 1))
    );
    assert_eq!(
        good("joined:2026-01-02"),
        range("joined", date(year + day), date(year + 2 * day - 1))
    );
    assert_eq!(
        good("joined:2026-01-01.."),
        range("joined", date(year), None)
    );
    assert_eq!(
        good("joined:..2025-12"),
        range("joined", None, date(year - 1))
    );
    assert_eq!(
        good("joined:2026-01-01T01:00:00+01:00"),
        is("joined", Value::Date(year))
    );
    assert_eq!(
        good("joined:-7d.."),
        range("joined", date(NOW_MS - 7 * day), None)
    );
    assert_eq!(
        good("joined:-2w..-12h"),
        range("joined", date(NOW_MS - 14 * day), date(NOW_MS - day / 2))
    );
}

#[test]
fn places() {
    let near = |within_m| Filter::Near {
        attribute: "location".to_owned(),
        at: GeoPoint {
            lat: 52.52,
            lon: 13.4,
        },
        within_m,
    };
    assert_eq!(good("near:52.52,13.40,30km"), near(30_000.0));
    assert_eq!(good("location:52.52,13.40,500m"), near(500.0));
    assert_eq!(good("near:52.52, 13.40, 5mi"), near(8046.72));
    assert_eq!(
        good("near:52.52,13.40,\"30 KM\" rock"),
        Filter::All(vec![near(30_000.0), words("rock")])
    );
}

#[test]
fn signs_of_other_keyboards() {
    assert_eq!(good("“rock climbing„"), text("rock climbing", How::Phrase));
    assert_eq!(good("city：北京，上海"), good("city:北京,上海"));
    assert_eq!(
        good("（登山　OR　摄影） age:25.."),
        good("(登山 OR 摄影) age:25..")
    );
}

#[test]
fn backends_ask_for_what_is_not_public() {
    let attributes = attributes();
    let context = Context {
        attributes: &attributes,
        all: true,
        now_ms: NOW_MS,
    };
    assert_eq!(
        parse("score:0.5", &context),
        Ok(is("score", Value::Number(0.5)))
    );
    let error = read("score:0.5").expect_err("it is not public");
    assert_eq!(
        error.message,
        "there is no attribute `score`; there are: about, age, city, headline, joined, location, photo, \
         skills, verified"
    );
    assert!(read("has:notes").is_err());
}
