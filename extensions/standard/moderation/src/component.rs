//! The hook `moderation`: the only file here that knows the sandbox.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "moderation-extension",
});

use std::sync::OnceLock;

use exports::tidings::extension::moderation::{Call, Draft, Guest, HookError};
use tidings::extension::drafts::DraftKind;
use tidings::extension::{config, metrics, rates};

use crate::review::{self, Rules, Windows};
use crate::settings::{Settings, Unreadable};

struct Moderation;

export!(Moderation);

/// Made by the first call: an instance has the same settings as long as it is there.
static RULES: OnceLock<Result<Rules, Unreadable>> = OnceLock::new();

fn rules() -> Result<&'static Rules, HookError> {
    let rules = RULES.get_or_init(|| Ok(Rules::new(Settings::read(config::get)?)));
    rules.as_ref().map_err(|Unreadable(name)| {
        HookError::Park(format!("the setting `{name}` is not what the schema says"))
    })
}

struct Sandbox;

impl Windows for Sandbox {
    /// A window that was not granted counts nothing: the other rules are of use all the same.
    fn count(&self, name: &str, key: &str, window_ms: u32) -> Option<u32> {
        rates::bump(name, key, window_ms, 1).ok()
    }
}

impl Guest for Moderation {
    fn review(_: &Call, draft: &Draft) -> Result<(), HookError> {
        let (rules, author) = (rules()?, draft.author());
        if rules.is_trusted(&author) {
            return Ok(());
        }
        let (kind, text) = (draft.kind(), draft.text());
        let verdict = rules.review(
            &review::Draft {
                author: &author,
                text: &text,
                is_message: kind == DraftKind::Message,
                is_first_contact: draft.is_first_contact(),
                can_be_masked: kind != DraftKind::Profile,
            },
            &Sandbox,
        );
        if matches!(kind, DraftKind::Message | DraftKind::Edit) {
            for rule in &verdict.labels {
                drop(draft.add_label(rule.name()));
            }
        }
        for rule in &verdict.labels {
            metrics::count(rule.name(), 1);
        }
        if let Some(rule) = verdict.reject {
            draft.reject(rules.reason(rule));
        } else if let Some(rule) = verdict.hold {
            draft.hold(rules.reason(rule));
        }
        // What is held is held as it was written, for who decides about it to see.
        if let (Some(text), None, None) = (verdict.text, verdict.reject, verdict.hold)
            && draft.replace_text(&text).is_err()
        {
            draft.hold(rules.reason(verdict.labels[0]));
        }
        Ok(())
    }
}
