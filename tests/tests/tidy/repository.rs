//! The files of the repository, as the checks see them.

use std::fs;
use std::path::{Path, PathBuf};

/// One file: its path from the root with forward slashes, and its text unless it is binary.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: Option<String>,
}

pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<File>,
    ignored: Vec<String>,
}

impl Repository {
    pub(crate) fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the tests crate lies in the repository")
            .to_owned();
        let gitignore =
            fs::read_to_string(root.join(".gitignore")).expect(".gitignore is readable");
        let mut repository = Self {
            root,
            files: Vec::new(),
            ignored: ignored_names(&gitignore),
        };
        let root = repository.root.clone();
        repository.walk(&root);
        repository.files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(
            repository.text("Cargo.toml").is_some(),
            "walked {} and found no Cargo.toml",
            repository.root.display()
        );
        repository
    }

    /// The files whose path ends so, and that are text.
    pub(crate) fn texts(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(ending))
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)?
            .text
            .as_deref()
    }

    /// Whether this name is one of build output or local data, which a fresh clone doesn't have.
    pub(crate) fn is_ignored(&self, name: &str) -> bool {
        name == ".git" || self.ignored.iter().any(|ignored| ignored == name)
    }

    fn walk(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder of the repository is readable") {
            let path = entry.expect("an entry is readable").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if self.is_ignored(&name) {
                continue;
            }
            if path.is_dir() {
                self.walk(&path);
                continue;
            }
            // A file that went away since the listing is none of ours.
            let Ok(bytes) = fs::read(&path) else { continue };
            let relative = path.strip_prefix(&self.root).expect("walked from the root");
            self.files.push(File {
                path: relative.to_string_lossy().replace('\\', "/"),
                text: String::from_utf8(bytes).ok(),
            });
        }
    }
}

/// `.gitignore` holds plain names only, so that this is all it takes to read it.
fn ignored_names(gitignore: &str) -> Vec<String> {
    let names: Vec<String> = gitignore
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    for name in &names {
        assert!(
            !name.contains(['/', '*', '!', '[']),
            "`{name}` in .gitignore is no plain name"
        );
    }
    names
}

#[test]
fn ignored_names_skip_comments() {
    assert_eq!(
        ignored_names("# why\ntarget\n\nnode_modules\n"),
        ["target", "node_modules"]
    );
}

#[test]
#[should_panic(expected = "no plain name")]
fn a_pattern_in_gitignore_is_refused() {
    ignored_names("*.log\n");
}
