//! Text broken into rows, measured as the terminal library measures it: by what stands on the screen,
//! not by characters.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_segmentation::UnicodeSegmentation as _;

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// One thing that is never cut.
struct Piece<'a> {
    text: &'a str,
    style: Style,
    width: usize,
}

/// Breaks styled text into rows of at most `first` and `rest` columns: at spaces, else around wide
/// characters, else anywhere. Line ends in it break, too.
pub(super) fn wrap(spans: &[Span<'_>], first: usize, rest: usize) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    let mut pieces = Vec::new();
    let limit = |rows: &Vec<_>| if rows.is_empty() { first } else { rest }.max(2);
    for span in spans {
        for (i, part) in span.content.split('\n').enumerate() {
            if i > 0 {
                fill(&mut rows, &mut pieces, limit);
                rows.push(row(&pieces));
                pieces.clear();
            }
            let pieces_of = part.graphemes(true).map(|text| Piece {
                text,
                style: span.style,
                width: width(text),
            });
            pieces.extend(pieces_of);
        }
    }
    fill(&mut rows, &mut pieces, limit);
    rows.push(row(&pieces));
    rows
}

/// Makes rows as long as more is left than fits into one.
fn fill(
    rows: &mut Vec<Line<'static>>,
    pieces: &mut Vec<Piece<'_>>,
    limit: impl Fn(&Vec<Line<'static>>) -> usize,
) {
    while let Some(fits) = overflow(pieces, limit(rows)) {
        let end = break_before(pieces, fits);
        let mut shown = end;
        while shown > 0 && is_space(&pieces[shown - 1]) {
            shown -= 1;
        }
        rows.push(row(&pieces[..shown]));
        pieces.drain(..end);
        // The space at which it broke is seen as the break.
        if pieces.first().is_some_and(is_space) {
            pieces.remove(0);
        }
    }
}

/// How many pieces fit, if not all do. At least one does: a row without any would never end.
fn overflow(pieces: &[Piece<'_>], limit: usize) -> Option<usize> {
    let mut columns = 0;
    let over = pieces.iter().position(|piece| {
        columns += piece.width;
        columns > limit
    })?;
    // Spaces may stand over the edge: nobody sees them.
    if pieces[over..].iter().all(is_space) {
        return None;
    }
    Some(over.max(1))
}

/// Where to break, knowing that as many as `fits` fit.
fn break_before(pieces: &[Piece<'_>], fits: usize) -> usize {
    if is_space(&pieces[fits]) {
        return fits;
    }
    let may_break = |at: &usize| {
        let (before, after) = (&pieces[at - 1], &pieces[*at]);
        is_space(before) || before.width > 1 || after.width > 1
    };
    (1..=fits).rev().find(may_break).unwrap_or(fits)
}

fn is_space(piece: &Piece<'_>) -> bool {
    piece.text == " "
}

fn row(pieces: &[Piece<'_>]) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for piece in pieces {
        match spans.last_mut() {
            Some(last) if last.style == piece.style => last.content.to_mut().push_str(piece.text),
            _ => spans.push(Span::styled(piece.text.to_owned(), piece.style)),
        }
    }
    Line::from(spans)
}

/// A text on one row, cut with an ellipsis where it is too long.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for piece in text.graphemes(true) {
        used += width(piece);
        if used > columns {
            break;
        }
        clipped.push_str(piece);
    }
    if columns > 0 {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, first: usize, rest: usize) -> Vec<String> {
        let rows = wrap(&[Span::raw(text)], first, rest);
        rows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(rows("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(rows("one  two", 4, 4), ["one", "two"]);
        assert_eq!(rows("abcdefgh ij", 3, 5), ["abc", "defgh", "ij"]);
        assert_eq!(rows("a\n\nb", 9, 9), ["a", "", "b"]);
        assert_eq!(rows("fits   ", 4, 4), ["fits   "]);
        assert_eq!(rows("", 4, 4), [""]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_are_never_cut() {
        assert_eq!(rows("可以带狗吗", 5, 5), ["可以", "带狗", "吗"]);
        assert_eq!(rows("ab可以", 4, 4), ["ab可", "以"]);
        // A family is one thing of two columns, an accent takes none.
        assert_eq!(rows("👨‍👩‍👧👨‍👩‍👧", 3, 3), ["👨‍👩‍👧", "👨‍👩‍👧"]);
        assert_eq!(
            rows("e\u{301}e\u{301}e\u{301}", 2, 2),
            ["e\u{301}e\u{301}", "e\u{301}"]
        );
    }

    #[test]
    fn styles_stay_with_their_text() {
        let spans = [
            Span::raw("one "),
            Span::styled("two three", Style::new().bold()),
        ];
        let rows = wrap(&spans, 7, 7);
        assert_eq!(rows[0].spans.len(), 2);
        assert_eq!(rows[1].spans[0].style, Style::new().bold());
    }

    #[test]
    fn what_is_too_long_for_a_row_is_clipped() {
        assert_eq!(clip("hello", 5), "hello");
        assert_eq!(clip("hello", 4), "hel…");
        assert_eq!(clip("可以带", 4), "可…");
        assert_eq!(clip("x", 0), "");
    }
}
