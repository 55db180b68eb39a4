//! What is wrong with a query in the language, and where.

/// Why a query is refused: with the place in it, for people to see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct ParseError {
    /// Where what is wrong begins, in bytes of the query; never within a character.
    pub at: usize,
    /// How many bytes of it; 0 where something is missing.
    pub len: usize,
    /// What is wrong, and what would do.
    pub message: String,
}

/// So much of a long query is shown on either side.
const SHOWN: usize = 48;

impl ParseError {
    /// Three lines for a terminal: the query, what is wrong underlined, and the message.
    ///
    /// Of a long query there is a part; line breaks and what is not printable are shown as spaces.
    pub fn render(&self, query: &str) -> String {
        let at = floor(query, self.at);
        let end = floor(query, at.saturating_add(self.len));
        let before: Vec<char> = query[..at].chars().collect();
        let cut = before.len().saturating_sub(SHOWN);
        let mut line = String::new();
        if cut > 0 {
            line.push('…');
        }
        line.extend(before[cut..].iter().map(|letter| shown(*letter)));
        let indent = width(&line);

        let wrong: String = query[at..end].chars().map(shown).take(SHOWN).collect();
        let whole = wrong.len() == end - at;
        line.push_str(&wrong);
        if whole {
            let mut after = query[end..].chars();
            line.extend(after.by_ref().take(SHOWN).map(shown));
            if after.next().is_some() {
                line.push('…');
            }
        } else {
            line.push('…');
        }
        let carets = "^".repeat(width(&wrong).max(1));
        format!("{line}\n{}{carets}\n{}", " ".repeat(indent), self.message)
    }
}

/// The beginning of the character at or before a place.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn shown(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}

/// Columns that a terminal needs.
fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| match u32::from(letter) {
            0x0300..=0x036F | 0x200B..=0x200F | 0x3099 | 0x309A | 0xFE00..=0xFE0F => 0,
            0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF => 2,
            0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF => 2,
            0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}
