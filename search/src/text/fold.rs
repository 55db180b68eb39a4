//! What of a letter counts.

use unicode_normalization::UnicodeNormalization;

/// The text as it is compared where it is compared whole, as keywords are: without case, accents, width
/// of letters, and with single spaces between words. `Straße`, `STRASSE` and `ｓｔｒａｓｓｅ` are the same.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    let mut single = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        if !single.is_empty() {
            single.push(' ');
        }
        single.push_str(word);
    }
    single
}

/// Adds the folded text, spaces as they are.
pub(super) fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.extend(
            text.bytes()
                .map(|byte| char::from(byte.to_ascii_lowercase())),
        );
        return;
    }
    let letters = text.nfkd().filter(|letter| !is_mark(*letter));
    // Back together, for voiced kana and Hangul syllables are letters of their own.
    out.extend(letters.flat_map(lower).nfc());
}

/// Accents, points and vowel signs that many leave away, and what is not seen.
fn is_mark(letter: char) -> bool {
    matches!(u32::from(letter),
        // Of Latin, Greek and Cyrillic.
        0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
        // Of Hebrew.
        | 0x0591..=0x05BD | 0x05BF | 0x05C1 | 0x05C2 | 0x05C4 | 0x05C5 | 0x05C7
        // Of Arabic, and its stretched line.
        | 0x0610..=0x061A | 0x0640 | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06DC | 0x06DF..=0x06E4
        | 0x06E7 | 0x06E8 | 0x06EA..=0x06ED
        // Variants of how a character looks.
        | 0xFE00..=0xFE0F | 0xE0100..=0xE01EF)
        || is_unseen(letter)
}

/// Characters that take no room: soft hyphens, joiners, directions.
pub(super) fn is_unseen(letter: char) -> bool {
    matches!(u32::from(letter),
        0x00AD | 0x200C..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xFEFF)
}

/// Small letters, and letters that are a variant of others without being decomposed by Unicode.
fn lower(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ß' | 'ẞ' => ('s', Some('s')),
        'æ' | 'Æ' => ('a', Some('e')),
        'œ' | 'Œ' => ('o', Some('e')),
        'þ' | 'Þ' => ('t', Some('h')),
        'ø' | 'Ø' => ('o', None),
        'ł' | 'Ł' => ('l', None),
        'đ' | 'Đ' | 'ð' | 'Ð' => ('d', None),
        'ħ' | 'Ħ' => ('h', None),
        'ŧ' | 'Ŧ' => ('t', None),
        // Turkish has both; who types without its keyboard writes i for either.
        'ı' => ('i', None),
        'ς' => ('σ', None),
        '’' | 'ʼ' => ('\'', None),
        _ => {
            let mut small = letter.to_lowercase();
            (small.next().unwrap_or(letter), small.next())
        }
    };
    std::iter::once(first).chain(second)
}
