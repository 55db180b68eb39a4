//! `[log]` with the backend `jetstream`: how the NATS servers are reached.

use std::{fmt, path::PathBuf};

use anyhow::bail;
use serde::{Deserialize, Serialize, Serializer};
use tidings_core::log::jetstream::{self, Auth, Tls};

use crate::secrets;

/// A log on NATS JetStream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JetStreamConfig {
    /// Addresses of servers.
    servers: Vec<String>,
    /// JetStream domain, when the servers are reached through a leaf node.
    domain: Option<String>,
    /// Begins the name of every stream and subject.
    prefix: String,
    /// Copies of each record: 1 or 3.
    replicas: usize,
    /// Shards of a new log: 1 for one replica and 64 for three, unless given.
    shards: Option<u16>,
    /// Monitoring addresses, asked whether the servers sync every write.
    monitor_urls: Vec<String>,
    /// A credentials file, as `nsc` makes it.
    credentials: Option<PathBuf>,
    /// A token.
    token: Option<Secret>,
    /// A file with the token.
    token_file: Option<PathBuf>,
    /// A user, who has a password.
    user: Option<String>,
    /// The user's password.
    password: Option<Secret>,
    /// A file with the password.
    password_file: Option<PathBuf>,
    /// Present, if empty: the connection must be encrypted.
    tls: Option<LogTls>,
}

/// Certificates for the connection, as PEM files.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct LogTls {
    /// Certificates to trust beside the system's.
    ca_file: Option<PathBuf>,
    /// Our own certificate, where the servers ask for one.
    certificate_file: Option<PathBuf>,
    /// Its key.
    key_file: Option<PathBuf>,
}

/// A text that is never shown.
#[derive(Clone, Deserialize)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl Default for JetStreamConfig {
    fn default() -> JetStreamConfig {
        let core = jetstream::Config::default();
        JetStreamConfig {
            servers: core.servers,
            domain: None,
            prefix: core.prefix,
            replicas: core.replicas,
            shards: None,
            monitor_urls: Vec::new(),
            credentials: None,
            token: None,
            token_file: None,
            user: None,
            password: None,
            password_file: None,
            tls: None,
        }
    }
}

impl JetStreamConfig {
    /// What the log connects with. Settings that exclude each other are refused.
    pub(crate) fn connection(&self) -> anyhow::Result<jetstream::Config> {
        Ok(jetstream::Config {
            servers: self.servers.clone(),
            auth: self.auth()?,
            tls: self.tls.as_ref().map(LogTls::tls).transpose()?,
            domain: self.domain.clone(),
            prefix: self.prefix.clone(),
            replicas: self.replicas,
            shards: self.shards,
            monitor_urls: self.monitor_urls.clone(),
            ..jetstream::Config::default()
        })
    }

    /// Files with secrets whose mode is not looked at when they are read.
    pub(super) fn private_files(&self) -> Vec<&Option<PathBuf>> {
        let key = self.tls.as_ref().map(|tls| &tls.key_file);
        [&self.credentials].into_iter().chain(key).collect()
    }

    fn auth(&self) -> anyhow::Result<Auth> {
        let token = one_of("token", &self.token, &self.token_file)?;
        let password = one_of("password", &self.password, &self.password_file)?;
        let ways = [
            ("credentials", self.credentials.is_some()),
            ("token", token.is_some()),
            ("user", self.user.is_some()),
        ];
        let mut given = ways.iter().filter(|(_, given)| *given);
        if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
            bail!("log.{first} and log.{second} exclude each other: set one");
        }
        match (&self.user, password) {
            (Some(name), Some(password)) => {
                return Ok(Auth::User {
                    name: name.clone(),
                    password,
                });
            }
            (Some(name), None) => {
                bail!("log.user is {name:?} without a password: set log.password_file")
            }
            (None, Some(_)) => bail!("log.password belongs to a user: set log.user"),
            (None, None) => {}
        }
        Ok(match (&self.credentials, token) {
            (Some(file), _) => Auth::Credentials(file.clone()),
            (None, Some(token)) => Auth::Token(token),
            (None, None) => Auth::None,
        })
    }
}

impl LogTls {
    fn tls(&self) -> anyhow::Result<Tls> {
        let certificate = match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => bail!("log.tls.certificate_file needs log.tls.key_file"),
            (None, Some(_)) => bail!("log.tls.key_file needs log.tls.certificate_file"),
        };
        Ok(Tls {
            roots: self.ca_file.clone(),
            certificate,
        })
    }
}

/// A secret that stands in the configuration or in a file of its own.
fn one_of(
    name: &str,
    given: &Option<Secret>,
    file: &Option<PathBuf>,
) -> anyhow::Result<Option<String>> {
    match (given, file) {
        (Some(_), Some(_)) => bail!("log.{name} and log.{name}_file exclude each other: set one"),
        (Some(Secret(text)), None) => Ok(Some(text.clone())),
        (None, Some(path)) => secrets::read_line(path).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;
    use crate::config::{Config, LogConfig};

    fn settings(lines: &str) -> JetStreamConfig {
        let text = format!("[log]\nbackend = \"jetstream\"\n{lines}");
        match toml::from_str::<Config>(&text).unwrap().log {
            LogConfig::JetStream(settings) => *settings,
            LogConfig::Embedded => panic!("it says jetstream"),
        }
    }

    fn connection(lines: &str) -> Result<jetstream::Config, String> {
        let connection = settings(lines).connection();
        connection.map_err(|error| format!("{error:#}"))
    }

    fn private(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn nothing_but_the_backend_is_enough() {
        let found = connection("").unwrap();
        assert_eq!(found.servers, ["nats://127.0.0.1:4222"]);
        assert!(matches!(found.auth, Auth::None));
        assert!(found.tls.is_none() && found.domain.is_none());
    }

    #[test]
    fn everything_reaches_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        private(&file, "correct horse\n", 0o600);
        let found = connection(&format!(
            "servers = [\"tls://a\"]\ndomain = \"hub\"\nuser = \"tidings\"\npassword_file = {file:?}\n\
             [log.tls]\nca_file = \"ca.pem\"\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\n"
        ))
        .unwrap();
        assert_eq!(
            (&found.servers[..], found.domain.as_deref()),
            (&["tls://a".to_owned()][..], Some("hub"))
        );
        let Auth::User { name, password } = found.auth else {
            panic!("a user is configured");
        };
        assert_eq!((&*name, &*password), ("tidings", "correct horse"));
        let tls = found.tls.unwrap();
        assert_eq!(tls.roots, Some("ca.pem".into()));
        assert_eq!(tls.certificate, Some(("c.pem".into(), "k.pem".into())));

        assert!(connection("[log.tls]\n").unwrap().tls.is_some());
        let token = connection(&format!("token_file = {file:?}")).unwrap().auth;
        assert!(matches!(token, Auth::Token(token) if token == "correct horse"));
    }

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        let cases = [
            (
                "token = \"a\"\nuser = \"b\"\npassword = \"c\"",
                "log.token and log.user exclude each other: set one",
            ),
            (
                "credentials = \"a\"\nuser = \"b\"\npassword = \"c\"",
                "log.credentials and log.user exclude each other: set one",
            ),
            (
                "credentials = \"a\"\ntoken = \"b\"",
                "log.credentials and log.token exclude each other: set one",
            ),
            (
                "token = \"a\"\ntoken_file = \"b\"",
                "log.token and log.token_file exclude each other: set one",
            ),
            (
                "user = \"a\"\npassword = \"b\"\npassword_file = \"c\"",
                "log.password and log.password_file exclude each other: set one",
            ),
            (
                "user = \"a\"",
                "log.user is \"a\" without a password: set log.password_file",
            ),
            (
                "password = \"a\"",
                "log.password belongs to a user: set log.user",
            ),
            (
                "[log.tls]\ncertificate_file = \"a\"",
                "log.tls.certificate_file needs log.tls.key_file",
            ),
            (
                "[log.tls]\nkey_file = \"a\"",
                "log.tls.key_file needs log.tls.certificate_file",
            ),
        ];
        for (lines, sentence) in cases {
            assert_eq!(
                connection(lines).err().as_deref(),
                Some(sentence),
                "{lines}"
            );
        }
    }

    #[test]
    fn files_of_secrets_are_there_private_and_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let refusal = || connection(&format!("token_file = {file:?}")).err().unwrap();
        assert!(refusal().starts_with(&format!("cannot read {}: No such file", file.display())));
        private(&file, "secret\n", 0o644);
        assert!(refusal().ends_with("its mode is 644: make it 600"));
        for text in ["", "\n", "two\nlines\n"] {
            private(&file, text, 0o600);
            assert!(refusal().ends_with("is to hold one line"), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", settings("token = \"t0ken\"\npassword = \"pa55\""));
        assert!(
            !shown.contains("t0ken") && !shown.contains("pa55"),
            "{shown}"
        );
    }
}
