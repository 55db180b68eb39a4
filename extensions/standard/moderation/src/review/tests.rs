//! Reviews as the sandbox asks for them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::settings::Unreadable;

/// Settings as JSON by name, and windows that never end.
#[derive(Default)]
struct Fake {
    settings: BTreeMap<&'static str, &'static str>,
    counts: RefCell<BTreeMap<String, u32>>,
}

impl Fake {
    fn read(&self) -> Result<Rules, Unreadable> {
        let json = |name: &str| self.settings.get(name).map(|json| (*json).to_owned());
        Ok(Rules::new(Settings::read(json)?))
    }

    fn rules(&self) -> Rules {
        self.read().expect("the settings can be read")
    }
}

impl Windows for Fake {
    fn count(&self, name: &str, key: &str, window_ms: u32) -> Option<u32> {
        let mut counts = self.counts.borrow_mut();
        let count = counts
            .entry(format!("{name} {window_ms} {key}"))
            .or_default();
        *count += 1;
        Some(*count)
    }
}

fn draft(text: &str) -> Draft<'_> {
    Draft {
        author: "ann",
        text,
        is_message: true,
        is_first_contact: false,
        can_be_masked: true,
    }
}

fn verdict(draft: &Draft<'_>, server: &Fake) -> Verdict {
    server.rules().review(draft, server)
}

#[test]
fn by_itself_it_masks_what_many_would_not_like_to_read() {
    let server = Fake::default();
    assert_eq!(
        verdict(&draft("Shall we meet at eight?"), &server),
        Verdict::default()
    );
    let said = verdict(&draft("what the f.u.c.k is evil.com"), &server);
    assert_eq!(said.text.as_deref(), Some("what the ******* is ********"));
    assert_eq!(said.labels, [Rule::Words, Rule::Links]);
    let said = verdict(&draft("damn, call 0170 1234567"), &server);
    assert_eq!(
        (said.text, said.labels),
        (None, vec![Rule::Words, Rule::Contacts])
    );
    assert_eq!(
        verdict(&draft("send nudes"), &server).hold,
        Some(Rule::Words)
    );
}

#[test]
fn a_first_contact_is_looked_at_more_strictly() {
    let server = Fake::default();
    let first = |text| {
        verdict(
            &Draft {
                is_first_contact: true,
                ..draft(text)
            },
            &server,
        )
    };
    assert_eq!(
        first("call 0170 1234567").text.as_deref(),
        Some("call **** *******")
    );
    assert_eq!(first("see evil.com").hold, Some(Rule::Links));
    assert_eq!(first("send nudes").reject, Some(Rule::Words));
    let as_ever = Fake {
        settings: [("first_contact_raise", "0")].into(),
        ..Fake::default()
    };
    let said = verdict(
        &Draft {
            is_first_contact: true,
            ..draft("send nudes")
        },
        &as_ever,
    );
    assert_eq!(said.hold, Some(Rule::Words));
}

#[test]
fn actions_and_severities_are_the_operators() {
    let server = Fake {
        settings: [
            (
                "actions",
                r#"{"low": "none", "medium": "reject", "high": "label", "critical": "mask"}"#,
            ),
            ("links", r#"{"severity": "off"}"#),
            (
                "words",
                r#"{"languages": ["de"], "low": ["hello"], "critical": ["b\u00fcro"]}"#,
            ),
            ("contacts", r#"{"emails": "medium", "phones": "off"}"#),
        ]
        .into(),
        ..Fake::default()
    };
    assert_eq!(
        verdict(&draft("hello, evil.com, fuck, 0170 1234567"), &server),
        Verdict::default()
    );
    assert_eq!(
        verdict(&draft("du Arschloch"), &server).reject,
        Some(Rule::Words)
    );
    assert_eq!(
        verdict(&draft("ann@example.org"), &server).reject,
        Some(Rule::Contacts)
    );
    assert_eq!(
        verdict(&draft("im Büro"), &server).text.as_deref(),
        Some("im ****")
    );
}

#[test]
fn the_same_text_again_and_again_is_held() {
    let server = Fake::default();
    for name in ["Anna", "Bea", "Cleo", "Dora", "Eva"] {
        let text = format!("Hello dear {name}, I have a wonderful investment for you!");
        assert_eq!(verdict(&draft(&text), &server), Verdict::default());
    }
    let text = "Hello dear Fay, I have a wonderful investment for you!";
    assert_eq!(verdict(&draft(text), &server).hold, Some(Rule::Repeats));
    assert_eq!(
        verdict(
            &Draft {
                author: "bob",
                ..draft(text)
            },
            &server
        ),
        Verdict::default()
    );
    assert_eq!(
        verdict(
            &Draft {
                is_message: false,
                ..draft(text)
            },
            &server
        ),
        Verdict::default()
    );
}

#[test]
fn who_writes_too_much_is_refused() {
    let server = Fake {
        settings: [(
            "rates",
            r#"{"messages_per_minute": 3, "first_contacts_per_day": 1}"#,
        )]
        .into(),
        ..Fake::default()
    };
    let first = |author| Draft {
        author,
        is_first_contact: true,
        ..draft("hi")
    };
    assert_eq!(verdict(&first("eve"), &server), Verdict::default());
    assert_eq!(verdict(&first("eve"), &server).reject, Some(Rule::Rates));
    for _ in 0..3 {
        assert_eq!(verdict(&draft("hi"), &server), Verdict::default());
    }
    assert_eq!(verdict(&draft("hi"), &server).reject, Some(Rule::Rates));
    assert_eq!(
        verdict(
            &Draft {
                is_message: false,
                ..draft("hi")
            },
            &server
        ),
        Verdict::default()
    );
}

#[test]
fn a_profile_that_would_be_masked_is_refused() {
    let said = verdict(
        &Draft {
            is_message: false,
            can_be_masked: false,
            ..draft("shit\nevil.com")
        },
        &Fake::default(),
    );
    assert_eq!(said.hold, Some(Rule::Words));
    assert_eq!(said.text, None);
}

#[test]
fn what_the_schema_would_refuse_is_named() {
    let server = Fake {
        settings: [("links", "7")].into(),
        ..Fake::default()
    };
    assert_eq!(server.read().err(), Some(Unreadable("links")));
}

#[test]
fn reasons_and_trust_are_settings() {
    let server = Fake {
        settings: [
            ("reasons", r#"{"links": "Bitte keine Links."}"#),
            ("trust_system_accounts", "false"),
        ]
        .into(),
        ..Fake::default()
    };
    let rules = server.rules();
    assert_eq!(rules.reason(Rule::Links), "Bitte keine Links.");
    assert_eq!(rules.reason(Rule::Words), "Please put it in other words.");
    assert!(!rules.is_trusted("system:shop"));
    let rules = Fake::default().rules();
    assert!(rules.is_trusted("system:shop") && !rules.is_trusted("ann"));
}

proptest! {
    /// A mask never makes a text longer, keeps its spaces, and leaves nothing to find.
    #[test]
    fn what_was_masked_is_not_found_again(
        words in prop::collection::vec(prop_oneof!["[a-z]{1,8}", Just("fuck".to_owned()), Just("sh1t".to_owned()), Just("evil.com".to_owned()), Just("傻逼".to_owned())], 0..12),
    ) {
        let text = words.join(" ");
        let server = Fake::default();
        let edit = Draft { is_message: false, ..draft(&text) };
        if let Some(masked) = verdict(&edit, &server).text {
            prop_assert!(masked.len() <= text.len());
            prop_assert_eq!(masked.matches(' ').count(), text.matches(' ').count());
            let again = verdict(&Draft { text: &masked, ..edit }, &server);
            prop_assert_eq!(again.text, None, "{}", masked);
        }
    }
}
