//! A log in a folder, with its keys: opened together, for one without the other is of no use.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    keys::{
        self,
        embedded::{Embedded as Keys, OpenError as KeysError},
        seal::OperatorKey,
    },
    log::{
        EventLog as _, Lane, Position, ReadError, SharedLog,
        embedded::{Embedded, OpenError as LogError, Options},
    },
    projections::{
        OpenError as ProjectionsError, Projections,
        rebuild::{self, RebuildError},
    },
};

/// Randomness, as it is handed around.
type Random = Arc<dyn ring::rand::SecureRandom + Send + Sync>;

/// A log in a folder that is open, and its keys, which are not yet.
pub struct Folder {
    log: Embedded,
    keys: PathBuf,
    is_new: bool,
}

/// Why a folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be made.
    #[error("cannot make {}: {error}", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The log does not open.
    #[error(transparent)]
    Log(LogError),
    /// The log opens and cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log is in use and its keys are gone.
    #[error(
        "there are no content keys in {}, so no text of this log can be read: put the folder back from where it \
         was or from a backup",
        path.display()
    )]
    NoKeys {
        /// Where they should be.
        path: PathBuf,
    },
}

/// Why the projections of a log could not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// They do not open.
    #[error(transparent)]
    Open(#[from] ProjectionsError),
    /// They cannot be folded.
    #[error(transparent)]
    Fold(#[from] RebuildError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They have seen more than the log holds.
    #[error("the projections are folded through position {seen}, and the log ends at {head}")]
    Ahead {
        /// Where they stand.
        seen: u64,
        /// Where the log ends.
        head: Position,
    },
    /// The folder cannot be written.
    #[error("the projections' folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}

impl Folder {
    /// Opens the log in `data`, or makes one there.
    ///
    /// # Errors
    /// When another process has it open, when it is damaged, or when its keys are gone.
    pub async fn open(data: &Path, random: &Random) -> Result<Folder, FolderError> {
        std::fs::create_dir_all(data).map_err(|error| FolderError::Make {
            path: data.to_owned(),
            error,
        })?;
        let options = Options::new(uuid(random), uuid(random));
        let log =
            Embedded::open_or_create(&data.join("log"), &options).map_err(FolderError::Log)?;
        let path = data.join("keys");
        let is_new = !keys::embedded::exists(&path);
        if is_new && log.head(Lane::Journal).await? != Position::START {
            return Err(FolderError::NoKeys { path });
        }
        Ok(Folder {
            log,
            keys: path,
            is_new,
        })
    }

    /// Whether there are no keys yet: the log has just been made.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Opens the keys, too.
    ///
    /// # Errors
    /// When the operator key is not the one that they were wrapped with.
    pub fn unlock(
        self,
        operator: OperatorKey,
        random: Random,
    ) -> Result<(SharedLog, Arc<Keys>), KeysError> {
        let keys = Keys::open(&self.keys, operator, random)?;
        Ok((Arc::new(self.log), Arc::new(keys)))
    }
}

/// What is being done to projections that are brought to the end of a log.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// What is new is folded: from a position to another.
    Fold(u64, u64),
    /// Everything is folded anew, up to a position.
    Rebuild(u64),
    /// It has come so far.
    At(u64),
}

/// Opens the projections in `data` and folds them to the end of the log; those of another version, or
/// that cannot be read, are built anew. `tell` is told what is done.
///
/// # Errors
/// When they cannot be folded, or have seen more than the log holds.
pub async fn projections(
    data: &Path,
    log: &SharedLog,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Projections, ProjectError> {
    let root = data.join("projections");
    std::fs::create_dir_all(&root)?;
    let head = log.head(Lane::Journal).await?;
    match rebuild::open(&root, log.identity()) {
        Ok(projections) if projections.cursor() > head.0 => Err(ProjectError::Ahead {
            seen: projections.cursor(),
            head,
        }),
        Ok(projections) => {
            tell(Step::Fold(projections.cursor(), head.0));
            let mut at = |position: Position, _| tell(Step::At(position.0));
            rebuild::fold(&**log, &projections, head, &mut at).await?;
            Ok(projections)
        }
        Err(error) if error.rebuildable() => {
            tracing::warn!(%error, "the projections are built anew");
            let (folder, green) = rebuild::begin(&root, log.identity())?;
            tell(Step::Rebuild(head.0));
            let mut at = |position: Position, _| tell(Step::At(position.0));
            rebuild::fold(&**log, &green, head, &mut at).await?;
            rebuild::switch(&root, &folder)?;
            Ok(green)
        }
        Err(error) => Err(error.into()),
    }
}

fn uuid(random: &Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).expect("the system has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
