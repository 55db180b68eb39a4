//! People for people: a block each, as wide as the terminal.

use std::io::IsTerminal as _;

use ratatui::{crossterm::terminal, text::Span};
use serde_json::Value;
use tidings_core::clock::{Clock as _, SystemClock};
use unicode_segmentation::UnicodeSegmentation as _;

use super::found::{Facet, Found, Highlight, Person};
use crate::{chat::text::one_line, say::say};

/// Columns that the name of an attribute has at least.
const NAME: usize = 10;

/// How what is found is shown.
pub(super) struct Show {
    /// Columns of the terminal; elsewhere nothing is shortened.
    width: Option<usize>,
    bold: (&'static str, &'static str),
    now_ms: u64,
}

/// A piece of a text, and whether it is what was looked for.
type Piece = (String, bool);

impl Show {
    /// As it is fit for where stdout goes.
    pub(super) fn new() -> Show {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = terminal.then(|| terminal::size().map_or(80, |(columns, _)| columns.into()));
        Show {
            width,
            bold: match terminal && !plain {
                true => ("\u{1b}[1m", "\u{1b}[0m"),
                false => ("*", "*"),
            },
            now_ms: SystemClock.now_ms(),
        }
    }

    /// Prints a page.
    pub(super) fn page(&self, found: &Found) {
        for person in &found.people {
            self.lines(person).iter().for_each(|line| say!("{line}"));
            say!("");
        }
        for facet in &found.facets {
            say!("{}", self.fit(vec![(facet_line(facet), false)], 0));
        }
        say!("{}", total(found));
        if found.cut {
            say!(
                "people may be missing: the beginning of a word stands for too many words, so give more of it"
            );
        }
        if !found.next.is_empty() {
            say!("for the next page add: --after {}", found.next);
        }
    }

    fn lines(&self, person: &Person) -> Vec<String> {
        let name = person.attributes.get("name").and_then(Value::as_str);
        let name = name.map(|name| format!("{} ", one_line(name)));
        let mut head = format!(
            "{}({})  {}",
            name.unwrap_or_default(),
            one_line(&person.user),
            self.state(person)
        );
        if let Some(metres) = person.distance_m {
            head.push_str(&format!("  {}", distance(metres)));
        }
        let mut lines = vec![self.fit(vec![(head, false)], 0)];
        let longest = person.attributes.keys().map(String::len).max();
        let column = longest.unwrap_or(0).max(NAME);
        for (name, value) in &person.attributes {
            // It stands above, unless it is to show where a word is.
            let marked = person
                .highlights
                .iter()
                .any(|place| place.attribute == *name);
            if name == "name" && value.is_string() && !marked {
                continue;
            }
            let pieces = pieces(value, name, &person.highlights);
            let text = self.fit(pieces, column + 4);
            lines.push(format!("  {name:<column$}  {text}"));
        }
        if !person.explanation.is_null() {
            explain(&person.explanation, 1, &mut lines);
        }
        lines
    }

    fn state(&self, person: &Person) -> String {
        match person.state.as_str() {
            "available" => "online".to_owned(),
            "away" => "away".to_owned(),
            _ if person.seen_ms == 0 => "offline".to_owned(),
            _ => format!(
                "offline, last here {}",
                ago(self.now_ms.saturating_sub(person.seen_ms))
            ),
        }
    }

    /// Pieces in one line, cut where the terminal ends; what was looked for stays in sight.
    fn fit(&self, mut pieces: Vec<Piece>, indent: usize) -> String {
        let room = match self.width {
            Some(width) => width.saturating_sub(indent + 1).max(NAME),
            None => usize::MAX,
        };
        let all: usize = pieces.iter().map(|(text, _)| width(text)).sum();
        // What stands before the first place is long: its end will do.
        let first = pieces.first().filter(|(_, marked)| !marked);
        if all > room
            && pieces.len() > 1
            && let Some((before, _)) = first
            && width(before) > room / 2
        {
            let letters: Vec<&str> = before.graphemes(true).collect();
            let from = letters.len().saturating_sub(room / 4);
            pieces[0].0 = format!("…{}", letters[from..].concat());
        }
        let all: usize = pieces.iter().map(|(text, _)| width(text)).sum();
        let mut left = if all > room { room - 1 } else { room };
        let mut line = String::new();
        for (text, marked) in pieces {
            let mut shown = String::new();
            for letter in text.graphemes(true) {
                match left.checked_sub(width(letter)) {
                    Some(rest) => left = rest,
                    None => {
                        left = 0;
                        break;
                    }
                }
                shown.push_str(letter);
            }
            if marked && !shown.is_empty() {
                shown = format!("{}{shown}{}", self.bold.0, self.bold.1);
            }
            line.push_str(&shown);
        }
        if all > room {
            line.push('…');
        }
        line
    }
}

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// An attribute's values one after the other, cut at the places that were looked for.
fn pieces(value: &Value, name: &str, highlights: &[Highlight]) -> Vec<Piece> {
    let values = match value {
        Value::Array(values) => &values[..],
        value => std::slice::from_ref(value),
    };
    let mut pieces: Vec<Piece> = Vec::new();
    for (nth, value) in values.iter().enumerate() {
        if nth > 0 {
            pieces.push((", ".to_owned(), false));
        }
        let text = said(value);
        let mut at = 0;
        let of_this = |place: &&Highlight| place.attribute == name && place.value as usize == nth;
        for place in highlights.iter().filter(of_this) {
            let (from, to) = (place.from as usize, place.to as usize);
            // Places come in their order and do not overlap.
            if let (Some(before), Some(marked)) = (text.get(at..from), text.get(from..to)) {
                pieces.push((one_line(before), false));
                pieces.push((one_line(marked), true));
                at = to;
            }
        }
        pieces.push((one_line(&text[at..]), false));
    }
    pieces.retain(|(text, _)| !text.is_empty());
    pieces
}

/// A value in words.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Object(place) => match (place.get("lat"), place.get("lon")) {
            (Some(lat), Some(lon)) => format!("{lat},{lon}"),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn distance(metres: f64) -> String {
    match metres {
        metres if metres < 1_000.0 => format!("{metres:.0} m"),
        metres if metres < 100_000.0 => format!("{:.1} km", metres / 1_000.0),
        metres => format!("{:.0} km", metres / 1_000.0),
    }
}

/// How long ago, roughly.
fn ago(ms: u64) -> String {
    let minutes = ms / 60_000;
    let (count, what) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1_440 => (minutes / 60, "hour"),
        _ => (minutes / 1_440, "day"),
    };
    format!("{count} {what}{} ago", if count == 1 { "" } else { "s" })
}

fn facet_line(facet: &Facet) -> String {
    let values: Vec<String> = facet
        .values
        .iter()
        .map(|value| format!("{} {}", one_line(&value.value), value.count))
        .collect();
    let more = if facet.more { ", …" } else { "" };
    format!(
        "{}: {}{more}",
        one_line(&facet.attribute),
        values.join(", ")
    )
}

fn total(found: &Found) -> String {
    match (found.total, found.at_least) {
        (0, false) => "nobody".to_owned(),
        (1, false) => "1 person".to_owned(),
        (count, false) => format!("{count} people"),
        (count, true) => format!("at least {count} people"),
    }
}

/// Why somebody ranks where they do, part by part.
fn explain(why: &Value, depth: usize, lines: &mut Vec<String>) {
    let what = why.get("what").and_then(Value::as_str).unwrap_or_default();
    let value = why.get("value").and_then(Value::as_f64);
    let value = value
        .map(|value| format!("{value:.4} "))
        .unwrap_or_default();
    lines.push(format!("{}{value}{}", "  ".repeat(depth), one_line(what)));
    let details = why.get("details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        explain(detail, depth + 1, lines);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(width: Option<usize>) -> Show {
        Show {
            width,
            bold: ("<", ">"),
            now_ms: 10 * 86_400_000,
        }
    }

    fn person(attributes: Value, places: &[(&str, u32, u32, u32)]) -> Person {
        let places = places.iter().map(|(name, value, from, to)| {
            json!({ "attribute": name, "value": value, "from": from, "to": to })
        });
        let person = json!({
            "user": "ann", "state": "offline", "seen_ms": 8 * 86_400_000, "score": 0.0,
            "attributes": attributes, "distance_m": 1234.5, "highlights": places.collect::<Vec<_>>(),
        });
        serde_json::from_value(person).unwrap()
    }

    #[test]
    fn a_person_is_a_block() {
        let ann = person(
            json!({
                "name": "Ann", "about": "I go hiking\u{1b}[2J", "photo": true,
                "skills": ["rust", "c++"], "place": { "lat": 52.5, "lon": 13.4 },
            }),
            &[("about", 0, 5, 11), ("skills", 1, 0, 3)],
        );
        assert_eq!(
            show(None).lines(&ann),
            [
                "Ann (ann)  offline, last here 2 days ago  1.2 km",
                "  about       I go <hiking>\u{fffd}[2J",
                "  photo       yes",
                "  place       52.5,13.4",
                "  skills      rust, <c++>",
            ]
        );
    }

    #[test]
    fn long_texts_end_where_the_terminal_does() {
        let text = format!("{} hiking {}", "before ".repeat(20), "after ".repeat(20));
        let at = text.find("hiking").unwrap() as u32;
        let lines = |places: &[_]| show(Some(40)).lines(&person(json!({ "about": text }), places));
        let plain = &lines(&[])[1];
        assert!(plain.ends_with("before bef…"), "{plain}");
        assert!(width(plain) < 40);
        // The word is in sight.
        let marked = &lines(&[("about", 0, at, at + 6)])[1];
        assert!(marked.contains("<hiking> aft"), "{marked}");
        assert!(marked.starts_with("  about       …"), "{marked}");
        assert!(width(marked) < 42, "{marked}");
        // Wide letters count as two.
        let wide = show(Some(20)).fit(vec![("登山".repeat(20), false)], 0);
        assert_eq!(wide, format!("{}…", "登山".repeat(4) + "登"));
    }

    #[test]
    fn counts_are_said_as_they_are_known() {
        let found = |total, at_least| Found {
            people: Vec::new(),
            total,
            at_least,
            next: String::new(),
            facets: Vec::new(),
            cut: false,
        };
        let said = [(0, false), (1, false), (2, false), (900, true)]
            .map(|(count, at_least)| total(&found(count, at_least)));
        assert_eq!(
            said,
            ["nobody", "1 person", "2 people", "at least 900 people"]
        );
        let times = [59_000, 60_000, 7_200_000, 86_400_000].map(ago);
        assert_eq!(
            times,
            ["just now", "1 minute ago", "2 hours ago", "1 day ago"]
        );
        assert_eq!(
            [12.3, 999.0, 100_000.0].map(distance),
            ["12 m", "999 m", "100 km"]
        );
    }
}
