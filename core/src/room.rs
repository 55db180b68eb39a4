//! Room on the disk: whether there is enough before something large is begun, and how to say that there
//! is none.
//!
//! To ask first is not certain, for somebody else may take the room meanwhile. It keeps what would fail from
//! being tried again and again, each time as far as the disk allows.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

/// What the log leaves free for everything else, in bytes: on a disk that gets full it stops first, and
/// texts can be read and what is folded put on disk for a while longer.
pub const RESERVE: u64 = 4 << 20;

/// Whether so many bytes can be written below a folder.
///
/// # Errors
/// `StorageFull` or `ReadOnlyFilesystem`, as the write would end with.
pub fn check(folder: &Path, bytes: u64) -> io::Result<()> {
    // Where the system does not say, the write will.
    let Ok(found) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    if found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(ErrorKind::ReadOnlyFilesystem.into());
    }
    if found.f_bavail.saturating_mul(found.f_frsize) < bytes {
        return Err(ErrorKind::StorageFull.into());
    }
    Ok(())
}

/// What the system refused, in words of those who look after it.
pub fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the data folder has no space left".to_owned()
        }
        ErrorKind::ReadOnlyFilesystem => "the data folder can only be read".to_owned(),
        _ => format!("the data folder cannot be written: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), 1).unwrap();
        let error = check(folder.path(), u64::MAX).unwrap_err();
        assert_eq!(explain(&error), "the data folder has no space left");
        // Nothing is known of it.
        check(&folder.path().join("nowhere"), u64::MAX).unwrap();
    }
}
