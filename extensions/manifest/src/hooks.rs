//! The hooks, and what each has to say beside that it is there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// A hook of which nothing needs to be said but that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// The hook `moderation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moderation {
    /// What it looks at.
    pub kinds: BTreeSet<DraftKind>,
    /// What becomes of a draft whose review fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What a draft is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DraftKind {
    /// A new message.
    Message,
    /// A new text of a message.
    Edit,
    /// A name others read.
    Name,
    /// The profile of a user.
    Profile,
}

impl DraftKind {
    /// As in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Name => "name",
            Self::Profile => "profile",
        }
    }
}

/// What becomes of a draft whose review fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It goes through.
    Allow,
    /// It waits for a moderator; a name or a profile is refused.
    #[default]
    Hold,
    /// It is refused.
    Reject,
}

/// The hook `reactor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reactor {
    /// The kinds of events it is told, those of the table in `wit/reactor.wit`.
    pub events: BTreeSet<Subscription>,
}

/// A kind of event that a reactor is told: `message_posted`, or `ext.quiz.answered@2` for another schema than the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// Which kind.
    pub kind: String,
    /// In which schema.
    pub schema: u32,
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.schema {
            1 => f.write_str(&self.kind),
            schema => write!(f, "{}@{schema}", self.kind),
        }
    }
}

impl FromStr for Subscription {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, schema) = match text.split_once('@') {
            None => (text, Ok(1)),
            Some((kind, schema)) => (kind, schema.parse()),
        };
        match schema {
            Ok(schema) if schema > 0 => Ok(Self {
                kind: kind.to_owned(),
                schema,
            }),
            _ => Err(format!(
                "`{text}`: behind the @ stands the number of a schema, from 1"
            )),
        }
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Kinds of events of the server's own.
pub const EVENT_KINDS: [&str; 21] = [
    "contact_added",
    "contact_removed",
    "conversation_started",
    "member_joined",
    "member_left",
    "member_removed",
    "message_edited",
    "message_held",
    "message_posted",
    "message_rejected",
    "message_released",
    "message_retracted",
    "profile_removed",
    "profile_set",
    "reaction_added",
    "reaction_removed",
    "role_changed",
    "title_changed",
    "user_blocked",
    "user_erased",
    "user_unblocked",
];

/// A command that can be called by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Who may call it.
    pub callers: Callers,
    /// What it does, for who calls it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// A JSON Schema of an object that the arguments fit; without one any object does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
}

/// Who may call a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callers {
    /// The backend alone.
    Backend,
    /// Clients, for their users, and the backend.
    Clients,
}
