//! Opening: finding where the log ends, and refusing one that has lost something.
//!
//! Only the last segment is read in full. The header of each segment names the end of the one
//! before it, so the headers show whether a file is missing or too short.
//!
//! The end of the last segment is where its records stop. What may follow is decided thus:
//!
//! - Zeros, or the end of the file: nothing was being appended.
//! - Anything else, with no whole record after it: the append that was under way when the machine
//!   stopped. It was never acknowledged. It is overwritten with zeros, and a warning logged.
//! - Anything else, with a whole record somewhere after it: an acknowledged record is damaged. The
//!   log refuses to open.
//!
//! One append is under way at a time, so a torn record has nothing after it, and a record that has
//! something after it was acknowledged. What this rule cannot tell from a torn append is damage to
//! the very last record after a crash; after an orderly close, `reached.json` tells.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::OpenError;
use super::format::{RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, find_record};
use super::meta::{Meta, Reached};
use super::segment::{self, Stop};
use super::verify::check_reached;

/// A segment and how many of its bytes are used, the header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) end: u64,
}

/// The end of a log that can be appended to.
pub(super) struct Recovered {
    /// All segments, ascending; the last is the one appended to.
    pub(super) segments: Vec<Segment>,
    pub(super) file: File,
    /// Length of the file, at least.
    pub(super) size: u64,
    pub(super) last: u64,
    pub(super) last_id: Uuid,
}

/// Where the records of a segment stop.
pub(super) struct End {
    /// Offset after the last record.
    pub(super) offset: u64,
    /// Number of records.
    pub(super) records: u64,
    /// Bytes of payload.
    pub(super) bytes: u64,
    /// Offset and id of the last record.
    pub(super) last: Option<(u64, Uuid)>,
    /// A torn append after the last record: what is wrong with it.
    pub(super) torn: Option<String>,
}

/// Finds the end of the log in `dir` and makes it fit for appending. Nothing is changed in a log that
/// ends before it had `reached`.
pub(super) fn recover(
    dir: &Path,
    meta: &Meta,
    reached: Option<Reached>,
) -> Result<Recovered, OpenError> {
    let headers = read_headers(dir, meta)?;
    let mut segments: Vec<Segment> = headers
        .windows(2)
        .map(|pair| Segment {
            first: pair[0].first,
            end: pair[1].previous_end,
        })
        .collect();
    let header = headers.last().expect("read_headers yields at least one");
    let path = segment::path(dir, header.first);
    let io = OpenError::io(&path);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(&io)?;
    let end = find_end(&path, &file, header.first, &mut |_, _| ())?;
    check_reached(dir, reached, header.first + end.records - 1)?;
    let size = file.metadata().map_err(&io)?.len().max(end.offset);
    if let Some(reason) = &end.torn {
        tracing::warn!(
            file = %path.display(),
            offset = end.offset,
            position = header.first + end.records,
            reason,
            "cutting off an append that was under way when the log was last closed; it was never \
             acknowledged"
        );
        segment::fill_with_zeros(&file, end.offset, size).map_err(&io)?;
    }
    if let Some((start, _)) = end.last {
        // The last append may have been written but not synced when its process died, or its sync
        // may have failed and left the pages marked clean. So write the record once more, and sync,
        // before anybody reads it as durable.
        let record = segment::read_at_most(&file, start, (end.offset - start) as usize);
        record
            .and_then(|record| file.write_all_at(&record, start))
            .and_then(|()| file.sync_all())
            .map_err(&io)?;
    }
    segments.push(Segment {
        first: header.first,
        end: end.offset,
    });
    Ok(Recovered {
        segments,
        file,
        size,
        last: header.first + end.records - 1,
        last_id: end.last.map_or(header.previous_id, |(_, id)| id),
    })
}

/// Reads the headers of all segments, at least one, and checks that nothing is missing between.
pub(super) fn read_headers(dir: &Path, meta: &Meta) -> Result<Vec<SegmentHeader>, OpenError> {
    let mut headers: Vec<SegmentHeader> = Vec::new();
    let mut length = 0;
    let mut age = 0;
    for first in segment::list(dir).map_err(OpenError::io(dir))? {
        let path = segment::path(dir, first);
        let io = OpenError::io(&path);
        let file = File::open(&path).map_err(&io)?;
        let bytes = segment::read_at_most(&file, 0, SEGMENT_HEADER).map_err(&io)?;
        let damaged = |reason: String| OpenError::Damaged {
            path: path.clone(),
            offset: 0,
            position: first,
            reason,
        };
        let header = SegmentHeader::decode(&bytes).map_err(damaged)?;
        if header.first != first {
            return Err(damaged(format!(
                "its header says it starts at position {}",
                header.first
            )));
        }
        match meta.epochs[age..]
            .iter()
            .position(|epoch| *epoch == header.epoch)
        {
            Some(later) => age += later,
            None => {
                return Err(damaged(format!(
                    "it belongs to another log, epoch {}",
                    header.epoch
                )));
            }
        }
        let previous = headers.last().map_or(0, |header| header.first);
        if header.previous_first != previous || (previous == 0 && first != 1) {
            let missing = segment::file_name(header.previous_first.max(1));
            return Err(damaged(format!(
                "the segment before it, {missing}, is missing"
            )));
        }
        if header.previous_end > length {
            return Err(OpenError::Damaged {
                path: segment::path(dir, previous),
                offset: length,
                position: first - 1,
                reason: format!("the file should have {} bytes and is cut short", {
                    header.previous_end
                }),
            });
        }
        length = file.metadata().map_err(&io)?.len();
        headers.push(header);
    }
    if headers.is_empty() {
        return Err(OpenError::Damaged {
            path: segment::path(dir, 1),
            offset: 0,
            position: 1,
            reason: "the folder has no segments".into(),
        });
    }
    Ok(headers)
}

/// Reads a segment until its records stop, telling `progress` of bytes and records as it goes.
pub(super) fn find_end(
    path: &Path,
    file: &File,
    first: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<End, OpenError> {
    let io = OpenError::io(path);
    let mut end = End {
        offset: SEGMENT_HEADER as u64,
        records: 0,
        bytes: 0,
        last: None,
        torn: None,
    };
    loop {
        let stop = loop {
            let next = first + end.records;
            let chunk = segment::read_chunk(file, end.offset, u64::MAX, next).map_err(&io)?;
            end.records += chunk.records.len() as u64;
            end.bytes += chunk
                .records
                .iter()
                .map(|r| r.payload.len() as u64)
                .sum::<u64>();
            if let Some(record) = chunk.records.last() {
                end.last = Some((chunk.last_start, record.id));
            }
            progress(chunk.end - end.offset, chunk.records.len() as u64);
            end.offset = chunk.end;
            if chunk.stop != Stop::More {
                break chunk.stop;
            }
        };
        let reason = match stop {
            Stop::More | Stop::End => return Ok(end),
            Stop::Blank if segment::is_blank_after(file, end.offset).map_err(&io)? => {
                return Ok(end);
            }
            Stop::Blank => "the start of the record is missing",
            Stop::Invalid(reason) => reason,
        };
        let length = file.metadata().map_err(&io)?.len();
        let rest =
            segment::read_at_most(file, end.offset, length.saturating_sub(end.offset) as usize);
        let rest = rest.map_err(&io)?;
        let position = first + end.records;
        // Where the torn record says how long it is, what looks like a record inside it is its payload.
        let inside = rest
            .first_chunk()
            .and_then(|header| RecordHeader::decode(header).ok())
            .filter(|header| header.position == position)
            .map_or(0, |header| (RECORD_HEADER + header.len).min(rest.len()));
        let Some((_, later)) = find_record(&rest[inside..], position - 1) else {
            end.torn = Some(reason.into());
            return Ok(end);
        };
        // Beside a process that appends, this record has been finished since it was looked at.
        let again = segment::read_chunk(file, end.offset, u64::MAX, position).map_err(&io)?;
        if again.records.is_empty() {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                offset: end.offset,
                position,
                reason: format!("{reason}, and record {} follows", later.position),
            });
        }
    }
}
