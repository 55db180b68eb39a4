//! Ranges: several layers merged, the newest word on a key winning.

use std::collections::btree_map;
use std::ops::Bound;

use bytes::Bytes;

use super::disk::{Disk, DiskRange, ReadError};
use super::key::Key;
use super::overlay::{Bounds, Rows};
use super::table::Table;

/// Which way a range is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Reverse,
}

/// Bounds on full keys, within one table.
pub(super) struct KeyRange {
    lower: Bound<Key>,
    upper: Bound<Key>,
}

impl KeyRange {
    pub(super) fn between(table: Table, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> KeyRange {
        let lower = match lower {
            Bound::Unbounded => Bound::Included(vec![table.byte()].into()),
            bound => bound.map(|key| table.key(key)),
        };
        let upper = match upper {
            Bound::Unbounded => Bound::Excluded(vec![table.byte() + 1].into()),
            bound => bound.map(|key| table.key(key)),
        };
        KeyRange { lower, upper }
    }

    pub(super) fn prefix(table: Table, prefix: &[u8]) -> KeyRange {
        let lower = table.key(prefix);
        // The table's own byte is never 255, so there is always a byte to count up.
        let end = lower
            .iter()
            .rposition(|byte| *byte != u8::MAX)
            .expect("a table byte below 255");
        let mut upper = lower[..=end].to_vec();
        upper[end] += 1;
        KeyRange {
            lower: Bound::Included(lower),
            upper: Bound::Excluded(upper.into()),
        }
    }

    /// The two bounds, or none where no key can lie between them: the maps below panic on such.
    fn bounds(&self) -> Option<Bounds<'_>> {
        let (lower, upper) = (self.lower.as_ref(), self.upper.as_ref());
        let holds_keys = match (lower, upper) {
            (Bound::Included(low), Bound::Included(high)) => low <= high,
            (
                Bound::Included(low) | Bound::Excluded(low),
                Bound::Included(high) | Bound::Excluded(high),
            ) => low < high,
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        };
        holds_keys.then_some((lower, upper))
    }
}

/// The next row of one overlay.
struct OverlayHead<'a> {
    rest: btree_map::Range<'a, Key, Option<Bytes>>,
    head: Option<(&'a Key, &'a Option<Bytes>)>,
}

impl OverlayHead<'_> {
    fn advance(&mut self, direction: Direction) {
        self.head = match direction {
            Direction::Forward => self.rest.next(),
            Direction::Reverse => self.rest.next_back(),
        };
    }
}

/// The rows of a range, see [`super::Snapshot::range`]: keys without their table, and values. Ends
/// after an error.
pub struct Range<'a> {
    direction: Direction,
    /// Newest first.
    overlays: [Option<OverlayHead<'a>>; 3],
    disk: Option<DiskRange>,
    disk_head: Option<(Key, Bytes)>,
    /// An error of the disk met while looking ahead.
    failed: Option<ReadError>,
}

impl<'a> Range<'a> {
    pub(super) fn new(
        overlays: [Option<&'a Rows>; 3],
        disk: &Disk,
        range: KeyRange,
        direction: Direction,
    ) -> Range<'a> {
        let bounds = range.bounds();
        let overlays = overlays.map(|rows| {
            let mut head = OverlayHead {
                rest: rows?.range(bounds?),
                head: None,
            };
            head.advance(direction);
            head.head.is_some().then_some(head)
        });
        let disk = bounds.map(|bounds| disk.range(bounds));
        let mut merged = Range {
            direction,
            overlays,
            disk,
            disk_head: None,
            failed: None,
        };
        merged.advance_disk();
        merged
    }

    fn advance_disk(&mut self) {
        self.disk_head = None;
        let Some(disk) = &mut self.disk else { return };
        match disk.next(self.direction) {
            Some(Ok(row)) => self.disk_head = Some((row.0.into(), row.1)),
            Some(Err(error)) => self.failed = Some(error),
            None => self.disk = None,
        }
    }

    /// The key that comes next in any layer. Cloning it is a reference count.
    fn next_key(&self) -> Option<Key> {
        let overlays = self
            .overlays
            .iter()
            .flatten()
            .filter_map(|overlay| Some(overlay.head?.0));
        let keys = overlays.chain(self.disk_head.as_ref().map(|(key, _)| key));
        match self.direction {
            Direction::Forward => keys.min().cloned(),
            Direction::Reverse => keys.max().cloned(),
        }
    }

    /// Takes `key` off every layer that has it; the newest word on it wins.
    fn take(&mut self, key: &Key) -> Option<Bytes> {
        let mut newest: Option<Option<Bytes>> = None;
        for overlay in self.overlays.iter_mut().flatten() {
            if let Some((head, row)) = overlay.head
                && head == key
            {
                newest.get_or_insert_with(|| row.clone());
                overlay.advance(self.direction);
            }
        }
        if self.disk_head.as_ref().is_some_and(|(head, _)| head == key) {
            let on_disk = self.disk_head.take().map(|(_, value)| value);
            newest.get_or_insert(on_disk);
            self.advance_disk();
        }
        newest.flatten()
    }
}

impl Iterator for Range<'_> {
    type Item = Result<(Bytes, Bytes), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.failed.take() {
                self.overlays = [None, None, None];
                self.disk = None;
                return Some(Err(error));
            }
            let key = self.next_key()?;
            if let Some(value) = self.take(&key) {
                return Some(Ok((key.within_table(), value)));
            }
        }
    }
}
