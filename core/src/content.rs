//! Opening sealed content for readers.

use std::collections::BTreeMap;

use crate::{
    keys::{KeyError, KeyId, KeyState, KeyStore, seal},
    projections::{
        read::{ConversationView, HeldView, MessageView, ProfileView, Text, ToastView},
        resume::{Change, What},
    },
};

/// One sealed text: where it is and whose key opens it.
struct Slot<'a> {
    text: &'a mut Text,
    key: KeyId,
    /// What else a toast is bound to.
    toast: Option<Toast>,
}

/// Who wanted a toast shown, and of whom it tells: it is sealed with their key, too.
struct Toast {
    source: String,
    about: Option<KeyId>,
}

impl<'a> Slot<'a> {
    fn new(text: &'a mut Text, key: KeyId) -> Slot<'a> {
        Slot {
            text,
            key,
            toast: None,
        }
    }

    /// The keys it takes, in the order in which they open it.
    fn keys(&self) -> impl Iterator<Item = &KeyId> {
        let about = self.toast.as_ref().and_then(|toast| toast.about.as_ref());
        let about = about.filter(|about| **about != self.key);
        about.into_iter().chain([&self.key])
    }
}

/// Opens every text in `changes`. Texts whose key was destroyed become [`Text::Erased`].
pub async fn open_changes(keys: &dyn KeyStore, changes: &mut [Change]) -> Result<(), KeyError> {
    let mut slots = Vec::new();
    for change in changes {
        let conversation = change.conversation;
        match &mut change.what {
            What::ToastQueued { toast, .. } => slots.push(of_toast(toast)),
            What::MessagePosted(message) => slots.push(of_message(message)),
            What::MessageHeld { held, .. } => slots.push(of_held(held)),
            What::MessageEdited { text, author, .. } => {
                let Some(conversation) = conversation else {
                    continue;
                };
                let key = KeyId::Content {
                    conversation: conversation.0,
                    author: author.shared(),
                };
                slots.push(Slot::new(text, key));
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
        Some(Slot::new(text, key))
    });
    open(keys, slots.collect()).await
}

/// Opens every text in `held`.
pub async fn open_held(keys: &dyn KeyStore, held: &mut [HeldView]) -> Result<(), KeyError> {
    open(keys, held.iter_mut().map(of_held).collect()).await
}

/// Opens every text in `toasts`. Those that tell of somebody who was erased become [`Text::Erased`].
pub async fn open_toasts(keys: &dyn KeyStore, toasts: &mut [ToastView]) -> Result<(), KeyError> {
    open(keys, toasts.iter_mut().map(of_toast).collect()).await
}

fn of_toast(toast: &mut ToastView) -> Slot<'_> {
    let about = toast.about_user.as_ref();
    Slot {
        key: KeyId::User(toast.user.shared()),
        toast: Some(Toast {
            source: toast.source.clone(),
            about: about.map(|user| KeyId::User(user.shared())),
        }),
        text: &mut toast.text,
    }
}

fn of_held(held: &mut HeldView) -> Slot<'_> {
    let key = held.key();
    Slot::new(&mut held.text, key)
}

fn of_message(message: &mut MessageView) -> Slot<'_> {
    let key = message.key();
    Slot::new(&mut message.text, key)
}

async fn open(keys: &dyn KeyStore, slots: Vec<Slot<'_>>) -> Result<(), KeyError> {
    let mut later = Vec::new();
    for slot in slots {
        if !matches!(slot.text, Text::Sealed { .. }) {
            continue;
        }
        let cached: Option<Vec<KeyState>> = slot.keys().map(|key| keys.cached(key)).collect();
        match cached {
            Some(states) => open_one(slot, &states),
            None => later.push(slot),
        }
    }
    if later.is_empty() {
        return Ok(());
    }
    let wanted = later.iter().flat_map(Slot::keys);
    let mut wanted: Vec<KeyId> = wanted.cloned().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let states: BTreeMap<KeyId, KeyState> = wanted
        .iter()
        .cloned()
        .zip(keys.get(&wanted).await?)
        .collect();
    for slot in later {
        let states: Vec<KeyState> = slot.keys().map(|key| states[key].clone()).collect();
        open_one(slot, &states);
    }
    Ok(())
}

fn open_one(slot: Slot<'_>, states: &[KeyState]) {
    let Text::Sealed { sealed, by } = &*slot.text else {
        return;
    };
    let command = by.map(|id| id.0);
    let aad = match (&slot.key, &slot.toast) {
        (
            KeyId::Content {
                conversation,
                author,
            },
            _,
        ) => seal::content_aad(*conversation, author, command),
        (KeyId::User(user), None) => seal::profile_aad(user, command),
        (KeyId::User(user), Some(Toast { source, about })) => {
            let about = match about {
                Some(KeyId::User(about)) => Some(&**about),
                _ => None,
            };
            seal::toast_aad(user, source, about, command)
        }
    };
    let mut opened: Option<Vec<u8>> = None;
    for state in states {
        let KeyState::Present(key) = state else {
            *slot.text = Text::Erased;
            return;
        };
        match key.open(&aad, opened.as_deref().unwrap_or(sealed)) {
            Ok(inner) => opened = Some(inner),
            Err(_) => {
                // Damaged content is shown as gone rather than failing a whole page; an audit names it.
                tracing::error!(key = ?slot.key, "sealed content does not open");
                *slot.text = Text::Erased;
                return;
            }
        }
    }
    *slot.text = match String::from_utf8(opened.unwrap_or_default()) {
        Ok(text) => Text::Open(text),
        Err(_) => {
            tracing::error!(key = ?slot.key, "sealed content is no text");
            Text::Erased
        }
    };
}
