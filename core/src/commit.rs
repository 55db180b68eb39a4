//! What is inside a record of the journal: a commit, its batches, their events.
//!
//! This is the stored form. It is versioned apart from the wire: frames may change without
//! touching disk. Every event carries its kind and schema number. [`decode_event`] has an arm for
//! every schema that was ever written, and lifts it to the current one: that is all there is to
//! upcasting. `core/golden/` holds an example of each, read by a test for ever.
//!
//! The envelope of an event: its id is (commit id, index); kind and schema number stand beside its
//! payload; actor, recorded time, correlation, causation and command id stand once per batch, since
//! the events of a batch were decided together from one command to one stream.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{
        CommandId, Content, ConversationId, Event, ExtensionEvent, Review, Stream, UserId,
        event::{Kind, Role},
    },
    log::{Position, Record, Shard},
};

/// Version of the commit's own layout, its first byte.
const FORMAT: u8 = 1;

/// Events decided together by one shard's writer, stored as one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where it stands.
    pub position: Position,
    /// Its shard.
    pub shard: Shard,
    /// Its id.
    pub id: Uuid,
    /// When it was recorded, milliseconds since 1970.
    pub recorded_ms: u64,
    /// In order.
    pub batches: Vec<Batch>,
}

/// The events of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What they belong to.
    pub stream: Stream,
    /// Who caused them.
    pub actor: UserId,
    /// The command, where it had an id.
    pub command: Option<CommandRef>,
    /// When it happened, where that differs from when it was recorded (imports), milliseconds since 1970.
    pub happened_ms: Option<u64>,
    /// Groups everything that one outside request led to.
    pub correlation: Option<Uuid>,
    /// The event that led to the command, where one did: (position, index).
    pub causation: Option<(u64, u32)>,
    /// Index within the commit of the first event; set by `decode`.
    pub first_index: u32,
    /// In order.
    pub events: Vec<Event>,
    /// Why the events after these could not be read: their stream is parked by whoever folds it.
    pub poison: Option<String>,
}

/// A command as the log remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRef {
    /// Its id.
    pub id: CommandId,
    /// Digest of what it asked, so that an id used for something else is noticed.
    pub digest: u32,
}

/// A record that is no commit this program can read. (A single unreadable event is no such error:
/// see [`Batch::poison`].)
#[derive(Debug, thiserror::Error)]
#[error("the commit at position {position} cannot be read: {reason}")]
pub struct DecodeError {
    /// Its position.
    pub position: Position,
    /// What is wrong.
    pub reason: String,
}

/// An event's numbers in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Schema {
    /// Which event.
    pub kind: u16,
    /// Which version of its payload.
    pub schema: u16,
}

#[derive(Serialize, Deserialize)]
struct StoredCommit<'a> {
    recorded_ms: u64,
    #[serde(borrow)]
    batches: Vec<StoredBatch<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredBatch<'a> {
    stream: Stream,
    actor: &'a str,
    command: Option<CommandRef>,
    happened_ms: Option<u64>,
    correlation: Option<Uuid>,
    causation: Option<(u64, u32)>,
    #[serde(borrow)]
    events: Vec<StoredEvent<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvent<'a> {
    kind: u16,
    schema: u16,
    #[serde(borrow, with = "serde_bytes")]
    payload: std::borrow::Cow<'a, [u8]>,
}

/// Payloads whose stored form is not simply the domain's.
#[derive(Serialize, Deserialize)]
struct MessagePosted<'a> {
    seq: u64,
    countable_seq: u64,
    #[serde(with = "serde_bytes")]
    sealed: &'a [u8],
    reply_to: u64,
    mentions: Vec<UserId>,
}

#[derive(Serialize, Deserialize)]
struct MessageHeld<'a> {
    held: u64,
    edits: u64,
    #[serde(with = "serde_bytes")]
    sealed: &'a [u8],
    reply_to: u64,
    mentions: Vec<UserId>,
    reviews: Vec<Review>,
}

#[derive(Serialize, Deserialize)]
struct AppEventRecorded<'a> {
    kind: &'a str,
    #[serde(with = "serde_bytes")]
    sealed: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct ToastQueued<'a> {
    toast: u64,
    source: &'a str,
    #[serde(borrow)]
    collapse: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    sealed: &'a [u8],
    about_user: Option<UserId>,
    about_conversation: Option<ConversationId>,
    expires_ms: u64,
    replaces: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct MessageEdited<'a> {
    seq: u64,
    #[serde(with = "serde_bytes")]
    sealed: &'a [u8],
    mentions: Vec<UserId>,
}

impl Commit {
    /// The stored form of batches. Content must be sealed.
    pub fn encode(recorded_ms: u64, batches: &[Batch]) -> Bytes {
        let stored = StoredCommit {
            recorded_ms,
            batches: batches
                .iter()
                .map(|batch| StoredBatch {
                    stream: batch.stream.clone(),
                    actor: &batch.actor,
                    command: batch.command,
                    happened_ms: batch.happened_ms,
                    correlation: batch.correlation,
                    causation: batch.causation,
                    events: batch.events.iter().map(encode_event).collect(),
                })
                .collect(),
        };
        let events = stored.batches.iter().flat_map(|batch| &batch.events);
        let payloads: usize = events.map(|event| event.payload.len() + 16).sum();
        let mut out = Vec::with_capacity(64 + 128 * batches.len() + payloads);
        out.push(FORMAT);
        // Plain structures written into memory: nothing can fail.
        postcard::to_extend(&stored, out)
            .expect("commits encode")
            .into()
    }

    /// Reads a record.
    pub fn decode(record: &Record) -> Result<Commit, DecodeError> {
        let fail = |reason: String| DecodeError {
            position: record.position,
            reason,
        };
        let rest = match record.payload.split_first() {
            Some((&FORMAT, rest)) => rest,
            Some((other, _)) => {
                return Err(fail(format!(
                    "commit format {other} is of a newer version of this program"
                )));
            }
            None => return Err(fail("the record is empty".to_owned())),
        };
        let stored: StoredCommit<'_> =
            whole(rest).map_err(|why| fail(format!("malformed: {why}")))?;
        let mut batches = Vec::with_capacity(stored.batches.len());
        let mut first_index = 0;
        for batch in stored.batches {
            let mut events = Vec::with_capacity(batch.events.len());
            let mut poison = None;
            for event in &batch.events {
                let schema = Schema {
                    kind: event.kind,
                    schema: event.schema,
                };
                match decode_event(schema, &event.payload, &record.payload) {
                    Ok(event) => events.push(event),
                    Err(reason) => {
                        poison = Some(format!("event {}: {reason}", events.len()));
                        break;
                    }
                }
            }
            batches.push(Batch {
                stream: batch.stream,
                actor: UserId::trusted(batch.actor),
                command: batch.command,
                happened_ms: batch.happened_ms,
                correlation: batch.correlation,
                causation: batch.causation,
                first_index,
                events,
                poison,
            });
            first_index += batch.events.len() as u32;
        }
        Ok(Commit {
            position: record.position,
            shard: record.shard,
            id: record.id,
            recorded_ms: stored.recorded_ms,
            batches,
        })
    }

    /// Its events with their index within the commit, and the batch each is of.
    pub fn events(&self) -> impl Iterator<Item = (u32, &Batch, &Event)> {
        self.batches.iter().flat_map(|batch| {
            (batch.first_index..)
                .zip(&batch.events)
                .map(move |(index, event)| (index, batch, event))
        })
    }

    /// When a batch happened, milliseconds since 1970.
    pub fn at_ms(&self, batch: &Batch) -> u64 {
        batch.happened_ms.unwrap_or(self.recorded_ms)
    }
}

/// Rough number of bytes a batch of these events takes in its stored form, from above.
pub fn encoded_size(events: &[Event]) -> usize {
    let events: usize = events
        .iter()
        .map(|event| match event {
            Event::MessagePosted {
                content, mentions, ..
            }
            | Event::MessageEdited {
                content, mentions, ..
            } => {
                content_size(content)
                    + mentions.iter().map(|user| user.len() + 2).sum::<usize>()
                    + 48
            }
            Event::MessageHeld {
                content,
                mentions,
                reviews,
                ..
            } => {
                content_size(content)
                    + mentions.iter().map(|user| user.len() + 2).sum::<usize>()
                    + reviews_size(reviews)
                    + 64
            }
            Event::MessageReviewed { reviews, .. } => reviews_size(reviews) + 16,
            Event::MessageRejected { reason, .. } => reason.len() + 224,
            Event::AppEventRecorded { kind, payload } => content_size(payload) + kind.len() + 16,
            Event::ProfileSet { attributes } => content_size(attributes) + 16,
            Event::ToastQueued {
                content,
                source,
                collapse,
                replaces,
                ..
            } => {
                // It is sealed twice where it tells of somebody.
                content_size(content)
                    + crate::keys::seal::OVERHEAD
                    + source.len()
                    + collapse.as_ref().map_or(0, String::len)
                    + 10 * replaces.len()
                    + 224
            }
            Event::ToastsSeen { toasts } => 10 * toasts.len() + 16,
            Event::Extension(event) => extension_size(event),
            Event::ConversationStarted { title, .. } | Event::TitleChanged { title } => {
                title.len() + 448
            }
            _ => 224,
        })
        .sum();
    // The envelope, with two ids of 128 bytes.
    events + 336
}

fn extension_size(event: &ExtensionEvent) -> usize {
    match event {
        ExtensionEvent::Installed(version) => version.manifest.len() + 128,
        ExtensionEvent::Activated { activation, .. } => activation.settings.len() + 128,
        ExtensionEvent::Quarantined(quarantine) => quarantine.cause.len() + 128,
        ExtensionEvent::Deactivated { .. } | ExtensionEvent::Removed { .. } => 64,
        ExtensionEvent::Reacted(reaction) => reaction.encoded_size(),
        ExtensionEvent::Answered(answered) => answered.encoded_size(),
    }
}

fn reviews_size(reviews: &[Review]) -> usize {
    let size = |review: &Review| {
        let labels: usize = review.labels.iter().map(|label| label.len() + 2).sum();
        review.extension.len() + review.version.len() + review.reason.len() + labels + 16
    };
    reviews.iter().map(size).sum()
}

fn content_size(content: &Content) -> usize {
    match content {
        Content::Plain(text) => text.len() + crate::keys::seal::OVERHEAD,
        Content::Sealed(sealed) => sealed.len(),
    }
}

/// The numbers an event is stored under now.
pub fn schema_of(event: &Event) -> Schema {
    let (kind, schema) = match event {
        Event::ConversationStarted { .. } => (1, 1),
        Event::MemberJoined { .. } => (2, 1),
        Event::MemberLeft { .. } => (3, 1),
        Event::MemberRemoved { .. } => (4, 1),
        Event::RoleChanged { .. } => (5, 1),
        Event::TitleChanged { .. } => (6, 1),
        Event::MessagePosted { .. } => (10, 1),
        Event::MessageEdited { .. } => (11, 1),
        Event::MessageRetracted { .. } => (12, 1),
        Event::ReactionAdded { .. } => (13, 1),
        Event::ReactionRemoved { .. } => (14, 1),
        Event::MessageReviewed { .. } => (15, 1),
        Event::MessageHeld { .. } => (16, 1),
        Event::MessageReleased { .. } => (17, 1),
        Event::MessageRejected { .. } => (18, 1),
        Event::ReadUpTo { .. } => (20, 1),
        Event::DeliveredUpTo { .. } => (21, 1),
        Event::ConversationMuted { .. } => (30, 1),
        Event::UserBlocked { .. } => (31, 1),
        Event::UserUnblocked { .. } => (32, 1),
        Event::VisibilityChanged { .. } => (33, 1),
        Event::Seen { .. } => (34, 1),
        Event::ContactAdded { .. } => (35, 1),
        Event::ContactRemoved { .. } => (36, 1),
        Event::ProfileSet { .. } => (37, 1),
        Event::ProfileRemoved => (38, 1),
        Event::HiddenChanged { .. } => (39, 1),
        Event::AppEventRecorded { .. } => (40, 1),
        Event::UserErased => (41, 1),
        Event::ToastQueued { .. } => (7, 1),
        Event::ToastsSeen { .. } => (8, 1),
        Event::BadgeSet { .. } => (9, 1),
        Event::Extension(event) => match event {
            ExtensionEvent::Installed(_) => (50, 1),
            ExtensionEvent::Activated { .. } => (51, 1),
            ExtensionEvent::Deactivated { .. } => (52, 1),
            ExtensionEvent::Quarantined(_) => (53, 1),
            ExtensionEvent::Removed { .. } => (54, 1),
            ExtensionEvent::Reacted(_) => (55, 1),
            ExtensionEvent::Answered(_) => (56, 1),
        },
    };
    Schema { kind, schema }
}

/// An event's payload in its current schema.
pub fn encode_payload(event: &Event) -> Vec<u8> {
    fn put<T: Serialize>(value: T) -> Vec<u8> {
        postcard::to_allocvec(&value).expect("payloads encode")
    }
    match event {
        Event::ConversationStarted { kind, title } => put((kind, title)),
        Event::MemberJoined { user, role } | Event::RoleChanged { user, role } => put((user, role)),
        Event::MemberLeft { user }
        | Event::MemberRemoved { user }
        | Event::UserBlocked { user }
        | Event::UserUnblocked { user }
        | Event::ContactAdded { user }
        | Event::ContactRemoved { user } => put(user),
        Event::VisibilityChanged { invisible } => put(invisible),
        Event::ProfileSet { attributes } => put(serde_bytes::Bytes::new(sealed(attributes))),
        Event::ProfileRemoved | Event::UserErased => Vec::new(),
        Event::HiddenChanged { hidden } => put(hidden),
        Event::Extension(event) => match event {
            ExtensionEvent::Installed(version) => put(version),
            ExtensionEvent::Activated { activation, shadow } => put((activation, shadow)),
            ExtensionEvent::Deactivated { shadow } => put(shadow),
            ExtensionEvent::Quarantined(quarantine) => put(quarantine),
            ExtensionEvent::Removed { version } => put(version),
            ExtensionEvent::Reacted(reaction) => put(reaction),
            ExtensionEvent::Answered(answered) => put(answered),
        },
        Event::Seen { at_ms } => put(at_ms),
        Event::TitleChanged { title } => put(title),
        Event::MessagePosted {
            seq,
            countable_seq,
            content,
            reply_to,
            mentions,
        } => put(MessagePosted {
            seq: *seq,
            countable_seq: *countable_seq,
            sealed: sealed(content),
            reply_to: *reply_to,
            mentions: mentions.clone(),
        }),
        Event::MessageEdited {
            seq,
            content,
            mentions,
        } => put(MessageEdited {
            seq: *seq,
            sealed: sealed(content),
            mentions: mentions.clone(),
        }),
        Event::MessageReviewed { seq, reviews } => put((seq, reviews)),
        Event::MessageHeld {
            held,
            edits,
            content,
            reply_to,
            mentions,
            reviews,
        } => put(MessageHeld {
            held: *held,
            edits: *edits,
            sealed: sealed(content),
            reply_to: *reply_to,
            mentions: mentions.clone(),
            reviews: reviews.clone(),
        }),
        Event::MessageReleased { held, by } => put((held, by)),
        Event::MessageRejected { held, reason, by } => put((held, reason, by)),
        Event::MessageRetracted {
            seq,
            author,
            countable_seq,
        } => put((seq, author, countable_seq)),
        Event::ReactionAdded { seq, reaction } | Event::ReactionRemoved { seq, reaction } => {
            put((seq, reaction))
        }
        Event::AppEventRecorded { kind, payload } => put(AppEventRecorded {
            kind,
            sealed: sealed(payload),
        }),
        Event::ReadUpTo { seq } | Event::DeliveredUpTo { seq } => put(seq),
        Event::ConversationMuted {
            conversation,
            muted,
        } => put((conversation, muted)),
        Event::ToastQueued {
            toast,
            source,
            collapse,
            content,
            about_user,
            about_conversation,
            expires_ms,
            replaces,
        } => put(ToastQueued {
            toast: *toast,
            source,
            collapse: collapse.as_deref(),
            sealed: sealed(content),
            about_user: about_user.clone(),
            about_conversation: *about_conversation,
            expires_ms: *expires_ms,
            replaces: replaces.clone(),
        }),
        Event::ToastsSeen { toasts } => put(toasts),
        Event::BadgeSet {
            source,
            name,
            count,
        } => put((source, name, count)),
    }
}

fn encode_event(event: &Event) -> StoredEvent<'static> {
    let Schema { kind, schema } = schema_of(event);
    StoredEvent {
        kind,
        schema,
        payload: encode_payload(event).into(),
    }
}

/// Plain content in the log would be a breach of the seal's promise: a broken invariant.
fn sealed(content: &Content) -> &[u8] {
    match content {
        Content::Sealed(sealed) => sealed,
        Content::Plain(_) => panic!("content is sealed before it is encoded"),
    }
}

/// Decodes all of `bytes`: what is left over would be something this program does not know of.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    match rest.len() {
        0 => Ok(value),
        left => Err(format!("{left} bytes too many")),
    }
}

/// Reads a payload of any schema that was ever written. `record` is the buffer it lies in, shared
/// by the sealed content.
pub fn decode_event(schema: Schema, payload: &[u8], record: &Bytes) -> Result<Event, String> {
    let share = |part: &[u8]| {
        let within = record.as_ptr_range().contains(&part.as_ptr());
        Content::Sealed(if within {
            record.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        })
    };
    let Schema { kind, schema } = schema;
    Ok(match (kind, schema) {
        (1, 1) => {
            let (kind, title): (Kind, String) = whole(payload)?;
            Event::ConversationStarted { kind, title }
        }
        (2, 1) => {
            let (user, role): (UserId, Role) = whole(payload)?;
            Event::MemberJoined { user, role }
        }
        (3, 1) => Event::MemberLeft {
            user: whole(payload)?,
        },
        (4, 1) => Event::MemberRemoved {
            user: whole(payload)?,
        },
        (5, 1) => {
            let (user, role): (UserId, Role) = whole(payload)?;
            Event::RoleChanged { user, role }
        }
        (6, 1) => Event::TitleChanged {
            title: whole(payload)?,
        },
        (10, 1) => {
            let MessagePosted {
                seq,
                countable_seq,
                sealed,
                reply_to,
                mentions,
            } = whole(payload)?;
            Event::MessagePosted {
                seq,
                countable_seq,
                content: share(sealed),
                reply_to,
                mentions,
            }
        }
        (11, 1) => {
            let MessageEdited {
                seq,
                sealed,
                mentions,
            } = whole(payload)?;
            Event::MessageEdited {
                seq,
                content: share(sealed),
                mentions,
            }
        }
        (12, 1) => {
            let (seq, author, countable_seq) = whole(payload)?;
            Event::MessageRetracted {
                seq,
                author,
                countable_seq,
            }
        }
        (13, 1) => {
            let (seq, reaction) = whole(payload)?;
            Event::ReactionAdded { seq, reaction }
        }
        (14, 1) => {
            let (seq, reaction) = whole(payload)?;
            Event::ReactionRemoved { seq, reaction }
        }
        (15, 1) => {
            let (seq, reviews) = whole(payload)?;
            Event::MessageReviewed { seq, reviews }
        }
        (16, 1) => {
            let MessageHeld {
                held,
                edits,
                sealed,
                reply_to,
                mentions,
                reviews,
            } = whole(payload)?;
            Event::MessageHeld {
                held,
                edits,
                content: share(sealed),
                reply_to,
                mentions,
                reviews,
            }
        }
        (17, 1) => {
            let (held, by) = whole(payload)?;
            Event::MessageReleased { held, by }
        }
        (18, 1) => {
            let (held, reason, by) = whole(payload)?;
            Event::MessageRejected { held, reason, by }
        }
        (20, 1) => Event::ReadUpTo {
            seq: whole(payload)?,
        },
        (21, 1) => Event::DeliveredUpTo {
            seq: whole(payload)?,
        },
        (30, 1) => {
            let (conversation, muted): (ConversationId, bool) = whole(payload)?;
            Event::ConversationMuted {
                conversation,
                muted,
            }
        }
        (31, 1) => Event::UserBlocked {
            user: whole(payload)?,
        },
        (32, 1) => Event::UserUnblocked {
            user: whole(payload)?,
        },
        (33, 1) => Event::VisibilityChanged {
            invisible: whole(payload)?,
        },
        (34, 1) => Event::Seen {
            at_ms: whole(payload)?,
        },
        (35, 1) => Event::ContactAdded {
            user: whole(payload)?,
        },
        (36, 1) => Event::ContactRemoved {
            user: whole(payload)?,
        },
        (37, 1) => {
            let sealed: &serde_bytes::Bytes = whole(payload)?;
            Event::ProfileSet {
                attributes: share(sealed),
            }
        }
        (38, 1) => {
            let () = whole(payload)?;
            Event::ProfileRemoved
        }
        (39, 1) => Event::HiddenChanged {
            hidden: whole(payload)?,
        },
        (41, 1) => {
            let () = whole(payload)?;
            Event::UserErased
        }
        (50, 1) => Event::Extension(ExtensionEvent::Installed(whole(payload)?)),
        (51, 1) => {
            let (activation, shadow) = whole(payload)?;
            Event::Extension(ExtensionEvent::Activated { activation, shadow })
        }
        (52, 1) => Event::Extension(ExtensionEvent::Deactivated {
            shadow: whole(payload)?,
        }),
        (53, 1) => Event::Extension(ExtensionEvent::Quarantined(whole(payload)?)),
        (54, 1) => Event::Extension(ExtensionEvent::Removed {
            version: whole(payload)?,
        }),
        (55, 1) => Event::Extension(ExtensionEvent::Reacted(whole(payload)?)),
        (56, 1) => Event::Extension(ExtensionEvent::Answered(whole(payload)?)),
        (40, 1) => {
            let AppEventRecorded { kind, sealed } = whole(payload)?;
            Event::AppEventRecorded {
                kind: kind.to_owned(),
                payload: share(sealed),
            }
        }
        (7, 1) => {
            let ToastQueued {
                toast,
                source,
                collapse,
                sealed,
                about_user,
                about_conversation,
                expires_ms,
                replaces,
            } = whole(payload)?;
            Event::ToastQueued {
                toast,
                source: source.to_owned(),
                collapse: collapse.map(str::to_owned),
                content: share(sealed),
                about_user,
                about_conversation,
                expires_ms,
                replaces,
            }
        }
        (8, 1) => Event::ToastsSeen {
            toasts: whole(payload)?,
        },
        (9, 1) => {
            let (source, name, count) = whole(payload)?;
            Event::BadgeSet {
                source,
                name,
                count,
            }
        }
        _ => {
            return Err(format!(
                "kind {kind} schema {schema} is of a newer version of this program"
            ));
        }
    })
}

#[cfg(test)]
mod tests;
