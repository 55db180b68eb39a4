//! What a list says, and whether a word is that.

/// A term of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term<'a> {
    /// Without the stars.
    pub(super) text: &'a str,
    /// Whether the word may begin with something else.
    pub(super) open_start: bool,
    /// Whether the word may go on.
    pub(super) open_end: bool,
}

/// A letter of the text and which one it is there; `*` stands for a letter that was hidden.
pub(super) type Place = (char, u32);

pub(super) const HIDDEN: char = '*';

/// Letters a term has at least so that a doubled letter is passed over: with fewer, `god` would be found in `good`.
const DOUBLED_FROM: usize = 4;

impl<'a> Term<'a> {
    pub(super) fn parse(term: &'a str) -> Self {
        let (open_start, text) = match term.strip_prefix('*') {
            Some(text) => (true, text),
            None => (false, term),
        };
        let (open_end, text) = match text.strip_suffix('*') {
            Some(text) => (true, text),
            None => (false, text),
        };
        Self {
            text,
            open_start,
            open_end,
        }
    }

    /// Whether it is several words.
    pub(super) fn is_phrase(&self) -> bool {
        self.text.contains(' ')
    }

    /// How many letters at the beginning of `word` are this term. A letter of the word may be repeated: three times or more in
    /// any term, twice in one that is long enough to be told from other words.
    pub(super) fn fits(&self, word: &[Place]) -> Option<usize> {
        let mut term = self.text.chars().peekable();
        let mut at = 0;
        while let Some(letter) = term.next() {
            let mut wanted = 1;
            while term.next_if_eq(&letter).is_some() {
                wanted += 1;
            }
            let there = word[at..]
                .iter()
                .take_while(|(has, _)| *has == letter)
                .count();
            let may_go_on = self.open_end && term.peek().is_none();
            let more = there > wanted
                && (there >= 3 || may_go_on || self.text.chars().count() >= DOUBLED_FROM);
            if there != wanted && !more {
                return None;
            }
            at += there;
        }
        (self.open_end || at == word.len()).then_some(at)
    }

    /// As `fits`, for a word of which some letters were hidden behind stars: each stands for one.
    pub(super) fn fits_hidden(&self, word: &[Place]) -> Option<usize> {
        let mut at = 0;
        for letter in self.text.chars() {
            let (has, _) = word.get(at)?;
            if *has != letter && (*has != HIDDEN || at == 0) {
                return None;
            }
            at += 1;
        }
        (at >= DOUBLED_FROM && (self.open_end || at == word.len())).then_some(at)
    }
}
