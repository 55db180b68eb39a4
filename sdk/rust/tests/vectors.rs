//! The golden frames of the protocol, read and written as this SDK does on either encoding.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tidings_sdk::protocol::Encoding;

#[derive(Deserialize)]
struct Vector {
    name: String,
    side: String,
    json: Value,
    protobuf_hex: String,
    /// Where a newer version wrote it: what this version makes of it.
    reads_as: Option<Value>,
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol/vectors");
    let mut vectors = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path).unwrap();
            let list: Vec<Vector> = serde_json::from_str(&text).unwrap();
            vectors.extend(list);
        }
    }
    vectors
}

fn bytes_of(hex: &str) -> Bytes {
    let digit = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn text(value: &Value) -> Bytes {
    serde_json::to_vec(value).unwrap().into()
}

#[test]
fn both_encodings_of_every_server_frame_read_the_same() {
    let frames: Vec<_> = vectors()
        .into_iter()
        .filter(|v| v.side == "server")
        .collect();
    assert!(frames.len() > 20, "{} server frames", frames.len());
    for Vector {
        name,
        json,
        protobuf_hex,
        reads_as,
        ..
    } in frames
    {
        let from_json = Encoding::Json.decode_server(text(&json));
        let from_json = from_json.unwrap_or_else(|error| panic!("{name}: {error}"));
        let from_protobuf = Encoding::Protobuf
            .decode_server(bytes_of(&protobuf_hex))
            .unwrap();
        assert_eq!(from_json, from_protobuf, "{name}");
        if let Some(reads_as) = reads_as {
            let expected = Encoding::Json.decode_server(text(&reads_as)).unwrap();
            assert_eq!(from_json, expected, "{name}");
        }
    }
}

#[test]
fn every_client_frame_is_written_as_recorded() {
    let frames: Vec<_> = vectors()
        .into_iter()
        .filter(|v| v.side == "client" && v.reads_as.is_none())
        .collect();
    assert!(frames.len() > 20, "{} client frames", frames.len());
    for Vector {
        name,
        json,
        protobuf_hex,
        ..
    } in frames
    {
        let frame = Encoding::Protobuf
            .decode_client(bytes_of(&protobuf_hex))
            .unwrap();
        assert_eq!(
            Encoding::Protobuf.encode_client(&frame),
            bytes_of(&protobuf_hex),
            "{name}"
        );
        let written: Value = serde_json::from_slice(&Encoding::Json.encode_client(&frame)).unwrap();
        assert_eq!(written, json, "{name}");
    }
}
