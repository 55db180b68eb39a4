//! Between frames and the core: the only file that knows both.

use crate::notifications;
use bytes::Bytes;
use tidings_core::{
    domain::{
        Command, ConversationCommand, ConversationId, Refusal, UserCommand, UserId,
        event::{Kind, Role},
        id::CommandId,
    },
    handler::{self, Answer, ids::Ids},
    presence::watch::Diff,
    projections::{
        read::{
            ContactView, ConversationView, CursorView, MemberView, MessageView, ReceiptsView, Text,
        },
        resume::{Change, What},
    },
};
use tidings_protocol::{
    ErrorCode, command, event, frame,
    frame::{Outcome, Request},
    id,
    import::{ImportCommand, ImportRequest},
    query, view,
};

/// A refusal on its way to the client.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// When to try again, milliseconds from now; 0 when the client may choose.
    pub retry_after_ms: u32,
}

impl Failure {
    /// A refusal that is not about time.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
            retry_after_ms: 0,
        }
    }

    /// As an outcome.
    pub fn outcome(self) -> Outcome {
        Outcome::Error(frame::Error {
            code: self.code.as_str().to_owned(),
            message: self.message,
            retry: self.code.retry(),
            retry_after_ms: self.retry_after_ms,
        })
    }
}

/// A request that changes something, as a command. `None` when the request is of another sort.
pub fn command(
    request: Request,
    user: &UserId,
    command_id: Option<CommandId>,
    ids: &Ids,
) -> Result<Option<Command>, Failure> {
    use ConversationCommand as C;
    let command = match request {
        Request::StartDirect(command::StartDirect {
            user: peer,
            context,
        }) => {
            let peer = user_id(&peer)?;
            let id = ids.direct(user, &peer, &context);
            let pair = if *user <= peer {
                (user.clone(), peer)
            } else {
                (peer, user.clone())
            };
            Command::Conversation(id, C::StartDirect { pair, context })
        }
        Request::CreateGroup(request) => {
            let Some(command_id) = command_id else {
                return Err(no_command_id());
            };
            let create = C::CreateGroup {
                title: request.title,
                members: user_ids(&request.members)?,
                history_from_start: request.history_from_start,
                max_members: request.max_members,
            };
            Command::Conversation(ids.group(user, command_id), create)
        }
        Request::AddMembers(request) => to(
            &request.conversation,
            C::AddMembers {
                users: user_ids(&request.users)?,
            },
        )?,
        Request::RemoveMember(request) => to(
            &request.conversation,
            C::RemoveMember {
                user: user_id(&request.user)?,
            },
        )?,
        Request::Leave(request) => to(&request.conversation, C::Leave { force: false })?,
        Request::SetRole(request) => {
            let Some(role) = Role::from_name(&request.role) else {
                let message = format!("role is {:?}: use owner, moderator or member", request.role);
                return Err(Failure::new(ErrorCode::Invalid, message));
            };
            to(
                &request.conversation,
                C::SetRole {
                    user: user_id(&request.user)?,
                    role,
                },
            )?
        }
        Request::SetTitle(request) => to(
            &request.conversation,
            C::SetTitle {
                title: request.title,
            },
        )?,
        Request::SetMuted(request) => {
            let conversation = conversation_id(&request.conversation)?;
            Command::User(UserCommand::SetMuted {
                conversation,
                muted: request.muted,
            })
        }
        Request::PostMessage(request) => {
            let mentions = user_ids(&request.mentions)?;
            to(
                &request.conversation,
                C::Post {
                    text: request.text,
                    reply_to: request.reply_to,
                    mentions,
                },
            )?
        }
        Request::EditMessage(request) => {
            let mentions = user_ids(&request.mentions)?;
            to(
                &request.conversation,
                C::Edit {
                    seq: request.seq,
                    text: request.text,
                    mentions,
                },
            )?
        }
        Request::RetractMessage(request) => {
            to(&request.conversation, C::Retract { seq: request.seq })?
        }
        Request::AddReaction(request) => to(
            &request.conversation,
            C::React {
                seq: request.seq,
                reaction: request.reaction,
            },
        )?,
        Request::RemoveReaction(request) => to(
            &request.conversation,
            C::Unreact {
                seq: request.seq,
                reaction: request.reaction,
            },
        )?,
        Request::SeeToasts(request) => {
            if request.toasts.is_empty() {
                let message = "toasts names none: give the numbers of those that were seen";
                return Err(Failure::new(ErrorCode::Invalid, message));
            }
            Command::User(UserCommand::SeeToasts {
                toasts: request.toasts,
            })
        }
        Request::BlockUser(request) => Command::User(UserCommand::Block {
            user: user_id(&request.user)?,
        }),
        Request::UnblockUser(request) => Command::User(UserCommand::Unblock {
            user: user_id(&request.user)?,
        }),
        Request::AddContact(request) => Command::User(UserCommand::AddContact {
            user: user_id(&request.user)?,
        }),
        Request::RemoveContact(request) => Command::User(UserCommand::RemoveContact {
            user: user_id(&request.user)?,
        }),
        Request::SetInvisible(request) => Command::User(UserCommand::SetInvisible {
            invisible: request.invisible,
        }),
        Request::Hello(_)
        | Request::Ping(_)
        | Request::RenewToken(_)
        | Request::Ack(_)
        | Request::MarkRead(_)
        | Request::Typing(_)
        | Request::SetPresence(_)
        | Request::WatchPresence(_)
        | Request::ListBlocked(_)
        | Request::ListContacts(_)
        | Request::ListConversations(_)
        | Request::GetConversation(_)
        | Request::ListMessages(_)
        | Request::ListMembers(_)
        | Request::GetReceipts(_)
        | Request::GetMessage(_)
        | Request::GetUnread(_)
        | Request::SearchPeople(_)
        | Request::WatchPeople(_)
        | Request::SearchMessages(_)
        | Request::UnwatchPeople(_)
        | Request::SettleHeld(_)
        | Request::Invoke(_)
        | Request::ListHeld(_)
        | Request::ListNotifications(_)
        | Request::Look(_)
        | Request::GetProfiles(_) => return Ok(None),
    };
    Ok(Some(command))
}

/// A contact as clients see it.
pub(crate) fn contact(with: &ContactView) -> view::Contact {
    view::Contact {
        user: with.user.to_string(),
        state: with.contact.as_str().to_owned(),
        at_ms: with.at_ms,
    }
}

/// How users are, as clients see it.
pub(crate) fn presence(diff: Diff) -> event::Presence {
    let users = diff.users.into_iter().map(|seen| view::Presence {
        user: seen.user.to_string(),
        state: seen.state.as_str().to_owned(),
        seen_ms: seen.seen_ms,
    });
    event::Presence {
        version: diff.version,
        snapshot: diff.snapshot,
        users: users.collect(),
    }
}

/// An imported command, ready for the handler.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) actor: UserId,
    pub(crate) command: Command,
    pub(crate) conversation: ConversationId,
    pub(crate) id: CommandId,
    pub(crate) happened_ms: Option<u64>,
}

/// How far ahead of this server's clock an imported time may be, in milliseconds: a day, as for the
/// clocks of clients.
const IMPORT_AHEAD_MS: u64 = 24 * 3600 * 1000;

/// A command of an import. Its id follows from its key, so an import on the server's own machine
/// and one from elsewhere recognise each other's.
pub(crate) fn import(command: ImportCommand, ids: &Ids, now_ms: u64) -> Result<Imported, Failure> {
    use ConversationCommand as C;
    let invalid = |message: String| Failure::new(ErrorCode::Invalid, message);
    let ImportCommand {
        actor,
        source,
        key,
        happened_ms,
        request,
    } = command;
    let named = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b' ' || c == b'-';
    if !(1..=32).contains(&source.len()) || !source.bytes().all(named) {
        return Err(invalid(format!(
            "source is {source:?}: use 1 to 32 lower-case letters, digits, spaces and hyphens"
        )));
    }
    if key.is_empty() {
        return Err(invalid("key is missing: it names the command".to_owned()));
    }
    if happened_ms.is_some_and(|ms| ms > now_ms + IMPORT_AHEAD_MS) {
        return Err(invalid(format!(
            "happened_ms is {}, it is {now_ms} now",
            happened_ms.unwrap_or_default()
        )));
    }
    let actor = user_id(&actor)?;
    let parts: Vec<&[u8]> = key.iter().map(String::as_bytes).collect();
    let id = ids.command(&format!("import {source}"), &parts);
    let command = match request {
        Some(ImportRequest::CreateGroup(create)) => {
            self::command(Request::CreateGroup(create), &actor, Some(id), ids)?
        }
        Some(ImportRequest::AddMembers(add)) => {
            self::command(Request::AddMembers(add), &actor, Some(id), ids)?
        }
        Some(ImportRequest::PostMessage(post)) => {
            self::command(Request::PostMessage(post), &actor, Some(id), ids)?
        }
        Some(ImportRequest::Join(join)) => Some(to(&join.conversation, C::Join)?),
        Some(ImportRequest::Leave(leave)) => {
            Some(to(&leave.conversation, C::Leave { force: true })?)
        }
        None => None,
    };
    let Some(Command::Conversation(conversation, command)) = command else {
        let message = "the command has no request, or one that this server does not know";
        return Err(Failure::new(ErrorCode::UnknownRequest, message));
    };
    Ok(Imported {
        actor,
        command: Command::Conversation(conversation, command),
        conversation,
        id,
        happened_ms,
    })
}

fn to(conversation: &[u8], command: ConversationCommand) -> Result<Command, Failure> {
    Ok(Command::Conversation(
        conversation_id(conversation)?,
        command,
    ))
}

/// The refusal of a command without an id.
pub fn no_command_id() -> Failure {
    Failure::new(
        ErrorCode::Invalid,
        "command_id is missing: give a UUIDv7, and the same one when retrying",
    )
}

/// A conversation's id off the wire.
pub fn conversation_id(bytes: &[u8]) -> Result<ConversationId, Failure> {
    id::from_wire(bytes)
        .map(ConversationId)
        .ok_or_else(|| Failure::new(ErrorCode::Invalid, "conversation is missing or is no UUID"))
}

/// A user id off the wire.
pub fn user_id(text: &str) -> Result<UserId, Failure> {
    UserId::new(text).map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))
}

pub(crate) fn user_ids(texts: &[String]) -> Result<Vec<UserId>, Failure> {
    texts.iter().map(|text| user_id(text)).collect()
}

/// A command's answer as an outcome.
pub fn answer(answer: Answer) -> Outcome {
    match answer {
        Answer::Accepted(handler::Accepted {
            position,
            at_ms,
            conversation,
            seq,
            held,
            duplicate,
        }) => Outcome::Accepted(frame::Accepted {
            position,
            at_ms,
            conversation: conversation
                .map_or_else(Bytes::new, |conversation| id::to_wire(conversation.0)),
            seq,
            duplicate,
            held,
            answer: String::new(),
        }),
        Answer::Refused(refusal) => Failure::from(refusal).outcome(),
        Answer::Unavailable(why) => Failure::new(ErrorCode::Unavailable, why).outcome(),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let code = match &refusal {
            Refusal::Invalid(_) => ErrorCode::Invalid,
            Refusal::NotFound(_) => ErrorCode::NotFound,
            Refusal::NotMember => ErrorCode::NotMember,
            Refusal::Forbidden(_) => ErrorCode::Forbidden,
            Refusal::BlockedByYou(_) => ErrorCode::BlockedByYou,
            Refusal::Retracted(_) => ErrorCode::Retracted,
            Refusal::Full { .. } => ErrorCode::Full,
            Refusal::LastOwner => ErrorCode::LastOwner,
            Refusal::WrongKind(_) => ErrorCode::WrongKind,
            Refusal::TooLarge { .. } => ErrorCode::TooLarge,
            Refusal::Rejected(_) => ErrorCode::Rejected,
            Refusal::TooOld => ErrorCode::TooOld,
            Refusal::CommandIdReused => ErrorCode::CommandIdReused,
            // Commands of clients and backends are never answered so.
            Refusal::Moved => ErrorCode::Unavailable,
        };
        Failure::new(code, refusal.to_string())
    }
}

/// A change as an event frame's body. Texts are open; those longer than `push_bytes` become stubs.
pub fn event(change: &Change, push_bytes: usize) -> event::Event {
    use event::Kind as K;
    let mut conversation = change.conversation;
    let kind = match &change.what {
        What::MessagePosted(message) => K::MessagePosted(self::message(message, push_bytes)),
        What::MessageEdited {
            seq,
            text,
            mentions,
            ..
        } => {
            let (text, stub, erased) = body(text, push_bytes);
            K::MessageEdited(event::MessageEdited {
                seq: *seq,
                text,
                mentions: names(mentions),
                stub,
                erased,
            })
        }
        What::MessageHeld { held, settles } => K::MessageHeld(crate::held::shown(held, *settles)),
        What::MessageReleased { held } => {
            K::MessageReleased(event::MessageReleased { held: *held })
        }
        What::MessageRejected { held, reason } => K::MessageRejected(event::MessageRejected {
            held: *held,
            reason: reason.clone(),
        }),
        What::MessageRetracted {
            seq,
            author,
            countable,
        } => K::MessageRetracted(event::MessageRetracted {
            seq: *seq,
            author: author.to_string(),
            countable: *countable,
        }),
        What::ReactionAdded {
            seq,
            reaction,
            count,
        } => K::ReactionAdded(event::ReactionChanged {
            seq: *seq,
            reaction: reaction.clone(),
            count: *count,
        }),
        What::ReactionRemoved {
            seq,
            reaction,
            count,
        } => K::ReactionRemoved(event::ReactionChanged {
            seq: *seq,
            reaction: reaction.clone(),
            count: *count,
        }),
        What::ReadUpTo { user, seq, unread } => {
            let (unread, as_of) = unread.unwrap_or((0, 0));
            K::ReadUpTo(event::CursorMoved {
                user: user.to_string(),
                seq: *seq,
                unread,
                as_of,
            })
        }
        What::DeliveredUpTo { user, seq } => K::DeliveredUpTo(event::CursorMoved {
            user: user.to_string(),
            seq: *seq,
            unread: 0,
            as_of: 0,
        }),
        What::ConversationAdded(view) => K::ConversationAdded(self::conversation(view, push_bytes)),
        What::MembersJoined {
            users,
            member_count,
        } => K::MembersJoined(event::MembersChanged {
            users: users.iter().map(ToString::to_string).collect(),
            member_count: *member_count,
            removed: false,
        }),
        What::MemberLeft {
            user,
            member_count,
            removed,
        } => K::MemberLeft(event::MembersChanged {
            users: vec![user.to_string()],
            member_count: *member_count,
            removed: *removed,
        }),
        What::RoleChanged { user, role } => K::RoleChanged(event::RoleChanged {
            user: user.to_string(),
            role: role.as_str().to_owned(),
        }),
        What::TitleChanged { title } => K::TitleChanged(event::TitleChanged {
            title: title.clone(),
        }),
        What::MutedChanged {
            conversation: muted_one,
            muted,
        } => {
            conversation = Some(*muted_one);
            K::MutedChanged(event::MutedChanged { muted: *muted })
        }
        What::UserBlocked { user } => K::UserBlocked(event::UserChanged {
            user: user.to_string(),
        }),
        What::UserUnblocked { user } => K::UserUnblocked(event::UserChanged {
            user: user.to_string(),
        }),
        What::VisibilityChanged { invisible } => K::VisibilityChanged(event::VisibilityChanged {
            invisible: *invisible,
        }),
        What::ContactChanged(with) => K::ContactChanged(contact(with)),
        What::ToastQueued { toast, replaces } => match notifications::toast(toast) {
            Some(toast) => K::ToastQueued(event::ToastQueued {
                toast: Some(toast),
                replaces: replaces.clone(),
            }),
            None => K::ToastsSeen(event::ToastsSeen {
                toasts: replaces.clone(),
            }),
        },
        What::ToastsSeen { toasts } => K::ToastsSeen(event::ToastsSeen {
            toasts: toasts.clone(),
        }),
        What::BadgeSet(badge) => K::BadgeSet(notifications::badge(badge)),
    };
    event::Event {
        position: change.at.0,
        index: change.at.1,
        conversation: conversation
            .map_or_else(Bytes::new, |conversation| id::to_wire(conversation.0)),
        actor: change.actor.to_string(),
        at_ms: change.at_ms,
        kind: Some(kind),
    }
}

/// A text as (text, stub, erased).
fn body(text: &Text, push_bytes: usize) -> (String, bool, bool) {
    match text {
        Text::Open(text) if text.len() > push_bytes => (String::new(), true, false),
        Text::Open(text) => (text.clone(), false, false),
        Text::Retracted => (String::new(), false, false),
        // What could not be opened is not shown.
        Text::Erased => (String::new(), false, true),
        // It could not be opened just now: to be fetched.
        Text::Sealed { .. } => (String::new(), true, false),
    }
}

/// A message.
pub fn message(message: &MessageView, push_bytes: usize) -> view::Message {
    let (text, stub, erased) = body(&message.text, push_bytes);
    view::Message {
        seq: message.seq,
        author: message.author.to_string(),
        at_ms: message.at_ms,
        text,
        reply_to: message.reply_to,
        mentions: names(&message.mentions),
        edited_ms: message.edited_ms,
        retracted: message.text == Text::Retracted,
        erased,
        stub,
        countable: message.countable,
        reactions: message
            .reactions
            .iter()
            .map(|(reaction, count, mine)| view::Reaction {
                reaction: reaction.clone(),
                count: *count,
                mine: *mine,
            })
            .collect(),
        command_id: message.command.map_or_else(Bytes::new, id::to_wire),
    }
}

/// A conversation.
pub fn conversation(shown: &ConversationView, push_bytes: usize) -> view::Conversation {
    let (kind, context) = match &shown.kind {
        Kind::Direct { context, .. } => ("direct", context.clone()),
        Kind::Group { .. } => ("group", String::new()),
    };
    let peer = shown
        .peer
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    view::Conversation {
        id: id::to_wire(shown.id.0),
        kind: kind.to_owned(),
        title: shown.title.clone(),
        peer,
        context,
        role: shown.role.map_or("", Role::as_str).to_owned(),
        member_count: shown.member_count,
        last_message: shown
            .last_message
            .as_ref()
            .map(|last| message(last, push_bytes)),
        last_seq: shown.last_seq,
        read_seq: shown.read_seq,
        unread: shown.unread,
        muted: shown.muted,
        cursors: shown.cursors.iter().map(cursor).collect(),
        activity_position: shown.activity_position,
        activity_ms: shown.activity_ms,
        delivered_seq: shown.delivered_seq,
        as_of: shown.as_of,
    }
}

/// A member's cursors.
pub fn cursor(cursor: &CursorView) -> view::MemberCursor {
    view::MemberCursor {
        user: cursor.user.to_string(),
        read_seq: cursor.read_seq,
        delivered_seq: cursor.delivered_seq,
    }
}

/// A member.
pub fn member(member: &MemberView) -> view::Member {
    view::Member {
        user: member.user.to_string(),
        role: member.role.as_str().to_owned(),
        joined_ms: member.joined_ms,
    }
}

/// Ticks.
pub fn receipts(receipts: &ReceiptsView) -> query::Receipts {
    query::Receipts {
        read: receipts.read,
        delivered: receipts.delivered,
        members: receipts.members,
        cursors: receipts.cursors.iter().map(cursor).collect(),
    }
}

pub(crate) fn names(users: &[UserId]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}
