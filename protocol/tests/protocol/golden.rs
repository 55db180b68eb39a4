//! The golden frames in `protocol/vectors/`, which the tests of every SDK read too.

use std::{collections::BTreeSet, fs, path::PathBuf};

use bytes::Bytes;
use serde_json::Value;
use tidings_protocol::{ClientFrame, Encoding, ServerFrame};

use crate::{
    samples::{self, Sample},
    schema::Schema,
};

/// Encodes and decodes the frames of one side.
pub(crate) trait Side: PartialEq + std::fmt::Debug {
    const NAME: &str;
    fn encode(&self, encoding: Encoding) -> Bytes;
    fn decode(encoding: Encoding, bytes: Bytes) -> Self;
}

impl Side for ClientFrame {
    const NAME: &str = "client";
    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode_client(self)
    }
    fn decode(encoding: Encoding, bytes: Bytes) -> Self {
        encoding
            .decode_client(bytes)
            .expect("a golden frame decodes")
    }
}

impl Side for ServerFrame {
    const NAME: &str = "server";
    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode(self)
    }
    fn decode(encoding: Encoding, bytes: Bytes) -> Self {
        encoding
            .decode_server(bytes)
            .expect("a golden frame decodes")
    }
}

pub(crate) fn vectors(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(file)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len())
        .step_by(2)
        .map(digit)
        .collect::<Vec<u8>>()
        .into()
}

/// The file as it must be: an array with one vector a line, the JSON exactly as it is sent.
fn render<F: Side>(samples: &[Sample<F>]) -> String {
    let lines: Vec<String> = samples
        .iter()
        .map(|Sample { name, frame }| {
            let json = frame.encode(Encoding::Json);
            format!(
                "{{\"name\":\"{name}\",\"side\":\"{side}\",\"json\":{json},\"protobuf_hex\":\"{hex}\"}}",
                side = F::NAME,
                json = std::str::from_utf8(&json).expect("JSON is UTF-8"),
                hex = hex(&frame.encode(Encoding::Protobuf)),
            )
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn check<F: Side>(samples: &[Sample<F>]) {
    let path = vectors(&format!("{}.json", F::NAME));
    let rendered = render(samples);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(&path, &rendered).expect("vectors can be written");
    }
    let stored = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE_VECTORS=1", path.display()));

    // Encoding, byte for byte.
    for (now, golden) in rendered.lines().zip(stored.lines()) {
        assert_eq!(
            now, golden,
            "the wire has changed: see the comment in tests/protocol/main.rs"
        );
    }
    assert_eq!(
        rendered.len(),
        stored.len(),
        "vectors are missing: run with UPDATE_VECTORS=1"
    );

    // Decoding what the file holds.
    let parsed: Vec<Value> = serde_json::from_str(&stored).expect("vectors are JSON");
    assert_eq!(parsed.len(), samples.len());
    for (vector, Sample { name, frame }) in parsed.iter().zip(samples) {
        assert_eq!(vector["name"], *name);
        let json = vector["json"].to_string().into_bytes();
        assert_eq!(
            &F::decode(Encoding::Json, json.into()),
            frame,
            "{name} from JSON"
        );
        let protobuf = unhex(vector["protobuf_hex"].as_str().expect("hex text"));
        assert_eq!(
            &F::decode(Encoding::Protobuf, protobuf),
            frame,
            "{name} from Protobuf"
        );
    }
}

#[test]
fn client_frames_are_the_golden_ones() {
    check(&samples::client());
}

#[test]
fn server_frames_are_the_golden_ones() {
    check(&samples::server());
}

#[test]
fn every_kind_has_a_vector() {
    let schema = Schema::read();
    let client: BTreeSet<_> = samples::client().iter().map(|sample| sample.name).collect();
    let server: BTreeSet<_> = samples::server().iter().map(|sample| sample.name).collect();
    assert_eq!(
        client.len(),
        samples::client().len(),
        "two vectors of one name"
    );
    assert_eq!(
        server.len(),
        samples::server().len(),
        "two vectors of one name"
    );
    for (oneof, prefix, names) in [
        ("Request", "request", &client),
        ("Body", "body", &server),
        ("Outcome", "outcome", &server),
        ("Kind", "event", &server),
    ] {
        for variant in &schema.oneof(oneof).variants {
            let name = format!("{prefix}/{}", variant.name);
            assert!(names.contains(name.as_str()), "no vector {name}");
        }
    }
}

/// A vector that leaves a field at its default would not show that the field is encoded at all.
#[test]
fn vectors_set_every_field() {
    fn defaults(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    defaults(value, format!("{path}.{key}"), found);
                }
            }
            Value::Array(items) if items.is_empty() => found.push(path),
            // Later items of a list may differ from the first, to show the other way.
            Value::Array(items) => defaults(&items[items.len() / 2..][0], path, found),
            Value::Null | Value::Bool(false) => found.push(path),
            Value::Number(number) if number.as_u64() == Some(0) => found.push(path),
            Value::String(text) if text.is_empty() => found.push(path),
            _ => {}
        }
    }
    let frames = samples::client()
        .iter()
        .map(|sample| (sample.name, sample.frame.encode(Encoding::Json)))
        .chain(
            samples::server()
                .iter()
                .map(|sample| (sample.name, sample.frame.encode(Encoding::Json))),
        )
        .filter(|(name, _)| !name.starts_with("edge/") && *name != "body/event")
        .collect::<Vec<_>>();
    let mut found = Vec::new();
    for (name, json) in frames {
        let value: Value = serde_json::from_slice(&json).expect("frames are JSON");
        defaults(&value, name.to_owned(), &mut found);
    }
    // The second of two reactions is somebody else's.
    found.retain(|path| !path.ends_with("reactions.mine"));
    assert_eq!(found, Vec::<String>::new());
}

/// Beyond what every client can carry, the crate itself still reads what it writes.
#[test]
fn numbers_of_64_bits_survive_here() {
    use tidings_protocol::{command::Ack, frame::Request};
    let frame = ClientFrame {
        id: u64::MAX,
        command_id: Bytes::new(),
        request: Some(Request::Ack(Ack {
            position: u64::MAX,
            index: u32::MAX,
        })),
    };
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        assert_eq!(
            ClientFrame::decode(encoding, Side::encode(&frame, encoding)),
            frame
        );
    }
}
