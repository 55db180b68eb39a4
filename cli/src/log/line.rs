//! Events as `tidings log tail` shows them: a line for people, or an object for programs. Of what is
//! sealed there is the length.

use serde_json::{Map, Value, json};
use tidings_core::{
    commit::{Batch, Commit, DecodeError, schema_of},
    domain::{Content, Event, ExtensionEvent, Reaction, Review, Stream, event::Kind},
    keys::seal::OVERHEAD,
    log::Position,
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// The name of an event.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::ConversationStarted { .. } => "conversation_started",
        Event::MemberJoined { .. } => "member_joined",
        Event::MemberLeft { .. } => "member_left",
        Event::MemberRemoved { .. } => "member_removed",
        Event::RoleChanged { .. } => "role_changed",
        Event::TitleChanged { .. } => "title_changed",
        Event::MessagePosted { .. } => "message_posted",
        Event::MessageEdited { .. } => "message_edited",
        Event::MessageReviewed { .. } => "message_reviewed",
        Event::MessageHeld { .. } => "message_held",
        Event::MessageReleased { .. } => "message_released",
        Event::MessageRejected { .. } => "message_rejected",
        Event::MessageRetracted { .. } => "message_retracted",
        Event::ReactionAdded { .. } => "reaction_added",
        Event::ReactionRemoved { .. } => "reaction_removed",
        Event::ReadUpTo { .. } => "read_up_to",
        Event::DeliveredUpTo { .. } => "delivered_up_to",
        Event::ConversationMuted { muted: true, .. } => "conversation_muted",
        Event::ConversationMuted { muted: false, .. } => "conversation_unmuted",
        Event::UserBlocked { .. } => "user_blocked",
        Event::UserUnblocked { .. } => "user_unblocked",
        Event::VisibilityChanged { invisible: true } => "became_invisible",
        Event::VisibilityChanged { invisible: false } => "became_visible",
        Event::Seen { .. } => "seen",
        Event::ContactAdded { .. } => "contact_added",
        Event::ContactRemoved { .. } => "contact_removed",
        Event::ProfileSet { .. } => "profile_set",
        Event::ProfileRemoved => "profile_removed",
        Event::HiddenChanged { .. } => "hidden_changed",
        Event::UserErased => "user_erased",
        Event::AppEventRecorded { .. } => "app_event_recorded",
        Event::ToastQueued { .. } => "toast_queued",
        Event::ToastsSeen { .. } => "toasts_seen",
        Event::BadgeSet { .. } => "badge_set",
        Event::Extension(event) => match event {
            ExtensionEvent::Installed(_) => "extension_installed",
            ExtensionEvent::Activated { .. } => "extension_activated",
            ExtensionEvent::Deactivated { .. } => "extension_deactivated",
            ExtensionEvent::Quarantined(_) => "extension_quarantined",
            ExtensionEvent::Removed { .. } => "extension_removed",
            ExtensionEvent::Reacted(_) => "extension_reacted",
            ExtensionEvent::Answered(_) => "extension_answered",
        },
    }
}

/// A stream by its sort and id.
pub(crate) fn name_of(stream: &Stream) -> String {
    match stream {
        Stream::Conversation(id) => format!("conversation {}", id.0),
        Stream::User(user) => format!("user {user}"),
        Stream::Extension(id) => format!("extension {id}"),
    }
}

/// What an event says beside its kind, in the order in which it is to be read.
fn fields(event: &Event) -> Vec<(&'static str, Value)> {
    let words = |users: &[tidings_core::domain::UserId]| -> Value {
        users.iter().map(|user| (**user).to_owned()).collect()
    };
    match event {
        Event::ConversationStarted { kind, title } => match kind {
            Kind::Direct { pair, context } => vec![
                ("sort", "direct".into()),
                ("users", words(&[pair.0.clone(), pair.1.clone()])),
                ("context", context.as_str().into()),
            ],
            Kind::Group {
                history_from_start,
                max_members,
            } => vec![
                ("sort", "group".into()),
                ("title", title.as_str().into()),
                ("max_members", (*max_members).into()),
                ("history_from_start", (*history_from_start).into()),
            ],
        },
        Event::MemberJoined { user, role } | Event::RoleChanged { user, role } => {
            vec![("user", (**user).into()), ("role", role.as_str().into())]
        }
        Event::MemberLeft { user }
        | Event::MemberRemoved { user }
        | Event::UserBlocked { user }
        | Event::UserUnblocked { user }
        | Event::ContactAdded { user }
        | Event::ContactRemoved { user } => vec![("user", (**user).into())],
        Event::VisibilityChanged { .. } => vec![],
        Event::Seen { at_ms } => vec![("at_ms", (*at_ms).into())],
        Event::TitleChanged { title } => vec![("title", title.as_str().into())],
        Event::MessagePosted {
            seq,
            countable_seq,
            content,
            reply_to,
            mentions,
        } => vec![
            ("seq", (*seq).into()),
            ("text_bytes", text_bytes(content).into()),
            ("reply_to", (*reply_to).into()),
            ("mentions", words(mentions)),
            ("countable_seq", (*countable_seq).into()),
        ],
        Event::MessageEdited {
            seq,
            content,
            mentions,
        } => vec![
            ("seq", (*seq).into()),
            ("text_bytes", text_bytes(content).into()),
            ("mentions", words(mentions)),
        ],
        Event::MessageReviewed { seq, reviews } => {
            vec![("seq", (*seq).into()), ("reviews", said(reviews))]
        }
        Event::MessageHeld {
            held,
            edits,
            content,
            reviews,
            ..
        } => vec![
            ("held", (*held).into()),
            ("edits", (*edits).into()),
            ("text_bytes", text_bytes(content).into()),
            ("reviews", said(reviews)),
        ],
        Event::MessageReleased { held, by } => {
            vec![("held", (*held).into()), ("by", by.to_string().into())]
        }
        Event::MessageRejected { held, reason, by } => vec![
            ("held", (*held).into()),
            ("reason", reason.as_str().into()),
            ("by", by.to_string().into()),
        ],
        Event::MessageRetracted {
            seq,
            author,
            countable_seq,
        } => vec![
            ("seq", (*seq).into()),
            ("author", (**author).into()),
            ("countable_seq", (*countable_seq).into()),
        ],
        Event::ReactionAdded { seq, reaction } | Event::ReactionRemoved { seq, reaction } => vec![
            ("seq", (*seq).into()),
            ("reaction", reaction.as_str().into()),
        ],
        Event::ReadUpTo { seq } | Event::DeliveredUpTo { seq } => vec![("seq", (*seq).into())],
        Event::ProfileSet { attributes } => {
            vec![("attributes_bytes", text_bytes(attributes).into())]
        }
        Event::ProfileRemoved | Event::UserErased => vec![],
        Event::HiddenChanged { hidden } => vec![("hidden", (*hidden).into())],
        Event::AppEventRecorded { kind, payload } => vec![
            ("kind", kind.as_str().into()),
            ("payload_bytes", text_bytes(payload).into()),
        ],
        Event::ToastQueued {
            toast,
            source,
            content,
            about_user,
            about_conversation,
            expires_ms,
            replaces,
            collapse: _,
        } => {
            let mut all = vec![
                ("toast", (*toast).into()),
                ("source", source.as_str().into()),
                ("text_bytes", text_bytes(content).into()),
                ("expires_ms", (*expires_ms).into()),
            ];
            all.extend(
                about_user
                    .as_deref()
                    .map(|user| ("about_user", user.into())),
            );
            let about =
                about_conversation.map(|id| ("about_conversation", id.0.to_string().into()));
            all.extend(about);
            if !replaces.is_empty() {
                all.push(("replaces", replaces.as_slice().into()));
            }
            all
        }
        Event::ToastsSeen { toasts } => vec![("toasts", toasts.as_slice().into())],
        Event::BadgeSet {
            source,
            name,
            count,
        } => vec![
            ("source", source.as_str().into()),
            ("name", name.as_str().into()),
            ("count", (*count).into()),
        ],
        Event::Extension(event) => extension(event),
        Event::ConversationMuted { conversation, .. } => {
            vec![("conversation", conversation.0.to_string().into())]
        }
    }
}

fn extension(event: &ExtensionEvent) -> Vec<(&'static str, Value)> {
    match event {
        ExtensionEvent::Installed(version) => vec![
            ("version", version.version.as_str().into()),
            ("bytes", version.size.into()),
        ],
        ExtensionEvent::Activated { activation, shadow } => vec![
            ("version", activation.version.as_str().into()),
            ("shadow", (*shadow).into()),
            ("settings_bytes", activation.settings.len().into()),
        ],
        ExtensionEvent::Deactivated { shadow } => vec![("shadow", (*shadow).into())],
        ExtensionEvent::Quarantined(quarantine) => vec![
            ("version", quarantine.version.as_str().into()),
            ("hook", quarantine.hook.as_str().into()),
            ("cause", quarantine.cause.as_str().into()),
        ],
        ExtensionEvent::Removed { version } => vec![("version", version.as_str().into())],
        ExtensionEvent::Reacted(reaction) => reacted(reaction),
        ExtensionEvent::Answered(answered) => {
            let mut said = reacted(&answered.reaction);
            said.push(("command", answered.name.as_str().into()));
            said.push(("answer_bytes", answered.answer.bytes.len().into()));
            said
        }
    }
}

fn reacted(reaction: &Reaction) -> Vec<(&'static str, Value)> {
    vec![
        ("version", reaction.version.as_str().into()),
        ("revision", reaction.revision.into()),
        ("upto", reaction.upto.0.into()),
        ("kv", reaction.kv.len().into()),
        ("timers", reaction.timers.len().into()),
        ("intents", reaction.intents.len().into()),
        ("waiting", reaction.waiting.len().into()),
    ]
}

/// What moderation said, an extension a word: `word-filter@1.2.0 hold`.
fn said(reviews: &[Review]) -> Value {
    let said = |review: &Review| {
        let failed = if review.failed { " (failed)" } else { "" };
        let (extension, version) = (&review.extension, &review.version);
        let verdict = review.verdict.as_str();
        Value::from(format!("{extension}@{version} {verdict}{failed}"))
    };
    reviews.iter().map(said).collect()
}

/// Bytes of a text that is sealed.
fn text_bytes(content: &Content) -> usize {
    match content {
        Content::Plain(text) => text.len(),
        Content::Sealed(sealed) => sealed.len().saturating_sub(OVERHEAD),
    }
}

/// A line for each event of a record: when, where in the log, in which stream, what, by whom, and more.
pub(super) fn human(position: Position, commit: &Result<Commit, DecodeError>) -> Vec<String> {
    let commit = match commit {
        Ok(commit) => commit,
        Err(error) => return vec![format!("{position}  cannot be read: {}", error.reason)],
    };
    let begin = |batch: &Batch, index| {
        format!(
            "{}  {position}.{index}  {}",
            time(commit.at_ms(batch)),
            name_of(&batch.stream)
        )
    };
    let mut lines = Vec::new();
    for batch in &commit.batches {
        for (index, event) in (batch.first_index..).zip(&batch.events) {
            let mut line = format!(
                "{}  {} by {}",
                begin(batch, index),
                kind(event),
                batch.actor
            );
            for (name, value) in fields(event) {
                let value = match value {
                    Value::String(user) if name == "user" && *user == *batch.actor => continue,
                    Value::Number(number) if number.as_u64() == Some(0) => continue,
                    Value::String(text) if plain(&text) => text,
                    Value::Array(list) if list.is_empty() => continue,
                    value => value.to_string(),
                };
                line.push_str(&format!(" {name}={value}"));
            }
            lines.push(line);
        }
        if let Some(why) = &batch.poison {
            let index = batch.first_index as usize + batch.events.len();
            lines.push(format!(
                "{}  cannot be read: {why}",
                begin(batch, index as u32)
            ));
        }
    }
    lines
}

/// Whether a text needs no quotes to be told from what stands beside it.
fn plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.:@#".contains(c))
}

/// The same as objects.
pub(super) fn json(position: Position, commit: &Result<Commit, DecodeError>) -> Vec<String> {
    let commit = match commit {
        Ok(commit) => commit,
        Err(error) => {
            let line = json!({ "position": position.0, "unreadable": error.reason });
            return vec![line.to_string()];
        }
    };
    let mut lines = Vec::new();
    for batch in &commit.batches {
        for (index, event) in (batch.first_index..).zip(&batch.events) {
            let mut line = envelope(commit, batch, index);
            line.insert("kind".to_owned(), kind(event).into());
            line.insert("schema".to_owned(), schema_of(event).schema.into());
            let fields = fields(event).into_iter();
            let fields: Map<String, Value> = fields.map(|(k, v)| (k.to_owned(), v)).collect();
            line.insert("event".to_owned(), fields.into());
            lines.push(Value::Object(line).to_string());
        }
        if let Some(why) = &batch.poison {
            let index = batch.first_index + batch.events.len() as u32;
            let mut line = envelope(commit, batch, index);
            line.insert("unreadable".to_owned(), why.as_str().into());
            lines.push(Value::Object(line).to_string());
        }
    }
    lines
}

/// What every event has.
fn envelope(commit: &Commit, batch: &Batch, index: u32) -> Map<String, Value> {
    let (sort, id) = match &batch.stream {
        Stream::Conversation(id) => ("conversation", id.0.to_string()),
        Stream::User(user) => ("user", (**user).to_owned()),
        Stream::Extension(id) => ("extension", (**id).to_owned()),
    };
    let envelope = json!({
        "position": commit.position.0,
        "index": index,
        "shard": commit.shard.0,
        "commit": commit.id.to_string(),
        "at_ms": commit.at_ms(batch),
        "recorded_ms": commit.recorded_ms,
        "stream": { sort: id },
        "actor": &*batch.actor,
        "command": batch.command.map(|command| command.id.to_string()),
    });
    match envelope {
        Value::Object(envelope) => envelope,
        _ => Map::new(),
    }
}

/// How a time is shown, in UTC.
const TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Milliseconds since 1970 as a time; as they are where no calendar goes so far.
fn time(ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(TIME).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}

#[cfg(test)]
mod tests;
