//! Queries as people and programs write them, right and wrong.

use serde_json::json;

use super::*;
use crate::query::{MAX_DEPTH, MAX_NODES, MAX_WORDS, ParseError};

fn read(query: &str) -> Result<Filter, ParseError> {
    parse(query, &Context { now_ms: NOW_MS })
}

fn good(query: &str) -> Filter {
    let filter = read(query).unwrap_or_else(|error| panic!("{}", error.render(query)));
    assert_eq!(check_filter(&filter), Ok(()), "{query}");
    filter
}

const ID: &str = "01010101-0101-0101-0101-010101010101";

#[test]
fn the_language_becomes_a_tree() {
    let query = format!(
        "lunch -cancelled \"new york\" from:alice,bob in:{ID} before:2026-01-01 after:-7d (a OR b) climb*"
    );
    let not = |filter| Filter::Not(Box::new(filter));
    let sent = |from, to| Filter::Sent { from, to };
    let expected = Filter::All(vec![
        words("lunch"),
        not(words("cancelled")),
        text("new york", How::Phrase),
        Filter::From(vec!["alice".to_owned(), "bob".to_owned()]),
        Filter::In(vec![conversation(1)]),
        sent(None, Some(1_767_225_600_000 - 1)),
        sent(Some(NOW_MS - 7 * 86_400_000 + 1), None),
        Filter::Any(vec![words("a"), words("b")]),
        text("climb", How::Prefix),
    ]);
    assert_eq!(good(&query), expected);
    assert_eq!(good(""), everything());
    assert_eq!(good("FROM:alice"), good("from:alice"));
    assert_eq!(good("from:a OR from:b"), good("from:a,b"));
    assert_eq!(good("from：a，b"), good("from:a,b"));
}

#[test]
fn what_is_read_prints_as_the_same() {
    for query in [
        "",
        "lunch",
        "lunch -cancelled \"new york\" climb*",
        "(a OR b) -(c d)",
        "from:alice,bob -from:\"carol:x\",\"d,e\"",
        "from:\"a*b\" OR lunch",
        &format!("in:{ID} in:{ID},00112233445566778899aabbccddeeff"),
        "before:2026-01-01 after:2025-06 sent:2025-07..2025-08",
        "sent:2026-11-22T10:00:00.5Z",
        "sent:2026-11-22T00:00:00Z after:-3h",
        "sent:2025,2026 OR before:2020",
        "-sent:2025 登山",
    ] {
        let filter = good(query);
        let printed = filter.to_string();
        assert_eq!(good(&printed), filter, "{query} / {printed}");
    }
}

#[test]
fn errors_point_at_what_is_wrong() {
    for (query, wrong, message) in [
        (
            "lunch form:bob",
            "form:",
            "did you mean `from:`? there are: `from:`, `in:`",
        ),
        ("is:unread", "is:", "messages are not asked for by `is:`"),
        (
            "http://example.org",
            "http:",
            "quote words with a colon: `\"http:…\"`",
        ),
        ("has:attachment", "has:", "messages have no attachments yet"),
        ("lunch has:link", "has:", "messages have no attachments yet"),
        ("sort:newest", "sort:", "is set beside the query"),
        ("or:x", "or:", "`OR` stands alone"),
        ("from:", "", "a value has to follow `from:` directly"),
        ("from: bob", "", "a value has to follow `from:` directly"),
        ("from:bob,", "", "a value has to follow `from:` directly"),
        ("from:bo*", "*", "the id of a user is written whole"),
        ("from:\"\"", "\"\"", "has 1 to 128 bytes"),
        ("from:(a b)", "(", "separate several values with commas"),
        (
            "in:lunch",
            "lunch",
            "`lunch` is not the id of a conversation",
        ),
        ("in:0101*", "*", "the id of a conversation is written whole"),
        (
            "before:yesterday",
            "yesterday",
            "`yesterday` is not a date: `2026`, `2026-11`",
        ),
        ("before:2026-02-30", "2026-02-30", "is not a date"),
        (
            "after:2025..2026",
            "2025..2026",
            "a range is written `sent:2026-01..2026-06`",
        ),
        ("after:>=2025", ">=2025", "takes one date"),
        ("after:2025,2026", "2025", "no list"),
        ("after:99999-01-01", "99999-01-01", "is not a date"),
        (
            "after:-99999999999999999999d",
            "-99999999999999999999d",
            "is not a date",
        ),
        ("after:-999999999w", "-999999999w", "is not a date"),
        ("after:-7m", "-7m", "`-7d`"),
        (
            "sent:2026..2025",
            "2026..2025",
            "the range ends before it begins",
        ),
        ("sent:..", "..", "a range needs a beginning or an end"),
        ("sent:2025..x", "x", "is not a date"),
        ("(a OR b", "(", "the `)` for this is missing"),
        ("a)", ")", "there is no `(` for this"),
        (
            "\"new york",
            "\"",
            "the quotation mark that ends this is missing",
        ),
        ("a OR", "", "something has to follow"),
        ("-", "-", "there is no letter or digit here to look for"),
        ("a* *b", "*", "`*` stands only at the end of a word"),
        ("a.*b", "*", "`*` stands only at the end of a word"),
    ] {
        let error = read(query).expect_err(query);
        let at = &query[error.at..error.at + error.len];
        assert_eq!(at, wrong, "{query}: {}", error.message);
        assert!(
            error.message.contains(message),
            "{query}: {}",
            error.message
        );
    }
}

#[test]
fn signs_of_regular_expressions_mean_nothing() {
    let opened = open();
    opened.say(&["what about [a-z]+ and (.*)? $1 ^x{2,3}|y", "abc"]);
    for (query, found) in [
        ("[a-z]+", vec![1]),
        ("^x{2,3}|y", vec![1]),
        ("$1", vec![1]),
        ("a.c", vec![]),
        ("\".*\"", vec![]),
        ("\\bword\\b", vec![]),
        ("/a+b/", vec![]),
        ("abc~2 abc^5", vec![]),
    ] {
        match read(query) {
            Ok(filter) => assert_eq!(opened.finds(filter), found, "{query}"),
            Err(error) => assert!(error.message.contains("no letter"), "{query}: {error}"),
        }
    }
}

#[test]
fn too_much_is_refused() {
    let refused = |query: &str| read(query).expect_err("it is too much").message;
    let words_of = |count: usize| {
        let words: Vec<String> = (0..count).map(|word| format!("w{word}")).collect();
        words.join(" ")
    };
    assert!(refused(&words_of(10_000)).contains("bytes, the limit is 4096"));
    assert!(refused(&words_of(MAX_WORDS + 1)).contains("more than 256 words"));
    good(&words_of(MAX_WORDS));
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    good(&nested(MAX_DEPTH));
    for depth in [MAX_DEPTH + 1, 2_000] {
        assert!(refused(&nested(depth)).contains("nested too deep"));
    }
    assert!(refused(&format!("{}a", "-".repeat(1_000))).contains("nested too deep"));
    assert!(refused(&"* OR ".repeat(600)).contains("more than 256 parts"));
}

#[test]
fn programs_are_told_where_it_is_wrong() {
    let refused = |filter: Filter| check_filter(&filter).expect_err("it is bad").to_string();
    let all = |filter| Filter::All(vec![everything(), Filter::Not(Box::new(filter))]);
    let sent = |from, to| Filter::Sent { from, to };
    let many: Vec<String> = (0..10_000).map(|word| format!("w{word}")).collect();
    let few = many[..257].join(" ");
    for (filter, told) in [
        (
            all(words("?!")),
            "filter.all[1].not.text.words: there is no letter or digit to look for",
        ),
        (all(words(&many.join(" "))), "more than 4096 bytes of words"),
        (all(words(&few)), "more than 256 words"),
        (
            all(Filter::From(vec![])),
            "filter.all[1].not.from: the list is empty",
        ),
        (
            all(Filter::From(vec![String::new()])),
            "1 to 128 bytes, this one has 0",
        ),
        (Filter::From(many.clone()), "more than 256 users"),
        (Filter::In(vec![]), "filter.in: the list is empty"),
        (
            Filter::In(vec![[0; 16]; 257]),
            "more than 256 users and conversations",
        ),
        (
            sent(None, None),
            "filter.sent: a range needs `from` or `to`",
        ),
        (sent(Some(2), Some(1)), "the range ends before it begins"),
        (sent(Some(i64::MIN), None), "are not in the years 1 to 9999"),
        (sent(None, Some(i64::MAX)), "are not in the years 1 to 9999"),
        (
            Filter::Any(vec![words("a"); MAX_NODES]),
            "the query has more than 256 parts",
        ),
        (
            Filter::All(vec![text("a", How::Prefix); 17]),
            "more than 16 beginnings of words",
        ),
        (
            words("一 二 三 四 五 六 七 八 九 十 上 下 左 右 前 后 中"),
            "more than 16 beginnings",
        ),
    ] {
        let error = refused(filter);
        assert!(error.contains(told), "{error} / {told}");
    }
    let mut deep = words("a");
    for _ in 0..50_000 {
        deep = Filter::Not(Box::new(deep));
    }
    let error = check_filter(&deep).expect_err("it is deep");
    assert!(error.message.contains("nested too deep"));
    // It cannot be dropped one in the other.
    while let Filter::Not(inner) = deep {
        deep = *inner;
    }
    let opened = open();
    for limit in [0, 101] {
        let query = MessageQuery {
            limit,
            ..MessageQuery::new(everything())
        };
        let error = opened.index.search(&query, &viewer("alice")).unwrap_err();
        assert!(
            error.to_string().contains("is not from 1 to 100"),
            "{error}"
        );
    }
}

#[test]
fn a_query_in_json() {
    let query: MessageQuery = serde_json::from_value(json!({
        "filter": { "all": [
            { "text": { "words": "new york", "how": "phrase" } },
            { "text": { "words": "lunch" } },
            { "from": ["alice", "bob"] },
            { "in": [ID] },
            { "sent": { "from": 5 } },
            { "any": [{ "not": { "from": ["carol"] } }] },
        ] },
        "sort": "relevance",
        "limit": 50,
    }))
    .unwrap();
    assert_eq!(check(&query), Ok(()));
    assert_eq!(query.sort, Sort::Relevance);
    assert_eq!(
        query.filter.to_string(),
        format!(
            "\"new york\" lunch from:alice,bob in:{ID} sent:1970-01-01T00:00:00.005Z.. -from:carol"
        )
    );
    let json = serde_json::to_value(&query).unwrap();
    assert_eq!(serde_json::from_value::<MessageQuery>(json).unwrap(), query);
    let empty: MessageQuery = serde_json::from_value(json!({})).unwrap();
    assert_eq!(empty, MessageQuery::new(everything()));
    let wrong = serde_json::from_value::<Filter>(json!({ "in": ["lunch"] })).unwrap_err();
    assert!(
        wrong.to_string().contains("`lunch` is not the id"),
        "{wrong}"
    );
}
