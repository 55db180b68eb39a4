//! The presence lane: the newest records, in memory and in a file beside the journal.
//!
//! Nothing is synced: what is in the file survives the process and not the machine. A process that starts
//! again finds who was here, so that those who are back within the grace have not been away. Should the file
//! not be there, or not be of this log, another life of the lane begins.

use std::{fs, io, io::Write, path::Path, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    format::{RECORD_HEADER, RecordHeader, encode_record},
    journal::Recent,
};
use crate::log::{Append, AppendError, Position, ReadError, Record, Shard, Tail};

pub(super) struct Presence {
    limit: usize,
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Default)]
struct State {
    last: u64,
    last_id: Uuid,
    recent: Recent,
    file: Option<Kept>,
    closed: bool,
}

/// The file.
struct Kept {
    path: PathBuf,
    file: fs::File,
    bytes: u64,
    /// What it begins with.
    head: [u8; HEAD],
}

/// Name of the file.
const FILE: &str = "presence.lane";

/// What the file begins with: a mark, the log's epoch, the lane's incarnation.
const HEAD: usize = 8 + 16 + 16;

const MARK: &[u8; 8] = b"TIDPRES1";

fn head(epoch: Uuid, incarnation: Uuid) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MARK);
    head[8..24].copy_from_slice(epoch.as_bytes());
    head[24..].copy_from_slice(incarnation.as_bytes());
    head
}

impl Kept {
    /// Makes the file anew, with these records.
    fn make(
        path: &Path,
        head: [u8; HEAD],
        records: impl Iterator<Item = Record>,
    ) -> io::Result<Kept> {
        let mut bytes = head.to_vec();
        for record in records {
            let Position(position) = record.position;
            encode_record(
                &mut bytes,
                position,
                record.shard.0,
                record.id,
                &record.payload,
            );
        }
        let fresh = path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&bytes)?;
        fs::rename(&fresh, path)?;
        Ok(Kept {
            path: path.to_owned(),
            file,
            bytes: bytes.len() as u64,
            head,
        })
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut bytes = Vec::new();
        let Position(position) = record.position;
        encode_record(
            &mut bytes,
            position,
            record.shard.0,
            record.id,
            &record.payload,
        );
        self.file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The records of a file that follow one another, up to the first that is not whole.
fn read(bytes: &[u8]) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut rest = bytes;
    while let Some(header) = rest.first_chunk::<RECORD_HEADER>()
        && let Ok(header) = RecordHeader::decode(header)
        && let Some(payload) = rest[RECORD_HEADER..].get(..header.len)
        && header.fits(payload)
        && records
            .last()
            .is_none_or(|last| last.position.0 + 1 == header.position)
    {
        records.push(Record {
            position: Position(header.position),
            shard: Shard(header.shard),
            id: header.id,
            payload: bytes::Bytes::copy_from_slice(payload),
        });
        rest = &rest[RECORD_HEADER + header.len..];
    }
    records
}

impl Presence {
    /// Opens the lane that is kept in `dir`, of which `limit` bytes are, or begins one whose incarnation is
    /// `fresh`. Returns the incarnation, too. A folder that cannot be written keeps it in memory only.
    pub(super) fn open(dir: &Path, epoch: Uuid, fresh: Uuid, limit: usize) -> (Presence, Uuid) {
        let path = dir.join(FILE);
        let bytes = fs::read(&path).unwrap_or_default();
        let known = bytes.first_chunk::<HEAD>().filter(|known| {
            let incarnation = Uuid::from_slice(&known[24..]).unwrap_or_default();
            **known == head(epoch, incarnation)
        });
        let (incarnation, records) = match known {
            Some(known) => (
                Uuid::from_slice(&known[24..]).unwrap_or_default(),
                read(&bytes[HEAD..]),
            ),
            None => (fresh, Vec::new()),
        };
        let mut state = State::default();
        for record in records {
            (state.last, state.last_id) = (record.position.0, record.id);
            state.recent.push(record, limit);
        }
        // Written anew: without what has been forgotten, and without what was torn.
        match Kept::make(&path, head(epoch, incarnation), state.recent.all()) {
            Ok(kept) => state.file = Some(kept),
            Err(error) => {
                tracing::warn!(%error, "who is here is not kept over a restart");
                // What stands there is not to be taken up again after positions were given to others.
                let _ = fs::remove_file(&path);
            }
        }
        let presence = Presence {
            limit,
            state: Mutex::new(state),
            grown: Notify::new(),
        };
        (presence, incarnation)
    }

    pub(super) fn append(&self, append: Append) -> Result<Position, AppendError> {
        let Append {
            shard,
            expected,
            id,
            payload,
            ..
        } = append;
        let position = {
            let state = &mut *self.state.lock();
            if id == state.last_id && state.last > 0 {
                return Ok(Position(state.last));
            }
            if expected.0 != state.last {
                return Err(AppendError::Conflict {
                    last: Position(state.last),
                });
            }
            state.last += 1;
            state.last_id = id;
            let position = Position(state.last);
            let record = Record {
                position,
                shard,
                id,
                payload,
            };
            state.keep(&record, self.limit);
            state.recent.push(record, self.limit);
            position
        };
        self.grown.notify_waiters();
        Ok(position)
    }

    pub(super) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// No more records will come: its tails end.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.grown.notify_waiters();
    }

    pub(super) fn tail(self: &Arc<Self>, after: Position) -> PresenceTail {
        PresenceTail {
            presence: self.clone(),
            next: after.0 + 1,
            from_start: after == Position::START,
        }
    }
}

impl State {
    /// Puts a record into the file, which is made shorter now and then. If that fails the lane is in memory
    /// only from here on.
    fn keep(&mut self, record: &Record, limit: usize) {
        let Some(kept) = &mut self.file else { return };
        let mut done = kept.append(record);
        if done.is_ok() && kept.bytes > 2 * limit as u64 + HEAD as u64 {
            let recent = self.recent.all().chain([record.clone()]);
            done = Kept::make(&kept.path, kept.head, recent).map(|shorter| *kept = shorter);
        }
        if let Err(error) = done {
            tracing::warn!(%error, "who is here is not kept over a restart any more");
            let _ = fs::remove_file(&kept.path);
            self.file = None;
        }
    }
}

/// A reader following the presence lane.
pub(super) struct PresenceTail {
    presence: Arc<Presence>,
    next: u64,
    /// It was started before everything and has yielded nothing yet.
    from_start: bool,
}

#[async_trait]
impl Tail for PresenceTail {
    async fn next(&mut self) -> Result<Vec<Record>, ReadError> {
        loop {
            let presence = self.presence.clone();
            let mut grown = std::pin::pin!(presence.grown.notified());
            grown.as_mut().enable();
            if let Some(records) = self.ready()? {
                return Ok(records);
            }
            grown.await;
        }
    }
}

impl PresenceTail {
    fn ready(&mut self) -> Result<Option<Vec<Record>>, ReadError> {
        let state = self.presence.state.lock();
        if self.next > state.last {
            return match state.closed {
                true => Err(ReadError::Unavailable("it has been closed".into())),
                false => Ok(None),
            };
        }
        if self.from_start {
            // What has been forgotten is not missed by who has seen nothing.
            self.next = self
                .next
                .max(state.recent.first().unwrap_or(state.last + 1));
            self.from_start = false;
        }
        if self.next > state.last {
            return Ok(None);
        }
        // It has fallen behind what is kept, so what it knows is no longer to be relied on.
        let records = state.recent.from(self.next).ok_or(ReadError::Lost)?;
        self.next += records.len() as u64;
        Ok(Some(records))
    }
}
