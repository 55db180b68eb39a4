//! The tokens of the query language.
//!
//! Typographic quotation marks and full-width signs are as good as the plain ones: keyboards of telephones
//! and of Chinese and Japanese make them.

use super::{ParseError, Spanned};
use crate::attributes::is_name;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// As written.
    Word(&'a str),
    /// What is between quotation marks, as written.
    Phrase(&'a str),
    /// `name:`, without the colon.
    Name(&'a str),
    /// `*` alone.
    Everybody,
    Or,
    And,
    /// `NOT`, or `-` right before something.
    Not,
    Open,
    Close,
    End,
}

pub(super) struct Lexer<'a> {
    query: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(query: &'a str) -> Lexer<'a> {
        Lexer { query, at: 0 }
    }

    /// What was read there, as written.
    pub(super) fn written(&self, place: Spanned<'_>) -> &'a str {
        &self.query[place.at..place.at + place.len]
    }

    /// Where it is, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&mut self) -> Result<Spanned<'a>, ParseError> {
        let at = self.at;
        let next = self.next();
        self.at = at;
        next
    }

    pub(super) fn next(&mut self) -> Result<Spanned<'a>, ParseError> {
        self.skip_spaces();
        let at = self.at;
        let rest = &self.query[at..];
        let Some(first) = rest.chars().next() else {
            return Ok(self.take(Token::End, 0));
        };
        if is_open(first) {
            return Ok(self.take(Token::Open, first.len_utf8()));
        }
        if is_close(first) {
            return Ok(self.take(Token::Close, first.len_utf8()));
        }
        if is_quote(first) {
            return self.phrase(first);
        }
        let word = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
        if first == '-'
            && (word.len() > 1 || rest[1..].starts_with(|next| is_open(next) || is_quote(next)))
        {
            return Ok(self.take(Token::Not, 1));
        }
        if let Some(colon) = word.find(is_colon) {
            let name = &word[..colon];
            if is_name(&name.to_ascii_lowercase()) {
                let len = colon + word[colon..].chars().next().map_or(0, char::len_utf8);
                return Ok(self.take(Token::Name(name), len));
            }
        }
        let token = match word {
            "OR" => Token::Or,
            "AND" => Token::And,
            "NOT" => Token::Not,
            "*" => Token::Everybody,
            _ => Token::Word(word),
        };
        Ok(self.take(token, word.len()))
    }

    pub(super) fn peek_value(&mut self) -> Result<Spanned<'a>, ParseError> {
        let at = self.at;
        let next = self.next_value();
        self.at = at;
        next
    }

    /// A value: what stands here up to a comma, space or parenthesis, as a word or phrase; otherwise an
    /// opening parenthesis, or the end.
    pub(super) fn next_value(&mut self) -> Result<Spanned<'a>, ParseError> {
        let rest = &self.query[self.at..];
        match rest.chars().next() {
            Some(first) if is_quote(first) => self.phrase(first),
            Some(first) if is_open(first) => Ok(self.take(Token::Open, first.len_utf8())),
            _ => {
                let ends = |letter| ends_word(letter) || is_comma(letter);
                let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
                let token = if word.is_empty() {
                    Token::End
                } else {
                    Token::Word(word)
                };
                Ok(self.take(token, word.len()))
            }
        }
    }

    /// Goes on behind a comma and the spaces after it, if there is one.
    pub(super) fn comma(&mut self) -> bool {
        let next = self.query[self.at..]
            .chars()
            .next()
            .filter(|next| is_comma(*next));
        let Some(comma) = next else {
            return false;
        };
        self.at += comma.len_utf8();
        self.skip_spaces();
        true
    }

    /// From one quotation mark to the next that has no backslash before it.
    fn phrase(&mut self, quote: char) -> Result<Spanned<'a>, ParseError> {
        let start = self.at + quote.len_utf8();
        let mut letters = self.query[start..].char_indices();
        while let Some((offset, letter)) = letters.next() {
            if letter == '\\' {
                letters.next();
            } else if is_quote(letter) {
                let token = Token::Phrase(&self.query[start..start + offset]);
                let len = start + offset + letter.len_utf8() - self.at;
                let phrase = self.take(token, len);
                return match self.query[self.at..].starts_with('*') {
                    true => Err(ParseError {
                        at: self.at,
                        len: 1,
                        message: "`*` stands only at the end of a word, not of a phrase".to_owned(),
                    }),
                    false => Ok(phrase),
                };
            }
        }
        Err(ParseError {
            at: self.at,
            len: quote.len_utf8(),
            message: "the quotation mark that ends this is missing".to_owned(),
        })
    }

    fn take(&mut self, token: Token<'a>, len: usize) -> Spanned<'a> {
        let at = self.at;
        self.at += len;
        Spanned { token, at, len }
    }

    fn skip_spaces(&mut self) {
        let rest = &self.query[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }
}

/// A phrase without its backslashes.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            text.extend(letters.next());
        } else {
            text.push(letter);
        }
    }
    text
}

/// Whether a word, perhaps with a `*` behind it, prints as it is and is read as itself.
pub(crate) fn is_plain(word: &str, star: bool) -> bool {
    if word.is_empty() || word.contains(|letter| ends_word(letter) || letter == '*') {
        return false;
    }
    let printed = if star {
        format!("{word}*")
    } else {
        word.to_owned()
    };
    matches!(Lexer::new(&printed).next(), Ok(Spanned { token: Token::Word(read), .. }) if read == printed)
}

/// Whether a value prints as it is.
pub(crate) fn is_plain_value(value: &str) -> bool {
    !value.is_empty()
        && !value.contains(|letter| ends_word(letter) || is_comma(letter) || letter == '*')
}

/// What a word that is not plain is made of that is.
pub(crate) fn plain_parts(word: &str) -> impl Iterator<Item = String> {
    let parts = word.split(|letter| ends_word(letter) || is_colon(letter) || letter == '*');
    parts.filter_map(|part| match part.trim_start_matches('-') {
        "" => None,
        "OR" | "AND" | "NOT" => Some(part.to_lowercase()),
        part => Some(part.to_owned()),
    })
}

/// With a backslash before what would end a phrase.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\\' || is_quote(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || is_open(letter) || is_close(letter) || is_quote(letter)
}

fn is_open(letter: char) -> bool {
    matches!(letter, '(' | '（')
}

fn is_close(letter: char) -> bool {
    matches!(letter, ')' | '）')
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '“' | '”' | '„' | '‟' | '＂')
}

fn is_colon(letter: char) -> bool {
    matches!(letter, ':' | '：')
}

fn is_comma(letter: char) -> bool {
    matches!(letter, ',' | '，')
}
