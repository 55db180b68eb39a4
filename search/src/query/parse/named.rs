//! What stands behind the name of an attribute.

use super::{
    Context, Language, Parser, Spanned, Tree,
    lex::Token,
    prefix,
    values::{self, name_of},
};
use crate::{
    attributes::{Kind, RESERVED},
    profile::GeoPoint,
    query::{Filter, How, ParseError, Words, suggest, value},
};

impl Tree for Filter {
    fn all(parts: Vec<Filter>) -> Filter {
        Filter::All(parts)
    }

    fn any(parts: Vec<Filter>) -> Filter {
        Filter::Any(parts)
    }

    fn not(part: Filter) -> Filter {
        Filter::Not(Box::new(part))
    }

    fn text(words: &str, how: How, attribute: Option<&str>) -> Filter {
        Filter::Text(Words {
            words: words.to_owned(),
            how,
            attribute: attribute.map(str::to_owned),
        })
    }

    fn parts(&self) -> Option<(&'static str, &[Filter])> {
        match self {
            Filter::All(parts) => Some(("all", parts)),
            Filter::Any(parts) => Some(("any", parts)),
            Filter::Not(part) => Some(("not", std::slice::from_ref(&**part))),
            _ => None,
        }
    }

    fn words(&self) -> Option<(&str, How)> {
        match self {
            Filter::Text(text) => Some((&text.words, text.how)),
            _ => None,
        }
    }
}

impl Language for Context<'_> {
    type Filter = Filter;

    fn without_words(&self) -> Option<&'static str> {
        suggest::visible(self.attributes, false, Kind::has_words)
            .is_empty()
            .then_some("no public attribute is a text or keyword that words could stand in")
    }

    fn named<'a>(
        parser: &mut Parser<'a, Self>,
        name: Spanned<'a>,
        written: &str,
    ) -> Result<Filter, ParseError> {
        parser.attribute(name, written)
    }
}

impl<'a> Parser<'a, Context<'_>> {
    /// `name:` and its values.
    fn attribute(&mut self, name: Spanned<'a>, written: &str) -> Result<Filter, ParseError> {
        let lower = written.to_ascii_lowercase();
        let context = self.language;
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
                    let now_ms = context.now_ms;
                    self.values(name, |item| value::read(&lower, kind, item, now_ms))
                }
            },
            (reserved, None) if RESERVED.contains(&reserved) => {
                let message = match reserved {
                    "or" | "and" | "not" => values::stands_alone(written),
                    "is" => "no attribute is called `is`: write the name of an attribute, as in `city:Berlin`; \
                             who is online is asked for beside the query, with `online`"
                        .to_owned(),
                    "online" => "who is online is asked for beside the query, not in it: with `online` = `only`, \
                                 `first` or `any`"
                        .to_owned(),
                    "user" => "who a person is cannot be asked for in a query: get a profile by its user, or \
                               leave users out with `exclude`"
                        .to_owned(),
                    _ => format!("`{reserved}` is set beside the query, not in it"),
                };
                Err(name.error(message))
            }
            _ => Err(name.error(suggest::unknown(written, context.attributes, context.all))),
        }
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
                    self.count_words(next, word, How::Words)?;
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
