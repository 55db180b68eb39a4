//! Opening sealed content for readers.

use std::collections::BTreeMap;

use crate::{
    keys::{KeyError, KeyId, KeyState, KeyStore, seal},
    projections::{
        read::{ConversationView, HeldView, MessageView, ProfileView, Text},
        resume::{Change, What},
    },
};

/// One sealed text: where it is and whose key opens it.
struct Slot<'a> {
    text: &'a mut Text,
    key: KeyId,
}

/// Opens every text in `changes`. Texts whose key was destroyed become [`Text::Erased`].
pub async fn open_changes(keys: &dyn KeyStore, changes: &mut [Change]) -> Result<(), KeyError> {
    let mut slots = Vec::new();
    for change in changes {
        let Some(conversation) = change.conversation else {
            continue;
        };
        match &mut change.what {
            What::MessagePosted(message) => slots.push(of_message(message)),
            What::MessageHeld { held, .. } => slots.push(of_held(held)),
            What::MessageEdited { text, author, .. } => {
                let key = KeyId::Content {
                    conversation: conversation.0,
                    author: author.shared(),
                };
                slots.push(Slot { text, key });
            }
            What::ConversationAdded(view) => {
                slots.extend(view.last_message.as_mut().map(of_message))
            }
            _ => {}
        }
    }
    open(keys, slots).await
}

/// Opens every text in `messages`.
pub async fn open_messages(
    keys: &dyn KeyStore,
    messages: &mut [MessageView],
) -> Result<(), KeyError> {
    open(keys, messages.iter_mut().map(of_message).collect()).await
}

/// Opens the last messages of `conversations`.
pub async fn open_conversations(
    keys: &dyn KeyStore,
    conversations: &mut [ConversationView],
) -> Result<(), KeyError> {
    let messages = conversations
        .iter_mut()
        .filter_map(|view| view.last_message.as_mut());
    open(keys, messages.map(of_message).collect()).await
}

/// Opens every profile in `profiles`. Those whose key was destroyed become [`Text::Erased`].
pub async fn open_profiles(
    keys: &dyn KeyStore,
    profiles: &mut [ProfileView],
) -> Result<(), KeyError> {
    let slots = profiles.iter_mut().filter_map(|profile| {
        let key = KeyId::User(profile.user.shared());
        let text = &mut profile.set.as_mut()?.text;
        Some(Slot { text, key })
    });
    open(keys, slots.collect()).await
}

/// Opens every text in `held`.
pub async fn open_held(keys: &dyn KeyStore, held: &mut [HeldView]) -> Result<(), KeyError> {
    open(keys, held.iter_mut().map(of_held).collect()).await
}

fn of_held(held: &mut HeldView) -> Slot<'_> {
    let key = held.key();
    Slot {
        text: &mut held.text,
        key,
    }
}

fn of_message(message: &mut MessageView) -> Slot<'_> {
    let key = message.key();
    Slot {
        text: &mut message.text,
        key,
    }
}

async fn open(keys: &dyn KeyStore, slots: Vec<Slot<'_>>) -> Result<(), KeyError> {
    let mut later = Vec::new();
    for slot in slots {
        if !matches!(slot.text, Text::Sealed { .. }) {
            continue;
        }
        match keys.cached(&slot.key) {
            Some(state) => open_one(slot, &state),
            None => later.push(slot),
        }
    }
    if later.is_empty() {
        return Ok(());
    }
    let mut wanted: Vec<KeyId> = later.iter().map(|slot| slot.key.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let states: BTreeMap<KeyId, KeyState> = wanted
        .iter()
        .cloned()
        .zip(keys.get(&wanted).await?)
        .collect();
    for slot in later {
        let state = states[&slot.key].clone();
        open_one(slot, &state);
    }
    Ok(())
}

fn open_one(slot: Slot<'_>, state: &KeyState) {
    let Text::Sealed { sealed, by } = &*slot.text else {
        return;
    };
    *slot.text = match state {
        KeyState::Present(key) => {
            let command = by.map(|id| id.0);
            let aad = match &slot.key {
                KeyId::Content {
                    conversation,
                    author,
                } => seal::content_aad(*conversation, author, command),
                KeyId::User(user) => seal::profile_aad(user, command),
            };
            match key.open(&aad, sealed).map(String::from_utf8) {
                Ok(Ok(text)) => Text::Open(text),
                // Damaged content is shown as gone rather than failing a whole page; an audit names it.
                Ok(Err(_)) | Err(_) => {
                    tracing::error!(key = ?slot.key, "sealed content does not open");
                    Text::Erased
                }
            }
        }
        KeyState::Destroyed | KeyState::Unknown => Text::Erased,
    };
}
