//! Puts the WIT package into the library, so that `tidings ext new` needs nothing but the binary.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(&folder).expect("the WIT package is part of the sources");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
        .collect();
    files.sort();
    let mut list = "[\n".to_owned();
    for path in files {
        let name = path.file_name().expect("a file has a name");
        let path = path.canonicalize().expect("it is there");
        writeln!(list, "    ({name:?}, include_str!({path:?})),").expect("text takes all");
    }
    list.push_str("]\n");
    let out = env::var("OUT_DIR").expect("Cargo says where");
    fs::write(Path::new(&out).join("wit.in"), list).expect("it can be written");
}
