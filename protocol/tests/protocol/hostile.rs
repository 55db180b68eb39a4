//! No bytes from the network may panic a decoder or cost it more than its input.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidings_protocol::{ClientFrame, DecodeError, Encoding, codec::delimited, frame::Request};

use crate::samples;

const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::Protobuf];

fn client(encoding: Encoding, bytes: impl Into<Bytes>) -> Result<ClientFrame, DecodeError> {
    encoding.decode_client(bytes.into())
}

/// Reads bytes every way there is, and what could be read once more from what is written of it.
fn read_all(bytes: &[u8]) {
    for encoding in BOTH {
        let bytes = Bytes::copy_from_slice(bytes);
        if let Ok(frame) = encoding.decode_client(bytes.clone()) {
            // Through Protobuf, for JSON cannot carry an identifier of a wrong length.
            let again = Encoding::Protobuf.encode_client(&frame);
            assert_eq!(Encoding::Protobuf.decode_client(again), Ok(frame));
        }
        if let Ok(frame) = encoding.decode_server(bytes) {
            let again = Encoding::Protobuf.encode(&frame);
            assert_eq!(Encoding::Protobuf.decode_server(again), Ok(frame));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        read_all(&bytes);
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = delimited::read(&mut buffer, 64) {}
    }

    /// Random bytes rarely get past the first field, so valid frames are damaged too.
    #[test]
    fn damaged_frames_never_panic(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frames: Vec<Bytes> = Vec::new();
        for encoding in BOTH {
            frames.extend(samples::client().iter().map(|s| encoding.encode_client(&s.frame)));
            frames.extend(samples::server().iter().map(|s| encoding.encode(&s.frame)));
        }
        frames.retain(|frame| !frame.is_empty());
        let mut bytes = which.get(&frames).to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_all(&bytes);
    }

    #[test]
    fn json_shaped_text_never_panics(
        text in r#"\{"(id|request|event|reply|reset)":[\[\]{}":,0-9a-z_.eE+\-]{0,64}\}?"#
    ) {
        read_all(text.as_bytes());
    }
}

#[test]
fn deep_nesting_is_refused() {
    // In a field that is read, in one that is not known, and at the top.
    for open in [
        r#"{"id":"#,
        r#"{"request":{"hello":{"cursor":"#,
        r#"{"nobody_knows":"#,
        "",
    ] {
        for (bracket, count) in [
            ("[", 200),
            ("[", 100_000),
            (r#"{"a":"#, 200),
            (r#"{"a":"#, 100_000),
        ] {
            let text = format!("{open}{}", bracket.repeat(count));
            let read = client(Encoding::Json, text.clone());
            assert!(
                matches!(read, Err(DecodeError::Malformed(_))),
                "{open} {bracket} {count}"
            );
            let read = Encoding::Json.decode_server(text.into());
            assert!(
                matches!(read, Err(DecodeError::Malformed(_))),
                "{open} {bracket} {count}"
            );
        }
    }
    // Closed properly: too deep in a kind that is kept for a look, skipped without recursion in a
    // field that is not.
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let text = format!(r#"{{"event":{{"kind":{{"unknown":{}}}}}}}"#, deep(200));
    assert!(matches!(
        Encoding::Json.decode_server(text.into()),
        Err(DecodeError::Malformed(_))
    ));
    let text = format!(r#"{{"nobody_knows":{}}}"#, deep(100_000));
    assert_eq!(client(Encoding::Json, text), Ok(ClientFrame::default()));
    // Groups are the only Protobuf construct that nests without lengths; start of field 99.
    let groups = [0x9b, 0x06].repeat(50_000);
    assert!(matches!(
        client(Encoding::Protobuf, groups),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn wrong_types_are_malformed() {
    for text in [
        "",
        "null",
        "7",
        "\"hello\"",
        "[1,2",
        r#"{"id":-1}"#,
        r#"{"id":1.5}"#,
        r#"{"id":"7"}"#,
        r#"{"id":18446744073709551616}"#,
        r#"{"id":1,"id":2}"#,
        r#"{"id":null}"#,
        r#"{"command_id":7}"#,
        r#"{"command_id":"not-a-uuid"}"#,
        r#"{"request":7}"#,
        r#"{"request":"ping"}"#,
        r#"{"request":{}}"#,
        r#"{"request":{"ping":{},"leave":{}}}"#,
        r#"{"request":{"ping":7}}"#,
        r#"{"request":{"post_message":{"text":7}}}"#,
        r#"{"request":{"post_message":{"text":null}}}"#,
        r#"{"request":{"add_members":{"users":"bob"}}}"#,
        r#"{"request":{"set_muted":{"muted":1}}}"#,
        r#"{"request":{"ack":{"index":4294967296}}}"#,
        "{\"request\":{\"post_message\":{\"text\":\"\u{1}\"}}}",
        r#"{"request":{"post_message":{"text":"\ud800"}}}"#,
        r#"{"id":1} {"id":2}"#,
        "\u{feff}{}",
    ] {
        let read = client(Encoding::Json, text);
        assert!(
            matches!(read, Err(DecodeError::Malformed(_))),
            "{text}: {read:?}"
        );
    }
    assert!(matches!(
        client(
            Encoding::Json,
            &b"{\"request\":{\"hello\":{\"token\":\"\xff\"}}}"[..]
        ),
        Err(DecodeError::Malformed(_))
    ));
    for (what, bytes) in [
        ("half a tag", &[0x80][..]),
        ("tag without value", &[0x08]),
        ("field number 0", &[0x00, 0x00]),
        ("id as bytes", &[0x0a, 0x01, 0x41]),
        ("command id as number", &[0x10, 0x01]),
        ("length beyond the end", &[0x12, 0x7f, 0x00]),
        (
            "length of 2^63",
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        (
            "varint of 11 bytes",
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
        ),
        ("wire type 7", &[0x0f, 0x00]),
        ("an end without its group", &[0x0c]),
        ("text that is not UTF-8", &[0x62, 0x03, 0x0a, 0x01, 0xff]),
    ] {
        let read = client(Encoding::Protobuf, bytes);
        assert!(
            matches!(read, Err(DecodeError::Malformed(_))),
            "{what}: {read:?}"
        );
    }
}

/// 16 bytes or nothing: what has another length is for the session to refuse, with the field named.
#[test]
fn identifiers_of_a_wrong_length_are_no_uuid() {
    let frame = client(Encoding::Protobuf, &[0x12, 0x03, 1, 2, 3][..]).expect("decodes");
    assert_eq!(tidings_protocol::id::from_wire(&frame.command_id), None);
    assert_eq!(tidings_protocol::id::from_wire(&[]), None);
    let id = tidings_protocol::id::from_wire(&samples::id(1)).expect("16 bytes");
    assert_eq!(tidings_protocol::id::to_wire(id), samples::id(1));
}

/// JSON has several spellings of a UUID; they name the same thing.
#[test]
fn uuids_are_read_in_any_case() {
    for text in [
        "0198c0de-1234-7abc-8def-012345678901",
        "0198C0DE-1234-7ABC-8DEF-012345678901",
    ] {
        let frame =
            client(Encoding::Json, format!(r#"{{"command_id":"{text}"}}"#)).expect("decodes");
        assert_eq!(frame.command_id, samples::id(1));
    }
}

#[test]
fn a_request_is_not_asked_for_twice() {
    // Two members of a oneof in one Protobuf frame: the last one counts, as Protobuf has it.
    let frame = client(Encoding::Protobuf, &[0x5a, 0x00, 0xc2, 0x03, 0x00][..]).expect("decodes");
    assert!(
        matches!(frame.request, Some(Request::GetUnread(_))),
        "{frame:?}"
    );
}

#[test]
fn a_frame_takes_one_request_and_says_so() {
    for (text, said) in [
        (
            r#"{"id":1,"request":{"ping":{},"leave":{}}}"#,
            "`request` holds 2 requests, ping and leave among them: a frame takes one, so send a frame for each",
        ),
        (
            r#"{"request":{"ping":{},"ping":{}}}"#,
            "`request` holds 2 requests, ping and ping",
        ),
        // Whichever comes first, and whether or not it is known.
        (
            r#"{"request":{"dance":{},"ping":{},"leave":{}}}"#,
            "`request` holds 3 requests, dance and ping",
        ),
        (
            r#"{"request":{}}"#,
            "`request` is empty: name what is asked in it",
        ),
    ] {
        match client(Encoding::Json, text) {
            Err(DecodeError::Malformed(why)) => assert!(why.starts_with(said), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}
