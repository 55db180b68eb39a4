//! Names of imports and exports, as `tidings:extension/log@0.1.0`.

use crate::hook::{PACKAGE, VERSION};

/// The interfaces of the package that can be imported.
const IMPORTS: &[&str] = &[
    "absences",
    "config",
    "context",
    "drafts",
    "effects",
    "events",
    "firings",
    "http",
    "invocations",
    "kv-read",
    "kv-write",
    "log",
    "metrics",
    "model",
    "pages",
    "rates",
    "timers",
    "transitions",
    "types",
    "views",
];

pub(super) fn is_import(name: &str) -> bool {
    IMPORTS.contains(&name)
}

/// Whose a name is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// Of our package, in a version that this server serves.
    Ours {
        name: &'a str,
        version: (u64, u64, u64),
    },
    /// Of our package, in one that it does not.
    Newer { version: (u64, u64, u64) },
    /// An operating system's.
    Wasi,
    /// Somebody else's, or none at all.
    Other,
}

impl<'a> Name<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        if name.starts_with("wasi:") || name.starts_with("wasi_") {
            return Self::Wasi;
        }
        let Some((interface, version)) = name
            .strip_prefix(PACKAGE)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.split_once('@'))
        else {
            return Self::Other;
        };
        match parse_version(version) {
            Some(version) if serves(version) => Self::Ours {
                name: interface,
                version,
            },
            Some(version) if version > VERSION => Self::Newer { version },
            _ => Self::Other,
        }
    }
}

/// 0.1.n for all n up to our own.
fn serves(version: (u64, u64, u64)) -> bool {
    (version.0, version.1) == (VERSION.0, VERSION.1) && version.2 <= VERSION.2
}

fn parse_version(version: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = version.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    let parsed = (next()?, next()?, next()?);
    numbers.next().is_none().then_some(parsed)
}

/// How to build without WASI.
pub(super) fn wasi_advice() -> &'static str {
    "Time, randomness and the network are in tidings:extension: `context`, `http`. Build without WASI: \
     Rust: the target wasm32-unknown-unknown, not wasm32-wasip1 or -wasip2; \
     JavaScript: `jco componentize --disable all`; \
     Python: `componentize-py ... componentize ... --stub-wasi`; \
     C: wasi-libc's headers are fine, but nothing of stdio, files, clocks or exit may be left after `--gc-sections`. \
     `tidings ext build` does all of that"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let ours = |name| Name::Ours {
            name,
            version: (0, 1, 0),
        };
        assert_eq!(Name::parse("tidings:extension/log@0.1.0"), ours("log"));
        assert_eq!(
            Name::parse("tidings:extension/log@0.1.7"),
            Name::Newer { version: (0, 1, 7) }
        );
        assert_eq!(
            Name::parse("tidings:extension/log@0.2.0"),
            Name::Newer { version: (0, 2, 0) }
        );
        assert_eq!(Name::parse("tidings:extension/log@0.0.9"), Name::Other);
        assert_eq!(Name::parse("tidings:extension/log"), Name::Other);
        assert_eq!(Name::parse("wasi:cli/environment@0.2.0"), Name::Wasi);
        assert_eq!(Name::parse("wasi_snapshot_preview1"), Name::Wasi);
        assert_eq!(Name::parse("env"), Name::Other);
    }
}
