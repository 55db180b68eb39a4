//! What a reader takes for one character, and what it is.

use unicode_segmentation::UnicodeSegmentation;

use super::fold::is_unseen;

/// What a reader takes for one character.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) class: Class,
    /// Whether it is one that Chinese is written with.
    pub(super) han: bool,
    /// Where it stands, in bytes.
    pub(super) from: usize,
    pub(super) to: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Of a word.
    Word,
    /// Of a script without spaces.
    Run,
    Emoji,
    /// Takes no room and parts nothing.
    Unseen,
    /// Parts words.
    Other,
}

/// The character at a place, which is where one begins; nothing at the end.
pub(super) fn unit(text: &str, from: usize) -> Option<Unit> {
    let rest = &text[from..];
    let bytes = rest.as_bytes();
    let first = *bytes.first()?;
    // Nearly all texts are mostly this, and what follows is slow.
    if first.is_ascii() && bytes.get(1).is_none_or(u8::is_ascii) {
        let class = if first.is_ascii_alphanumeric() {
            Class::Word
        } else {
            Class::Other
        };
        return Some(Unit {
            class,
            han: false,
            from,
            to: from + 1,
        });
    }
    let cluster = rest.graphemes(true).next()?;
    let letter = cluster.chars().next()?;
    let class = if is_unseen(letter) {
        Class::Unseen
    } else if is_run(letter) && letter.is_alphanumeric() {
        Class::Run
    } else if is_emoji(letter) {
        Class::Emoji
    } else if letter.is_alphanumeric() {
        Class::Word
    } else {
        Class::Other
    };
    Some(Unit {
        class,
        han: is_han(letter),
        from,
        to: from + cluster.len(),
    })
}

/// Scripts that are written without spaces, and Hangul, whose words carry particles.
fn is_run(letter: char) -> bool {
    matches!(u32::from(letter),
        // Thai, Lao, Myanmar.
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0xA9E0..=0xA9FF | 0xAA60..=0xAA7F
        // Khmer.
        | 0x1780..=0x17FF
        // Hangul.
        | 0x1100..=0x11FF | 0xA960..=0xA97F | 0xAC00..=0xD7FF | 0xFFA0..=0xFFDC
        // Han and its radicals, kana, Bopomofo, Hangul letters alone.
        | 0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x303C | 0x3041..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F
        | 0x1B000..=0x1B16F | 0x20000..=0x3FFFF)
}

/// Characters that Chinese words are of, and Japanese and Korean ones, too.
fn is_han(letter: char) -> bool {
    matches!(u32::from(letter),
        0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3038..=0x303B
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter), 0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2B50 | 0x2B55)
        && !letter.is_alphanumeric()
        || is_flag_letter(letter)
}

/// One of the two letters that make a flag.
pub(super) fn is_flag_letter(letter: char) -> bool {
    matches!(u32::from(letter), 0x1F1E6..=0x1F1FF)
}
