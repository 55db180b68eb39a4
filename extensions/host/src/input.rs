//! What a hook is called about, as plain data. Extensions ask for it piece by piece.

use std::time::Instant;

use crate::host::{Message, Presence};

/// What is true of the call itself, whichever hook it is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// When what the hook is called about was recorded or received, in milliseconds since 1970.
    pub now: u64,
    /// A hash of the extension, the hook and what the hook is called about.
    pub seed: [u8; 32],
    /// Names what the call is about towards outside systems: at most 64 bytes of ASCII.
    pub idempotency_key: String,
    /// How often the hook has been called about this, from 1.
    pub attempt: u32,
    /// The W3C trace context, or nothing.
    pub traceparent: String,
    /// When the call has to be over, if that is before its own time is up.
    pub until: Option<Instant>,
}

/// What a draft is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftKind {
    /// A new message.
    Message,
    /// A new text of a message.
    Edit,
    /// A name others read.
    Name,
    /// The profile of a user.
    Profile,
}

/// Something that somebody is about to make others see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// What it is to become.
    pub kind: DraftKind,
    /// Whose it is.
    pub author: String,
    /// Where it is to stand; absent for a profile.
    pub place: Option<Place>,
    /// Whether it is a message to somebody who has never written to the author and is no contact.
    pub first_contact: bool,
    /// What it says.
    pub text: String,
    /// The most bytes that a text in its place may have.
    pub text_limit: usize,
    /// `seq` of the message replied to.
    pub reply_to: Option<u64>,
    /// Members mentioned.
    pub mentions: Vec<String>,
    /// Of a profile, the attributes with text and their values.
    pub attributes: Vec<(String, Vec<String>)>,
    /// What else is known, by name.
    pub details: Vec<(String, String)>,
}

/// Where a draft is to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The conversation.
    pub conversation: String,
    /// `direct` or `group`.
    pub kind: String,
    /// Present members.
    pub members: u32,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// The log position of its commit.
    pub position: u64,
    /// What happened.
    pub kind: String,
    /// By which schema the payload is to be read.
    pub schema: u32,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
    /// Who caused it.
    pub actor: Option<String>,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// In which conversation.
    pub conversation: Option<String>,
    /// What else there is to say: a JSON object.
    pub payload: String,
    /// The message it tells of, as that is now.
    pub message: Option<Message>,
}

/// Somebody came, went or turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Who.
    pub user: String,
    /// How the user was when the hook was last told.
    pub before: Presence,
    /// How the user is.
    pub now: Presence,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
}

/// Somebody is absent and has unread messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Who.
    pub user: String,
    /// Offline since, in milliseconds since 1970.
    pub since: u64,
    /// Unread messages in all conversations that are not muted.
    pub unread: u32,
    /// Conversations with unread messages, the latest activity first. The first 20 are told.
    pub conversations: Vec<Missed>,
}

/// A conversation in which somebody has unread messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Which.
    pub conversation: String,
    /// How many are unread.
    pub unread: u32,
    /// How many of them mention the user.
    pub mentions: u32,
    /// The last one of them.
    pub last_message: Option<Message>,
}

/// A timer that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The key it was set with.
    pub key: String,
    /// When it was to fire, in milliseconds since 1970.
    pub due: u64,
    /// What it was set with.
    pub payload: Vec<u8>,
    /// Whom it is about.
    pub subject: Option<String>,
}

/// A call by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Which command.
    pub name: String,
    /// Who calls.
    pub caller: String,
    /// From which conversation.
    pub conversation: Option<String>,
    /// A JSON object.
    pub args: String,
}

/// The people on one page that was found, in the server's order. At most 100.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What was looked for.
    pub query: String,
    /// Who is shown the page.
    pub viewer: Option<String>,
    /// Who was found.
    pub people: Vec<Person>,
}

/// Somebody on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Who.
    pub user: String,
    /// How well the words fit.
    pub score: f32,
    /// As the viewer sees it.
    pub presence: Presence,
    /// In metres, where the query is near to something.
    pub distance: Option<f64>,
    /// What the profile says that the extension may read, as JSON by the attribute's name.
    pub attributes: Vec<(String, String)>,
}
