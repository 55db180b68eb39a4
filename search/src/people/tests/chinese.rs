//! Chinese as words of a dictionary.

use super::*;
use crate::text::{Analyzer, Chinese};

const DICTIONARY: Analyzer = Analyzer {
    chinese: Chinese::Words,
};

fn phrase(words: &str) -> Filter {
    Filter::Text(Words {
        words: words.into(),
        how: How::Phrase,
        attribute: None,
    })
}

#[test]
fn people_are_found_by_words_of_a_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    let open = |analyzer| {
        PeopleIndex::open_with(folder.path(), &attributes(), analyzer, MIN_WRITER_MEMORY)
    };
    let index = open(DICTIONARY).unwrap();
    assert_eq!(index.analyzer(), DICTIONARY);
    let people = Opened { index, folder };
    for (user, text) in [
        ("ada", "我在北京大学读书，周末去登山"),
        ("bob", "我喜歡登山和攝影"),
        ("cyd", "结婚的和尚未结婚的都来了"),
        ("dan", "Climbing, 山登りが好き"),
    ] {
        people.put(user, &about(text));
    }
    people.commit();
    assert_eq!(people.found(words("登山")), names(&["ada", "bob"]));
    assert_eq!(people.found(words("北京")), names(&["ada"]));
    assert_eq!(people.found(words("登山北京大学")), names(&["ada"]));
    assert_eq!(people.found(words("攝影")), names(&["bob"]));
    assert_eq!(people.found(words("山")), names(&["ada", "bob", "dan"]));
    assert_eq!(people.found(words("山登り climbing")), names(&["dan"]));
    assert_eq!(people.found(words("和尚")), names(&[]));
    assert_eq!(people.found(phrase("和尚")), names(&["cyd"]));

    // What is marked is what was looked for.
    let attributes = attributes();
    let text = "Hi，和尚未登山，北京大学";
    let marked = |filter: &Filter, analyzer| {
        let highlighter = Highlighter::with(&attributes, filter, analyzer);
        highlighter.of(&about(text), false).remove("about")
    };
    let places = |words: &str| {
        let from = text.find(words).unwrap();
        Some(vec![vec![from..from + words.len()]])
    };
    assert_eq!(marked(&words("大学"), DICTIONARY), places("大学"));
    assert_eq!(marked(&words("和尚"), DICTIONARY), None);
    assert_eq!(marked(&words("和尚"), Analyzer::default()), places("和尚"));
}

#[test]
fn an_index_of_another_analyzer_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = Analyzer::default();
    for (made, other) in [(DICTIONARY, pairs), (pairs, DICTIONARY)] {
        let folder = folder.path().join(format!("{:?}", made.chinese));
        let open =
            |analyzer| PeopleIndex::open_with(&folder, &attributes(), analyzer, MIN_WRITER_MEMORY);
        let index = open(made).unwrap();
        index.put("ada", &about("登山"), &Facts::default()).unwrap();
        index.commit(1, [0; 16]).unwrap();
        drop(index);
        assert!(matches!(open(other), Err(OpenError::Other)));
        assert_eq!(open(made).unwrap().len(), 1);
    }
    // By default it is as it was before there was a choice.
    let folder = folder.path().join(format!("{:?}", Chinese::Pairs));
    assert!(PeopleIndex::open(&folder, &attributes(), MIN_WRITER_MEMORY).is_ok());
}
