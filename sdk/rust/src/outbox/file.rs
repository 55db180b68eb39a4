//! An outbox in a file, synced on every put.
//!
//! The file starts with a line that names the format. Then come records: length of the payload
//! (4 bytes, little endian), CRC-32 of the payload (4 bytes), payload. A payload starting with 1 is a
//! command as Protobuf, one starting with 2 the id of a command that was answered. A put is one
//! write followed by a sync, so whatever a crash leaves incomplete was never confirmed to anybody:
//! on opening it is cut off, and everything before it is kept.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut};
use prost::Message;
use tidings_protocol::ClientFrame;
use uuid::Uuid;

use super::{Live, Outbox, OutboxError};

const MAGIC: &[u8] = b"tidings outbox 1\n";
const PUT: u8 = 1;
const REMOVED: u8 = 2;
/// Rewritten when it is longer than this and has doubled since it was last rewritten.
const COMPACT_BYTES: u64 = 1024 * 1024;

/// Keeps commands in a file: they survive the process and, as far as the disk keeps its promises, a
/// power cut.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    file: fs::File,
    len: u64,
    compact_at: u64,
    live: Live,
}

impl File {
    /// Opens or creates the file. One client at a time.
    pub fn open(path: impl AsRef<Path>) -> Result<File, OutboxError> {
        let path = path.as_ref().to_owned();
        let io = |source| OutboxError::Io {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutboxError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }

        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut live = Live::default();
        let good = if MAGIC.starts_with(&bytes) {
            // New, or a crash came while it was made.
            file.set_len(0).map_err(io)?;
            file.rewind().map_err(io)?;
            file.write_all(MAGIC).map_err(io)?;
            MAGIC.len()
        } else if bytes.starts_with(MAGIC) {
            MAGIC.len() + replay(&bytes[MAGIC.len()..], &mut live)
        } else {
            return Err(OutboxError::Foreign { path });
        };
        if good < bytes.len() {
            let lost = bytes.len() - good;
            tracing::warn!(path = %path.display(), bytes = lost, "cut an incomplete write off the outbox");
            file.set_len(good as u64).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        sync_folder(&path).map_err(io)?;
        file.seek(SeekFrom::Start(good as u64)).map_err(io)?;
        Ok(File {
            path,
            file,
            len: good as u64,
            compact_at: COMPACT_BYTES,
            live,
        })
    }

    fn io(&self, source: std::io::Error) -> OutboxError {
        OutboxError::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// Writes at the end. After a failed write the file may hold half a record: it is cut off, so
    /// that a later put does not vanish behind it.
    fn append(&mut self, records: &[u8], sync: bool) -> Result<(), OutboxError> {
        let written = self.file.write_all(records).and_then(|()| match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => {
                self.len += records.len() as u64;
                Ok(())
            }
            Err(source) => {
                let cut = self.file.set_len(self.len);
                cut.and_then(|()| self.file.seek(SeekFrom::Start(self.len)))
                    .map_err(|source| self.io(source))?;
                Err(self.io(source))
            }
        }
    }

    fn compact(&mut self) -> Result<(), OutboxError> {
        if self.live.commands.is_empty() {
            let len = MAGIC.len() as u64;
            self.file
                .set_len(len)
                .and_then(|()| self.file.seek(SeekFrom::Start(len)))
                .map_err(|source| self.io(source))?;
            self.len = len;
            return Ok(());
        }
        if self.len < self.compact_at {
            return Ok(());
        }
        let mut bytes = MAGIC.to_vec();
        self.live
            .commands
            .values()
            .for_each(|command| write_put(command, &mut bytes));
        self.compact_at = COMPACT_BYTES.max(2 * bytes.len() as u64);
        // Written beside it and renamed: at every moment one whole file bears the name.
        let fresh = self.path.with_extension("compacting");
        let replace = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&fresh)?;
            file.lock()?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            sync_folder(&self.path)?;
            Ok(file)
        };
        self.file = replace().map_err(|source| self.io(source))?;
        self.len = bytes.len() as u64;
        Ok(())
    }
}

impl Outbox for File {
    fn load(&mut self) -> Result<Vec<ClientFrame>, OutboxError> {
        Ok(self.live.in_order())
    }

    fn put(&mut self, commands: &[ClientFrame]) -> Result<(), OutboxError> {
        let mut records = Vec::new();
        commands
            .iter()
            .for_each(|command| write_put(command, &mut records));
        self.append(&records, true)?;
        commands
            .iter()
            .for_each(|command| self.live.put(command.clone()));
        Ok(())
    }

    fn remove(&mut self, command_ids: &[Uuid]) -> Result<(), OutboxError> {
        let mut records = Vec::new();
        for id in command_ids {
            let mut payload = [REMOVED; 17];
            payload[1..].copy_from_slice(id.as_bytes());
            write_record(&payload, &mut records);
        }
        self.append(&records, false)?;
        command_ids.iter().for_each(|id| self.live.remove(*id));
        self.compact()
    }
}

fn write_put(command: &ClientFrame, out: &mut Vec<u8>) {
    let mut payload = vec![PUT];
    command.encode(&mut payload).expect("a vector grows");
    write_record(&payload, out);
}

fn write_record(payload: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(payload.len() as u32);
    out.put_u32_le(crc32fast::hash(payload));
    out.put_slice(payload);
}

/// Applies records up to the first that is incomplete; returns the length of the good ones.
fn replay(bytes: &[u8], live: &mut Live) -> usize {
    let mut rest = bytes;
    while let Some(payload) = next_record(rest) {
        match payload.split_first() {
            Some((&PUT, frame)) => match ClientFrame::decode(frame) {
                Ok(command) => live.put(command),
                Err(_) => break,
            },
            Some((&REMOVED, id)) => match Uuid::from_slice(id) {
                Ok(id) => live.remove(id),
                Err(_) => break,
            },
            _ => break,
        }
        rest = &rest[8 + payload.len()..];
    }
    bytes.len() - rest.len()
}

fn next_record(mut bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes.try_get_u32_le().ok()? as usize;
    let crc = bytes.try_get_u32_le().ok()?;
    let payload = bytes.get(..len)?;
    (crc32fast::hash(payload) == crc).then_some(payload)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Folders can be synced on Unix only.
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::command;
    use super::*;

    fn folder_with(commands: &[u128]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut outbox = File::open(&path).unwrap();
        commands
            .iter()
            .for_each(|&number| outbox.put(&[command(number)]).unwrap());
        (folder, path)
    }

    #[test]
    fn a_torn_last_record_is_dropped_and_the_rest_kept() {
        let (_folder, path) = folder_with(&[1, 2, 3]);
        let whole = fs::read(&path).unwrap();
        let two = whole.len() - (whole.len() - MAGIC.len()) / 3;
        for len in two..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let mut outbox = File::open(&path).unwrap();
            assert_eq!(
                outbox.load().unwrap(),
                [command(1), command(2)],
                "{len} bytes"
            );
            outbox.put(&[command(9)]).unwrap();
            drop(outbox);
            let mut outbox = File::open(&path).unwrap();
            assert_eq!(outbox.load().unwrap(), [command(1), command(2), command(9)]);
        }
    }

    #[test]
    fn a_tail_of_zeros_or_noise_is_dropped() {
        let (_folder, path) = folder_with(&[1]);
        let whole = fs::read(&path).unwrap();
        for tail in [vec![0; 100], vec![0xff; 7], vec![5; 64]] {
            fs::write(&path, [whole.clone(), tail].concat()).unwrap();
            assert_eq!(File::open(&path).unwrap().load().unwrap(), [command(1)]);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_crash_while_it_was_made_leaves_an_empty_outbox() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        fs::write(&path, &MAGIC[..5]).unwrap();
        assert_eq!(File::open(&path).unwrap().load().unwrap(), []);
        assert_eq!(fs::read(&path).unwrap(), MAGIC);
    }

    #[test]
    fn another_file_and_a_second_client_are_refused() {
        let (folder, path) = folder_with(&[1]);
        let open = File::open(&path).unwrap();
        assert!(matches!(File::open(&path), Err(OutboxError::InUse { .. })));
        drop(open);
        let foreign = folder.path().join("letter");
        fs::write(&foreign, "dear diary, today").unwrap();
        assert!(matches!(
            File::open(&foreign),
            Err(OutboxError::Foreign { .. })
        ));
        assert_eq!(fs::read(&foreign).unwrap(), b"dear diary, today");
    }

    #[test]
    fn the_file_shrinks_when_commands_are_answered() {
        let (_folder, path) = folder_with(&[]);
        let mut outbox = File::open(&path).unwrap();
        let many: Vec<_> = (0..40_000).map(command).collect();
        outbox.put(&many).unwrap();
        let before = fs::metadata(&path).unwrap().len();
        let answered: Vec<_> = (0..39_000).map(Uuid::from_u128).collect();
        outbox.remove(&answered).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < before / 10);
        outbox.put(&[command(50_000)]).unwrap();
        drop(outbox);

        let mut outbox = File::open(&path).unwrap();
        let left = outbox.load().unwrap();
        assert_eq!(left.len(), 1001);
        assert_eq!(left[1000], command(50_000));
        let rest: Vec<_> = (39_000..40_000)
            .chain([50_000])
            .map(Uuid::from_u128)
            .collect();
        outbox.remove(&rest).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), MAGIC.len() as u64);
    }
}
