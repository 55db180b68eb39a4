//! A text as the words it may be read as: as they stand there, and as they are if somebody hid them, with signs for letters, with
//! something between the letters, or with the letters spelled out one by one.

mod hidden;

use std::ops::Range;

use super::term::{HIDDEN, Place, Term};
use crate::fold::{Folded, Kind, Letter};

/// The ways to read a text.
pub(super) struct Reading {
    /// The letters of all words, one word behind the other.
    places: Vec<Place>,
    /// In the order in which they were read.
    words: Vec<Word>,
    /// Which of them stand in the text as they are, in its order: what phrases are made of.
    plain: Vec<u32>,
    /// Which of them have letters that were hidden behind stars.
    starred: Vec<u32>,
    /// What is written without spaces, with a line's end where something else comes between.
    dense: Vec<Place>,
    /// How words begin.
    starts: Pairs,
    /// What stands anywhere in them.
    inside: Pairs,
}

/// A word, as it stands there or as it may be meant.
struct Word {
    /// Where it begins and ends among all places.
    from: u32,
    to: u32,
    /// Terms that it may be have one of these, which may be the same.
    beginnings: [u16; 2],
}

impl Reading {
    pub(super) fn of(text: &Folded) -> Self {
        let mut reading = Self {
            places: Vec::with_capacity(text.letters.len() * 2),
            words: Vec::with_capacity(text.letters.len() / 3 + 4),
            plain: Vec::with_capacity(text.letters.len() / 3 + 4),
            starred: Vec::new(),
            dense: Vec::new(),
            starts: Pairs::default(),
            inside: Pairs::default(),
        };
        hidden::read(text, &mut reading);
        if text.east_asian {
            reading.read_dense(text);
        }
        reading
    }

    /// Takes the letters as a word and answers its number.
    fn push(&mut self, letters: impl Iterator<Item = Place>) -> u32 {
        let from = self.places.len();
        let mut last = None;
        let mut first = None;
        let mut second = None;
        let mut starred = false;
        for place in letters {
            let letter = place.0;
            starred |= letter == HIDDEN;
            match (last, first) {
                (None, _) => {
                    first = Some(letter);
                    self.starts.add(letter, None);
                }
                (Some(last), Some(first)) if last != letter => {
                    self.inside.add(last, Some(letter));
                    if second.is_none() {
                        self.starts.add(first, Some(letter));
                        second = Some(letter);
                    }
                }
                _ => {}
            }
            last = Some(letter);
            self.places.push(place);
        }
        let number = self.words.len() as u32;
        let first = first.unwrap_or_default();
        self.words.push(Word {
            from: from as u32,
            to: self.places.len() as u32,
            beginnings: [None, second].map(|second| Pairs::bit(first, second) as u16),
        });
        if starred {
            self.starred.push(number);
        }
        number
    }

    fn read_dense(&mut self, text: &Folded) {
        for (at, letter) in text.letters.iter().enumerate() {
            match letter.kind {
                Kind::Dense => self.dense.push((letter.letter, at as u32)),
                // People put them between the letters of what they hide.
                Kind::Space | Kind::Joiner => {}
                _ => self.dense.push(('\n', at as u32)),
            }
        }
    }

    fn word(&self, number: u32) -> &[Place] {
        let Word { from, to, .. } = self.words[number as usize];
        &self.places[from as usize..to as usize]
    }

    /// Whether letters were hidden: then what a word begins with says little.
    pub(super) fn has_hidden(&self) -> bool {
        !self.starred.is_empty()
    }

    /// All words, by number.
    pub(super) fn words(&self) -> Range<u32> {
        0..self.words.len() as u32
    }

    /// Those that stand there as they are, in their order.
    pub(super) fn plain(&self) -> &[u32] {
        &self.plain
    }

    /// What a term begins with that a word may be.
    pub(super) fn beginnings(&self, number: u32) -> impl Iterator<Item = usize> {
        let [first, both] = self.words[number as usize].beginnings;
        std::iter::once(first)
            .chain((both != first).then_some(both))
            .map(usize::from)
    }

    /// Tells whether the term is this word, or what it begins with.
    pub(super) fn find_word(
        &self,
        term: &Term<'_>,
        number: u32,
        tell: &mut impl FnMut(Range<usize>),
    ) {
        let word = self.word(number);
        if let Some(count) = term.fits(word) {
            tell(span(word[0], word[count - 1]));
        }
    }

    /// Tells everywhere that the term stands, in letters of the text.
    pub(super) fn find(&self, term: &Term<'_>, tell: &mut impl FnMut(Range<usize>)) {
        match term.text.chars().next() {
            Some(first) if is_dense(first) => self.find_dense(term, tell),
            Some(_) => self.find_spaced(term, tell),
            None => {}
        }
    }

    /// The same of a term whose script has spaces between words.
    pub(super) fn find_spaced(&self, term: &Term<'_>, tell: &mut impl FnMut(Range<usize>)) {
        let Some((first, second)) = opening(term.text) else {
            return;
        };
        if term.is_phrase() {
            // The second letter may be the space.
            if self
                .starts
                .has(first, second.filter(|letter| *letter != ' '))
            {
                for at in 0..self.plain.len() {
                    self.find_phrase(term, at, tell);
                }
            }
            return;
        }
        let may_be_there = match (term.open_start, second) {
            (true, Some(_)) => self.inside.has(first, second) || self.starts.has(first, second),
            (true, None) => true,
            (false, _) => self.starts.has(first, second),
        };
        if may_be_there {
            for number in 0..self.words.len() as u32 {
                let word = self.word(number);
                let last_start = if term.open_start { word.len() } else { 1 };
                for start in 0..last_start {
                    if word[start].0 == first
                        && (start == 0 || word[start - 1].0 != first)
                        && let Some(count) = term.fits(&word[start..])
                    {
                        tell(span(word[start], word[start + count - 1]));
                        break;
                    }
                }
            }
        }
        for number in &self.starred {
            let word = self.word(*number);
            if let Some(count) = term.fits_hidden(word) {
                tell(span(word[0], word[count - 1]));
            }
        }
    }

    /// Tells whether the phrase begins with this one of the words that stand there as they are.
    pub(super) fn find_phrase(
        &self,
        term: &Term<'_>,
        at: usize,
        tell: &mut impl FnMut(Range<usize>),
    ) {
        let mut there = self.plain[at..].iter().map(|number| self.word(*number));
        let mut wanted = term
            .text
            .split(' ')
            .filter(|word| !word.is_empty())
            .peekable();
        let mut from = None;
        let mut to = None;
        while let Some(text) = wanted.next() {
            let one = Term {
                text,
                open_start: term.open_start && from.is_none(),
                open_end: term.open_end && wanted.peek().is_none(),
            };
            let Some((word, count)) = there.next().and_then(|word| Some((word, one.fits(word)?)))
            else {
                return;
            };
            from = from.or(Some(word[0]));
            to = Some(word[count - 1]);
        }
        if let (Some(from), Some(to)) = (from, to) {
            tell(span(from, to));
        }
    }

    /// The same of a term whose script has none.
    pub(super) fn find_dense(&self, term: &Term<'_>, tell: &mut impl FnMut(Range<usize>)) {
        let wanted = term.text.chars().count();
        let whole_run = term.text.chars().all(is_katakana);
        for start in 0..self.dense.len() {
            let Some(letters) = self.dense.get(start..start + wanted) else {
                break;
            };
            if !letters
                .iter()
                .map(|(letter, _)| *letter)
                .eq(term.text.chars())
            {
                continue;
            }
            let goes_on = |at: Option<&Place>| at.is_some_and(|(letter, _)| is_katakana(*letter));
            let before = start.checked_sub(1).and_then(|at| self.dense.get(at));
            let within = whole_run
                && ((!term.open_start && goes_on(before))
                    || (!term.open_end && goes_on(self.dense.get(start + wanted))));
            if !within {
                tell(letters[0].1 as usize..letters[wanted - 1].1 as usize + 1);
            }
        }
    }
}

/// From the one to the other, in letters of the text.
fn span(from: Place, to: Place) -> Range<usize> {
    from.1 as usize..to.1 as usize + 1
}

fn is_katakana(letter: char) -> bool {
    matches!(letter, '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}')
}

/// The first letter, and the first other one, which may be a space.
fn opening(text: &str) -> Option<(char, Option<char>)> {
    let mut letters = text.chars();
    let first = letters.next()?;
    Some((first, letters.find(|letter| *letter != first)))
}

/// A number, below [`BEGINNINGS`], for how a word begins that the term may stand for.
pub(super) fn beginning(text: &str) -> usize {
    opening(text).map_or(0, |(first, second)| {
        Pairs::bit(first, second.filter(|letter| *letter != ' '))
    })
}

pub(super) fn is_dense(letter: char) -> bool {
    !letter.is_ascii()
        && Folded::of(letter.encode_utf8(&mut [0; 4]))
            .letters
            .first()
            .is_some_and(|letter| letter.kind == Kind::Dense)
}

/// How many beginnings are told apart.
pub(super) const BEGINNINGS: usize = 32 * 64;

/// Pairs of letters, of which some that were not added may seem to be there.
#[derive(Default)]
struct Pairs([u64; BEGINNINGS / 64]);

impl Pairs {
    fn bit(first: char, second: Option<char>) -> usize {
        let mixed = (first as u32).wrapping_mul(0x9E37_79B1)
            ^ second.map_or(0, |second| (second as u32).wrapping_mul(0x85EB_CA77));
        (mixed >> 21) as usize
    }

    fn add(&mut self, first: char, second: Option<char>) {
        let bit = Self::bit(first, second);
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    fn has(&self, first: char, second: Option<char>) -> bool {
        let bit = Self::bit(first, second);
        self.0[bit / 64] & (1 << (bit % 64)) != 0
    }
}

/// Whether it may be part of a word with spaces around it.
fn is_of_word(letter: &Letter) -> bool {
    matches!(
        letter.kind,
        Kind::Letter | Kind::Digit | Kind::Joiner | Kind::Sign
    )
}
