//! What an account makes of its flags, and of outboxes that were left behind.

use clap::Parser;
use tidings_protocol::{command::PostMessage, frame::Request};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    account: Account,
}

fn account(arguments: &[&str]) -> Account {
    let line = ["chat", "--as", "alice"].iter().chain(arguments);
    Line::try_parse_from(line).unwrap().account
}

fn address(arguments: &[&str]) -> String {
    account(arguments).address().unwrap().to_string()
}

#[test]
fn the_way_is_quic_unless_said_otherwise() {
    assert_eq!(address(&[]), "quic://127.0.0.1:8080");
    for (server, quic, ws) in [
        ("localhost:9", "quic://localhost:9", "ws://localhost:9"),
        ("http://[::1]:9", "quic://[::1]:9", "ws://[::1]:9"),
        ("https://a.test", "quic://a.test:443", "wss://a.test:443"),
    ] {
        assert_eq!(address(&["--server", server]), quic);
        assert_eq!(address(&["--server", server, "--transport", "quic"]), quic);
        assert_eq!(address(&["--server", server, "--transport", "ws"]), ws);
    }
    for same in ["ws://a.test:80", "wss://a.test:443/x", "quic://a.test:4"] {
        assert_eq!(address(&["--server", same]), same);
    }
}

#[test]
fn a_token_says_whose_it_is() {
    assert_eq!(user_of("dev:bob").as_deref(), Some("bob"));
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"cas"}"#);
    assert_eq!(user_of(&format!("x.{claims}.y")).as_deref(), Some("cas"));
    for none in ["", "dev:", "x", "x.y.z"] {
        assert_eq!(user_of(none), None, "{none:?}");
    }
    let alice = account(&[]);
    assert_eq!(alice.whose("dev:alice").unwrap(), "alice");
    assert!(alice.whose("dev:bob").is_err());
    assert_eq!(alice.whose("opaque").unwrap(), "alice");
}

#[test]
fn fingerprints_are_read_as_printed_and_with_colons() {
    let digits = "0f".repeat(32);
    assert_eq!(sha256(&digits).unwrap(), [15; 32]);
    assert_eq!(sha256(&vec!["0F"; 32].join(":")).unwrap(), [15; 32]);
    assert!(sha256("0f").is_err());
    assert!(sha256(&"xy".repeat(32)).is_err());
    assert!(sha256(&"é".repeat(32)).is_err());
}

#[test]
fn names_of_files_differ_as_the_texts_do() {
    assert_eq!(file_name("alice-1_b.c"), "alice-1_b.c");
    assert_eq!(file_name("../A é"), "%2e.%2f%41%20%c3%a9");
}

fn command(text: &str) -> (ClientFrame, Uuid) {
    let command = Uuid::now_v7();
    let message = PostMessage {
        text: text.to_owned(),
        ..PostMessage::default()
    };
    let frame = ClientFrame {
        command_id: id::to_wire(command),
        request: Some(Request::PostMessage(message)),
        ..ClientFrame::default()
    };
    (frame, command)
}

#[test]
fn chats_side_by_side_have_outboxes_of_their_own_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Kept::take(folder.path()).unwrap();
    let mut second = Kept::take(folder.path()).unwrap();
    assert_ne!(first.device, second.device);
    let (one, _) = command("one");
    let (two, _) = command("two");
    first.outbox.put(std::slice::from_ref(&one)).unwrap();
    second.outbox.put(std::slice::from_ref(&two)).unwrap();
    let device = first.device.clone();
    drop((first, second));

    // One chat alone sends what both have left.
    let again = Kept::take(folder.path()).unwrap();
    assert_eq!(again.device, device);
    assert_eq!(again.waiting, [one, two]);
    drop(again);
    assert_eq!(Kept::take(folder.path()).unwrap().waiting.len(), 2);
}
