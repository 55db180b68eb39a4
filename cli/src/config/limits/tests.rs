//! What is refused, and with which sentence.

use std::fs;

use super::super::Place;
use super::*;

/// What is said of a file that begins with these lines, and where that is.
fn refusal(text: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidings.toml");
    fs::write(&file, text).unwrap();
    let place = Place {
        data: None,
        config: Some(file.clone()),
    };
    let refused = place.load().err()?.to_string();
    Some(refused.replace(&file.display().to_string(), "FILE"))
}

#[test]
fn numbers_that_would_lock_everybody_out_are_refused() {
    for (text, said) in [
        (
            "[limits]\nframe_bytes = 10",
            "FILE:2: limits.frame_bytes is 10, and is to be 16384 or more: the token in a client's first frame \
             alone may have 8192 bytes. The default is 131072",
        ),
        (
            "[limits]\noutgoing_bytes = 1",
            "FILE:2: limits.outgoing_bytes is 1, and is to be 131072 or more: ",
        ),
        (
            "[limits]\nrequest_burst = 0",
            "FILE:2: limits.request_burst is 0, and is to be 10 or more: ",
        ),
        (
            "[limits]\nwindow = 100000",
            "FILE:2: limits.window is 100000, and is to be 1 to 100: that many conversations the protocol can \
             tell of at a time. The default is 20",
        ),
        (
            "[limits]\nwindow = 0",
            "FILE:2: limits.window is 0, and is to be 1 to 100: ",
        ),
        (
            "limits = { connections = 0 }",
            "FILE:1: limits.connections is 0, and is to be 1 or more: ",
        ),
        (
            "[limits]\nhello_ms = 1",
            "FILE:2: limits.hello_ms is 1, and is to be 100 or more: ",
        ),
        (
            "[messages]\ntext_bytes = 0",
            "FILE:2: messages.text_bytes is 0, and is to be 1 to 126976: ",
        ),
        (
            "[messages]\ntext_bytes = 600000\n[limits]\nframe_bytes = 1000000",
            "FILE:2: messages.text_bytes is 600000, and is to be 1 to 516096: ",
        ),
        (
            "[messages]\ngroup_members = 0",
            "FILE:2: messages.group_members is 0, and is to be 2 or more: ",
        ),
        (
            "[presence]\naway_ms = 0",
            "FILE:2: presence.away_ms is 0, and is to be 1 or more: ",
        ),
        (
            "[presence]\nheartbeat_ms = 0",
            "FILE:2: presence.heartbeat_ms is 0, and is to be 1 or more: ",
        ),
    ] {
        let refused = refusal(text).unwrap_or_else(|| panic!("{text:?} is taken"));
        assert!(refused.starts_with(said), "{text}: {refused}");
        assert!(refused.contains(". The default is "), "{text}: {refused}");
    }
}

#[test]
fn the_least_and_the_greatest_are_taken() {
    let defaults = bounds(&Config::default());
    assert!(
        defaults
            .iter()
            .all(|one| (one.least..=one.greatest).contains(&one.value))
    );
    for bound in &defaults {
        let (table, key) = bound.path.split_once('.').unwrap();
        // The longest text of the default does not fit into the smallest frame.
        let rest = match key {
            "frame_bytes" => "\n[messages]\ntext_bytes = 1",
            _ => "",
        };
        let is_refused =
            |value: u64| refusal(&format!("[{table}]\n{key} = {value}{rest}")).is_some();
        assert!(!is_refused(bound.least), "{}", bound.path);
        let below = bound.least.checked_sub(1);
        assert!(below.is_none_or(is_refused), "{}", bound.path);
        if bound.greatest != u64::MAX {
            assert!(!is_refused(bound.greatest), "{}", bound.path);
            assert!(is_refused(bound.greatest + 1), "{}", bound.path);
        }
    }
}

#[test]
fn names_that_no_token_could_have_are_refused() {
    for (text, said) in [
        (
            "[auth]\nissuer = \"\"",
            "FILE:2: auth.issuer is empty, so no token would be good",
        ),
        (
            "[auth]\naudience = \"\"",
            "FILE:2: auth.audience is empty, so no token would be good",
        ),
        (
            "[[auth.secrets]]\nkid = \"a\"\n[[auth.secrets]]\nkid = \"b\"\n[[auth.secrets]]\nkid = \"a\"",
            "FILE:6: auth.secrets[2].kid is \"a\", as that of another secret",
        ),
    ] {
        let refused = refusal(text).unwrap_or_else(|| panic!("{text:?} is taken"));
        assert!(refused.starts_with(said), "{text}: {refused}");
    }
    assert_eq!(refusal("[auth]\nissuer = \"https://a.example\""), None);
    // Without one they are tried on every token.
    assert_eq!(refusal("[auth]\nsecrets = [{}, {}, { kid = \"a\" }]"), None);
}

#[test]
fn who_trusts_everybody_is_told() {
    let warning = |text: &str| everybody_is_a_proxy(&text.parse().unwrap());
    for (trusted, named) in [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.7, ::/0", "::/0"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
    ] {
        let said = warning(trusted).unwrap_or_else(|| panic!("nothing is said of {trusted}"));
        assert!(said.contains(&format!("has {named} in it")), "{said}");
    }
    assert_eq!(warning("10.0.0.0/8, 2001:db8::/32, 0.0.0.0/10"), None);
    assert_eq!(everybody_is_a_proxy(&Networks::default()), None);
}
