//! Rust: cargo, for `wasm32-unknown-unknown`, and the component is made here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use super::{BuildError, Site, tool};

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn build(site: &Site, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    step("compiling Rust");
    let folder = &site.folder;
    let mut cargo = cargo(folder)?;
    let output = tool::run(cargo.current_dir(folder).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]))?;
    let module = module(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        let what =
            "cargo made no .wasm: is `crate-type = [\"cdylib\"]` under `[lib]` in Cargo.toml?";
        BuildError::Component(what.to_owned())
    })?;
    step("making the component");
    fs::read(&module).map_err(|why| BuildError::io(&module, why))
}

/// The last library for the web that cargo speaks of: those it depends on come before.
fn module(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifacts = messages.filter(|message| message["reason"] == "compiler-artifact");
    let files = artifacts.flat_map(|artifact| match &artifact["filenames"] {
        Value::Array(files) => files.clone(),
        _ => Vec::new(),
    });
    let mut files = files.filter_map(|file| file.as_str().map(PathBuf::from));
    files.rfind(|file| file.extension().is_some_and(|kind| kind == "wasm"))
}

/// The one with the target; where there is none, Debian's, which can build the standard library itself.
fn cargo(folder: &Path) -> Result<Command, BuildError> {
    if has_target("rustc", folder) {
        return Ok(Command::new("cargo"));
    }
    let debian = Path::new("/usr/bin/rustc");
    let linker = linker();
    if let (true, Some(linker)) = (debian.is_file() && has_sources(debian), linker) {
        let mut cargo = Command::new("/usr/bin/cargo");
        // Without what the other toolchain has set for its own.
        for name in [
            "CARGO",
            "RUSTC",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
            "RUSTFLAGS",
        ] {
            cargo.env_remove(name);
        }
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", "/usr/bin:/bin")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .arg("-Zbuild-std=std,panic_abort");
        return Ok(cargo);
    }
    Err(BuildError::Missing {
        what: format!("Rust's standard library for {TARGET}"),
        install: format!(
            "  rustup target add {TARGET}\nor, on Debian and its relatives,\n  \
             apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld-22"
        ),
    })
}

fn sysroot(rustc: &str, folder: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .current_dir(folder)
        .output()
        .ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(sysroot.trim())).filter(|_| output.status.success())
}

fn has_target(rustc: &str, folder: &Path) -> bool {
    let sysroot = sysroot(rustc, folder);
    sysroot.is_some_and(|sysroot| {
        sysroot
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
    })
}

fn has_sources(rustc: &Path) -> bool {
    let sysroot = sysroot(&rustc.to_string_lossy(), Path::new("/"));
    sysroot.is_some_and(|sysroot| {
        sysroot
            .join("lib/rustlib/src/rust/library/Cargo.toml")
            .is_file()
    })
}

/// The newest of LLVM's linkers: they carry their version in their names.
fn linker() -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let entries = env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok());
    let names = entries.flatten().flatten();
    let versions = names.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix("wasm-ld-")?.parse::<u32>().ok()
    });
    versions.max().map(|version| format!("wasm-ld-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extensions_own_library_is_the_last() {
        let messages = r#"
{"reason":"compiler-artifact","filenames":["a.rlib","a.rmeta"]}
{"reason":"compiler-artifact","filenames":["dependency.wasm"]}
   Compiling something
{"reason":"compiler-artifact","filenames":["rule.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(module(messages), Some(PathBuf::from("rule.wasm")));
        assert_eq!(module("{\"reason\":\"build-finished\"}"), None);
    }
}
