//! Where components are kept: by the digest of their bytes, so that one is what it is wherever it came from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use tidings_extension_host::Digest;

/// Components that all nodes of a log can get at.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// Puts one there. What is there already stays.
    async fn put(&self, digest: Digest, component: Bytes) -> Result<(), ComponentsError>;
    /// Gets one, if it is there.
    async fn get(&self, digest: Digest) -> Result<Option<Bytes>, ComponentsError>;
}

/// Why a component could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ComponentsError {
    /// The folder.
    #[error("components cannot be kept in {}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What all nodes share.
    #[error("components cannot be had from the log's servers at present: {0}")]
    Shared(String),
    /// It is nowhere.
    #[error("the component {0} is gone: install it again")]
    Missing(Digest),
}

/// Components in a folder of this node, and where there are several nodes also with all of them.
pub(crate) struct Components {
    folder: PathBuf,
    shared: Option<Box<dyn Shelf>>,
}

impl Components {
    /// In `folder`, which is made when it is needed.
    pub(crate) fn new(folder: impl Into<PathBuf>, shared: Option<Box<dyn Shelf>>) -> Components {
        Components {
            folder: folder.into(),
            shared,
        }
    }

    /// Keeps a component: it is there after a crash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn put(&self, component: &Bytes) -> Result<Digest, ComponentsError> {
        let digest = Digest::of(component);
        if let Some(shared) = &self.shared {
            shared.put(digest, component.clone()).await?;
        }
        self.keep(digest, component)?;
        Ok(digest)
    }

    /// Gets a component.
    ///
    /// # Errors
    /// When it is nowhere, or cannot be read.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Bytes, ComponentsError> {
        let path = self.path(digest);
        match fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == digest => return Ok(bytes.into()),
            Ok(_) => tracing::warn!(path = %path.display(), "a component is damaged"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(error)),
        }
        let shared = match &self.shared {
            Some(shared) => shared.get(digest).await?,
            None => None,
        };
        let component = shared.filter(|component| Digest::of(component) == digest);
        let component = component.ok_or(ComponentsError::Missing(digest))?;
        self.keep(digest, &component)?;
        Ok(component)
    }

    fn keep(&self, digest: Digest, component: &[u8]) -> Result<(), ComponentsError> {
        let path = self.path(digest);
        if fs::read(&path).is_ok_and(|found| Digest::of(&found) == digest) {
            return Ok(());
        }
        let written = fs::create_dir_all(&self.folder).and_then(|()| write(&path, component));
        written.map_err(|error| self.failed(error))
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }

    fn failed(&self, error: io::Error) -> ComponentsError {
        ComponentsError::Folder {
            path: self.folder.clone(),
            error,
        }
    }
}

/// Whole or not at all, also when the power goes.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = fs::File::create(&beside)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
