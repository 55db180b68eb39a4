//! Makes of the console page and of the SDK it uses what is compiled into the program: a list of files, each also as
//! gzip, in a folder named after what they all hold.
//!
//! A browser spends longer on fifty small modules than on all they hold, however early it is told of them: they are
//! served as one, each a function that is called once, in the order of what they import. In the repository they stay
//! plain modules, which run as they are.

use std::{
    collections::BTreeMap,
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
/// The module the page starts; what is served in its place holds all that it imports.
const ENTRY: &str = "console/app.js";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    // By path from the repository's root: there as here, modules find each other by relative paths.
    let mut files = BTreeMap::new();
    for folder in ["console", "sdk/js/src"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        read(&root, folder, &mut files);
    }
    let script = one_script(&files);
    files.retain(|path, _| !path.ends_with(".js"));
    files.insert(ENTRY.to_owned(), script.into_bytes());
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

/// The page with its files' places.
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
    page
}

/// The first module and all it needs, as one.
fn one_script(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut script = Script {
        files,
        text: String::new(),
        done: Vec::new(),
        waiting: Vec::new(),
    };
    script.add(ENTRY);
    script.text
}

struct Script<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    text: String,
    /// The modules that are in the text; what the n-th exports is called `module_n` there.
    done: Vec<String>,
    /// Those whose imports come first.
    waiting: Vec<String>,
}

impl Script<'_> {
    /// Adds a module after those it imports, if it is not there. Returns what it is called.
    fn add(&mut self, path: &str) -> String {
        if let Some(n) = self.done.iter().position(|done| done == path) {
            return format!("module_{n}");
        }
        assert!(
            !self.waiting.iter().any(|waiting| waiting == path),
            "{path} imports itself, by way of {:?}",
            self.waiting
        );
        let bytes = self.files.get(path);
        let bytes = bytes.unwrap_or_else(|| panic!("{path} is imported, but is not there"));
        let source = std::str::from_utf8(bytes).expect("a module is text");

        self.waiting.push(path.to_owned());
        let mut body = String::new();
        let mut exported = Vec::new();
        for line in source.lines() {
            self.add_line(path, line, &mut body, &mut exported);
        }
        self.waiting.pop();

        let name = format!("module_{}", self.done.len());
        let _ = writeln!(
            self.text,
            "// {path}\nconst {name} = (() => {{\n{body}return {{ {} }};\n}})();",
            exported.join(", ")
        );
        self.done.push(path.to_owned());
        name
    }

    /// Adds a line of a module: as it is, but for imports and exports, in the forms they have in this repository.
    fn add_line(&mut self, path: &str, line: &str, body: &mut String, exported: &mut Vec<String>) {
        if !line.starts_with("import") && !line.starts_with("export") {
            body.push_str(line);
        } else if let Some((imports, names, from)) = named_from(line) {
            let module = self.add(&resolve(path, from));
            let _ = write!(body, "const {{ {} }} = {module};", names.join(", "));
            if !imports {
                exported.extend(names.iter().map(|name| local(name)));
            }
        } else {
            let declared = line.strip_prefix("export ").and_then(|declaration| {
                ["const ", "class ", "async function ", "function "]
                    .iter()
                    .find_map(|kind| declaration.strip_prefix(kind))
                    .map(|named| (declaration, named))
            });
            let Some((declaration, named)) = declared else {
                panic!("{path}: no such import or export is made one script of: {line}");
            };
            let end = named.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            exported.push(named[..end.unwrap_or(named.len())].to_owned());
            body.push_str(declaration);
        }
        body.push('\n');
    }
}

/// Of `import { a, b as c } from './path.js';`, or the same with `export`: whether it is an import, the names as they
/// are taken out of an object, and the path.
fn named_from(line: &str) -> Option<(bool, Vec<String>, &str)> {
    let (imports, names) = match line.strip_prefix("import {") {
        Some(names) => (true, names),
        None => (false, line.strip_prefix("export {")?),
    };
    let (names, path) = names.strip_suffix("';")?.split_once("} from '")?;
    let names = names
        .split(',')
        .map(|name| name.trim().replace(" as ", ": "));
    path.starts_with('.')
        .then(|| (imports, names.collect(), path))
}

/// What is called so in the module, of `name` or `name: local`.
fn local(name: &str) -> String {
    name.rsplit(' ').next().unwrap_or(name).to_owned()
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
