//! What is shown, and that the example says all there is and nothing else.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use super::*;
use crate::config::Place;

const EXAMPLE: &str = include_str!("../../../../docs/tidings.example.toml");

fn loaded(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    fs::write(&path, text).unwrap();
    let place = Place {
        data: None,
        config: Some(path),
    };
    place
        .load()
        .unwrap_or_else(|error| panic!("{error:#}\n{text}"))
}

/// The example with every setting that is commented out set; in one, prose has a space after its `#`.
fn everything() -> String {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let set = line
            .strip_prefix('#')
            .filter(|rest| !rest.starts_with([' ', '#']));
        match set {
            // There is one log.
            None if line.starts_with("backend = ") => {}
            set => writeln!(text, "{}", set.unwrap_or(line)).unwrap(),
        }
    }
    text
}

fn values(config: &Config) -> BTreeMap<String, Value> {
    let shown = config.shown().unwrap();
    shown
        .into_iter()
        .map(|(path, key)| (path, key.value))
        .collect()
}

#[test]
fn the_example_says_the_defaults() {
    let mut example = loaded(EXAMPLE);
    // One that stands in a file is in the file's folder.
    example.data = example.data.file_name().unwrap().into();
    assert_eq!(values(&example), values(&Config::default()));
}

#[test]
fn the_example_has_every_key_and_its_default() {
    let text = everything();
    let config = loaded(&text);
    let number = |path: &str| path.replace("[0]", "[]");
    let all: BTreeSet<_> = keys::all().into_iter().map(|key| key.path).collect();
    let said: BTreeSet<_> = values(&config)
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(path, _)| number(path))
        // A list of tables is said by its items.
        .flat_map(|path| [path.split_once("[]").map(|(list, _)| list.to_owned()), Some(path)])
        .flatten()
        .collect();
    let missing: Vec<_> = all.difference(&said).collect();
    assert!(
        missing.is_empty(),
        "docs/tidings.example.toml lacks {missing:?}"
    );
    // With every table there, and nothing in them.
    let tables = "[log]\nbackend = \"jetstream\"\n[log.tls]\n[auth.jwks]\n";
    let defaults = values(&loaded(tables));
    for (path, value) in values(&config) {
        match defaults.get(&path) {
            None | Some(Value::Null) => {}
            Some(Value::Array(none)) if none.is_empty() => {}
            Some(_) if path == "data" => {}
            Some(default) => assert_eq!(value, *default, "{path}"),
        }
    }
}

#[test]
fn secrets_are_hidden_and_the_rest_is_told_with_its_origin() {
    let config = loaded(
        "port = 7\n[auth]\nsecrets = [{ secret = \"hunter2hunter2\", kid = \"a\" }]\n\
         jwks = { url = \"https://ann:pa55@example.com/keys\" }\n\
         [log]\nbackend = \"jetstream\"\ntoken = \"t0ken\"\nservers = [\"nats://u:pa55@a:4222\"]\n",
    );
    let shown = config.shown().unwrap();
    let lines: Vec<_> = shown.iter().map(|(path, key)| key.line(path)).collect();
    let json = serde_json::to_string(&shown).unwrap();
    for text in [&lines.join("\n"), &json] {
        for secret in ["hunter2", "pa55", "t0ken"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let line = |path: &str| {
        let line = lines.iter().find(|line| {
            line.trim_start_matches("# ")
                .starts_with(&format!("{path} "))
        });
        let line = line.unwrap_or_else(|| panic!("no {path} in {lines:#?}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let file = config.file.as_ref().unwrap().display();
    assert_eq!(line("port"), format!("port = 7 # {file}:1"));
    assert_eq!(
        line("auth.secrets[0].secret"),
        format!("auth.secrets[0].secret = \"***\" # {file}:3")
    );
    assert_eq!(
        line("auth.secrets"),
        format!("auth.secrets = [{{ kid = \"a\", secret = \"***\" }}] # {file}:3")
    );
    assert_eq!(line("auth.api_keys"), "# auth.api_keys is not set");
    assert_eq!(line("log.token"), format!("log.token = \"***\" # {file}:7"));
    assert_eq!(
        line("auth.jwks.url"),
        format!("auth.jwks.url = \"https://***@example.com/keys\" # {file}:4")
    );
    assert_eq!(line("limits.window"), "limits.window = 20 # default");
    assert_eq!(line("public_url"), "# public_url is not set");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["port"]["from"], "file");
    assert_eq!(json["port"]["line"], 1);
    assert_eq!(json["limits.window"]["from"], "default");
    let secrets = &json["auth.secrets"];
    assert_eq!(
        secrets["value"],
        serde_json::json!([{ "kid": "a", "secret": "***" }])
    );
    assert_eq!(
        (&secrets["from"], &secrets["line"]),
        (&"file".into(), &3.into())
    );
}

#[test]
fn every_list_of_tables_is_told() {
    let config = loaded(
        "[[auth.secrets]]\nsecret = \"hunter2\"\n[[auth.secrets]]\nfile = \"/s\"\n\
         [[auth.api_keys]]\nname = \"backend\"\nfile = \"/k\"\nscopes = [\"users\", \"events\"]\n",
    );
    let shown = config.shown().unwrap();
    let file = config.file.as_ref().unwrap().display();
    let line = |path: &str| {
        let line = shown[path].line(path);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("auth.secrets"),
        format!("auth.secrets = [{{ secret = \"***\" }}, {{ file = \"/s\" }}] # {file}:1")
    );
    assert_eq!(
        line("auth.api_keys"),
        format!(
            "auth.api_keys = [{{ file = \"/k\", name = \"backend\", scopes = [\"users\", \"events\"] }}] # {file}:5"
        )
    );
    // As it stands it can be put into a file.
    let said = line("auth.api_keys");
    assert!(toml::from_str::<toml::Table>(&said).is_ok(), "{said}");
}
