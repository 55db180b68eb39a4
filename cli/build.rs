//! Lists the files of the console page and of the SDK it uses, to be compiled into the program.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let mut list = String::from("&[\n");
    for (folder, prefix) in [("console", ""), ("sdk/js/src", "/sdk/js/src")] {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        add(&folder, prefix, &mut list);
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("assets.rs");
    fs::write(out, list).expect("the build folder can be written");
}

fn add(folder: &Path, prefix: &str, list: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "test" && name != "node_modules" {
                add(&path, &format!("{prefix}/{name}"), list);
            }
        } else if [".html", ".js", ".mjs", ".css", ".svg"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let path = path.canonicalize().expect("it was listed");
            let _ = writeln!(
                list,
                "Asset {{ path: {:?}, bytes: include_bytes!({:?}) }},",
                format!("{prefix}/{name}"),
                path
            );
        }
    }
}
