//! Chinese as words of a dictionary.

use super::*;
use crate::text::{Analyzer, Chinese};

#[test]
fn messages_are_found_by_words_of_a_dictionary() {
    let dictionary = Analyzer {
        chinese: Chinese::Words,
    };
    let folder = tempfile::tempdir().unwrap();
    let open = |analyzer| MessageIndex::open_with(folder.path(), analyzer, MIN_WRITER_MEMORY);
    let index = open(dictionary).unwrap();
    assert_eq!(index.analyzer(), dictionary);
    let other = tempfile::tempdir().unwrap();
    let opened = Opened {
        index,
        folder: other,
    };
    let said = [
        "我在北京大学读书",
        "明天我們去登山和攝影",
        "结婚的和尚未结婚的都来了",
        "東京タワー lunch",
    ];
    opened.say(&said);
    assert_eq!(opened.finds_by("登山"), [2]);
    assert_eq!(opened.finds_by("大学 OR 攝影"), [2, 1]);
    assert_eq!(opened.finds_by("读书北京"), [1]);
    assert_eq!(opened.finds_by("\"读书北京\""), [0; 0]);
    assert_eq!(opened.finds_by("北京大*"), [1]);
    assert_eq!(opened.finds_by("京"), [4, 1]);
    assert_eq!(opened.finds_by("和尚"), [0; 0]);
    assert_eq!(opened.finds_by("\"和尚\""), [3]);
    assert_eq!(opened.finds_by("タワー LUNCH -登山"), [4]);

    let filter = parse("大学 OR 北京", &Context { now_ms: NOW_MS }).unwrap();
    let places = Highlighter::with(&filter, dictionary).of(said[0]);
    let marked: Vec<&str> = places.into_iter().map(|place| &said[0][place]).collect();
    assert_eq!(marked, ["北京大学"]);

    drop(opened);
    assert!(matches!(open(Analyzer::default()), Err(OpenError::Other)));
    assert_eq!(open(dictionary).unwrap().len(), 4);
}
