//! A text cut into what is indexed of it.

use std::ops::Range;

use super::{
    Analyzer, Chinese, MAX_WORD_BYTES,
    fold::fold_into,
    units::{Class, Unit, is_flag_letter, unit},
};

/// How a piece stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word.
    Word,
    /// A word without the signs after it, which another piece at the same place has: the `c` of `C++`.
    Bare,
    /// Two characters of a run that is written without spaces.
    Pair,
    /// The last character of a run of several.
    Last,
    /// A run of one character.
    Single,
    /// A word of the dictionary, as it is in the sentence.
    Known,
    /// A word of the dictionary within another, or where the sentence has none.
    Part,
    /// A character of a known word.
    Covered,
    /// Any other Han character.
    Unknown,
}

/// Something that is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// Where it stands in the text, in bytes.
    pub(super) from: usize,
    pub(super) to: usize,
    /// How many words or characters of runs come before.
    pub(super) position: usize,
    /// Whether nothing that parts words stands between this and what comes before.
    pub(super) joined: bool,
    /// Where its folded form is.
    folded: (usize, usize),
}

/// All pieces of a text. Kept for the next text, so that nothing is allocated for most.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    pub(super) folded: String,
}

/// What stands before `'` and is not looked for: `l'escalade`, `qu'elle`.
const ELIDED: [&str; 13] = [
    "l", "d", "j", "m", "t", "s", "n", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu",
];

impl Pieces {
    pub(super) fn get(&self, index: usize) -> Option<(Piece, &str)> {
        let piece = *self.pieces.get(index)?;
        Some((piece, &self.folded[piece.folded.0..piece.folded.1]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Piece, &str)> {
        (0..self.pieces.len()).filter_map(|index| self.get(index))
    }

    /// Cuts a text, forgetting the last one.
    pub(super) fn cut(&mut self, text: &str, analyzer: Analyzer) {
        let words = analyzer.chinese == Chinese::Words;
        self.pieces.clear();
        self.folded.clear();
        let (mut at, mut position) = (0, 0);
        // What parts the last word from the next, as far as it is known to be little.
        let mut gap = Gap::Start;
        while let Some(unit) = unit(text, at) {
            let before = position;
            let joined = gap.joins();
            at = match unit.class {
                Class::Word => self.word(text, unit, &mut position, joined),
                Class::Run if words && unit.han => self.chinese(text, unit, &mut position, joined),
                Class::Run => self.run(text, unit, &mut position, joined, words),
                Class::Emoji => self.emoji(text, unit, &mut position),
                Class::Other => {
                    gap.add(&text[unit.from..unit.to]);
                    unit.to
                }
                Class::Unseen => unit.to,
            };
            if position > before {
                gap = Gap::Nothing;
            }
        }
    }

    /// A word, the signs of `C++` and `C#` after it, or an elided word and `'`. Answers where it ends.
    fn word(&mut self, text: &str, first: Unit, position: &mut usize, joined: bool) -> usize {
        let start = self.folded.len();
        let (from, mut to) = (first.from, first.to);
        let mut at = to;
        while let Some(next) = unit(text, at) {
            match next.class {
                Class::Word => to = next.to,
                Class::Unseen => {}
                _ => break,
            }
            at = next.to;
        }
        fold_into(&text[from..to], &mut self.folded);
        self.shorten(start);
        if self.folded.len() == start {
            return at;
        }
        let rest = &text[to..];
        if let Some(after) = rest.strip_prefix(['\'', '’'])
            && after.starts_with(char::is_alphabetic)
            && ELIDED.contains(&&self.folded[start..])
        {
            self.folded.truncate(start);
            return text.len() - after.len();
        }
        let signs = signs(rest);
        let kind = if signs > 0 { Kind::Bare } else { Kind::Word };
        self.add_last(kind, from..to, start, *position, joined);
        if signs > 0 {
            let bare = start..self.folded.len();
            let start = self.folded.len();
            self.folded.extend_from_within(bare);
            self.folded.push_str(&rest[..signs]);
            to += signs;
            at = to;
            self.add_last(Kind::Word, from..to, start, *position, joined);
        }
        *position += 1;
        at
    }

    /// Characters of scripts without spaces, up to the first Han character if those are words. Answers where
    /// they end.
    fn run(
        &mut self,
        text: &str,
        first: Unit,
        position: &mut usize,
        joined: bool,
        words: bool,
    ) -> usize {
        let mut last = (first, self.fold(&text[first.from..first.to]));
        let (mut at, mut joined, mut alone) = (first.to, joined, true);
        while let Some(next) = unit(text, at) {
            match next.class {
                Class::Run if !(words && next.han) => {
                    // The folded forms lie one after the other, and each pair spans two.
                    let middle = self.fold(&text[next.from..next.to]);
                    self.add_last(Kind::Pair, last.0.from..next.to, last.1, *position, joined);
                    *position += 1;
                    (last, joined, alone) = ((next, middle), true, false);
                }
                Class::Unseen => {}
                _ => break,
            }
            at = next.to;
        }
        let kind = if alone { Kind::Single } else { Kind::Last };
        self.add_last(kind, last.0.from..last.0.to, last.1, *position, joined);
        *position += 1;
        at
    }

    /// A picture is a word. Its colour and sex do not count.
    fn emoji(&mut self, text: &str, unit: Unit, position: &mut usize) -> usize {
        let start = self.folded.len();
        let mut letters = text[unit.from..unit.to].chars();
        if let Some(first) = letters.next() {
            self.folded.push(first);
            if is_flag_letter(first) {
                self.folded.extend(letters.next());
            }
        }
        self.add_last(Kind::Word, unit.from..unit.to, start, *position, false);
        *position += 1;
        unit.to
    }

    /// Folds a part of the text. Answers where that begins.
    pub(super) fn fold(&mut self, text: &str) -> usize {
        let start = self.folded.len();
        fold_into(text, &mut self.folded);
        start
    }

    /// Adds a piece whose folded form begins here and goes on to the end.
    fn add_last(
        &mut self,
        kind: Kind,
        at: Range<usize>,
        folded: usize,
        position: usize,
        joined: bool,
    ) {
        self.add(kind, at, (folded, self.folded.len()), position, joined);
    }

    pub(super) fn add(
        &mut self,
        kind: Kind,
        at: Range<usize>,
        folded: (usize, usize),
        position: usize,
        joined: bool,
    ) {
        self.pieces.push(Piece {
            kind,
            from: at.start,
            to: at.end,
            position,
            joined,
            folded,
        });
    }

    /// Cuts the last word off where it is too long.
    fn shorten(&mut self, start: usize) {
        let mut end = start + MAX_WORD_BYTES;
        if end < self.folded.len() {
            while !self.folded.is_char_boundary(end) {
                end -= 1;
            }
            self.folded.truncate(end);
        }
    }
}

/// The length of what belongs to a name as `C++`, `C#` or `LGBTQ+` do, if nothing follows at once.
fn signs(rest: &str) -> usize {
    let len = match rest.as_bytes() {
        [b'+', b'+', ..] => 2,
        [b'+' | b'#', ..] => 1,
        _ => return 0,
    };
    let ends = rest[len..].chars().next().is_none_or(|next| {
        !next.is_alphanumeric() && !matches!(next, '+' | '#' | '@' | '_' | '=' | '\'')
    });
    if ends { len } else { 0 }
}

/// What stands between two words.
enum Gap {
    /// Nothing came before.
    Start,
    Nothing,
    /// One sign that joins, as in `node.js`.
    Joint,
    Wide,
}

impl Gap {
    fn add(&mut self, sign: &str) {
        const JOINTS: &str = ".'’-‐‑_&@·״׳";
        *self = match self {
            Gap::Nothing if JOINTS.contains(sign) => Gap::Joint,
            _ => Gap::Wide,
        };
    }

    fn joins(&self) -> bool {
        matches!(self, Gap::Nothing | Gap::Joint)
    }
}
