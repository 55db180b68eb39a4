//! `tidings ext new`: a folder that builds, with an example for each hook and cases that it passes.

mod template;

use std::path::{Path, PathBuf};
use std::{fs, io};

use tidings_extension_host::Hook;

use crate::language::Language;
use crate::wit;

/// Makes the folder of a new extension.
#[derive(Debug, Clone, clap::Args)]
pub struct New {
    /// Its name: small letters, digits and `-`, each word beginning with a letter.
    pub name: String,
    /// At which hooks it is called: moderation, reactor, presence-watcher, recall, timer, command, ranker.
    #[arg(long = "hook", value_delimiter = ',', required = true, value_parser = hook, value_name = "HOOKS")]
    pub hooks: Vec<Hook>,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust, value_name = "LANGUAGE")]
    pub lang: Language,
    /// Where the folder is made; NAME here if not said otherwise.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
}

fn hook(name: &str) -> Result<Hook, String> {
    Hook::named(name).ok_or_else(|| {
        let all = Hook::ALL.map(Hook::name).join(", ");
        format!("there is no such hook: there are {all}")
    })
}

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is none.
    #[error("`{name}` cannot be a name: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: String,
    },
    /// Something is there already, and stays.
    #[error("{} is there already: choose another name, or another place with --into", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written: {why}", .file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// What was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The folder.
    pub folder: PathBuf,
    /// Its files, by their paths within it.
    pub files: Vec<String>,
}

impl New {
    /// Makes the folder. What is there already is never written over.
    ///
    /// # Errors
    ///
    /// When the name is none, the folder is there already, or cannot be written.
    pub fn run(&self) -> Result<Made, NewError> {
        let files = self.files()?;
        let folder = self
            .into
            .clone()
            .unwrap_or_else(|| PathBuf::from(&self.name));
        if folder.exists() {
            return Err(NewError::Exists(folder));
        }
        for (name, text) in &files {
            let file = folder.join(name);
            write(&file, text).map_err(|why| NewError::Write { file, why })?;
        }
        Ok(Made {
            folder,
            files: files.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// What goes into the folder.
    pub(crate) fn files(&self) -> Result<Vec<(String, String)>, NewError> {
        // In one order and each once, however they were named.
        let named = |hook: &Hook| self.hooks.contains(hook);
        let hooks: Vec<Hook> = Hook::ALL.into_iter().filter(named).collect();
        let world = wit::world(&self.name, &hooks);
        self.check_name(&world)?;
        let mut files = template::files(&self.name, self.lang, &hooks);
        files.push(("wit/world.wit".to_owned(), world));
        for (name, text) in wit::FILES {
            files.push((format!("wit/{}/{name}", wit::FOLDER), (*text).to_owned()));
        }
        Ok(files)
    }

    fn check_name(&self, world: &str) -> Result<(), NewError> {
        let refused = |why: &str| NewError::Name {
            name: self.name.clone(),
            why: why.to_owned(),
        };
        let word = |word: &str| {
            word.starts_with(|letter: char| letter.is_ascii_lowercase())
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if self.name.len() > 64 || !self.name.split('-').all(word) {
            return Err(refused(
                "use small letters, digits and `-`, each word beginning with a letter, 64 at most",
            ));
        }
        // Whatever means something in WIT cannot name a world.
        wit_parser::UnresolvedPackageGroup::parse("world.wit", world)
            .map(|_| ())
            .map_err(|_| {
                refused("it means something else in WIT, as `record` does; add a word to it")
            })
    }
}

/// Never over what is there.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(file)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_extension_manifest::Manifest;

    fn new(name: &str, hooks: &[Hook], lang: Language) -> New {
        New {
            name: name.to_owned(),
            hooks: hooks.to_vec(),
            lang,
            into: None,
        }
    }

    fn text<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
        let found = files.iter().find(|(file, _)| file == name);
        &found.expect("the file is there").1
    }

    #[test]
    fn every_choice_of_hooks_has_a_manifest_that_names_them() {
        for language in Language::ALL {
            for bits in 1_u32..1 << Hook::ALL.len() {
                let chosen = |(index, _): &(usize, Hook)| bits & 1 << index != 0;
                let hooks = Hook::ALL.into_iter().enumerate().filter(chosen);
                let hooks: Vec<Hook> = hooks.map(|(_, hook)| hook).collect();
                let files = new("my-rule", &hooks, language).files().expect("a name");
                let manifest = Manifest::parse_toml(text(&files, "extension.toml"))
                    .unwrap_or_else(|error| panic!("{hooks:?}: {error}"));
                let named: Vec<&str> = hooks.iter().map(|hook| hook.name()).collect();
                assert_eq!(manifest.hooks(), named);
                assert!(!text(&files, language.main_file()).contains("USES"));
                for hook in &named {
                    text(&files, &format!("tests/{hook}.toml"));
                }
            }
        }
    }

    #[test]
    fn a_name_that_means_something_else_is_refused() {
        for name in ["", "A", "a_b", "1a", "a--b", "record", "a-1", "-a"] {
            let said = new(name, &[Hook::Timer], Language::C).files();
            assert!(matches!(said, Err(NewError::Name { .. })), "{name}");
        }
        for name in ["a", "word-filter", "b2-c3"] {
            assert!(
                new(name, &[Hook::Timer], Language::C).files().is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_there_stays() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("rule");
        let new = New {
            into: Some(folder.clone()),
            ..new("rule", &[Hook::Moderation, Hook::Timer], Language::Rust)
        };
        let made = new.run().expect("there is nothing yet");
        assert!(made.files.iter().all(|file| folder.join(file).is_file()));
        let before = fs::read_to_string(folder.join("extension.toml")).expect("a file");
        assert!(matches!(new.run(), Err(NewError::Exists(_))));
        let after = fs::read_to_string(folder.join("extension.toml")).expect("a file");
        assert_eq!(before, after);
    }
}
