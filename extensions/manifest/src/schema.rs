//! JSON Schemas in the manifest: of settings, of a command's arguments, of an event's payload.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::manifest::Manifest;

/// Where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// A JSON pointer: empty for the whole of it.
    pub pointer: String,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.what),
            pointer => write!(f, "{pointer}: {}", self.what),
        }
    }
}

/// Why something is not what the manifest declares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDeclared {
    /// There is nothing of that name.
    #[error("the manifest declares no {what} `{name}`")]
    Name {
        /// What is named.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The manifest declares another schema.
    #[error("the manifest declares schema {declared} of `{kind}`, not {asked}")]
    Schema {
        /// Which event.
        kind: String,
        /// What the manifest says.
        declared: u32,
        /// What was asked for.
        asked: u32,
    },
    /// It does not fit.
    #[error("{0}")]
    Fit(String),
}

/// Compiled so that nothing is fetched, and patterns take time linear in what they look at: both a manifest and what is checked with
/// it may come from who means no good.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| format!("is no JSON Schema (draft 2020-12): {error}"))
}

/// Whether a schema can be used: that of an object, all of it here.
pub(crate) fn usable(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("write a JSON Schema with `type = \"object\"` and `properties`".to_owned());
    }
    if let Some(outside) = outside(schema) {
        return Err(format!(
            "`$ref` to {outside}: nothing is fetched, so refer to `#/$defs/...` alone"
        ));
    }
    let validator = compile(schema)?;
    // Whatever is missing is for who sets it to give; whatever else is wrong then is the defaults.
    let defaults = crate::settings::with_defaults(schema, &Value::Object(serde_json::Map::new()));
    let wrong = violations(&validator, &defaults, |keyword| keyword != "required");
    match wrong.first() {
        Some(wrong) => Err(format!("a default does not fit: {wrong}")),
        None => Ok(()),
    }
}

/// The first reference to something that is not in the schema itself.
fn outside(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(to)
                if (name == "$ref" || name == "$dynamicRef") && !to.starts_with('#') =>
            {
                Some(to.as_str())
            }
            value => outside(value),
        }),
        Value::Array(values) => values.iter().find_map(outside),
        _ => None,
    }
}

/// All there are, in the order of their places, those of a keyword left out that does not count.
pub(crate) fn violations(
    validator: &Validator,
    value: &Value,
    counts: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let errors = validator.iter_errors(value);
    let mut found: Vec<Violation> = errors
        .filter(|error| counts(error.kind().keyword()))
        .map(|error| Violation {
            pointer: error.instance_path().to_string(),
            what: said(&error),
        })
        .collect();
    found.sort();
    found
}

/// What is wrong, with all that is allowed: the crate names three.
fn said(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten();
            let options: Vec<String> = options.map(Value::to_string).collect();
            let (wrong, options) = (error.instance(), options.join(", "));
            format!("{wrong} is not one of {options}")
        }
        _ => error.to_string(),
    }
}

fn fits(schema: Option<&Value>, what: &str, value: &Value) -> Result<(), NotDeclared> {
    if !value.is_object() {
        return Err(NotDeclared::Fit(format!("{what} is no JSON object")));
    }
    let Some(schema) = schema else {
        return Ok(());
    };
    let validator = compile(schema).map_err(NotDeclared::Fit)?;
    let found = violations(&validator, value, |_| true);
    if found.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(Violation::to_string).collect();
    Err(NotDeclared::Fit(format!(
        "{what} does not fit: {}",
        found.join("; ")
    )))
}

impl Manifest {
    /// Whether the arguments of a command fit.
    ///
    /// # Errors
    ///
    /// When there is no such command, or they do not.
    pub fn check_args(&self, command: &str, args: &Value) -> Result<(), NotDeclared> {
        let declared = self.command.get(command).ok_or_else(|| NotDeclared::Name {
            what: "command",
            name: command.to_owned(),
        })?;
        fits(
            declared.args.as_ref(),
            &format!("what `{command}` is called with"),
            args,
        )
    }

    /// Whether an event may be recorded.
    ///
    /// # Errors
    ///
    /// When there is no such kind, it has another schema, or the payload does not fit.
    pub fn check_emit(&self, kind: &str, schema: u32, payload: &Value) -> Result<(), NotDeclared> {
        let declared = self.emits.get(kind).ok_or_else(|| NotDeclared::Name {
            what: "event",
            name: kind.to_owned(),
        })?;
        if declared.schema != schema {
            return Err(NotDeclared::Schema {
                kind: kind.to_owned(),
                declared: declared.schema,
                asked: schema,
            });
        }
        fits(
            declared.payload.as_ref(),
            &format!("the payload of `{kind}`"),
            payload,
        )
    }
}
