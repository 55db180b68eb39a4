//! Telephone numbers: digits in any script and grouping, and digits that are said as words.

use std::ops::Range;

use crate::fold::{Folded, Kind};
use crate::spoken::{Piece, Shape};

/// Digits that a number has at most (E.164).
const MOST: usize = 15;
/// Spaces and signs that stand between two digits at most.
const GAP: usize = 3;

/// Where numbers stand, by their letters.
pub(super) fn find(text: &Folded, pieces: &[Piece], least: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut number = Number::default();
    let mut pieces = pieces
        .iter()
        .filter(|piece| piece.shape == Shape::Word)
        .peekable();
    let mut at = 0;
    while at < text.letters.len() {
        while pieces.next_if(|piece| piece.from < at).is_some() {}
        let letter = &text.letters[at];
        let spoken = pieces
            .peek()
            .filter(|piece| piece.from == at)
            .and_then(|piece| Some((piece.meaning.digit?, piece.to)));
        if letter.kind == Kind::Digit {
            number.digit(letter.letter as u8 - b'0', at, at + 1);
        } else if let Some(digit) = chinese(letter.letter) {
            number.digit(digit, at, at + 1);
        } else if let Some((digit, to)) = spoken {
            number.digit(digit, at, to);
            at = to;
            continue;
        } else if !number.separator(letter.letter, letter.kind) {
            found.extend(number.end(text, least));
        }
        at += 1;
    }
    found.extend(number.end(text, least));
    found
}

/// Digits as they are written in numbers, not in quantities.
fn chinese(letter: char) -> Option<u8> {
    if letter.is_ascii() {
        return None;
    }
    "〇一二三四五六七八九"
        .chars()
        .chain("零幺两".chars())
        .position(|digit| digit == letter)
        .map(|at| match at {
            10 => 0,
            11 => 1,
            12 => 2,
            at => at as u8,
        })
}

/// Digits that belong together so far.
#[derive(Default)]
struct Number {
    digits: Vec<u8>,
    /// How many digits stand in a row, and which sign parted them from those before.
    groups: Vec<(usize, char)>,
    from: usize,
    to: usize,
    gap: usize,
    parted_by: char,
    marked: bool,
}

impl Number {
    fn digit(&mut self, digit: u8, from: usize, to: usize) {
        if self.digits.is_empty() {
            self.from = from;
        }
        match self.groups.last_mut() {
            Some((count, _)) if self.gap == 0 => *count += 1,
            _ => self.groups.push((1, self.parted_by)),
        }
        self.digits.push(digit);
        self.to = to;
        self.gap = 0;
    }

    /// Whether the number may go on behind this.
    fn separator(&mut self, letter: char, kind: Kind) -> bool {
        let parts = kind == Kind::Space
            || matches!(
                letter,
                '.' | '-' | '/' | '(' | ')' | '+' | '_' | '·' | '•' | '*' | '–' | '‐'
            );
        if self.digits.is_empty() {
            // A plus or a zero makes it a number to be called.
            self.marked = letter == '+';
            return false;
        }
        self.gap += 1;
        self.parted_by = letter;
        parts && self.gap <= GAP
    }

    fn end(&mut self, text: &Folded, least: usize) -> Option<Range<usize>> {
        if self.digits.is_empty() {
            return None;
        }
        let number = std::mem::take(self);
        let enough = (least..=MOST).contains(&number.digits.len());
        (enough && number.is_called(text)).then_some(number.from..number.to)
    }

    /// Whether it is nothing else: a date, years, a price, a count, an ISBN, the number of an order.
    fn is_called(&self, text: &Folded) -> bool {
        let before = self.from.checked_sub(1).map(|at| text.letters[at].letter);
        let calling = self.marked || self.digits[0] == 0;
        let years = || {
            let mut at = 0;
            self.groups.iter().all(|(count, _)| {
                let group = &self.digits[at..at + count];
                at += count;
                *count == 4 && matches!(group, [1, 9, ..] | [2, 0, ..])
            })
        };
        let steps = |by: i16| {
            self.digits
                .windows(2)
                .all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == by)
        };
        let grouped = self.groups.len() > 1
            && self.groups[0].0 <= 3
            && self.groups[1..].iter().all(|(count, _)| *count == 3);
        let round = grouped && self.digits.ends_with(&[0, 0, 0]);
        let price = grouped && is_priced(text, self.from, self.to);
        let decimal = self.groups.len() == 2 && self.groups[1].1 == '.' && self.groups[0].0 <= 3;
        let isbn = self.digits.len() == 13 && matches!(self.digits[..], [9, 7, 8 | 9, ..]);
        let dated = self.begins_with_a_date();
        before != Some('#')
            && !price
            && !(!calling && (years() || round || decimal || isbn))
            && !dated
            && !steps(1)
            && !steps(-1)
            && !self.counts_up()
    }

    fn begins_with_a_date(&self) -> bool {
        let lengths: Vec<usize> = self
            .groups
            .iter()
            .take(3)
            .map(|(count, _)| *count)
            .collect();
        let parted = self
            .groups
            .get(1)
            .zip(self.groups.get(2))
            .is_some_and(|(one, two)| one.1 == two.1 && one.1 != ' ');
        let two = |at: usize| self.digits[at] * 10 + self.digits[at + 1];
        match lengths[..] {
            [4, 2, 2] => parted && two(4) <= 12 && two(6) <= 31,
            [2, 2, 4] => parted && two(0) <= 31 && two(2) <= 31,
            _ => false,
        }
    }

    /// `1 2 3 4 5 6 7 8 9 10`.
    fn counts_up(&self) -> bool {
        let ones = self
            .digits
            .iter()
            .take(9)
            .zip(1..)
            .all(|(digit, count)| *digit == count);
        ones && self.groups.len() >= 9
    }
}

/// Whether a currency stands beside it.
fn is_priced(text: &Folded, from: usize, to: usize) -> bool {
    let is_sign = |at: Option<usize>| {
        let letter = at
            .and_then(|at| text.letters.get(at))
            .map(|letter| letter.letter);
        letter.is_some_and(|letter| matches!(letter, '€' | '$' | '£' | '¥' | '元' | '円' | '원'))
    };
    let near = |at: usize, step: isize| {
        [at.checked_add_signed(step), at.checked_add_signed(2 * step)]
            .into_iter()
            .any(is_sign)
    };
    if near(from, -1) || near(to - 1, 1) {
        return true;
    }
    let word: String = text.letters[to..]
        .iter()
        .skip_while(|letter| letter.kind == Kind::Space)
        .take_while(|letter| letter.kind == Kind::Letter)
        .map(|letter| letter.letter)
        .collect();
    [
        "eur", "euro", "euros", "usd", "dollar", "dollars", "zl", "pln", "tl", "lira", "won",
        "yen", "reais", "pesos",
    ]
    .contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spoken;

    fn found(text: &str) -> Vec<&str> {
        let folded = Folded::of(text);
        let pieces = spoken::pieces(&folded);
        let spans = find(&folded, &pieces, 9).into_iter();
        spans
            .map(|span| &text[folded.span(span.start, span.end)])
            .collect()
    }

    #[test]
    fn numbers_are_found_whole() {
        for (text, expected) in [
            ("call 0170 1234567 tonight", "0170 1234567"),
            ("+49 (0)170 / 123-45-67.", "49 (0)170 / 123-45-67"),
            // Without the plus it would be a count.
            ("+1 212 555 000", "1 212 555 000"),
            ("(555) 123-4567 x", "555) 123-4567"),
            ("612 345 678", "612 345 678"),
            ("06.12.34.56.78", "06.12.34.56.78"),
            ("13812345678", "13812345678"),
            ("010-1234-5678", "010-1234-5678"),
            ("０１７０１２３４５６７", "０１７０１２３４５６７"),
            ("0️⃣1️⃣7️⃣0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣", "0️⃣1️⃣7️⃣0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣"),
            ("0 1 7 0 1 2 3 4 5 6 7", "0 1 7 0 1 2 3 4 5 6 7"),
            (
                "zero one seven zero one two three four five",
                "zero one seven zero one two three four five",
            ),
            (
                "null eins sieben null 1 2 3 vier fünf sechs",
                "null eins sieben null 1 2 3 vier fünf sechs",
            ),
            (
                "seis uno dos tres cuatro cinco seis siete ocho",
                "seis uno dos tres cuatro cinco seis siete ocho",
            ),
            ("我的电话一三八一二三四五六七八", "一三八一二三四五六七八"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "on 2024-11-23 at 10:30, 23.11.2024 - 24.11.2024",
            "2024-11-23 18 h, 12/31/1999 23",
            "it cost 1.000.000.000 or 10 000 000 000 won",
            "1 250 300 €, $ 250 300 400, 2.345.678.901 EUR",
            "+100.000.000 EUR, $+250 300 400",
            "1998 1999 2000, 1914-1918",
            "48.137154, 11.576124 and 52.5200066",
            "ISBN 978-3-16-148410-0",
            "order #123456789012",
            "1 2 3 4 5 6 7 8 9 10",
            "one two three four five six seven eight nine ten",
            "9 8 7 6 5 4 3 2 1",
            "4111 1111 1111 1111",
            "3-1, 2-0, 1:1 and 4-4",
            "we are one or two, no three people at six",
            "一二三四五六七八九",
            "call 112 or 911",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_found_however_it_is_parted(digits in "0[2-9][0-9]{8,12}", sign in "[ ./-]", every in 1usize..5) {
            let all: Vec<char> = digits.chars().collect();
            let groups: Vec<String> = all.chunks(every).map(|group| group.iter().collect()).collect();
            let text = groups.join(&sign);
            // `02.03.2024...` begins as a date does.
            prop_assume!(every != 2 && every != 4);
            let said = format!("call {text}, please");
            prop_assert_eq!(found(&said), [text.as_str()]);
        }

        #[test]
        fn any_text_can_be_looked_at(text in "[0-9 .+/()#a-z一二-]{0,60}") {
            found(&text);
        }
    }
}
