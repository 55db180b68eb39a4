//! What is there when a case begins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tidings_extension_host::{HttpError, Presence, Response};

use super::duration::{duration, instant};
use super::fixture::offline;
use crate::world::{Room, Script, Timer, User, World};

/// When cases begin, if not said otherwise.
const NOW: &str = "2026-01-05T10:00:00Z";

/// What is there when a case begins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    #[serde(default = "now")]
    pub(super) now: String,
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, GivenUser>,
    #[serde(default)]
    pub(super) conversations: BTreeMap<String, GivenConversation>,
    #[serde(default)]
    pub(super) kv: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) timers: BTreeMap<String, GivenTimer>,
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    #[serde(default)]
    pub(super) http: Vec<GivenAnswer>,
    #[serde(default)]
    pub(super) held: Vec<String>,
}

fn now() -> String {
    NOW.to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenUser {
    #[serde(default = "offline")]
    pub(super) presence: String,
    #[serde(default)]
    pub(super) profile: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) private: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) blocks: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenConversation {
    #[serde(default = "group")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) context: String,
    #[serde(default)]
    pub(super) members: Vec<String>,
    #[serde(default)]
    pub(super) messages: Vec<GivenMessage>,
    /// Up to which number somebody has read.
    #[serde(default)]
    pub(super) read: BTreeMap<String, u64>,
}

fn group() -> String {
    "group".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenMessage {
    pub(super) author: String,
    pub(super) text: String,
    /// How long before the case begins.
    #[serde(default = "minute")]
    pub(super) ago: String,
    pub(super) reply_to: Option<u64>,
    #[serde(default)]
    pub(super) mentions: Vec<String>,
}

fn minute() -> String {
    "1m".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenTimer {
    #[serde(rename = "in")]
    pub(super) after: String,
    #[serde(default)]
    pub(super) payload: String,
    pub(super) subject: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenAnswer {
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default = "fine")]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Text as it is, anything else as JSON.
    pub(super) body: Option<Value>,
    /// There is no response: timeout, too-large, circuit-open or transport.
    pub(super) fails: Option<String>,
    pub(super) times: Option<u32>,
}

fn get() -> String {
    "GET".to_owned()
}

fn fine() -> u16 {
    200
}

impl Given {
    /// A world in which this is so.
    pub(super) fn world(&self) -> Result<World, String> {
        let mut world = World::default();
        world.now = instant(&self.now)?;
        world.secrets = self.secrets.iter().cloned().collect();
        world.held = self.held.iter().cloned().collect();
        for (id, user) in &self.users {
            world.users.insert(id.clone(), user.user()?);
        }
        for (id, conversation) in &self.conversations {
            let room = conversation.room(id, world.now)?;
            world.conversations.insert(id.clone(), room);
        }
        for (key, value) in &self.kv {
            world.set(key, Some(bytes(value)), None);
        }
        for (key, timer) in &self.timers {
            let timer = Timer {
                when: world.now + duration(&timer.after)?,
                payload: timer.payload.clone().into_bytes(),
                subject: timer.subject.clone(),
            };
            world.timers.insert(key.clone(), timer);
        }
        for answer in &self.http {
            world.http.push(answer.script()?);
        }
        Ok(world)
    }
}

impl GivenUser {
    fn user(&self) -> Result<User, String> {
        Ok(User {
            presence: presence(&self.presence)?,
            profile: self.profile.clone(),
            private: self.private.clone(),
            blocks: self.blocks.iter().cloned().collect(),
        })
    }
}

impl GivenConversation {
    fn room(&self, id: &str, now: u64) -> Result<Room, String> {
        let mut room = Room {
            kind: self.kind.clone(),
            title: self.title.clone(),
            context: self.context.clone(),
            members: self.members.iter().cloned().collect(),
            messages: Vec::new(),
            read: self.read.clone(),
        };
        for (index, given) in self.messages.iter().enumerate() {
            let at = now.saturating_sub(duration(&given.ago)?);
            let message = format!("{id}-message-{}", index + 1);
            let message = room.post(message, id, at, &given.author, &given.text);
            message.reply_to = given.reply_to;
            message.mentions.clone_from(&given.mentions);
        }
        Ok(room)
    }
}

impl GivenAnswer {
    fn script(&self) -> Result<Script, String> {
        let answer = match self.fails.as_deref() {
            None => {
                let headers = self.headers.iter();
                Ok(Response {
                    status: self.status,
                    headers: headers
                        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                        .collect(),
                    body: self.body.as_ref().map(bytes).unwrap_or_default(),
                })
            }
            Some("timeout") => Err(HttpError::Timeout),
            Some("too-large") => Err(HttpError::TooLarge),
            Some("circuit-open") => Err(HttpError::CircuitOpen),
            Some("transport") => Err(HttpError::Transport("as the case says".to_owned())),
            Some(other) => {
                return Err(format!(
                    "http: it cannot fail by `{other}`: there are timeout, too-large, circuit-open and transport"
                ));
            }
        };
        Ok(Script {
            method: self.method.clone(),
            url: self.url.clone(),
            answer,
            times: self.times,
        })
    }
}

/// Text as it is, anything else as JSON.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        value => value.to_string().into_bytes(),
    }
}

/// As in the WIT package.
pub(super) fn presence(name: &str) -> Result<Presence, String> {
    match name {
        "available" => Ok(Presence::Available),
        "away" => Ok(Presence::Away),
        "offline" => Ok(Presence::Offline),
        other => Err(format!(
            "nobody is `{other}`: there are available, away and offline"
        )),
    }
}
