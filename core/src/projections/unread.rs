//! Unread, by definition: countable, still visible messages after the reader's cursor whose author
//! is neither the reader nor currently blocked by them. Answered by seeks, never by counting up.

use std::ops::ControlFlow;

use super::{
    ReadError,
    rows::{self, Rows},
    store::Table,
};
use crate::domain::{ConversationId, UserId, event::Kind};

/// The last of `author`'s countable messages in the conversation up to a countable seq.
pub fn last_by(
    rows: &dyn Rows,
    id: ConversationId,
    author: &str,
    up_to: u64,
) -> Result<Option<rows::Author>, ReadError> {
    let from = rows::author(id, author, 0);
    let to = rows::author(id, author, up_to.saturating_add(1));
    let mut found = Ok(None);
    rows.scan(Table::Authors, &from, &to, true, &mut |_, value| {
        found = rows::decode(Table::Authors, value).map(Some);
        ControlFlow::Break(())
    })?;
    found
}

/// How many countable messages `author` has in the conversation up to a countable seq.
fn by_author(
    rows: &dyn Rows,
    id: ConversationId,
    author: &str,
    up_to: u64,
) -> Result<u64, ReadError> {
    Ok(last_by(rows, id, author, up_to)?.map_or(0, |last| last.count))
}

/// Countable messages up to and including message `seq`.
pub(super) fn countable_up_to(
    rows: &dyn Rows,
    id: ConversationId,
    seq: u64,
) -> Result<u64, ReadError> {
    if seq == 0 {
        return Ok(0);
    }
    match rows.get(Table::Messages, &rows::message(id, seq))? {
        Some(bytes) => {
            let message: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
            Ok(message.countable_total)
        }
        None => Err(ReadError::Corrupt(format!(
            "message {seq} of {id} is missing"
        ))),
    }
}

/// What is unread for a member. `blocked` are the users the reader blocks; `own_after` says how many
/// countable messages of the reader come after a countable seq, if that is known without looking.
pub fn in_conversation(
    rows: &dyn Rows,
    id: ConversationId,
    conversation: &rows::Conversation,
    reader: &str,
    member: &rows::Member,
    blocked: &[UserId],
    own_after: impl FnOnce(u64) -> Option<u64>,
) -> Result<u64, ReadError> {
    // Leaving reads everything, and rejoining starts at the present: the cursor is never before a gap.
    if member.role.is_none() || member.read_seq == conversation.last_seq {
        return Ok(0);
    }
    let read = countable_up_to(rows, id, member.read_seq)?;
    let after = conversation.last_countable_seq - read;
    if after == 0 {
        return Ok(0);
    }
    let in_pair = |user: &UserId| match &conversation.kind {
        Kind::Direct { pair, .. } => pair.0 == *user || pair.1 == *user,
        Kind::Group { .. } => true,
    };
    let not_counted: Vec<&str> = std::iter::once(reader)
        .chain(
            blocked
                .iter()
                .filter(|user| in_pair(user))
                .map(|user| &**user),
        )
        .collect();
    let mut excluded = 0;
    let own_after = own_after(read);
    for author in &not_counted {
        if let (Some(own), true) = (own_after, *author == reader) {
            excluded += own;
            continue;
        }
        let total = by_author(rows, id, author, u64::MAX)?;
        if total > 0 {
            excluded += total - by_author(rows, id, author, read)?;
        }
    }
    if conversation.retracted == 0 {
        return Ok(after - excluded);
    }
    let from = rows::retracted(id, read + 1);
    let to = rows::retracted(id, u64::MAX);
    let mut failed = None;
    rows.scan(Table::Retracted, &from, &to, false, &mut |_, value| {
        match rows::decode::<&str>(Table::Retracted, value) {
            Ok(author) => excluded += u64::from(!not_counted.contains(&author)),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(after - excluded),
    }
}
