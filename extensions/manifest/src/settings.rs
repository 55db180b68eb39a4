//! Settings: what an operator gives, checked, and with defaults in the places of what was not given.

use serde_json::{Map, Value};

use crate::manifest::Manifest;
use crate::schema::{Violation, compile, violations};

/// How deep defaults are looked for: a schema may refer to itself.
const DEPTH: usize = 16;

/// Why settings cannot be used: every place that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct SettingsErrors(pub Vec<Violation>);

fn lines(violations: &[Violation]) -> String {
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    lines.join("\n")
}

impl Manifest {
    /// Checks settings against the manifest's schema and fills the defaults in, at every depth that `properties` and `items` lead
    /// to. What stands under `anyOf` and the like has no defaults.
    ///
    /// # Errors
    ///
    /// With every violation, by its JSON pointer.
    pub fn check_settings(&self, settings: &Value) -> Result<Value, SettingsErrors> {
        let whole = |what: String| {
            let pointer = String::new();
            SettingsErrors(vec![Violation { pointer, what }])
        };
        let Value::Object(given) = settings else {
            return Err(whole("the settings are no JSON object".to_owned()));
        };
        let Some(schema) = &self.settings else {
            return match given.keys().next() {
                None => Ok(settings.clone()),
                Some(name) => Err(whole(format!(
                    "there is no setting `{name}`: the extension has none"
                ))),
            };
        };
        let validator = compile(schema).map_err(whole)?;
        let filled = with_defaults(schema, settings);
        let found = violations(&validator, &filled, |_| true);
        if found.is_empty() {
            return Ok(filled);
        }
        Err(SettingsErrors(found))
    }
}

/// The value with the schema's defaults in the places of what is not there.
pub(crate) fn with_defaults(schema: &Value, value: &Value) -> Value {
    fill(schema, schema, value, DEPTH)
}

fn fill(root: &Value, schema: &Value, value: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return value.clone();
    };
    let schema = referred(root, schema);
    match value {
        Value::Object(fields) => {
            let mut filled: Map<String, Value> = fields.clone();
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                let default = referred(root, schema).get("default");
                if let Some(value) = fields.get(name).or(default) {
                    filled.insert(name.clone(), fill(root, schema, value, depth));
                }
            }
            Value::Object(filled)
        }
        Value::Array(values) => match schema.get("items") {
            Some(items) => {
                let values = values.iter().map(|value| fill(root, items, value, depth));
                Value::Array(values.collect())
            }
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

/// The schema that a reference within the same document leads to. A default beside the reference goes before one at its end.
fn referred<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH {
        if schema.get("default").is_some() {
            break;
        }
        let to = schema.get("$ref").and_then(Value::as_str);
        match to.and_then(|to| root.pointer(to.strip_prefix('#')?)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}
