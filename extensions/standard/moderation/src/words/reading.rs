//! A text as the words it may be read as: as they stand there, and as they are if somebody hid them, with signs for letters, with
//! something between the letters, or with the letters spelled out one by one.

mod hidden;

use super::At;
use super::term::{HIDDEN, Place, Term};
use crate::fold::{Folded, Kind, Letter};
use crate::settings::Severity;

/// The ways to read a text.
pub(super) struct Reading {
    /// The letters of all words, one word behind the other.
    places: Vec<Place>,
    /// Each word by where it begins and ends in `places`.
    words: Vec<(u32, u32)>,
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
        let mut second = false;
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
                    if !second {
                        self.starts.add(first, Some(letter));
                        second = true;
                    }
                }
                _ => {}
            }
            last = Some(letter);
            self.places.push(place);
        }
        let number = self.words.len() as u32;
        self.words.push((from as u32, self.places.len() as u32));
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
        let (from, to) = self.words[number as usize];
        &self.places[from as usize..to as usize]
    }

    /// Adds everywhere that the term stands.
    pub(super) fn find(&self, term: &Term<'_>, severity: Severity, found: &mut Vec<At>) {
        let mut letters = term.text.chars();
        let Some(first) = letters.next() else {
            return;
        };
        if is_dense(first) {
            return self.find_dense(term, severity, found);
        }
        let second = letters.find(|letter| *letter != first);
        // So nearly all terms are done with.
        let beginning = second.filter(|letter| *letter != ' ');
        if !term.open_start && self.starred.is_empty() && !self.starts.has(first, beginning) {
            return;
        }
        let mut add = |from: Place, to: Place| {
            found.push(At {
                from: from.1 as usize,
                to: to.1 as usize + 1,
                severity,
            });
        };
        if let Some((first_word, rest)) = term.text.split_once(' ') {
            // The second letter may be the space.
            if self
                .starts
                .has(first, second.filter(|letter| *letter != ' '))
            {
                self.find_phrase(
                    &Term {
                        text: first_word,
                        open_end: false,
                        ..*term
                    },
                    rest,
                    term.open_end,
                    &mut add,
                );
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
                        add(word[start], word[start + count - 1]);
                        break;
                    }
                }
            }
        }
        for number in &self.starred {
            let word = self.word(*number);
            if let Some(count) = term.fits_hidden(word) {
                add(word[0], word[count - 1]);
            }
        }
    }

    fn find_phrase(
        &self,
        first: &Term<'_>,
        rest: &str,
        open_end: bool,
        add: &mut impl FnMut(Place, Place),
    ) {
        for (at, number) in self.plain.iter().enumerate() {
            let word = self.word(*number);
            if first.fits(word).is_none() {
                continue;
            }
            let mut behind = self.plain[at + 1..].iter();
            let mut wanted = rest.split(' ').filter(|word| !word.is_empty()).peekable();
            let mut end = Some(word[word.len() - 1]);
            while let Some(text) = wanted.next() {
                let open_end = open_end && wanted.peek().is_none();
                let term = Term {
                    text,
                    open_start: false,
                    open_end,
                };
                end = behind.next().and_then(|number| {
                    let word = self.word(*number);
                    term.fits(word).map(|count| word[count - 1])
                });
                if end.is_none() {
                    break;
                }
            }
            if let Some(end) = end {
                add(word[0], end);
            }
        }
    }

    fn find_dense(&self, term: &Term<'_>, severity: Severity, found: &mut Vec<At>) {
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
                let (from, to) = (letters[0].1 as usize, letters[wanted - 1].1 as usize + 1);
                found.push(At { from, to, severity });
            }
        }
    }
}

fn is_katakana(letter: char) -> bool {
    matches!(letter, '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}')
}

fn is_dense(letter: char) -> bool {
    !letter.is_ascii()
        && Folded::of(letter.encode_utf8(&mut [0; 4]))
            .letters
            .first()
            .is_some_and(|letter| letter.kind == Kind::Dense)
}

/// Pairs of letters, of which some that were not added may seem to be there.
#[derive(Default)]
struct Pairs([u64; 32]);

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
