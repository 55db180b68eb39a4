//! The query language, read into a [`Filter`]; and whatever else is written the same way, but for what may
//! stand before a colon.

pub(crate) mod lex;
mod named;
pub(crate) mod values;

use lex::{Lexer, Token};

use super::{Filter, How, MAX_DEPTH, MAX_NODES, MAX_QUERY_BYTES, MAX_WORDS, ParseError};
use crate::attributes::Attributes;
use crate::text;

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is declared.
    pub attributes: &'a Attributes,
    /// Whether attributes that are not public may be asked for: backends may, other people not.
    pub all: bool,
    /// What dates such as `-7d` are counted from, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Reads a query. An empty one is for everybody.
pub fn parse(query: &str, context: &Context<'_>) -> Result<Filter, ParseError> {
    read(query, context)
}

/// What queries are read into.
pub(crate) trait Tree: Sized {
    fn all(parts: Vec<Self>) -> Self;
    fn any(parts: Vec<Self>) -> Self;
    fn not(part: Self) -> Self;
    /// Words; `attribute` is the text that they are to stand in, where there are several.
    fn text(words: &str, how: How, attribute: Option<&str>) -> Self;
    /// What it is made of, `all`, `any` or `not` of which is meant; nothing for a condition.
    fn parts(&self) -> Option<(&'static str, &[Self])>;
    /// What is looked for, if it is words.
    fn words(&self) -> Option<(&str, How)>;
}

/// What one language has for itself.
pub(crate) trait Language: Sized {
    type Filter: Tree;

    /// Why there are no words to look for, if there are none.
    fn without_words(&self) -> Option<&'static str>;

    /// Reads what stands behind `name:`, which was read.
    fn named<'a>(
        parser: &mut Parser<'a, Self>,
        name: Spanned<'a>,
        written: &str,
    ) -> Result<Self::Filter, ParseError>;
}

/// Reads a query in a language. An empty one is all of nothing.
pub(crate) fn read<L: Language>(query: &str, language: &L) -> Result<L::Filter, ParseError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(ParseError {
            at: 0,
            len: 0,
            message: format!(
                "the query has {} bytes, the limit is {MAX_QUERY_BYTES}",
                query.len()
            ),
        });
    }
    let mut parser = Parser {
        lexer: Lexer::new(query),
        language,
        nodes: 0,
        words: 0,
    };
    if matches!(parser.lexer.peek()?.token, Token::End) {
        return Ok(L::Filter::all(Vec::new()));
    }
    let filter = parser.any(0)?;
    let next = parser.lexer.next()?;
    match next.token {
        Token::End => Ok(filter),
        _ => Err(next.error("there is no `(` for this")),
    }
}

pub(crate) struct Parser<'a, L> {
    lexer: Lexer<'a>,
    pub(crate) language: &'a L,
    nodes: usize,
    words: usize,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) at: usize,
    pub(crate) len: usize,
}

impl Spanned<'_> {
    pub(crate) fn error(self, message: impl Into<String>) -> ParseError {
        ParseError {
            at: self.at,
            len: self.len,
            message: message.into(),
        }
    }
}

impl<'a, L: Language> Parser<'a, L> {
    /// What `OR` stands between.
    fn any(&mut self, depth: usize) -> Result<L::Filter, ParseError> {
        let mut parts = vec![self.all(depth)?];
        while matches!(self.lexer.peek()?.token, Token::Or) {
            self.lexer.next()?;
            parts.push(self.all(depth)?);
        }
        self.one_or(parts, L::Filter::any)
    }

    /// What just follows on each other. Plain words become one text.
    fn all(&mut self, depth: usize) -> Result<L::Filter, ParseError> {
        let mut parts = Vec::new();
        // What a next part may not be missing after, if it may not.
        let mut asks: Option<Spanned<'a>> = None;
        let mut text: Option<PlainText> = None;
        loop {
            let next = self.lexer.peek()?;
            let begins = parts.is_empty() && text.is_none();
            match next.token {
                Token::End | Token::Close | Token::Or => {
                    return match asks {
                        Some(asks) => Err(asks.error("something has to follow this")),
                        None if begins => Err(next.error(match next.token {
                            Token::Or => "something has to stand before this",
                            Token::Close => "something has to stand between the parentheses",
                            _ => "something has to follow here",
                        })),
                        None => {
                            self.finish(&mut text, &mut parts)?;
                            self.one_or(parts, L::Filter::all)
                        }
                    };
                }
                Token::And if begins || asks.is_some() => {
                    return Err(next.error("something has to stand before this"));
                }
                Token::And => {
                    asks = Some(self.lexer.next()?);
                    continue;
                }
                Token::Word(word) => {
                    self.lexer.next()?;
                    let prefix = prefix(next, word)?;
                    self.count_words(next, word, How::Words)?;
                    let plain = text.get_or_insert_with(|| PlainText {
                        words: String::new(),
                        at: next.at,
                        end: next.at,
                    });
                    if !plain.words.is_empty() {
                        plain.words.push(' ');
                    }
                    plain.words.push_str(prefix.unwrap_or(word));
                    plain.end = next.at + next.len;
                    if prefix.is_some() {
                        self.finish_as(&mut text, &mut parts, How::Prefix)?;
                    }
                }
                _ => {
                    self.finish(&mut text, &mut parts)?;
                    parts.push(self.one(depth)?);
                }
            }
            asks = None;
        }
    }

    /// A part that is not a plain word.
    fn one(&mut self, depth: usize) -> Result<L::Filter, ParseError> {
        let next = self.lexer.next()?;
        match next.token {
            Token::Not => {
                self.deeper(depth, next)?;
                let after = self.lexer.peek()?;
                let part = match after.token {
                    Token::End | Token::Close | Token::Or | Token::And => {
                        return Err(next.error("something has to follow this"));
                    }
                    Token::Word(word) => {
                        self.lexer.next()?;
                        let prefix = prefix(after, word)?;
                        self.count_words(after, word, How::Words)?;
                        let how = if prefix.is_some() {
                            How::Prefix
                        } else {
                            How::Words
                        };
                        self.text(after, prefix.unwrap_or(word), how, None)?
                    }
                    _ => self.one(depth + 1)?,
                };
                self.node(next, L::Filter::not(part))
            }
            Token::Open => {
                self.deeper(depth, next)?;
                let filter = self.any(depth + 1)?;
                let close = self.lexer.next()?;
                match close.token {
                    Token::Close => Ok(filter),
                    _ => Err(next.error("the `)` for this is missing")),
                }
            }
            Token::Everybody => self.node(next, L::Filter::all(Vec::new())),
            Token::Phrase(raw) => {
                let words = lex::unescape(raw);
                self.count_words(next, &words, How::Phrase)?;
                self.text(next, &words, How::Phrase, None)
            }
            Token::Name(name) => L::named(self, next, name),
            Token::Word(_) | Token::Or | Token::And | Token::Close | Token::End => {
                Err(next.error("something else has to stand here"))
            }
        }
    }

    fn finish(
        &mut self,
        text: &mut Option<PlainText>,
        parts: &mut Vec<L::Filter>,
    ) -> Result<(), ParseError> {
        self.finish_as(text, parts, How::Words)
    }

    fn finish_as(
        &mut self,
        text: &mut Option<PlainText>,
        parts: &mut Vec<L::Filter>,
        how: How,
    ) -> Result<(), ParseError> {
        if let Some(PlainText { words, at, end }) = text.take() {
            let place = Spanned {
                token: Token::End,
                at,
                len: end - at,
            };
            parts.push(self.text(place, &words, how, None)?);
        }
        Ok(())
    }

    /// Words that were counted.
    fn text(
        &mut self,
        place: Spanned<'a>,
        words: &str,
        how: How,
        attribute: Option<&str>,
    ) -> Result<L::Filter, ParseError> {
        if attribute.is_none()
            && let Some(why) = self.language.without_words()
        {
            return Err(place.error(why));
        }
        if count(words, how) == 0 {
            return Err(place.error("there is no letter or digit here to look for"));
        }
        self.node(place, L::Filter::text(words, how, attribute))
    }

    /// Counts what is looked for. An error points at what goes beyond the limit, not at what stands before it.
    pub(crate) fn count_words(
        &mut self,
        place: Spanned<'a>,
        words: &str,
        how: How,
    ) -> Result<(), ParseError> {
        let left = MAX_WORDS - self.words;
        let count = count(words, how);
        if count > left {
            let written = self.lexer.written(place);
            let letters: Vec<usize> = written.char_indices().map(|(at, _)| at).collect();
            let fit = letters.partition_point(|end| self::count(&written[..*end], how) <= left);
            let skip = letters[fit.saturating_sub(1)];
            return Err(ParseError {
                at: place.at + skip,
                len: place.len - skip,
                message: format!("the query has more than {MAX_WORDS} words with this"),
            });
        }
        self.words += count;
        Ok(())
    }

    pub(crate) fn node(
        &mut self,
        place: Spanned<'a>,
        filter: L::Filter,
    ) -> Result<L::Filter, ParseError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the query has more than {MAX_NODES} parts with this");
            return Err(place.error(message));
        }
        // What it is made of has been here before, so that this does not go deep.
        if height(&filter) > MAX_DEPTH {
            return Err(place.error(too_deep()));
        }
        Ok(filter)
    }

    fn one_or(
        &mut self,
        mut parts: Vec<L::Filter>,
        several: fn(Vec<L::Filter>) -> L::Filter,
    ) -> Result<L::Filter, ParseError> {
        if parts.len() > 1 {
            let end = Spanned {
                token: Token::End,
                at: self.lexer.at(),
                len: 0,
            };
            return self.node(end, several(parts));
        }
        Ok(parts.remove(0))
    }

    fn deeper(&self, depth: usize, place: Spanned<'a>) -> Result<(), ParseError> {
        if depth < MAX_DEPTH {
            Ok(())
        } else {
            Err(place.error(too_deep()))
        }
    }
}

fn too_deep() -> String {
    format!("nested too deep: the limit is {MAX_DEPTH} levels")
}

/// How deep a filter is nested; 1 for what has no parts.
fn height<T: Tree>(filter: &T) -> usize {
    let parts = filter.parts().map_or(&[][..], |(_, parts)| parts);
    1 + parts.iter().map(height).max().unwrap_or(0)
}

/// Plain words that follow on each other.
struct PlainText {
    words: String,
    at: usize,
    end: usize,
}

/// What is before the `*` at the end of a word, if it has one.
fn prefix<'a>(place: Spanned<'a>, word: &'a str) -> Result<Option<&'a str>, ParseError> {
    match word.find('*') {
        None => Ok(None),
        Some(star) if star > 0 && star + 1 == word.len() => Ok(Some(&word[..star])),
        Some(star) => Err(ParseError {
            at: place.at + star,
            len: 1,
            message: "`*` stands only at the end of a word, for whatever begins so".to_owned(),
        }),
    }
}

/// How many words an index is asked for, as it is by default: a query is as long wherever it is read.
pub(crate) fn count(words: &str, how: How) -> usize {
    how.terms(words, text::Analyzer::default())
        .iter()
        .map(|term| match term {
            text::Term::Word(_) | text::Term::Begins(_) => 1,
            text::Term::Together { words, .. } => words.len(),
        })
        .sum()
}
