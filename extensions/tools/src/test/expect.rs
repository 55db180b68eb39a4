//! What is expected of a step, compared with what came of it: only what is said is looked at, and each difference is placed.

use serde_json::{Map, Value, json};

use super::duration::{duration, written};

/// What can be expected.
const FIELDS: [&str; 18] = [
    "answer",
    "effects",
    "error",
    "fails",
    "kv",
    "labels",
    "log",
    "metrics",
    "no_kv",
    "no_timers",
    "order",
    "reason",
    "recall",
    "requests",
    "scores",
    "text",
    "timers",
    "verdict",
];

/// Where something is otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) at: String,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Whether all that is expected can be.
pub(super) fn known(expect: &Map<String, Value>) -> Result<(), String> {
    match expect.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!(
            "there is no `{name}` to expect: there are {}",
            FIELDS.join(", ")
        )),
    }
}

/// Everything that is otherwise.
pub(super) fn differences(
    expect: &Map<String, Value>,
    told: &Map<String, Value>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, expected) in expect {
        match name.as_str() {
            "no_kv" => absent("kv", expected, told, &mut found),
            "no_timers" => absent("timers", expected, told, &mut found),
            "log" => lines(expected, told, &mut found),
            _ => {
                let expected = in_ms(name, expected);
                compare(
                    name,
                    &expected,
                    told.get(name).unwrap_or(&Value::Null),
                    &mut found,
                );
            }
        }
    }
    // A call that failed is never what was expected, unless it was.
    if let Some(fails) = told
        .get("fails")
        .filter(|fails| !fails.is_null() && !expect.contains_key("fails"))
    {
        found.insert(0, difference("fails", "nothing".to_owned(), shown(fails)));
    }
    found
}

fn difference(at: &str, expected: String, found: String) -> Difference {
    Difference {
        at: at.to_owned(),
        expected,
        found,
    }
}

/// Durations as milliseconds, where there are any.
fn in_ms(name: &str, expected: &Value) -> Value {
    let ms = |value: &Value| match value {
        Value::String(text) => duration(text).map_or_else(|_| value.clone(), |ms| json!(ms)),
        value => value.clone(),
    };
    let mut expected = expected.clone();
    match (name, &mut expected) {
        ("timers", Value::Object(timers)) => {
            for timer in timers.values_mut() {
                match timer {
                    Value::Object(fields) => {
                        if let Some(after) = fields.get_mut("in") {
                            *after = ms(after);
                        }
                    }
                    other => *other = json!({"in": ms(other)}),
                }
            }
        }
        ("recall", Value::Object(recall)) => {
            if let Some(wait) = recall.get_mut("wait") {
                *wait = ms(wait);
            }
        }
        _ => {}
    }
    expected
}

fn absent(what: &str, expected: &Value, told: &Map<String, Value>, found: &mut Vec<Difference>) {
    for key in expected
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if let Some(there) = told.get(what).and_then(|all| all.get(key)) {
            found.push(difference(
                &format!("{what}.\"{key}\""),
                "nothing".to_owned(),
                shown(there),
            ));
        }
    }
}

/// Each has to be a part of some line.
fn lines(expected: &Value, told: &Map<String, Value>, found: &mut Vec<Difference>) {
    let log: Vec<&str> = told
        .get("log")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for line in expected
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !log.iter().any(|has| has.contains(line)) {
            found.push(difference(
                "log",
                format!("a line with {line:?}"),
                format!("{log:?}"),
            ));
        }
    }
}

/// Of tables what is named, of lists all in their order; `{ contains = "..." }` fits every text that has it in it.
fn compare(at: &str, expected: &Value, told: &Value, found: &mut Vec<Difference>) {
    match (expected, told) {
        (Value::Object(parts), Value::String(text))
            if parts.len() == 1 && parts.contains_key("contains") =>
        {
            let part = parts["contains"].as_str().unwrap_or_default();
            if !text.contains(part) {
                found.push(difference(at, format!("text with {part:?}"), shown(told)));
            }
        }
        (Value::Object(fields), Value::Object(has)) => {
            for (name, expected) in fields {
                compare(
                    &join(at, name),
                    expected,
                    has.get(name).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(values), Value::Array(has)) if values.len() == has.len() => {
            for (index, (expected, told)) in values.iter().zip(has).enumerate() {
                compare(&format!("{at}[{index}]"), expected, told, found);
            }
        }
        // What is stored and written as a number is one.
        (Value::Number(number), Value::String(text)) if number.to_string() == *text => {}
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        _ if expected == told => {}
        _ => found.push(difference(at, times(at, expected), times(at, told))),
    }
}

fn join(at: &str, name: &str) -> String {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match plain {
        true => format!("{at}.{name}"),
        false => format!("{at}.\"{name}\""),
    }
}

/// As it would be written in a case.
fn times(at: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(ms) if at.starts_with("timers.") && at.ends_with(".in") || at == "recall.wait" => {
            written(ms)
        }
        _ => shown(value),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expect: Value, told: Value) -> Vec<String> {
        let (Value::Object(expect), Value::Object(told)) = (expect, told) else {
            panic!("objects");
        };
        let found = differences(&expect, &told);
        let lines = found
            .iter()
            .map(|one| format!("{}: {} / {}", one.at, one.expected, one.found));
        lines.collect()
    }

    #[test]
    fn only_what_is_said_is_looked_at() {
        let told = json!({"verdict": "hold", "reason": "a link", "labels": [], "fails": null});
        assert!(compared(json!({"verdict": "hold"}), told.clone()).is_empty());
        assert!(compared(json!({"reason": {"contains": "link"}}), told.clone()).is_empty());
        assert_eq!(
            compared(
                json!({"verdict": "allow", "reason": {"contains": "word"}}),
                told
            ),
            [
                "reason: text with \"word\" / \"a link\"",
                "verdict: \"allow\" / \"hold\""
            ]
        );
    }

    #[test]
    fn lists_are_whole_and_tables_are_parts() {
        let told = json!({"effects": [{"toast": {"user": "ann", "title": "a"}}]});
        assert!(
            compared(
                json!({"effects": [{"toast": {"user": "ann"}}]}),
                told.clone()
            )
            .is_empty()
        );
        assert_eq!(
            compared(json!({"effects": []}), told.clone()),
            ["effects: none / [{\"toast\":{\"title\":\"a\",\"user\":\"ann\"}}]"]
        );
        assert_eq!(
            compared(
                json!({"effects": [{"toast": {"user": "bob"}}]}),
                told.clone()
            ),
            ["effects[0].toast.user: \"bob\" / \"ann\""]
        );
        assert_eq!(
            compared(json!({"effects": [{"post": {}}]}), told),
            ["effects[0].post: {} / nothing"]
        );
    }

    #[test]
    fn timers_and_keys() {
        let told = json!({"kv": {"a/1": "2"}, "timers": {"mute": {"in": 600_000, "payload": ""}}});
        assert!(
            compared(
                json!({"kv": {"a/1": 2}, "timers": {"mute": "10m"}, "no_kv": ["b"]}),
                told.clone()
            )
            .is_empty()
        );
        assert_eq!(
            compared(
                json!({"timers": {"mute": "11m"}, "no_kv": ["a/1"], "no_timers": ["mute"]}),
                told
            ),
            [
                "kv.\"a/1\": nothing / \"2\"",
                "timers.\"mute\": nothing / {\"in\":600000,\"payload\":\"\"}",
                "timers.mute.in: 11m / 10m",
            ]
        );
    }

    #[test]
    fn a_failure_that_was_not_expected_comes_first() {
        let told = json!({"verdict": null, "fails": {"trap": "panicked"}});
        assert_eq!(
            compared(json!({"verdict": "hold"}), told.clone()),
            [
                "fails: nothing / {\"trap\":\"panicked\"}",
                "verdict: \"hold\" / nothing"
            ]
        );
        assert!(compared(json!({"fails": {"trap": {"contains": "panic"}}}), told).is_empty());
    }
}
