//! What is committed and not yet on disk.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::key::Key;

/// Memory of a row beside its bytes: two handles, their share of a tree node, two allocations.
const ROW_OVERHEAD: usize = 176;

/// The lower and the upper bound of a range of full keys.
pub(super) type Bounds<'a> = (Bound<&'a Key>, Bound<&'a Key>);

/// Rows by full key; `None` says that the row is deleted, whatever lies below.
#[derive(Default)]
pub(super) struct Rows {
    rows: BTreeMap<Key, Option<Bytes>>,
    bytes: usize,
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Approximate memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The row if this layer knows anything of it: `Some(None)` is a deletion.
    pub(super) fn get(&self, key: &Key) -> Option<&Option<Bytes>> {
        self.rows.get(key)
    }

    pub(super) fn insert(&mut self, key: Key, row: Option<Bytes>) {
        let (key_len, len) = (key.len(), row.as_ref().map_or(0, Bytes::len));
        match self.rows.insert(key, row) {
            Some(old) => self.bytes -= old.as_ref().map_or(0, Bytes::len),
            None => self.bytes += key_len + ROW_OVERHEAD,
        }
        self.bytes += len;
    }

    /// Lays `newer` over these rows.
    pub(super) fn append(&mut self, newer: Rows) {
        if self.is_empty() {
            *self = newer;
            return;
        }
        // Not `BTreeMap::append`: that walks the whole of both maps, and this one is the larger by
        // far.
        for (key, row) in newer.rows {
            self.insert(key, row);
        }
    }

    /// Rows in key order.
    pub(super) fn iter(&self) -> btree_map::Iter<'_, Key, Option<Bytes>> {
        self.rows.iter()
    }

    /// Rows between two bounds, which must not be the wrong way round.
    pub(super) fn range(&self, bounds: Bounds<'_>) -> btree_map::Range<'_, Key, Option<Bytes>> {
        self.rows.range::<Key, _>(bounds)
    }
}

/// An overlay on its way to disk.
pub(super) struct Frozen {
    pub(super) rows: Rows,
    pub(super) cursor: u64,
}

/// What lies over the disk.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) active: Rows,
    /// Stays until its rows are on disk, and so hides from readers whether they already are.
    pub(super) frozen: Option<Arc<Frozen>>,
    /// The position of the last commit.
    pub(super) cursor: u64,
}

impl Layers {
    /// The row if an overlay knows anything of it.
    pub(super) fn get(&self, key: &Key) -> Option<Option<Bytes>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key));
        self.active.get(key).or_else(frozen).cloned()
    }

    /// Begins a new active overlay; the old one must have gone to disk.
    pub(super) fn freeze(&mut self) {
        debug_assert!(self.frozen.is_none());
        let rows = std::mem::take(&mut self.active);
        self.frozen = Some(Arc::new(Frozen {
            rows,
            cursor: self.cursor,
        }));
    }
}
