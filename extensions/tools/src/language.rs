//! The languages there are templates and builders for. Any other that makes components will do, without them.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

/// What an extension is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with wit-bindgen.
    Rust,
    /// JavaScript, on QuickJS.
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    /// Python, on CPython.
    Python,
    /// C, with clang and wasi-libc.
    C,
}

impl Language {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::C];

    /// The file that its code begins in, by which a folder is known.
    #[must_use]
    pub fn main_file(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "extension.js",
            Self::Python => "extension.py",
            Self::C => "extension.c",
        }
    }

    /// The command, in the extension's folder, that fetches what builds it where that is kept in the folder.
    #[must_use]
    pub fn prepared_by(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::C => None,
            Self::JavaScript => Some("npm install"),
            Self::Python => {
                Some("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt")
            }
        }
    }

    /// What the code in a folder is written in.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|language| folder.join(language.main_file()).is_file())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        })
    }
}
