//! JavaScript: jco, with QuickJS within the component.

mod lent;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use wit_parser::{WorldItem, WorldKey};

use super::{BuildError, Site, tool};

/// What QuickJS has not and extensions may want.
const PRELUDE: &str = include_str!("javascript/prelude.js");

/// What a hook throws is told in the extension's log: all that the host sees is that it trapped.
const WATCHED: &str = include_str!("javascript/watched.js");

/// The module that everything begins in: what the extension exports, each hook watched.
fn begins(site: &Site) -> String {
    let mut text = format!(
        "import './prelude.js';\nimport {{ watched }} from './watched.js';\nimport * as extension from '../{}';\n",
        site.language.main_file()
    );
    for (key, item) in &site.resolve.worlds[site.id].exports {
        let (WorldKey::Interface(_), WorldItem::Interface { id, .. }) = (key, item) else {
            continue;
        };
        let interface = &site.resolve.interfaces[*id];
        let hook = interface.name.as_deref().unwrap_or_default();
        let hook = camel(hook);
        let functions = interface.functions.keys();
        let functions = functions.map(|name| {
            let name = camel(name);
            format!("{name}: watched(extension, '{hook}', '{name}')")
        });
        let functions: Vec<String> = functions.collect();
        let functions = functions.join(", ");
        text.push_str(&format!("export const {hook} = {{ {functions} }};\n"));
    }
    text
}

/// A name of the package as JavaScript has it: `on-event` is `onEvent`.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        camel + &head.to_uppercase() + tail
    })
}

pub(super) fn build(site: &Site, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let folder = &site.folder;
    let jco = tool::find(folder, &["node_modules/.bin"], &["jco"]).ok_or_else(|| {
        let install =
            "  npm install                                  # in the folder: package.json names it";
        BuildError::Missing {
            what: "jco, which makes components of JavaScript,".to_owned(),
            install: install.to_owned(),
        }
    })?;
    step("making the component of JavaScript");
    let part = |name: &str| site.dist.join(name);
    let write = |name: &str, text: &str| {
        let file = part(name);
        fs::write(&file, text).map_err(|why| BuildError::io(&file, why))?;
        Ok::<PathBuf, BuildError>(file)
    };
    write("prelude.js", PRELUDE)?;
    write("watched.js", WATCHED)?;
    let begins = begins(site);
    // jco looks for it from somewhere else: only a whole path leads there.
    let begins = write("begins.js", &begins)?;
    let begins = begins
        .canonicalize()
        .map_err(|why| BuildError::io(&begins, why))?;
    let out = part("javascript.part");
    tool::run(
        Command::new(jco)
            .arg("componentize")
            .arg(begins)
            .arg("--wit")
            .arg(folder.join("wit"))
            .args(["-n", &site.world, "--backend", "qjs"])
            .args(["--backend-qjs-disable-async", "--backend-qjs-stub-wasi"])
            // With whatever else it imports, from wherever that is.
            .arg("--bundle")
            .arg("-o")
            .arg(&out),
    )?;
    let component = fs::read(&out).map_err(|why| BuildError::io(&out, why))?;
    fs::remove_file(&out).map_err(|why| BuildError::io(&out, why))?;
    lent::mend(&component, &site.resolve, site.id).map_err(|why| {
        BuildError::Component(format!(
            "{why}: is componentize-qjs another version than 0.4.5, which package.json is to pin?"
        ))
    })
}
