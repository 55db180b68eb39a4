//! Rows of extensions: all in one table, under the extension's id and a letter.

use serde::{Deserialize, Serialize};

use super::{CommandId, Rows, decode, get};
use crate::{
    domain::{
        UserId,
        extension::{Activation, ExtensionId, Quarantine, Sealed, Timer, Waiting},
    },
    projections::{ReadError, Table},
};
use std::ops::ControlFlow;

/// `Extensions`: extension -> this. Written when somebody changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Installed versions, in the order in which they were.
    pub versions: Vec<Installed>,
    /// The one that acts.
    pub active: Option<Active>,
    /// The one in its shadow.
    pub shadow: Option<Active>,
    /// Why none acts, if that is the server's doing.
    pub quarantine: Option<(Quarantine, u64)>,
    /// Versions that acted before, the last one last: to go back to.
    pub before: Vec<Activation>,
}

/// A version that is installed. Its manifest is a row of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Which.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// Bytes of the component.
    pub size: u64,
    /// When it was installed, milliseconds since 1970.
    pub at_ms: u64,
}

/// A version that acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Which, and how.
    pub activation: Activation,
    /// Since which position of the log.
    pub position: u64,
    /// Since when, milliseconds since 1970.
    pub at_ms: u64,
}

/// `Extensions`: extension -> this. Written with every reaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Reactions recorded.
    pub revision: u64,
    /// Up to where everything was told or waits: (position, index).
    pub upto: (u64, u32),
    /// Bytes of keys and values in its store.
    pub kv_bytes: u64,
    /// Timers that wait.
    pub timers: u64,
    /// Events to be told again.
    pub waiting: u64,
    /// Events set aside.
    pub parked: u64,
    /// Reactions that changed which events those are.
    pub waits: u64,
}

/// `Extensions`: extension, key -> this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kv {
    /// The value.
    pub value: Sealed,
    /// Names this state of the key.
    pub revision: u64,
}

/// `Extensions`: extension, command id -> this. What is still to be done elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Whose command it is.
    pub actor: UserId,
    /// What is to be done.
    pub what: Sealed,
    /// Where it was recorded: (position, its place there). They are carried out in this order.
    pub at: (u64, u32),
}

fn under(id: &str, letter: u8, rest: &[u8]) -> Vec<u8> {
    [id.as_bytes(), &[0, letter], rest].concat()
}

fn range(id: &str, letter: u8) -> (Vec<u8>, Vec<u8>) {
    (under(id, letter, b""), under(id, letter + 1, b""))
}

/// Key of `Extensions`: [`Extension`]. They stand together: no id begins like that.
pub fn extension(id: &str) -> Vec<u8> {
    [&[0, b'e'], id.as_bytes()].concat()
}

/// Key of `Extensions`: a version -> its manifest.
pub fn manifest(id: &str, version: &str) -> Vec<u8> {
    under(id, b'm', version.as_bytes())
}

/// Key of `Extensions`: [`Lane`].
pub fn lane(id: &str) -> Vec<u8> {
    under(id, b'l', b"")
}

/// Key of `Extensions`: [`Kv`].
pub fn kv(id: &str, key: &str) -> Vec<u8> {
    under(id, b'k', key.as_bytes())
}

/// Key of `Extensions`: a key of a timer -> [`Timer`].
pub fn timer(id: &str, key: &str) -> Vec<u8> {
    under(id, b't', key.as_bytes())
}

/// Key of `Extensions`: [`Intent`].
pub fn intent(id: &str, command: CommandId) -> Vec<u8> {
    under(id, b'o', command.0.as_bytes())
}

/// Key of `Extensions`: whose intent a command is. No id begins like that, so they stand together.
pub fn intent_of(command: CommandId) -> Vec<u8> {
    [&[0, b'o'], &command.0.as_bytes()[..]].concat()
}

/// Key of `Extensions`: (position, index) -> [`Waiting`].
pub fn waiting(id: &str, at: (u64, u32)) -> Vec<u8> {
    under(
        id,
        b'w',
        &[&at.0.to_be_bytes()[..], &at.1.to_be_bytes()].concat(),
    )
}

/// All extensions, in the order of their ids.
pub fn all(rows: &dyn Rows) -> Result<Vec<(ExtensionId, Extension)>, ReadError> {
    let mut found = Vec::new();
    scan(rows, &[0, b'e'], &[0, b'e' + 1], &mut |key, value| {
        let id = str::from_utf8(&key[2..]).ok();
        if let Some(id) = id.and_then(|id| ExtensionId::new(id).ok()) {
            found.push((id, decode(Table::Extensions, value)?));
        }
        Ok(())
    })?;
    Ok(found)
}

/// One extension.
pub fn of(rows: &dyn Rows, id: &str) -> Result<Option<Extension>, ReadError> {
    get(rows, Table::Extensions, &extension(id))
}

/// A manifest of a version: JSON.
pub fn manifest_of(rows: &dyn Rows, id: &str, version: &str) -> Result<Option<String>, ReadError> {
    get(rows, Table::Extensions, &manifest(id, version))
}

/// How far an extension is.
pub fn lane_of(rows: &dyn Rows, id: &str) -> Result<Lane, ReadError> {
    Ok(get(rows, Table::Extensions, &lane(id))?.unwrap_or_default())
}

/// What is stored under a key.
pub fn kv_of(rows: &dyn Rows, id: &str, key: &str) -> Result<Option<Kv>, ReadError> {
    get(rows, Table::Extensions, &kv(id, key))
}

/// What is stored under keys that begin with `prefix`, behind `after`, in the order of their bytes; at most
/// `limit`.
pub fn kv_behind(
    rows: &dyn Rows,
    id: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Kv)>, ReadError> {
    let start = kv(id, "").len();
    let from = match after.filter(|after| *after >= prefix) {
        Some(after) => [kv(id, after), vec![0]].concat(),
        None => kv(id, prefix),
    };
    let (_, to) = range(id, b'k');
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(Table::Extensions, &from, &to, false, &mut |key, value| {
        let key = str::from_utf8(&key[start..]).expect("keys are text");
        if found.len() >= limit || !key.starts_with(prefix) {
            return ControlFlow::Break(());
        }
        match decode(Table::Extensions, value) {
            Ok(row) => found.push((key.to_owned(), row)),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

/// The timer of a key, if it waits.
pub fn timer_of(rows: &dyn Rows, id: &str, key: &str) -> Result<Option<Timer>, ReadError> {
    get(rows, Table::Extensions, &timer(id, key))
}

/// Timers of an extension that wait, with their keys.
pub fn timers(rows: &dyn Rows, id: &str) -> Result<Vec<(String, Timer)>, ReadError> {
    let (from, to) = range(id, b't');
    let mut found = Vec::new();
    scan(rows, &from, &to, &mut |key, value| {
        let key = str::from_utf8(&key[from.len()..]).expect("keys are text");
        found.push((key.to_owned(), decode(Table::Extensions, value)?));
        Ok(())
    })?;
    Ok(found)
}

/// What is still to be done elsewhere, in the order in which it was recorded.
pub fn intents(rows: &dyn Rows, id: &str) -> Result<Vec<(CommandId, Intent)>, ReadError> {
    let (from, to) = range(id, b'o');
    let mut found: Vec<(CommandId, Intent)> = Vec::new();
    scan(rows, &from, &to, &mut |key, value| {
        let bytes: [u8; 16] = key[from.len()..].try_into().expect("a key ends in an id");
        let command = CommandId(uuid::Uuid::from_bytes(bytes));
        found.push((command, decode(Table::Extensions, value)?));
        Ok(())
    })?;
    found.sort_by_key(|(_, intent)| intent.at);
    Ok(found)
}

/// Events that an extension is to be told again, and those that are set aside, in the order of the log.
pub fn all_waiting(rows: &dyn Rows, id: &str) -> Result<Vec<Waiting>, ReadError> {
    some_waiting(rows, id, (0, 0), usize::MAX)
}

/// Those behind a place in the log, at most `limit`.
pub fn some_waiting(
    rows: &dyn Rows,
    id: &str,
    after: (u64, u32),
    limit: usize,
) -> Result<Vec<Waiting>, ReadError> {
    let from = [&waiting(id, after)[..], &[0]].concat();
    let (_, to) = range(id, b'w');
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(Table::Extensions, &from, &to, false, &mut |_, value| {
        if found.len() >= limit {
            return ControlFlow::Break(());
        }
        match decode(Table::Extensions, value) {
            Ok(row) => found.push(row),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

/// An event that waits or is set aside.
pub fn waiting_of(rows: &dyn Rows, id: &str, at: (u64, u32)) -> Result<Option<Waiting>, ReadError> {
    get(rows, Table::Extensions, &waiting(id, at))
}

/// Keys of all that an extension keeps: its store, its timers, and events that wait.
pub fn kept(rows: &dyn Rows, id: &str) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut found = Vec::new();
    for letter in [b'k', b't', b'w'] {
        let (from, to) = range(id, letter);
        scan(rows, &from, &to, &mut |key, _| {
            found.push(key.to_owned());
            Ok(())
        })?;
    }
    Ok(found)
}

/// Takes a row, by key and value.
type Take<'t> = dyn FnMut(&[u8], &[u8]) -> Result<(), ReadError> + 't;

fn scan(rows: &dyn Rows, from: &[u8], to: &[u8], take: &mut Take<'_>) -> Result<(), ReadError> {
    let mut failed = None;
    rows.scan(
        Table::Extensions,
        from,
        to,
        false,
        &mut |key, value| match take(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}
