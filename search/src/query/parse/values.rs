//! Values behind a name, in any language.

use super::{
    Language, Parser, Spanned, Tree,
    lex::{self, Token},
};
use crate::query::{
    ParseError,
    value::{Item, ValueError},
};

impl Spanned<'_> {
    /// What is wrong with a value that stands here.
    pub(crate) fn value_error(self, error: ValueError) -> ParseError {
        match error.part {
            Some((at, len)) if matches!(self.token, Token::Word(_)) => ParseError {
                at: self.at + at,
                len,
                message: error.message,
            },
            _ => self.error(error.message),
        }
    }
}

impl<'a, L: Language> Parser<'a, L> {
    /// Values with commas between them, any of which will do.
    pub(crate) fn values(
        &mut self,
        name: Spanned<'a>,
        mut read: impl FnMut(Item) -> Result<L::Filter, ValueError>,
    ) -> Result<L::Filter, ParseError> {
        let mut parts = Vec::new();
        loop {
            let (item, spanned) = self.item(name)?;
            let filter = read(item).map_err(|error| spanned.value_error(error))?;
            if let Some((words, how)) = filter.words() {
                self.count_words(spanned, words, how)?;
            }
            parts.push(self.node(spanned, filter)?);
            if !self.comma() {
                return self.one_or(parts, L::Filter::any);
            }
        }
    }

    /// Goes on behind a comma, if there is one.
    pub(crate) fn comma(&mut self) -> bool {
        self.lexer.comma()
    }

    pub(crate) fn item(&mut self, name: Spanned<'a>) -> Result<(Item, Spanned<'a>), ParseError> {
        let next = self.lexer.next_value()?;
        let item = match next.token {
            Token::Phrase(raw) => Item {
                text: lex::unescape(raw),
                quoted: true,
            },
            Token::Word(word) => Item {
                text: word.to_owned(),
                quoted: false,
            },
            Token::Open => {
                return Err(next.error(
                    "no parentheses here: separate several values with commas, and quote what has spaces",
                ));
            }
            _ => {
                let message = format!("a value has to follow `{}:` directly", name_of(name));
                return Err(ParseError {
                    at: next.at,
                    len: 0,
                    message,
                });
            }
        };
        Ok((item, next))
    }
}

/// What a name is that was read.
pub(super) fn name_of(name: Spanned<'_>) -> &str {
    match name.token {
        Token::Name(written) => written,
        _ => "",
    }
}

/// That an operator was written with a colon.
pub(crate) fn stands_alone(written: &str) -> String {
    format!(
        "`{}` stands alone, between spaces; quote words with a colon: `\"{written}:…\"`",
        written.to_uppercase()
    )
}
