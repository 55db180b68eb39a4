//! What stands behind the name of an attribute.

use super::{
    Parser, Spanned, count,
    lex::{self, Token},
    prefix,
};
use crate::{
    attributes::{Kind, RESERVED},
    profile::GeoPoint,
    query::{
        Filter, How, ParseError, suggest,
        value::{self, ValueError},
    },
};

impl<'a> Parser<'a> {
    /// `name:` and its values.
    pub(super) fn named(&mut self, name: Spanned<'a>, written: &str) -> Result<Filter, ParseError> {
        let lower = written.to_ascii_lowercase();
        let context = self.context;
        let visible = context.attributes.visible(&lower, context.all);
        match (lower.as_str(), visible) {
            ("has", _) => self.values(name, |item| {
                let asked = item.text.to_lowercase();
                match context.attributes.visible(&asked, context.all) {
                    Some(_) => Ok(Filter::Has { attribute: asked }),
                    None => {
                        Err(suggest::unknown(&item.text, context.attributes, context.all).into())
                    }
                }
            }),
            ("near", _) => {
                let places = suggest::visible(context.attributes, context.all, |kind| {
                    kind == Kind::GeoPoint
                });
                match places[..] {
                    [place] => self.near(name, place),
                    [] => Err(name.error("no attribute is a place, so nobody can be near")),
                    [first, ..] => Err(name.error(format!(
                        "several attributes are places: write for example `{first}:52.52,13.40,30km` \
                         ({})",
                        places.join(", ")
                    ))),
                }
            }
            (_, Some(attribute)) => match attribute.kind {
                Kind::GeoPoint => self.near(name, &lower),
                Kind::Text if matches!(self.lexer.peek_value()?.token, Token::Open) => {
                    self.words_of(name, &lower)
                }
                kind => {
                    let (mut words, now_ms) = (0, context.now_ms);
                    let filter = self.values(name, |item| {
                        let filter = value::read(&lower, kind, item, now_ms)?;
                        if let Filter::Text(text) = &filter {
                            words += count(text);
                        }
                        Ok(filter)
                    })?;
                    self.count_words(name, words)?;
                    Ok(filter)
                }
            },
            (reserved, None) if RESERVED.contains(&reserved) => {
                let message = match reserved {
                    "or" | "and" | "not" => format!(
                        "`{}` stands alone, between spaces; quote words with a colon: `\"{written}:…\"`",
                        reserved.to_uppercase()
                    ),
                    _ => format!("`{reserved}` is set beside the query, not in it"),
                };
                Err(name.error(message))
            }
            _ => Err(name.error(suggest::unknown(written, context.attributes, context.all))),
        }
    }

    /// Values with commas between them, any of which will do.
    fn values(
        &mut self,
        name: Spanned<'a>,
        mut read: impl FnMut(value::Item) -> Result<Filter, ValueError>,
    ) -> Result<Filter, ParseError> {
        let mut parts = Vec::new();
        loop {
            let (item, spanned) = self.item(name)?;
            let filter = read(item).map_err(|error| match error.part {
                Some((at, len)) if matches!(spanned.token, Token::Word(_)) => ParseError {
                    at: spanned.at + at,
                    len,
                    message: error.message,
                },
                _ => spanned.error(error.message),
            })?;
            parts.push(self.node(spanned, filter)?);
            if !self.lexer.comma() {
                return self.one_or(parts, Filter::Any);
            }
        }
    }

    fn item(&mut self, name: Spanned<'a>) -> Result<(value::Item, Spanned<'a>), ParseError> {
        let next = self.lexer.next_value()?;
        let item = match next.token {
            Token::Phrase(raw) => value::Item {
                text: lex::unescape(raw),
                quoted: true,
            },
            Token::Word(word) => value::Item {
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

    /// Latitude, longitude and distance.
    fn near(&mut self, name: Spanned<'a>, attribute: &str) -> Result<Filter, ParseError> {
        let mut parts = Vec::new();
        loop {
            parts.push(self.item(name)?);
            if parts.len() == 3 || !self.lexer.comma() {
                break;
            }
        }
        let told = |message: &str| {
            format!("{message}: latitude, longitude and distance, as in `52.52,13.40,30km`")
        };
        let [(lat, lat_at), (lon, lon_at), (within, within_at)] = &parts[..] else {
            return Err(name.error(told("three values are needed here")));
        };
        let lat = value::degrees(&lat.text, 90.0).ok_or_else(|| {
            lat_at.error(told("the latitude is a number of degrees from -90 to 90"))
        })?;
        let lon = value::degrees(&lon.text, 180.0).ok_or_else(|| {
            lon_at.error(told(
                "the longitude is a number of degrees from -180 to 180",
            ))
        })?;
        let within_m = value::metres(&within.text).map_err(|message| within_at.error(message))?;
        let at = GeoPoint { lat, lon };
        self.node(
            name,
            Filter::Near {
                attribute: attribute.to_owned(),
                at,
                within_m,
            },
        )
    }

    /// `about:(several words)`.
    fn words_of(&mut self, name: Spanned<'a>, attribute: &str) -> Result<Filter, ParseError> {
        let open = self.lexer.next_value()?;
        let (mut words, mut how) = (String::new(), How::Words);
        loop {
            let next = self.lexer.next()?;
            match next.token {
                Token::Word(word) if how == How::Words => {
                    let prefix = prefix(next, word)?;
                    if prefix.is_some() {
                        how = How::Prefix;
                    }
                    if !words.is_empty() {
                        words.push(' ');
                    }
                    words.push_str(prefix.unwrap_or(word));
                }
                Token::Word(_) => {
                    return Err(next.error("only the last word here can end with `*`"));
                }
                Token::Close => {
                    let whole = Spanned {
                        len: next.at + next.len - open.at,
                        ..open
                    };
                    return self.text(whole, &words, how, Some(attribute));
                }
                Token::End => return Err(open.error("the `)` for this is missing")),
                _ => {
                    return Err(next.error(format!(
                        "only words can stand here: write `{}:` before each part of anything else",
                        name_of(name)
                    )));
                }
            }
        }
    }
}

fn name_of(name: Spanned<'_>) -> &str {
    match name.token {
        Token::Name(written) => written,
        _ => "",
    }
}
