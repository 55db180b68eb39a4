//! What is being written, and where in it the cursor stands.

use unicode_segmentation::UnicodeSegmentation as _;

use super::wrap::width;

/// A text being written. The cursor never stands within what a reader sees as one character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    text: String,
    /// In bytes.
    cursor: usize,
    /// The message this answers; 0 for none.
    pub(super) reply_to: u64,
    /// The message this is to replace; 0 for none.
    pub(super) editing: u64,
}

impl Draft {
    pub(super) fn of(text: impl Into<String>) -> Draft {
        let text = text.into();
        Draft {
            cursor: text.len(),
            text,
            ..Draft::default()
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Takes the whole draft away.
    pub(super) fn take(&mut self) -> Draft {
        std::mem::take(self)
    }

    pub(super) fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].grapheme_indices(true).next_back();
        last.map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let mut words = self.text[..self.cursor].split_word_bound_indices().rev();
        words
            .find(|(_, word)| !word.trim().is_empty())
            .map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let mut words = self.text[self.cursor..].split_word_bound_indices();
        let found = words.find(|(_, word)| !word.trim().is_empty());
        found.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        let end = self.text[self.cursor..].find('\n');
        end.map_or(self.text.len(), |at| self.cursor + at)
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.after();
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(super) fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    pub(super) fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        self.cursor = from;
        // What stood apart may be one character now.
        let mut places = self.text.grapheme_indices(true).map(|(at, _)| at);
        if let Some(at) = places.find(|at| *at >= from) {
            self.cursor = at;
        } else {
            self.cursor = self.text.len();
        }
    }

    pub(super) fn backspace(&mut self) {
        self.remove(self.before(), self.cursor);
    }

    pub(super) fn delete(&mut self) {
        self.remove(self.cursor, self.after());
    }

    pub(super) fn delete_word(&mut self) {
        self.remove(self.word_before(), self.cursor);
    }

    pub(super) fn delete_to_start(&mut self) {
        self.remove(self.line_start(), self.cursor);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.remove(self.cursor, self.line_end());
    }

    /// Completes the name that begins with `@` before the cursor; false where there is none.
    pub(super) fn complete(&mut self, members: &[String]) -> bool {
        let written = &self.text[..self.cursor];
        let Some(at) = written.rfind('@') else {
            return false;
        };
        let begun = &written[at + 1..];
        let found = members
            .iter()
            .find(|user| user.starts_with(begun) && user.len() > begun.len());
        let Some(user) = found else {
            return false;
        };
        let rest = format!("{} ", &user[begun.len()..]);
        self.insert(&rest);
        true
    }

    /// The rows of a field this wide, and row and column of the cursor.
    pub(super) fn rows(&self, columns: usize) -> (Vec<String>, (usize, usize)) {
        let columns = columns.max(2);
        let mut rows = vec![String::new()];
        let (mut used, mut at) = (0, (0, 0));
        for (place, piece) in self.text.grapheme_indices(true) {
            let wide = width(piece);
            if piece != "\n" && used + wide > columns {
                rows.push(String::new());
                used = 0;
            }
            if place == self.cursor {
                at = (rows.len() - 1, used);
            }
            if piece == "\n" || piece == "\r\n" {
                rows.push(String::new());
                used = 0;
            } else if let Some(row) = rows.last_mut() {
                row.push_str(piece);
                used += wide;
            }
        }
        if self.cursor == self.text.len() {
            if used == columns {
                rows.push(String::new());
                used = 0;
            }
            at = (rows.len() - 1, used);
        }
        (rows, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_goes_by_what_a_reader_sees() {
        let mut draft = Draft::of("a👨‍👩‍👧e\u{301}");
        draft.left();
        draft.left();
        draft.insert("x");
        assert_eq!(draft.text(), "ax👨‍👩‍👧e\u{301}");
        draft.delete();
        assert_eq!(draft.text(), "axe\u{301}");
        draft.right();
        draft.right();
        draft.backspace();
        draft.backspace();
        draft.backspace();
        draft.backspace();
        assert_eq!(draft.text(), "");
    }

    #[test]
    fn words_and_lines_go_at_once() {
        let mut draft = Draft::of("one two  three");
        draft.delete_word();
        assert_eq!(draft.text(), "one two  ");
        draft.word_left();
        draft.delete_to_end();
        assert_eq!(draft.text(), "one ");
        draft.insert("\nnext");
        draft.home();
        draft.insert(">");
        assert_eq!(draft.text(), "one \n>next");
        draft.delete_to_start();
        draft.end();
        assert_eq!(draft.text(), "one \nnext");
        draft.home();
        draft.word_right();
        draft.insert("!");
        assert_eq!(draft.text(), "one \nnext!");
    }

    #[test]
    fn a_field_shows_where_the_cursor_is() {
        let draft = |text: &str| Draft::of(text).rows(4);
        assert_eq!(draft("abc"), (vec!["abc".to_owned()], (0, 3)));
        assert_eq!(
            draft("abcd"),
            (vec!["abcd".to_owned(), String::new()], (1, 0))
        );
        assert_eq!(
            draft("a可可"),
            (vec!["a可".to_owned(), "可".to_owned()], (1, 2))
        );
        assert_eq!(draft("a\n"), (vec!["a".to_owned(), String::new()], (1, 0)));
    }

    #[test]
    fn names_are_completed() {
        let members = ["bob".to_owned(), "carol".to_owned()];
        let mut draft = Draft::of("hi @ca");
        assert!(draft.complete(&members));
        assert_eq!(draft.text(), "hi @carol ");
        assert!(!draft.complete(&members));
    }
}
