//! Events of the log as extensions are told them: the table in `wit/reactor.wit`.

use std::borrow::Cow;

use serde_json::{Value, json};
use tidings_core::{
    commit::{Batch, Commit},
    content,
    domain::{Content, ConversationId, Event, ExtensionId, Kind, Stream, UserId, Verdict},
    keys::{KeyError, KeyId, KeyState, KeyStore, seal},
    node::Node,
    projections::{ReadError, read},
};
use tidings_extension_host::{Message, input};
use uuid::Uuid;

use crate::views;

/// What an extension may not be told, or cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The id of a draft, and of the message that comes of it.
pub(crate) fn draft_id(conversation: ConversationId, command: Option<Uuid>) -> String {
    format!("{conversation}.{}", command.unwrap_or_default())
}

/// Where a draft is held, by its id.
pub(crate) fn held(id: &str) -> Option<(ConversationId, Uuid)> {
    let (conversation, command) = id.split_once('.')?;
    let conversation = ConversationId(Uuid::parse_str(conversation).ok()?);
    Some((conversation, Uuid::parse_str(command).ok()?))
}

/// What a kind of event is called among extensions; nothing where they are not told of it.
pub(crate) fn kind(event: &Event) -> Option<Cow<'static, str>> {
    Some(match event {
        Event::ConversationStarted { .. } => "conversation_started".into(),
        Event::MemberJoined { .. } => "member_joined".into(),
        Event::MemberLeft { .. } => "member_left".into(),
        Event::MemberRemoved { .. } => "member_removed".into(),
        Event::RoleChanged { .. } => "role_changed".into(),
        Event::TitleChanged { .. } => "title_changed".into(),
        Event::MessagePosted { .. } => "message_posted".into(),
        Event::MessageEdited { .. } => "message_edited".into(),
        Event::MessageRetracted { .. } => "message_retracted".into(),
        Event::MessageHeld { .. } => "message_held".into(),
        Event::MessageReleased { .. } => "message_released".into(),
        Event::MessageRejected { .. } => "message_rejected".into(),
        Event::ReactionAdded { .. } => "reaction_added".into(),
        Event::ReactionRemoved { .. } => "reaction_removed".into(),
        Event::UserBlocked { .. } => "user_blocked".into(),
        Event::UserUnblocked { .. } => "user_unblocked".into(),
        Event::ContactAdded { .. } => "contact_added".into(),
        Event::ContactRemoved { .. } => "contact_removed".into(),
        Event::ProfileSet { .. } => "profile_set".into(),
        Event::ProfileRemoved => "profile_removed".into(),
        Event::UserErased => "user_erased".into(),
        // For the backend, and nothing that happened.
        Event::AppEventRecorded { kind, .. } if kind.starts_with("delivery.") => return None,
        Event::AppEventRecorded { kind, .. } if kind.starts_with("ext.") => kind.clone().into(),
        Event::AppEventRecorded { kind, .. } => format!("app.{kind}").into(),
        Event::MessageReviewed { .. }
        | Event::ReadUpTo { .. }
        | Event::DeliveredUpTo { .. }
        | Event::ConversationMuted { .. }
        | Event::VisibilityChanged { .. }
        | Event::Seen { .. }
        | Event::HiddenChanged { .. }
        | Event::ToastQueued { .. }
        | Event::ToastsSeen { .. }
        | Event::BadgeSet { .. }
        | Event::Extension(_) => return None,
    })
}

/// How many extensions' doings an event follows from, as the id of its command says.
pub(crate) fn depth(batch: &Batch) -> u8 {
    let own = ExtensionId::of_account(&batch.actor).is_some();
    match batch.command {
        Some(command) if own => command.id.0.as_bytes()[15] & 0x0f,
        _ => 0,
    }
}

/// Whether an extension caused it itself.
pub(crate) fn is_own(id: &ExtensionId, batch: &Batch, event: &Event) -> bool {
    let emitted = match event {
        Event::AppEventRecorded { kind, .. } => kind.strip_prefix("ext."),
        _ => None,
    };
    let emits = emitted.and_then(|rest| rest.split_once('.'));
    *batch.actor == *id.account() || emits.is_some_and(|(of, _)| of == &**id)
}

/// Whom and what an event is about.
pub(crate) fn involved(batch: &Batch, event: &Event) -> views::Involved {
    let mut involved = views::Involved::default();
    involved.users.insert(batch.actor.clone());
    match &batch.stream {
        Stream::Conversation(id) => drop(involved.conversations.insert(*id)),
        Stream::User(user) => drop(involved.users.insert(user.clone())),
        Stream::Extension(_) => {}
    }
    match event {
        Event::MemberJoined { user, .. }
        | Event::MemberLeft { user }
        | Event::MemberRemoved { user }
        | Event::RoleChanged { user, .. }
        | Event::UserBlocked { user }
        | Event::UserUnblocked { user }
        | Event::ContactAdded { user }
        | Event::ContactRemoved { user } => drop(involved.users.insert(user.clone())),
        Event::MessagePosted { mentions, .. }
        | Event::MessageEdited { mentions, .. }
        | Event::MessageHeld { mentions, .. } => involved.users.extend(mentions.iter().cloned()),
        Event::MessageRetracted { author, .. } => drop(involved.users.insert(author.clone())),
        _ => {}
    }
    involved
}

/// An event as an extension is told it, with content only where it may read that.
pub(crate) async fn told(
    node: &Node,
    commit: &Commit,
    batch: &Batch,
    index: u32,
    event: &Event,
    content: bool,
) -> Result<Option<input::Event>, TellError> {
    let Some(kind) = kind(event) else {
        return Ok(None);
    };
    let command = batch.command.map(|command| command.id.0);
    let opened = match sealed(event).filter(|_| content) {
        Some(sealed) => open(&*node.keys, batch, event, command, sealed).await?,
        None => None,
    };
    let mut payload = payload(batch, event, command, content);
    match event {
        Event::MessagePosted { .. } | Event::MessageEdited { .. } | Event::MessageHeld { .. } => {
            if let (Value::Object(fields), Some(text)) = (&mut payload, &opened) {
                fields.insert("text".to_owned(), text.as_str().into());
            }
        }
        Event::ProfileSet { .. } => {
            if let (Value::Object(fields), Some(text)) = (&mut payload, &opened) {
                let attributes = serde_json::from_str(text).unwrap_or(Value::Null);
                fields.insert("attributes".to_owned(), attributes);
            }
        }
        Event::AppEventRecorded { .. } => {
            let said = opened
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            payload = said.unwrap_or_else(|| json!({}));
        }
        Event::MessageReleased { held, .. } | Event::MessageRejected { held, .. } => {
            let id = draft_held(node, &batch.stream, *held)?;
            if let Value::Object(fields) = &mut payload {
                fields.insert("held".to_owned(), id.into());
                if let (Some(seq), true) = (
                    released(batch, index),
                    matches!(event, Event::MessageReleased { .. }),
                ) {
                    fields.insert("seq".to_owned(), seq.into());
                }
            }
        }
        _ => {}
    }
    let (conversation, subject) = match &batch.stream {
        Stream::Conversation(id) => (Some(*id), None),
        Stream::User(user) => (None, Some(user.to_string())),
        Stream::Extension(_) => (None, None),
    };
    let message = match (conversation, seq(event)) {
        (Some(id), Some(seq)) => message(node, id, seq, content).await?,
        _ => None,
    };
    Ok(Some(input::Event {
        id: format!("{}.{index}", commit.id),
        position: commit.position.0,
        kind: kind.into_owned(),
        schema: 1,
        at: commit.at_ms(batch),
        actor: Some(batch.actor.to_string()),
        subject,
        conversation: conversation.map(|id| id.to_string()),
        payload: payload.to_string(),
        message,
    }))
}

/// The id of the draft that was held under a number.
fn draft_held(node: &Node, stream: &Stream, held: u64) -> Result<String, ReadError> {
    let Stream::Conversation(id) = stream else {
        return Ok(String::new());
    };
    let settled = read::settled(&node.projections.read(), *id, held)?;
    let command = settled.and_then(|settled| settled.command);
    Ok(draft_id(*id, command.map(|command| command.0)))
}

/// `seq` of the message that came of a release: it stands right behind it.
fn released(batch: &Batch, index: u32) -> Option<u64> {
    let behind = batch
        .events
        .iter()
        .skip((index - batch.first_index) as usize + 1);
    behind.take(1).find_map(seq)
}

/// What is sealed in an event.
fn sealed(event: &Event) -> Option<&Content> {
    match event {
        Event::MessagePosted { content, .. }
        | Event::MessageEdited { content, .. }
        | Event::MessageHeld { content, .. }
        | Event::ProfileSet {
            attributes: content,
        }
        | Event::AppEventRecorded {
            payload: content, ..
        } => Some(content),
        _ => None,
    }
}

fn seq(event: &Event) -> Option<u64> {
    match event {
        Event::MessagePosted { seq, .. }
        | Event::MessageEdited { seq, .. }
        | Event::MessageRetracted { seq, .. }
        | Event::ReactionAdded { seq, .. }
        | Event::ReactionRemoved { seq, .. } => Some(*seq),
        _ => None,
    }
}

async fn open(
    keys: &dyn KeyStore,
    batch: &Batch,
    event: &Event,
    command: Option<Uuid>,
    sealed: &Content,
) -> Result<Option<String>, KeyError> {
    let bytes = match sealed {
        Content::Plain(text) => return Ok(Some(text.clone())),
        Content::Sealed(bytes) => bytes,
    };
    let (key, aad) = match (&batch.stream, event) {
        (Stream::Conversation(id), _) => (
            KeyId::Content {
                conversation: id.0,
                author: batch.actor.shared(),
            },
            seal::content_aad(id.0, &batch.actor, command),
        ),
        (Stream::User(user), Event::AppEventRecorded { kind, .. }) => (
            KeyId::User(user.shared()),
            seal::app_event_aad(user, kind, &batch.actor, command),
        ),
        (Stream::User(user), _) => (KeyId::User(user.shared()), seal::profile_aad(user, command)),
        (Stream::Extension(_), _) => return Ok(None),
    };
    let state = match keys.cached(&key) {
        Some(state) => state,
        None => {
            let mut states = keys.get(&[key]).await?;
            states.pop().unwrap_or(KeyState::Unknown)
        }
    };
    let KeyState::Present(key) = state else {
        return Ok(None);
    };
    let text = key.open(&aad, bytes).ok();
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// A message as it is now.
async fn message(
    node: &Node,
    id: ConversationId,
    seq: u64,
    content: bool,
) -> Result<Option<Message>, TellError> {
    let view = read::stored_message(&node.projections.read(), id, seq)?;
    let Some(view) = view else {
        return Ok(None);
    };
    let mut views = [view];
    if content {
        content::open_messages(&*node.keys, &mut views).await?;
    }
    Ok(Some(views::message(&views[0])))
}

/// The payload but for what is sealed.
fn payload(batch: &Batch, event: &Event, command: Option<Uuid>, content: bool) -> Value {
    let names =
        |users: &[UserId]| -> Vec<String> { users.iter().map(ToString::to_string).collect() };
    match event {
        Event::ConversationStarted { kind, title } => match kind {
            Kind::Direct { pair, context } => json!({
                "sort": "direct",
                "users": names(&[pair.0.clone(), pair.1.clone()]),
                "context": context,
            }),
            Kind::Group { .. } if content => json!({ "sort": "group", "title": title }),
            Kind::Group { .. } => json!({ "sort": "group" }),
        },
        Event::MemberJoined { user, role } | Event::RoleChanged { user, role } => {
            json!({ "user": &**user, "role": role.as_str() })
        }
        Event::MemberLeft { user }
        | Event::MemberRemoved { user }
        | Event::UserBlocked { user }
        | Event::UserUnblocked { user }
        | Event::ContactAdded { user }
        | Event::ContactRemoved { user } => json!({ "user": &**user }),
        Event::TitleChanged { title } if content => json!({ "title": title }),
        Event::MessagePosted {
            seq,
            reply_to,
            mentions,
            ..
        } => json!({ "seq": seq, "reply_to": reply_to, "mentions": names(mentions) }),
        Event::MessageEdited { seq, mentions, .. } => {
            json!({ "seq": seq, "mentions": names(mentions) })
        }
        Event::MessageRetracted { seq, author, .. } => json!({ "seq": seq, "author": &**author }),
        Event::MessageHeld {
            mentions, reviews, ..
        } => {
            let mut by = reviews
                .iter()
                .filter(|review| review.verdict == Verdict::Hold);
            let by = by.next();
            let id = match &batch.stream {
                Stream::Conversation(id) => draft_id(*id, command),
                Stream::User(_) | Stream::Extension(_) => String::new(),
            };
            let mut fields = json!({
                "held": id,
                "by": by.map(|review| review.extension.as_str()),
                "mentions": names(mentions),
            });
            if let (Value::Object(fields), true, Some(by)) = (&mut fields, content, by) {
                fields.insert("reason".to_owned(), by.reason.as_str().into());
            }
            fields
        }
        Event::MessageRejected { reason, .. } if content => json!({ "reason": reason }),
        Event::ReactionAdded { seq, reaction } | Event::ReactionRemoved { seq, reaction } => {
            json!({ "seq": seq, "reaction": reaction })
        }
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_found_by_its_id() {
        let (conversation, command) = (ConversationId(Uuid::from_u128(1)), Uuid::from_u128(2));
        let id = draft_id(conversation, Some(command));
        assert_eq!(held(&id), Some((conversation, command)));
        for other in ["", ".", "a.b", &id[1..]] {
            assert_eq!(held(other), None, "{other:?}");
        }
    }
}
