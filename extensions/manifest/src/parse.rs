//! From text to a manifest and back.

use std::fmt::{self, Write as _};
use std::path::{Component, Path};
use std::{fs, io};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manifest::Manifest;

/// The manifest's file in the folder of the sources.
pub(crate) const FILE: &str = "extension.toml";
/// Bytes of a manifest, its schemas included.
pub(crate) const MANIFEST_BYTES: usize = 256 << 10;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no TOML.
    #[error("extension.toml is no TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// It is no JSON.
    #[error("the manifest is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A file cannot be read.
    #[error("{file} cannot be read: {why}")]
    File {
        /// Which.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// It is longer than any needs to be.
    #[error("the manifest has {0} bytes, more than {MANIFEST_BYTES}")]
    TooLarge(usize),
    /// It says what cannot be right.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// What cannot be right in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `grants.views`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

impl Manifest {
    /// Takes what an author wrote. Where a schema stands in a file of its own, use [`Manifest::read`].
    ///
    /// # Errors
    ///
    /// When it is no TOML, or says what cannot be right: each field that is wrong is named, with what would be right.
    pub fn parse_toml(text: &str) -> Result<Self, ManifestError> {
        Self::from_toml(text, |file| {
            let what =
                format!("there is no folder here to read {file} from: write the schema itself");
            Err(io::Error::other(what))
        })
    }

    /// Reads `extension.toml` in a folder, and the files beside it that it names for schemas.
    ///
    /// # Errors
    ///
    /// As [`Manifest::parse_toml`], and when a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).map_err(|why| ManifestError::File {
            file: file.display().to_string(),
            why,
        })?;
        Self::from_toml(&text, |name| {
            let mut parts = Path::new(name).components();
            if !parts.all(|part| matches!(part, Component::Normal(_))) {
                return Err(io::Error::other("it lies outside the folder"));
            }
            fs::read_to_string(folder.join(name))
        })
    }

    fn from_toml(
        text: &str,
        load: impl Fn(&str) -> io::Result<String>,
    ) -> Result<Self, ManifestError> {
        let table: toml::Table = toml::from_str(text)?;
        let mut value = serde_json::to_value(table)?;
        load_schemas(&mut value, &load)?;
        let manifest: Self = at_field(value)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Takes what [`Manifest::to_json`] made.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or says what cannot be right.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(text.len()));
        }
        let value: Value = serde_json::from_str(text)?;
        let manifest: Self = at_field(value)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// As JSON that depends on nothing but what it says: names sorted, no spaces, what is not said left out.
    ///
    /// # Panics
    ///
    /// Never: all of it is JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a manifest is JSON");
        let mut text = String::new();
        canonical(&value, &mut text);
        text
    }
}

/// Takes the fields, and says at which of them it failed.
fn at_field<T: DeserializeOwned + for<'de> Deserialize<'de>>(
    value: Value,
) -> Result<T, ManifestError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => "the manifest".to_owned(),
            path => path,
        };
        let what = error.into_inner().to_string();
        ManifestError::Invalid(vec![Problem { field, what }])
    })
}

/// Puts files in the places of their names, where a schema may stand.
fn load_schemas(
    manifest: &mut Value,
    load: &impl Fn(&str) -> io::Result<String>,
) -> Result<(), ManifestError> {
    for (table, field) in [("command", "args"), ("emits", "payload")] {
        let Some(Value::Object(entries)) = manifest.get_mut(table) else {
            continue;
        };
        for (name, entry) in entries {
            if let Some(schema) = entry.get_mut(field) {
                load_schema(schema, &format!("{table}.{name}.{field}"), load)?;
            }
        }
    }
    match manifest.get_mut("settings") {
        Some(schema) => load_schema(schema, "settings", load),
        None => Ok(()),
    }
}

fn load_schema(
    schema: &mut Value,
    field: &str,
    load: &impl Fn(&str) -> io::Result<String>,
) -> Result<(), ManifestError> {
    let Value::String(file) = &*schema else {
        return Ok(());
    };
    let text = load(file).map_err(|why| ManifestError::File {
        file: format!("{field}: {file}"),
        why,
    })?;
    let read = serde_json::from_str(&text).map_err(|error| {
        let what = format!("{file} is no JSON: {error}");
        ManifestError::Invalid(vec![Problem {
            field: field.to_owned(),
            what,
        }])
    })?;
    *schema = read;
    Ok(())
}

/// Sorted by name whatever map JSON objects are kept in.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let name = Value::String(name.clone());
                write!(text, "{name}:").expect("text takes all");
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(value, text);
            }
            text.push(']');
        }
        _ => write!(text, "{value}").expect("text takes all"),
    }
}
