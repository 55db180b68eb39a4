//! The world as one call sees it: the side of the sandbox that a server has.

use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use tidings_extension_host::{
    Answer, Ask, Conversation, Entry, Host, Message, Presence, Refusal, Request, Staging,
};
use tidings_extension_manifest::{Manifest, View};

use super::{Involved, Room, World, admit};

/// The world as one call sees it.
pub struct Asked {
    world: Arc<Mutex<World>>,
    manifest: Arc<Manifest>,
    involved: Involved,
    /// What the call is about, for windows that count each once.
    about: String,
}

impl Asked {
    /// For a call about this.
    #[must_use]
    pub fn new(
        world: Arc<Mutex<World>>,
        manifest: Arc<Manifest>,
        involved: Involved,
        about: String,
    ) -> Self {
        Self {
            world,
            manifest,
            involved,
            about,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics with it")
    }

    /// Whether the manifest asks for the view.
    fn view(&self, view: View) -> Result<MutexGuard<'_, World>, Refusal> {
        if self.manifest.grants.views.contains(&view) {
            return Ok(self.world());
        }
        Err(Refusal::Denied(format!(
            "the manifest does not ask for it: add \"{}\" to grants.views",
            view.name()
        )))
    }

    fn in_room<T: Default>(
        &self,
        view: View,
        id: &str,
        read: impl FnOnce(&Room) -> T,
    ) -> Result<T, Ask> {
        let world = self.view(view)?;
        self.involved.conversation(&self.manifest, id)?;
        Ok(world.conversations.get(id).map(read).unwrap_or_default())
    }

    fn shown(&self, message: &Message) -> Message {
        let mut message = message.clone();
        if !self.manifest.grants.content {
            message.text = None;
        }
        message
    }
}

impl Host for Asked {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(self.world().position)
    }

    fn conversation(&self, id: &str) -> Result<Option<Conversation>, Ask> {
        let content = self.manifest.grants.content;
        self.in_room(View::GetConversation, id, |room| {
            Some(Conversation {
                id: id.to_owned(),
                kind: room.kind.clone(),
                title: if content {
                    room.title.clone()
                } else {
                    String::new()
                },
                context: room.context.clone(),
                members: u32::try_from(room.members.len()).unwrap_or(u32::MAX),
            })
        })
    }

    fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Ask> {
        self.in_room(View::Members, id, |room| {
            let behind = room
                .members
                .iter()
                .filter(|member| after.is_none_or(|after| member.as_str() > after));
            behind.take(limit as usize).cloned().collect()
        })
    }

    fn is_member(&self, id: &str, user: &str) -> Result<bool, Ask> {
        self.in_room(View::IsMember, id, |room| room.members.contains(user))
    }

    fn recent(&self, id: &str, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Ask> {
        self.in_room(View::Recent, id, |room| {
            let messages = room.messages.iter().rev();
            let before =
                messages.filter(|message| before.is_none_or(|before| message.seq < before));
            before
                .take(limit as usize)
                .map(|message| self.shown(message))
                .collect()
        })
    }

    fn unread(&self, id: &str, user: &str) -> Result<u32, Ask> {
        self.in_room(View::Unread, id, |room| {
            if !room.members.contains(user) {
                return 0;
            }
            let read = room.read.get(user).copied().unwrap_or(0);
            let unread = room.messages.iter();
            let unread = unread.filter(|message| message.seq > read && message.author != user);
            u32::try_from(unread.count()).unwrap_or(u32::MAX)
        })
    }

    fn presence(&self, user: &str) -> Result<Presence, Ask> {
        let world = self.view(View::Presence)?;
        self.involved.user(&self.manifest, user)?;
        Ok(world
            .users
            .get(user)
            .map_or(Presence::Offline, |user| user.presence))
    }

    fn profile_attribute(&self, user: &str, attribute: &str) -> Result<Option<String>, Ask> {
        let world = self.view(View::ProfileAttribute)?;
        self.involved.user(&self.manifest, user)?;
        let Some(user) = world.users.get(user) else {
            return Ok(None);
        };
        if user.private.contains_key(attribute)
            && !self.manifest.grants.attributes.contains(attribute)
        {
            let why = format!("`{attribute}` is not public: add it to grants.attributes");
            return Err(Refusal::Denied(why).into());
        }
        let value = user
            .profile
            .get(attribute)
            .or_else(|| user.private.get(attribute));
        Ok(value.map(ToString::to_string))
    }

    fn is_blocked_between(&self, one: &str, other: &str) -> Result<bool, Ask> {
        let world = self.view(View::IsBlockedBetween)?;
        self.involved.user(&self.manifest, one)?;
        self.involved.user(&self.manifest, other)?;
        let blocks = |one: &str, other: &str| {
            world
                .users
                .get(one)
                .is_some_and(|user| user.blocks.contains(other))
        };
        Ok(blocks(one, other) || blocks(other, one))
    }

    fn kv_get(&self, key: &str) -> Result<Option<Entry>, Ask> {
        let world = self.world();
        Ok(world.kv.get(key).map(|stored| entry(key, stored)))
    }

    fn kv_scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Ask> {
        let world = self.world();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let behind = world.kv.range::<str, _>((start, Bound::Unbounded));
        let fitting = behind.take_while(|(key, _)| key.starts_with(prefix));
        Ok(fitting
            .take(limit as usize)
            .map(|(key, stored)| entry(key, stored))
            .collect())
    }

    fn bump(&self, name: &str, key: &str, window_ms: u32, by: u32) -> Result<u32, Ask> {
        match self.manifest.rates.get(name) {
            Some(declared) if *declared == window_ms => {}
            Some(declared) => {
                let why = format!("the manifest says {declared} ms for `{name}`, not {window_ms}");
                return Err(Refusal::Invalid(why).into());
            }
            None => {
                let why = format!("the manifest declares no window `{name}` under [rates]");
                return Err(Refusal::Invalid(why).into());
            }
        }
        let mut world = self.world();
        let now = world.now;
        Ok(world.rates.bump(&self.about, name, key, window_ms, by, now))
    }

    fn has_secret(&self, name: &str) -> bool {
        let declared = self
            .manifest
            .secrets
            .iter()
            .any(|secret| secret.name == name);
        declared && self.world().secrets.contains(name)
    }

    fn has_metric(&self, name: &str) -> bool {
        self.manifest.metrics.contains(name)
    }

    fn admit(&self, staged: Staging<'_>) -> Result<(), Ask> {
        admit::admit(&self.world(), &self.manifest, &self.involved, &staged)
    }

    fn http(&self, request: Request) -> Answer {
        let answer = self.world().answer(&self.manifest, request);
        Box::pin(ready(answer))
    }
}

fn entry(key: &str, stored: &super::Entry) -> Entry {
    Entry {
        key: key.to_owned(),
        value: stored.value.clone(),
        revision: stored.revision,
    }
}
