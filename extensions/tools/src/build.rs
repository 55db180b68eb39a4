//! `tidings ext build`: from sources to one file, whatever they are written in.

mod c;
mod javascript;
mod python;
mod rust;
mod tool;

use std::path::{Path, PathBuf};
use std::{fs, io};

use tidings_extension_manifest::{EmbedError, embed};
use wit_component::ComponentEncoder;
use wit_parser::{Resolve, WorldId};

use crate::check::{self, CheckReport};
use crate::language::Language;
use crate::project::{Project, ProjectError};

/// Builds an extension: its component with its manifest, in one file.
#[derive(Debug, Clone, clap::Args)]
pub struct Build {
    /// The folder of the extension.
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Where the component is put; dist/NAME.wasm in the folder if not said otherwise.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A component, or a core module that wit-bindgen made, which was built otherwise: it is checked and gets the manifest.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// It is written in something else.
    #[error(
        "{}: what this is written in is not known: there is no {}. Build the component yourself, then \
         `tidings ext build --component FILE`", .0.display(), mains()
    )]
    Language(PathBuf),
    /// A program is not there.
    #[error("{what} is not there. Install it:\n{install}")]
    Missing {
        /// What for.
        what: String,
        /// What to type.
        install: String,
    },
    /// A program said no.
    #[error("{command} failed:\n{output}")]
    Failed {
        /// The program and what it was called with.
        command: String,
        /// What it said.
        output: String,
    },
    /// The world of the extension cannot be used.
    #[error("wit/: {0}")]
    Wit(String),
    /// What the compiler made cannot be made a component.
    #[error("what was compiled cannot be made a component: {0}")]
    Component(String),
    /// The manifest could not be put in.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The component and its manifest do not agree, or it cannot be used.
    #[error("{}", errors(.0))]
    Unusable(Box<CheckReport>),
}

fn mains() -> String {
    Language::ALL.map(Language::main_file).join(", ")
}

fn errors(report: &CheckReport) -> String {
    let errors = report.findings.iter();
    let errors = errors.filter(|finding| finding.severity == check::Severity::Error);
    let lines: Vec<&str> = errors.map(|finding| finding.what.as_str()).collect();
    lines.join("\n")
}

impl BuildError {
    fn io(file: &Path, why: io::Error) -> Self {
        Self::Project(ProjectError::io(file, why))
    }
}

/// Where the parts are, and where what is built on the way is put.
struct Site {
    /// That of the extension, from the root.
    folder: PathBuf,
    language: Language,
    /// The world's name.
    world: String,
    resolve: Resolve,
    id: WorldId,
    /// `dist` in the folder.
    dist: PathBuf,
}

impl Site {
    /// The file that the code begins in.
    fn main_file(&self) -> PathBuf {
        self.folder.join(self.language.main_file())
    }
}

impl Build {
    /// Builds it. `step` is told what is being done.
    ///
    /// # Errors
    ///
    /// When a tool is missing or fails, or what comes of it cannot be used; nothing is written then.
    pub fn run(&self, step: &mut dyn FnMut(&str)) -> Result<CheckReport, BuildError> {
        let project = Project::open(&self.folder)?;
        let file = self.out.clone().unwrap_or_else(|| project.component());
        let compiled = match &self.component {
            Some(component) => fs::read(component).map_err(|why| BuildError::io(component, why))?,
            None => compile(&project, step)?,
        };
        let component = encode(compiled)?;
        let built = embed(&component, &project.manifest)?;
        let report = check::report(&file, &built, &project.manifest);
        if !report.is_fine() {
            return Err(BuildError::Unusable(Box::new(report)));
        }
        put(&file, &built)?;
        Ok(report)
    }
}

fn compile(project: &Project, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let Some(language) = project.language else {
        return Err(BuildError::Language(project.folder.clone()));
    };
    // Some tools go elsewhere before they look for what they are told.
    let folder = project.folder.canonicalize();
    let folder = folder.map_err(|why| BuildError::io(&project.folder, why))?;
    let (resolve, id) = world(&folder.join("wit"))?;
    let dist = folder.join("dist");
    fs::create_dir_all(&dist).map_err(|why| BuildError::io(&dist, why))?;
    let site = Site {
        folder,
        language,
        world: resolve.worlds[id].name.clone(),
        resolve,
        id,
        dist,
    };
    match language {
        Language::Rust => rust::build(&site, step),
        Language::JavaScript => javascript::build(&site, step),
        Language::Python => python::build(&site, step),
        Language::C => c::build(&site, step),
    }
}

/// The one world that the folder describes.
fn world(folder: &Path) -> Result<(Resolve, WorldId), BuildError> {
    let said = |why: String| BuildError::Wit(why);
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(folder)
        .map_err(|why| said(format!("{why:#}")))?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(|why| said(format!("{why:#}")))?;
    Ok((resolve, world))
}

/// Makes a component of a core module; one that is a component already stays what it is.
fn encode(bytes: Vec<u8>) -> Result<Vec<u8>, BuildError> {
    if !bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Ok(bytes);
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|why| {
        let why = format!("{why:#}");
        BuildError::Component(match why.contains("wasi_snapshot") {
            true => format!(
                "{why}\nIt uses what extensions do not have: stdio (`printf` too), files, clocks, exit. Lines for who runs it go to `log`; time \
                 and randomness come from the call"
            ),
            false => why,
        })
    })
}

/// Whole or not at all: somebody may be watching the file.
fn put(file: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let failed = |why| BuildError::io(file, why);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let part = file.with_extension("wasm.part");
    fs::write(&part, bytes).map_err(failed)?;
    fs::rename(&part, file).map_err(failed)
}
