//! `keys.slots`: the wrapped keys, each in a slot of 64 bytes that never moves.
//!
//! Slot 0 holds `"TIDINGSK"`, the format version (1) as two bytes, and zeros. A key's slot holds the
//! wrapped key ([`WRAPPED`] bytes, the first of which is 1) and zeros; a destroyed key's slot holds
//! `0xFF` and zeros. Overwriting is what destroys a key, and a slot lies within one disk sector, so
//! a crash leaves either the key or nothing of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::keys::seal::WRAPPED;

const SLOT: usize = 64;
const MAGIC: &[u8; 10] = b"TIDINGSK\x01\x00";
const DESTROYED: u8 = 0xFF;

const _: () = assert!(WRAPPED < SLOT);

pub(super) struct Slots(File);

/// What a slot holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Wrapped([u8; WRAPPED]),
    Destroyed,
}

impl Slots {
    /// Makes the file, durable, replacing one that is there.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut header = [0; SLOT];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        Ok(Slots(file))
    }

    /// Opens the file; `None` if it is not one of this kind.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut header = [0; MAGIC.len()];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok((header == *MAGIC).then_some(Slots(file)))
    }

    /// Number of slots, the header's included.
    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len() / SLOT as u64)
    }

    pub(super) fn read(&self, slot: u64) -> io::Result<Slot> {
        let mut bytes = [0; SLOT];
        self.0.read_exact_at(&mut bytes, slot * SLOT as u64)?;
        Ok(match bytes[0] {
            DESTROYED => Slot::Destroyed,
            _ => Slot::Wrapped(*bytes.first_chunk().expect("a slot is longer")),
        })
    }

    /// Writes keys to consecutive slots, durably.
    pub(super) fn write(&self, first: u64, keys: &[[u8; WRAPPED]]) -> io::Result<()> {
        let mut bytes = vec![0; keys.len() * SLOT];
        for (slot, key) in bytes.chunks_exact_mut(SLOT).zip(keys) {
            slot[..WRAPPED].copy_from_slice(key);
        }
        self.0.write_all_at(&bytes, first * SLOT as u64)?;
        self.0.sync_data()
    }

    /// Overwrites keys, durably.
    pub(super) fn destroy(&self, slots: &[u64]) -> io::Result<()> {
        let mut nothing = [0; SLOT];
        nothing[0] = DESTROYED;
        for slot in slots {
            self.0.write_all_at(&nothing, slot * SLOT as u64)?;
        }
        self.0.sync_data()
    }
}
