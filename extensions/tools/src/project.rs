//! The folder of an extension, and the component that comes of it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tidings_extension_manifest::{EmbedError, Manifest, ManifestError, read};

use crate::language::Language;

/// A folder with a manifest in it.
#[derive(Debug, Clone)]
pub struct Project {
    /// Where.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it is written in, where that is one of ours.
    pub language: Option<Language>,
}

/// Why a folder or a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no manifest.
    #[error("{}: there is no extension.toml here: `tidings ext new NAME --hook moderation` makes a folder with one", .0.display())]
    NoManifest(PathBuf),
    /// The manifest cannot be used.
    #[error("{file}:\n{why}")]
    Manifest {
        /// Where it is.
        file: String,
        /// What is wrong.
        why: ManifestError,
    },
    /// The file cannot be used.
    #[error("{}: {why}", .file.display())]
    Component {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        why: EmbedError,
    },
    /// Nothing was built yet.
    #[error("{} is not there: `tidings ext build {}` makes it", .file.display(), .folder.display())]
    NotBuilt {
        /// The component.
        file: PathBuf,
        /// Of which folder.
        folder: PathBuf,
    },
    /// The file has no manifest in it.
    #[error("{}: the component carries no manifest: build it with `tidings ext build`", .0.display())]
    Bare(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {why}", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
}

impl ProjectError {
    pub(crate) fn io(file: &Path, why: io::Error) -> Self {
        Self::Io {
            file: file.to_owned(),
            why,
        }
    }
}

/// A component with its manifest.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where it lies.
    pub file: PathBuf,
    /// Its bytes.
    pub component: Vec<u8>,
    /// What it carries.
    pub manifest: Manifest,
}

impl Project {
    /// Reads the folder's manifest.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, ProjectError> {
        let file = folder.join("extension.toml");
        if !file.is_file() {
            return Err(ProjectError::NoManifest(folder.to_owned()));
        }
        let manifest = Manifest::read(folder).map_err(|why| ProjectError::Manifest {
            file: file.display().to_string(),
            why,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
            language: Language::of(folder),
        })
    }

    /// Where its component is put if not said otherwise.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        let name = format!("{}.wasm", self.manifest.id);
        self.folder.join("dist").join(name)
    }

    /// Its component, as it was built last.
    ///
    /// # Errors
    ///
    /// When it was not built, or the file cannot be used.
    pub fn built(&self) -> Result<Built, ProjectError> {
        let file = self.component();
        if !file.is_file() {
            return Err(ProjectError::NotBuilt {
                file,
                folder: self.folder.clone(),
            });
        }
        Built::open(&file)
    }
}

impl Built {
    /// Reads a component and the manifest in it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no component, or carries no manifest.
    pub fn open(file: &Path) -> Result<Self, ProjectError> {
        let component = fs::read(file).map_err(|why| ProjectError::io(file, why))?;
        let manifest = read(&component).map_err(|why| ProjectError::Component {
            file: file.to_owned(),
            why,
        })?;
        let manifest = manifest.ok_or_else(|| ProjectError::Bare(file.to_owned()))?;
        Ok(Self {
            file: file.to_owned(),
            component,
            manifest,
        })
    }

    /// Of a file, or of a folder as it was built last.
    ///
    /// # Errors
    ///
    /// As [`Built::open`] and [`Project::built`].
    pub fn of(place: &Path) -> Result<Self, ProjectError> {
        if place.is_dir() {
            Project::open(place)?.built()
        } else {
            Self::open(place)
        }
    }
}
