//! What an extension may ask the server while it runs. Who embeds the sandbox implements [`Host`].

use std::future::Future;
use std::pin::Pin;

use crate::staged::{Effect, KvChange, TimerChange};

/// The server's side of one extension: what it may read, as far as it was granted, and whether it may do what it stages.
///
/// One is made for each call or kept for each extension, as the embedder likes. All but `http` answer at once: they read what
/// is in memory or close by, since they run on the thread that called the hook.
///
/// # Errors
///
/// `Ask::Refused` is told the extension, which may go on; `Ask::Failed` ends the call as [`CallError::Host`].
///
/// [`CallError::Host`]: crate::CallError::Host
pub trait Host: Send + Sync {
    /// The log position up to which everything is held in what the other functions answer.
    fn as_of(&self) -> Result<u64, Ask>;
    /// The conversation, if there is one.
    fn conversation(&self, id: &str) -> Result<Option<Conversation>, Ask>;
    /// Present members in the order of their ids, those behind `after`, at most `limit`.
    fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Ask>;
    /// Whether the user is a member now.
    fn is_member(&self, id: &str, user: &str) -> Result<bool, Ask>;
    /// Messages with a `seq` below `before`, the newest first, at most `limit`.
    fn recent(&self, id: &str, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Ask>;
    /// How many messages the user has not read there.
    fn unread(&self, id: &str, user: &str) -> Result<u32, Ask>;
    /// How the user is, as others see it.
    fn presence(&self, user: &str) -> Result<Presence, Ask>;
    /// What the user's profile says under this attribute, as JSON.
    fn profile_attribute(&self, user: &str, attribute: &str) -> Result<Option<String>, Ask>;
    /// Whether either of the two blocks the other.
    fn is_blocked_between(&self, one: &str, other: &str) -> Result<bool, Ask>;

    /// What is stored under the key, without what this call has staged.
    fn kv_get(&self, key: &str) -> Result<Option<Entry>, Ask>;
    /// Entries whose key begins with `prefix`, those behind `after`, in the order of their bytes, at most `limit`.
    fn kv_scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Ask>;

    /// Adds to a window and answers what it comes to. Lengths were checked; that the name is declared was not.
    fn bump(&self, name: &str, key: &str, window_ms: u32, by: u32) -> Result<u32, Ask>;
    /// Whether the manifest names such a secret and the operator gave one.
    fn has_secret(&self, name: &str) -> bool;
    /// Whether the manifest declares this metric.
    fn has_metric(&self, name: &str) -> bool;

    /// Whether the extension may stage this. Shapes and lengths were checked; grants, what the manifest declares and how deep
    /// posts follow from posts were not.
    fn admit(&self, staged: Staging<'_>) -> Result<(), Ask>;

    /// Sends the request and waits, no longer than its timeout.
    fn http(&self, request: Request) -> Answer;
}

/// What [`Host::http`] answers with.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, HttpError>> + Send>>;

/// What is about to be staged.
#[derive(Debug)]
pub enum Staging<'a> {
    /// An effect. Of a toast, post or push what is added later is admitted again.
    Effect(&'a Effect),
    /// A change of the extension's store.
    Kv(&'a KvChange),
    /// A timer.
    Timer(&'a TimerChange),
}

/// Why the host has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ask {
    /// The extension is told.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server could not: the call ends.
    #[error("{0}")]
    Failed(String),
}

/// Why the host did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not granted, or not allowed in this hook.
    #[error("denied: {0}")]
    Denied(String),
    /// An argument that can never be right.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A budget of the call or a quota of the extension is used up.
    #[error("exhausted: {0}")]
    Exhausted(String),
}

impl Refusal {
    pub(crate) fn denied(why: impl Into<String>) -> Self {
        Self::Denied(why.into())
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    pub(crate) fn exhausted(why: impl Into<String>) -> Self {
        Self::Exhausted(why.into())
    }
}

/// How a user is, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Here.
    Available,
    /// Here, but idle or by choice away.
    Away,
    /// Not here, or invisible.
    Offline,
}

/// A message as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Where it was posted.
    pub conversation: String,
    /// Its number in the conversation; 0 while it is held.
    pub seq: u64,
    /// Who wrote it.
    pub author: String,
    /// When it was posted, in milliseconds since 1970.
    pub at: u64,
    /// What it says, where there is something and the extension is granted content.
    pub text: Option<String>,
    /// `seq` of the message replied to.
    pub reply_to: Option<u64>,
    /// Members mentioned.
    pub mentions: Vec<String>,
}

/// A conversation as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// `direct` or `group`.
    pub kind: String,
    /// A group's title, where the extension is granted content.
    pub title: String,
    /// What a direct conversation is about.
    pub context: String,
    /// Present members.
    pub members: u32,
}

/// What is stored under a key of the extension's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Another number after each change, never 0.
    pub revision: u64,
}

/// A request to a host that may have been granted: that is for [`Host::http`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As in `GET`.
    pub method: String,
    /// At most 8 KiB.
    pub url: String,
    /// In the order they were added.
    pub headers: Vec<(String, Header)>,
    /// Absent where none was set.
    pub body: Option<Vec<u8>>,
    /// How long the whole may take: no longer than the call has left.
    pub timeout_ms: u32,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// As the extension said.
    Text(String),
    /// With a secret that the extension never sees.
    Secret {
        /// What stands before it.
        prefix: String,
        /// Its name in the manifest.
        secret: String,
    },
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, one entry a name.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// Not granted, or a private address.
    Denied(String),
    /// The request cannot be right.
    Invalid(String),
    /// More than the call may send.
    Exhausted(String),
    /// No whole response in time.
    Timeout,
    /// Longer than 1 MiB.
    TooLarge,
    /// The host is left alone for a while.
    CircuitOpen,
    /// No connection, or it broke.
    Transport(String),
}
