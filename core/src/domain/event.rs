//! What has happened: past-tense facts.
//!
//! These are also the current schemas of the stored events; `crate::commit` gives each its kind
//! and schema number, and reads every schema that ever was.

use serde::{Deserialize, Serialize};

use super::{
    extension::ExtensionEvent,
    id::{ConversationId, UserId},
    review::{Review, Settler},
};

/// Personal content of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// As decided; becomes `Sealed` before it is encoded.
    Plain(String),
    /// As stored: see `crate::keys::seal`.
    Sealed(bytes::Bytes),
}

/// A member's rights in a group. In direct conversations everyone is `Member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Posts and reads.
    Member,
    /// Adds and removes members, takes back messages, sets the title.
    Moderator,
    /// Everything, including roles.
    Owner,
}

impl Role {
    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Owner => "owner",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Role> {
        match name {
            "member" => Some(Role::Member),
            "moderator" => Some(Role::Moderator),
            "owner" => Some(Role::Owner),
            _ => None,
        }
    }
}

/// What sort of conversation it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Between two users about a context (which may be empty). The pair is sorted.
    Direct {
        /// The two users, in order.
        pair: (UserId, UserId),
        /// What it is about, such as a listing.
        context: String,
    },
    /// Many members with roles.
    Group {
        /// Whether members see history from before they joined.
        history_from_start: bool,
        /// Most members.
        max_members: u32,
    },
}

/// One fact. Who caused it, when, and in which stream stands in the envelope
/// ([`crate::commit::Batch`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A conversation began. In a direct one both are members from here on.
    ConversationStarted {
        /// Its sort.
        kind: Kind,
        /// A group's title.
        title: String,
    },
    /// A user became a member.
    MemberJoined {
        /// Who.
        user: UserId,
        /// With which rights.
        role: Role,
    },
    /// A member left.
    MemberLeft {
        /// Who.
        user: UserId,
    },
    /// A member was removed by the actor.
    MemberRemoved {
        /// Who.
        user: UserId,
    },
    /// A member's rights changed.
    RoleChanged {
        /// Whose.
        user: UserId,
        /// To what.
        role: Role,
    },
    /// The title changed.
    TitleChanged {
        /// The new one.
        title: String,
    },
    /// The actor posted a message.
    MessagePosted {
        /// Its number in the conversation, from 1, without gaps.
        seq: u64,
        /// Its number among the countable ones; 0 when it does not count as unread.
        countable_seq: u64,
        /// What it says.
        content: Content,
        /// `seq` of the message replied to, 0 for none.
        reply_to: u64,
        /// Members mentioned.
        mentions: Vec<UserId>,
    },
    /// The actor replaced the text of their message.
    MessageEdited {
        /// Which.
        seq: u64,
        /// What it says now.
        content: Content,
        /// Members mentioned now.
        mentions: Vec<UserId>,
    },
    /// What extensions said of a message: of one posted or edited just before, or of one that stands there.
    MessageReviewed {
        /// Which.
        seq: u64,
        /// By extension.
        reviews: Vec<Review>,
    },
    /// The actor's message, or new text of one, is seen by them and moderators alone until it is settled.
    MessageHeld {
        /// Its number among those held in the conversation, from 1, without gaps.
        held: u64,
        /// `seq` of the message that it is a new text of, 0 for a new message.
        edits: u64,
        /// What it says.
        content: Content,
        /// `seq` of the message replied to, 0 for none.
        reply_to: u64,
        /// Members mentioned.
        mentions: Vec<UserId>,
        /// By extension: why.
        reviews: Vec<Review>,
    },
    /// What was held of the actor is no longer; it is posted, or the text replaced, right after.
    MessageReleased {
        /// Its number among those held.
        held: u64,
        /// Who let it go.
        by: Settler,
    },
    /// What was held of the actor will not be.
    MessageRejected {
        /// Its number among those held.
        held: u64,
        /// Why, as the author is shown it.
        reason: String,
        /// Who said so.
        by: Settler,
    },
    /// A message was taken back.
    MessageRetracted {
        /// Which.
        seq: u64,
        /// Whose it was.
        author: UserId,
        /// Its number among the countable ones, 0 for none.
        countable_seq: u64,
    },
    /// The actor added a reaction.
    ReactionAdded {
        /// To which message.
        seq: u64,
        /// The reaction.
        reaction: String,
    },
    /// The actor removed a reaction.
    ReactionRemoved {
        /// From which message.
        seq: u64,
        /// The reaction.
        reaction: String,
    },
    /// The actor has read (and so received) everything up to a message.
    ReadUpTo {
        /// Which.
        seq: u64,
    },
    /// One of the actor's devices has received everything up to a message.
    DeliveredUpTo {
        /// Which.
        seq: u64,
    },
    /// The actor muted or unmuted a conversation. In the user's stream.
    ConversationMuted {
        /// Which.
        conversation: ConversationId,
        /// Now.
        muted: bool,
    },
    /// The actor blocked a user. In the user's stream.
    UserBlocked {
        /// Whom.
        user: UserId,
    },
    /// The actor unblocked a user. In the user's stream.
    UserUnblocked {
        /// Whom.
        user: UserId,
    },
    /// The actor became invisible to others, or visible again. In the user's stream.
    VisibilityChanged {
        /// Now.
        invisible: bool,
    },
    /// The actor was here last at that time, when others could see it. In the user's stream.
    Seen {
        /// When, milliseconds since 1970.
        at_ms: u64,
    },
    /// The actor added a contact: asked for it, or accepted. In the user's stream.
    ContactAdded {
        /// Whom.
        user: UserId,
    },
    /// The actor ended a contact, took a request back or declined one. In the user's stream.
    ContactRemoved {
        /// Whom.
        user: UserId,
    },
    /// The profile of the actor, by which people search finds them, became this. In the user's stream.
    ProfileSet {
        /// The attributes: a JSON object, sealed with the user's key.
        attributes: Content,
    },
    /// The actor has no profile any more. In the user's stream.
    ProfileRemoved,
    /// The actor is found by people search from now on, or not. In the user's stream.
    HiddenChanged {
        /// Now.
        hidden: bool,
    },
    /// The actor was erased: the keys of all that they wrote, and of what was recorded about them, are
    /// destroyed. In the user's stream.
    UserErased,
    /// The product recorded a fact of its own: the actor did something that concerns the subject, in
    /// whose stream it stands.
    AppEventRecorded {
        /// What sort of fact, such as `profile.viewed`: a name of the product's.
        kind: String,
        /// What else there is to say: a JSON object, sealed with the subject's key.
        payload: Content,
    },
    /// A toast waits to be shown to the user, on all their devices, until they see it on one. In the user's stream.
    ToastQueued {
        /// Its number among the user's, from 1.
        toast: u64,
        /// Who wants it shown.
        source: String,
        /// It takes the place of one of its source with the same key.
        collapse: Option<String>,
        /// What it says: a JSON object (`toast::Said`), sealed with the user's key and with that of whom it tells.
        content: Content,
        /// Of whom it tells.
        about_user: Option<UserId>,
        /// Of which conversation it tells.
        about_conversation: Option<ConversationId>,
        /// From when on it is not shown any more, milliseconds since 1970.
        expires_ms: u64,
        /// Those that wait no longer from here on: it took their place, or they made room, or had expired.
        replaces: Vec<u64>,
    },
    /// The user has seen toasts, or is not to be shown them any more. In the user's stream.
    ToastsSeen {
        /// Which.
        toasts: Vec<u64>,
    },
    /// A number beside something on the user's screen became this. In the user's stream.
    BadgeSet {
        /// Whose badge it is.
        source: String,
        /// Its name.
        name: String,
        /// The number, 0 for none.
        count: u32,
    },
    /// Something happened to an extension. In the extension's stream.
    Extension(ExtensionEvent),
}
