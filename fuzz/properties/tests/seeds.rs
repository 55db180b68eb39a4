//! The seeds that are made from the golden files of other crates are there, and are what those hold.
//! `UPDATE_SEEDS=1` adds what is missing and brings up to date what has changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tidings_fuzz_properties::{key_set, people_query, token};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Holds the folder of a target against what is to be in it, among other things.
fn hold(target: &str, seeds: &[(String, Vec<u8>)]) {
    assert!(!seeds.is_empty());
    let folder = root().join("fuzz/seeds").join(target);
    let mut wrong = Vec::new();
    for (name, bytes) in seeds {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|stored| stored == *bytes) {
            continue;
        }
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(&folder).expect("the folder is made");
            fs::write(&path, bytes).expect("the seed is written");
        } else {
            wrong.push(format!("{target}/{name}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "seeds that are missing or not up to date, UPDATE_SEEDS=1 writes them: {wrong:?}"
    );
}

#[test]
fn frames_are_those_of_the_vectors() {
    let (mut json, mut protobuf) = (Vec::new(), Vec::new());
    for file in ["client", "server", "forward"] {
        let path = root().join(format!("protocol/vectors/{file}.json"));
        let text = fs::read_to_string(path).expect("the vectors are readable");
        let vectors: Vec<Value> = serde_json::from_str(&text).expect("vectors are JSON");
        for vector in vectors {
            let name = vector["name"].as_str().expect("a name");
            let name = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
            let hex = vector["protobuf_hex"].as_str().expect("hexadecimal");
            json.push((format!("{file}-{name}"), vector["json"].to_string().into()));
            protobuf.push((format!("{file}-{name}"), unhex(hex)));
        }
    }
    hold("frame_json", &json);
    hold("frame_protobuf", &protobuf);
}

#[test]
fn stored_events_are_those_of_the_core() {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(root().join("core/golden")).expect("the goldens are there") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a golden is readable");
        let golden: Value = serde_json::from_str(&text).expect("a golden is JSON");
        let name = path.file_stem().expect("a name").to_string_lossy();
        let bytes = unhex(golden["hex"].as_str().expect("hexadecimal"));
        seeds.push((format!("commit-{name}"), bytes));
    }
    hold("stored_event", &seeds);
}

#[test]
fn tokens_and_key_sets_are_those_of_the_issuer() {
    hold("token", &token::seeds());
    hold("key_set", &key_set::seeds());
}

#[test]
fn people_queries_are_of_every_form() {
    hold("people_query", &people_query::seeds());
}
