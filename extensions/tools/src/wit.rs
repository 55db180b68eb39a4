//! The WIT package as it goes into a new extension, and the world of one.

use std::fmt::Write as _;

use tidings_extension_host::{Hook, PACKAGE, VERSION};

/// Its files, by their names.
pub(crate) const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/wit.in"));

/// The folder they lie in, below that of the world.
pub(crate) const FOLDER: &str = "deps/tidings-extension";

/// The world of an extension with these hooks: their worlds together and nothing else, since tools for JavaScript and Python
/// want every export of a world to be there.
pub(crate) fn world(name: &str, hooks: &[Hook]) -> String {
    let (major, minor, patch) = VERSION;
    let mut world = format!(
        "package example:{name};\n\n/// The hooks of this extension. `tidings ext check` compares them with the manifest.\nworld {name} {{\n"
    );
    for hook in hooks {
        writeln!(
            world,
            "  include {PACKAGE}/{hook}-extension@{major}.{minor}.{patch};"
        )
        .expect("text takes all");
    }
    world.push_str("}\n");
    world
}
