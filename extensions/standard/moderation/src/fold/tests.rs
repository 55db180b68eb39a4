//! What is read of a text, and where it stands.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> String {
    Folded::of(text).text()
}

#[test]
fn marks_and_shapes_do_not_matter() {
    for (text, expected) in [
        ("Crème Brûlée", "creme brulee"),
        ("Straße, Größe", "strasse, grosse"),
        ("Łódź, źdźbło", "lodz, zdzblo"),
        ("ÇILGIN İşğüö", "cilgin isguo"),
        ("não é ação", "nao e acao"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full\u{3000}width"),
        ("𝓈𝒸𝓇𝒾𝓅𝓉 𝗯𝗼𝗹𝗱 𝟙𝟚", "script bold 12"),
        ("ⓒⓘⓡⓒⓛⓔ 🅱🅾🆇", "circle box"),
        ("ᴄᴀᴘɪᴛᴀʟꜱ", "capitals"),
        ("٠١٢ ०१२ ①②", "012 012 12"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_seen_is_not_read_and_masked_with_its_letter() {
    let text = "a\u{200B}b\u{0301}\u{FE0F}c";
    let folded = Folded::of(text);
    assert_eq!(folded.text(), "abc");
    assert_eq!(folded.span(0, 3), 0..text.len());
    assert_eq!(folded.span(1, 2), 4..text.len() - 1);
}

#[test]
fn lookalikes_are_latin_where_they_are_mixed_in() {
    // Cyrillic а, с, е in Latin words, and a word of lookalikes alone among Latin ones.
    assert_eq!(read("p\u{0430}ss p\u{0435}\u{0430}\u{0441}e"), "pass peace");
    assert_eq!(read("\u{0441}\u{043E}\u{0440} here"), "cop here");
    assert_eq!(read("ο κόσμος"), "ο κοσμοσ");
}

#[test]
fn russian_stays_russian() {
    // `сор` and `рот` could be read as Latin.
    assert_eq!(read("Сор попал в рот, ещё"), "сор попал в рот, еще");
}

#[test]
fn scripts_without_spaces_are_told_apart() {
    let kinds = |text: &str| -> Vec<Kind> {
        Folded::of(text)
            .letters
            .iter()
            .map(|letter| letter.kind)
            .collect()
    };
    assert_eq!(kinds("漢かカ"), [Kind::Dense; 3]);
    assert_eq!(kinds("한글"), [Kind::Letter; 2]);
    assert!(Folded::of("한").east_asian && !Folded::of("한").latin);
}

proptest! {
    #[test]
    fn every_letter_stands_somewhere_in_the_text(text in "\\PC{0,80}") {
        let folded = Folded::of(&text);
        let mut last = 0;
        for letter in &folded.letters {
            let (start, end) = (letter.start as usize, letter.end as usize);
            prop_assert!(text.get(start..end).is_some_and(|part| !part.is_empty()));
            prop_assert!(start >= last);
            last = start;
        }
    }

    #[test]
    fn what_is_folded_stays_as_it_is(text in "[a-z0-9àéîõüßłşñç .,!ＡＢ\u{200B}]{0,60}") {
        let once = read(&text);
        prop_assert_eq!(read(&once), once);
    }

    #[test]
    fn capitals_do_not_matter(text in "[a-zA-ZÀ-ÖØ-Þ ]{0,60}") {
        prop_assert_eq!(read(&text), read(&text.to_lowercase()));
    }

    #[test]
    fn unseen_letters_change_nothing(text in "[a-zé ]{1,40}", at in 0usize..40, unseen in "[\u{200B}\u{200D}\u{2060}\u{AD}]") {
        let at = text.floor_char_boundary(at.min(text.len()));
        let mut hidden = text.clone();
        hidden.insert_str(at, &unseen);
        prop_assert_eq!(read(&hidden), read(&text));
    }
}
