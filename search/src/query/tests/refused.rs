//! Wrong queries, and what is said of them.

use super::*;

/// What is underlined, and the message.
fn refused(query: &str) -> (&str, String) {
    let error = read(query).expect_err(query);
    (&query[error.at..error.at + error.len], error.message)
}

#[test]
fn errors_point_at_what_is_wrong() {
    for (query, wrong, message) in [
        (
            "rock ctiy:berlin",
            "ctiy:",
            "there is no attribute `ctiy`, did you mean `city`?",
        ),
        (
            "ünder ctiy：berlin",
            "ctiy：",
            "there is no attribute `ctiy`, did you mean `city`?",
        ),
        (
            "http://example.org",
            "http:",
            "there is no attribute `http`; there are: about,",
        ),
        ("has:photos", "photos", "did you mean `photo`?"),
        (
            "age:old",
            "old",
            "`old` is not a number; a range is written `25..35`",
        ),
        ("age:25..abc", "abc", "`abc` is not a number"),
        ("age:25,NaN", "NaN", "`NaN` is not a number"),
        ("age:1e999", "1e999", "is not a number"),
        ("age:35..25", "35..25", "the range ends before it begins"),
        ("age:..", "..", "a range needs a beginning or an end"),
        ("age:>25", ">25", "write `>=`"),
        ("joined:22.11.2026", "22.11.2026", "`2026-11-22`"),
        ("joined:2026-02-30..", "2026-02-30", "is not a date"),
        ("joined:-7m", "-7m", "`-7d`"),
        (
            "joined:-99999999999999999w",
            "-99999999999999999w",
            "is not a date",
        ),
        ("verified:yse", "yse", "did you mean `yes`?"),
        ("verified:perhaps", "perhaps", "`yes` or `no`"),
        (
            "city:ber*",
            "*",
            "`city` is a keyword, which is found whole",
        ),
        ("city:\"\"", "\"\"", "the keyword is empty"),
        ("city: berlin", "", "a value has to follow `city:` directly"),
        ("city:a,", "", "a value has to follow `city:` directly"),
        ("city:(a b)", "(", "separate several values with commas"),
        (
            "near:52.5,13.4",
            "near:",
            "three values are needed here: latitude, longitude and distance",
        ),
        ("near:91,13.4,1km", "91", "-90 to 90"),
        ("near:52.5,200,1km", "200", "-180 to 180"),
        (
            "near:52.5,13.4,30",
            "30",
            "the distance has a unit: `m`, `km` or `mi`",
        ),
        (
            "near:52.5,13.4,30parsec",
            "30parsec",
            "`parsec` is not a unit",
        ),
        ("near:52.5,13.4,0km", "0km", "more than 0"),
        ("near:52.5,13.4,40000km", "40000km", "at most 20037 km"),
        ("location:berlin", "location:", "as in `52.52,13.40,30km`"),
        ("a*b", "*", "`*` stands only at the end of a word"),
        ("**", "*", "`*` stands only at the end of a word"),
        ("\"rock\"*", "*", "not of a phrase"),
        ("about:(a* b)", "b", "only the last word"),
        ("about:(a OR b)", "OR", "write `about:` before each part"),
        ("about:(a", "(", "the `)` for this is missing"),
        ("about:...", "...", "no letter or digit"),
        ("&", "&", "no letter or digit"),
        ("rock \"?!\"", "\"?!\"", "no letter or digit"),
        ("(a OR b", "(", "the `)` for this is missing"),
        ("a)", ")", "there is no `(` for this"),
        ("()", ")", "something has to stand between the parentheses"),
        ("OR a", "OR", "something has to stand before this"),
        ("a OR", "", "something has to follow here"),
        ("a AND", "AND", "something has to follow this"),
        ("AND a", "AND", "something has to stand before this"),
        ("NOT", "NOT", "something has to follow this"),
        ("a NOT OR b", "NOT", "something has to follow this"),
        (
            "\"rock",
            "\"",
            "the quotation mark that ends this is missing",
        ),
        (
            "\"rock\\\"",
            "\"",
            "the quotation mark that ends this is missing",
        ),
        ("sort:newest", "sort:", "`sort` is set beside the query"),
        (
            "is:online",
            "is:",
            "write the name of an attribute, as in `city:Berlin`",
        ),
        (
            "online:yes",
            "online:",
            "with `online` = `only`, `first` or `any`",
        ),
        ("user:alice", "user:", "leave users out with `exclude`"),
        ("or:x", "or:", "`OR` stands alone"),
    ] {
        let (part, told) = refused(query);
        assert_eq!(part, wrong, "{query}: {told}");
        assert!(told.contains(message), "{query}: {told}");
    }
}

#[test]
fn errors_are_drawn() {
    let drawn = |query: &str| read(query).expect_err(query).render(query);
    assert_eq!(
        drawn("rock 登山 ctiy:北京"),
        "rock 登山 ctiy:北京\n          ^^^^^\nthere is no attribute `ctiy`, did you mean `city`? there are: \
         about, age, city, headline, joined, location, photo, skills, verified"
    );
    assert_eq!(drawn("a\nOR"), "a OR\n    ^\nsomething has to follow here");
    let long = format!("{} ctiy:x {}", "a ".repeat(60), "b ".repeat(60));
    let lines: Vec<String> = drawn(&long).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with('…') && lines[0].ends_with('…') && lines[0].chars().count() < 120);
    let at = lines[1].find('^').expect("a caret");
    assert_eq!(
        lines[0].chars().skip(at).take(5).collect::<String>(),
        "ctiy:"
    );
    // Of another query than it came from it makes no sense, and no harm.
    let error = ParseError {
        at: 1,
        len: 100,
        message: "x".to_owned(),
    };
    assert_eq!(error.render("é"), "é\n^\nx");
}

#[test]
fn queries_are_bounded() {
    let told = |query: String| read(&query).expect_err("it is too much").message;
    let ten_thousand: String = (0..10_000).map(|number| format!("w{number} ")).collect();
    assert_eq!(
        told(ten_thousand),
        "the query has 58890 bytes, the limit is 4096"
    );
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("w{number} "))
            .collect::<String>()
    };
    assert!(read(&many(256)).is_ok());
    assert_eq!(
        told(many(257)),
        "the query has more than 256 words with this"
    );
    assert_eq!(
        told(format!("about:({})", many(257))),
        "the query has more than 256 words with this"
    );
    let han: String = (0..300)
        .filter_map(|number| char::from_u32(0x4E00 + number))
        .collect();
    assert_eq!(told(han), "the query has more than 256 words with this");
    // What goes beyond is pointed at, not what stands before it.
    for (query, beyond) in [
        (many(256) + "the_last", "the_last"),
        (
            many(100) + "AND " + &many(100) + "OR " + &many(57) + "more",
            "w56",
        ),
        (many(255) + "-no -never", "never"),
        (format!("about:({}and more)", many(256)), "and"),
        (format!("{}about:here", many(256)), "here"),
        (format!("\"{}\"", many(257).trim()), "w256\""),
        (format!("{}{}", "山".repeat(256), "水木"), "木"),
    ] {
        assert_eq!(refused(&query).0, beyond, "{query}");
    }
    let cities = |count: usize| format!("city:{}", vec!["x"; count].join(","));
    assert!(read(&cities(255)).is_ok());
    assert_eq!(
        told(cities(256)),
        "the query has more than 256 parts with this"
    );

    let nested = |open: &str, count: usize, close: &str| {
        format!("{}a{}", open.repeat(count), close.repeat(count))
    };
    assert!(read(&nested("(b OR ", 7, ")")).is_ok());
    assert!(read(&nested("-", 15, "")).is_ok());
    for deep in [
        nested("(", 17, ")"),
        nested("-", 16, ""),
        nested("(", 2000, ")"),
        nested("(", 4000, ""),
        nested("-", 4000, ""),
        nested("-(", 2000, ""),
        nested("NOT ", 1000, ""),
        nested("(b OR -", 400, ")"),
        nested("(b (c OR ", 8, "))"),
    ] {
        assert_eq!(told(deep), "nested too deep: the limit is 16 levels");
    }
    assert!(read(&format!("city:{}", "x".repeat(257))).is_err());
    assert!(told("x".repeat(64) + ":y").len() < 300);
}

#[test]
fn places_have_to_be_clear() {
    let place = Attribute {
        kind: Kind::GeoPoint,
        multiple: false,
        public: true,
    };
    let two = Attributes::new(["home", "work"].map(|name| (name.to_owned(), place.clone())));
    let (two, none) = (two.expect("they are good"), Attributes::default());
    let ask = |attributes, query| {
        parse(
            query,
            &Context {
                attributes,
                all: false,
                now_ms: 0,
            },
        )
    };
    assert_eq!(
        ask(&two, "near:1,2,3km").expect_err("which?").message,
        "several attributes are places: write for example `home:52.52,13.40,30km` (home, work)"
    );
    assert!(ask(&two, "work:1,2,3km").is_ok());
    assert!(ask(&none, "near:1,2,3km").is_err());
    let error = ask(&none, "rock").expect_err("nowhere to look");
    assert_eq!(
        error.message,
        "no public attribute is a text or keyword that words could stand in"
    );
    assert_eq!(
        ask(&none, "city:x").expect_err("none").message,
        "there is no attribute `city`; none is declared"
    );
    assert_eq!(ask(&none, ""), Ok(Filter::All(Vec::new())));
}
