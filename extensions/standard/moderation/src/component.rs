//! The hook `moderation`: the only file here that knows the sandbox.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "moderation-extension",
});

use exports::tidings::extension::moderation::{Call, Draft, Guest, HookError};
use tidings::extension::drafts::DraftKind;
use tidings::extension::{config, metrics, rates};

use crate::review::{self, Server, Unreadable};

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

struct Moderation;

export!(Moderation);

struct Sandbox;

impl Server for Sandbox {
    fn setting(&self, name: &str) -> Option<String> {
        config::get(name)
    }

    /// A window that was not granted counts nothing: the other rules are of use all the same.
    fn count(&self, name: &str, key: &str, window_ms: u32) -> Option<u32> {
        rates::bump(name, key, window_ms, 1).ok()
    }
}

impl From<Unreadable> for HookError {
    fn from(Unreadable(name): Unreadable) -> Self {
        Self::Park(format!("the setting `{name}` is not what the schema says"))
    }
}

impl Guest for Moderation {
    fn review(_: &Call, draft: &Draft) -> Result<(), HookError> {
        let author = draft.author();
        if review::is_trusted(&author, &Sandbox)? {
            return Ok(());
        }
        let (kind, text) = (draft.kind(), draft.text());
        let verdict = review::review(
            &review::Draft {
                author: &author,
                text: &text,
                is_message: kind == DraftKind::Message,
                is_first_contact: draft.is_first_contact(),
                can_be_masked: kind != DraftKind::Profile,
            },
            &Sandbox,
        )?;
        if matches!(kind, DraftKind::Message | DraftKind::Edit) {
            for rule in &verdict.labels {
                drop(draft.add_label(rule.name()));
            }
        }
        for rule in &verdict.labels {
            metrics::count(rule.name(), 1);
        }
        if let Some(rule) = verdict.reject {
            draft.reject(&review::reason(rule, &Sandbox)?);
        } else if let Some(rule) = verdict.hold {
            draft.hold(&review::reason(rule, &Sandbox)?);
        }
        // What is held is held as it was written, for who decides about it to see.
        if let (Some(text), None, None) = (verdict.text, verdict.reject, verdict.hold)
            && draft.replace_text(&text).is_err()
        {
            draft.hold(&review::reason(verdict.labels[0], &Sandbox)?);
        }
        Ok(())
    }
}
