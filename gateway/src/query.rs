//! Requests that only read, and the two signals that are checked against what is read: cursors and
//! typing. A viewer learns nothing of what is not theirs, not even whether it exists.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use tidings_core::{
    content,
    domain::{ConversationId, UserId},
    erase::EraseError,
    fanout::Doing,
    keys::KeyError,
    log::Lane,
    projections::{
        ReadError, Snapshot,
        read::{self, MessageView, Page, Viewer},
        rows,
    },
};
use tidings_protocol::{
    Encoding, ErrorCode,
    frame::{Outcome, Request},
    query, view,
};

use crate::{
    held,
    looking::Looks,
    notifications,
    search::live::Watch,
    session::{Gateway, Shared},
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

impl From<EraseError> for Failure {
    fn from(error: EraseError) -> Failure {
        match error {
            EraseError::Rows(error) => error.into(),
            EraseError::Keys(error) => error.into(),
        }
    }
}

/// How long a read waits for what was acknowledged before it.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Bytes of a page beside its items.
const ENVELOPE: usize = 1_024;

const BEHIND: &str = "the server is behind with what was accepted: try again";

/// How long what may be too new to be found is waited for.
const SETTLE: Duration = Duration::from_secs(1);

/// Waits until everything that was acknowledged on this node can be read.
pub(crate) async fn caught_up(gateway: &Gateway) -> Result<(), Failure> {
    reached(gateway, gateway.accepted.load(Ordering::Relaxed)).await
}

async fn reached(gateway: &Gateway, position: u64) -> Result<(), Failure> {
    let reached = gateway.node.projections.reached(position);
    match tokio::time::timeout(CATCH_UP, reached).await {
        Ok(()) => Ok(()),
        Err(_) => Err(Failure::new(ErrorCode::Unavailable, BEHIND)),
    }
}

/// Runs a check, and if it fails once more when all that the log holds by now can be read: what it looked
/// for may have been acknowledged a moment ago, also on another node or before a restart.
async fn settled<T>(
    gateway: &Gateway,
    check: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    match check() {
        Ok(done) => Ok(done),
        Err(_) => {
            let behind = || Failure::new(ErrorCode::Unavailable, BEHIND);
            let settling = async {
                let head = gateway.node.log.head(Lane::Journal).await;
                reached(gateway, head.map_err(|_| behind())?.0).await
            };
            // The connection waits meanwhile.
            match tokio::time::timeout(SETTLE, settling).await {
                Ok(settled) => settled?,
                Err(_) => return Err(behind()),
            }
            check()
        }
    }
}

/// Notes that the user has read up to a message.
pub(crate) async fn mark_read(
    shared: &Shared,
    user: &UserId,
    conversation: &Bytes,
    seq: u64,
) -> Result<(), Failure> {
    let id = translate::conversation_id(conversation)?;
    let node = &shared.gateway.node;
    let member = settled(&shared.gateway, || {
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
        Ok(member)
    })
    .await?;
    if seq > member.read_seq {
        node.cursors.moved(id, user, seq, 0);
    }
    Ok(())
}

/// Tells the others that the user is typing.
pub(crate) async fn typing(
    shared: &Shared,
    user: &UserId,
    conversation: &Bytes,
    active: bool,
) -> Result<(), Failure> {
    let id = translate::conversation_id(conversation)?;
    let node = &shared.gateway.node;
    let member = || present(&node.projections.read(), id, user);
    if member().is_err() {
        caught_up(&shared.gateway).await?;
        member()?;
    }
    // Who is invisible is not seen to stop what nobody saw them begin.
    if !active && node.projections.is_invisible(user) {
        return Ok(());
    }
    Ok(node.signal(Doing::Typing, id, user, active)?)
}

/// Tells the others that the user looks at a conversation, and no more at the one before; at none where
/// there is no id.
pub(crate) async fn look(
    shared: &Shared,
    user: &UserId,
    looks: &mut Option<Looks>,
    conversation: &Bytes,
) -> Result<(), Failure> {
    let gateway = &shared.gateway;
    if conversation.is_empty() {
        *looks = None;
        return Ok(());
    }
    let id = translate::conversation_id(conversation)?;
    let member = || present(&gateway.node.projections.read(), id, user);
    if member().is_err() {
        caught_up(gateway).await?;
        member()?;
    }
    match looks {
        Some(looks) if looks.conversation() == id => looks.repeat(),
        _ => *looks = Some(Looks::begin(&gateway.looking, user, id)),
    }
    // Not before: one that comes in between is either found here or not shown.
    notifications::looked_at(gateway, user, id)
}

/// Cuts items to what fits into a frame, counted from the first or from the last: how many are left,
/// at least one.
pub(crate) fn fitting<'a, T: Message + Serialize + 'a>(
    shared: &Shared,
    items: impl Iterator<Item = &'a T>,
) -> usize {
    let limits = &shared.gateway.limits;
    // Nor more than half of what may wait at all.
    let most = limits.frame_bytes.min(limits.outgoing_bytes / 2);
    let mut room = most.saturating_sub(ENVELOPE);
    let mut fitting = 0;
    for item in items {
        let bytes = match shared.encoding {
            // A tag and a length precede it.
            Encoding::Protobuf => item.encoded_len() + 8,
            Encoding::Json => serde_json::to_vec(item).map_or(0, |text| text.len()) + 1,
        };
        if bytes > room && fitting > 0 {
            break;
        }
        room = room.saturating_sub(bytes);
        fitting += 1;
    }
    fitting
}

/// Cuts conversations, latest activity first, to what fits into a frame. Those of one activity
/// position stay together, so that none falls between two pages. True when some were cut off.
pub(crate) fn fit_conversations(
    shared: &Shared,
    conversations: &mut Vec<view::Conversation>,
) -> bool {
    let mut fit = fitting(shared, conversations.iter());
    let splits = |at: usize| {
        at < conversations.len()
            && conversations[at - 1].activity_position == conversations[at].activity_position
    };
    while fit > 1 && splits(fit) {
        fit -= 1;
    }
    while fit > 0 && splits(fit) {
        fit += 1;
    }
    let cut = fit < conversations.len();
    conversations.truncate(fit);
    cut
}

/// Answers a request that only reads.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    user: &UserId,
    request: Request,
) -> Result<Outcome, Failure> {
    let gateway = &shared.gateway;
    let node = &gateway.node;
    caught_up(gateway).await?;
    let Ok(_query) = gateway.queries.acquire().await else {
        return Err(Failure::new(
            ErrorCode::Unavailable,
            "the server is stopping",
        ));
    };
    let push_bytes = gateway.limits.push_text_bytes;
    Ok(match request {
        Request::ListBlocked(_) => {
            let viewer = Viewer::load(&node.projections.read(), user)?;
            let users = viewer.blocked.iter().map(ToString::to_string).collect();
            Outcome::Blocked(query::Blocked { users })
        }
        Request::ListContacts(query::ListContacts { after, limit }) => {
            let limit = page_limit(limit, 100, 1_000)?;
            let rows = node.projections.read();
            let viewer = Viewer::load(&rows, user)?;
            let (contacts, more) = read::contacts(&rows, &viewer, &after, limit)?;
            Outcome::Contacts(query::Contacts {
                contacts: contacts.iter().map(translate::contact).collect(),
                more,
                position: rows.cursor(),
            })
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
            let mut conversations = views
                .iter()
                .map(|view| translate::conversation(view, push_bytes))
                .collect();
            let cut = fit_conversations(shared, &mut conversations);
            Outcome::Conversations(query::Conversations {
                conversations,
                more: more || cut,
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
            let mut members: Vec<_> = members.iter().map(translate::member).collect();
            let fit = fitting(shared, members.iter());
            let more = more || fit < members.len();
            members.truncate(fit);
            Outcome::Members(query::Members {
                members,
                more,
                position: rows.cursor(),
            })
        }
        Request::ListHeld(query::ListHeld {
            conversation,
            after,
            limit,
        }) => {
            let id = translate::conversation_id(&conversation)?;
            let limit = page_limit(limit, 20, 50)?;
            let (mut held, more, position) = {
                let rows = node.projections.read();
                present(&rows, id, user)?;
                let all = read::moderates(&rows, id, user)?;
                let of = if all { None } else { Some(&**user) };
                let (held, more) = read::held_in(&rows, id, of, after, limit)?;
                (held, more, rows.cursor())
            };
            content::open_held(&*node.keys, &mut held).await?;
            let mut held: Vec<_> = held
                .iter()
                .map(|held| held::shown(held, held.author != *user))
                .collect();
            let fit = fitting(shared, held.iter());
            let more = more || fit < held.len();
            held.truncate(fit);
            Outcome::Held(query::HeldMessages {
                held,
                more,
                position,
            })
        }
        Request::ListNotifications(asked) => {
            Outcome::Notifications(notifications::list(shared, user, asked).await?)
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
            let (total, position) = {
                let rows = node.projections.read();
                let viewer = Viewer::load(&rows, user)?;
                (read::unread_total(&rows, &viewer)?, rows.cursor())
            };
            // An event that is in the total comes before it: else it would be added once more.
            node.fanout.told(position).await;
            Outcome::Unread(query::Unread {
                total,
                as_of: position,
            })
        }
        Request::SearchPeople(request) => {
            Outcome::People(search_people(shared, Some(user), request).await?)
        }
        Request::SearchMessages(request) => {
            let search = &gateway.search;
            let mut request = request;
            loop {
                let found = search.find_messages(node, user, request.clone(), push_bytes);
                let found = found.await?;
                let fit = fitting(shared, found.messages.iter());
                if fit >= found.messages.len() {
                    break Outcome::FoundMessages(found);
                }
                request.limit = fit as u32;
            }
        }
        Request::GetProfiles(query::GetProfiles { users }) => {
            let mut found = gateway.search.profiles(node, Some(user), &users).await?;
            let fit = fitting(shared, found.profiles.iter());
            found.profiles.truncate(fit);
            Outcome::Profiles(found)
        }
        _ => {
            return Err(Failure::new(
                ErrorCode::UnknownRequest,
                "not a request that is answered",
            ));
        }
    })
}

/// A page of people that fits into a frame: where profiles are long it is asked for again with fewer, so
/// that the next one goes on behind the last one shown.
pub(crate) async fn search_people(
    shared: &Shared,
    viewer: Option<&UserId>,
    mut request: query::SearchPeople,
) -> Result<query::People, Failure> {
    let gateway = &shared.gateway;
    loop {
        let found = gateway.search.find(
            &gateway.node,
            viewer,
            request.clone(),
            Some(&gateway.extensions),
        );
        let found = found.await?;
        let fit = fitting(shared, found.people.iter());
        if fit >= found.people.len() {
            return Ok(found);
        }
        request.limit = fit as u32;
    }
}

/// The same, watched from now on instead of what was watched before: news come once the page is said to be
/// shown.
pub(crate) async fn watch_people<'a>(
    shared: &Arc<Shared>,
    user: &UserId,
    watched: &'a mut Option<Watch>,
    request: query::WatchPeople,
) -> Result<(query::People, &'a Watch), Failure> {
    let gateway = &shared.gateway;
    let Some(search) = request.search else {
        return Err(Failure::new(ErrorCode::Invalid, "search is missing"));
    };
    caught_up(gateway).await?;
    let Ok(_query) = gateway.queries.acquire().await else {
        return Err(Failure::new(
            ErrorCode::Unavailable,
            "the server is stopping",
        ));
    };
    // Before it is asked: who comes online meanwhile is on the page, or told of.
    let watching = gateway
        .search
        .watch(&gateway.node, user, search.clone(), shared.clone());
    let watching = watching.await?;
    let found = search_people(shared, Some(user), search).await?;
    Ok((found, watched.insert(watching)))
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
    let mut found: Vec<MessageView> = Vec::new();
    let mut more = false;
    // What the first look shows; what changed by the next one follows as events.
    let mut position = None;
    let mut rest = Some(page);
    while let Some(part) = rest {
        {
            let rows = node.projections.read();
            let viewer = Viewer::load(&rows, user)?;
            known(&rows, id, &viewer)?;
            let left = limit - found.len();
            let mut part = read::messages(&rows, &viewer, id, part, left, read::LOOK)?
                .ok_or_else(no_conversation)?;
            position.get_or_insert(rows.cursor());
            match page {
                Page::After(_) => found.append(&mut part.messages),
                Page::Latest | Page::Before(_) => drop(found.splice(0..0, part.messages)),
            }
            (more, rest) = (part.more, part.rest);
        }
        tokio::task::yield_now().await;
    }
    let position = position.unwrap_or_default();
    content::open_messages(&*node.keys, &mut found).await?;
    let push_bytes = shared.gateway.limits.push_text_bytes;
    let mut messages: Vec<view::Message> = found
        .iter()
        .map(|message| translate::message(message, push_bytes))
        .collect();
    // What is cut off is what lies farthest from where the page was asked from.
    let all = messages.len();
    let fit = match page {
        Page::After(_) => {
            let fit = fitting(shared, messages.iter());
            messages.truncate(fit);
            fit
        }
        Page::Latest | Page::Before(_) => {
            let fit = fitting(shared, messages.iter().rev());
            messages.drain(..all - fit);
            fit
        }
    };
    Ok(query::Messages {
        messages,
        more: more || fit < all,
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

pub(crate) fn page_limit(asked: u32, default: usize, most: usize) -> Result<usize, Failure> {
    match asked as usize {
        0 => Ok(default),
        n if n > most => Err(Failure::new(
            ErrorCode::Invalid,
            format!("limit is {n}, at most {most} are given at a time"),
        )),
        n => Ok(n),
    }
}
