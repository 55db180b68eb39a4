//! Where indexes lie: a folder for each build, and a file `CURRENT` that names the one in use. A build that
//! was not finished is not named there, and is removed at the next start, or before the next.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder of the index in use below `root`, if there is one.
pub(super) fn current(root: &Path) -> Option<PathBuf> {
    let name = fs::read_to_string(root.join("CURRENT")).ok()?;
    Some(root.join(name.trim())).filter(|folder| folder.is_dir())
}

/// Removes builds that are not in use: a server was stopped or killed while it built one.
pub(super) fn sweep(root: &Path) -> io::Result<()> {
    let used = used(root)?;
    for folder in builds(root)? {
        if folder.file_name().is_some_and(|name| name != used.trim()) {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

/// A new folder for an index. Whatever stands there and is not in use is removed.
pub(super) fn begin(root: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let used = used(root)?;
    let builds = builds(root)?;
    let names = builds
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str());
    let last = names.chain([used.trim()]).map(number).max().unwrap_or(0);
    sweep(root)?;
    let folder = root.join(format!("build-{}", last + 1));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The name of the folder in use; nothing if there is none.
fn used(root: &Path) -> io::Result<String> {
    match fs::read_to_string(root.join("CURRENT")) {
        // What cannot be read may be in use.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        read => Ok(read.unwrap_or_default()),
    }
}

/// The folders of builds.
fn builds(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut builds = Vec::new();
    for entry in entries {
        let entry = entry?;
        if number(&entry.file_name().to_string_lossy()) > 0 {
            builds.push(entry.path());
        }
    }
    Ok(builds)
}

/// The number of a build's folder, 0 where it is none.
fn number(name: &str) -> u64 {
    let number = name.strip_prefix("build-").map(str::parse);
    number.and_then(Result::ok).unwrap_or(0)
}

/// Takes the index in a folder, committed, for the one in use.
pub(super) fn switch(root: &Path, folder: &Path) -> io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let beside = root.join("CURRENT.new");
    write_durably(&beside, format!("{name}\n").as_bytes())?;
    fs::rename(&beside, root.join("CURRENT"))?;
    fs::File::open(root)?.sync_all()
}

/// Says in the folder of an index whether words are to be taken out of its files, so that it is done also
/// when this process ends before.
const PURGE: &str = "PURGE";

/// Notes that words are to be taken out of the files of an index.
pub(super) fn wants_purge(folder: &Path) -> io::Result<()> {
    write_durably(&folder.join(PURGE), b"")?;
    fs::File::open(folder)?.sync_all()
}

/// Whether words are to be taken out of the files of an index.
pub(super) fn is_to_be_purged(folder: &Path) -> bool {
    folder.join(PURGE).exists()
}

/// Notes that there is nothing more to be taken out.
pub(super) fn is_purged(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(PURGE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes an index that nobody uses any more.
pub(super) fn discard(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, "an old index could not be removed");
    }
}

/// Writes a file that is there after a power cut, too.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_switched_to_is_found_again_and_the_rest_goes() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().join("people");
        assert_eq!(current(&root), None);
        let first = begin(&root).expect("begins");
        assert_eq!(current(&root), None, "it is not in use yet");
        switch(&root, &first).expect("switches");
        assert_eq!(current(&root), Some(first.clone()));

        // One that is not finished is removed when the next begins.
        let second = begin(&root).expect("begins");
        let third = begin(&root).expect("begins");
        assert!(first.is_dir() && !second.is_dir() && third != first);
        switch(&root, &third).expect("switches");
        assert_eq!(current(&root), Some(third.clone()));
        sweep(&root).expect("sweeps");
        assert!(!first.is_dir() && third.is_dir());
        sweep(&root.join("nothing")).expect("nothing to sweep");
        let fourth = begin(&root).expect("begins");
        assert!(third.is_dir() && fourth != third);
        fs::remove_dir_all(&third).expect("removed");
        assert_eq!(current(&root), None, "what is gone is not in use");
    }
}
