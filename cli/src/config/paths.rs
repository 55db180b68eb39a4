//! Paths in a configuration file: relative ones count from the folder the file is in, so that a server
//! finds the same files wherever it is started from.

use std::path::{Path, PathBuf};

use super::{Config, LogConfig};

impl Config {
    /// Makes every relative path one from `folder`, save that of the data, which has a default.
    pub(super) fn count_paths_from(&mut self, folder: &Path) {
        let secrets = &mut self.secrets;
        let mut files = vec![
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut secrets.operator_key_file,
            &mut secrets.ids_secret_file,
        ];
        files.extend(self.auth.secrets.iter_mut().map(|secret| &mut secret.file));
        files.extend(self.auth.jwks.iter_mut().map(|jwks| &mut jwks.file));
        if let LogConfig::JetStream(settings) = &mut self.log {
            files.extend(settings.files());
        }
        for path in files.into_iter().flatten() {
            // An absolute path stays as it is.
            *path = folder.join(&*path);
        }
    }

    /// Files that nobody but the server is to read, beside those that it refuses when others may.
    pub(crate) fn private_files(&self) -> Vec<&Path> {
        let secrets = self.auth.secrets.iter().map(|secret| &secret.file);
        let mut files: Vec<_> = secrets.chain([&self.tls.key]).collect();
        if let LogConfig::JetStream(settings) = &self.log {
            files.extend(settings.private_files());
        }
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}
