//! Chinese as words of a dictionary, among whatever else people write.

use super::*;

/// Which of the texts are found by each way of asking.
fn found_by(texts: &[&str], asked: Vec<Term>) -> Vec<u32> {
    let (index, field) = index(DICTIONARY, texts);
    ask(&index, field, asked)
}

fn finds(text: &str, asked: &[&str]) {
    let texts = [text, "Something else: 別の文です 다른 문장 今天天气不错"];
    let (index, field) = index(DICTIONARY, &texts);
    for words in asked {
        let terms = DICTIONARY.terms(words);
        assert_eq!(
            ask(&index, field, terms.clone()),
            [0],
            "{words} -> {terms:?}"
        );
    }
}

fn misses(text: &str, asked: &[&str]) {
    let (index, field) = index(DICTIONARY, &[text]);
    for words in asked {
        let terms = DICTIONARY.terms(words);
        assert_eq!(
            ask(&index, field, terms.clone()),
            [0; 0],
            "{words} -> {terms:?}"
        );
    }
}

fn word(word: &str) -> Term {
    Term::Word(word.to_owned())
}

fn together(words: &[&str]) -> Term {
    Term::Together {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        begins: false,
    }
}

#[test]
fn words_of_a_sentence() {
    assert_eq!(
        tokens_by(DICTIONARY, "我在北京大学读书。"),
        "0:我 1:在 2:北京大学 2:北 2:北京 3:京 4:大 4:大学 5:学 6:读书 6:读 7:书"
    );
    let text = "我在北京大学读书，周末喜欢登山和摄影，想认识新朋友。";
    finds(
        text,
        &[
            "北京",
            "大学",
            "北京大学",
            "读书",
            "登山",
            "摄影",
            "朋友",
            "新朋友",
            "喜欢登山",
            "登山摄影",
            "北京登山",
            "摄影 北京",
            "我",
            "京",
            "学",
            "友",
            "想认识",
        ],
    );
    misses(text, &["上海", "山登", "北京 上海", "学大", "登攀"]);
}

#[test]
fn a_word_is_found_where_it_is_one() {
    let texts = [
        "结婚的和尚未结婚的都来了",
        "山上有个和尚",
        "他研究生命的起源",
        "她是研究生",
    ];
    let found = |words: &str| found_by(&texts, DICTIONARY.terms(words));
    assert_eq!(found("和尚"), [1]);
    assert_eq!(found("研究生"), [3]);
    assert_eq!(found("生命"), [2]);
    // In quotation marks it is the characters that count.
    let phrased = |words: &str| found_by(&texts, DICTIONARY.phrase(words).into_iter().collect());
    assert_eq!(phrased("和尚"), [0, 1]);
    assert_eq!(phrased("研究生命"), [2]);
}

#[test]
fn long_words_are_found_by_their_parts() {
    let text = "中央人民政府门户网站，中华人民共和国";
    finds(
        text,
        &[
            "人民政府",
            "政府",
            "人民",
            "中央",
            "中央人民政府",
            "共和国",
            "人民共和国",
        ],
    );
    misses(text, &["政民", "国共和"]);
}

#[test]
fn what_the_dictionary_does_not_know_is_found_by_its_characters() {
    // Traditional characters.
    let text = "我住在臺北，喜歡登山和攝影，想認識會說廣東話的新朋友。";
    finds(
        text,
        &[
            "登山",
            "攝影",
            "喜歡",
            "喜歡登山和攝影",
            "喜歡登山",
            "臺北",
            "廣東話",
            "認識",
            "新朋友",
            "攝",
            "歡",
            "臺北 攝影",
        ],
    );
    misses(text, &["影攝", "高雄", "喜攝", "臺東"]);
    // Names.
    finds(
        "我叫欧阳致远，和王小明是同学",
        &["欧阳致远", "致远", "王小明", "小明", "欧阳"],
    );
    // Characters beyond those that words are made of.
    finds(
        "𠀀㐀叕龘々〇",
        &["𠀀㐀", "叕龘", "龘", "〇", "𠀀㐀叕龘々〇"],
    );
}

#[test]
fn other_scripts_are_as_they_were() {
    for text in [
        "Hi, J’habite à l'île Saint-Louis, C++ 🧗🏽‍♀️ 🇩🇪",
        "서울에서 일하는 개발자입니다.",
        "ผมอยู่กรุงเทพ",
        "エンジニアです。ｶﾞｲﾄﾞ",
    ] {
        assert_eq!(tokens_by(DICTIONARY, text), tokens(text));
        assert_eq!(DICTIONARY.terms(text), PAIRS.terms(text));
    }
    finds(
        "東京都に住んでいるエンジニアです。山登りが好き！京都タワーも。",
        &[
            "東京",
            "京都",
            "東京都",
            "エンジニア",
            "山登り",
            "好き",
            "山",
            "住んで",
            "都",
            "京都タワー",
            "山登りが好き",
            "タワ",
        ],
    );
    finds(
        "한국어 韓國語와 서울大學校에서 Café ＯＫ 일해요",
        &[
            "서울大學校",
            "大學",
            "韓國語",
            "서울",
            "cafe",
            "ok",
            "校에서",
        ],
    );
    finds("ฉันเรียนภาษาจีน中文ที่กรุงเทพ", &["中文", "กรุงเทพ", "จีน"]);
}

#[test]
fn mixed_with_letters_and_digits() {
    let text = "我叫Anna，学习Rust编程已3年，穿T恤唱卡拉OK，东京2020奥运";
    finds(
        text,
        &[
            "我叫anna",
            "学习rust编程",
            "编程rust",
            "rust",
            "3年",
            "T恤",
            "卡拉ok",
            "2020奥运",
            "编程 ANNA",
        ],
    );
    misses(text, &["5年", "t衫", "年3"]);
    assert_eq!(
        DICTIONARY.terms("学习rust编程"),
        [word("学习"), word("rust"), word("编程")]
    );
    assert_eq!(DICTIONARY.terms("T恤"), [together(&["t", "恤"])]);
}

#[test]
fn what_is_asked_of_a_dictionary() {
    assert_eq!(DICTIONARY.terms("北京大学"), [word("北京大学")]);
    assert_eq!(DICTIONARY.terms("京"), [word("京")]);
    assert_eq!(DICTIONARY.terms("攝影"), [together(&["攝", "影"])]);
    assert_eq!(DICTIONARY.terms("喜欢登山"), [word("喜欢"), word("登山")]);
    assert_eq!(DICTIONARY.phrase("登山"), Some(together(&["登", "山"])));
    assert_eq!(DICTIONARY.phrase("。"), None);
    assert_eq!(DICTIONARY.prefix("登山"), [together(&["登", "山"])]);
    // The same characters, written for old encodings.
    assert_eq!(DICTIONARY.terms("\u{F963}京"), [word("北京")]);
}

#[test]
fn phrases_and_beginnings() {
    let texts = [
        "北京 rock climbing 登山",
        "喜欢登山，住北京",
        "北京大学的研究生",
        "登山队在北京大学集合",
    ];
    let phrased = |text: &str| found_by(&texts, DICTIONARY.phrase(text).into_iter().collect());
    assert_eq!(phrased("喜欢登山"), [1]);
    assert_eq!(phrased("登山喜欢"), [0; 0]);
    assert_eq!(phrased("北京 rock"), [0]);
    assert_eq!(phrased("climbing 登"), [0]);
    assert_eq!(phrased("大学的研究"), [2]);
    let begun = |text: &str| found_by(&texts, DICTIONARY.prefix(text));
    assert_eq!(begun("北京大"), [2, 3]);
    assert_eq!(begun("研究"), [2]);
    assert_eq!(begun("北京 clim"), [0]);
    assert_eq!(begun("登山队"), [3]);
    assert_eq!(begun("登"), [0, 1, 3]);
}

#[test]
fn marks_stand_at_the_bytes_of_the_text() {
    let marked = |terms: Vec<Term>, text: &str| -> Vec<String> {
        let mut marks = Marks::default();
        marks.add(terms);
        let ranges = ranges(text, &[&marks], DICTIONARY);
        ranges
            .into_iter()
            .map(|range| text[range].to_owned())
            .collect()
    };
    let text = "Ｈｉ, 我在\u{F963}京大学读书🧗和尚未结婚的人去登山、攝影";
    assert_eq!(marked(DICTIONARY.terms("大学"), text), ["大学"]);
    assert_eq!(
        marked(DICTIONARY.terms("北京大学"), text),
        ["\u{F963}京大学"]
    );
    assert_eq!(marked(DICTIONARY.terms("登山 hi"), text), ["Ｈｉ", "登山"]);
    assert_eq!(marked(DICTIONARY.terms("攝影"), text), ["攝影"]);
    assert_eq!(marked(DICTIONARY.terms("京"), text), ["京"]);
    assert_eq!(marked(DICTIONARY.terms("和尚"), text), [""; 0]);
    assert_eq!(marked(DICTIONARY.prefix("和尚"), text), ["和尚"]);
    let phrase = DICTIONARY.phrase("读书🧗和").into_iter().collect();
    assert_eq!(marked(phrase, text), ["读书🧗和"]);
}

#[test]
fn every_word_of_a_long_text_is_found() {
    let text = "我在北京大学读书，周末喜欢登山和摄影。喜歡攝影！".repeat(400);
    let (index, field) = index(DICTIONARY, &[&text]);
    for words in ["北京大学", "攝影", "摄影登山"] {
        assert_eq!(ask(&index, field, DICTIONARY.terms(words)), [0], "{words}");
    }
}

#[test]
fn another_dictionary_has_another_name() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let lock = std::fs::read_to_string(lock).expect("the versions of all dependencies");
    let locked = lock.split("[[package]]").find_map(|package| {
        let rest = package
            .trim()
            .strip_prefix("name = \"jieba-rs\"\nversion = \"")?;
        Some(rest.split('"').next()?.to_owned())
    });
    let locked = locked.expect("the version of jieba");
    let version = DICTIONARY.fingerprint();
    assert!(
        version.contains(&format!("jieba-rs {locked};")),
        "jieba is {locked} now: indexes that were made with {version:?} have to be told apart"
    );
}
