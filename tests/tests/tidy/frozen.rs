//! What extensions were built against stays as it is: published versions of the package in `wit/` lie in `wit/frozen` and never change,
//! and the present one has everything that they have, unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind, TypeId, WorldItem, WorldKey};

use crate::assert_clean;

/// Published versions, and SHA-256 of their files: the name of each, its length and its bytes, in the order of the names. A new
/// version adds a line. None is ever changed.
const PUBLISHED: [(&str, &str); 1] = [(
    "0.1.0",
    "8336170eb10e4f2acfc069bc7463ce3f2d409baea3ac118b3d480e433d2206af",
)];

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn sum(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let mut context = Context::new(&SHA256);
    for path in paths {
        let bytes = fs::read(&path).expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy();
        context.update(format!("{name} {}\n", bytes.len()).as_bytes());
        context.update(&bytes);
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn published_versions_never_change() {
    let mut offenders = Vec::new();
    for (version, published) in PUBLISHED {
        let found = sum(&wit().join("frozen").join(version));
        if found != published {
            offenders.push(format!("wit/frozen/{version}: {found}"));
        }
    }
    let there = fs::read_dir(wit().join("frozen"))
        .expect("a folder")
        .count();
    assert_eq!(there, PUBLISHED.len(), "each is named here");
    assert_clean(
        "published versions that are not what was published",
        &offenders,
    );
}

#[test]
fn the_present_version_has_all_that_was_published() {
    let mut now = Resolve::default();
    now.push_dir(wit()).expect("the present package");
    let mut offenders = Vec::new();
    for (version, _) in PUBLISHED {
        let mut then = Resolve::default();
        then.push_dir(wit().join("frozen").join(version))
            .expect("a published package");
        let items = items(&then);
        assert!(items.len() > 100, "{} items in {version}", items.len());
        offenders.extend(changed(&items, &self::items(&now)));
    }
    assert_clean(
        "what was published and is not there any more as it was",
        &offenders,
    );
}

/// What was there before and is not, or is otherwise.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut changed = Vec::new();
    for (name, was) in before {
        match after.get(name) {
            None => changed.push(format!("{name}: it is gone")),
            Some(is) if is != was => changed.push(format!("{name}: {is}, and it was {was}")),
            Some(_) => {}
        }
    }
    changed
}

/// Every type, function and world by name, with all that a component is linked by.
fn items(resolve: &Resolve) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    for (_, interface) in &resolve.interfaces {
        let of = interface.name.clone().expect("all have names");
        for (name, id) in &interface.types {
            items.insert(format!("{of}.{name}"), kind(resolve, *id));
        }
        for (name, function) in &interface.functions {
            items.insert(format!("{of}.{name}"), signature(resolve, function));
        }
    }
    for (_, world) in &resolve.worlds {
        let sides = [("imports", &world.imports), ("exports", &world.exports)];
        for (side, all) in sides {
            for (key, item) in all {
                let name = match key {
                    WorldKey::Name(name) => name.clone(),
                    WorldKey::Interface(id) => {
                        let name = resolve.interfaces[*id].name.clone();
                        name.expect("all have names")
                    }
                };
                let is = match item {
                    WorldItem::Interface { .. } => "an interface".to_owned(),
                    WorldItem::Function(function) => signature(resolve, function),
                    WorldItem::Type { id, .. } => kind(resolve, *id),
                };
                items.insert(format!("{} {side} {name}", world.name), is);
            }
        }
    }
    items
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params = function.params.iter();
    let params: Vec<String> = params
        .map(|param| format!("{}: {}", param.name, named(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref();
    let result = result.map_or_else(|| "nothing".to_owned(), |result| named(resolve, result));
    // The name says of which resource it is.
    let kind = function
        .kind
        .resource()
        .map(|id| named(resolve, &Type::Id(id)));
    format!("{:?} ({}) -> {result}", kind, params.join(", "))
}

/// A type where it is used: by its name, if it has one.
fn named(resolve: &Resolve, of: &Type) -> String {
    match of {
        Type::Id(id) => {
            let definition = &resolve.types[*id];
            let within = match definition.owner {
                wit_parser::TypeOwner::Interface(id) => resolve.interfaces[id].name.as_deref(),
                _ => None,
            };
            match (&definition.name, within) {
                (Some(name), Some(within)) => format!("{within}.{name}"),
                (Some(name), None) => name.clone(),
                (None, _) => kind(resolve, *id),
            }
        }
        plain => format!("{plain:?}"),
    }
}

/// What a type is.
fn kind(resolve: &Resolve, id: TypeId) -> String {
    let one = |of: &Type| named(resolve, of);
    let maybe = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), one);
    let list = |all: Vec<String>| all.join(", ");
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            list(
                fields
                    .map(|field| format!("{}: {}", field.name, one(&field.ty)))
                    .collect(),
            )
        }
        TypeDefKind::Resource => "resource".to_owned(),
        TypeDefKind::Handle(Handle::Own(of)) => format!("own {}", one(&Type::Id(*of))),
        TypeDefKind::Handle(Handle::Borrow(of)) => format!("borrow {}", one(&Type::Id(*of))),
        TypeDefKind::Flags(flags) => list(
            flags
                .flags
                .iter()
                .map(|flag| format!("flag {}", flag.name))
                .collect(),
        ),
        TypeDefKind::Tuple(tuple) => format!("({})", list(tuple.types.iter().map(one).collect())),
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            list(
                cases
                    .map(|case| format!("{}({})", case.name, maybe(&case.ty)))
                    .collect(),
            )
        }
        TypeDefKind::Enum(all) => list(
            all.cases
                .iter()
                .map(|case| format!("case {}", case.name))
                .collect(),
        ),
        TypeDefKind::Option(of) => format!("option {}", one(of)),
        TypeDefKind::Result(result) => {
            format!("result {} {}", maybe(&result.ok), maybe(&result.err))
        }
        TypeDefKind::List(of) => format!("list {}", one(of)),
        TypeDefKind::Type(of) => format!("is {}", one(of)),
        // What the package has no use for is not compared by halves.
        other => panic!("say how {} is compared", other.as_str()),
    }
}

#[test]
fn what_breaks_a_component_is_found() {
    const BEFORE: &str = "package a:b@0.1.0;
        interface i {
            record r { x: u32 }
            variant v { a(string), b }
            enum e { a, b }
            type t = list<u8>;
            resource s { get: func() -> option<r>; set: func(to: r) -> result<_, v>; }
            f: func(x: t, y: borrow<s>) -> e;
        }
        interface j { g: func(); }
        world w { import i; export j; }";
    let parse = |text: &str| {
        let mut resolve = Resolve::default();
        resolve.push_str("a.wit", text).expect("a package");
        items(&resolve)
    };
    let before = parse(BEFORE);
    let breaks = |from: &str, to: &str| {
        assert!(BEFORE.contains(from), "{from}");
        changed(&before, &parse(&BEFORE.replacen(from, to, 1))).len()
    };
    for (from, to) in [
        ("record r { x: u32 }", "record r { x: u32, y: u32 }"),
        ("x: u32", "x: u64"),
        ("a(string), b", "a(string), b, c"),
        ("a(string)", "a"),
        ("enum e { a, b }", "enum e { b, a }"),
        ("list<u8>", "list<u16>"),
        ("get: func() -> option<r>;", ""),
        ("get: func()", "get: static func()"),
        ("set: func(to: r)", "set: func(to: r, more: bool)"),
        ("y: borrow<s>", "y: s"),
        ("-> e", ""),
        ("import i; ", ""),
        ("export j;", ""),
    ] {
        assert!(breaks(from, to) > 0, "{from} becomes {to}");
    }
    for (from, to) in [
        ("@0.1.0", "@0.1.1"),
        ("f: func", "/// Said anew.\n another: func(); f: func"),
        ("get: func()", "more: func(); get: func()"),
        ("interface j", "interface k { h: func(); } interface j"),
        ("world w", "world z { import j; } world w"),
    ] {
        assert_eq!(breaks(from, to), 0, "{from} becomes {to}");
    }
}
