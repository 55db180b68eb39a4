//! Whether a query that a program made can be asked.

use super::{
    Filter, MAX_FACETS, MAX_WITHIN_M, PeopleQuery, Sort, Words,
    limits::{self, Limits, Wrong},
    suggest,
    value::descends,
};
use crate::{
    attributes::{Attributes, Kind},
    profile::{GeoPoint, MAX_KEYWORD_BYTES, Value},
    text,
};

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct QueryError {
    /// Where in the query, as in `filter.all[1].range.from`.
    pub at: String,
    /// What is wrong, and what would do.
    pub message: String,
}

/// Checks a whole query against what is declared. `all` says whether attributes that are not public may be
/// asked for.
pub fn check(query: &PeopleQuery, attributes: &Attributes, all: bool) -> Result<(), QueryError> {
    check_filter(&query.filter, attributes, all)?;
    limits::page(query.limit)?;
    if query.facets.len() > MAX_FACETS {
        return Err(QueryError {
            at: "facets".to_owned(),
            message: format!(
                "{} attributes, the limit is {MAX_FACETS}",
                query.facets.len()
            ),
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in query.facets.iter().enumerate() {
        let at = |message| {
            Err(QueryError {
                at: format!("facets[{index}]"),
                message,
            })
        };
        match attributes
            .visible(name, all)
            .map(|attribute| attribute.kind)
        {
            None => return at(suggest::unknown(name, attributes, all)),
            Some(Kind::Keyword | Kind::Boolean) if !seen.insert(name) => {
                return at(format!("`{name}` is counted already"));
            }
            Some(Kind::Keyword | Kind::Boolean) => {}
            Some(kind) => {
                return at(format!(
                    "`{name}` is {}; keywords and booleans can be counted{}",
                    kind.described(),
                    these(attributes, all, |kind| matches!(
                        kind,
                        Kind::Keyword | Kind::Boolean
                    )),
                ));
            }
        }
    }
    if let Sort::Distance { attribute, from } = &query.sort {
        let check = Check { attributes, all };
        let place = |path: &str, error: String| QueryError {
            at: format!("sort.distance.{path}"),
            message: error,
        };
        check
            .attribute(attribute, &[Kind::GeoPoint], "distance is from a place")
            .map_err(|error| place("attribute", error))?;
        is_place(*from).map_err(|error| place("from", error))?;
    }
    Ok(())
}

/// Checks a filter against what is declared.
pub fn check_filter(filter: &Filter, attributes: &Attributes, all: bool) -> Result<(), QueryError> {
    let check = Check { attributes, all };
    limits::walk(filter, |filter, limits| check.condition(filter, limits))
}

struct Check<'a> {
    attributes: &'a Attributes,
    all: bool,
}

impl Check<'_> {
    fn condition(&self, filter: &Filter, limits: &mut Limits) -> Result<(), Wrong> {
        match filter {
            // What these are made of is looked at by itself.
            Filter::All(_) | Filter::Any(_) | Filter::Not(_) => Ok(()),
            Filter::Text(words) => self.text(words, limits),
            Filter::Is { attribute, value } => {
                const KINDS: [Kind; 4] = [Kind::Keyword, Kind::Number, Kind::Date, Kind::Boolean];
                let kind = self
                    .attribute(
                        attribute,
                        &KINDS,
                        "`is` is for keywords, numbers, dates and booleans",
                    )
                    .map_err(|error| (".is.attribute", error))?;
                self.value(attribute, kind, value)
                    .map_err(|error| (".is.value", error))
            }
            Filter::Range {
                attribute,
                from,
                to,
            } => {
                let kind = self
                    .attribute(
                        attribute,
                        &[Kind::Number, Kind::Date],
                        "ranges are of numbers or dates",
                    )
                    .map_err(|error| (".range.attribute", error))?;
                for (value, at) in [(from, ".range.from"), (to, ".range.to")] {
                    if let Some(value) = value {
                        self.value(attribute, kind, value)
                            .map_err(|error| (at, error))?;
                    }
                }
                limits::range(from.as_ref(), to.as_ref(), descends)
                    .map_err(|error| (".range", error))
            }
            Filter::Near {
                attribute,
                at,
                within_m,
            } => {
                self.attribute(attribute, &[Kind::GeoPoint], "only a place can be near")
                    .map_err(|error| (".near.attribute", error))?;
                is_place(*at).map_err(|error| (".near.at", error))?;
                if *within_m > 0.0 && *within_m <= MAX_WITHIN_M {
                    return Ok(());
                }
                Err((
                    ".near.within_m",
                    format!("{within_m} is not more than 0 and at most {MAX_WITHIN_M} metres"),
                ))
            }
            Filter::Has { attribute } => match self.attributes.visible(attribute, self.all) {
                Some(_) => Ok(()),
                None => Err((".has.attribute", self.unknown(attribute))),
            },
        }
    }

    fn text(&self, words: &Words, limits: &mut Limits) -> Result<(), Wrong> {
        match &words.attribute {
            Some(name) => {
                self.attribute(name, &[Kind::Text], "words are looked for in texts")
                    .map_err(|error| (".text.attribute", error))?;
            }
            None if suggest::visible(self.attributes, false, Kind::has_words).is_empty() => {
                let message = "no public attribute is a text or keyword that words could stand in";
                return Err((".text", message.to_owned()));
            }
            None => {}
        }
        limits
            .words(&words.words, words.how)
            .map_err(|error| (".text.words", error))
    }

    fn attribute(&self, name: &str, kinds: &[Kind], rule: &str) -> Result<Kind, String> {
        match self.attributes.visible(name, self.all) {
            Some(attribute) if kinds.contains(&attribute.kind) => Ok(attribute.kind),
            Some(attribute) => Err(format!(
                "`{name}` is {}; {rule}{}",
                attribute.kind.described(),
                these(self.attributes, self.all, |kind| kinds.contains(&kind)),
            )),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        suggest::unknown(name, self.attributes, self.all)
    }

    fn value(&self, name: &str, kind: Kind, value: &Value) -> Result<(), String> {
        if value.kind() != kind {
            return Err(format!(
                "`{name}` is {}, and this is {}",
                kind.described(),
                value.kind().described()
            ));
        }
        match value {
            Value::Keyword(keyword) if keyword.len() > MAX_KEYWORD_BYTES => Err(format!(
                "{} bytes, keywords have at most {MAX_KEYWORD_BYTES}",
                keyword.len()
            )),
            Value::Keyword(keyword) if text::fold(keyword).is_empty() => {
                Err("the keyword is empty".to_owned())
            }
            Value::Number(number) if !number.is_finite() => {
                Err(format!("{number} is not a number to compare with"))
            }
            Value::Date(ms) => limits::moment(*ms),
            _ => Ok(()),
        }
    }
}

fn is_place(place: GeoPoint) -> Result<(), String> {
    if place.is_valid() {
        return Ok(());
    }
    Err(format!(
        "there is no latitude {} with longitude {}: -90 to 90 and -180 to 180",
        place.lat, place.lon
    ))
}

/// Which attributes would do, in parentheses.
fn these(attributes: &Attributes, all: bool, wanted: impl Fn(Kind) -> bool) -> String {
    let names = suggest::visible(attributes, all, wanted);
    match names.is_empty() {
        true => " (none is declared)".to_owned(),
        false => format!(" ({})", names.join(", ")),
    }
}
