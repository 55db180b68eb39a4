//! What an extension sees of the server while it runs, as far as it was granted.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use futures_util::FutureExt as _;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tidings_core::{
    content,
    domain::{ConversationId, Kind, UserId},
    keys::KeyId,
    presence::record::State,
    projections::{
        ReadError,
        read::{self, MessageView, Text},
        rows::extensions as rows,
    },
};
use tidings_extension_host::{
    Answer, Ask, Conversation, Entry, Host, Message, Presence, Refusal, Request, Staging,
    staged::{Effect, PostTo},
};
use tidings_extension_manifest::{EffectKind, Reach, View};
use uuid::Uuid;

use crate::{
    acting::One,
    deliveries,
    rates::{Added, Look},
    sealing,
    server::Shared,
};

/// How often posts and events of extensions may follow from each other.
pub(crate) const DEPTH: u8 = 3;

/// What a call is about: views and effects reach so far, if the manifest does not ask for more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Involved {
    pub(crate) users: HashSet<UserId>,
    pub(crate) conversations: HashSet<ConversationId>,
}

/// What is in an extension's store after runs that are not recorded yet.
#[derive(Default)]
pub(crate) struct Overlay {
    /// By key: the value and its revision, or that it is gone.
    pub(crate) kv: BTreeMap<String, Option<(Vec<u8>, u64)>>,
    /// Bytes that they add to the store.
    pub(crate) bytes: u64,
    /// Timers that they add.
    pub(crate) timers: u64,
}

/// The host of one call.
pub(crate) struct Views {
    pub(crate) shared: Arc<Shared>,
    pub(crate) one: Arc<One>,
    pub(crate) involved: Involved,
    pub(crate) overlay: Option<Arc<Mutex<Overlay>>>,
    /// Of a draft.
    pub(crate) rates: Option<Rating>,
    pub(crate) now_ms: u64,
    /// How many extensions' doings what the call is about follows from.
    pub(crate) depth: u8,
    /// Keys that were not at hand: the call is to be made again once they are.
    pub(crate) missing: Mutex<Vec<KeyId>>,
    /// Bytes that this call adds to the store, by key; fewer than none where it takes some away.
    pub(crate) adds: Mutex<HashMap<String, i64>>,
}

/// What a draft has been counted with.
pub(crate) struct Rating {
    pub(crate) added: Arc<Added>,
    pub(crate) seen: Mutex<HashMap<(String, String), u32>>,
}

impl Views {
    /// Fetches the keys that were not at hand. False if there were none.
    pub(crate) async fn fetch(&self) -> bool {
        let missing = std::mem::take(&mut *self.missing.lock());
        if missing.is_empty() {
            return false;
        }
        match self.shared.node.keys.get(&missing).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "keys of what an extension reads cannot be had");
                false
            }
        }
    }

    fn needs(&self, view: View) -> Result<(), Ask> {
        match self.one.manifest.grants.views.contains(&view) {
            true => Ok(()),
            false => Err(denied(format!(
                "the manifest does not ask for the view `{}`",
                view.name()
            ))),
        }
    }

    fn conversation_id(&self, id: &str) -> Result<ConversationId, Ask> {
        let parsed = Uuid::parse_str(id).map(ConversationId);
        let id = parsed.map_err(|_| invalid(format!("{id:?} is no conversation's id")))?;
        let involved = self.involved.conversations.contains(&id);
        match involved || self.one.manifest.grants.conversations == Reach::All {
            true => Ok(id),
            false => Err(denied(
                "the call is not about this conversation: `grants.conversations = \"all\"` reaches all".to_owned(),
            )),
        }
    }

    fn user_id(&self, user: &str) -> Result<UserId, Ask> {
        let user = UserId::new(user).map_err(|error| invalid(error.to_string()))?;
        if self.one.manifest.grants.users == Reach::All || self.involved.users.contains(&user) {
            return Ok(user);
        }
        let rows = self.shared.node.projections.read();
        for id in &self.involved.conversations {
            let member = read::member(&rows, *id, &user).map_err(failed)?;
            if member.is_some_and(|member| member.role.is_some()) {
                return Ok(user);
            }
        }
        Err(denied(
            "the call is not about this user: `grants.users = \"all\"` reaches all".to_owned(),
        ))
    }

    /// Opens what it may read, if the keys are at hand.
    fn open(&self, messages: &mut [MessageView]) -> Result<(), Ask> {
        if !self.one.manifest.grants.content {
            return Ok(());
        }
        let keys = &*self.shared.node.keys;
        let wanted = messages
            .iter()
            .filter(|message| matches!(message.text, Text::Sealed { .. }));
        let missing: Vec<KeyId> = wanted
            .map(MessageView::key)
            .filter(|key| keys.cached(key).is_none())
            .collect();
        if !missing.is_empty() && keys.get(&missing).now_or_never().is_none() {
            self.missing.lock().extend(missing);
            return Err(Ask::Failed("keys are not at hand".to_owned()));
        }
        match content::open_messages(keys, messages).now_or_never() {
            Some(opened) => opened.map_err(|error| Ask::Failed(error.to_string())),
            None => Err(Ask::Failed("keys are not at hand".to_owned())),
        }
    }

    fn entry(&self, key: String, kv: &rows::Kv) -> Result<Option<Entry>, Ask> {
        let keys = &*self.shared.node.keys;
        let opened = sealing::open_at_hand(keys, &self.one.id, &key, &kv.value);
        match opened {
            Ok(value) => Ok(value.map(|value| Entry {
                key,
                value,
                revision: kv.revision,
            })),
            Err(missing) => {
                self.missing.lock().extend(missing);
                Err(Ask::Failed("keys are not at hand".to_owned()))
            }
        }
    }

    fn may(&self, effect: EffectKind) -> Result<(), Ask> {
        match self.one.manifest.grants.effects.contains(&effect) {
            true => Ok(()),
            false => Err(denied(format!(
                "the manifest does not ask for the effect `{}`",
                effect.name()
            ))),
        }
    }

    fn shallow(&self) -> Result<(), Ask> {
        match self.depth < DEPTH {
            true => Ok(()),
            false => Err(exhausted(format!(
                "what this follows from is {DEPTH} extensions deep already"
            ))),
        }
    }

    fn admit_effect(&self, effect: &Effect) -> Result<(), Ask> {
        match effect {
            Effect::Toast(toast) => {
                self.may(EffectKind::Toast)?;
                self.user_id(&toast.user)?;
                if let Some(about) = &toast.about_user {
                    self.user_id(about)?;
                }
                if let Some(about) = &toast.about_conversation {
                    self.conversation_id(about)?;
                }
            }
            Effect::Badge { user, name, .. } => {
                self.may(EffectKind::Badge)?;
                self.user_id(user)?;
                if !self.one.manifest.badges.contains(name) {
                    return Err(invalid(format!("the manifest declares no badge `{name}`")));
                }
            }
            Effect::Push(push) => {
                self.may(EffectKind::Push)?;
                self.user_id(&push.user)?;
                if !deliveries::fits(&deliveries::push(push, self.now_ms).to_string()) {
                    return Err(invalid(
                        "title, body, link and collapse key are too long together".to_owned(),
                    ));
                }
            }
            Effect::Notify {
                user,
                channel,
                payload,
                ..
            } => {
                self.may(EffectKind::Notify)?;
                self.user_id(user)?;
                if !self.one.manifest.channels.contains(channel) {
                    return Err(invalid(format!(
                        "the manifest declares no channel `{channel}`"
                    )));
                }
                let payload: Result<serde_json::Map<_, _>, _> = serde_json::from_str(payload);
                payload
                    .map_err(|error| invalid(format!("the payload is no JSON object: {error}")))?;
            }
            Effect::Post(post) => {
                self.may(EffectKind::Post)?;
                self.shallow()?;
                match &post.to {
                    PostTo::Conversation(id) => drop(self.conversation_id(id)?),
                    PostTo::User(user) => drop(self.user_id(user)?),
                }
                let limit = self.shared.node.config.limits.text_bytes;
                if post.text.is_empty() || post.text.len() > limit {
                    return Err(invalid(format!(
                        "the text has {} bytes: 1 to {limit}",
                        post.text.len()
                    )));
                }
            }
            Effect::Label { conversation, .. } => {
                self.may(EffectKind::Label)?;
                self.conversation_id(conversation)?;
            }
            Effect::Release { held } | Effect::Reject { held, .. } => {
                self.may(EffectKind::Settle)?;
                if crate::events::held(held).is_none() {
                    return Err(invalid(format!("{held:?} is no draft's id")));
                }
            }
            Effect::Emit {
                kind,
                schema,
                payload,
                subject,
                ..
            } => {
                self.may(EffectKind::Emit)?;
                self.shallow()?;
                if let Some(subject) = subject {
                    self.user_id(subject)?;
                }
                let payload = serde_json::from_str(payload)
                    .map_err(|error| invalid(format!("the payload is no JSON: {error}")))?;
                let checked = self.one.manifest.check_emit(kind, *schema, &payload);
                checked.map_err(|error| invalid(error.to_string()))?;
            }
        }
        Ok(())
    }
}

fn denied(why: String) -> Ask {
    Ask::Refused(Refusal::Denied(why))
}

fn invalid(why: String) -> Ask {
    Ask::Refused(Refusal::Invalid(why))
}

fn exhausted(why: String) -> Ask {
    Ask::Refused(Refusal::Exhausted(why))
}

fn failed(error: ReadError) -> Ask {
    Ask::Failed(error.to_string())
}

/// A message as extensions know it, with its text if that is open.
pub(crate) fn message(view: &MessageView) -> Message {
    Message {
        id: crate::events::draft_id(view.conversation, view.command),
        conversation: view.conversation.to_string(),
        seq: view.seq,
        author: view.author.to_string(),
        at: view.at_ms,
        text: match &view.text {
            Text::Open(text) => Some(text.clone()),
            Text::Sealed { .. } | Text::Retracted | Text::Erased => None,
        },
        reply_to: (view.reply_to != 0).then_some(view.reply_to),
        mentions: view.mentions.iter().map(ToString::to_string).collect(),
    }
}

/// Its name among extensions.
pub(crate) fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Direct { .. } => "direct",
        Kind::Group { .. } => "group",
    }
}

/// A state among extensions.
pub(crate) fn presence(state: State) -> Presence {
    match state {
        State::Available => Presence::Available,
        State::Away => Presence::Away,
        State::Offline => Presence::Offline,
    }
}

impl Host for Views {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(self.shared.node.projections.cursor())
    }

    fn conversation(&self, id: &str) -> Result<Option<Conversation>, Ask> {
        self.needs(View::GetConversation)?;
        let id = self.conversation_id(id)?;
        let row = read::row(&self.shared.node.projections.read(), id).map_err(failed)?;
        Ok(row.map(|row| Conversation {
            id: id.to_string(),
            kind: kind(&row.kind).to_owned(),
            title: match self.one.manifest.grants.content {
                true => row.title,
                false => String::new(),
            },
            context: match &row.kind {
                Kind::Direct { context, .. } => context.clone(),
                Kind::Group { .. } => String::new(),
            },
            members: row.member_count,
        }))
    }

    fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Ask> {
        self.needs(View::Members)?;
        let id = self.conversation_id(id)?;
        let rows = self.shared.node.projections.read();
        let after = after.unwrap_or_default();
        let mut found = Vec::new();
        // Of a direct conversation they are known: no need to look through the rows.
        let row = read::row(&rows, id).map_err(failed)?;
        if let Some(Kind::Direct { pair, .. }) = row.map(|row| row.kind) {
            for user in [pair.0, pair.1] {
                let member = read::member(&rows, id, &user).map_err(failed)?;
                let is_there = member.is_some_and(|member| member.role.is_some());
                if is_there && *user > *after && found.len() < limit as usize {
                    found.push(user.to_string());
                }
            }
            return Ok(found);
        }
        read::each_member(&rows, id, after, &mut |user, member| {
            if member.role.is_some() {
                found.push(user.to_owned());
            }
            match found.len() >= limit as usize {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
        .map_err(failed)?;
        Ok(found)
    }

    fn is_member(&self, id: &str, user: &str) -> Result<bool, Ask> {
        self.needs(View::IsMember)?;
        let id = self.conversation_id(id)?;
        let rows = self.shared.node.projections.read();
        let member = read::member(&rows, id, user).map_err(failed)?;
        Ok(member.is_some_and(|member| member.role.is_some()))
    }

    fn recent(&self, id: &str, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Ask> {
        self.needs(View::Recent)?;
        let id = self.conversation_id(id)?;
        let mut found = Vec::new();
        {
            let rows = self.shared.node.projections.read();
            let last = read::row(&rows, id)
                .map_err(failed)?
                .map_or(0, |row| row.last_seq);
            let from = before.map_or(last, |before| last.min(before.saturating_sub(1)));
            for seq in (1..=from).rev().take(limit as usize) {
                found.extend(read::stored_message(&rows, id, seq).map_err(failed)?);
            }
        }
        self.open(&mut found)?;
        Ok(found.iter().map(message).collect())
    }

    fn unread(&self, id: &str, user: &str) -> Result<u32, Ask> {
        self.needs(View::Unread)?;
        let id = self.conversation_id(id)?;
        let user = self.user_id(user)?;
        let rows = self.shared.node.projections.read();
        let viewer = read::Viewer::load(&rows, &user).map_err(failed)?;
        let view = read::conversation(&rows, self.shared.node.projections.cursor(), &viewer, id);
        let unread = view.map_err(failed)?.map_or(0, |view| view.unread);
        Ok(u32::try_from(unread).unwrap_or(u32::MAX))
    }

    fn presence(&self, user: &str) -> Result<Presence, Ask> {
        self.needs(View::Presence)?;
        let user = self.user_id(user)?;
        // As somebody sees it whom nobody blocks.
        let seen = self
            .shared
            .node
            .presence
            .seen(Some(&self.one.id.account()), &user);
        Ok(presence(seen.map_err(failed)?.state))
    }

    fn profile_attribute(&self, user: &str, attribute: &str) -> Result<Option<String>, Ask> {
        self.needs(View::ProfileAttribute)?;
        let user = self.user_id(user)?;
        let named = self.one.manifest.grants.attributes.contains(attribute);
        if !named && !(self.shared.is_public)(attribute) {
            return Err(denied(format!(
                "`{attribute}` is not public: name it in `grants.attributes`"
            )));
        }
        let view = {
            let rows = self.shared.node.projections.read();
            read::profile(&rows, &user).map_err(failed)?
        };
        let keys = &*self.shared.node.keys;
        let mut views = [view];
        let opened = content::open_profiles(keys, &mut views).now_or_never();
        match opened {
            Some(opened) => opened.map_err(|error| Ask::Failed(error.to_string()))?,
            None => {
                self.missing.lock().push(KeyId::User(user.shared()));
                return Err(Ask::Failed("keys are not at hand".to_owned()));
            }
        }
        let [view] = views;
        let Some(Text::Open(text)) = view.set.map(|set| set.text) else {
            return Ok(None);
        };
        let profile: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(profile.get(attribute).map(ToString::to_string))
    }

    fn is_blocked_between(&self, one: &str, other: &str) -> Result<bool, Ask> {
        self.needs(View::IsBlockedBetween)?;
        let (one, other) = (self.user_id(one)?, self.user_id(other)?);
        let rows = self.shared.node.projections.read();
        let viewer = read::Viewer::load(&rows, &one).map_err(failed)?;
        let theirs = read::Viewer::load(&rows, &other).map_err(failed)?;
        Ok(viewer.blocks(&other) || theirs.blocks(&one))
    }

    fn kv_get(&self, key: &str) -> Result<Option<Entry>, Ask> {
        if let Some(overlay) = &self.overlay
            && let Some(known) = overlay.lock().kv.get(key)
        {
            return Ok(known.as_ref().map(|(value, revision)| Entry {
                key: key.to_owned(),
                value: value.clone(),
                revision: *revision,
            }));
        }
        let row = {
            let rows = self.shared.node.projections.read();
            rows::kv_of(&rows, &self.one.id, key).map_err(failed)?
        };
        match row {
            Some(row) => self.entry(key.to_owned(), &row),
            None => Ok(None),
        }
    }

    fn kv_scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Ask> {
        let limit = limit as usize;
        let overlay = self.overlay.as_ref().map(|overlay| overlay.lock());
        let changed = overlay.as_ref().map_or(0, |overlay| overlay.kv.len());
        let mut merged: BTreeMap<String, Entry> = BTreeMap::new();
        let mut behind = after.map(str::to_owned);
        loop {
            let wanted = limit + changed - merged.len();
            let stored = {
                let rows = self.shared.node.projections.read();
                rows::kv_behind(&rows, &self.one.id, prefix, behind.as_deref(), wanted)
                    .map_err(failed)?
            };
            let ends = stored.len() < wanted;
            behind = stored.last().map(|(key, _)| key.clone()).or(behind);
            // Those about somebody who was erased are not there any more: others take their place.
            for (key, row) in &stored {
                let entry = self.entry(key.clone(), row)?;
                merged.extend(entry.map(|entry| (key.clone(), entry)));
            }
            if ends || merged.len() >= limit + changed {
                break;
            }
        }
        for (key, value) in overlay.iter().flat_map(|overlay| &overlay.kv) {
            if !key.starts_with(prefix) || after.is_some_and(|after| key.as_str() <= after) {
                continue;
            }
            match value {
                Some((value, revision)) => {
                    let entry = Entry {
                        key: key.clone(),
                        value: value.clone(),
                        revision: *revision,
                    };
                    merged.insert(key.clone(), entry);
                }
                None => drop(merged.remove(key)),
            }
        }
        Ok(merged.into_values().take(limit).collect())
    }

    fn bump(&self, name: &str, key: &str, window_ms: u32, by: u32) -> Result<u32, Ask> {
        let Some(rating) = &self.rates else {
            return Err(denied("only moderators count in windows".to_owned()));
        };
        match self.one.manifest.rates.get(name) {
            Some(declared) if *declared == window_ms => {}
            Some(declared) => {
                return Err(invalid(format!(
                    "the window `{name}` has {declared} ms in the manifest, not {window_ms}"
                )));
            }
            None => return Err(invalid(format!("the manifest declares no window `{name}`"))),
        }
        let look = Look {
            seen: &rating.seen,
            added: &rating.added,
        };
        Ok(self
            .one
            .rates
            .bump(&look, (name, key), window_ms, by, self.now_ms))
    }

    fn has_secret(&self, name: &str) -> bool {
        let mut declared = self.one.manifest.secrets.iter();
        let given = self.shared.secrets.get(&*self.one.id);
        declared.any(|secret| secret.name == name)
            && given.is_some_and(|given| given.contains_key(name))
    }

    fn has_metric(&self, name: &str) -> bool {
        self.one.manifest.metrics.contains(name)
    }

    fn admit(&self, staged: Staging<'_>) -> Result<(), Ask> {
        let lane = || {
            let rows = self.shared.node.projections.read();
            rows::lane_of(&rows, &self.one.id).map_err(failed)
        };
        match staged {
            Staging::Effect(effect) => self.admit_effect(effect),
            Staging::Kv(change) => {
                let before = {
                    let rows = self.shared.node.projections.read();
                    rows::kv_of(&rows, &self.one.id, &change.key).map_err(failed)?
                };
                let size = |value: &[u8]| (change.key.len() + value.len()) as i64;
                let before = before.map_or(0, |before| size(&before.value.bytes));
                let new = change.value.as_deref().map_or(0, size);
                let mut adds = self.adds.lock();
                if change.value.is_some() {
                    let pending = self
                        .overlay
                        .as_ref()
                        .map_or(0, |overlay| overlay.lock().bytes);
                    let others = adds.iter().filter(|(key, _)| **key != change.key);
                    let others: i64 = others.map(|(_, adds)| adds).sum();
                    let would =
                        (lane()?.kv_bytes + pending).saturating_add_signed(others + new - before);
                    if would > self.shared.cap.store {
                        return Err(exhausted(format!(
                            "the store would have {would} bytes, the limit is {}",
                            self.shared.cap.store
                        )));
                    }
                }
                adds.insert(change.key.clone(), new - before);
                Ok(())
            }
            Staging::Timer(_) => {
                let pending = self
                    .overlay
                    .as_ref()
                    .map_or(0, |overlay| overlay.lock().timers);
                match lane()?.timers + pending >= self.shared.cap.timers {
                    true => Err(exhausted(format!(
                        "{} timers wait, which is the limit",
                        self.shared.cap.timers
                    ))),
                    false => Ok(()),
                }
            }
        }
    }

    fn http(&self, request: Request) -> Answer {
        let (shared, one) = (self.shared.clone(), self.one.clone());
        Box::pin(async move {
            let secrets = shared.secrets.get(&*one.id);
            shared.http.send(&one.manifest.http, secrets, request).await
        })
    }
}
