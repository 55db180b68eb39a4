//! Components that were compiled before: Python's takes fifteen seconds each time otherwise.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::{fs, io};

use ring::rand::{SecureRandom as _, SystemRandom};
use tidings_extension_host::Cache;

/// What is kept in this folder, for its owner alone. Where it cannot be used, each test compiles anew.
pub(super) fn kept(folder: &Path) -> Option<Cache> {
    let key = open(folder).or_else(|_| make(folder)).ok()?;
    Some(Cache::new(folder, &key))
}

fn open(folder: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    fs::File::open(folder.join("key"))?.read_exact(&mut key)?;
    Ok(key)
}

/// Never over one that is there: another test may have just made it, and goes by it.
fn make(folder: &Path) -> io::Result<[u8; 32]> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut key = [0; 32];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| io::Error::other("the system has no randomness"))?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(folder.join("key"))?.write_all(&key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_key() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("compiled");
        assert!(open(&folder).is_err());
        let key = make(&folder).expect("there is none");
        assert_eq!(open(&folder).expect("it is there"), key);
        assert!(make(&folder).is_err());
        assert!(kept(&folder).is_some());
    }
}
