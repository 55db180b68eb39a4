//! A disk whose power can be cut: an image file with a file system of its own. What a program has
//! written and not synced is in the memory of the system and not in the image.
//!
//! Needs the right to mount; nothing else in the tests does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Bytes of an image. It is sparse: only what is written takes room.
const BYTES: u64 = 1 << 30;

/// A mounted disk. Dropping it unmounts it.
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes a disk in a folder and mounts it. The error says what stands in the way.
    pub fn new(folder: &Path) -> Result<Disk, String> {
        let disk = Disk {
            image: folder.join("disk.image"),
            mount: folder.join("disk"),
        };
        let made = fs::File::create(&disk.image).and_then(|file| file.set_len(BYTES));
        made.map_err(|error| error.to_string())?;
        fs::create_dir_all(&disk.mount).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&disk.image))?;
        disk.attach()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Writes out everything, as if it had been there for long.
    pub fn sync(&self) {
        let synced = run(Command::new("sync").arg("-f").arg(&self.mount));
        synced.expect("a mounted disk can be synced");
    }

    /// Copies the image as it is at this moment. Whoever writes to the disk is to be frozen.
    pub fn snapshot(&self) -> PathBuf {
        let copy = self.image.with_extension("copy");
        let copied = run(Command::new("cp")
            .arg("--sparse=always")
            .arg(&self.image)
            .arg(&copy));
        copied.expect("there is room for a copy");
        copy
    }

    /// The power was cut when the copy was made: from now on the disk holds what it held then. Nobody
    /// may have a file on it open.
    pub fn cut(&self, copy: &Path) {
        self.detach().expect("nobody uses the disk any more");
        fs::rename(copy, &self.image).expect("both are in one folder");
        self.attach().expect("it could be mounted before");
    }

    fn attach(&self) -> Result<(), String> {
        // The file system writes only what it is told to sync, for as long as a test lasts.
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop,commit=900"])
            .args([&self.image, &self.mount]))
    }

    fn detach(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.mount))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that has failed may have left somebody on it.
        let lazily = run(Command::new("umount").arg("--lazy").arg(&self.mount));
        if let Err(error) = lazily {
            eprintln!("a disk stays mounted: {error}");
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}", said.trim()))
        }
    }
}
