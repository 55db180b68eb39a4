//! The query language of message search: that of people search, with other names before the colon.
//!
//! | Query | Finds what |
//! |---|---|
//! | `from:alice,bob` | one of them wrote |
//! | `in:0198c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f` | was written there |
//! | `before:2026-01-01` | was sent earlier than that day begins (UTC) |
//! | `after:2025`, `after:-7d` | was sent later than that year ends; in the last seven days |
//! | `sent:2026-01..2026-06`, `sent:-12h..` | was sent then; both ends belong to it |

use super::MAX_USER_BYTES;
use super::id;
use super::query::Filter;
use crate::profile::dates;
use crate::query::ParseError;
use crate::query::parse::values::stands_alone;
use crate::query::parse::{self, Language, Parser, Spanned};
use crate::query::suggest;
use crate::query::value::{self, Ends, Item, ValueError};

/// When is asked.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// What dates such as `-7d` are counted from, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What may stand before a colon.
const NAMES: [&str; 5] = ["from", "in", "sent", "before", "after"];

/// Reads a query. An empty one is for every message.
pub fn parse(query: &str, context: &Context) -> Result<Filter, ParseError> {
    parse::read(query, context)
}

impl Language for Context {
    type Filter = Filter;

    fn without_words(&self) -> Option<&'static str> {
        None
    }

    fn named<'a>(
        parser: &mut Parser<'a, Self>,
        name: Spanned<'a>,
        written: &str,
    ) -> Result<Filter, ParseError> {
        let now_ms = parser.language.now_ms;
        match written.to_ascii_lowercase().as_str() {
            "from" => parser.values(name, |item| from(&item)),
            "in" => parser.values(name, |item| in_(&item)),
            "sent" => parser.values(name, |item| {
                let Ends { from, to, .. } = value::dates(&item.text, now_ms)?;
                Ok(Filter::Sent { from, to })
            }),
            "before" => parser.moment(name, "before", |(from, _)| Filter::Sent {
                from: None,
                to: Some((from - 1).max(*dates::RANGE.start())),
            }),
            "after" => parser.moment(name, "after", |(_, to)| Filter::Sent {
                from: Some((to + 1).min(*dates::RANGE.end())),
                to: None,
            }),
            "has" => Err(name.error(
                "messages have no attachments yet, nor anything else that `has:` could ask for",
            )),
            "or" | "and" | "not" => Err(name.error(stands_alone(written))),
            "sort" => Err(name.error("`sort` is set beside the query, not in it")),
            _ => Err(name.error(unknown(written))),
        }
    }
}

impl<'a> Parser<'a, Context> {
    /// One date, and no range.
    fn moment(
        &mut self,
        name: Spanned<'a>,
        written: &str,
        filter: impl FnOnce((i64, i64)) -> Filter,
    ) -> Result<Filter, ParseError> {
        let (item, place) = self.item(name)?;
        if item.text.contains("..") || item.text.starts_with(['<', '>']) {
            return Err(place.error(format!(
                "`{written}:` takes one date: a range is written `sent:2026-01..2026-06`"
            )));
        }
        let covered = value::covered(&item.text, self.language.now_ms);
        let covered = covered.map_err(|message| place.error(message))?;
        if self.comma() {
            return Err(place.error(format!("`{written}:` takes one date, and no list of them")));
        }
        self.node(place, filter(covered))
    }
}

fn whole(item: &Item, what: &str) -> Result<(), ValueError> {
    match item.text.find('*').filter(|_| !item.quoted) {
        None => Ok(()),
        Some(star) => Err(ValueError {
            message: format!("{what} is written whole: quote a `*` that belongs to it"),
            part: Some((star, 1)),
        }),
    }
}

fn from(item: &Item) -> Result<Filter, ValueError> {
    whole(item, "the id of a user")?;
    if item.text.is_empty() || item.text.len() > MAX_USER_BYTES {
        return Err(format!("the id of a user has 1 to {MAX_USER_BYTES} bytes").into());
    }
    Ok(Filter::From(vec![item.text.clone()]))
}

fn in_(item: &Item) -> Result<Filter, ValueError> {
    whole(item, "the id of a conversation")?;
    match id::read(&item.text) {
        Some(conversation) => Ok(Filter::In(vec![conversation])),
        None => Err(format!(
            "`{}` is not the id of a conversation, which has 32 hexadecimal digits: \
             `in:0198c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f`",
            value::short(&item.text)
        )
        .into()),
    }
}

fn unknown(written: &str) -> String {
    let mut message = format!("messages are not asked for by `{}:`", value::short(written));
    match suggest::nearest(written, &NAMES) {
        Some(meant) => message.push_str(&format!(", did you mean `{meant}:`?")),
        None => message.push(';'),
    }
    let names = NAMES.map(|name| format!("`{name}:`")).join(", ");
    message.push_str(&format!(
        " there are: {names}; quote words with a colon: `\"{}:…\"`",
        value::short(written)
    ));
    message
}
