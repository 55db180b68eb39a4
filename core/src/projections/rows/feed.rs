//! Rows of the feed: what extensions, and the server itself, have for the product's backend, in the order of the log.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{CommandId, Rows, decode};
use crate::{
    domain::UserId,
    projections::{ReadError, Table},
};

/// How long an entry is kept, in milliseconds: 30 days.
pub const KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// `Feed`: (position, index) -> this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What sort of event: it begins with `ext.` or `delivery.`.
    pub kind: String,
    /// Who caused it.
    pub actor: UserId,
    /// Whom it is about, or for.
    pub subject: UserId,
    /// What else there is to say: JSON, sealed with the subject's key.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// The command whose seal it carries.
    pub sealed_by: Option<CommandId>,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
}

/// The channel of what is recorded and for nobody: that somebody is not called back.
pub const SKIPPED: &str = "skipped";

/// Whether events of a kind are the server's own to record.
pub fn is_reserved(kind: &str) -> bool {
    kind.starts_with("ext.") || kind.starts_with("delivery.")
}

/// Whether events of a kind are in the feed.
pub fn is_for_the_backend(kind: &str) -> bool {
    is_reserved(kind) && kind.strip_prefix("delivery.") != Some(SKIPPED)
}

/// Key of `Feed`: [`Entry`].
pub fn key(at: (u64, u32)) -> Vec<u8> {
    [&at.0.to_be_bytes()[..], &at.1.to_be_bytes()].concat()
}

fn place(key: &[u8]) -> (u64, u32) {
    let (position, index) = key.split_at(8);
    let position = u64::from_be_bytes(position.try_into().expect("keys have twelve bytes"));
    let index = u32::from_be_bytes(index.try_into().expect("keys have twelve bytes"));
    (position, index)
}

/// What is looked at of an entry before the rest of it: its kind stands first.
fn kind_of(value: &[u8]) -> Option<&str> {
    postcard::take_from_bytes(value).ok().map(|(kind, _)| kind)
}

/// Entries behind `after` whose kind begins so, with their places, as far as `visit` goes, looking at `look` at most. The place of
/// the last one that was looked at, and whether there may be more.
pub fn each(
    rows: &dyn Rows,
    after: (u64, u32),
    begins: &str,
    look: usize,
    visit: &mut dyn FnMut((u64, u32), Entry) -> ControlFlow<()>,
) -> Result<((u64, u32), bool), ReadError> {
    let (mut last, mut looked, mut more) = (after, 0, false);
    let from = [key(after), vec![0]].concat();
    let to = vec![0xff; 13];
    let mut failed = None;
    rows.scan(Table::Feed, &from, &to, false, &mut |key, value| {
        if looked >= look {
            more = true;
            return ControlFlow::Break(());
        }
        looked += 1;
        last = place(key);
        if kind_of(value).is_some_and(|kind| !kind.starts_with(begins)) {
            return ControlFlow::Continue(());
        }
        let went = match decode(Table::Feed, value) {
            Ok(entry) => visit(last, entry),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        more |= went.is_break();
        went
    })?;
    failed.map_or(Ok((last, more)), Err)
}
