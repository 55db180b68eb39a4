//! Python: componentize-py, with CPython within the component.

use std::fs;
use std::process::Command;

use super::{BuildError, Site, tool};

/// Where virtual environments have their programs.
const BESIDE: [&str; 3] = [".venv/bin", "venv/bin", ".venv/Scripts"];

pub(super) fn build(site: &Site, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let folder = &site.folder;
    let names = ["componentize-py", "componentize-py.exe"];
    let program = tool::find(folder, &BESIDE, &names).ok_or_else(|| BuildError::Missing {
        what: "componentize-py, which makes components of Python,".to_owned(),
        install: "  python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1"
            .to_owned(),
    })?;
    step("making the component of Python");
    let out = site.dist.join("python.part");
    // Stubs in place of WASI, which fix the seed of what Python hashes with as well.
    tool::run(
        Command::new(program)
            .arg("-d")
            .arg(folder.join("wit"))
            .args(["-w", &site.world, "componentize", "extension", "-p"])
            .arg(folder)
            .args(["--stub-wasi", "-o"])
            .arg(&out),
    )?;
    let component = fs::read(&out).map_err(|why| BuildError::io(&out, why))?;
    fs::remove_file(&out).map_err(|why| BuildError::io(&out, why))?;
    Ok(component)
}
