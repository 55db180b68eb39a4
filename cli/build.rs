//! Makes of the console page and of the SDK it uses what is compiled into the program: a list of files, each also as
//! gzip, in a folder named after what they all hold. No bundler: the page names every module it will need, so that
//! a browser asks for all of them at once.

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// The page, which alone has an address of its own.
const PAGE: &str = "console/index.html";
/// The module the page starts.
const ENTRY: &str = "console/app.js";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    // By path from the repository's root: there as here, modules find each other by relative paths.
    let mut files = BTreeMap::new();
    for folder in ["console", "sdk/js/src"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        read(&root, folder, &mut files);
    }
    let digest = digest(&files);
    let page = files.remove(PAGE).expect("the console has a page");
    let page = String::from_utf8(page).expect("the page is text");
    let page = whole_page(&page, &files, &format!("/static/{digest}/"));

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut list = String::from("&[\n");
    add(&out, &mut list, "/", PAGE, page.as_bytes());
    for (path, bytes) in &files {
        let served = format!("/static/{digest}/{path}");
        add(&out, &mut list, &served, path, bytes);
    }
    list.push(']');
    fs::write(out.join("assets.rs"), list).expect("the build folder can be written");
}

/// Reads what of a folder belongs to the page.
fn read(root: &Path, folder: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        if entry.path().is_dir() {
            if name != "test" && name != "node_modules" {
                read(root, &path, files);
            }
        } else if kind(&name).is_some() {
            let bytes = fs::read(entry.path()).expect("it was listed");
            files.insert(path, bytes);
        }
    }
}

/// The media type of a file of the page; none for a file that is none of it.
fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// A name for all of it together, another one as soon as a byte of it is.
fn digest(all: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    all.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The page with its files' places, and with all modules it needs.
fn whole_page(page: &str, files: &BTreeMap<String, Vec<u8>>, base: &str) -> String {
    let mut page = page.to_owned();
    for path in files.keys() {
        let Some(name) = path.strip_prefix("console/") else {
            continue;
        };
        for attribute in ["href", "src"] {
            page = page.replace(
                &format!("{attribute}=\"{name}\""),
                &format!("{attribute}=\"{base}{path}\""),
            );
        }
    }
    let mut links = String::new();
    for path in modules(files) {
        let _ = writeln!(
            links,
            "    <link rel=\"modulepreload\" href=\"{base}{path}\">"
        );
    }
    let (head, body) = page.split_once("  </head>").expect("the page has a head");
    format!("{head}{links}  </head>{body}")
}

/// The modules that the first one imports, and those they import, in the order of how far they are from it.
fn modules(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([ENTRY.to_owned()]);
    while let Some(path) = waiting.pop_front() {
        let bytes = files.get(&path);
        let bytes = bytes.unwrap_or_else(|| panic!("{path} is imported, but is not there"));
        let source = std::str::from_utf8(bytes).expect("a module is text");
        for imported in imports(source) {
            let imported = resolve(&path, imported);
            if imported != ENTRY && !found.contains(&imported) {
                found.push(imported.clone());
                waiting.push_back(imported);
            }
        }
    }
    found
}

/// What a module's `import … from '…'` and `export … from '…'` name, as they are written in this repository.
fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let named = line.strip_suffix("';")?;
        let (statement, path) = named.split_once(" from '")?;
        let is_statement = ["import ", "export ", "}"]
            .iter()
            .any(|start| statement.starts_with(start));
        (is_statement && path.starts_with('.')).then_some(path)
    })
}

/// The path that a relative one in a file stands for.
fn resolve(from: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Adds a file to the list.
fn add(out: &Path, list: &mut String, served: &str, path: &str, bytes: &[u8]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory can be written");
    let mut packed = encoder.finish().expect("memory can be written");
    if packed.len() >= bytes.len() {
        packed.clear();
    }
    let include = |contents: &[u8], ending: &str| {
        let file = out.join(format!("{}{ending}", path.replace('/', "-")));
        fs::write(&file, contents).expect("the build folder can be written");
        format!("include_bytes!({file:?})")
    };
    let _ = writeln!(
        list,
        "Asset {{ path: {served:?}, kind: {:?}, bytes: {}, gzip: {}, tag: {:?}, immutable: {} }},",
        kind(path).expect("only files of a known kind were read"),
        include(bytes, ""),
        include(&packed, ".gz"),
        format!("W/\"{}\"", digest(&bytes)),
        served != "/",
    );
}
