//! The small files beside the segments: `meta.json` (what this log is), `reached.json` (how far it
//! had come when it was last closed) and `lock` (who has it open).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OpenError;
use super::format::VERSION;
use super::segment::sync_dir;

const META: &str = "meta.json";
const REACHED: &str = "reached.json";
const LOCK: &str = "lock";

/// What the log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    pub(super) format: u16,
    pub(super) shards: u16,
    /// Every epoch the log has had, the present one last.
    pub(super) epochs: Vec<Uuid>,
}

impl Meta {
    pub(super) fn new(epoch: Uuid) -> Self {
        Meta {
            format: VERSION,
            shards: 1,
            epochs: vec![epoch],
        }
    }

    pub(super) fn epoch(&self) -> Uuid {
        *self.epochs.last().expect("a log has an epoch")
    }

    /// Reads it; `None` if there is none.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(META);
        let Some(bytes) = read_optional(&path)? else {
            return Ok(None);
        };
        // The version first: a later format may have other fields.
        #[derive(Deserialize)]
        struct Format {
            format: u16,
        }
        let damaged = |reason: String| OpenError::Meta {
            path: path.clone(),
            reason,
        };
        let Format { format } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if format != VERSION {
            return Err(OpenError::Format {
                found: format,
                known: VERSION,
            });
        }
        let meta: Meta =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if meta.shards != 1 {
            return Err(damaged(format!(
                "an embedded log has 1 shard, not {}",
                meta.shards
            )));
        }
        if meta.epochs.is_empty() {
            return Err(damaged("it names no epoch".into()));
        }
        Ok(Some(meta))
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), OpenError> {
        write_json(dir, META, self)
    }
}

/// How far the log had come at some time. A log that ends before this has lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) position: u64,
}

impl Reached {
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(REACHED);
        let Some(bytes) = read_optional(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| OpenError::Reached {
                path,
                reason: error.to_string(),
            })
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), OpenError> {
        write_json(dir, REACHED, self)
    }
}

/// Takes the log for this process alone. Released when the file is dropped, also by a crash.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(OpenError::io(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(dir, &mut file)),
        Err(TryLockError::Error(error)) => return Err(OpenError::io(&path)(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.write_all(std::process::id().to_string().as_bytes())
    };
    write(&mut file).map_err(OpenError::io(&path))?;
    Ok(file)
}

/// Whether a process has the log open, without disturbing it.
pub(super) fn is_locked(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(LOCK)) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn locked(dir: &Path, file: &mut File) -> OpenError {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let pid = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    OpenError::Locked {
        path: dir.to_owned(),
        holder: pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}")),
    }
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::io(path)(error)),
    }
}

/// Replaces a file so that after a crash either the old or the new one is there, whole.
fn write_json(dir: &Path, name: &str, value: &impl Serialize) -> Result<(), OpenError> {
    let path = dir.join(name);
    let new = dir.join(format!("{name}.new"));
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        sync_dir(dir)
    };
    write().map_err(OpenError::io(&path))
}
