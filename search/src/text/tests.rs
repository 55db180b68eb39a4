//! Sentences as people write them, found in an index as the product asks it.

use proptest::prelude::*;
use tantivy::{
    Index, TantivyDocument, Term as IndexTerm,
    collector::DocSetCollector,
    query::{BooleanQuery, PhrasePrefixQuery, PhraseQuery, Query, TermQuery},
    schema::{Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{TextAnalyzer, TokenStream},
};

use super::{Analyzer, Chinese, MAX_WORD_BYTES, Marks, Term, WORDS, Words, fold, ranges};

mod chinese;

const PAIRS: Analyzer = Analyzer {
    chinese: Chinese::Pairs,
};

const DICTIONARY: Analyzer = Analyzer {
    chinese: Chinese::Words,
};

fn terms(text: &str) -> Vec<Term> {
    PAIRS.terms(text)
}

fn prefix(text: &str) -> Vec<Term> {
    PAIRS.prefix(text)
}

fn phrase(text: &str) -> Option<Term> {
    PAIRS.phrase(text)
}

/// Each token as `position:what it covers in the text>what is indexed`, where the two differ.
fn tokens(text: &str) -> String {
    tokens_by(PAIRS, text)
}

fn tokens_by(analyzer: Analyzer, text: &str) -> String {
    let mut words = TextAnalyzer::from(Words::new(analyzer));
    let mut stream = words.token_stream(text);
    let mut all = Vec::new();
    while stream.advance() {
        let token = stream.token();
        let covered = &text[token.offset_from..token.offset_to];
        all.push(if covered == token.text {
            format!("{}:{covered}", token.position)
        } else {
            format!("{}:{covered}>{}", token.position, token.text)
        });
    }
    all.join(" ")
}

fn index(analyzer: Analyzer, texts: &[&str]) -> (Index, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(WORDS)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let options = TextOptions::default().set_indexing_options(indexing) | STORED;
    let field = schema.add_text_field("text", options);
    let index = Index::create_in_ram(schema.build());
    analyzer.register(index.tokenizers());
    let mut writer = index
        .writer_with_num_threads(1, 15_000_000)
        .expect("a writer");
    for text in texts {
        let mut document = TantivyDocument::default();
        document.add_text(field, text);
        writer.add_document(document).expect("added");
    }
    writer.commit().expect("committed");
    (index, field)
}

/// Which of the texts are found.
fn found(texts: &[&str], asked: Vec<Term>) -> Vec<u32> {
    let (index, field) = index(PAIRS, texts);
    ask(&index, field, asked)
}

fn ask(index: &Index, field: Field, asked: Vec<Term>) -> Vec<u32> {
    assert!(!asked.is_empty());
    let of = |word: &str| IndexTerm::from_field_text(field, word);
    let parts = asked.into_iter().map(|term| -> Box<dyn Query> {
        match term {
            Term::Word(word) => Box::new(TermQuery::new(of(&word), IndexRecordOption::Basic)),
            Term::Begins(word) => Box::new(PhrasePrefixQuery::new(vec![of(&word)])),
            Term::Together { words, begins } => {
                let words = words.iter().map(|word| of(word)).collect();
                if begins {
                    Box::new(PhrasePrefixQuery::new(words))
                } else {
                    Box::new(PhraseQuery::new(words))
                }
            }
        }
    });
    let query = BooleanQuery::intersection(parts.collect());
    let reader = index.reader().expect("a reader");
    let hits = reader
        .searcher()
        .search(&query, &DocSetCollector)
        .expect("searched");
    let mut hits: Vec<u32> = hits.into_iter().map(|hit| hit.doc_id).collect();
    hits.sort_unstable();
    hits
}

/// Panics unless every one of the words finds exactly the first text.
fn finds(text: &str, asked: &[&str]) {
    let texts = [text, "Something else: 別の文です 다른 문장 inne zdanie"];
    for words in asked {
        assert_eq!(
            found(&texts, terms(words)),
            [0],
            "{words} -> {:?}",
            terms(words)
        );
    }
}

fn misses(text: &str, asked: &[&str]) {
    for words in asked {
        assert_eq!(
            found(&[text], terms(words)),
            [0; 0],
            "{words} -> {:?}",
            terms(words)
        );
    }
}

#[test]
fn words_of_english() {
    assert_eq!(
        tokens("Don't panic: Anna's C++, C# and node.js (3.5 years)!"),
        "0:Don>don 1:t 2:panic 3:Anna>anna 4:s 5:C>c 5:C++>c++ 6:C>c 6:C#>c# 7:and 8:node 9:js \
         10:3 11:5 12:years"
    );
    let text = "I love rock climbing, don't smoke, and write C++ for a living. E-mail me!";
    finds(
        text,
        &[
            "CLIMBING",
            "don't",
            "c++",
            "C",
            "e-mail",
            "living climbing",
            "i",
        ],
    );
    misses(text, &["climb", "c#", "mail-e", "smoke-rock"]);
    finds("LGBTQ+ friendly", &["lgbtq", "LGBTQ+", "lgbtq+ friendly"]);
}

#[test]
fn words_of_german() {
    assert_eq!(tokens("Straße"), "0:Straße>strasse");
    let text =
        "Ich wohne in der Königsallee, fahre gern Fahrrad und suche jemanden für große Reisen.";
    finds(
        text,
        &[
            "konigsallee",
            "KÖNIGSALLEE",
            "Ko\u{308}nigsallee",
            "grosse reisen",
            "GROẞE",
            "fur",
        ],
    );
    misses(text, &["koenigsallee", "allee"]);
}

#[test]
fn words_of_french() {
    assert_eq!(
        tokens("J’aime l'escalade et qu'elle…"),
        "0:aime 1:escalade 2:et 3:elle"
    );
    let text =
        "Passionné d'escalade et de cinéma, j’habite à l'île Saint-Louis. Ça va ? Sœur aînée.";
    finds(
        text,
        &[
            "escalade",
            "l'escalade",
            "cinema",
            "ile",
            "saint-louis",
            "louis",
            "ca va",
            "soeur",
            "SŒUR",
            "habite",
        ],
    );
    misses(text, &["louis-saint"]);
}

#[test]
fn words_of_polish_and_turkish() {
    finds(
        "Mieszkam w Łodzi, lubię góry i żeglarstwo.",
        &["lodzi", "ŁODZI", "lubie gory", "ZEGLARSTWO"],
    );
    let text = "İstanbul'da yaşıyorum, IŞIK ve kahve severim.";
    finds(
        text,
        &[
            "istanbul",
            "ISTANBUL",
            "İSTANBUL",
            "yasiyorum",
            "ışık",
            "isik",
            "istanbul'da",
        ],
    );
    finds(
        "Søren fra Århus, Þingvellir, Đorđe, Việt Nam",
        &["soren", "arhus", "thingvellir", "dorde", "viet nam"],
    );
}

#[test]
fn words_of_other_alphabets() {
    finds("Живу в Москве, люблю ёлки", &["МОСКВЕ", "елки"]);
    finds("Μένω στην Αθήνα, Ὀδυσσεύς", &["αθηνα", "ΟΔΥΣΣΕΥΣ"]);
    finds("مُهَنْدِس في القـــاهرة", &["مهندس", "القاهرة"]);
    finds("שָׁלוֹם מצה״ל", &["שלום", "מצה״ל"]);
    finds("मैं दिल्ली में रहता हूँ", &["दिल्ली", "हूँ"]);
    finds("ผมอยู่กรุงเทพ", &["กรุงเทพ", "อยู่"]);
}

#[test]
fn words_of_chinese() {
    assert_eq!(tokens("我喜欢登山。"), "0:我喜 1:喜欢 2:欢登 3:登山 4:山");
    let text = "我住在北京市朝阳区，喜欢登山和摄影，想认识新朋友。";
    finds(
        text,
        &[
            "北京",
            "登山",
            "朝阳区",
            "喜欢登山和摄影",
            "摄影 北京",
            "京",
            "友",
            "我",
            "北京市 新朋友",
        ],
    );
    misses(
        text,
        &["上海", "山登", "京北", "北京区", "区喜", "喜欢摄影"],
    );
}

#[test]
fn words_of_japanese() {
    let text = "東京都に住んでいるエンジニアです。ｶﾞｲﾄﾞと山登りが好き！ﾊﾟﾝも。";
    finds(
        text,
        &[
            "東京",
            "京都",
            "エンジニア",
            "ガイド",
            "ｶﾞｲﾄﾞ",
            "パン",
            "山",
            "山登り",
            "都",
            "好き",
        ],
    );
    misses(text, &["カイト", "ハン", "大阪", "東都"]);
}

#[test]
fn words_of_korean() {
    let text = "서울에서 일하는 개발자입니다. 등산을 좋아해요.";
    finds(
        text,
        &["서울", "개발자", "등산", "좋아해요", "울", "등산 서울"],
    );
    // Decomposed, as some systems write.
    finds(text, &["\u{1109}\u{1165}\u{110B}\u{116E}\u{11AF}"]);
    misses(text, &["부산", "서울일"]);
}

#[test]
fn words_of_mixed_texts() {
    assert_eq!(
        tokens("Tシャツ2枚 ＯＫ"),
        "0:T>t 1:シャ 2:ャツ 3:ツ 4:2 5:枚 6:ＯＫ>ok"
    );
    let text = "Hi, 我叫Anna。I do K-pop 댄스 and 2年以上のJava経験 🧗🏽‍♀️ 🇩🇪";
    finds(
        text,
        &[
            "我叫anna",
            "anna",
            "k-pop",
            "댄스",
            "2年以上",
            "java経験",
            "JAVA",
            "経験",
            "🧗",
            "🇩🇪",
            "hi 経験",
            "叫",
        ],
    );
    misses(text, &["叫2", "🇩🇰", "java以上", "kpop"]);
}

#[test]
fn phrases_stand_in_order() {
    let texts = [
        "climbing rock music",
        "rock climbing",
        "rock and climbing",
        "北京 rock climbing 登山",
    ];
    let phrased = |text: &str| found(&texts, phrase(text).into_iter().collect());
    assert_eq!(phrased("rock climbing"), [1, 3]);
    assert_eq!(phrased("北京 rock"), [3]);
    assert_eq!(phrased("climbing 登"), [3]);
    assert_eq!(phrased("rock 登山"), [0; 0]);
    assert_eq!(phrased("climbing, rock!"), [0]);
    assert_eq!(phrase("?! …"), None);
}

#[test]
fn beginnings() {
    let texts = ["Photographer", "photo", "node.js", "東京 photos"];
    assert_eq!(found(&texts, prefix("PHOTO")), [0, 1, 3]);
    assert_eq!(found(&texts, prefix("node.j")), [2]);
    assert_eq!(found(&texts, prefix("東京 phot")), [3]);
    assert_eq!(found(&texts, prefix("phot 東")), [0; 0]);
    assert_eq!(found(&texts, prefix("photos 東")), [3]);
}

#[test]
fn what_is_asked_is_said_once() {
    assert_eq!(terms("a A á"), [Term::Word("a".to_owned())]);
    assert_eq!(terms("京"), [Term::Begins("京".to_owned())]);
    assert_eq!(terms("  "), []);
    let together = |words: &[&str], begins| Term::Together {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        begins,
    };
    assert_eq!(terms("東京都"), [together(&["東京", "京都"], false)]);
    assert_eq!(terms("東京3"), [together(&["東京", "京", "3"], false)]);
    assert_eq!(terms("3年"), [together(&["3", "年"], true)]);
    assert_eq!(terms("第3"), [together(&["第", "3"], false)]);
}

#[test]
fn long_words_are_cut() {
    let long = "é".repeat(5_000);
    let cut = "e".repeat(MAX_WORD_BYTES);
    assert_eq!(terms(&long), [Term::Word(cut)]);
    finds(&long, &[&long, &long[..2 * MAX_WORD_BYTES]]);
    let wide = "ш".repeat(5_000);
    assert!(matches!(&terms(&wide)[..], [Term::Word(word)] if word.len() <= MAX_WORD_BYTES));
}

#[test]
fn keywords_fold_whole() {
    for (one, other) in [
        ("  New   York ", "new york"),
        ("MÜNCHEN", "Munchen"),
        ("Straße", "STRASSE"),
        ("ＩＴ", "it"),
        ("ｶﾞ", "ガ"),
        ("İZMİR", "izmir"),
        ("C++", "c++"),
    ] {
        assert_eq!(fold(one), fold(other));
    }
    assert_ne!(fold("か"), fold("が"));
    assert_ne!(fold("C"), fold("C++"));
}

proptest! {
    // Each makes an index.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every token lies in the text, in order, and what is asked finds the text that it is made of.
    #[test]
    fn any_text_holds(text in any_text()) {
        holds(PAIRS, &text)?;
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
    }

    /// The same with a dictionary.
    #[test]
    fn any_text_holds_in_words(text in any_text()) {
        holds(DICTIONARY, &text)?;
    }
}

fn holds(analyzer: Analyzer, text: &str) -> Result<(), TestCaseError> {
    let mut words = TextAnalyzer::from(Words::new(analyzer));
    let mut stream = words.token_stream(text);
    let (mut position, mut from, mut any) = (0, 0, false);
    while stream.advance() {
        let token = stream.token();
        prop_assert!(token.offset_from < token.offset_to);
        prop_assert!(text.get(token.offset_from..token.offset_to).is_some());
        prop_assert!(token.offset_from >= from);
        prop_assert!(token.position == position || token.position == position + 1);
        prop_assert!(!token.text.is_empty() && token.text.len() <= 4 * MAX_WORD_BYTES);
        (position, from, any) = (token.position, token.offset_from, true);
    }
    let all = analyzer.terms(text);
    prop_assert_eq!(any, !all.is_empty());
    if any {
        let (index, field) = index(analyzer, &[text]);
        let phrase: Vec<Term> = analyzer.phrase(text).into_iter().collect();
        for asked in [all, analyzer.prefix(text), phrase] {
            prop_assert_eq!(ask(&index, field, asked.clone()), [0], "{:?}", asked);
            let mut marks = Marks::default();
            marks.add(asked.clone());
            prop_assert!(!ranges(text, &[&marks], analyzer).is_empty(), "{:?}", asked);
        }
    }
    Ok(())
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Zß0-9.+#'’ -]{1,6}",
        "[東京都にガｶﾞ한글กรุ々ー]{1,4}",
        "[我在北京大学读书喜歡登山和攝影㐀𠀀\u{F963}]{1,8}",
        "[éıİłØ\u{301}\u{AD}\u{200D}\u{FE0F}🧗🏽🇩🇪ﷺ½㈱]{1,3}",
        "\\PC{0,4}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}
