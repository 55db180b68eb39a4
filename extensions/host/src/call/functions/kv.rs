//! `kv-read` and `kv-write`: the extension's own store, as it is with what this call has changed.

use std::ops::Bound;

use crate::bindings::tidings::extension::kv_read::{self, Entry};
use crate::bindings::tidings::extension::kv_write::{self, WriteError};
use crate::call::state::{Kept, told};
use crate::call::text::{id, key as check_key};
use crate::call::{State, Stop};
use crate::host::{self, Ask, Refusal, Staging};
use crate::limits::{KV_BYTES, KV_KEYS, KV_SCAN, KV_VALUE_BYTES};
use crate::staged::KvChange;

impl kv_read::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Entry>> {
        self.enter()?;
        let entry = match self.staging.kv.get(&key) {
            Some(kept) => kept.entry(),
            // There is no way to say that a read is refused: what may not be read is not there.
            None => told(self.host.kv_get(&key))?.ok().flatten().map(entry),
        };
        self.give(entry.as_ref().map_or(0, size))?;
        Ok(entry)
    }

    fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<Entry>> {
        self.enter()?;
        let limit = (limit as usize).min(KV_SCAN.0);
        let mut found = Vec::new();
        let mut from = after;
        // None must come only where there is none left, so those that were removed here are not counted as found.
        while found.is_empty() && limit > 0 {
            let stored = told(self.host.kv_scan(&prefix, from.as_deref(), limit as u32))?;
            let stored = stored.unwrap_or_default();
            let is_last = stored.len() < limit;
            let to = stored.last().map(|entry| entry.key.clone());
            found = self.with_changes(stored, &prefix, from.as_deref(), is_last);
            if is_last {
                break;
            }
            from = to;
        }
        found.truncate(limit);
        let mut bytes = 0;
        let fits = found.iter().position(|entry| {
            bytes += size(entry);
            bytes > KV_SCAN.1
        });
        // The first one comes even where it alone is more: a value may have less than the limit, its key beside it.
        found.truncate(fits.map_or(found.len(), |fits| fits.max(1)));
        self.give(found.iter().map(size).sum())?;
        Ok(found)
    }
}

impl State {
    /// What is stored with what this call has changed in the same range: behind `from`, and up to the last one stored
    /// unless nothing more is stored.
    fn with_changes(
        &self,
        stored: Vec<host::Entry>,
        prefix: &str,
        from: Option<&str>,
        is_last: bool,
    ) -> Vec<Entry> {
        let to = stored.last().map(|entry| entry.key.clone());
        let start = match from {
            Some(from) if from >= prefix => Bound::Excluded(from),
            _ => Bound::Included(prefix),
        };
        let changed = self
            .staging
            .kv
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take_while(|(key, _)| is_last || to.as_ref().is_some_and(|to| *key <= to));
        let unchanged = stored
            .into_iter()
            .filter(|entry| !self.staging.kv.contains_key(&entry.key))
            .map(entry);
        let mut all: Vec<Entry> = unchanged
            .chain(changed.filter_map(|(_, kept)| kept.entry()))
            .collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    fn change(
        &mut self,
        key: String,
        value: Option<Vec<u8>>,
        subject: Option<String>,
        expect: Option<u64>,
    ) -> wasmtime::Result<Result<(), WriteError>> {
        self.enter()?;
        if let Err(refusal) = self.may_change(&key, value.as_deref(), subject.as_deref()) {
            return Ok(Err(refusal.into()));
        }
        let before = self.staging.kv.get(&key);
        let (revision, first_expect) = match before {
            Some(kept) => (kept.revision, kept.change.expect),
            None => match self.host.kv_get(&key) {
                Ok(stored) => (stored.map_or(0, |entry| entry.revision), expect),
                Err(Ask::Refused(refusal)) => return Ok(Err(refusal.into())),
                Err(Ask::Failed(why)) => return Err(Stop::Host(why).into()),
            },
        };
        if expect.is_some_and(|expect| expect != revision) {
            return Ok(Err(WriteError::Stale(revision)));
        }
        let has = before.map_or(0, |kept| weight(&kept.change));
        let change = KvChange {
            key,
            value,
            subject,
            // What the store must be like is said by the first change; the others follow from that one.
            expect: first_expect,
        };
        let bytes = self.staging.kv_bytes - has + weight(&change);
        if bytes > KV_BYTES {
            let why = format!("{KV_BYTES} bytes of changes");
            return Ok(Err(WriteError::Exhausted(why)));
        }
        if before.is_none() && self.staging.kv.len() >= KV_KEYS {
            return Ok(Err(WriteError::Exhausted(format!("{KV_KEYS} keys"))));
        }
        match self.host.admit(Staging::Kv(&change)) {
            Ok(()) => {}
            Err(Ask::Refused(refusal)) => return Ok(Err(refusal.into())),
            Err(Ask::Failed(why)) => return Err(Stop::Host(why).into()),
        }
        let revision = match change.value {
            Some(_) => revision + 1,
            None => 0,
        };
        self.staging.kv_bytes = bytes;
        self.staging
            .kv
            .insert(change.key.clone(), Kept { change, revision });
        Ok(Ok(()))
    }

    fn may_change(
        &self,
        key: &str,
        value: Option<&[u8]>,
        subject: Option<&str>,
    ) -> Result<(), Refusal> {
        self.acts()?;
        check_key(key)?;
        if let Some(subject) = subject {
            id("the subject", subject)?;
        }
        let bytes = value.map_or(0, <[u8]>::len);
        if bytes > KV_VALUE_BYTES {
            return Err(Refusal::invalid(format!(
                "the value has {bytes} bytes, more than {KV_VALUE_BYTES}"
            )));
        }
        Ok(())
    }
}

impl kv_write::Host for State {
    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        subject: Option<String>,
        expect: Option<u64>,
    ) -> wasmtime::Result<Result<(), WriteError>> {
        self.change(key, Some(value), subject, expect)
    }

    fn remove(
        &mut self,
        key: String,
        expect: Option<u64>,
    ) -> wasmtime::Result<Result<(), WriteError>> {
        self.change(key, None, None, expect)
    }
}

impl Kept {
    fn entry(&self) -> Option<Entry> {
        Some(Entry {
            key: self.change.key.clone(),
            value: self.change.value.clone()?,
            revision: self.revision,
        })
    }
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(why) => Self::Denied(why),
            Refusal::Invalid(why) => Self::Invalid(why),
            Refusal::Exhausted(why) => Self::Exhausted(why),
        }
    }
}

fn entry(entry: host::Entry) -> Entry {
    Entry {
        key: entry.key,
        value: entry.value,
        revision: entry.revision,
    }
}

fn size(entry: &Entry) -> usize {
    entry.key.len() + entry.value.len()
}

fn weight(change: &KvChange) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, Vec::len)
}
