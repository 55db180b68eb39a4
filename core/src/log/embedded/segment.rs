//! One segment file: making it, and reading records from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use super::format::{MAX_FRAME, RECORD_HEADER, RecordHeader};
use crate::log::{Position, Record, Shard};

/// How much is read at a time, in bytes: two of the largest records and more.
pub(super) const CHUNK: usize = 2 * 1024 * 1024;

const _: () = assert!(CHUNK > MAX_FRAME);

/// Name of the segment whose first record has position `first`.
pub(super) fn file_name(first: u64) -> String {
    format!("journal-{first:020}.seg")
}

/// Path of the segment whose first record has position `first`.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(file_name(first))
}

/// The first positions of all segments in `dir`, ascending.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let first: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix("journal-")?.strip_suffix(".seg"))
            .filter(|digits| digits.len() == 20)
            .and_then(|digits| digits.parse().ok());
        found.extend(first);
    }
    found.sort_unstable();
    Ok(found)
}

/// Size of the segment after `before` others, in bytes: the first ones are small, so that a new log
/// is made quickly and a small one stays small.
pub(super) fn size(before: usize, limit: u64) -> u64 {
    const FIRST: u64 = 4 << 20;
    (FIRST << before.min(16)).min(limit)
}

/// Makes a file of zeros, durable. An append then only overwrites allocated blocks, and its sync
/// has no metadata to commit: `docs/adr/0002-embedded-log.md` has the figures.
pub(super) fn make_blank(path: &Path, size: u64) -> io::Result<File> {
    let made = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(path);
    let file = made?;
    match fill_with_zeros(&file, 0, size) {
        Ok(()) => Ok(file),
        Err(error) => {
            // The likely reason is a full disk: give the space back.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// Writes zeros from `from` to `to` and syncs, in steps so that appends of other files, whose
/// syncs wait for the same disk, are not held up for long.
pub(super) fn fill_with_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    const STEP: u64 = 4 * 1024 * 1024;
    let zeros = vec![0; (to.saturating_sub(from)).min(STEP) as usize];
    let mut at = from;
    while at < to {
        let n = (to - at).min(STEP) as usize;
        file.write_all_at(&zeros[..n], at)?;
        file.sync_data()?;
        at += n as u64;
    }
    file.sync_all()
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Why [`read_chunk`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the end of the chunk: go on.
    More,
    /// At the limit, or at the end of the file.
    End,
    /// At zeros. What comes after them has not been looked at.
    Blank,
    /// At something that is not the expected record.
    Invalid(&'static str),
}

/// Some records of a segment.
pub(super) struct Chunk {
    pub(super) records: Vec<Record>,
    /// Offset after the last of `records`.
    pub(super) end: u64,
    /// Offset of the last of `records`.
    pub(super) last_start: u64,
    pub(super) stop: Stop,
}

/// Reads records from `offset` on, the first with position `next`, none reaching beyond `limit`.
/// Payloads share one buffer. Unless it stops, it returns at least one record.
pub(super) fn read_chunk(file: &File, offset: u64, limit: u64, next: u64) -> io::Result<Chunk> {
    let want = limit.saturating_sub(offset).min(CHUNK as u64) as usize;
    let buffer = read_at_most(file, offset, want)?;
    let at_end = buffer.len() < CHUNK;
    let mut records = Vec::new();
    let mut at = 0;
    let mut last_start = 0;
    let stop = loop {
        let rest = &buffer[at..];
        if rest.is_empty() {
            break if at_end { Stop::End } else { Stop::More };
        }
        let Some(header) = rest.first_chunk::<RECORD_HEADER>() else {
            break match at_end {
                false => Stop::More,
                true if is_zero(rest) => Stop::Blank,
                true => Stop::Invalid("the record is cut short"),
            };
        };
        let header = match RecordHeader::decode(header) {
            Ok(header) => header,
            Err(_) if is_zero(header) => break Stop::Blank,
            Err(reason) => break Stop::Invalid(reason),
        };
        if header.position != next + records.len() as u64 {
            break Stop::Invalid("the record has another position than its place says");
        }
        let start = at + RECORD_HEADER;
        if buffer.len() - start < header.len {
            break if at_end {
                Stop::Invalid("the record is cut short")
            } else {
                Stop::More
            };
        }
        let payload = buffer.slice(start..start + header.len);
        if !header.fits(&payload) {
            break Stop::Invalid("the record fails its checksum");
        }
        records.push(Record {
            position: Position(header.position),
            shard: Shard(header.shard),
            id: header.id,
            payload,
        });
        last_start = offset + at as u64;
        at = start + header.len;
    };
    Ok(Chunk {
        records,
        end: offset + at as u64,
        last_start,
        stop,
    })
}

/// Finds where record `wanted` starts, reading headers only. `from` is where record `next` starts.
pub(super) fn seek(
    file: &File,
    mut from: u64,
    limit: u64,
    mut next: u64,
    wanted: u64,
) -> io::Result<Result<u64, &'static str>> {
    let mut buffer = Bytes::new();
    let mut base = from;
    while next < wanted {
        let at = (from - base) as usize;
        let Some(header) = buffer
            .get(at..)
            .and_then(|rest| rest.first_chunk::<RECORD_HEADER>())
        else {
            let want = limit.saturating_sub(from).min(CHUNK as u64) as usize;
            buffer = read_at_most(file, from, want)?;
            base = from;
            if buffer.len() < RECORD_HEADER {
                return Ok(Err("the segment ends too early"));
            }
            continue;
        };
        match RecordHeader::decode(header) {
            Ok(header) if header.position == next => from += (RECORD_HEADER + header.len) as u64,
            Ok(_) => return Ok(Err("the record has another position than its place says")),
            Err(reason) => return Ok(Err(reason)),
        }
        next += 1;
    }
    Ok(Ok(from))
}

/// Whether the file holds nothing but zeros from `offset` on.
pub(super) fn is_blank_after(file: &File, mut offset: u64) -> io::Result<bool> {
    loop {
        let bytes = read_at_most(file, offset, CHUNK)?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if !is_zero(&bytes) {
            return Ok(false);
        }
        offset += bytes.len() as u64;
    }
}

/// Reads `want` bytes, fewer only at the end of the file.
pub(super) fn read_at_most(file: &File, offset: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = BytesMut::zeroed(want);
    let mut filled = 0;
    while filled < want {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.freeze())
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}
