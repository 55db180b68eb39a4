//! A filter as a tree of JSON, and where in it something else stands.

use serde_json::Value;

use super::{Filter, QueryError};

impl Filter {
    /// Reads a tree as programs send it. An error says which condition is wrong, as in `filter.all[1]`.
    pub fn from_json(json: &str) -> Result<Filter, QueryError> {
        serde_json::from_str(json).map_err(|error| {
            let tree: Option<Value> = serde_json::from_str(json).ok();
            let mut at = "filter".to_owned();
            let unclear = tree.and_then(|tree| unclear(&tree, &mut at));
            match unclear {
                Some(message) => QueryError { at, message },
                None => QueryError {
                    at: "filter".to_owned(),
                    message: error.to_string(),
                },
            }
        })
    }
}

/// What is said of the first condition that is not one: an object with one name. `at` is where it stands then.
fn unclear(tree: &Value, at: &mut String) -> Option<String> {
    let Value::Object(object) = tree else {
        return Some(
            "a condition is an object such as {\"has\": {\"attribute\": \"photo\"}}".to_owned(),
        );
    };
    let mut names = object.iter();
    let (name, inner) = match (names.next(), names.next()) {
        (Some(one), None) => one,
        (None, _) => {
            return Some("this is empty; for everybody write {\"all\": []}".to_owned());
        }
        (Some((one, _)), Some((two, _))) => {
            return Some(format!(
                "`{one}` and `{two}` stand in one object, and a condition has one name: for both to fit write \
                 {{\"all\": [{{\"{one}\": …}}, {{\"{two}\": …}}]}}"
            ));
        }
    };
    let before = at.len();
    match (name.as_str(), inner) {
        ("not", inner) => {
            at.push_str(".not");
            if let Some(message) = unclear(inner, at) {
                return Some(message);
            }
        }
        ("all" | "any", Value::Array(parts)) => {
            for (index, part) in parts.iter().enumerate() {
                at.push_str(&format!(".{name}[{index}]"));
                if let Some(message) = unclear(part, at) {
                    return Some(message);
                }
                at.truncate(before);
            }
        }
        _ => {}
    }
    at.truncate(before);
    None
}
