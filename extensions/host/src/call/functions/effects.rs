//! `effects`: what is to be recorded when the hook returns.

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::effects::{
    Host, HostStagedPost, HostStagedPush, HostStagedToast, StagedPost, StagedPush, StagedToast,
};
use crate::bindings::tidings::extension::types;
use crate::call::State;
use crate::call::text::{id, key as check_key, link, name, object, reason, sized};
use crate::host::{Ask, Refusal, Staging};
use crate::limits::{EFFECT_BYTES, EFFECTS};
use crate::staged::{Effect, Post, PostTo, Push, Toast};

type Told<T> = wasmtime::Result<Result<T, types::Refusal>>;

/// Milliseconds of a day.
const DAY_MS: u32 = 86_400_000;
/// How long a toast may be shown.
const TOAST_EXPIRY_MS: u64 = 30 * DAY_MS as u64;
/// How long a push may be delivered.
const PUSH_EXPIRY_MS: u64 = 28 * DAY_MS as u64;
/// Members that one post mentions.
const MENTIONS: usize = 50;
/// Bytes of a JSON payload.
const PAYLOAD_BYTES: usize = 4 << 10;
/// Bytes of a post. The server's own limit for messages may be lower.
const POST_BYTES: usize = 64 << 10;

impl State {
    /// Stages an effect, if it is granted and there is room. Answers where it stands.
    fn stage(&mut self, effect: Effect) -> Result<u32, Ask> {
        let count = self.staging.effects.len();
        if count >= EFFECTS {
            return Err(Refusal::exhausted(format!("{EFFECTS} effects")).into());
        }
        let key = keyed(&effect).map(str::to_owned);
        if let Some(key) = &key {
            check_key(key)?;
            if self.staging.keys.contains(key) {
                return Err(Refusal::invalid(format!("the key `{key}` was given before")).into());
            }
        }
        self.room(weight(&effect))?;
        self.host.admit(Staging::Effect(&effect))?;
        self.staging.effect_bytes += weight(&effect);
        self.staging.keys.extend(key);
        self.staging.effects.push(effect);
        Ok(self.staging.first + count as u32)
    }

    /// Adds to an effect that is staged. It is as it was where that is refused.
    fn amend(&mut self, rep: u32, amend: impl FnOnce(&mut Effect)) -> Result<(), Ask> {
        let Some((at, staged)) = self.staging.effect(rep) else {
            return Err(Refusal::invalid("there is no such effect").into());
        };
        let before = weight(staged);
        let mut amended = staged.clone();
        amend(&mut amended);
        let after = weight(&amended);
        self.room(after.saturating_sub(before))?;
        self.host.admit(Staging::Effect(&amended))?;
        self.staging.effect_bytes = self.staging.effect_bytes - before + after;
        self.staging.effects[at] = amended;
        Ok(())
    }

    fn room(&self, bytes: usize) -> Result<(), Refusal> {
        if self.staging.effect_bytes + bytes > EFFECT_BYTES {
            return Err(Refusal::exhausted(format!(
                "{EFFECT_BYTES} bytes of effects"
            )));
        }
        Ok(())
    }

    fn amend_toast(&mut self, rep: u32, amend: impl FnOnce(&mut Toast)) -> Result<(), Ask> {
        self.amend(rep, |effect| {
            if let Effect::Toast(toast) = effect {
                amend(toast);
            }
        })
    }

    fn amend_push(&mut self, rep: u32, amend: impl FnOnce(&mut Push)) -> Result<(), Ask> {
        self.amend(rep, |effect| {
            if let Effect::Push(push) = effect {
                amend(push);
            }
        })
    }

    fn amend_post(&mut self, rep: u32, amend: impl FnOnce(&mut Post)) -> Result<(), Ask> {
        self.amend(rep, |effect| {
            if let Effect::Post(post) = effect {
                amend(post);
            }
        })
    }

    /// Stages an effect without parts of its own.
    fn effect(&mut self, check: impl FnOnce() -> Result<Effect, Refusal>) -> Told<()> {
        self.asked(|state| {
            state.acts()?;
            state.stage(check()?).map(drop)
        })
    }

    /// Stages an effect that can be added to.
    fn open<R: 'static>(
        &mut self,
        check: impl FnOnce() -> Result<Effect, Refusal>,
    ) -> Told<Resource<R>> {
        self.asked(|state| {
            state.acts()?;
            Ok(Resource::new_own(state.stage(check()?)?))
        })
    }

    fn post_to(&mut self, to: PostTo, key: String, text: String) -> Told<Resource<StagedPost>> {
        self.open(|| {
            match &to {
                PostTo::Conversation(conversation) => id("the conversation", conversation)?,
                PostTo::User(user) => id("the user", user)?,
            }
            sized("the text", &text, 1, POST_BYTES)?;
            Ok(Effect::Post(Post {
                to,
                key,
                text,
                reply_to: None,
                mentions: Vec::new(),
            }))
        })
    }
}

/// The key of an effect that has one.
fn keyed(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::Push(push) => Some(&push.key),
        Effect::Post(post) => Some(&post.key),
        Effect::Notify { key, .. } | Effect::Emit { key, .. } => Some(key),
        Effect::Toast(_)
        | Effect::Badge { .. }
        | Effect::Label { .. }
        | Effect::Release { .. }
        | Effect::Reject { .. } => None,
    }
}

/// Bytes of an effect's texts, and a few for what else there is to it.
fn weight(effect: &Effect) -> usize {
    fn of<const N: usize>(texts: [&str; N]) -> usize {
        texts.iter().map(|text| text.len()).sum()
    }
    fn or<const N: usize>(texts: [&Option<String>; N]) -> usize {
        texts
            .iter()
            .map(|text| text.as_ref().map_or(0, String::len))
            .sum()
    }
    let texts = match effect {
        Effect::Toast(toast) => {
            of([&toast.user, &toast.title, &toast.body])
                + or([
                    &toast.collapse,
                    &toast.link,
                    &toast.about_user,
                    &toast.about_conversation,
                ])
        }
        Effect::Badge { user, name, .. } => of([user, name]),
        Effect::Push(push) => {
            of([&push.user, &push.key, &push.title, &push.body]) + or([&push.collapse, &push.link])
        }
        Effect::Notify {
            user,
            key,
            channel,
            payload,
        } => of([user, key, channel, payload]),
        Effect::Post(post) => {
            let (PostTo::Conversation(to) | PostTo::User(to)) = &post.to;
            of([to, &post.key, &post.text]) + post.mentions.iter().map(String::len).sum::<usize>()
        }
        Effect::Label {
            conversation,
            label,
            ..
        } => of([conversation, label]),
        Effect::Release { held } => held.len(),
        Effect::Reject { held, reason } => of([held, reason]),
        Effect::Emit {
            kind,
            key,
            payload,
            subject,
            ..
        } => of([kind, key, payload]) + or([subject]),
    };
    texts + 32
}

fn titled(title: &str, body: &str) -> Result<(), Refusal> {
    sized("the title", title, 1, 256)?;
    sized("the body", body, 0, 1_024)
}

fn expiry(ms: u32, most: u64) -> Result<(), Refusal> {
    if u64::from(ms) > most {
        return Err(Refusal::invalid(format!(
            "{ms} ms are more than {} days",
            most / u64::from(DAY_MS)
        )));
    }
    Ok(())
}

impl HostStagedToast for State {
    fn collapse(&mut self, toast: Resource<StagedToast>, key: String) -> Told<()> {
        self.asked(|state| {
            check_key(&key)?;
            state.amend_toast(toast.rep(), |toast| toast.collapse = Some(key))
        })
    }

    fn link(&mut self, toast: Resource<StagedToast>, target: String) -> Told<()> {
        self.asked(|state| {
            link(&target)?;
            state.amend_toast(toast.rep(), |toast| toast.link = Some(target))
        })
    }

    fn about_user(&mut self, toast: Resource<StagedToast>, user: String) -> Told<()> {
        self.asked(|state| {
            id("the user", &user)?;
            state.amend_toast(toast.rep(), |toast| toast.about_user = Some(user))
        })
    }

    fn about_conversation(
        &mut self,
        toast: Resource<StagedToast>,
        conversation: String,
    ) -> Told<()> {
        self.asked(|state| {
            id("the conversation", &conversation)?;
            state.amend_toast(toast.rep(), |toast| {
                toast.about_conversation = Some(conversation)
            })
        })
    }

    fn expire_after(&mut self, toast: Resource<StagedToast>, ms: u32) -> Told<()> {
        self.asked(|state| {
            expiry(ms, TOAST_EXPIRY_MS)?;
            state.amend_toast(toast.rep(), |toast| toast.expire_after_ms = Some(ms))
        })
    }

    fn drop(&mut self, _: Resource<StagedToast>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostStagedPush for State {
    fn collapse(&mut self, push: Resource<StagedPush>, key: String) -> Told<()> {
        self.asked(|state| {
            check_key(&key)?;
            state.amend_push(push.rep(), |push| push.collapse = Some(key))
        })
    }

    fn link(&mut self, push: Resource<StagedPush>, target: String) -> Told<()> {
        self.asked(|state| {
            link(&target)?;
            state.amend_push(push.rep(), |push| push.link = Some(target))
        })
    }

    fn expire_after(&mut self, push: Resource<StagedPush>, ms: u32) -> Told<()> {
        self.asked(|state| {
            expiry(ms, PUSH_EXPIRY_MS)?;
            state.amend_push(push.rep(), |push| push.expire_after_ms = Some(ms))
        })
    }

    fn drop(&mut self, _: Resource<StagedPush>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostStagedPost for State {
    fn reply_to(&mut self, post: Resource<StagedPost>, seq: u64) -> Told<()> {
        self.asked(|state| state.amend_post(post.rep(), |post| post.reply_to = Some(seq)))
    }

    fn mention(&mut self, post: Resource<StagedPost>, user: String) -> Told<()> {
        self.asked(|state| {
            id("the user", &user)?;
            if let Some((_, Effect::Post(post))) = state.staging.effect(post.rep())
                && post.mentions.len() >= MENTIONS
            {
                return Err(Refusal::exhausted(format!("{MENTIONS} mentions")).into());
            }
            state.amend_post(post.rep(), |post| post.mentions.push(user))
        })
    }

    fn drop(&mut self, _: Resource<StagedPost>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Host for State {
    fn toast(&mut self, user: String, title: String, body: String) -> Told<Resource<StagedToast>> {
        self.open(|| {
            id("the user", &user)?;
            titled(&title, &body)?;
            Ok(Effect::Toast(Toast {
                user,
                title,
                body,
                collapse: None,
                link: None,
                about_user: None,
                about_conversation: None,
                expire_after_ms: None,
            }))
        })
    }

    fn badge(&mut self, user: String, badge: String, count: u32) -> Told<()> {
        self.effect(|| {
            id("the user", &user)?;
            name("the badge", &badge, b"")?;
            Ok(Effect::Badge {
                user,
                name: badge,
                count,
            })
        })
    }

    fn push(
        &mut self,
        user: String,
        key: String,
        title: String,
        body: String,
    ) -> Told<Resource<StagedPush>> {
        self.open(|| {
            id("the user", &user)?;
            titled(&title, &body)?;
            Ok(Effect::Push(Push {
                user,
                key,
                title,
                body,
                collapse: None,
                link: None,
                expire_after_ms: None,
            }))
        })
    }

    fn notify(&mut self, user: String, key: String, channel: String, payload: String) -> Told<()> {
        self.effect(|| {
            id("the user", &user)?;
            sized("the channel", &channel, 1, 64)?;
            object("the payload", &payload, PAYLOAD_BYTES)?;
            Ok(Effect::Notify {
                user,
                key,
                channel,
                payload,
            })
        })
    }

    fn post(
        &mut self,
        conversation: String,
        key: String,
        text: String,
    ) -> Told<Resource<StagedPost>> {
        self.post_to(PostTo::Conversation(conversation), key, text)
    }

    fn post_direct(
        &mut self,
        user: String,
        key: String,
        text: String,
    ) -> Told<Resource<StagedPost>> {
        self.post_to(PostTo::User(user), key, text)
    }

    fn label(&mut self, conversation: String, seq: u64, label: String) -> Told<()> {
        self.effect(|| {
            id("the conversation", &conversation)?;
            name("the label", &label, b"-")?;
            Ok(Effect::Label {
                conversation,
                seq,
                label,
            })
        })
    }

    fn release(&mut self, held: String) -> Told<()> {
        self.effect(|| {
            id("what is held", &held)?;
            Ok(Effect::Release { held })
        })
    }

    fn reject(&mut self, held: String, why: String) -> Told<()> {
        self.effect(|| {
            id("what is held", &held)?;
            let reason = reason(why);
            Ok(Effect::Reject { held, reason })
        })
    }

    fn emit(
        &mut self,
        kind: String,
        key: String,
        schema: u32,
        payload: String,
        subject: Option<String>,
    ) -> Told<()> {
        self.effect(|| {
            name("the kind", &kind, b".")?;
            object("the payload", &payload, PAYLOAD_BYTES)?;
            if let Some(subject) = &subject {
                id("the subject", subject)?;
            }
            Ok(Effect::Emit {
                kind,
                key,
                schema,
                payload,
                subject,
            })
        })
    }
}
