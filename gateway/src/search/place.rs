//! Where indexes lie: a folder for each build, and a file `CURRENT` that names the one in use. A build that
//! was not finished is not named there, and is removed before the next.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder of the index in use below `root`, if there is one.
pub(super) fn current(root: &Path) -> Option<PathBuf> {
    let name = fs::read_to_string(root.join("CURRENT")).ok()?;
    Some(root.join(name.trim())).filter(|folder| folder.is_dir())
}

/// A new folder for an index. Whatever stands there and is not in use is removed.
pub(super) fn begin(root: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let used = fs::read_to_string(root.join("CURRENT")).unwrap_or_default();
    let mut last = number(used.trim());
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if number(&name) == 0 || name == used.trim() {
            continue;
        }
        last = last.max(number(&name));
        fs::remove_dir_all(entry.path())?;
    }
    let folder = root.join(format!("build-{}", last + 1));
    fs::create_dir_all(&folder)?;
    Ok(folder)
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
        discard(&first);
        let fourth = begin(&root).expect("begins");
        assert!(!first.is_dir() && third.is_dir() && fourth != third);
        fs::remove_dir_all(&third).expect("removed");
        assert_eq!(current(&root), None, "what is gone is not in use");
    }
}
