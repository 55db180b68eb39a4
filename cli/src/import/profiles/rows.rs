//! What a line says of a user: read from JSON, or from cells by the kinds that are declared.

use serde::Deserialize;
use serde_json::{Map, Number, Value, json};
use tidings_search::{
    attributes::{Attribute, Attributes, Kind},
    profile,
};

/// What is said of a user, not looked at yet.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) user: String,
    #[serde(default, deserialize_with = "profile::each_once")]
    pub(super) attributes: Option<Map<String, Value>>,
    pub(super) hidden: Option<bool>,
    pub(super) at_ms: Option<u64>,
}

/// Reads a line of JSON.
pub(super) fn of_json(line: &str) -> Result<Row, String> {
    if !line.trim_start().starts_with('{') {
        return Err(
            "not an object of JSON, such as {\"user\": \"ann\", \"attributes\": {}}".to_owned(),
        );
    }
    serde_json::from_str(line).map_err(|error| {
        let error = error.to_string();
        // It is always the first of this text, which is not what it is in the file.
        error.replace(" at line 1 column ", ", at byte ")
    })
}

/// What the columns of a file are.
#[derive(Debug)]
pub(super) struct Columns(Vec<Column>);

#[derive(Debug)]
enum Column {
    User,
    Hidden,
    At,
    Attribute(String, Attribute),
}

impl Columns {
    /// Reads the header of a file.
    pub(super) fn of(header: &[String], declared: &Attributes) -> Result<Columns, String> {
        if !header.iter().any(|name| name.trim() == "user") {
            return Err(format!(
                "there is no column `user`, by commas there are: {}",
                header.join(", ")
            ));
        }
        let mut columns: Vec<Column> = Vec::with_capacity(header.len());
        for (nth, name) in header.iter().enumerate() {
            let name = name.trim();
            if header[..nth].iter().any(|other| other.trim() == name) {
                return Err(format!("there are two columns `{name}`"));
            }
            columns.push(match name {
                "user" => Column::User,
                "hidden" => Column::Hidden,
                "at_ms" => Column::At,
                name => match declared.get(name) {
                    Some(attribute) => Column::Attribute(name.to_owned(), attribute.clone()),
                    None => {
                        let names: Vec<&str> = declared.iter().map(|(name, _)| name).collect();
                        return Err(format!(
                            "no attribute `{name}` is declared for this column; there are: {}, and the columns \
                             user, hidden and at_ms",
                            names.join(", ")
                        ));
                    }
                },
            });
        }
        Ok(Columns(columns))
    }

    /// Reads the cells of a record.
    pub(super) fn row(&self, cells: Vec<String>) -> Result<Row, String> {
        let Columns(columns) = self;
        if cells.len() != columns.len() {
            return Err(format!(
                "{} cells, and the header has {}",
                cells.len(),
                columns.len()
            ));
        }
        let mut row = Row {
            user: String::new(),
            attributes: None,
            hidden: None,
            at_ms: None,
        };
        let mut attributes = Map::new();
        let mut any = false;
        for (column, cell) in columns.iter().zip(cells) {
            let given = cell.trim();
            match column {
                Column::User => row.user = given.to_owned(),
                Column::Hidden if given.is_empty() => {}
                Column::Hidden => {
                    let hidden = boolean(given);
                    let wrong = || format!("`hidden` is yes or no, and {given:?} is not");
                    row.hidden = Some(hidden.ok_or_else(wrong)?);
                }
                Column::At if given.is_empty() => {}
                Column::At => {
                    let wrong =
                        |_| format!("`at_ms` is milliseconds since 1970, and {given:?} is not");
                    row.at_ms = Some(given.parse().map_err(wrong)?);
                }
                Column::Attribute(name, attribute) => {
                    any = true;
                    if !given.is_empty() {
                        attributes.insert(name.clone(), values(name, attribute, &cell)?);
                    }
                }
            }
        }
        row.attributes = any.then_some(attributes);
        Ok(row)
    }
}

fn values(name: &str, attribute: &Attribute, cell: &str) -> Result<Value, String> {
    if !attribute.multiple {
        return value(name, attribute.kind, cell);
    }
    let given = cell.split('|').filter(|one| !one.trim().is_empty());
    let values: Result<Vec<Value>, String> =
        given.map(|one| value(name, attribute.kind, one)).collect();
    values.map(Value::Array)
}

/// A value of its kind. What is none stays a string: the check that follows says so.
fn value(name: &str, kind: Kind, cell: &str) -> Result<Value, String> {
    let given = cell.trim();
    Ok(match kind {
        Kind::Text => Value::from(cell),
        Kind::Keyword | Kind::Date => Value::from(given),
        Kind::Number => match given.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => {
                let number = given.parse().ok().and_then(Number::from_f64);
                number.map_or_else(|| Value::from(given), Value::Number)
            }
        },
        Kind::Boolean => boolean(given).map_or_else(|| Value::from(given), Value::from),
        Kind::GeoPoint => {
            let place = given.split_once(',').and_then(|(lat, lon)| {
                let degrees = |text: &str| Number::from_f64(text.trim().parse().ok()?);
                Some(json!({ "lat": degrees(lat)?, "lon": degrees(lon)? }))
            });
            let wrong = || format!("`{name}` is a place (as `52.52,13.40`), and {given:?} is not");
            place.ok_or_else(wrong)?
        }
    })
}

fn boolean(given: &str) -> Option<bool> {
    let is = |word: &str| given.eq_ignore_ascii_case(word);
    match () {
        () if is("yes") || is("true") => Some(true),
        () if is("no") || is("false") => Some(false),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Attributes {
        let one = |name: &str, kind, multiple| {
            let attribute = Attribute {
                kind,
                multiple,
                public: true,
            };
            (name.to_owned(), attribute)
        };
        let all = [
            one("about", Kind::Text, false),
            one("city", Kind::Keyword, false),
            one("skills", Kind::Keyword, true),
            one("age", Kind::Number, false),
            one("joined", Kind::Date, false),
            one("at", Kind::GeoPoint, false),
            one("photo", Kind::Boolean, false),
        ];
        Attributes::new(all).unwrap()
    }

    fn columns(header: &str) -> Result<Columns, String> {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Columns::of(&header, &declared())
    }

    fn row(header: &str, cells: &[&str]) -> Result<Row, String> {
        let cells = cells.iter().map(|cell| (*cell).to_owned()).collect();
        columns(header).unwrap().row(cells)
    }

    #[test]
    fn cells_become_what_their_kind_is() {
        let all = "user,hidden,at_ms,about,city,skills,age,joined,at,photo";
        let read = row(
            all,
            &[
                " ann ",
                "No",
                "1700",
                " a|b ",
                "Berlin",
                "rust| c++ ||",
                "31",
                "2026-11-22",
                "52.52, 13.4",
                "YES",
            ],
        );
        let read = read.unwrap();
        assert_eq!(
            (&*read.user, read.hidden, read.at_ms),
            ("ann", Some(false), Some(1700))
        );
        assert_eq!(
            Value::Object(read.attributes.unwrap()),
            json!({
                "about": " a|b ", "city": "Berlin", "skills": ["rust", " c++ ".trim()], "age": 31,
                "joined": "2026-11-22", "at": { "lat": 52.52, "lon": 13.4 }, "photo": true,
            })
        );
        let empty = row("user,age,hidden", &["ben", " ", ""]).unwrap();
        assert_eq!((empty.attributes, empty.hidden), (Some(Map::new()), None));
        // Without a column of attributes they stay as they are.
        assert_eq!(
            row("user,hidden", &["ben", "yes"]).unwrap().attributes,
            None
        );
        let half = row("age,user", &["0.5", "ben"])
            .unwrap()
            .attributes
            .unwrap();
        assert_eq!(half["age"], json!(0.5));
        // What is no number is said to be none by the check that follows.
        let none = row("age,user", &["inf", "ben"])
            .unwrap()
            .attributes
            .unwrap();
        assert_eq!(none["age"], json!("inf"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (header, says) in [
            ("name,age", "there is no column `user`"),
            ("user,age,age", "there are two columns `age`"),
            (
                "user,agee",
                "no attribute `agee` is declared for this column; there are: about, age,",
            ),
        ] {
            let wrong = columns(header).unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}");
        }
        for (header, cells, says) in [
            ("user,age", &["ann"][..], "1 cells, and the header has 2"),
            (
                "user,hidden",
                &["ann", "maybe"],
                "`hidden` is yes or no, and \"maybe\" is not",
            ),
            (
                "user,at_ms",
                &["ann", "-1"],
                "`at_ms` is milliseconds since 1970",
            ),
            (
                "user,at",
                &["ann", "Berlin"],
                "`at` is a place (as `52.52,13.40`), and \"Berlin\" is not",
            ),
        ] {
            let wrong = row(header, cells).unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}");
        }
        for (line, says) in [
            ("[\"ann\"]", "not an object of JSON"),
            ("{\"user\": \"ann\", \"age\": 3}", "unknown field `age`"),
            (
                "{\"user\": \"ann\"",
                "EOF while parsing an object, at byte 14",
            ),
            ("{}", "missing field `user`"),
        ] {
            let wrong = of_json(line).unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}");
        }
    }
}
