//! Whether a query that a program made can be asked.

use super::{
    Filter, MAX_DEPTH, MAX_FACETS, MAX_LIMIT, MAX_NODES, MAX_QUERY_BYTES, MAX_WITHIN_M, MAX_WORDS,
    PeopleQuery, Sort, Words, parse, suggest, value::descends,
};
use crate::{
    attributes::{Attributes, Kind},
    profile::{GeoPoint, MAX_KEYWORD_BYTES, Value, dates},
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
    let at = |at: &str, message: String| {
        Err(QueryError {
            at: at.to_owned(),
            message,
        })
    };
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        return at(
            "limit",
            format!("{} is not from 1 to {MAX_LIMIT}", query.limit),
        );
    }
    if query.facets.len() > MAX_FACETS {
        return at(
            "facets",
            format!(
                "{} attributes, the limit is {MAX_FACETS}",
                query.facets.len()
            ),
        );
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
        let check = Check {
            attributes,
            all,
            nodes: 0,
            words: 0,
            bytes: 0,
        };
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
    let mut check = Check {
        attributes,
        all,
        nodes: 0,
        words: 0,
        bytes: 0,
    };
    let mut path = Vec::new();
    check
        .filter(filter, 1, &mut path)
        .map_err(|(field, message)| {
            let mut at = "filter".to_owned();
            for step in &path {
                at.push_str(step);
            }
            at.push_str(field);
            QueryError { at, message }
        })
}

struct Check<'a> {
    attributes: &'a Attributes,
    all: bool,
    nodes: usize,
    words: usize,
    bytes: usize,
}

/// A field of the node, and what is wrong with it.
type Wrong = (&'static str, String);

impl Check<'_> {
    /// Leaves the steps to what is wrong in `path`.
    fn filter(
        &mut self,
        filter: &Filter,
        depth: usize,
        path: &mut Vec<String>,
    ) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            return Err((
                "",
                format!("nested too deep: the limit is {MAX_DEPTH} levels"),
            ));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(("", format!("the query has more than {MAX_NODES} parts")));
        }
        match filter {
            Filter::All(parts) => self.parts("all", parts, depth, path),
            Filter::Any(parts) => self.parts("any", parts, depth, path),
            Filter::Not(part) => {
                path.push(".not".to_owned());
                self.filter(part, depth + 1, path)?;
                path.pop();
                Ok(())
            }
            Filter::Text(words) => self.text(words),
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
                match (from, to) {
                    (None, None) => Err((".range", "a range needs `from` or `to`".to_owned())),
                    (Some(from), Some(to)) if descends(from, to) => {
                        Err((".range", "the range ends before it begins".to_owned()))
                    }
                    _ => Ok(()),
                }
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

    fn parts(
        &mut self,
        name: &str,
        parts: &[Filter],
        depth: usize,
        path: &mut Vec<String>,
    ) -> Result<(), Wrong> {
        for (index, part) in parts.iter().enumerate() {
            path.push(format!(".{name}[{index}]"));
            self.filter(part, depth + 1, path)?;
            path.pop();
        }
        Ok(())
    }

    fn text(&mut self, words: &Words) -> Result<(), Wrong> {
        match &words.attribute {
            Some(name) => {
                self.attribute(name, &[Kind::Text], "words are looked for in texts")
                    .map_err(|error| (".text.attribute", error))?;
            }
            None if suggest::visible(self.attributes, false, |kind| kind == Kind::Text)
                .is_empty() =>
            {
                let message = "no public attribute is a text that words could stand in".to_owned();
                return Err((".text", message));
            }
            None => {}
        }
        // Before words are made of it.
        self.bytes += words.words.len();
        if self.bytes > MAX_QUERY_BYTES {
            let message = format!("more than {MAX_QUERY_BYTES} bytes of words in the query");
            return Err((".text.words", message));
        }
        let count = parse::count(&words.words, words.how);
        if count == 0 {
            return Err((
                ".text.words",
                "there is no letter or digit to look for".to_owned(),
            ));
        }
        self.words += count;
        if self.words > MAX_WORDS {
            return Err((
                ".text.words",
                format!("the query has more than {MAX_WORDS} words"),
            ));
        }
        Ok(())
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
            Value::Date(ms) if !dates::RANGE.contains(ms) => Err(format!(
                "{ms} milliseconds since 1970 are not in the years 1 to 9999"
            )),
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
