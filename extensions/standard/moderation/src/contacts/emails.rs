//! E-mail addresses, plain and spelled out.

use std::ops::Range;

use crate::fold::{Folded, Kind};
use crate::spoken::{PROVIDER, Piece, Shape, TLD, WORDY};

/// Where addresses stand, by their letters.
pub(super) fn find(text: &Folded, pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let Shape::At(spelled) = piece.shape else {
            continue;
        };
        let (Some(name), Some(host)) = (
            at.checked_sub(1).and_then(|at| pieces.get(at)),
            pieces.get(at + 1),
        ) else {
            continue;
        };
        let words = name.shape == Shape::Word && host.shape == Shape::Word;
        // `meet @cafe.de` mentions a place: on both sides of the sign there is a space, or on none.
        if !words || (!spelled && (piece.apart || host.apart)) {
            continue;
        }
        if let Some(last) = end_of_host(text, pieces, at, spelled) {
            let first = start_of_name(pieces, at - 1);
            found.push(pieces[first].from..pieces[last].to);
        }
    }
    found
}

/// The last piece of the host, if it is one.
fn end_of_host(text: &Folded, pieces: &[Piece], at: usize, spelled: bool) -> Option<usize> {
    let mut last = at + 1;
    while let (Some(dot), Some(label)) = (pieces.get(last + 1), pieces.get(last + 2)) {
        let plain = dot.shape == Shape::Dot(false) && !dot.apart && !label.apart;
        let is_dot = plain || dot.shape == Shape::Dot(true);
        if !is_dot || label.shape != Shape::Word {
            break;
        }
        last += 2;
    }
    let end = &pieces[last];
    let dotted = last > at + 1;
    if !spelled {
        let letters = &text.letters[end.from..end.to];
        let is_ending =
            letters.len() >= 2 && letters.iter().all(|letter| letter.kind == Kind::Letter);
        return (dotted && is_ending).then_some(last);
    }
    // `I am at home dot` is no address, `anna99 at gmail` is one.
    let host = &pieces[at + 1];
    let name = &text.letters[pieces[at - 1].from..pieces[at - 1].to];
    let is_handle = name
        .iter()
        .any(|letter| letter.kind == Kind::Digit || letter.letter == '_');
    let at_word = text.letters[pieces[at].from].kind == Kind::Letter;
    let before = pieces[at]
        .from
        .checked_sub(1)
        .map(|at| text.letters[at].letter);
    let sign = !at_word || matches!(before, Some('(' | '[' | '{' | '<'));
    // `look at that dot in the picture`
    let dot = &text.letters[pieces[last - 1].from..pieces[last - 1].to];
    let plainly = sign || !dot.iter().map(|letter| letter.letter).eq("dot".chars());
    let known = dotted && (end.meaning.has(TLD) || (plainly && end.meaning.has(WORDY)));
    let provider = host.meaning.has(PROVIDER) && (dotted || sign || is_handle);
    (known || provider).then_some(last)
}

/// The first piece of the name: `anna.smith` is three.
fn start_of_name(pieces: &[Piece], mut first: usize) -> usize {
    while first >= 2 {
        let (dot, word) = (&pieces[first - 1], &pieces[first - 2]);
        let plain = dot.shape == Shape::Dot(false) && !dot.apart && !pieces[first].apart;
        if !(plain || dot.shape == Shape::Dot(true)) || word.shape != Shape::Word {
            break;
        }
        first -= 2;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spoken;

    fn found(text: &str) -> Vec<&str> {
        let folded = Folded::of(text);
        let spans = find(&folded, &spoken::pieces(&folded)).into_iter();
        spans
            .map(|span| &text[folded.span(span.start, span.end)])
            .collect()
    }

    #[test]
    fn addresses_are_found_whole() {
        for (text, expected) in [
            ("write to anna.smith@example.org!", "anna.smith@example.org"),
            ("ANNA_99@MAIL.EXAMPLE.CO.UK", "ANNA_99@MAIL.EXAMPLE.CO.UK"),
            ("anna＠example．org", "anna＠example．org"),
            ("anna @ example . org", "anna @ example . org"),
            ("anna (at) example (dot) org", "anna (at) example (dot) org"),
            ("anna[at]example[dot]org", "anna[at]example[dot]org"),
            ("mail: anna at example dot org", "anna at example dot org"),
            (
                "anna punkt smith at example punkt de",
                "anna punkt smith at example punkt de",
            ),
            ("anna arroba gmail punto com", "anna arroba gmail punto com"),
            ("anna arroba gmail ponto com", "anna arroba gmail ponto com"),
            (
                "anna arobase orange point fr",
                "anna arobase orange point fr",
            ),
            ("anna małpa wp kropka pl", "anna małpa wp kropka pl"),
            ("anna99 at gmail", "anna99 at gmail"),
            ("anna (at) gmail.com", "anna (at) gmail.com"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn other_ats_are_none() {
        for text in [
            "hi @anna.smith, lunch @cafe.de?",
            "let us meet at home. Come at eight.",
            "I work at Yahoo, look at that dot in the picture",
            "a@b, 5 @ 3.50, x@y.z",
            "we met at noon, at the point of no return",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
