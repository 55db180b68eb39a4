//! Whether the manifest asks for what is about to be staged.

use serde_json::Value;
use tidings_extension_host::staged::{Effect, PostTo, TimerChange};
use tidings_extension_host::{Ask, Refusal, Staging};
use tidings_extension_manifest::{EffectKind, Manifest};

use super::{Involved, World};

/// Bytes of the store.
const STORE_BYTES: usize = 64 << 20;
/// Timers that wait.
const TIMERS: usize = 10_000;

pub(super) fn admit(
    world: &World,
    manifest: &Manifest,
    involved: &Involved,
    staged: &Staging<'_>,
) -> Result<(), Ask> {
    match staged {
        Staging::Effect(effect) => Ok(may(world, manifest, involved, effect)?),
        Staging::Kv(change) => {
            let value = change.value.as_ref().map_or(0, Vec::len);
            let others = world.kv.iter().filter(|(key, _)| **key != change.key);
            let stored: usize = others
                .map(|(key, entry)| key.len() + entry.value.len())
                .sum();
            if stored + change.key.len() + value > STORE_BYTES {
                let why = format!("the store would hold more than {STORE_BYTES} bytes");
                return Err(Refusal::Exhausted(why).into());
            }
            Ok(())
        }
        Staging::Timer(TimerChange::Cancel { .. }) => Ok(()),
        Staging::Timer(TimerChange::Set { key, .. }) => {
            if manifest.timer.is_none() {
                let why = "the manifest does not name the hook timer, so nothing would be called";
                return Err(Refusal::Denied(why.to_owned()).into());
            }
            if world.timers.len() >= TIMERS && !world.timers.contains_key(key) {
                return Err(Refusal::Exhausted(format!("{TIMERS} timers wait")).into());
            }
            Ok(())
        }
    }
}

fn may(
    world: &World,
    manifest: &Manifest,
    involved: &Involved,
    effect: &Effect,
) -> Result<(), Refusal> {
    let kind = kind(effect);
    if !manifest.grants.effects.contains(&kind) {
        let name = kind.name();
        return Err(Refusal::Denied(format!(
            "the manifest does not ask for it: add \"{name}\" to grants.effects"
        )));
    }
    match effect {
        Effect::Toast(toast) => {
            involved.user(manifest, &toast.user)?;
            if let Some(about) = &toast.about_user {
                involved.user(manifest, about)?;
            }
            match &toast.about_conversation {
                Some(about) => involved.conversation(manifest, about),
                None => Ok(()),
            }
        }
        Effect::Badge { user, name, .. } => {
            declared("badge", name, manifest.badges.contains(name))?;
            involved.user(manifest, user)
        }
        Effect::Push(push) => involved.user(manifest, &push.user),
        Effect::Notify { user, channel, .. } => {
            declared("channel", channel, manifest.channels.contains(channel))?;
            involved.user(manifest, user)
        }
        Effect::Post(post) => match &post.to {
            PostTo::Conversation(conversation) => involved.conversation(manifest, conversation),
            PostTo::User(user) => involved.user(manifest, user),
        },
        Effect::Label { conversation, .. } => involved.conversation(manifest, conversation),
        Effect::Release { held } | Effect::Reject { held, .. } => {
            if world.held.contains(held) {
                return Ok(());
            }
            Err(Refusal::Denied(format!(
                "this extension does not hold {held}"
            )))
        }
        Effect::Emit {
            kind,
            schema,
            payload,
            ..
        } => {
            let payload: Value = serde_json::from_str(payload).unwrap_or_default();
            let declared = manifest.check_emit(kind, *schema, &payload);
            declared.map_err(|why| Refusal::Invalid(why.to_string()))
        }
    }
}

fn kind(effect: &Effect) -> EffectKind {
    match effect {
        Effect::Toast(_) => EffectKind::Toast,
        Effect::Badge { .. } => EffectKind::Badge,
        Effect::Push(_) => EffectKind::Push,
        Effect::Notify { .. } => EffectKind::Notify,
        Effect::Post(_) => EffectKind::Post,
        Effect::Label { .. } => EffectKind::Label,
        Effect::Release { .. } | Effect::Reject { .. } => EffectKind::Settle,
        Effect::Emit { .. } => EffectKind::Emit,
    }
}

fn declared(what: &str, name: &str, declared: bool) -> Result<(), Refusal> {
    if declared {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "the manifest declares no {what} `{name}`"
    )))
}
