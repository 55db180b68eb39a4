//! The one place that appends to the journal: one record, one write, one sync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use parking_lot::Mutex;
use uuid::Uuid;

use super::format::{MAX_FRAME, SEGMENT_HEADER, SegmentHeader, encode_record};
use super::journal::{Journal, Life};
use super::recover::{Recovered, Segment};
use super::segment;
use crate::{
    log::{Append, AppendError, Position, Record},
    room,
};

/// Name of a segment made ahead of its use.
const SPARE: &str = "spare.seg";

/// Appends to the journal. Its lock is held across write and sync: one append is in flight at a time.
pub(super) struct Writer {
    dir: PathBuf,
    epoch: Uuid,
    segment_bytes: u64,
    journal: Arc<Journal>,
    state: Mutex<State>,
}

struct State {
    file: File,
    first: u64,
    /// Number of segments before this one.
    before: usize,
    /// Bytes used in the file.
    end: u64,
    /// Bytes that are allocated and zero after `end`.
    size: u64,
    last: u64,
    last_id: Uuid,
    /// A new segment was begun and not finished: the present one must not grow any more.
    must_rotate: bool,
    /// The next segment, being made.
    spare: Option<JoinHandle<io::Result<File>>>,
    /// After a failed sync: the append whose fate is unknown. `buffer` holds its bytes.
    unsettled: Option<Unsettled>,
    closed: bool,
    /// It has been said that no new segment can be made.
    is_full: bool,
    buffer: Vec<u8>,
    #[cfg(test)]
    faults: Faults,
}

/// An append that may be on the disk, and may not.
struct Unsettled {
    append: Append,
    reason: String,
}

/// Failures of the disk that tests ask for; each happens once.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Faults {
    /// Fail the next write after this many bytes.
    pub(super) write: Option<usize>,
    /// Fail the undoing of a failed write.
    pub(super) undo: bool,
    /// Fail the next sync.
    pub(super) sync: bool,
    /// Fail to make the next segment.
    pub(super) rotate: bool,
}

impl Writer {
    pub(super) fn new(
        dir: &Path,
        epoch: Uuid,
        segment_bytes: u64,
        recovered: Recovered,
        journal: Arc<Journal>,
    ) -> io::Result<Self> {
        // Left over by a process that died; what is in it is unknown.
        match std::fs::remove_file(dir.join(SPARE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let Recovered {
            segments,
            file,
            mut size,
            last,
            last_id,
        } = recovered;
        let Segment { first, end } = *segments.last().expect("a log has a segment");
        let before = segments.len() - 1;
        let wanted = segment::size(before, segment_bytes);
        if size < wanted {
            // A copy that was trimmed, or a new setting.
            segment::fill_with_zeros(&file, size, wanted)?;
            size = wanted;
        }
        let state = State {
            file,
            first,
            before,
            end,
            size,
            last,
            last_id,
            must_rotate: false,
            spare: None,
            unsettled: None,
            closed: false,
            is_full: false,
            buffer: Vec::with_capacity(MAX_FRAME),
            #[cfg(test)]
            faults: Faults::default(),
        };
        let dir = dir.to_owned();
        Ok(Writer {
            dir,
            epoch,
            segment_bytes,
            journal,
            state: Mutex::new(state),
        })
    }

    /// Appends, blocking the thread until the record is durable.
    pub(super) fn append(&self, append: Append) -> Result<Position, AppendError> {
        let state = &mut *self.state.lock();
        if state.closed {
            return Err(AppendError::Unavailable("it has been closed".to_owned()));
        }
        if let Some(unsettled) = state.unsettled.take() {
            let id = unsettled.append.id;
            if let Err(reason) = self.settle(state, unsettled) {
                return Err(if id == append.id {
                    AppendError::Unclear(reason)
                } else {
                    AppendError::Unavailable(reason)
                });
            }
        }
        if append.id == state.last_id && state.last > 0 {
            return Ok(Position(state.last));
        }
        if append.expected.0 != state.last {
            return Err(AppendError::Conflict {
                last: Position(state.last),
            });
        }

        let position = state.last + 1;
        state.buffer.clear();
        encode_record(
            &mut state.buffer,
            position,
            append.shard.0,
            append.id,
            &append.payload,
        );
        let len = state.buffer.len() as u64;
        if state.must_rotate || state.end + len > state.size {
            state.must_rotate = true;
            if let Err(error) = self.rotate(state, len) {
                return Err(self.full(state, &error));
            }
            state.must_rotate = false;
            state.is_full = false;
        }
        self.write(state, &append)?;
        self.written(state, append);
        Ok(Position(position))
    }

    /// Makes the record in the buffer, which is durable, the last one.
    fn written(&self, state: &mut State, append: Append) {
        state.end += state.buffer.len() as u64;
        state.last += 1;
        state.last_id = append.id;
        let Append {
            shard, id, payload, ..
        } = append;
        let record = Record {
            position: Position(state.last),
            shard,
            id,
            payload,
        };
        self.journal.publish(record, state.end);
        if state.spare.is_none() && state.end > state.size / 2 {
            state.spare = Some(self.make_spare(state.before + 1));
        }
    }

    /// Says once where a new segment is wanted, and why it cannot be made.
    fn full(&self, state: &mut State, error: &io::Error) -> AppendError {
        if !std::mem::replace(&mut state.is_full, true) {
            let bytes = segment::size(state.before + 1, self.segment_bytes);
            tracing::error!(
                dir = %self.dir.display(),
                needed_mib = (bytes + room::RESERVE) >> 20,
                %error,
                "no new segment of the log can be made: nothing is written until it can be"
            );
        }
        AppendError::Unavailable(room::explain(error))
    }

    /// Ends appending; the last position, unless that is not certain.
    pub(super) fn close(&self) -> Option<u64> {
        let state = &mut *self.state.lock();
        if let Some(spare) = state.spare.take() {
            let _ = spare.join();
            let _ = std::fs::remove_file(self.dir.join(SPARE));
        }
        self.journal.set_life(Life::Closed);
        // Whoever appends all the same must not get in behind what is noted as the end.
        state.closed = true;
        state.unsettled.is_none().then_some(state.last)
    }

    fn write(&self, state: &mut State, append: &Append) -> Result<(), AppendError> {
        if let Err(error) = write_buffer(state) {
            // The segment is allocated already, so this is rare: a file system that copies on
            // write and is full, or a broken disk. Take back what was written.
            return match undo(state) {
                Ok(()) => Err(AppendError::Unavailable(room::explain(&error))),
                Err(_) => Err(self.fail(state, append, "written", &error)),
            };
        }
        if let Err(error) = sync(state) {
            // After a failed sync the kernel may call the pages clean, so that a second sync would
            // succeed without having written them.
            return Err(self.fail(state, append, "synced", &error));
        }
        Ok(())
    }

    fn fail(
        &self,
        state: &mut State,
        append: &Append,
        what: &str,
        error: &io::Error,
    ) -> AppendError {
        tracing::error!(
            file = %segment::path(&self.dir, state.first).display(),
            %error,
            "a record could not be {what}: the log takes no other before that one is durable"
        );
        let reason = room::explain(error);
        self.journal.set_life(Life::Unsettled(reason.clone()));
        state.unsettled = Some(Unsettled {
            append: append.clone(),
            reason: reason.clone(),
        });
        AppendError::Unclear(reason)
    }

    /// Makes the record durable whose fate is unknown: it is written once more, whole, so that what is
    /// synced is what is written here and not what the kernel takes for written. To take it back
    /// instead would not do, since another process may have read it.
    fn settle(&self, state: &mut State, unsettled: Unsettled) -> Result<(), String> {
        if let Err(error) = write_buffer(state).and_then(|()| sync(state)) {
            let reason = room::explain(&error);
            if reason != unsettled.reason {
                tracing::error!(%error, "the record could not be written once more either");
                self.journal.set_life(Life::Unsettled(reason.clone()));
            }
            state.unsettled = Some(Unsettled {
                reason: reason.clone(),
                ..unsettled
            });
            return Err(reason);
        }
        tracing::info!("the record is durable, the log goes on");
        self.written(state, unsettled.append);
        self.journal.set_life(Life::Open);
        Ok(())
    }

    /// Goes on to a new segment with room for `len` bytes.
    fn rotate(&self, state: &mut State, len: u64) -> io::Result<()> {
        #[cfg(test)]
        if std::mem::take(&mut state.faults.rotate) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let made_ahead = state.spare.take().and_then(|spare| spare.join().ok()?.ok());
        let file = match made_ahead {
            Some(file) => file,
            // Not begun, or the disk was full then.
            None => {
                let size = segment::size(state.before + 1, self.segment_bytes);
                room::check(&self.dir, size + room::RESERVE)?;
                segment::make_blank(&self.dir.join(SPARE), size)?
            }
        };
        let mut size = file.metadata()?.len();
        let needed = SEGMENT_HEADER as u64 + len;
        if size < needed {
            segment::fill_with_zeros(&file, size, needed)?;
            size = needed;
        }
        let first = state.last + 1;
        let header = SegmentHeader {
            epoch: self.epoch,
            first,
            previous_first: state.first,
            previous_end: state.end,
            previous_id: state.last_id,
        };
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        std::fs::rename(self.dir.join(SPARE), segment::path(&self.dir, first))?;
        segment::sync_dir(&self.dir)?;

        // Give back what the old segment did not need. It does no harm if this fails.
        let _ = state.file.set_len(state.end);
        state.file = file;
        state.first = first;
        state.before += 1;
        state.end = SEGMENT_HEADER as u64;
        state.size = size;
        self.journal.begin_segment(Segment {
            first,
            end: state.end,
        });
        Ok(())
    }

    /// Makes the next segment on a thread of its own, so that no append waits for it.
    fn make_spare(&self, before: usize) -> JoinHandle<io::Result<File>> {
        let (dir, path) = (self.dir.clone(), self.dir.join(SPARE));
        let size = segment::size(before, self.segment_bytes);
        thread::Builder::new()
            .name("log-segment".into())
            .spawn(move || {
                room::check(&dir, size + room::RESERVE)?;
                segment::make_blank(&path, size)
            })
            .expect("a thread can be started")
    }

    #[cfg(test)]
    pub(super) fn inject(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }
}

fn write_buffer(state: &mut State) -> io::Result<()> {
    #[cfg(test)]
    if let Some(n) = state.faults.write.take() {
        state
            .file
            .write_all_at(&state.buffer[..n.min(state.buffer.len())], state.end)?;
        return Err(io::ErrorKind::StorageFull.into());
    }
    state.file.write_all_at(&state.buffer, state.end)
}

fn sync(state: &mut State) -> io::Result<()> {
    #[cfg(test)]
    if std::mem::take(&mut state.faults.sync) {
        return Err(io::Error::other("injected"));
    }
    state.file.sync_data()
}

fn undo(state: &mut State) -> io::Result<()> {
    #[cfg(test)]
    if std::mem::take(&mut state.faults.undo) {
        return Err(io::Error::other("injected"));
    }
    segment::fill_with_zeros(
        &state.file,
        state.end,
        state.end + state.buffer.len() as u64,
    )
}
