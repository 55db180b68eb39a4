//! A text as people read it: small letters without marks, whatever script or shape they were borrowed from, without what cannot be
//! seen. Each letter knows where it stands in the text, so that what is found can be masked there.

mod latin;
mod lookalike;
#[cfg(test)]
mod tests;

/// What a letter is, as far as rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A letter of a script whose words stand apart.
    Letter,
    /// A digit, given as one of `0` to `9`.
    Digit,
    /// A letter of a script that leaves no space between words: Han, Hiragana, Katakana.
    Dense,
    /// What may stand within a word to hide it, or between two: `.`, `-`, `_`, `*`, `'`.
    Joiner,
    /// What may stand for a letter: `@`, `$`, `!`, `|`.
    Sign,
    /// A space.
    Space,
    /// A line's end, and all else that ends a word.
    Break,
}

/// One letter as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// Which.
    pub letter: char,
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the text, in bytes.
    pub start: u32,
    /// Where it ends, what cannot be seen behind it included.
    pub end: u32,
}

/// A text as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// In the order of the text.
    pub letters: Vec<Letter>,
    /// Whether there are letters of Latin script.
    pub latin: bool,
    /// Whether there are letters of scripts that East Asia writes.
    pub east_asian: bool,
}

impl Folded {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut folded = Self {
            letters: Vec::with_capacity(text.len() + 4),
            ..Self::default()
        };
        let mut foreign = false;
        for (start, letter) in text.char_indices() {
            let end = start + letter.len_utf8();
            if letter.is_ascii() {
                let (letter, kind) = ascii(letter);
                folded.latin |= letter.is_ascii_lowercase();
                folded.push(letter, kind, start, end);
            } else if is_unseen(letter) {
                if let Some(last) = folded.letters.last_mut() {
                    last.end = end as u32;
                }
            } else {
                let read = beyond_ascii(letter);
                folded.latin |= read.latin;
                folded.east_asian |= read.east_asian;
                foreign |= read.lookalike;
                for letter in read.letters.into_iter().flatten() {
                    let kind = if letter.is_ascii() {
                        ascii(letter).1
                    } else {
                        read.kind
                    };
                    folded.push(letter, kind, start, end);
                }
            }
        }
        if foreign {
            folded.latin |= lookalike::fold(&mut folded.letters);
        }
        folded
    }

    fn push(&mut self, letter: char, kind: Kind, start: usize, end: usize) {
        self.letters.push(Letter {
            letter,
            kind,
            start: start as u32,
            end: end as u32,
        });
    }

    /// What is read, as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.letter).collect()
    }

    /// Where these letters stand in the text.
    #[must_use]
    pub fn span(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        match self.letters.get(from..to) {
            Some([first, .., last]) => first.start as usize..last.end as usize,
            Some([one]) => one.start as usize..one.end as usize,
            _ => 0..0,
        }
    }
}

fn ascii(letter: char) -> (char, Kind) {
    let kind = match letter {
        'a'..='z' => Kind::Letter,
        'A'..='Z' => return (letter.to_ascii_lowercase(), Kind::Letter),
        '0'..='9' => Kind::Digit,
        ' ' | '\t' => Kind::Space,
        '.' | '-' | '_' | '*' | '\'' | '`' | '~' | '^' | '#' | '%' => Kind::Joiner,
        '@' | '$' | '!' | '|' | '+' => Kind::Sign,
        _ => Kind::Break,
    };
    (letter, kind)
}

/// What changes how a text is stored and not how it looks: joiners, marks on the letter before, directions, variants.
fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\u{AD}'
            | '\u{300}'..='\u{36F}'
            | '\u{61C}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180E}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// How a letter beyond ASCII is read.
struct Read {
    /// One letter, or the two that it joins.
    letters: [Option<char>; 2],
    /// What they are, where they are not ASCII.
    kind: Kind,
    latin: bool,
    east_asian: bool,
    /// Whether it is of a script with letters that look like Latin ones.
    lookalike: bool,
}

fn beyond_ascii(letter: char) -> Read {
    let read = |first: char, second: Option<char>| Read {
        letters: [Some(first), second],
        kind: Kind::Break,
        latin: first.is_ascii_lowercase(),
        east_asian: false,
        lookalike: false,
    };
    if let Some(plain) = latin::plain(letter) {
        return read(plain, None);
    }
    if let Some((first, second)) = joined(letter) {
        return read(first, Some(second));
    }
    if let Some(plain) = shaped(letter) {
        let mut read = read(plain.to_ascii_lowercase(), None);
        read.latin = plain.is_ascii_alphabetic();
        return read;
    }
    let mut read = read(letter, None);
    read.kind = match letter {
        // Half-width Katakana is left as it is: it is rare, and its marks are letters of their own.
        '\u{2E80}'..='\u{2FDF}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30FA}'
        | '\u{30FC}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9F}'
        | '\u{20000}'..='\u{3FFFF}' => {
            read.east_asian = true;
            Kind::Dense
        }
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => {
            Kind::Space
        }
        '·' | '•' | '‐'..='―' | '‘' | '’' | '′' | '∙' | '⋅' | '・' | '․' => {
            Kind::Joiner
        }
        '€' | '£' | '¥' | '¡' => Kind::Sign,
        _ if letter.is_alphabetic() => {
            let small = letter.to_lowercase().next().unwrap_or(letter);
            read.letters[0] = Some(lookalike::without_marks(small));
            read.lookalike = matches!(letter, '\u{370}'..='\u{52F}');
            read.east_asian = matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}');
            Kind::Letter
        }
        _ => Kind::Break,
    };
    read
}

/// Letters that are read as two.
fn joined(letter: char) -> Option<(char, char)> {
    Some(match letter {
        'ß' | 'ẞ' => ('s', 's'),
        'æ' | 'Æ' | 'ǽ' | 'Ǽ' => ('a', 'e'),
        'œ' | 'Œ' => ('o', 'e'),
        'þ' | 'Þ' => ('t', 'h'),
        'ĳ' | 'Ĳ' => ('i', 'j'),
        'ﬁ' => ('f', 'i'),
        'ﬂ' => ('f', 'l'),
        'ﬀ' => ('f', 'f'),
        _ => return None,
    })
}

/// Letters and digits of ASCII in another shape: full width, circled, as used in mathematics, small capitals, other scripts' digits.
fn shaped(letter: char) -> Option<char> {
    const SMALL_CAPITALS: (&str, &[u8]) =
        ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɡɑ", b"abcdefghijklmnoprstuvwyzga");
    let code = letter as u32;
    let latin = |from: u32| Some(char::from(b'a' + ((code - from) % 26) as u8));
    let digit = |from: u32| Some(char::from(b'0' + ((code - from) % 10) as u8));
    match code {
        0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0),
        0x1D400..=0x1D6A3 => latin(0x1D400),
        0x1D7CE..=0x1D7FF => digit(0x1D7CE),
        0x24B6..=0x24E9 => latin(0x24B6),
        0x1F130..=0x1F149 => latin(0x1F130),
        0x1F150..=0x1F169 => latin(0x1F150),
        0x1F170..=0x1F189 => latin(0x1F170),
        0x2070 | 0x2074..=0x2079 => digit(0x2070),
        0x2080..=0x2089 => digit(0x2080),
        0x2460..=0x2468 => digit(0x245F),
        0x24EA => Some('0'),
        0xB9 => Some('1'),
        0xB2 | 0xB3 => digit(0xB0),
        0x660..=0x669 => digit(0x660),
        0x6F0..=0x6F9 => digit(0x6F0),
        0x966..=0x96F => digit(0x966),
        0x250..=0x2AF | 0x1D00..=0x1D7F | 0xA730..=0xA731 => {
            let at = SMALL_CAPITALS.0.chars().position(|small| small == letter)?;
            SMALL_CAPITALS.1.get(at).copied().map(char::from)
        }
        _ => None,
    }
}
