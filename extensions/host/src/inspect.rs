//! What a component is, found out by reading it: nothing is compiled, nothing runs. Whoever wrote one that cannot be used is
//! told what to change.

mod declared;
mod names;

use ring::digest::{SHA256, digest};
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, Validator, WasmFeatures,
};

use crate::hook::{Hook, VERSION};
use crate::limits::DECLARED;
use declared::Counts;
use names::{Name, wasi_advice};

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: usize,
    /// The hooks it exports, in the order of [`Hook::ALL`].
    pub hooks: Vec<Hook>,
    /// Interfaces of `tidings:extension` that it imports, by their names without package and version, sorted.
    pub imports: Vec<String>,
    /// The highest version of `tidings:extension` that it names.
    pub version: (u64, u64, u64),
}

/// SHA-256 of a component.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(sum)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It is larger than any may be.
    #[error("the component has {found} bytes, more than {most}")]
    TooLarge {
        /// Bytes it has.
        found: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// It is no WebAssembly, was cut off, or uses what is switched off.
    #[error("this is no valid WebAssembly component: {0}")]
    Invalid(String),
    /// It is the output of a compiler, not yet made a component.
    #[error(
        "this is a core module, not a component: make it one with `wasm-tools component new IN.wasm -o OUT.wasm` \
         (`tidings ext build` does)"
    )]
    CoreModule,
    /// It has more of something than any needs.
    #[error("the component declares {found} {what}, more than {most}")]
    Declares {
        /// Of what.
        what: &'static str,
        /// How many or how much.
        found: u64,
        /// How many or how much there may be.
        most: u64,
    },
    /// It wants an operating system.
    #[error("the component imports WASI, which extensions do not have: {}. {}", .0.join(", "), wasi_advice())]
    Wasi(Vec<String>),
    /// It was built against a package that this server does not know yet.
    #[error(
        "the component was built against tidings:extension@{}, newer than this server's {}: build it against an older \
         one, or update the server ({})", version(.found), version(&VERSION), .names.join(", ")
    )]
    Newer {
        /// The version it names.
        found: (u64, u64, u64),
        /// What it imports or exports of that version.
        names: Vec<String>,
    },
    /// It wants something that nobody has.
    #[error("the component imports what there is not: {}. Extensions import interfaces of tidings:extension alone", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// It has a hook that there is not.
    #[error("the component exports hooks that there are not: {}. There are {}", .0.join(", "), hooks())]
    UnknownHooks(Vec<String>),
    /// There is nothing to call.
    #[error(
        "the component exports no hook of tidings:extension. There are {}",
        hooks()
    )]
    NoHooks,
}

fn version((major, minor, patch): &(u64, u64, u64)) -> String {
    format!("{major}.{minor}.{patch}")
}

fn hooks() -> String {
    Hook::ALL.map(Hook::name).join(", ")
}

/// Finds out what a component is and whether it can be used.
///
/// # Errors
///
/// The first of the reasons in [`CheckError`], in their order, except that what the component declares is counted while it is
/// read.
pub fn check(bytes: &[u8]) -> Result<Inspection, CheckError> {
    if bytes.len() > DECLARED.bytes {
        return Err(CheckError::TooLarge {
            found: bytes.len(),
            most: DECLARED.bytes,
        });
    }
    let (imports, exports) = read(bytes)?;
    let imports = sort_imports(imports)?;
    let hooks = sort_exports(exports)?;
    let versions = imports.iter().chain(&hooks).map(|(_, version)| *version);
    let found = versions.max().unwrap_or(VERSION);
    let mut names: Vec<String> = imports.into_iter().map(|(name, _)| name).collect();
    names.sort();
    let exported = |hook: &Hook| hooks.iter().any(|(name, _)| name == hook.name());
    Ok(Inspection {
        digest: Digest::of(bytes),
        size: bytes.len(),
        hooks: Hook::ALL.into_iter().filter(exported).collect(),
        imports: names,
        version: found,
    })
}

/// What the outermost component imports and exports. All of it is validated but the bodies of functions: compiling does that.
fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), CheckError> {
    let invalid = |error: wasmparser::BinaryReaderError| CheckError::Invalid(error.to_string());
    let mut validator = Validator::new_with_features(features());
    let mut counts = Counts::default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        if let Payload::Version {
            encoding: Encoding::Module,
            ..
        } = payload
            && depth == 0
        {
            return Err(CheckError::CoreModule);
        }
        // Before anything is made of it.
        counts.add(&payload)?;
        validator.payload(&payload).map_err(invalid)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(invalid)?;
                    // Types come along with what uses them.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// What the engine has switched on, too.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::RELAXED_SIMD)
        .union(WasmFeatures::MULTI_MEMORY)
        .union(WasmFeatures::COMPONENT_MODEL)
}

/// A name of the package and the version it was asked for in.
type Versioned = (String, (u64, u64, u64));

fn sort_imports(imports: Vec<String>) -> Result<Vec<Versioned>, CheckError> {
    let (mut wasi, mut newer, mut unknown, mut known) = (vec![], vec![], vec![], vec![]);
    for import in imports {
        match Name::parse(&import) {
            Name::Wasi => wasi.push(import),
            Name::Newer { version } => newer.push((import, version)),
            Name::Ours { name, version } if names::is_import(name) => {
                known.push((name.to_owned(), version));
            }
            Name::Ours { .. } | Name::Other => unknown.push(import),
        }
    }
    if !wasi.is_empty() {
        return Err(CheckError::Wasi(wasi));
    }
    refuse_newer(newer)?;
    if !unknown.is_empty() {
        return Err(CheckError::UnknownImports(unknown));
    }
    Ok(known)
}

fn sort_exports(exports: Vec<String>) -> Result<Vec<Versioned>, CheckError> {
    let (mut newer, mut unknown, mut known) = (vec![], vec![], vec![]);
    for export in exports {
        match Name::parse(&export) {
            Name::Newer { version } => newer.push((export, version)),
            Name::Ours { name, version } if Hook::named(name).is_some() => {
                known.push((name.to_owned(), version));
            }
            Name::Ours { .. } => unknown.push(export),
            // Tools export things of their own; nobody calls them.
            Name::Wasi | Name::Other => {}
        }
    }
    refuse_newer(newer)?;
    if !unknown.is_empty() {
        return Err(CheckError::UnknownHooks(unknown));
    }
    if known.is_empty() {
        return Err(CheckError::NoHooks);
    }
    Ok(known)
}

fn refuse_newer(newer: Vec<Versioned>) -> Result<(), CheckError> {
    let Some(found) = newer.iter().map(|(_, version)| *version).max() else {
        return Ok(());
    };
    let names = newer.into_iter().map(|(name, _)| name).collect();
    Err(CheckError::Newer { found, names })
}
