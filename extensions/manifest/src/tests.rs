//! What authors write, rightly and wrongly, and what operators are told of it.

use serde_json::json;

use crate::{
    Change, EffectKind, EmbedError, Instances, Manifest, ManifestError, NotDeclared, OnFailure,
    Reach, SECTION, diff, embed, read, strip,
};

/// All there is to say.
const WHOLE: &str = r#"
id = "spam-score"
version = "1.2.0"
summary = "Scores messages and mutes who repeats themselves"
badges = ["strikes"]
metrics = ["seen"]
channels = ["email"]
order = -5

[moderation]
kinds = ["message", "edit"]

[reactor]
events = ["message_posted", "app.profile.viewed", "ext.quiz.answered@2"]

[timer]

[command.score]
callers = "clients"
summary = "Says how somebody stands"
args = { type = "object", properties = { user = { type = "string" } }, required = ["user"] }

[grants]
content = true
views = ["members", "presence"]
attributes = ["birth_date"]
effects = ["toast", "badge", "notify", "emit"]
users = "all"

[rates]
texts = 60000

[emits.scored]
schema = 1
payload = { type = "object", required = ["score"] }

[[http]]
host = "api.example.org"
reason = "asks for a second opinion"

[[secrets]]
name = "api-key"
reason = "for api.example.org"

[settings]
type = "object"
additionalProperties = false

[settings.properties.threshold]
type = "integer"
minimum = 1
default = 3

[settings.properties.words]
type = "array"
items = { type = "string" }
default = ["casino"]

[settings.properties.mute]
type = "object"
default = {}
properties = { minutes = { type = "integer", default = 10 } }

[limits]
fuel = 20000000
"#;

/// As little as there can be.
const LEAST: &str = "id = \"a\"\nversion = \"1.0.0\"\nsummary = \"x\"\n[timer]\n";

fn whole() -> Manifest {
    Manifest::parse_toml(WHOLE).expect("all of it is right")
}

/// What is said of a manifest with this behind the least there can be.
#[track_caller]
fn refused(more: &str) -> String {
    let refused = Manifest::parse_toml(&format!("{LEAST}{more}"));
    let ManifestError::Invalid(problems) = refused.expect_err("it is wrong") else {
        panic!("another error");
    };
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn component() -> Vec<u8> {
    // A custom section of another name is all that is in it.
    b"\0asm\x0d\0\x01\0\x00\x05\x04name".to_vec()
}

#[test]
fn what_is_written_comes_back_from_json() {
    let manifest = whole();
    assert_eq!(manifest.name(), "spam-score@1.2.0");
    assert_eq!(
        manifest.hooks(),
        ["moderation", "reactor", "timer", "command"]
    );
    assert!(manifest.is_told("ext.quiz.answered", 2));
    assert!(!manifest.is_told("ext.quiz.answered", 1));
    assert_eq!(manifest.grants.users, Reach::All);
    assert_eq!(manifest.grants.conversations, Reach::Involved);
    let moderation = manifest.moderation.as_ref().expect("it has one");
    assert_eq!(moderation.on_failure, OnFailure::Hold);
    let json = manifest.to_json();
    assert_eq!(Manifest::from_json(&json).expect("it was ours"), manifest);
    assert!(
        json.starts_with(
            r#"{"badges":["strikes"],"channels":["email"],"command":{"score":{"args":{"properties""#
        ),
        "{json}"
    );
}

#[test]
fn the_least_there_can_be_asks_for_little() {
    let least = Manifest::parse_toml(LEAST).expect("it is right");
    assert_eq!(
        least.to_json(),
        r#"{"id":"a","summary":"x","timer":{},"version":"1.0.0"}"#
    );
    let asks: Vec<String> = least.asks().iter().map(ToString::to_string).collect();
    assert_eq!(asks, ["Sets timers and is called when they fire."]);
}

#[test]
fn a_wrong_field_is_named_with_what_would_be_right() {
    let cases = [
        (
            "[grants]\neffects = [\"shout\"]",
            "grants.effects[0]: unknown variant `shout`, expected one of `toast`, `badge`",
        ),
        (
            "[grants]\nspeak = true",
            "grants.speak: unknown field `speak`, expected one of `content`, `views`",
        ),
        (
            "[moderation]\nkinds = [\"poem\"]",
            "moderation.kinds[0]: unknown variant `poem`, expected one of `message`",
        ),
        (
            "[moderation]\nkinds = []",
            "moderation.kinds: name at least one of message, edit, name, profile",
        ),
        (
            "[moderation]\nkinds = [\"edit\"]\non_failure = \"shrug\"",
            "moderation.on_failure: unknown variant `shrug`",
        ),
        (
            "[reactor]\nevents = [\"message_sent\"]",
            "reactor.events: there is no kind `message_sent`: there are contact_added",
        ),
        (
            "[reactor]\nevents = [\"message_posted@2\"]",
            "`message_posted` has no schema 2",
        ),
        (
            "[reactor]\nevents = [\"app.Viewed\"]",
            "there is no kind `app.Viewed`",
        ),
        (
            "[reactor]\nevents = [\"ext.quiz.done@0\"]",
            "reactor.events[0]: `ext.quiz.done@0`: behind the @",
        ),
        (
            "[rates]\ntexts = 60000",
            "rates: they are for the hook moderation",
        ),
        (
            "[emits.done]\nschema = 1",
            "emits: is for the effect emit, which grants.effects does not name",
        ),
        (
            "[grants]\neffects = [\"badge\"]",
            "grants.effects: badge takes what `badges` declares",
        ),
        (
            "[[http]]\nhost = \"https://example.org\"\nreason = \"x\"",
            "http[0].host: `https://example.org` is no host's full name",
        ),
        (
            "[[http]]\nhost = \"10.0.0.1\"\nreason = \"x\"",
            "http[0].host: `10.0.0.1` is no host's full name",
        ),
        (
            "[[http]]\nhost = \"localhost\"\nreason = \"x\"",
            "http[0].host: `localhost` is no host's full name",
        ),
        (
            "[[http]]\nhost = \"127.0.0.0xa\"\nreason = \"x\"",
            "http[0].host: `127.0.0.0xa` is no host's full name",
        ),
        (
            "[[secrets]]\nname = \"a\"\nreason = \"\"",
            "secrets[0].reason: write one line",
        ),
        (
            "[command.\"a b\"]\ncallers = \"clients\"",
            "command.a b: `a b` is not 1 to 64 of a-z, 0-9, `_`, `-`",
        ),
        (
            "[command.a]\ncallers = \"everyone\"",
            "command.a.callers: unknown variant `everyone`, expected `backend` or `clients`",
        ),
        ("[limits]\nfuel = 0", "limits.fuel: 0 would let no call end"),
        (
            "[settings]\ntype = \"string\"",
            "settings: write a JSON Schema with `type = \"object\"`",
        ),
        (
            "[settings]\ntype = \"object\"\nproperties = { a = { type = \"whole\" } }",
            "settings: is no JSON Schema",
        ),
        (
            "[settings]\ntype = \"object\"\nproperties = { a = { \"$ref\" = \"https://example.org/s\" } }",
            "`$ref` to https://example.org/s: nothing is fetched",
        ),
        (
            "[settings]\ntype = \"object\"\nproperties = { a = { type = \"integer\", default = \"1\" } }",
            "settings: a default does not fit: /a",
        ),
    ];
    for (more, expected) in cases {
        let said = refused(more);
        assert!(
            said.contains(expected),
            "{more}\nsaid: {said}\nexpected: {expected}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "id = \"A b\"\nversion = \"1.0.0\"\nsummary = \"\"\n";
    let said = Manifest::parse_toml(text)
        .expect_err("it is wrong")
        .to_string();
    let fields: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(fields, ["id", "summary", "the manifest"]);
}

#[test]
fn a_version_is_a_version() {
    let text = LEAST.replace("1.0.0", "1.0");
    let said = Manifest::parse_toml(&text)
        .expect_err("it is wrong")
        .to_string();
    assert!(said.starts_with("version: "), "{said}");
    assert!(Manifest::parse_toml("id = ").is_err());
}

#[test]
fn settings_get_their_defaults_and_violations_are_placed() {
    let manifest = whole();
    let filled = manifest
        .check_settings(&json!({"threshold": 5}))
        .expect("it fits");
    assert_eq!(
        filled,
        json!({"threshold": 5, "words": ["casino"], "mute": {"minutes": 10}})
    );
    let wrong = manifest
        .check_settings(&json!({"threshold": 0, "words": ["a", 2], "extra": 1}))
        .expect_err("it does not fit");
    let places: Vec<&str> = wrong.0.iter().map(|at| at.pointer.as_str()).collect();
    assert_eq!(places, ["", "/threshold", "/words/1"]);
    let least = Manifest::parse_toml(LEAST).expect("it is right");
    assert!(least.check_settings(&json!({})).is_ok());
    assert!(least.check_settings(&json!({"a": 1})).is_err());
    assert!(least.check_settings(&json!([])).is_err());
}

#[test]
fn a_schema_may_refer_to_itself() {
    let more =
        "[settings]\ntype = \"object\"\nproperties = { next = { \"$ref\" = \"#\", default = {} } }";
    let manifest = Manifest::parse_toml(&format!("{LEAST}{more}")).expect("it is right");
    assert!(manifest.check_settings(&json!({})).is_ok());
}

#[test]
fn what_may_stand_in_a_setting_is_said_whole() {
    let more = "[settings]\ntype = \"object\"\nproperties = { a = { enum = [\"off\", \"low\", \"medium\", \"high\", 5] } }";
    let manifest = Manifest::parse_toml(&format!("{LEAST}{more}")).expect("it is right");
    let wrong = manifest.check_settings(&json!({"a": "loud"}));
    let wrong = wrong.expect_err("it does not fit");
    assert_eq!(
        wrong.0[0].to_string(),
        r#"/a: "loud" is not one of "off", "low", "medium", "high", 5"#
    );
}

#[test]
fn arguments_and_payloads_fit_or_not() {
    let manifest = whole();
    assert_eq!(
        manifest.check_args("score", &json!({"user": "ann"})),
        Ok(())
    );
    assert!(matches!(
        manifest.check_args("score", &json!({})),
        Err(NotDeclared::Fit(_))
    ));
    assert!(matches!(
        manifest.check_args("mute", &json!({})),
        Err(NotDeclared::Name { .. })
    ));
    assert_eq!(
        manifest.check_emit("scored", 1, &json!({"score": 1})),
        Ok(())
    );
    assert!(matches!(
        manifest.check_emit("scored", 2, &json!({})),
        Err(NotDeclared::Schema { .. })
    ));
    assert!(matches!(
        manifest.check_emit("scored", 1, &json!([])),
        Err(NotDeclared::Fit(_))
    ));
}

#[test]
fn schemas_may_stand_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    };
    let with = |settings: &str| format!("settings = \"{settings}\"\n{LEAST}");
    write(
        "settings.json",
        r#"{"type": "object", "properties": {"a": {"default": 1}}}"#,
    );
    write("extension.toml", &with("settings.json"));
    let manifest = Manifest::read(folder.path()).expect("it is right");
    assert_eq!(manifest.check_settings(&json!({})), Ok(json!({"a": 1})));
    for outside in ["../settings.json", "none.json"] {
        write("extension.toml", &with(outside));
        let said = Manifest::read(folder.path())
            .expect_err("it is wrong")
            .to_string();
        assert!(
            said.starts_with(&format!("settings: {outside} cannot be read")),
            "{said}"
        );
    }
}

#[test]
fn a_component_carries_its_manifest() {
    let (manifest, bare) = (whole(), component());
    assert_eq!(read(&bare).expect("a component"), None);
    let one = embed(&bare, &manifest).expect("a component");
    assert_eq!(read(&one).expect("a component"), Some(manifest.clone()));
    assert_eq!(strip(&one).expect("a component"), bare);
    // Another takes its place, and the same makes the same bytes.
    let least = Manifest::parse_toml(LEAST).expect("it is right");
    let other = embed(&one, &least).expect("a component");
    assert_eq!(read(&other).expect("a component"), Some(least));
    assert_eq!(embed(&other, &manifest).expect("a component"), one);
}

#[test]
fn what_is_no_component_is_told_so() {
    assert!(matches!(
        read(b"\0asm\x01\0\0\0"),
        Err(EmbedError::CoreModule)
    ));
    assert!(matches!(read(b"hello"), Err(EmbedError::NoComponent)));
    let whole = embed(&component(), &whole()).expect("a component");
    assert!(matches!(
        read(&whole[..whole.len() - 1]),
        Err(EmbedError::Damaged(15))
    ));
    let mut twice = whole.clone();
    twice.extend_from_slice(&whole[component().len()..]);
    assert!(matches!(read(&twice), Err(EmbedError::Several)));
    let mut odd = component();
    odd.extend_from_slice(&[0, SECTION.len() as u8 + 3, SECTION.len() as u8]);
    odd.extend_from_slice(SECTION.as_bytes());
    odd.extend_from_slice(b"{}");
    assert!(matches!(read(&odd), Err(EmbedError::Manifest(_))));
}

#[test]
fn asking_for_more_is_seen() {
    let before = whole();
    assert!(diff(&before, &before).is_empty());
    let mut after = before.clone();
    after.grants.effects.insert(EffectKind::Post);
    after.grants.content = false;
    after.http[0].reason = "something else".to_owned();
    after.limits.fuel = Some(30_000_000);
    let found = diff(&before, &after);
    assert!(found.widens());
    let lines: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "+ Posts messages under its own name.",
            "+ Asks for 30000000 fuel.",
            "- Reads what people write: messages, titles, profiles, reasons, and what is in the product's events.",
            "~ Talks to api.example.org: something else",
        ]
    );
    // The way back asks for content again, and for nothing else.
    let back = diff(&after, &before);
    let wider = |change: &&Change| matches!(change, Change::Wider(_));
    assert_eq!(back.changes.iter().filter(wider).count(), 1);
    let mut narrower = before.clone();
    narrower.reactor = None;
    assert!(!diff(&before, &narrower).widens());
}

#[test]
fn instances_that_are_kept_take_a_yes() {
    let before = Manifest::parse_toml(LEAST).expect("it is right");
    assert_eq!(before.instances, Instances::Fresh);
    assert!(!before.to_json().contains("instances"));
    let after = Manifest::parse_toml(&format!("instances = \"warm\"\n{LEAST}"));
    let after = after.expect("it is right");
    assert_eq!(
        Manifest::from_json(&after.to_json()).ok(),
        Some(after.clone())
    );
    let lines: Vec<String> = diff(&before, &after)
        .changes
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "+ Keeps its memory from one call to the next: what it was told of one user may turn up in what it does for another."
        ]
    );
    assert!(!diff(&after, &before).widens());
}
