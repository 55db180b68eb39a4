//! Filters in the query language.

use std::fmt::{Display, Formatter, Result, Write};

use super::{Filter, How, Words, parse::lex};
use crate::profile::{Value, dates};

impl Display for Filter {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        print(self, Place::Top, out)
    }
}

/// What a filter stands in.
#[derive(Clone, Copy)]
enum Place {
    Top,
    /// Beside `OR`.
    Any,
    /// Beside others.
    All,
    /// Behind plain words, which others would be added to.
    AfterWords,
    /// Behind `-`.
    Not,
}

fn print(filter: &Filter, place: Place, out: &mut Formatter<'_>) -> Result {
    let filter = bare(filter);
    if needs_parentheses(filter, place) {
        out.write_char('(')?;
        print(filter, Place::Top, out)?;
        return out.write_char(')');
    }
    match filter {
        Filter::All(parts) if parts.is_empty() => out.write_char('*'),
        Filter::All(parts) => {
            let mut place = Place::All;
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    out.write_char(' ')?;
                }
                print(part, place, out)?;
                place = match bare(part) {
                    Filter::Text(Words {
                        how: How::Words,
                        attribute: None,
                        ..
                    }) => Place::AfterWords,
                    _ => Place::All,
                };
            }
            Ok(())
        }
        // Nobody.
        Filter::Any(parts) if parts.is_empty() => out.write_str("-*"),
        Filter::Any(parts) => match list(parts) {
            Some(list) => out.write_str(&list),
            None => {
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        out.write_str(" OR ")?;
                    }
                    print(part, Place::Any, out)?;
                }
                Ok(())
            }
        },
        Filter::Not(part) => {
            out.write_char('-')?;
            print(part, Place::Not, out)
        }
        Filter::Near {
            attribute,
            at,
            within_m,
        } => {
            let [lat, lon, within] = [at.lat, at.lon, *within_m].map(number);
            write!(out, "{attribute}:{lat},{lon},{within}m")
        }
        Filter::Text(Words {
            words,
            how,
            attribute: None,
        }) => out.write_str(&text(words, *how)),
        Filter::Text(Words {
            words,
            how,
            attribute: Some(name),
        }) => match item(filter) {
            Some((_, item)) => write!(out, "{name}:{item}"),
            None => write!(out, "{name}:({})", text(words, *how)),
        },
        Filter::Is { .. } | Filter::Range { .. } | Filter::Has { .. } => match item(filter) {
            Some((name, item)) => write!(out, "{name}:{item}"),
            None => Ok(()),
        },
    }
}

/// What is meant by all or any of one thing.
fn bare(mut filter: &Filter) -> &Filter {
    while let Filter::All(parts) | Filter::Any(parts) = filter
        && let [part] = &parts[..]
    {
        filter = part;
    }
    filter
}

fn needs_parentheses(filter: &Filter, place: Place) -> bool {
    match filter {
        Filter::All(parts) if !parts.is_empty() => {
            matches!(place, Place::All | Place::AfterWords | Place::Not)
        }
        Filter::Any(parts) if !parts.is_empty() && list(parts).is_none() => {
            !matches!(place, Place::Top)
        }
        Filter::Text(Words {
            how,
            attribute: None,
            words,
        }) if *how != How::Phrase => match place {
            Place::AfterWords => true,
            Place::Not => text(words, *how).contains(' '),
            _ => false,
        },
        _ => false,
    }
}

/// Several values of one attribute, with commas.
fn list(parts: &[Filter]) -> Option<String> {
    let mut list = String::new();
    let mut named = None;
    for part in parts {
        let (name, item) = item(bare(part))?;
        match named {
            None => {
                named = Some(name);
                write!(list, "{name}:{item}").ok()?;
            }
            Some(named) if named == name => {
                list.push(',');
                list.push_str(&item);
            }
            _ => return None,
        }
    }
    Some(list)
}

/// The name before the colon and the value after it, where there could be several.
fn item(filter: &Filter) -> Option<(&str, String)> {
    match filter {
        Filter::Has { attribute } => Some(("has", attribute.clone())),
        Filter::Is { attribute, value } => Some((attribute, single(value))),
        Filter::Range {
            attribute,
            from,
            to,
        } => {
            let from = from.as_ref().map(|value| match value {
                Value::Date(ms) => dates::write(*ms),
                _ => single(value),
            });
            let to = to.as_ref().map(|value| match value {
                Value::Date(ms) => dates::write_end(*ms),
                _ => single(value),
            });
            Some((
                attribute,
                format!("{}..{}", from.unwrap_or_default(), to.unwrap_or_default()),
            ))
        }
        Filter::Text(Words {
            words,
            how,
            attribute: Some(attribute),
        }) => {
            let printed = text(words, *how);
            let star = match how {
                How::Phrase => return Some((attribute, printed)),
                How::Words => "",
                How::Prefix => "*",
            };
            // A value may hold what a word among others may not.
            let alone = [words.as_str(), printed.trim_end_matches('*')];
            let alone = alone.into_iter().find(|words| lex::is_plain_value(words))?;
            Some((attribute, format!("{alone}{star}")))
        }
        _ => None,
    }
}

fn single(value: &Value) -> String {
    match value {
        Value::Keyword(word) | Value::Text(word) if lex::is_plain_value(word) => word.clone(),
        Value::Keyword(text) | Value::Text(text) => format!("\"{}\"", lex::escape(text)),
        Value::Number(value) => number(*value),
        Value::Date(ms) => dates::write_moment(*ms),
        Value::Boolean(true) => "yes".to_owned(),
        Value::Boolean(false) => "no".to_owned(),
        Value::GeoPoint(place) => format!("{},{}", number(place.lat), number(place.lon)),
    }
}

/// Words so that they are read as just that. What they cannot have in the language means nothing in words.
fn text(words: &str, how: How) -> String {
    if how == How::Phrase {
        return format!("\"{}\"", lex::escape(words));
    }
    let mut parts: Vec<String> = Vec::new();
    let mut words = words.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // With a `*` behind it even `OR` is a word.
        let star = how == How::Prefix && words.peek().is_none();
        if lex::is_plain(word, star) {
            parts.push(word.to_owned());
        } else {
            parts.extend(lex::plain_parts(word));
        }
    }
    if how == How::Prefix {
        while parts.pop_if(|part| part == "-").is_some() {}
        if let Some(last) = parts.last_mut() {
            last.push('*');
        }
    }
    parts.join(" ")
}

/// Shortest that is read as the same number.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-5..1e16).contains(&value.abs()) {
        return format!("{value:e}");
    }
    value.to_string()
}
