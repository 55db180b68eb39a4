//! `tidings config`: what is in force, and who said so.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{
    Config, LogConfig, Origin,
    keys::{self, Key, Kind},
};

/// One key as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// `null` where there is none.
    pub(crate) value: Value,
    /// `default`, `file`, `environment` or `flag`.
    from: &'static str,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The variable or the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip)]
    origin: Origin,
}

/// What is shown for a secret.
const HIDDEN: &str = "***";

impl Config {
    /// Every key by its path, in the order of the alphabet; those of the backend that is not used are
    /// left out.
    pub(crate) fn shown(&self) -> anyhow::Result<BTreeMap<String, Shown>> {
        let keys = keys::all();
        let mut found = BTreeMap::new();
        let all = serde_json::to_value(self)?;
        for list in keys.iter().filter(|key| key.kind == Kind::Tables) {
            let pointer = format!("/{}", list.path.replace('.', "/"));
            // As a whole; what each of its tables says follows by itself.
            if let Some(tables) = all.pointer(&pointer) {
                let tables = masked(&keys, &format!("{}[]", list.path), tables.clone());
                found.insert(list.path.clone(), tables);
            }
        }
        flatten(&keys, "", "", all, &mut found);
        for key in &keys {
            let of_other = key.path.starts_with("log.") && matches!(self.log, LogConfig::Embedded);
            // Of a list's items there are as many as there are.
            if !of_other && !key.path.contains("[]") && !found.contains_key(&key.path) {
                found.insert(key.path.clone(), Value::Null);
            }
        }
        let shown = found.into_iter().map(|(path, value)| {
            let origin = self.origins.of(&path);
            (path, Shown::new(value, origin))
        });
        Ok(shown.collect())
    }
}

impl Shown {
    fn new(value: Value, origin: Origin) -> Shown {
        let (from, file, line, name) = match &origin {
            Origin::Default => ("default", None, None, None),
            Origin::File(path, line) => {
                let path = path.display().to_string();
                ("file", Some(path), Some(*line), None)
            }
            Origin::Environment(name) => ("environment", None, None, Some(name.clone())),
            Origin::Flag(name) => ("flag", None, None, Some((*name).to_owned())),
        };
        Shown {
            value,
            from,
            file,
            line,
            name,
            origin,
        }
    }

    /// A line for people.
    pub(crate) fn line(&self, path: &str) -> String {
        let said = match &self.value {
            Value::Null => format!("# {path} is not set"),
            value => format!("{path} = {}", toml(value)),
        };
        match (&self.value, &self.origin) {
            (Value::Null, Origin::Default) => said,
            (_, origin) => format!("{said:<50} # {origin}"),
        }
    }
}

/// A value as it stands in a configuration. JSON's texts, numbers and lists of them are TOML's, too.
fn toml(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(toml).collect())),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name} = {}", toml(value));
            format!("{{ {} }}", list(fields.iter().map(field).collect()))
        }
        value => value.to_string(),
    }
}

/// A list of tables, or what is in one, without secrets; `known` is its path with `[]` for each number.
fn masked(keys: &[Key], known: &str, value: Value) -> Value {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => items
            .into_iter()
            .map(|item| masked(keys, known, item))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = masked(keys, &format!("{known}.{name}"), value);
                (name, value)
            })
            .collect(),
        value => shown(keys.iter().find(|key| key.path == known), value),
    }
}

/// A value of a key without what is secret in it.
fn shown(key: Option<&Key>, value: Value) -> Value {
    match key.is_some_and(Key::is_secret) && !value.is_null() {
        true => HIDDEN.into(),
        false => without_password(value),
    }
}

fn flatten(
    keys: &[Key],
    path: &str,
    known: &str,
    value: Value,
    found: &mut BTreeMap<String, Value>,
) {
    let join = |path: &str, name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(keys, &join(path, &name), &join(known, &name), value, found);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            for (at, item) in items.into_iter().enumerate() {
                flatten(
                    keys,
                    &format!("{path}[{at}]"),
                    &format!("{known}[]"),
                    item,
                    found,
                );
            }
        }
        value => {
            let key = keys.iter().find(|key| key.path == known);
            if key.is_none() && value.is_null() {
                // A table that is not there: its keys are listed one by one.
                return;
            }
            found.insert(path.to_owned(), shown(key, value));
        }
    }
}

/// Hides what stands before the host of a URL.
fn without_password(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let url = text.split_once("://");
            let hidden = url.and_then(|(scheme, rest)| {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let at = rest[..end].rfind('@')?;
                Some(format!("{scheme}://{HIDDEN}{}", &rest[at..]))
            });
            hidden.unwrap_or(text).into()
        }
        Value::Array(items) => items.into_iter().map(without_password).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests;
