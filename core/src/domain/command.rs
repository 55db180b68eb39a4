//! What can be asked.

use super::{
    event::{Kind, Role},
    extension::{ExtensionCommand, ExtensionId},
    id::{ConversationId, Stream, UserId},
    review::{Review, Reviewed, Settler},
    toast::NewToast,
};

/// A command to one stream.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Command {
    /// To a conversation.
    Conversation(ConversationId, ConversationCommand),
    /// To the actor's own stream.
    User(UserCommand),
    /// Records a fact of the product's own in the stream of whom it concerns.
    AppEvent {
        /// Whom it concerns.
        subject: UserId,
        /// What sort of fact.
        kind: String,
        /// What else there is to say: a JSON object, as text.
        payload: String,
    },
    /// One that moderation has looked at.
    Reviewed(Box<Reviewed>),
    /// To an extension: the operator's, or the server's own.
    Extension(ExtensionId, ExtensionCommand),
}

/// A command to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ConversationCommand {
    /// Starts it; accepted without effect when a direct one exists already.
    StartDirect {
        /// The two users, in order; the actor is one of them.
        pair: (UserId, UserId),
        /// What it is about.
        context: String,
    },
    /// Starts a group owned by the actor.
    CreateGroup {
        /// Its title.
        title: String,
        /// First members beside the actor.
        members: Vec<UserId>,
        /// Whether members see history from before they joined.
        history_from_start: bool,
        /// Most members, 0 for the server's limit.
        max_members: u32,
    },
    /// Adds members.
    AddMembers {
        /// Whom.
        users: Vec<UserId>,
    },
    /// Removes a member.
    RemoveMember {
        /// Whom.
        user: UserId,
    },
    /// The actor joins by themselves: only imports do that as yet.
    Join,
    /// The actor leaves. `force` (imports) lets the last owner go too.
    Leave {
        /// Whether the last owner may.
        force: bool,
    },
    /// Changes a role.
    SetRole {
        /// Whose.
        user: UserId,
        /// To what.
        role: Role,
    },
    /// Changes the title.
    SetTitle {
        /// The new one.
        title: String,
    },
    /// Posts a message.
    Post {
        /// Its text.
        text: String,
        /// `seq` of the message replied to, 0 for none.
        reply_to: u64,
        /// Members mentioned.
        mentions: Vec<UserId>,
    },
    /// Edits the actor's message.
    Edit {
        /// Which.
        seq: u64,
        /// The new text.
        text: String,
        /// The new mentions.
        mentions: Vec<UserId>,
    },
    /// Takes a message back.
    Retract {
        /// Which.
        seq: u64,
    },
    /// Adds a reaction.
    React {
        /// To which message.
        seq: u64,
        /// The reaction.
        reaction: String,
    },
    /// Removes a reaction.
    Unreact {
        /// From which message.
        seq: u64,
        /// The reaction.
        reaction: String,
    },
    /// Moves the actor's cursors forward: read, delivered (0 for none of it).
    MoveCursors {
        /// Read up to.
        read: u64,
        /// Delivered up to.
        delivered: u64,
    },
    /// Settles what was held of the actor. Whoever does that has read it: what it says stands here, as it is
    /// sealed and cannot be read where this is decided.
    Settle {
        /// Its number among those held.
        held: u64,
        /// Who settles it.
        by: Settler,
        /// What it says and whom it mentions, if it is to be released.
        release: Option<Box<Held>>,
        /// Why not, as the author is shown it, if it is not.
        reason: String,
    },
    /// Puts labels on a message. An extension's, whose account the actor is.
    Label {
        /// Which message.
        seq: u64,
        /// The extension, its version and the labels.
        review: Review,
    },
}

/// What was held, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// `seq` of the message that it is a new text of, 0 for a new message.
    pub edits: u64,
    /// What it says.
    pub text: String,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
}

/// A command to the actor's own stream.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum UserCommand {
    /// Mutes or unmutes a conversation.
    SetMuted {
        /// Which.
        conversation: ConversationId,
        /// Now.
        muted: bool,
    },
    /// Blocks a user.
    Block {
        /// Whom.
        user: UserId,
    },
    /// Unblocks a user.
    Unblock {
        /// Whom.
        user: UserId,
    },
    /// Becomes invisible to others, or visible again.
    SetInvisible {
        /// From now on.
        invisible: bool,
    },
    /// Records when the user was here last. The server's own.
    RecordSeen {
        /// When, milliseconds since 1970.
        at_ms: u64,
    },
    /// Asks a user to be a contact, or accepts that they ask.
    AddContact {
        /// Whom.
        user: UserId,
    },
    /// Ends a contact, takes a request back or declines one.
    RemoveContact {
        /// Whom.
        user: UserId,
    },
    /// Sets the profile that people search finds the actor by, or parts of it.
    SetProfile {
        /// The attributes, all of them: a JSON object, as text. `None` leaves them as they are.
        attributes: Option<String>,
        /// Whether people search leaves the actor out. `None` leaves it as it is.
        hidden: Option<bool>,
        /// Where in the log the profile that says the same was set, if whoever asks has seen one: while
        /// that is the one, nothing happens. Content is sealed, so that it cannot be compared here.
        same_as: Option<(u64, u32)>,
    },
    /// Removes the actor's profile.
    RemoveProfile,
    /// Records that the actor was erased. Their keys are destroyed before.
    Erase,
    /// Shows the actor a toast on all their devices. Left out, without an error, where they and whom it tells of
    /// block each other, and where it tells of a conversation that they are not in.
    QueueToast(Box<NewToast>),
    /// The actor has seen toasts on one of their devices. Those that do not wait are passed over.
    SeeToasts {
        /// Their numbers.
        toasts: Vec<u64>,
    },
    /// Sets a number beside something on the actor's screen.
    SetBadge {
        /// Whose badge it is: an extension's id, or that of the backend.
        source: String,
        /// Its name.
        name: String,
        /// The number, 0 for none.
        count: u32,
    },
}

/// The part of a conversation's state that deciding a command looks at, beside its head and the
/// actor's membership.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Memberships.
    pub members: Vec<UserId>,
    /// Messages, by `seq`.
    pub messages: Vec<u64>,
    /// The actor's reactions: (`seq`, reaction).
    pub reactions: Vec<(u64, String)>,
    /// Whether the actor has blocked this user.
    pub blocked: Option<UserId>,
    /// What is held, by number.
    pub held: Vec<u64>,
}

impl Command {
    /// The stream the command is for, given who asks.
    pub fn stream(&self, actor: &UserId) -> Stream {
        match self {
            Command::Conversation(id, _) => Stream::Conversation(*id),
            Command::User(_) => Stream::User(actor.clone()),
            Command::AppEvent { subject, .. } => Stream::User(subject.clone()),
            Command::Reviewed(reviewed) => reviewed.command.stream(actor),
            Command::Extension(id, _) => Stream::Extension(id.clone()),
        }
    }

    /// Whether somebody's erasure forbids it: what it writes would be sealed with a key of theirs.
    pub fn is_sealed_for(&self, actor: &UserId, user: &UserId) -> bool {
        use ConversationCommand::{Edit, Post, Settle};
        match self {
            Command::Reviewed(reviewed) => reviewed.command.is_sealed_for(actor, user),
            Command::Conversation(
                _,
                Post { .. }
                | Edit { .. }
                | Settle {
                    release: Some(_), ..
                },
            )
            | Command::User(UserCommand::SetProfile { .. }) => actor == user,
            Command::User(UserCommand::QueueToast(toast)) => {
                actor == user || toast.about_user.as_ref() == Some(user)
            }
            Command::AppEvent { subject, .. } => subject == user,
            Command::Conversation(..) | Command::User(_) | Command::Extension(..) => false,
        }
    }
}

impl ConversationCommand {
    /// What must be loaded before it can be decided. `kind` is that of the conversation, if it exists.
    pub fn needs(&self, actor: &UserId, kind: Option<&Kind>) -> Needs {
        use ConversationCommand as C;
        let mut needs = Needs::default();
        match self {
            C::StartDirect { pair, .. } => needs.blocked = Some(other(pair, actor)),
            C::CreateGroup { .. } => {}
            C::Join | C::Leave { .. } | C::SetTitle { .. } | C::MoveCursors { .. } => {}
            C::AddMembers { users } => needs.members.extend(users.iter().cloned()),
            C::RemoveMember { user } | C::SetRole { user, .. } => needs.members.push(user.clone()),
            C::Post {
                reply_to, mentions, ..
            } => {
                needs.members.extend(mentions.iter().cloned());
                if *reply_to != 0 {
                    needs.messages.push(*reply_to);
                }
                if let Some(Kind::Direct { pair, .. }) = kind {
                    needs.blocked = Some(other(pair, actor));
                }
            }
            C::Edit { seq, mentions, .. } => {
                needs.members.extend(mentions.iter().cloned());
                needs.messages.push(*seq);
            }
            C::Settle {
                held, by, release, ..
            } => {
                needs.held.push(*held);
                if let Settler::Moderator(user) = by {
                    needs.members.push(user.clone());
                }
                if let Some(release) = release {
                    needs.members.extend(release.mentions.iter().cloned());
                    if release.edits != 0 {
                        needs.messages.push(release.edits);
                    }
                }
            }
            C::Retract { seq } | C::Label { seq, .. } => needs.messages.push(*seq),
            C::React { seq, reaction } | C::Unreact { seq, reaction } => {
                needs.messages.push(*seq);
                needs.reactions.push((*seq, reaction.clone()));
            }
        }
        needs
    }
}

fn other(pair: &(UserId, UserId), actor: &UserId) -> UserId {
    if pair.0 == *actor {
        pair.1.clone()
    } else {
        pair.0.clone()
    }
}

#[cfg(test)]
mod tests;
