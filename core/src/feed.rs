//! The feed: what extensions, and the server itself, have for the product's backend. Events of the kinds `ext.` (what an extension
//! emitted) and `delivery.` (what is to reach somebody by a way of the product's own), in the order of the log.

use std::ops::ControlFlow;

use crate::{
    domain::UserId,
    keys::{KeyError, KeyId, KeyState, seal},
    node::Node,
    projections::{ReadError, rows::feed},
};

/// An event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the log: (position, index).
    pub at: (u64, u32),
    /// What sort of event.
    pub kind: String,
    /// Who caused it.
    pub actor: UserId,
    /// Whom it is about, or for.
    pub subject: UserId,
    /// What else there is to say: JSON. `None` where the subject was erased.
    pub payload: Option<String>,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
}

/// Why the feed cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// Entries looked at a time: nothing is folded meanwhile.
const LOOK: usize = 1_000;

/// A part of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Up to where it was looked: to go on from.
    pub looked: (u64, u32),
    /// Whether more stand behind that, of whatever kind.
    pub more: bool,
}

/// Entries behind a place whose kind begins with `kind`, at most `limit` of them, among the next thousand.
///
/// # Errors
/// When the rows or the keys cannot be read.
pub async fn read(
    node: &Node,
    after: (u64, u32),
    kind: &str,
    limit: usize,
) -> Result<Page, FeedError> {
    let mut rows = Vec::new();
    let (looked, more) = {
        let view = node.projections.read();
        feed::each(&view, after, kind, LOOK, &mut |at, entry| {
            rows.push((at, entry));
            match rows.len() < limit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?
    };
    let keys: Vec<KeyId> = rows
        .iter()
        .map(|(_, entry)| KeyId::User(entry.subject.shared()))
        .collect();
    let states = match keys.is_empty() {
        true => Vec::new(),
        false => node.keys.get(&keys).await?,
    };
    let opened = rows.into_iter().zip(states).map(|((at, entry), state)| {
        let payload = match state {
            KeyState::Present(key) => {
                let command = entry.sealed_by.map(|command| command.0);
                let aad = seal::app_event_aad(&entry.subject, &entry.kind, &entry.actor, command);
                let text = key.open(&aad, &entry.sealed).ok();
                text.and_then(|text| String::from_utf8(text).ok())
            }
            _ => None,
        };
        Entry {
            at,
            kind: entry.kind,
            actor: entry.actor,
            subject: entry.subject,
            payload,
            at_ms: entry.at_ms,
        }
    });
    Ok(Page {
        entries: opened.collect(),
        looked,
        more,
    })
}
