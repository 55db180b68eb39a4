//! The manifest within its component: a custom section, which nobody who runs the component looks at.

use crate::manifest::Manifest;
use crate::parse::ManifestError;

/// The name of the custom section.
pub const SECTION: &str = "tidings:manifest";

/// How a component begins: the magic number, its version and layer. A core module differs in the last four bytes.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// The id of custom sections.
const CUSTOM: u8 = 0;

/// Why a manifest could not be put into a component or found in it.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// It is something else.
    #[error("this is no WebAssembly component")]
    NoComponent,
    /// It is the output of a compiler, not yet made a component.
    #[error(
        "this is a core module, not a component: make it one with `wasm-tools component new IN.wasm -o OUT.wasm` \
         (`tidings ext build` does)"
    )]
    CoreModule,
    /// It ends in the middle of something.
    #[error("the component is cut off or damaged at byte {0}")]
    Damaged(usize),
    /// It has more than one, so there is no telling which one counts.
    #[error("the component has more than one manifest: build it again")]
    Several,
    /// What it has is none.
    #[error("the component's manifest cannot be used: {0}")]
    Manifest(#[from] ManifestError),
}

/// Puts the manifest into the component, in the place of one that is there.
///
/// # Errors
///
/// When the bytes are no component.
pub fn embed(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, EmbedError> {
    let mut bytes = strip(component)?;
    let json = manifest.to_json();
    let mut content = Vec::with_capacity(json.len() + 32);
    write_length(&mut content, SECTION.len());
    content.extend_from_slice(SECTION.as_bytes());
    content.extend_from_slice(json.as_bytes());
    bytes.push(CUSTOM);
    write_length(&mut bytes, content.len());
    bytes.extend_from_slice(&content);
    Ok(bytes)
}

/// The manifest in a component, if it has one.
///
/// # Errors
///
/// When the bytes are no component, or what they hold as a manifest cannot be used.
pub fn read(component: &[u8]) -> Result<Option<Manifest>, EmbedError> {
    let mut found = None;
    for section in sections(component)? {
        let Some(json) = section?.manifest else {
            continue;
        };
        if found.replace(json).is_some() {
            return Err(EmbedError::Several);
        }
    }
    let Some(json) = found else {
        return Ok(None);
    };
    let json = str::from_utf8(json).map_err(|_| EmbedError::NoComponent)?;
    Ok(Some(Manifest::from_json(json)?))
}

/// The component without a manifest: what is compiled, and the same for all manifests.
///
/// # Errors
///
/// When the bytes are no component.
pub fn strip(component: &[u8]) -> Result<Vec<u8>, EmbedError> {
    let mut bytes = COMPONENT.to_vec();
    for section in sections(component)? {
        let section = section?;
        if section.manifest.is_none() {
            bytes.extend_from_slice(section.whole);
        }
    }
    Ok(bytes)
}

/// A section of the outermost component.
struct Section<'a> {
    /// With its id and its length.
    whole: &'a [u8],
    /// What is in it, if it is ours.
    manifest: Option<&'a [u8]>,
}

/// All sections in their order. What is within one, such as a module, is not looked into.
fn sections(
    component: &[u8],
) -> Result<impl Iterator<Item = Result<Section<'_>, EmbedError>>, EmbedError> {
    if component.starts_with(&MODULE) {
        return Err(EmbedError::CoreModule);
    }
    if !component.starts_with(&COMPONENT) {
        return Err(EmbedError::NoComponent);
    }
    let mut at = COMPONENT.len();
    Ok(std::iter::from_fn(move || {
        if at >= component.len() {
            return None;
        }
        let Some((section, next)) = section(component, at) else {
            let damaged = EmbedError::Damaged(at);
            at = component.len();
            return Some(Err(damaged));
        };
        at = next;
        Some(Ok(section))
    }))
}

/// The section that begins there, and where it ends.
fn section(component: &[u8], at: usize) -> Option<(Section<'_>, usize)> {
    let (length, content) = read_length(component, at + 1)?;
    let end = content.checked_add(length)?;
    let whole = component.get(at..end)?;
    let named = (component[at] == CUSTOM)
        .then(|| {
            let (length, name) = read_length(component, content)?;
            let behind = name.checked_add(length).filter(|behind| *behind <= end)?;
            (component.get(name..behind)? == SECTION.as_bytes()).then(|| &component[behind..end])
        })
        .flatten();
    let manifest = named;
    Some((Section { whole, manifest }, end))
}

/// Reads a LEB128 number of up to 32 bits, and says where it ends.
fn read_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut length = 0_u64;
    for index in 0..5 {
        let byte = *bytes.get(at + index)?;
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let length = u32::try_from(length).ok()?;
            return Some((length as usize, at + index + 1));
        }
    }
    None
}

fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
