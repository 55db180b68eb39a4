//! Files that a configuration names.

use std::path::{Path, PathBuf};

use super::{Config, LogConfig};

impl Config {
    /// Files that nobody but the server is to read, beside those that it refuses when others may.
    pub(crate) fn private_files(&self) -> Vec<&Path> {
        let secrets = self.auth.secrets.iter().map(|secret| &secret.file);
        let mut files: Vec<_> = secrets.chain([&self.tls.key]).collect();
        if let LogConfig::JetStream(settings) = &self.log {
            files.extend(settings.private_files());
        }
        let keys = self.auth.api_keys.iter().map(|key| &key.file);
        let files = files.into_iter().flatten().chain(keys);
        files.map(PathBuf::as_path).collect()
    }
}
