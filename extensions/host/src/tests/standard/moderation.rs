//! `moderation`: verdicts on drafts of each kind, by its defaults and by settings.

use super::*;
use crate::input::DraftKind;
use crate::staged::{Decision, Verdict};

const MODERATION: &[u8] = include_bytes!("../../../../standard/built/moderation.wasm");

fn written(text: &str) -> Draft {
    Draft {
        first_contact: false,
        text_limit: 8 << 10,
        ..draft(text)
    }
}

async fn verdict(extension: &Extension, draft: Draft, product: &Arc<Product>) -> Verdict {
    let called = extension.review(about(), draft, product.clone()).await;
    called.result.expect("a verdict")
}

fn hold(reason: &str) -> Decision {
    Decision::Hold {
        reason: reason.to_owned(),
    }
}

fn reject(reason: &str) -> Decision {
    Decision::Reject {
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn drafts_of_each_kind_are_looked_at() {
    let moderation = standard(MODERATION, json!({}));
    assert!(moderation.has(Hook::Moderation) && !moderation.has(Hook::Reactor));
    let product = Arc::new(Product::default());
    let said = async |draft| verdict(&moderation, draft, &product).await;

    assert_eq!(
        said(written("Shall we meet in Scunthorpe at eight?")).await,
        Verdict::default()
    );
    let masked = said(written("what the f\u{200B}.u.c.k, see evil.com")).await;
    assert_eq!(
        masked.text.as_deref(),
        Some("what the ********, see ********")
    );
    assert_eq!(masked.labels, ["words", "links"]);
    assert_eq!(masked.decision, Decision::Allow);
    assert_eq!(
        said(written("du Schlampe")).await.decision,
        hold("Please put it in other words.")
    );
    let labelled = said(written("ruf mich an: 0170 1234567")).await;
    assert_eq!(
        (labelled.text, labelled.labels),
        (None, vec!["contacts".to_owned()])
    );

    let of_kind = |kind, text| Draft {
        kind,
        ..written(text)
    };
    let edit = said(of_kind(DraftKind::Edit, "oh fuck")).await;
    assert_eq!(edit.text.as_deref(), Some("oh ****"));
    // Names have no labels, and profiles no one text that could be another one.
    let name = said(of_kind(DraftKind::Name, "The shit group")).await;
    assert_eq!(
        (name.text.as_deref(), name.labels.len()),
        (Some("The **** group"), 0)
    );
    let profile = Draft {
        place: None,
        ..of_kind(DraftKind::Profile, "nice\nsee evil.com")
    };
    assert_eq!(
        said(profile).await.decision,
        hold("Links are not welcome here.")
    );
    let system = Draft {
        author: "system:shop".to_owned(),
        ..written("see evil.com")
    };
    assert_eq!(said(system).await, Verdict::default());
}

#[tokio::test]
async fn settings_decide() {
    let settings = json!({
        "actions": {"low": "hold", "medium": "reject", "high": "reject", "critical": "reject"},
        "words": {"languages": [], "medium": ["Geldanlage*"], "except": ["Geldanlagen-Museum"]},
        "links": {"severity": "medium", "allow": ["example.org"]},
        "contacts": {"phones": "off", "emails": "low"},
        "reasons": {"links": "Bitte keine Links.", "contacts": "Bitte hier bleiben."},
    });
    let moderation = standard(MODERATION, settings);
    let product = Arc::new(Product::default());
    let said = async |text| verdict(&moderation, written(text), &product).await.decision;
    assert_eq!(
        said("fuck, 0170 1234567, www.example.org/a").await,
        Decision::Allow
    );
    assert_eq!(said("evil.com").await, reject("Bitte keine Links."));
    assert_eq!(
        said("ann (at) example (dot) com").await,
        hold("Bitte hier bleiben.")
    );
    assert_eq!(said("ann@example.com").await, hold("Bitte hier bleiben."));
    assert_eq!(
        said("beste G-e-l-d-a-n-l-a-g-e-n").await,
        reject("Please put it in other words.")
    );
}

#[tokio::test]
async fn texts_and_messages_are_counted_by_author() {
    let settings = json!({"rates": {"severity": "critical", "messages_per_minute": 4}, "repeats": {"per_hour": 2}});
    let moderation = standard(MODERATION, settings);
    let product = Arc::new(Product::default());
    let said = async |author: &str, text: &str| {
        let draft = Draft {
            author: author.to_owned(),
            ..written(text)
        };
        verdict(&moderation, draft, &product).await.decision
    };
    for name in ["Anna", "Bea"] {
        let text = format!("Hello my dear {name}, how about a wonderful investment?");
        assert_eq!(said("ann", &text).await, Decision::Allow);
    }
    let third = "Hello my dear Cleo, how about a wonderful investment?";
    assert_eq!(
        said("ann", third).await,
        hold("You have sent this text too often.")
    );
    assert_eq!(said("bob", third).await, Decision::Allow);
    assert_eq!(said("ann", "fine").await, Decision::Allow);
    let too_much = "You are writing too much at a time. Please wait a little.";
    assert_eq!(said("ann", "fine").await, reject(too_much));
}

#[tokio::test]
async fn a_first_contact_is_looked_at_more_strictly() {
    let moderation = standard(MODERATION, json!({"rates": {"first_contacts_per_hour": 2}}));
    let product = Arc::new(Product::default());
    let said = async |text: &str| {
        let draft = Draft {
            first_contact: true,
            ..written(text)
        };
        verdict(&moderation, draft, &product).await
    };
    assert_eq!(
        said("insta: anna_99").await.text.as_deref(),
        Some("****** *******")
    );
    assert_eq!(
        said("see evil.com").await.decision,
        hold("Links are not welcome here.")
    );
    let third = said("hello").await.decision;
    assert_eq!(
        third,
        reject("You are writing too much at a time. Please wait a little.")
    );
}

/// However long and whatever it is: less than what a call may use if nothing else is said.
#[tokio::test]
async fn any_text_is_looked_at_within_the_limits() {
    let moderation = standard(MODERATION, json!({}));
    let product = Arc::new(Product::default());
    for piece in [
        "a ",
        "f u c k ",
        "é\u{301}",
        "傻",
        "1 2 ",
        "a.b@",
        "*a*b",
        "씨 발 ",
        "x dot com ",
    ] {
        let text = piece.repeat((8 << 10) / piece.len());
        let called = moderation
            .review(about(), written(&text), product.clone())
            .await;
        assert!(called.result.is_ok(), "{piece}: {:?}", called.result);
        assert!(
            called.usage.fuel < 500_000_000,
            "{piece}: {}",
            called.usage.fuel
        );
        assert!(
            called.usage.memory_peak < 16 << 20,
            "{piece}: {}",
            called.usage.memory_peak
        );
    }
}
