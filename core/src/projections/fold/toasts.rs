//! Toasts that wait, and whom they tell of.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{FoldError, change, person, put, sealed};
use crate::{
    commit::Batch,
    domain::{Event, UserId},
    projections::{
        ReadError, read,
        rows::{self, Rows},
        store::{Table, WriteTx},
    },
};

/// One waits from now on, and those that it replaces do no longer.
pub(super) fn queued(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    batch: &Batch,
    at: (u64, u32),
    at_ms: u64,
    event: &Event,
) -> Result<(), FoldError> {
    let Event::ToastQueued {
        toast,
        source,
        collapse,
        content,
        about_user,
        about_conversation,
        expires_ms,
        replaces,
    } = event
    else {
        return Ok(());
    };
    gone(tx, user, replaces)?;
    let mut before = 0;
    person(tx, user, |person| {
        before = std::mem::replace(&mut person.last_toast, *toast);
    })?;
    if *toast != before + 1 {
        return Err(FoldError::Poison(format!(
            "toast {toast} follows toast {before}"
        )));
    }
    if let Some(about) = about_user
        && read::is_erased(tx, about)?
    {
        // Sealed before and recorded after: nobody can read it.
        return Ok(());
    }
    let row = rows::Toast {
        source,
        collapse: collapse.as_deref(),
        sealed: sealed(content),
        sealed_by: batch.command.map(|command| command.id),
        about_user: about_user.clone(),
        about_conversation: *about_conversation,
        at,
        at_ms,
        expires_ms: *expires_ms,
    };
    put(tx, Table::Toasts, rows::toast(user, *toast), &row);
    if let Some(about) = about_user {
        let key = rows::toast_about(about, user, *toast);
        put(tx, Table::ToastsAbout, key, &());
    }
    Ok(())
}

/// These wait no longer.
pub(super) fn gone(tx: &mut WriteTx<'_>, user: &UserId, toasts: &[u64]) -> Result<(), ReadError> {
    for toast in toasts {
        let key = rows::toast(user, *toast);
        let Some(bytes) = Rows::get(tx, Table::Toasts, &key)? else {
            // It went with whom it told of, in whose stream that stands: this was decided without knowing.
            continue;
        };
        let row: rows::Toast<'_> = rows::decode(Table::Toasts, &bytes)?;
        if let Some(about) = &row.about_user {
            tx.delete(Table::ToastsAbout, &rows::toast_about(about, user, *toast));
        }
        tx.delete(Table::Toasts, &key);
    }
    Ok(())
}

/// Nothing is left of whoever is erased: neither what they were to be shown nor what others were to be shown of
/// them. The devices of those are told.
pub(super) fn erased(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    batch: &Batch,
    at: (u64, u32),
    at_ms: u64,
) -> Result<(), FoldError> {
    let (from, to) = rows::of_user(user);
    let own = keys(tx, Table::Toasts, &from, &to)?;
    let own: Vec<u64> = own.iter().map(|key| rows::trailing_number(key)).collect();
    gone(tx, user, &own)?;
    for key in keys(tx, Table::Badges, &from, &to)? {
        tx.delete(Table::Badges, &key);
    }
    let mut others: BTreeMap<UserId, Vec<u64>> = BTreeMap::new();
    for key in keys(tx, Table::ToastsAbout, &from, &to)? {
        let (of, toast) = rows::toast_of(user, &key);
        others.entry(UserId::trusted(of)).or_default().push(toast);
    }
    for (other, toasts) in others {
        gone(tx, &other, &toasts)?;
        let seen = Event::ToastsSeen { toasts };
        change(tx, rows::user_change(&other, at), batch, at_ms, &seen);
    }
    Ok(())
}

fn keys(tx: &WriteTx<'_>, table: Table, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut keys = Vec::new();
    Rows::scan(tx, table, from, to, false, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
