//! What an extension asks for, in sentences for who decides about it.

use std::fmt;

use crate::grants::{EffectKind, Reach, View};
use crate::hooks::{Callers, DraftKind, OnFailure};
use crate::manifest::{Instances, Manifest};

/// One thing that an extension asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Names it: two versions ask for the same if this is the same, however it is put.
    pub key: String,
    /// In words.
    pub sentence: String,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

fn ask(key: impl Into<String>, sentence: impl Into<String>) -> Ask {
    Ask {
        key: key.into(),
        sentence: sentence.into(),
    }
}

impl Manifest {
    /// Everything it asks for, what weighs most last: what it is called at, what it reads, what it does, whom it asks.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        let mut asks = self.called_at();
        asks.extend(self.reads());
        asks.extend(self.does());
        asks.extend(self.beyond());
        asks.extend(self.kept());
        asks
    }

    fn called_at(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        if let Some(moderation) = &self.moderation {
            asks.extend(moderation.kinds.iter().map(|kind| {
                let what = match kind {
                    DraftKind::Message => "every message",
                    DraftKind::Edit => "every edit of a message",
                    DraftKind::Name => "every title of a group",
                    DraftKind::Profile => "every profile",
                };
                let sentence =
                    format!("Reads {what} before it is recorded; may hold, refuse or change it.");
                ask(format!("moderation.{}", kind.name()), sentence)
            }));
            let (name, outcome) = match moderation.on_failure {
                OnFailure::Allow => ("allow", "goes through"),
                OnFailure::Hold => ("hold", "is held"),
                OnFailure::Reject => ("reject", "is refused"),
            };
            let sentence = format!("What it fails to review {outcome}.");
            asks.push(ask(format!("moderation.on_failure.{name}"), sentence));
        }
        for event in self.reactor.iter().flat_map(|reactor| &reactor.events) {
            let sentence = format!("Is told of each `{event}`.");
            asks.push(ask(format!("reactor.{event}"), sentence));
        }
        let plain = [
            (
                &self.presence_watcher,
                "presence-watcher",
                "Is told who comes, goes and turns away.",
            ),
            (
                &self.recall,
                "recall",
                "Decides how people who are absent are called back.",
            ),
            (
                &self.timer,
                "timer",
                "Sets timers and is called when they fire.",
            ),
            (
                &self.ranker,
                "ranker",
                "Orders the people on result pages, and sees who is shown to whom.",
            ),
        ];
        for (hook, name, sentence) in plain {
            if hook.is_some() {
                asks.push(ask(name, sentence));
            }
        }
        for (name, command) in &self.command {
            // Clients can do all that a backend can: who may call it is what widens.
            asks.push(ask(
                format!("command.{name}.backend"),
                format!("The backend can call `{name}`."),
            ));
            if command.callers == Callers::Clients {
                asks.push(ask(
                    format!("command.{name}.clients"),
                    format!("Every user can call `{name}`."),
                ));
            }
        }
        asks
    }

    fn reads(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        let grants = &self.grants;
        if grants.content {
            let sentence = "Reads what people write: messages, titles, profiles, reasons, and what is in the product's events.";
            asks.push(ask("content", sentence));
        }
        for view in &grants.views {
            let sentence = match view {
                View::GetConversation => "Looks up conversations: kind, title, size.",
                View::Members => "Lists the members of conversations.",
                View::IsMember => "Asks whether somebody is a member of a conversation.",
                View::Recent => "Looks up the latest messages of conversations.",
                View::Unread => "Asks how much somebody has not read.",
                View::Presence => "Asks whether somebody is here.",
                View::ProfileAttribute => "Reads public attributes of profiles.",
                View::IsBlockedBetween => "Asks whether one of two blocks the other.",
            };
            asks.push(ask(format!("view.{}", view.name()), sentence));
        }
        for attribute in &grants.attributes {
            let sentence = format!(
                "Reads the attribute `{attribute}` of profiles, also where it is not public."
            );
            asks.push(ask(format!("attribute.{attribute}"), sentence));
        }
        if grants.users == Reach::All {
            let sentence = "May look at and act on all users, not only those a call is about.";
            asks.push(ask("reach.users", sentence));
        }
        if grants.conversations == Reach::All {
            let sentence =
                "May look at and act on all conversations, not only the one a call is about.";
            asks.push(ask("reach.conversations", sentence));
        }
        asks
    }

    fn does(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        for effect in &self.grants.effects {
            let sentence = match effect {
                EffectKind::Toast => "Shows notices on people's screens.",
                EffectKind::Badge => "Sets badges on people's screens.",
                EffectKind::Push => "Wakes people's devices.",
                EffectKind::Notify => "Has the product's backend reach people.",
                EffectKind::Post => "Posts messages under its own name.",
                EffectKind::Label => "Puts labels on messages.",
                EffectKind::Settle => "Releases or rejects what it held.",
                EffectKind::Emit => "Records events of its own.",
            };
            asks.push(ask(format!("effect.{}", effect.name()), sentence));
        }
        for channel in &self.channels {
            let sentence = format!("Has people reached by `{channel}`.");
            asks.push(ask(format!("channel.{channel}"), sentence));
        }
        asks
    }

    fn kept(&self) -> Option<Ask> {
        let sentence = "Keeps its memory from one call to the next: what it was told of one user may turn up in what it does for another.";
        (self.instances == Instances::Warm).then(|| ask("instances.warm", sentence))
    }

    fn beyond(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        for secret in &self.secrets {
            let sentence = format!(
                "Uses the secret `{}`, without seeing it: {}",
                secret.name, secret.reason
            );
            asks.push(ask(format!("secret.{}", secret.name), sentence));
        }
        for http in &self.http {
            let sentence = format!("Talks to {}: {}", http.host, http.reason);
            asks.push(ask(format!("http.{}", http.host), sentence));
            if http.plain {
                let sentence = format!("Talks to {} without encryption.", http.host);
                asks.push(ask(format!("http.{}.plain", http.host), sentence));
            }
        }
        asks
    }
}
