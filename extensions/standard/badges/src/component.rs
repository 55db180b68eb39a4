//! The hooks `reactor` and `command`: the only file here that knows the sandbox.

wit_bindgen::generate!({
    inline: "
        package standard:badges;

        world badges {
          include tidings:extension/reactor-extension@0.1.0;
          include tidings:extension/command-extension@0.1.0;
        }
    ",
    path: "../../../wit",
    world: "standard:badges/badges",
    generate_all,
});

use exports::tidings::extension::command::{self, CommandError, Invocation};
use exports::tidings::extension::reactor::{self, Event, HookError};
use tidings::extension::context::Call;
use tidings::extension::kv_write::WriteError;
use tidings::extension::types::Refusal;
use tidings::extension::{config, effects, kv_read, kv_write};

use crate::count::{self, Server, Unanswered, Unreadable};

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

struct Badges;

export!(Badges);

/// The first thing that went wrong, after which the call does nothing.
#[derive(Default)]
struct Sandbox {
    wrong: Option<Wrong>,
}

enum Wrong {
    /// Another call was quicker: this one is to begin again.
    Stale,
    Refused(String),
}

impl Server for Sandbox {
    fn setting(&self, name: &str) -> Option<String> {
        config::get(name)
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        kv_read::get(key).map(|entry| (entry.value, entry.revision))
    }

    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str, revision: u64) {
        let written = match value {
            Some(value) => kv_write::set(key, value, Some(about), Some(revision)),
            None => kv_write::remove(key, Some(revision)),
        };
        if let Err(error) = written {
            self.wrong.get_or_insert(match error {
                WriteError::Stale(_) => Wrong::Stale,
                error => Wrong::Refused(format!("the store: {error:?}")),
            });
        }
    }

    fn show(&mut self, user: &str, badge: &str, number: u32) {
        if let Err(Refusal::Denied(why) | Refusal::Invalid(why) | Refusal::Exhausted(why)) =
            effects::badge(user, badge, number)
        {
            self.wrong
                .get_or_insert(Wrong::Refused(format!("the badge {badge}: {why}")));
        }
    }
}

impl reactor::Guest for Badges {
    fn on_event(_: &Call, event: &Event) -> Result<(), HookError> {
        let (kind, actor, subject) = (event.kind(), event.actor(), event.subject());
        let event = count::Event {
            kind: &kind,
            actor: actor.as_deref(),
            subject: subject.as_deref(),
        };
        let mut sandbox = Sandbox::default();
        count::react(&event, &mut sandbox).map_err(|Unreadable(name)| {
            HookError::Park(format!("the setting `{name}` is not what the schema says"))
        })?;
        match sandbox.wrong {
            None => Ok(()),
            Some(Wrong::Stale) => Err(HookError::Retry(Some(0))),
            Some(Wrong::Refused(why)) => Err(HookError::Park(why)),
        }
    }
}

impl command::Guest for Badges {
    fn invoke(_: &Call, invocation: &Invocation) -> Result<String, CommandError> {
        let mut sandbox = Sandbox::default();
        let (name, caller, args) = (invocation.name(), invocation.caller(), invocation.args());
        let answer = count::command(&name, &caller, &args, &mut sandbox).map_err(|unanswered| {
            match unanswered {
                Unanswered::Usage(what) => CommandError::Usage(what.to_owned()),
                Unanswered::Unknown => {
                    CommandError::Failed(format!("there is no command `{name}`"))
                }
            }
        })?;
        match sandbox.wrong {
            None => Ok(answer),
            Some(Wrong::Stale) => Err(CommandError::Unavailable),
            Some(Wrong::Refused(why)) => Err(CommandError::Failed(why)),
        }
    }
}
