//! What an extension decided or wants done, as plain data. Nothing of it has happened when the call returns.

use serde_json::{Value, json};

/// What a moderator says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whether the draft may become what it is to become.
    pub decision: Decision,
    /// What it is to say instead.
    pub text: Option<String>,
    /// Labels it gets.
    pub labels: Vec<String>,
}

/// Whether a draft may become what it is to become, from mild to strict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Decision {
    /// It may.
    #[default]
    Allow,
    /// Only the author and moderators see it until it is settled.
    Hold {
        /// At most 512 bytes.
        reason: String,
    },
    /// It may not.
    Reject {
        /// At most 512 bytes.
        reason: String,
    },
}

/// Everything that a call wants recorded, as one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    /// In the order they were asked for.
    pub effects: Vec<Effect>,
    /// One for each key, in the order of the keys.
    pub kv: Vec<KvChange>,
    /// One for each key, in the order of the keys.
    pub timers: Vec<TimerChange>,
}

impl Staged {
    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.kv.is_empty() && self.timers.is_empty()
    }
}

/// Something an extension does to the world. Each is described in `wit/effects.wit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Shows something on all devices of a user.
    Toast(Toast),
    /// Sets a number beside something on a user's screen.
    Badge {
        /// Whose.
        user: String,
        /// Which.
        name: String,
        /// 0 removes it.
        count: u32,
    },
    /// Wakes the devices of a user that are not online.
    Push(Push),
    /// Hands something to the product's backend.
    Notify {
        /// For whom.
        user: String,
        /// Once for each key.
        key: String,
        /// By which way.
        channel: String,
        /// A JSON object.
        payload: String,
    },
    /// Posts as the extension's account.
    Post(Post),
    /// Puts a label on a message.
    Label {
        /// Where.
        conversation: String,
        /// Which message.
        seq: u64,
        /// The label.
        label: String,
    },
    /// Lets go what this extension held.
    Release {
        /// The draft's id.
        held: String,
    },
    /// Rejects what this extension held.
    Reject {
        /// The draft's id.
        held: String,
        /// At most 512 bytes.
        reason: String,
    },
    /// Records an event of the extension's own.
    Emit {
        /// Without `ext.` and the extension's name.
        kind: String,
        /// Once for each key.
        key: String,
        /// The schema's number.
        schema: u32,
        /// A JSON object.
        payload: String,
        /// Whom it is about.
        subject: Option<String>,
    },
}

impl Effect {
    /// As JSON: by its name, without what was not said.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let value = match self {
            Effect::Toast(toast) => json!({"toast": {
                "user": toast.user, "title": toast.title, "body": toast.body, "collapse": toast.collapse, "link": toast.link,
                "about_user": toast.about_user, "about_conversation": toast.about_conversation, "expire_after": toast.expire_after_ms,
            }}),
            Effect::Badge { user, name, count } => {
                json!({"badge": {"user": user, "name": name, "count": count}})
            }
            Effect::Push(push) => json!({"push": {
                "user": push.user, "key": push.key, "title": push.title, "body": push.body, "collapse": push.collapse,
                "link": push.link, "expire_after": push.expire_after_ms,
            }}),
            Effect::Notify {
                user,
                key,
                channel,
                payload,
            } => json!({"notify": {
                "user": user, "key": key, "channel": channel, "payload": parsed(payload),
            }}),
            Effect::Post(post) => {
                let (conversation, user) = match &post.to {
                    PostTo::Conversation(id) => (Some(id), None),
                    PostTo::User(id) => (None, Some(id)),
                };
                json!({"post": {
                    "conversation": conversation, "user": user, "key": post.key, "text": post.text,
                    "reply_to": post.reply_to, "mentions": post.mentions,
                }})
            }
            Effect::Label {
                conversation,
                seq,
                label,
            } => json!({"label": {"conversation": conversation, "seq": seq, "label": label}}),
            Effect::Release { held } => json!({"release": {"held": held}}),
            Effect::Reject { held, reason } => json!({"reject": {"held": held, "reason": reason}}),
            Effect::Emit {
                kind,
                key,
                schema,
                payload,
                subject,
            } => json!({"emit": {
                "kind": kind, "key": key, "schema": schema, "payload": parsed(payload), "subject": subject,
            }}),
        };
        said(value)
    }
}

fn parsed(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap_or_default()
}

/// Without fields that are null.
fn said(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, said(value))).collect())
        }
        value => value,
    }
}

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// To whom.
    pub user: String,
    /// 1 to 256 bytes.
    pub title: String,
    /// Up to 1,024 bytes.
    pub body: String,
    /// Takes the place of one with the same key.
    pub collapse: Option<String>,
    /// What opens at a click.
    pub link: Option<String>,
    /// Who it tells of.
    pub about_user: Option<String>,
    /// The conversation it tells of.
    pub about_conversation: Option<String>,
    /// Not shown any more after this many milliseconds.
    pub expire_after_ms: Option<u32>,
}

/// Something that wakes a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Whose.
    pub user: String,
    /// Once for each key.
    pub key: String,
    /// 1 to 256 bytes.
    pub title: String,
    /// Up to 1,024 bytes.
    pub body: String,
    /// Takes the place of one with the same key.
    pub collapse: Option<String>,
    /// What opens at a click.
    pub link: Option<String>,
    /// Not delivered any more after this many milliseconds.
    pub expire_after_ms: Option<u32>,
}

/// A message of the extension's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where.
    pub to: PostTo,
    /// Once for each key.
    pub key: String,
    /// What it says.
    pub text: String,
    /// `seq` of the message replied to.
    pub reply_to: Option<u64>,
    /// Members mentioned, at most 50.
    pub mentions: Vec<String>,
}

/// Where a post goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostTo {
    /// Into this conversation.
    Conversation(String),
    /// Into the direct conversation with this user.
    User(String),
}

/// A change of the extension's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvChange {
    /// The key.
    pub key: String,
    /// What it is to be; absent to remove it.
    pub value: Option<Vec<u8>>,
    /// Whom the value is about.
    pub subject: Option<String>,
    /// The revision the key must have when this lands, 0 for not being there: where it has another one, all that the call
    /// staged is discarded and the hook called again.
    pub expect: Option<u64>,
}

/// A timer that is set or cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    /// Set, in the place of one with the same key.
    Set {
        /// The key.
        key: String,
        /// In milliseconds since 1970.
        when: u64,
        /// At most 4 KiB.
        payload: Vec<u8>,
        /// Whom it is about.
        subject: Option<String>,
    },
    /// Cancelled, if there is one.
    Cancel {
        /// The key.
        key: String,
    },
}

/// What is to be done about somebody's absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Send this.
    Send {
        /// 1 to 256 bytes.
        title: String,
        /// Up to 1,024 bytes.
        body: String,
    },
    /// Call again after this many milliseconds.
    Wait(u32),
    /// Send nothing; the reason is for the operator.
    Skip(String),
}

/// What a command answers its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// The arguments are wrong.
    Usage(String),
    /// The caller may not.
    Denied,
    /// Not now.
    Unavailable,
    /// It cannot be done.
    Failed(String),
}
