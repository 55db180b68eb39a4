//! Files of cases, as they are written: TOML, read so that every mistake is placed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::given::Given;

/// A file of cases.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) file: String,
    pub(super) cases: Vec<Case>,
}

/// A case: what is there, what happens, and what is to come of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// That of the file with that of the case put over it.
    pub(super) given: Given,
    pub(super) steps: Vec<Step>,
}

/// Something that happens, and what is to come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) draft: Option<DraftStep>,
    pub(super) event: Option<EventStep>,
    pub(super) transition: Option<TransitionStep>,
    pub(super) absence: Option<AbsenceStep>,
    pub(super) command: Option<CommandStep>,
    pub(super) page: Option<PageStep>,
    pub(super) fire: Option<FireStep>,
    /// The clock goes on; timers that become due fire, in their order.
    pub(super) advance: Option<String>,
    #[serde(default)]
    pub(super) expect: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftStep {
    #[serde(default = "message")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) author: String,
    pub(super) conversation: Option<String>,
    pub(super) text: String,
    #[serde(default)]
    pub(super) first_contact: bool,
    pub(super) reply_to: Option<u64>,
    #[serde(default)]
    pub(super) mentions: Vec<String>,
    #[serde(default)]
    pub(super) attributes: Map<String, Value>,
    #[serde(default)]
    pub(super) detail: Map<String, Value>,
}

fn message() -> String {
    "message".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventStep {
    pub(super) kind: String,
    #[serde(default = "first")]
    pub(super) schema: u32,
    pub(super) id: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) conversation: Option<String>,
    #[serde(default)]
    pub(super) payload: Map<String, Value>,
    /// Of a message: it is put into the conversation.
    pub(super) text: Option<String>,
    pub(super) reply_to: Option<u64>,
    #[serde(default)]
    pub(super) mentions: Vec<String>,
}

fn first() -> u32 {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransitionStep {
    pub(super) user: String,
    #[serde(default = "offline")]
    pub(super) before: String,
    pub(super) now: String,
}

pub(super) fn offline() -> String {
    "offline".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AbsenceStep {
    pub(super) user: String,
    /// How long ago it began; an hour if not said.
    #[serde(default = "hour")]
    pub(super) gone: String,
    pub(super) unread: u32,
    #[serde(default)]
    pub(super) conversations: Vec<MissedStep>,
}

fn hour() -> String {
    "1h".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MissedStep {
    pub(super) conversation: String,
    pub(super) unread: u32,
    #[serde(default)]
    pub(super) mentions: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandStep {
    pub(super) name: String,
    pub(super) caller: String,
    pub(super) conversation: Option<String>,
    #[serde(default)]
    pub(super) args: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageStep {
    #[serde(default)]
    pub(super) query: String,
    pub(super) viewer: Option<String>,
    pub(super) people: Vec<PersonStep>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonStep {
    pub(super) user: String,
    #[serde(default)]
    pub(super) score: f32,
    pub(super) distance: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FireStep {
    pub(super) key: String,
    #[serde(default)]
    pub(super) payload: String,
    pub(super) subject: Option<String>,
}

/// Why a file of cases cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// It cannot be read.
    #[error("{}: {why}", .file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// It is no TOML.
    #[error("{file}: {why}")]
    Toml {
        /// Which.
        file: String,
        /// Where, and what is wrong there.
        why: Box<toml::de::Error>,
    },
    /// It says what means nothing.
    #[error("{file}: {at}: {what}")]
    Wrong {
        /// Which.
        file: String,
        /// Where in it.
        at: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

impl FixtureError {
    pub(super) fn wrong(file: &str, at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Wrong {
            file: file.to_owned(),
            at: at.into(),
            what: what.into(),
        }
    }
}

/// All files of cases in a folder, in the order of their names.
pub(super) fn load(folder: &Path) -> Result<Vec<Fixture>, FixtureError> {
    let failed = |file: &Path, why| FixtureError::Read {
        file: file.to_owned(),
        why,
    };
    let entries = fs::read_dir(folder).map_err(|why| failed(folder, why))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| failed(folder, why))?.path();
        if path.extension().is_some_and(|kind| kind == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut fixtures = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|why| failed(&path, why))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        fixtures.push(parse(&name, &text)?);
    }
    Ok(fixtures)
}

pub(super) fn parse(file: &str, text: &str) -> Result<Fixture, FixtureError> {
    let table: toml::Table = text.parse().map_err(|why| FixtureError::Toml {
        file: file.to_owned(),
        why: Box::new(why),
    })?;
    let Value::Object(mut whole) = json(toml::Value::Table(table)) else {
        unreachable!("a table is an object");
    };
    let common = whole
        .remove("given")
        .unwrap_or_else(|| Value::Object(Map::new()));
    let cases = whole.remove("case").unwrap_or_default();
    if let Some(name) = whole.keys().next() {
        let what = "there are [given] and [[case]]";
        return Err(FixtureError::wrong(file, name.as_str(), what));
    }
    let Value::Array(cases) = cases else {
        let what = "write at least one [[case]]";
        return Err(FixtureError::wrong(file, "case", what));
    };
    let cases = cases.into_iter().enumerate();
    let cases = cases.map(|(index, value)| case(file, index, value, &common));
    Ok(Fixture {
        file: file.to_owned(),
        cases: cases.collect::<Result<_, _>>()?,
    })
}

fn case(file: &str, index: usize, value: Value, common: &Value) -> Result<Case, FixtureError> {
    let at = format!("case[{index}]");
    let Value::Object(mut fields) = value else {
        return Err(FixtureError::wrong(file, at, "write [[case]]"));
    };
    let Some(Value::String(name)) = fields.remove("name") else {
        return Err(FixtureError::wrong(
            file,
            at,
            "give it a name: what is to be so",
        ));
    };
    let mut given = common.clone();
    put_over(&mut given, fields.remove("given").unwrap_or_default());
    let given: Given = read(file, &format!("{at}.given"), given)?;
    let steps = match fields.remove("steps") {
        Some(Value::Array(steps)) if fields.is_empty() => steps,
        Some(_) => {
            let what = "a case with [[case.steps]] has nothing else beside them but name and given";
            return Err(FixtureError::wrong(file, at, what));
        }
        // One step may stand in the case itself.
        None => vec![Value::Object(fields)],
    };
    let mut read_steps = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        let at = format!("{at}.steps[{index}]");
        let step: Step = read(file, &at, step)?;
        let happens = [
            step.draft.is_some(),
            step.event.is_some(),
            step.transition.is_some(),
            step.absence.is_some(),
            step.command.is_some(),
            step.page.is_some(),
            step.fire.is_some(),
            step.advance.is_some(),
        ];
        if happens.into_iter().filter(|happens| *happens).count() != 1 {
            let what = "one thing happens in a step: draft, event, transition, absence, command, page, fire or advance";
            return Err(FixtureError::wrong(file, at, what));
        }
        super::expect::known(&step.expect).map_err(|what| FixtureError::wrong(file, at, what))?;
        read_steps.push(step);
    }
    Ok(Case {
        name,
        given,
        steps: read_steps,
    })
}

fn read<T: DeserializeOwned>(file: &str, at: &str, value: Value) -> Result<T, FixtureError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let at = match error.path().to_string() {
            path if path == "." => at.to_owned(),
            path => format!("{at}.{path}"),
        };
        FixtureError::wrong(file, at, error.into_inner().to_string())
    })
}

/// Tables are put together, all else takes the place of what was there.
fn put_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                put_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (under, over) => *under = over,
    }
}

/// TOML as JSON: a time is what was written.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(yes) => Value::Bool(yes),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            let fields = table.into_iter().map(|(name, value)| (name, json(value)));
            Value::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) -> String {
        parse("a.toml", text).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_case_may_be_one_step_or_several() {
        let text = "[[case]]\nname = \"one\"\nadvance = \"1m\"\n\
             [[case]]\nname = \"two\"\n[[case.steps]]\nadvance = \"1m\"\n[[case.steps]]\nadvance = \"2m\"\n";
        let fixture = parse("a.toml", text).expect("it is right");
        let steps: Vec<usize> = fixture.cases.iter().map(|case| case.steps.len()).collect();
        assert_eq!(steps, [1, 2]);
    }

    #[test]
    fn what_a_case_gives_is_put_over_what_the_file_gives() {
        let text = "given = { secrets = [\"a\"], users = { ann = { presence = \"away\", blocks = [\"eve\"] } } }\n\
             [[case]]\nname = \"one\"\nadvance = \"1m\"\n\
             given = { secrets = [\"b\"], users = { ann = { presence = \"available\" } } }\n";
        let fixture = parse("a.toml", text).expect("it is right");
        let given = &fixture.cases[0].given;
        assert_eq!(given.secrets, ["b"]);
        assert_eq!(given.users["ann"].presence, "available");
        assert_eq!(given.users["ann"].blocks, ["eve"]);
    }

    #[test]
    fn a_mistake_is_placed() {
        let cases = [
            ("a = 1", "a.toml: a: there are [given] and [[case]]"),
            ("", "a.toml: case: write at least one [[case]]"),
            (
                "[[case]]\nadvance = \"1m\"",
                "a.toml: case[0]: give it a name",
            ),
            (
                "[[case]]\nname = \"x\"",
                "case[0].steps[0]: one thing happens in a step",
            ),
            (
                "[[case]]\nname = \"x\"\ndraft = { author = \"ann\", txt = \"a\" }",
                "case[0].steps[0].draft.txt: unknown field `txt`, expected one of",
            ),
            (
                "[[case]]\nname = \"x\"\nadvance = \"1m\"\nexpect = { verdikt = \"hold\" }",
                "case[0].steps[0]: there is no `verdikt` to expect: there are",
            ),
            (
                "[[case]]\nname = \"x\"\nadvance = \"1m\"\ngiven = { usrs = {} }",
                "case[0].given.usrs: unknown field",
            ),
            ("[[case]\nname = 1", "a.toml: TOML parse error at line 1"),
        ];
        for (text, expected) in cases {
            let said = refused(text);
            assert!(
                said.contains(expected),
                "{text}\nsaid: {said}\nexpected: {expected}"
            );
        }
    }
}
