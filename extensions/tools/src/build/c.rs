//! C: bindings are generated here, clang compiles them with the code, and the component is made here.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use wit_bindgen_core::Files;

use super::{BuildError, Site, tool};

/// The newest first: older ones make larger components.
const CLANGS: [&str; 8] = [
    "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang",
];

pub(super) fn build(site: &Site, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let folder = &site.folder;
    let clang = tool::find(folder, &[], &CLANGS).ok_or_else(|| missing("clang"))?;
    step("compiling C");
    let bindings = bindings(site)?;
    let generated =
        |ending: &str| bindings.join(format!("{}{ending}", site.world.replace('-', "_")));
    let out = site.dist.join("c.part");
    let compiled = tool::run(
        Command::new(clang)
            .args(["--target=wasm32-wasi", "-Oz", "-Wall", "-mexec-model=reactor"])
            // What nobody calls would import WASI.
            .args(["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,-s"])
            .arg("-I")
            .arg(&bindings)
            .arg(site.main_file())
            .arg(generated(".c"))
            .arg(generated("_component_type.o"))
            .arg("-o")
            .arg(&out),
    );
    compiled.map_err(|error| match error {
        BuildError::Failed { output, .. } if is_incomplete(&output) => {
            missing("wasi-libc, or a part of clang for wasm32,")
        }
        error => error,
    })?;
    step("making the component");
    let module = fs::read(&out).map_err(|why| BuildError::io(&out, why))?;
    fs::remove_file(&out).map_err(|why| BuildError::io(&out, why))?;
    Ok(module)
}

fn missing(what: &str) -> BuildError {
    BuildError::Missing {
        what: what.to_owned(),
        install: "  apt-get install --no-install-recommends clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32".to_owned(),
    }
}

/// Whether clang is there, but not all that it takes for this target.
fn is_incomplete(output: &str) -> bool {
    [
        "'stdlib.h' file not found",
        "crt1-reactor.o",
        "libclang_rt.builtins",
        "wasm-ld",
    ]
    .iter()
    .any(|part| output.contains(part) && !output.contains("undefined symbol"))
}

/// Writes the bindings of the world into `dist/bindings`, where an editor finds them, too.
fn bindings(site: &Site) -> Result<PathBuf, BuildError> {
    let folder = site.dist.join("bindings");
    let mut files = Files::default();
    let mut resolve = site.resolve.clone();
    let options = wit_bindgen_c::Opts {
        // What a hook is given is given back when it returns: whoever forgets to would trap.
        autodrop_borrows: wit_bindgen_c::Enabled::Yes,
        ..wit_bindgen_c::Opts::default()
    };
    options
        .build()
        .generate(&mut resolve, site.id, &mut files)
        .map_err(|why| BuildError::Wit(format!("{why:#}")))?;
    fs::create_dir_all(&folder).map_err(|why| BuildError::io(&folder, why))?;
    for (name, bytes) in files.iter() {
        let file = folder.join(name);
        fs::write(&file, bytes).map_err(|why| BuildError::io(&file, why))?;
    }
    Ok(folder)
}
