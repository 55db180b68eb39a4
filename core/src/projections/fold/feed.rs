//! Events that the product's backend reads, to rows.

use std::ops::ControlFlow;

use super::{put, sealed};
use crate::{
    commit::Batch,
    domain::{Content, UserId},
    projections::{
        ReadError, Table,
        rows::feed::{self as row, KEPT_MS},
        store::WriteTx,
    },
};

/// Entries that are too old and go with a new one: more than come, so that they get fewer.
const GO: usize = 8;

/// Folds an event of a user's stream that is neither state of ours nor told to clients.
pub(super) fn event(
    tx: &mut WriteTx<'_>,
    subject: &UserId,
    batch: &Batch,
    at: (u64, u32),
    at_ms: u64,
    kind: &str,
    payload: &Content,
) -> Result<(), ReadError> {
    if !row::is_for_the_backend(kind) {
        return Ok(());
    }
    let mut old = Vec::new();
    row::each(tx, (0, 0), "", GO, &mut |place, entry| {
        if entry.at_ms + KEPT_MS > at_ms {
            return ControlFlow::Break(());
        }
        old.push(place);
        ControlFlow::Continue(())
    })?;
    for place in old {
        tx.delete(Table::Feed, &row::key(place));
    }
    let entry = row::Entry {
        kind: kind.to_owned(),
        actor: batch.actor.clone(),
        subject: subject.clone(),
        sealed: sealed(payload).to_vec(),
        sealed_by: batch.command.map(|command| command.id),
        at_ms,
    };
    put(tx, Table::Feed, row::key(at), &entry);
    Ok(())
}
