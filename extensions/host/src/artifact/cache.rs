//! Compiled components on disk, so that a start need not compile.
//!
//! A file holds a mark, an authentication code (HMAC-SHA-256) and the compiled component. The code is over the component's
//! digest and the engine's hash too, so that a file cannot stand for another one. It is named after both: what another version
//! or other settings need has another name.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use ring::hmac;

use crate::inspect::Digest;

/// How every file begins. Another number when what follows is arranged otherwise.
const MARK: &[u8; 8] = b"tidings1";
/// Bytes of the authentication code.
const CODE: usize = 32;

/// A folder of compiled components that this server wrote, and the key by which it knows its own.
#[derive(Clone)]
pub struct Cache {
    folder: PathBuf,
    key: hmac::Key,
}

/// Bytes of a compiled component that were written by this server.
pub(super) struct Authentic(Vec<u8>);

impl Authentic {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[MARK.len() + CODE..]
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// Keeps files in `folder`, which is made when the first one is written. `key` is a secret of this server: whoever has it and
    /// may write into the folder can run any code in the server.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, key: &[u8; 32]) -> Self {
        Self {
            folder: folder.into(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// What is stored of this component for this engine, if it is what was written.
    pub(super) fn read(&self, engine: &wasmtime::Engine, digest: Digest) -> Option<Authentic> {
        let compatible = compatibility(engine);
        let path = self.path(digest, compatible);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{} cannot be read: {error}", path.display());
                return None;
            }
        };
        let authentic = bytes
            .strip_prefix(MARK)
            .and_then(|rest| rest.split_at_checked(CODE))
            .is_some_and(|(code, compiled)| {
                let said = message(digest, compatible, compiled);
                hmac::verify(&self.key, &said, code).is_ok()
            });
        if !authentic {
            tracing::warn!("{} is damaged or not ours: compiled anew", path.display());
            return None;
        }
        Some(Authentic(bytes))
    }

    /// Stores a compiled component. One that cannot be stored is compiled again next time.
    pub(super) fn write(&self, engine: &wasmtime::Engine, digest: Digest, compiled: &[u8]) {
        let compatible = compatibility(engine);
        let path = self.path(digest, compatible);
        let code = hmac::sign(&self.key, &message(digest, compatible, compiled));
        if let Err(error) = write(&path, &[MARK, code.as_ref(), compiled]) {
            tracing::warn!("{} cannot be written: {error}", path.display());
        }
    }

    fn path(&self, digest: Digest, compatible: u64) -> PathBuf {
        self.folder
            .join(format!("{digest}-{compatible:016x}.cwasm"))
    }
}

/// What the code is over. The digest of the compiled part stands for it, so that it is not copied.
fn message(digest: Digest, compatible: u64, compiled: &[u8]) -> Vec<u8> {
    let mut said = Vec::with_capacity(72);
    said.extend(digest.0);
    said.extend(compatible.to_le_bytes());
    said.extend(Digest::of(compiled).0);
    said
}

/// Another number for every version and all settings of wasmtime that make a difference to compiled code.
fn compatibility(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Either all of it is there or nothing, whatever happens in between.
fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mine = format!("tmp-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let temporary = path.with_extension(mine);
    let written = write_whole(&temporary, parts).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written?;
    // The name is durable too. Where a folder cannot be opened there is nothing to be had.
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(_) => Ok(()),
    }
}

fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}
