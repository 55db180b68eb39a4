//! Requests that only read, and the two signals that are checked against what is read: cursors and
//! typing. A viewer learns nothing of what is not theirs, not even whether it exists.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use tidings_core::{
    content,
    domain::{ConversationId, UserId},
    keys::KeyError,
    projections::{
        ReadError, Snapshot,
        read::{self, Page, Viewer},
        rows,
    },
};
use tidings_protocol::{
    ErrorCode,
    frame::{Outcome, Request},
    query, view,
};

use crate::{
    session::Shared,
    translate::{self, Failure},
};

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        tracing::error!(%error, "the projections cannot be read");
        Failure::new(ErrorCode::Internal, "the server cannot read its state")
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Failure {
        tracing::error!(%error, "keys cannot be read");
        Failure::new(
            ErrorCode::Unavailable,
            "content cannot be opened at present",
        )
    }
}

/// Notes that the user has read up to a message.
pub(crate) fn mark_read(
    shared: &Shared,
    user: &UserId,
    conversation: &Bytes,
    seq: u64,
) -> Result<(), Failure> {
    let id = translate::conversation_id(conversation)?;
    let node = &shared.gateway.node;
    let rows = node.projections.read();
    let member = present(&rows, id, user)?;
    let row = read::row(&rows, id)?.ok_or_else(no_conversation)?;
    if seq > row.last_seq {
        let message = format!(
            "message {seq} does not exist, the last one is {}",
            row.last_seq
        );
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    if seq > member.read_seq {
        node.cursors.moved(id, user, seq, 0);
    }
    Ok(())
}

/// Tells the others that the user is typing.
pub(crate) fn typing(
    shared: &Shared,
    user: &UserId,
    conversation: &Bytes,
    active: bool,
) -> Result<(), Failure> {
    let id = translate::conversation_id(conversation)?;
    let node = &shared.gateway.node;
    present(&node.projections.read(), id, user)?;
    Ok(node.fanout.typing(id, user, active)?)
}

/// Answers a request that only reads.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    user: &UserId,
    request: Request,
) -> Result<Outcome, Failure> {
    let gateway = &shared.gateway;
    let node = &gateway.node;
    let Ok(_query) = gateway.queries.acquire().await else {
        return Err(Failure::new(
            ErrorCode::Unavailable,
            "the server is stopping",
        ));
    };
    // One's own accepted commands are always included.
    node.projections
        .reached(shared.seen.load(Ordering::Relaxed))
        .await;
    let push_bytes = gateway.limits.push_text_bytes;
    Ok(match request {
        Request::ListBlocked(_) => {
            let viewer = Viewer::load(&node.projections.read(), user)?;
            let users = viewer.blocked.iter().map(ToString::to_string).collect();
            Outcome::Blocked(query::Blocked { users })
        }
        Request::ListConversations(query::ListConversations { before, limit }) => {
            let limit = page_limit(limit, 20, 100)?;
            let (mut views, more, position) = {
                let rows = node.projections.read();
                let viewer = Viewer::load(&rows, user)?;
                let (views, more) =
                    read::conversations(&rows, rows.cursor(), &viewer, before, limit)?;
                (views, more, rows.cursor())
            };
            content::open_conversations(&*node.keys, &mut views).await?;
            let conversations = views
                .iter()
                .map(|view| translate::conversation(view, push_bytes))
                .collect();
            Outcome::Conversations(query::Conversations {
                conversations,
                more,
                position,
            })
        }
        Request::GetConversation(query::GetConversation { conversation }) => {
            let id = translate::conversation_id(&conversation)?;
            let view = {
                let rows = node.projections.read();
                let viewer = Viewer::load(&rows, user)?;
                read::conversation(&rows, rows.cursor(), &viewer, id)?
            };
            let mut views = [view.ok_or_else(no_conversation)?];
            content::open_conversations(&*node.keys, &mut views).await?;
            Outcome::Conversation(translate::conversation(&views[0], push_bytes))
        }
        Request::ListMessages(request) => Outcome::Messages(messages(shared, user, request).await?),
        Request::GetMessage(query::GetMessage { conversation, seq }) => {
            let id = translate::conversation_id(&conversation)?;
            let message = {
                let rows = node.projections.read();
                let viewer = Viewer::load(&rows, user)?;
                known(&rows, id, &viewer)?;
                read::message(&rows, &viewer, id, seq)?
            };
            let mut messages =
                [message.ok_or_else(|| Failure::new(ErrorCode::NotFound, "no such message"))?];
            content::open_messages(&*node.keys, &mut messages).await?;
            Outcome::Message(translate::message(&messages[0], usize::MAX))
        }
        Request::ListMembers(query::ListMembers {
            conversation,
            after,
            limit,
        }) => {
            let id = translate::conversation_id(&conversation)?;
            let limit = page_limit(limit, 100, 1_000)?;
            let rows = node.projections.read();
            present(&rows, id, user)?;
            let (members, more) = read::members(&rows, id, &after, limit)?;
            let members = members.iter().map(translate::member).collect();
            Outcome::Members(query::Members {
                members,
                more,
                position: rows.cursor(),
            })
        }
        Request::GetReceipts(query::GetReceipts { conversation, seq }) => {
            let id = translate::conversation_id(&conversation)?;
            let rows = node.projections.read();
            present(&rows, id, user)?;
            let viewer = Viewer::load(&rows, user)?;
            let message = read::message(&rows, &viewer, id, seq)?
                .ok_or_else(|| Failure::new(ErrorCode::NotFound, "no such message"))?;
            let receipts = read::receipts(&rows, id, &message.author, seq, 100)?;
            Outcome::Receipts(translate::receipts(&receipts))
        }
        Request::GetUnread(_) => {
            let rows = node.projections.read();
            let viewer = Viewer::load(&rows, user)?;
            Outcome::Unread(query::Unread {
                total: read::unread_total(&rows, &viewer)?,
            })
        }
        _ => {
            return Err(Failure::new(
                ErrorCode::UnknownRequest,
                "not a request that is answered",
            ));
        }
    })
}

async fn messages(
    shared: &Shared,
    user: &UserId,
    request: query::ListMessages,
) -> Result<query::Messages, Failure> {
    let node = &shared.gateway.node;
    let id = translate::conversation_id(&request.conversation)?;
    let limit = page_limit(request.limit, 50, 200)?;
    let page = match (request.before, request.after) {
        (0, None) => Page::Latest,
        (before, None) => Page::Before(before),
        (0, Some(after)) => Page::After(after),
        (_, Some(_)) => {
            return Err(Failure::new(
                ErrorCode::Invalid,
                "give before or after, not both",
            ));
        }
    };
    let (mut found, more, position) = {
        let rows = node.projections.read();
        let viewer = Viewer::load(&rows, user)?;
        known(&rows, id, &viewer)?;
        let (found, more) =
            read::messages(&rows, &viewer, id, page, limit)?.ok_or_else(no_conversation)?;
        (found, more, rows.cursor())
    };
    content::open_messages(&*node.keys, &mut found).await?;
    let push_bytes = shared.gateway.limits.push_text_bytes;
    let messages: Vec<view::Message> = found
        .iter()
        .map(|message| translate::message(message, push_bytes))
        .collect();
    Ok(query::Messages {
        messages,
        more,
        position,
    })
}

/// A present member.
fn present(
    rows: &Snapshot<'_>,
    id: ConversationId,
    user: &UserId,
) -> Result<rows::Member, Failure> {
    match read::member(rows, id, user)? {
        Some(member) if member.role.is_some() => Ok(member),
        Some(_) => Err(Failure::new(
            ErrorCode::NotMember,
            "you are no longer a member of this conversation",
        )),
        None => Err(no_conversation()),
    }
}

/// A present or past member, who sees the conversation at all.
fn known(rows: &Snapshot<'_>, id: ConversationId, viewer: &Viewer) -> Result<(), Failure> {
    let member = read::member(rows, id, &viewer.user)?;
    member.map(|_| ()).ok_or_else(no_conversation)
}

fn no_conversation() -> Failure {
    Failure::new(ErrorCode::NotFound, "no such conversation")
}

fn page_limit(asked: u32, default: usize, most: usize) -> Result<usize, Failure> {
    match asked as usize {
        0 => Ok(default),
        n if n > most => Err(Failure::new(
            ErrorCode::Invalid,
            format!("limit is {n}, at most {most} are given at a time"),
        )),
        n => Ok(n),
    }
}
