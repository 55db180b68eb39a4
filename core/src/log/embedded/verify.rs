//! Reading a whole log to see whether it is sound.

use std::fs::File;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::OpenError;
use super::meta::{Meta, Reached, is_locked};
use super::recover::{find_end, read_headers};
use super::segment;

/// How far [`verify`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segment files read.
    pub bytes: u64,
    /// Bytes of segment files in all.
    pub of_bytes: u64,
    /// Records found sound.
    pub records: u64,
}

/// What [`verify`] found in a log that is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The log's epoch.
    pub epoch: Uuid,
    /// Segment files.
    pub segments: u64,
    /// Records, which is also the position of the last.
    pub records: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// An append that was never acknowledged; opening the log will cut it off.
    pub torn: Option<Torn>,
}

/// The remains of an append that was under way when the process or the machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment file.
    pub path: PathBuf,
    /// Where in it the append starts, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads every record of the log in `dir` and checks positions, checksums and epochs. It changes
/// nothing and may run beside the process that has the log open; it then reads what is durable.
///
/// # Errors
///
/// The first damage found, or what kept it from reading.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, OpenError> {
    let meta = Meta::read(dir)?.ok_or_else(|| OpenError::Missing {
        path: dir.to_owned(),
    })?;
    let in_use = is_locked(dir);
    let reached = Reached::read(dir)?;
    let headers = read_headers(dir, &meta)?;
    let mut files = Vec::with_capacity(headers.len());
    let mut done = Progress {
        bytes: 0,
        of_bytes: 0,
        records: 0,
    };
    for header in &headers {
        let path = segment::path(dir, header.first);
        let file = File::open(&path).map_err(OpenError::io(&path))?;
        done.of_bytes += file.metadata().map_err(OpenError::io(&path))?.len();
        files.push((path, file));
    }
    let mut report = VerifyReport {
        epoch: meta.epoch(),
        segments: headers.len() as u64,
        records: 0,
        bytes: 0,
        torn: None,
    };
    for (index, (path, file)) in files.iter().enumerate() {
        let first = headers[index].first;
        let length = file.metadata().map_err(OpenError::io(path))?.len();
        let before = done.bytes;
        let end = find_end(path, file, first, &mut |bytes, records| {
            done.bytes += bytes;
            done.records += records;
            progress(done);
        })?;
        // Zeros are read too.
        done.bytes = before + length;
        progress(done);
        let damaged = |offset, position, reason| OpenError::Damaged {
            path: path.clone(),
            offset,
            position,
            reason,
        };
        report.records += end.records;
        report.bytes += end.bytes;
        if let Some(next) = headers.get(index + 1) {
            let position = first + end.records;
            if next.first != position || next.previous_end != end.offset {
                let reason = end.torn.unwrap_or_else(|| {
                    format!("the next segment starts at position {}", next.first)
                });
                return Err(damaged(end.offset, position, reason));
            }
            if let Some((start, id)) = end.last
                && id != next.previous_id
            {
                let reason = "the next segment names another id for this record".into();
                return Err(damaged(start, position - 1, reason));
            }
            if let Some(reason) = end.torn {
                return Err(damaged(end.offset, position, reason));
            }
        } else if let Some(reason) = end.torn.filter(|_| !in_use) {
            report.torn = Some(Torn {
                path: path.clone(),
                offset: end.offset,
                reason,
            });
        }
    }
    check_reached(dir, reached, report.records)?;
    Ok(report)
}

/// Refuses a log that ends at `last` although it had come further.
pub(super) fn check_reached(
    dir: &Path,
    reached: Option<Reached>,
    last: u64,
) -> Result<(), OpenError> {
    match reached {
        Some(Reached { position }) if position > last => Err(OpenError::Lost {
            path: dir.to_owned(),
            last,
            reached: position,
        }),
        _ => Ok(()),
    }
}
