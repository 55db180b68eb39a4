//! What lists find in real sentences, in disguise, and what they leave alone.

use proptest::prelude::*;

use super::*;
use crate::settings::Words;

mod disguises;
mod languages;

/// The parts of the text that the settings find.
fn found_with<'a>(text: &'a str, settings: &Words) -> Vec<&'a str> {
    let mut spans: Vec<_> = Terms::of(settings)
        .find(&Folded::of(text))
        .into_iter()
        .map(|found| (found.span.start, found.span.end))
        .collect();
    spans.sort_unstable();
    spans.dedup();
    spans
        .into_iter()
        .map(|(from, to)| &text[from..to])
        .collect()
}

fn found(text: &str) -> Vec<&str> {
    found_with(text, &Words::default())
}

fn own(terms: &[&'static str]) -> Words {
    Words {
        languages: Vec::new(),
        medium: terms.iter().map(|term| (*term).into()).collect(),
        ..Words::default()
    }
}

#[test]
fn built_in_terms_are_folded_and_found() {
    for list in &LISTS {
        for term in [list.low, list.medium, list.high, list.except].concat() {
            let read = Folded::of(term).text();
            assert_eq!(read, term, "{}: write it as it is read", list.language);
        }
        for term in [list.low, list.medium, list.high].concat() {
            let word = term.replace('*', "");
            assert!(
                !found(&word).is_empty(),
                "{}: {term} is not found",
                list.language
            );
        }
        for word in list.except {
            assert_eq!(
                found(word),
                [""; 0],
                "{}: {word} is an exception",
                list.language
            );
        }
    }
}

#[test]
fn terms_are_of_the_severity_that_they_stand_under() {
    let text = Folded::of("what a damn whore, shit");
    let mut severities: Vec<Severity> = Terms::of(&Words::default())
        .find(&text)
        .iter()
        .map(|found| found.severity)
        .collect();
    severities.sort_unstable();
    assert_eq!(
        severities,
        [Severity::Low, Severity::Medium, Severity::High]
    );
}

#[test]
fn a_language_that_is_not_chosen_is_not_looked_for() {
    let german = Words {
        languages: vec!["de".into()],
        ..Words::default()
    };
    assert_eq!(found_with("so ein Arschloch, fuck", &german), ["Arschloch"]);
}

#[test]
fn stars_let_a_word_go_on() {
    let text = "crypto cryptocurrency mycryptocoin";
    assert_eq!(found_with(text, &own(&["crypto"])), ["crypto"]);
    assert_eq!(found_with(text, &own(&["crypto*"])), ["crypto", "crypto"]);
    assert_eq!(
        found_with(text, &own(&["*crypto*"])),
        ["crypto", "crypto", "crypto"]
    );
    assert_eq!(found_with(text, &own(&["*coin"])), ["coin"]);
}

#[test]
fn terms_of_an_operator_may_be_written_as_people_write() {
    assert_eq!(
        found_with("GELDANLAGE im Ausland", &own(&["Geldanlage"])),
        ["GELDANLAGE"]
    );
    assert_eq!(
        found_with("das ist BLOED, blöd", &own(&["BLÖD", "bloed"])),
        ["BLOED", "blöd"]
    );
    assert_eq!(
        found_with("это мошенники", &own(&["Мошенник*"])),
        ["мошенник"]
    );
    assert_eq!(found_with("我想投资比特币", &own(&["比特币"])), ["比特币"]);
}

#[test]
fn spaces_at_the_ends_of_a_term_stand_for_nothing() {
    let terms = own(&[" kredit ", "gold *", "* silver"]);
    assert_eq!(
        found_with("kredit golden gold silver", &terms),
        ["kredit", "gold", "silver"]
    );
}

#[test]
fn phrases_are_words_in_a_row() {
    let settings = own(&["wire money", "gift card*"]);
    assert_eq!(found_with("please WIRE  the money", &settings), [""; 0]);
    assert_eq!(
        found_with("please WIRE, money now; gift cards", &settings),
        ["WIRE, money", "gift card"]
    );
    assert_eq!(found_with("wire", &settings), [""; 0]);
}

#[test]
fn exceptions_are_never_meant() {
    let settings = Words {
        except: vec!["shit happens".into(), "bitches brew".into()],
        ..Words::default()
    };
    assert_eq!(
        found_with("shit happens, as in Bitches Brew. shit!", &settings),
        ["shit"]
    );
}

/// Tries the lists against spelling dictionaries, a word a line: `DICTIONARIES=/usr/share/dict/american-english:... cargo test -p moderation
/// dictionaries -- --ignored --nocapture`. What it prints is to be read by somebody who knows the language.
#[test]
#[ignore = "needs dictionaries, and somebody who reads what is printed"]
fn dictionaries() {
    let files = std::env::var("DICTIONARIES").expect("DICTIONARIES names files");
    for file in files.split(':') {
        let bytes = std::fs::read(file).expect("a dictionary");
        let text = String::from_utf8_lossy(&bytes);
        // Those of spelling checkers have flags behind a slash.
        let words = text
            .lines()
            .map(|line| line.split('/').next().unwrap_or(line));
        let hits: Vec<&str> = words.filter(|word| !found(word).is_empty()).collect();
        println!("{file}: {} {hits:?}", hits.len());
    }
}

proptest! {
    /// Whatever is written, and whatever an operator's terms are, what is found is a part of the text.
    #[test]
    fn any_text_can_be_looked_at(text in "\\PC{0,120}", term in "\\PC{0,12}") {
        let settings = Words { low: vec![term.as_str().into()], ..Words::default() };
        for found in Terms::of(&settings).find(&Folded::of(&text)) {
            prop_assert!(text.get(found.span).is_some_and(|part| !part.is_empty()));
        }
    }

    /// Putting terms in order leaves none out: what is found is what is found when each is looked for.
    #[test]
    fn no_term_is_passed_over(
        words in prop::collection::vec(prop_oneof!["[a-z*@1.]{1,6}", "[a-z]{1,3}", Just("傻逼".to_owned()), any::<prop::sample::Index>().prop_map(|at| {
            let terms: Vec<&str> = LISTS.iter().flat_map(|list| [list.low, list.medium, list.high, list.except].concat()).collect();
            at.get(&terms).replace('*', "")
        })], 0..8),
    ) {
        let text = Folded::of(&words.join(" "));
        let terms = Terms::of(&Words::default());
        let reading = Reading::of(&text);
        let mut all = Vec::new();
        for entry in terms.words.entries.iter().chain(&terms.phrases.entries).chain(&terms.within).chain(&terms.dense) {
            if can_occur(entry.list, &text) {
                reading.find(&entry.term(), &mut at(entry, &mut all));
            }
        }
        terms.drop_excepted(&mut all, &reading);
        let mut all: Vec<_> = all.into_iter().map(|at| (text.span(at.letters.start, at.letters.end), at.severity)).collect();
        let mut found: Vec<_> = terms.find(&text).into_iter().map(|found| (found.span, found.severity)).collect();
        let key = |(span, severity): &(Range<usize>, Severity)| (span.start, span.end, *severity);
        all.sort_by_key(key);
        found.sort_by_key(key);
        prop_assert_eq!(found, all);
    }

    /// A term is found wherever it stands as a word, and not within a word.
    #[test]
    fn a_word_is_found_as_a_word(before in "[xyz]{1,8}", term in "[a-w]{4,10}", behind in "[xyz]{1,8}") {
        let terms = [term.as_str().into()];
        let settings = Words { languages: Vec::new(), high: terms.to_vec(), ..Words::default() };
        let apart = format!("{before} {term}, {behind}");
        prop_assert_eq!(found_with(&apart, &settings), [term.as_str()]);
        let within = format!("{before}{term}{behind}");
        prop_assert_eq!(found_with(&within, &settings), [""; 0]);
    }
}
