//! Events of extensions to rows.

use super::{FoldError, ReadError, Rows, WriteTx, put};
use crate::{
    domain::{
        CommandId, Event, ExtensionEvent, ExtensionId, Reaction,
        extension::{KvChange, Sealed, Waiting},
    },
    projections::{
        rows::{self, extensions as row},
        store::Table,
    },
};

/// Activations kept to go back to.
const BEFORE: usize = 10;

/// Folds an event of an extension's stream.
pub(super) fn event(
    tx: &mut WriteTx<'_>,
    id: &ExtensionId,
    at: (u64, u32),
    at_ms: u64,
    event: &Event,
) -> Result<(), FoldError> {
    let Event::Extension(event) = event else {
        return Err(FoldError::Poison(
            "another stream's event in an extension's stream".to_owned(),
        ));
    };
    match event {
        ExtensionEvent::Reacted(reaction) => return reacted(tx, id, at, reaction),
        ExtensionEvent::Answered(answered) => return reacted(tx, id, at, &answered.reaction),
        _ => {}
    }
    let mut is = row::of(tx, id)?.unwrap_or_default();
    match event {
        ExtensionEvent::Reacted(_) | ExtensionEvent::Answered(_) => {}
        ExtensionEvent::Installed(version) => {
            let key = row::manifest(id, &version.version);
            put(tx, Table::Extensions, key, &version.manifest);
            is.versions.push(row::Installed {
                version: version.version.clone(),
                digest: version.digest,
                size: version.size,
                at_ms,
            });
        }
        ExtensionEvent::Activated { activation, shadow } => {
            let active = row::Active {
                activation: activation.clone(),
                position: at.0,
                at_ms,
            };
            if *shadow {
                is.shadow = Some(active);
            } else {
                match is.active.replace(active) {
                    Some(before) => keep(&mut is.before, before),
                    None => {
                        let mut lane = row::lane_of(tx, id)?;
                        lane.revision += 1;
                        if is.quarantine.is_none() {
                            // What happened while it was switched off is nothing to it, and what it was to be told
                            // again neither. One that was in quarantine goes on where it stopped.
                            lane.upto = (at.0, u32::MAX);
                            forget_waiting(tx, id)?;
                            lane.waiting = 0;
                            lane.waits += 1;
                        }
                        put(tx, Table::Extensions, row::lane(id), &lane);
                    }
                }
                is.quarantine = None;
            }
        }
        ExtensionEvent::Deactivated { shadow: true } => is.shadow = None,
        ExtensionEvent::Deactivated { shadow: false } => {
            if let Some(before) = is.active.take() {
                keep(&mut is.before, before);
            }
            is.quarantine = None;
        }
        ExtensionEvent::Quarantined(quarantine) => {
            if let Some(before) = is.active.take() {
                keep(&mut is.before, before);
            }
            is.quarantine = Some((quarantine.clone(), at_ms));
        }
        ExtensionEvent::Removed { version } => {
            tx.delete(Table::Extensions, &row::manifest(id, version));
            is.versions
                .retain(|installed| installed.version != *version);
            is.before.retain(|before| before.version != *version);
            if is.versions.is_empty() {
                return forget(tx, id, at);
            }
        }
    }
    put(tx, Table::Extensions, row::extension(id), &is);
    Ok(())
}

/// Forgets all that an extension kept. What it wanted done, and is still to be, is done.
fn forget(tx: &mut WriteTx<'_>, id: &ExtensionId, at: (u64, u32)) -> Result<(), FoldError> {
    for key in row::kept(tx, id)? {
        tx.delete(Table::Extensions, &key);
    }
    let lane = row::Lane {
        revision: row::lane_of(tx, id)?.revision + 1,
        upto: (at.0, u32::MAX),
        ..row::Lane::default()
    };
    put(tx, Table::Extensions, row::lane(id), &lane);
    tx.delete(Table::Extensions, &row::extension(id));
    Ok(())
}

fn forget_waiting(tx: &mut WriteTx<'_>, id: &ExtensionId) -> Result<(), ReadError> {
    for waiting in row::all_waiting(tx, id)? {
        if waiting.again_ms.is_some() {
            tx.delete(Table::Extensions, &row::waiting(id, waiting.at));
        }
    }
    Ok(())
}

fn keep(before: &mut Vec<crate::domain::extension::Activation>, active: row::Active) {
    before.push(active.activation);
    if before.len() > BEFORE {
        before.remove(0);
    }
}

/// What becomes of an event that waits, and how many there are.
fn set_waiting(
    tx: &mut WriteTx<'_>,
    id: &ExtensionId,
    lane: &mut row::Lane,
    at: (u64, u32),
    now: Option<&Waiting>,
) -> Result<(), ReadError> {
    if let Some(before) = row::waiting_of(tx, id, at)? {
        match before.again_ms {
            Some(_) => lane.waiting -= 1,
            None => lane.parked -= 1,
        }
    }
    match now {
        Some(now) => {
            match now.again_ms {
                Some(_) => lane.waiting += 1,
                None => lane.parked += 1,
            }
            put(tx, Table::Extensions, row::waiting(id, at), now);
        }
        None => tx.delete(Table::Extensions, &row::waiting(id, at)),
    }
    Ok(())
}

fn reacted(
    tx: &mut WriteTx<'_>,
    id: &ExtensionId,
    at: (u64, u32),
    reaction: &Reaction,
) -> Result<(), FoldError> {
    let mut lane = row::lane_of(tx, id)?;
    if lane.revision != reaction.revision {
        let (is, was) = (lane.revision, reaction.revision);
        return Err(FoldError::Poison(format!(
            "a reaction to revision {was} follows revision {is}"
        )));
    }
    lane.revision += 1;
    lane.upto = reaction.upto;
    for done in &reaction.done {
        set_waiting(tx, id, &mut lane, *done, None)?;
    }
    for waiting in &reaction.waiting {
        set_waiting(tx, id, &mut lane, waiting.at, Some(waiting))?;
    }
    lane.waits += u64::from(!reaction.done.is_empty() || !reaction.waiting.is_empty());
    for change in &reaction.kv {
        let key = row::kv(id, &change.key);
        let before = row::kv_of(tx, id, &change.key)?;
        let size = |value: &Sealed| (change.key.len() + value.bytes.len()) as u64;
        lane.kv_bytes -= before.as_ref().map_or(0, |before| size(&before.value));
        lane.kv_bytes += change.value.as_ref().map_or(0, size);
        set(tx, key, change);
    }
    for change in &reaction.timers {
        let key = row::timer(id, &change.key);
        let before = Rows::get(tx, Table::Extensions, &key)?.is_some();
        lane.timers -= u64::from(before);
        match &change.timer {
            Some(timer) => {
                lane.timers += 1;
                put(tx, Table::Extensions, key, timer);
            }
            None => tx.delete(Table::Extensions, &key),
        }
    }
    for (place, intent) in (0..).zip(&reaction.intents) {
        // One that is done already has been told about twice: with another version, or from a backfill.
        let done = rows::command(intent.id, &intent.actor);
        if Rows::get(tx, Table::Commands, &done)?.is_some() {
            continue;
        }
        let row = row::Intent {
            actor: intent.actor.clone(),
            what: intent.what.clone(),
            at: (at.0, place),
        };
        put(tx, Table::Extensions, row::intent(id, intent.id), &row);
        put(tx, Table::Extensions, row::intent_of(intent.id), id);
    }
    for failed in &reaction.failed {
        tx.delete(Table::Extensions, &row::intent(id, *failed));
        tx.delete(Table::Extensions, &row::intent_of(*failed));
    }
    put(tx, Table::Extensions, row::lane(id), &lane);
    Ok(())
}

fn set(tx: &mut WriteTx<'_>, key: Vec<u8>, change: &KvChange) {
    match &change.value {
        Some(value) => {
            let row = row::Kv {
                value: value.clone(),
                revision: change.revision,
            };
            put(tx, Table::Extensions, key, &row);
        }
        None => tx.delete(Table::Extensions, &key),
    }
}

/// A command was carried out: if it was an intent, that is done.
pub(super) fn done(tx: &mut WriteTx<'_>, command: CommandId) -> Result<(), ReadError> {
    if command.client_ms().is_some() {
        // An id that a client has made.
        return Ok(());
    }
    let key = row::intent_of(command);
    let Some(id): Option<ExtensionId> = rows::get(tx, Table::Extensions, &key)? else {
        return Ok(());
    };
    tx.delete(Table::Extensions, &key);
    tx.delete(Table::Extensions, &row::intent(&id, command));
    Ok(())
}
