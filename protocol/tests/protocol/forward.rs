//! What a later version may add without breaking this one. `vectors/forward.json` holds such frames
//! for every SDK: `reads_as` is what remains of each.

use bytes::Bytes;
use serde_json::Value;
use tidings_protocol::{ClientFrame, DecodeError, Encoding, ServerFrame, frame::Request};

use crate::golden::{self, Side};

/// Reads one side's vectors of `forward.json` in both encodings; answers how many there were.
fn check<F: Side>() -> usize {
    let text = std::fs::read_to_string(golden::vectors("forward.json")).expect("forward.json");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("vectors are JSON");
    let mut checked = 0;
    for vector in vectors.iter().filter(|vector| vector["side"] == F::NAME) {
        let name = &vector["name"];
        let expected = F::decode(Encoding::Json, vector["reads_as"].to_string().into());
        let json = Bytes::from(vector["json"].to_string());
        assert_eq!(
            F::decode(Encoding::Json, json),
            expected,
            "{name} from JSON"
        );
        let protobuf = golden::unhex(vector["protobuf_hex"].as_str().expect("hex text"));
        assert_eq!(
            F::decode(Encoding::Protobuf, protobuf),
            expected,
            "{name} from Protobuf"
        );
        checked += 1;
    }
    checked
}

#[test]
fn unknown_fields_and_kinds_are_skipped() {
    assert_eq!(check::<ClientFrame>(), 1);
    assert_eq!(check::<ServerFrame>(), 5);
}

#[test]
fn an_unknown_request_is_named_in_json() {
    for (text, id, name) in [
        (
            r#"{"id":7,"request":{"teleport":{"to":"mars"}}}"#,
            7,
            "teleport",
        ),
        (r#"{"request":{"teleport":{}},"id":8}"#, 8, "teleport"),
        (r#"{"request":{"":{}}}"#, 0, ""),
        (r#"{"id":9,"request":"teleport"}"#, 9, "teleport"),
        (r#"{"id":10,"request":{"Ping":{}}}"#, 10, "Ping"),
    ] {
        let read = Encoding::Json.decode_client(text.into());
        assert_eq!(
            read,
            Err(DecodeError::UnknownRequest {
                id,
                name: name.into()
            }),
            "{text}"
        );
    }
    // What follows is no JSON: the whole frame is malformed.
    let read = Encoding::Json.decode_client(r#"{"id":7,"request":{"teleport":{"to""#.into());
    assert!(matches!(read, Err(DecodeError::Malformed(_))), "{read:?}");
}

#[test]
fn an_unknown_request_is_none_in_protobuf() {
    // id 7; field 99, a message.
    let read = Encoding::Protobuf.decode_client(Bytes::from_static(&[0x08, 7, 0x9a, 0x06, 0x00]));
    assert_eq!(
        read,
        Ok(ClientFrame {
            id: 7,
            ..Default::default()
        })
    );
}

/// A kind that is known but holds what it must not is a fault, not a later version.
#[test]
fn a_known_kind_is_still_checked() {
    for text in [
        r#"{"event":{"kind":{"title_changed":{"title":7}}}}"#,
        r#"{"event":{"kind":7}}"#,
        r#"{"reply":{"outcome":{"unread":{"total":-1}}}}"#,
        r#"{"welcome":7}"#,
        r#"{"welcome":{},"reset":{}}"#,
        "7",
    ] {
        let read: Result<ServerFrame, _> = Encoding::Json.decode_server(text.into());
        assert!(
            matches!(read, Err(DecodeError::Malformed(_))),
            "{text}: {read:?}"
        );
    }
}

/// Fields may be left out, in any order, with white space: JSON written by hand is read.
#[test]
fn json_may_be_sparse() {
    let text = " { \"request\" : { \"hello\" : { \"token\" : \"dev:alice\" } } , \"id\" : 1 } ";
    let frame = Encoding::Json.decode_client(text.into()).expect("decodes");
    let Some(Request::Hello(hello)) = frame.request else {
        panic!("a hello")
    };
    assert_eq!(
        (frame.id, hello.token.as_str(), hello.cursor),
        (1, "dev:alice", None)
    );
    assert_eq!(
        Encoding::Json.decode_client("{}".into()),
        Ok(ClientFrame::default())
    );
}
