//! The hook `reactor`: the only file here that knows the sandbox.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "reactor-extension",
});

use std::sync::OnceLock;

use exports::tidings::extension::reactor::{Call, Event, Guest, HookError};
use tidings::extension::types::{PresenceState, Refusal};
use tidings::extension::{config, effects, kv_read, kv_write, log, metrics, views};

use crate::react::{self, Server, Toast};
use crate::settings::{Settings, Unreadable};

struct Toasts;

export!(Toasts);

/// Read by the first call: an instance has the same settings as long as it is there.
static SETTINGS: OnceLock<Result<Settings, Unreadable>> = OnceLock::new();

fn settings() -> Result<&'static Settings, HookError> {
    let settings = SETTINGS.get_or_init(|| Settings::read(config::get));
    settings.as_ref().map_err(|Unreadable(name)| {
        HookError::Park(format!("the setting `{name}` is not what the schema says"))
    })
}

/// What the server refused is told the operator; the rest is done all the same.
#[derive(Default)]
struct Sandbox {
    unwritten: Option<HookError>,
}

fn refused(what: &str, refusal: &Refusal) {
    let (Refusal::Denied(why) | Refusal::Invalid(why) | Refusal::Exhausted(why)) = refusal;
    log::warn(&format!("{what}: {why}"));
}

impl Server for Sandbox {
    fn attribute(&self, user: &str, attribute: &str) -> Option<String> {
        views::profile_attribute(user, attribute).unwrap_or_else(|refusal| {
            refused("a profile", &refusal);
            None
        })
    }

    fn members(&self, conversation: &str, limit: u32) -> Vec<String> {
        views::members(conversation, None, limit).unwrap_or_else(|refusal| {
            refused("members", &refusal);
            Vec::new()
        })
    }

    fn is_here(&self, user: &str) -> bool {
        views::presence(user).is_ok_and(|presence| presence != PresenceState::Offline)
    }

    fn load(&self, key: &str) -> Option<Vec<u8>> {
        // A key longer than the store takes, of two long ids, was never written.
        kv_read::get(key).map(|entry| entry.value)
    }

    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str) {
        let written = match value {
            Some(value) => kv_write::set(key, value, Some(about), None),
            None => kv_write::remove(key, None),
        };
        if let Err(error) = written {
            self.unwritten = Some(HookError::Park(format!("the store: {error:?}")));
        }
    }

    fn show(&mut self, toast: Toast) {
        let staged = effects::toast(&toast.user, &toast.title, &toast.body).and_then(|staged| {
            staged.collapse(&toast.collapse)?;
            staged.about_user(&toast.about_user)?;
            if let Some(conversation) = &toast.about_conversation {
                staged.about_conversation(conversation)?;
            }
            if let Some(link) = &toast.link {
                staged.link(link)?;
            }
            staged.expire_after(toast.expire_after_ms)
        });
        match staged {
            Ok(()) => metrics::count("shown", 1),
            Err(refusal) => refused("a toast", &refusal),
        }
    }
}

impl Guest for Toasts {
    fn on_event(_: &Call, event: &Event) -> Result<(), HookError> {
        let (kind, payload) = (event.kind(), event.payload());
        let (actor, subject, conversation) = (event.actor(), event.subject(), event.conversation());
        let mut sandbox = Sandbox::default();
        let event = react::Event {
            kind: &kind,
            actor: actor.as_deref(),
            subject: subject.as_deref(),
            conversation: conversation.as_deref(),
            at: event.at(),
            payload: &payload,
        };
        react::react(&event, settings()?, &mut sandbox);
        sandbox.unwritten.map_or(Ok(()), Err)
    }
}
