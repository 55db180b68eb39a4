//! The layers of a configuration: a file, over it the environment, over it the flags. They are put
//! together before anything is read, so that a value may come from any of them, and whoever said what
//! cannot be used is named.

use std::{ffi::OsString, path::Path};

use anyhow::{Context as _, anyhow, bail};
use toml::{Table, Value, de::DeTable, de::DeValue};

use super::{
    Config, LogConfig,
    keys::{self, Key, Kind},
    origin::{Origin, Origins},
};

/// Variables that begin as ours do and set no key: of the program itself, and of its tests and tools.
const OTHERS: &[&str] = &[
    "TIDINGS_BIN",
    "TIDINGS_CHROMIUM",
    "TIDINGS_CONFIG",
    "TIDINGS_CONSOLE_TREE",
    "TIDINGS_KEEP",
    "TIDINGS_LOG",
    "TIDINGS_NATS_SERVER",
    "TIDINGS_ROUNDS",
    "TIDINGS_SEED",
    "TIDINGS_TEST_LOG",
];

/// What the flag of the same name set first.
const DEVELOPMENT_TOKENS: (&str, &str) = ("TIDINGS_DEVELOPMENT_TOKENS", "auth.development");

/// What a flag says of a key.
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) value: Value,
}

/// Reads all layers.
pub(super) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    flags: Vec<Flag>,
) -> anyhow::Result<Config> {
    let mut layers = Layers {
        keys: keys::all(),
        table: Table::new(),
        origins: Origins::default(),
    };
    if let Some(path) = file {
        layers.file(path)?;
    }
    let mut variables: Vec<_> = environment.collect();
    variables.sort();
    for (name, value) in variables {
        layers.variable(&name, value)?;
    }
    for Flag { name, path, value } in flags {
        layers.set(path, value, Origin::Flag(name));
    }
    let mut config = layers.config()?;
    config.file = file.map(Path::to_owned);
    Ok(config)
}

/// What has been said so far, and by whom.
struct Layers {
    keys: Vec<Key>,
    table: Table,
    origins: Origins,
}

impl Layers {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let invalid = || format!("{} is not a valid configuration", path.display());
        let spanned = DeTable::parse(&text).with_context(invalid)?;
        self.table = toml::from_str(&text).with_context(invalid)?;
        let lines = Lines { path, text: &text };
        self.walk(spanned.get_ref(), "", "", &lines)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for key in self.keys.iter().filter(|key| key.kind == Kind::Path) {
            count_from(folder, &mut self.table, &key.path);
        }
        Ok(())
    }

    /// Notes the line of every key in a table, and refuses those that are none. `path` has the numbers
    /// of items in it, `known` has not.
    fn walk(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        known: &str,
        lines: &Lines<'_>,
    ) -> anyhow::Result<()> {
        for (name, value) in table {
            let origin = lines.origin(name.span().start);
            let (path, known) = (join(path, name.get_ref()), join(known, name.get_ref()));
            let is_table = self.is_table(&known);
            let key = self.keys.iter().find(|key| key.path == known);
            match (key.map(|key| key.kind), value.get_ref()) {
                // Who says something in a table has not said the rest of it.
                (None, DeValue::Table(below)) if is_table => {
                    self.walk(below, &path, &known, lines)?;
                }
                (None, other) if is_table => bail!(
                    "{origin}: {path} is a table of settings, and here it is of type {}",
                    other.type_str()
                ),
                (None, _) => bail!("{origin}: {}", self.unknown(&known)),
                (Some(Kind::Tables), DeValue::Array(items)) => {
                    self.origins.set(&path, origin);
                    for (at, item) in items.iter().enumerate() {
                        if let DeValue::Table(below) = item.get_ref() {
                            let item_path = format!("{path}[{at}]");
                            self.origins
                                .set(&item_path, lines.origin(item.span().start));
                            self.walk(below, &item_path, &format!("{known}[]"), lines)?;
                        }
                    }
                }
                (Some(_), _) => self.origins.set(&path, origin),
            }
        }
        Ok(())
    }

    /// Whether there are keys below.
    fn is_table(&self, path: &str) -> bool {
        let below = |key: &Key| {
            let rest = key.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.keys.iter().any(below)
    }

    fn unknown(&self, path: &str) -> String {
        let (table, prefix) = match path.rsplit_once('.') {
            Some((table, _)) => (table.to_owned(), format!("{table}.")),
            None => ("a configuration".to_owned(), String::new()),
        };
        let mut there: Vec<_> = self
            .keys
            .iter()
            .filter_map(|key| key.path.strip_prefix(&*prefix))
            .map(|rest| rest.split(['.', '[']).next().unwrap_or(rest))
            .collect();
        there.dedup();
        format!(
            "{path} is no key of the configuration: {table} has {}",
            there.join(", ")
        )
    }

    fn variable(&mut self, name: &OsString, value: OsString) -> anyhow::Result<()> {
        let Some(name) = name
            .to_str()
            .filter(|name| name.starts_with("TIDINGS_") && !OTHERS.contains(name))
        else {
            return Ok(());
        };
        let path = match name {
            name if name == DEVELOPMENT_TOKENS.0 => DEVELOPMENT_TOKENS.1.to_owned(),
            _ => name["TIDINGS_".len()..].to_lowercase().replace("__", "."),
        };
        let Ok(value) = value.into_string() else {
            bail!("{name}: {path} is to be text in UTF-8");
        };
        let key = self.keys.iter().find(|key| key.path == path);
        let value = match key {
            // Upper case only, so that a variable is never one of two for a key.
            _ if name.contains(|c: char| c.is_lowercase() || c == '[') => None,
            Some(key) => Some(
                converted(key.kind, &value).map_err(|why| anyhow!("{name}: {path} is to be {why}"))?,
            ),
            None if self.is_table(&path) => Some(
                inline(&value)
                    .filter(Value::is_table)
                    .with_context(|| format!("{name}: {path} is a table: set a key in it, such as {name}__KEY, or an inline table"))?,
            ),
            None => None,
        };
        let Some(value) = value else {
            bail!(
                "{name} is set in the environment, and names no key of the configuration: a key's variable is \
                 TIDINGS_ and its path in upper case, with __ for each dot, such as \
                 TIDINGS_LIMITS__REQUESTS_PER_SECOND. `tidings config` lists the keys{}",
                match name.starts_with("TIDINGS_SERVICE_") || name.starts_with("TIDINGS_PORT_") {
                    true =>
                        ". Kubernetes sets such variables for a service named tidings: \
                         `enableServiceLinks: false` in the pod's specification ends that",
                    false => "",
                }
            );
        };
        self.set(&path, value, Origin::Environment(name.to_owned()));
        Ok(())
    }

    fn set(&mut self, path: &str, value: Value, origin: Origin) {
        let (tables, name) = match path.rsplit_once('.') {
            Some((tables, name)) => (tables.split('.').collect(), name),
            None => (Vec::new(), path),
        };
        let mut table = &mut self.table;
        for step in tables {
            let below = table.entry(step).or_insert_with(|| Table::new().into());
            // What is to be a table and is none in the file has been refused.
            table = below.as_table_mut().expect("it is a table");
        }
        table.insert(name.to_owned(), value);
        self.origins.set(path, origin);
    }

    /// What all of it says.
    fn config(mut self) -> anyhow::Result<Config> {
        // By itself, for it sorts its keys out by their values.
        let log = self.table.remove("log");
        let table = std::mem::take(&mut self.table);
        let config: Result<Config, _> = serde_path_to_error::deserialize(Value::Table(table));
        let mut config = config.map_err(|error| {
            let path = error.path().to_string();
            self.wrong(&path, error.inner().message())
        })?;
        if let Some(Value::Table(log)) = log {
            config.log =
                LogConfig::of(log).map_err(|wrong| self.wrong(&wrong.path, &wrong.message))?;
        }
        config.origins = self.origins;
        Ok(config)
    }

    /// An error that says which key, who said so, and what is wrong, but nothing secret.
    fn wrong(&self, path: &str, message: &str) -> anyhow::Error {
        let known: String = path.chars().filter(|c| !c.is_ascii_digit()).collect();
        let is_secret = self
            .keys
            .iter()
            .any(|key| key.is_secret() && key.path == known);
        let message = match is_secret {
            true => "it is to be text",
            false => message,
        };
        let origin = self.origins.of(path);
        match message.starts_with(path) {
            true => anyhow!("{origin}: {message}"),
            false => anyhow!("{origin}: {path}: {message}"),
        }
    }
}

/// A file's lines.
struct Lines<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Lines<'_> {
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Origin::File(self.path.to_owned(), line)
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Makes a path in a file one from its folder, so that a server finds the same files wherever it is
/// started from. An absolute one stays as it is.
fn count_from(folder: &Path, table: &mut Table, path: &str) {
    let (step, rest) = match path.split_once('.') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    };
    let Some(value) = table.get_mut(step.trim_end_matches("[]")) else {
        return;
    };
    match (rest, value) {
        (None, Value::String(path)) => {
            if let Some(joined) = folder.join(&*path).to_str() {
                *path = joined.to_owned();
            }
        }
        (Some(rest), Value::Table(below)) => count_from(folder, below, rest),
        (Some(rest), Value::Array(items)) => {
            for below in items.iter_mut().filter_map(Value::as_table_mut) {
                count_from(folder, below, rest);
            }
        }
        // It is of another type, which is said later.
        _ => {}
    }
}

/// The value that the text of a variable stands for; otherwise what it is to be.
fn converted(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Bool => match text {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("true or false, and is {text:?}")),
        },
        Kind::Integer => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("a whole number, and is {text:?}")),
        Kind::Text | Kind::Path => Ok(Value::String(text.to_owned())),
        Kind::Texts if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(|item| item.trim().to_owned());
            let items = items.filter(|item| !item.is_empty()).map(Value::String);
            Ok(Value::Array(items.collect()))
        }
        // It may hold secrets: it is not repeated.
        Kind::Texts | Kind::Tables => inline(text)
            .filter(Value::is_array)
            .ok_or_else(|| "a list as in TOML, such as [{ file = \"secret.txt\" }]".to_owned()),
    }
}

fn inline(text: &str) -> Option<Value> {
    toml::from_str::<Table>(&format!("value = {text}\n"))
        .ok()?
        .remove("value")
}

#[cfg(test)]
mod tests;
