//! A disk whose power can be cut, and that can be full or read-only: an image file with a file system
//! of its own. What a program has written and not synced is in the memory of the system and not in the
//! image.
//!
//! Needs the right to mount; nothing else in the tests does.

use std::{
    fs,
    io::{self, Write as _},
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
        Disk::of(folder, BYTES)
    }

    /// The same with so many bytes, of which the file system takes a few itself.
    pub fn of(folder: &Path, bytes: u64) -> Result<Disk, String> {
        let disk = Disk {
            image: folder.join("disk.image"),
            mount: folder.join("disk"),
        };
        let made = fs::File::create(&disk.image).and_then(|file| file.set_len(bytes));
        made.map_err(|error| error.to_string())?;
        fs::create_dir_all(&disk.mount).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4")
            // Nothing is kept back for root, whom tests may run as.
            .args(["-q", "-F", "-m", "0"])
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

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("there is room for a name");
        let chunk = vec![0xAA; 1 << 20];
        let mut size = chunk.len();
        while size > 0 {
            match file
                .write_all(&chunk[..size])
                .and_then(|()| file.sync_all())
            {
                Ok(()) => {}
                // Of what was freed lately some comes back only later.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("the disk cannot be filled: {error}"),
            }
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
        self.sync();
    }

    /// From now on it can only be read. Nobody may have a file on it open for writing.
    pub fn read_only(&self) {
        self.remount("ro");
    }

    /// It can be written again.
    pub fn writable(&self) {
        self.remount("rw");
    }

    /// The disk says that it is broken, whatever is open on it: nothing can be written any more, and what
    /// was written and not synced is lost. The error says why it does not.
    pub fn break_down(&self) -> Result<(), String> {
        let found = Command::new("findmnt")
            .args(["--noheadings", "--output", "SOURCE"])
            .arg(&self.mount)
            .output()
            .expect("a mounted disk is listed");
        let device = String::from_utf8_lossy(&found.stdout);
        let name = device.trim().trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        fs::write(&trigger, "1").map_err(|error| format!("{trigger}: {error}"))
    }

    /// Repairs it. Nobody may have a file on it open.
    pub fn repair(&self) {
        self.detach().expect("nobody uses the disk any more");
        // It ends with 1 where it has repaired something.
        let checked = Command::new("e2fsck")
            .args(["-f", "-y"])
            .arg(&self.image)
            .output();
        let status = checked.expect("there is an e2fsck").status;
        assert!(status.code().is_some_and(|code| code < 4), "{status}");
        self.attach().expect("it could be mounted before");
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }

    fn remount(&self, how: &str) {
        let mut command = Command::new("mount");
        command
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.mount);
        run(&mut command).unwrap_or_else(|error| panic!("remounting {how}: {error}"));
    }

    fn attach(&self) -> Result<(), String> {
        // The file system writes only what it is told to sync, for as long as a test lasts.
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop,commit=900,errors=remount-ro"])
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
