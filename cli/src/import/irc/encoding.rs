//! Bytes to text: UTF-8, else what Windows clients sent before it was common.

use std::borrow::Cow;

/// What Windows-1252 has where Latin-1 has control characters; unassigned bytes stay as they are.
const FROM_80: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The line as text, and whether it was UTF-8. IRC has no declared encoding: a line that is not UTF-8 is read whole as
/// Windows-1252, as IRC clients do, which loses nothing.
pub(super) fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), true),
        Err(_) => {
            let text = bytes.iter().map(|&byte| match byte {
                0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
                _ => char::from(byte),
            });
            (Cow::Owned(text.collect()), false)
        }
    }
}

/// Text without control codes: they are formatting (bold, colours), stray backspaces, or would act on a terminal that
/// shows them. Tabs stay. The zero-width U+FEFF that some clients put before what was pasted goes too.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{3}' => rest = after_colour(rest.as_str()).chars(),
            '\t' => clean.push(c),
            '\u{feff}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Skips `4`, `04`, `4,12`: the foreground and background behind a colour code.
fn after_colour(text: &str) -> &str {
    let behind = skip_digits(text);
    match behind.strip_prefix(',') {
        Some(background)
            if behind.len() < text.len()
                && background.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            skip_digits(background)
        }
        _ => behind,
    }
}

fn skip_digits(text: &str) -> &str {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    &text[digits..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_read_as_windows_1252() {
        assert_eq!(decode("héllo".as_bytes()), ("héllo".into(), true));
        assert_eq!(decode(b"h\xe9llo don\x92t"), ("héllo don’t".into(), false));
    }

    #[test]
    fn control_codes_go_and_what_they_frame_stays() {
        let cases = [
            ("plain\ttext", "plain\ttext"),
            ("\u{2}bold\u{2} \u{1f}under\u{f}", "bold under"),
            ("\u{3}4red\u{3} \u{3}04,12both\u{3}", "red both"),
            ("\u{3}4,then", ",then"),
            ("\u{3},5", ",5"),
            ("\u{3}123", "3"),
            ("firign\u{8}\u{8}ng", "firignng"),
            ("\u{1b}[2Jgone", "[2Jgone"),
            ("\u{feff}vova: try", "vova: try"),
            ("\u{7f}\u{85}", ""),
            ("\u{3}", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(clean(text), wanted, "{text:?}");
        }
    }
}
