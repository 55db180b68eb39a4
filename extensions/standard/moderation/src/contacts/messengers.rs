//! Names at messengers. Naming a messenger is none: people talk about them.

use std::ops::Range;

use crate::fold::{Folded, Kind};
use crate::spoken::{MESSENGER, NAMES, ON, Piece, SAYS, Shape};

/// Messengers as they are written without spaces, also so that a filter does not know them.
const DENSE: [&str; 12] = [
    "微信",
    "薇信",
    "威信",
    "徽信",
    "微博",
    "加微",
    "加v",
    "加V",
    "ライン",
    "カカオ",
    "インスタ",
    "テレグラム",
];
/// Pieces that may stand between a messenger and the name.
const BETWEEN: usize = 4;

/// Where names stand, each with its messenger, by their letters.
pub(super) fn find(text: &Folded, pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        if piece.meaning.has(MESSENGER) {
            found.extend(behind(text, pieces, at).or_else(|| before(text, pieces, at)));
        }
    }
    if text.east_asian {
        dense(text, &mut found);
    }
    found
}

/// `telegram: @anna99`, `my insta is anna_99`.
fn behind(text: &Folded, pieces: &[Piece], at: usize) -> Option<Range<usize>> {
    let mut said = false;
    for next in at + 1..=at + 1 + BETWEEN {
        let piece = pieces.get(next)?;
        if let Some(end) = handle(text, pieces, next, said) {
            return Some(pieces[at].from..end);
        }
        let letter = text.letters[piece.from].letter;
        match piece.shape {
            Shape::Other if matches!(letter, ':' | '=' | '：') => said = true,
            Shape::Word if piece.meaning.has(SAYS) => said = true,
            Shape::Word if piece.meaning.has(NAMES) => {}
            Shape::Word if piece.to - piece.from == 1 && letter == '-' => {}
            Shape::At(_) | Shape::Dot(_) => {}
            _ => return None,
        }
    }
    None
}

/// `anna_99 on telegram`.
fn before(text: &Folded, pieces: &[Piece], at: usize) -> Option<Range<usize>> {
    let (name, on) = (at.checked_sub(2)?, pieces.get(at - 1)?);
    if !on.meaning.has(ON) || !matches!(on.shape, Shape::Word | Shape::At(true)) {
        return None;
    }
    // Of a name with dots the last piece alone would not do.
    let mut firsts = name.saturating_sub(BETWEEN)..=name;
    let first =
        firsts.find(|first| handle(text, pieces, *first, false) == Some(pieces[name].to))?;
    Some(pieces[first].from..pieces[at].to)
}

/// Where the name that begins there ends, if it can be nothing else. After a colon any word may be one.
fn handle(text: &Folded, pieces: &[Piece], at: usize, said: bool) -> Option<usize> {
    let (sign, first) = match pieces.get(at)?.shape {
        Shape::At(false) => (true, at + 1),
        Shape::Word => (false, at),
        _ => return None,
    };
    let word = pieces
        .get(first)
        .filter(|piece| piece.shape == Shape::Word)?;
    let mut end = word.to;
    let mut dotted = false;
    let mut next = first + 1;
    while let (Some(dot), Some(label)) = (pieces.get(next), pieces.get(next + 1)) {
        if dot.shape != Shape::Dot(false) || label.shape != Shape::Word || dot.apart || label.apart
        {
            break;
        }
        dotted = true;
        end = label.to;
        next += 2;
    }
    let letters = &text.letters[word.from..end];
    let of_handle = letters.iter().all(|letter| letter.letter.is_ascii());
    let count = |kind| letters.iter().filter(|letter| letter.kind == kind).count();
    let (digits, words) = (count(Kind::Digit), count(Kind::Letter));
    let lined = letters.iter().any(|letter| letter.letter == '_');
    let telling = sign || dotted || lined || (digits > 0 && words > 0) || digits >= 5 || said;
    (of_handle && telling && digits + words >= 4).then_some(end)
}

/// `微信号：anna1999`.
fn dense(text: &Folded, found: &mut Vec<Range<usize>>) {
    let letters = &text.letters;
    for from in 0..letters.len() {
        let known = DENSE.iter().find(|name| {
            let mut at = from;
            name.chars().all(|wanted| {
                at += 1;
                letters
                    .get(at - 1)
                    .is_some_and(|letter| letter.letter == wanted)
            })
        });
        let Some(name) = known else {
            continue;
        };
        let mut at = from + name.chars().count();
        let latest = at + 8;
        let is_name = |at: usize| {
            letters
                .get(at)
                .is_some_and(|letter| letter.letter.is_ascii_alphanumeric() || letter.letter == '_')
        };
        let is_id = |at: usize| {
            let id = letters
                .get(at..at + 2)
                .is_some_and(|two| (two[0].letter, two[1].letter) == ('i', 'd'));
            id && !is_name(at + 2)
        };
        while at < latest && at < letters.len() && (!is_name(at) || is_id(at)) {
            at += if is_id(at) { 2 } else { 1 };
        }
        let start = at;
        while is_name(at)
            || (at > start && letters.get(at).is_some_and(|letter| letter.letter == '-'))
        {
            at += 1;
        }
        if at - start >= 5 {
            found.push(from..at);
        }
    }
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
    fn names_are_found_with_their_messenger() {
        for (text, expected) in [
            ("add me on Telegram: @anna_99", "Telegram: @anna_99"),
            ("telegram @anna", "telegram @anna"),
            ("my insta is anna.smith", "insta is anna.smith"),
            ("snap: annasmith", "snap: annasmith"),
            ("Kik annasmith22 ok?", "Kik annasmith22"),
            ("WhatsApp 0170123456", "WhatsApp 0170123456"),
            ("mein insta: anna_smith", "insta: anna_smith"),
            ("i'm anna_99 on insta", "anna_99 on insta"),
            ("anna.smith99 auf Snapchat", "anna.smith99 auf Snapchat"),
            ("ＩＧ：ａｎｎａ_９９", "ＩＧ：ａｎｎａ_９９"),
            ("加我微信号：anna1999", "微信号：anna1999"),
            ("微信 anna_99 哦", "微信 anna_99"),
            ("ラインID：anna1999", "ラインID：anna1999"),
            ("카톡 아이디 anna1999", "카톡 아이디 anna1999"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn talking_about_messengers_is_left_alone() {
        for text in [
            "WhatsApp is down again",
            "I work at Telegram, do you use Signal or Discord?",
            "Instagram is full of ads, tiktok too",
            "he posted it on facebook yesterday",
            "what's the best app: skype or zoom?",
            "Snap! That was close",
            "我没有微信",
            "微信上看到的新闻",
            "카톡 했어요?",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
