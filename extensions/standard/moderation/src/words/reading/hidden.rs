//! From letters to words, and to what else each may be read as.

use super::{Reading, is_of_word};
use crate::fold::{Folded, Kind, Letter};
use crate::words::term::{HIDDEN, Place};

/// Reads what stands between spaces, piece by piece.
pub(super) fn read(text: &Folded, reading: &mut Reading) {
    let letters = &text.letters;
    let mut spelled = Spelled::default();
    let mut at = 0;
    let mut gap = 0;
    while at < letters.len() {
        if !is_of_word(&letters[at]) {
            match letters[at].kind {
                Kind::Space => gap += 1,
                _ => spelled.end(reading),
            }
            at += 1;
            continue;
        }
        let behind = letters[at..].iter().position(|letter| !is_of_word(letter));
        let end = behind.map_or(letters.len(), |behind| at + behind);
        let chunk = &letters[at..end];
        spelled.next(chunk, at, &mut gap, reading);
        words(chunk, at, reading);
        disguised(chunk, at, reading);
        at = end;
    }
    spelled.end(reading);
}

/// The words as they stand there, and with digits for letters.
fn words(chunk: &[Letter], offset: usize, reading: &mut Reading) {
    let mut at = 0;
    let is_word = |letter: &Letter| matches!(letter.kind, Kind::Letter | Kind::Digit);
    while at < chunk.len() {
        if !is_word(&chunk[at]) {
            at += 1;
            continue;
        }
        let behind = chunk[at..].iter().position(|letter| !is_word(letter));
        let end = behind.map_or(chunk.len(), |behind| at + behind);
        let word = &chunk[at..end];
        let digits = word
            .iter()
            .filter(|letter| letter.kind == Kind::Digit)
            .count();
        if digits < word.len() {
            let places = word
                .iter()
                .enumerate()
                .map(|(index, letter)| (letter.letter, (offset + at + index) as u32));
            let number = reading.push(places);
            reading.plain.push(number);
        }
        // Without this `A55` would be more than a road.
        if digits > 0 && digits * 2 <= word.len() {
            for one in ['i', 'l'] {
                let places = word.iter().enumerate().map(|(index, letter)| {
                    (stands_for(letter.letter, one), (offset + at + index) as u32)
                });
                reading.push(places);
                if !word.iter().any(|letter| letter.letter == '1') {
                    break;
                }
            }
            if word.iter().any(|letter| is_hangul(letter.letter)) {
                let places = word
                    .iter()
                    .enumerate()
                    .filter(|(_, letter)| letter.kind == Kind::Letter);
                reading.push(
                    places.map(|(index, letter)| (letter.letter, (offset + at + index) as u32)),
                );
            }
        }
        at = end;
    }
}

/// What a chunk says if what stands between its letters is there to hide it, and signs are letters.
fn disguised(chunk: &[Letter], offset: usize, reading: &mut Reading) {
    if chunk
        .iter()
        .all(|letter| matches!(letter.kind, Kind::Letter | Kind::Digit))
    {
        return;
    }
    let is_start = |letter: &Letter| {
        matches!(letter.kind, Kind::Letter | Kind::Digit)
            || matches!(letter.letter, '@' | '$' | '€')
    };
    let is_end = |letter: &Letter| matches!(letter.kind, Kind::Letter | Kind::Digit);
    let (Some(from), Some(to)) = (
        chunk.iter().position(is_start),
        chunk.iter().rposition(is_end),
    ) else {
        return;
    };
    let Some(core) = chunk.get(from..=to) else {
        return;
    };
    let letters = core
        .iter()
        .filter(|letter| letter.kind == Kind::Letter)
        .count();
    let hidden = core.iter().filter(|letter| is_star(letter)).count();
    let signs = core
        .iter()
        .filter(|letter| matches!(letter.kind, Kind::Sign | Kind::Digit))
        .count();
    // `who're` and `she'll` are two words, not one in disguise.
    let apart = core.iter().all(|letter| {
        matches!(letter.letter, '\'' | '’' | '‘' | '`') || letter.kind == Kind::Letter
    });
    if apart || letters < 2 || hidden + signs > letters {
        return;
    }
    let place = |index: usize, letter: char| (letter, (offset + from + index) as u32);
    // Stars stand for letters, or between them.
    for stars in [true, false] {
        if stars && hidden == 0 {
            continue;
        }
        for one in ['i', 'l'] {
            let kept = core
                .iter()
                .enumerate()
                .filter_map(|(index, letter)| match letter.kind {
                    Kind::Joiner if stars && is_star(letter) => Some(place(index, HIDDEN)),
                    Kind::Joiner => None,
                    _ => Some(place(index, stands_for(letter.letter, one))),
                });
            reading.push(kept);
            if !core
                .iter()
                .any(|letter| matches!(letter.letter, '1' | '|' | '!'))
            {
                break;
            }
        }
    }
}

fn is_star(letter: &Letter) -> bool {
    matches!(letter.letter, '*' | '#' | '%')
}

fn is_hangul(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}')
}

/// The letter that a digit or a sign stands for. `one` is what `1` does: there are two.
fn stands_for(letter: char, one: char) -> char {
    match letter {
        '0' => 'o',
        '1' | '|' | '!' | '¡' => one,
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        '£' => 'l',
        '¥' => 'y',
        _ => letter,
    }
}

/// Letters that stand alone, one behind the other at the same distance.
#[derive(Default)]
struct Spelled {
    letters: Vec<Place>,
    gap: u32,
}

impl Spelled {
    /// Takes the next chunk; `gap` is how many spaces stood before it.
    fn next(&mut self, chunk: &[Letter], offset: usize, gap: &mut u32, reading: &mut Reading) {
        // Behind the last one stands what ends the sentence.
        let behind = chunk.iter().rposition(|letter| letter.kind != Kind::Sign);
        let spoken = &chunk[..behind.map_or(chunk.len(), |last| last + 1)];
        let mut of_word = spoken
            .iter()
            .enumerate()
            .filter(|(_, letter)| letter.kind != Kind::Joiner);
        let (Some((index, letter)), None) = (of_word.next(), of_word.next()) else {
            // Nothing but joiners belongs to the gap.
            if chunk.iter().any(|letter| letter.kind != Kind::Joiner) {
                self.end(reading);
                *gap = 0;
            }
            return;
        };
        if self.letters.len() == 1 {
            self.gap = *gap;
        } else if self.letters.len() > 1 && self.gap != *gap {
            self.end(reading);
        }
        *gap = 0;
        self.letters
            .push((stands_for(letter.letter, 'i'), (offset + index) as u32));
    }

    /// Reads what there is as a word, also without a word of one letter before or behind it.
    fn end(&mut self, reading: &mut Reading) {
        let letters = &self.letters;
        let least = if letters.iter().all(|(letter, _)| is_hangul(*letter)) {
            2
        } else {
            3
        };
        let is_word = |place: Option<&Place>| {
            place.is_some_and(|(letter, _)| {
                matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'w' | 'y' | 'z')
            })
        };
        if letters.len() >= least {
            reading.push(letters.iter().copied());
            if letters.len() > 4 && is_word(letters.first()) {
                reading.push(letters[1..].iter().copied());
            }
            if letters.len() > 4 && is_word(letters.last()) {
                reading.push(letters[..letters.len() - 1].iter().copied());
            }
        }
        self.letters.clear();
    }
}
