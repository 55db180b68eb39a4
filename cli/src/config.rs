//! The configuration: a file, over it the environment, over it the flags.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer, de::Error as _};
use tidings_gateway::{Limits, auth::AuthConfig, tls::TlsConfig};

use crate::secrets::SecretsConfig;

mod jetstream;
mod paths;
mod public_url;

pub(crate) use jetstream::JetStreamConfig;

/// Everything a server can be told. Unknown keys are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of everything that is kept.
    pub(crate) data: PathBuf,
    /// Where to listen, TCP (HTTP, WebSocket) and UDP (QUIC) alike.
    pub(crate) address: IpAddr,
    /// The port; 0 lets the system choose.
    pub(crate) port: u16,
    /// Base URL at which clients reach this server, told to clients of the other servers on its log.
    #[serde(deserialize_with = "public_url::deserialize")]
    pub(crate) public_url: Option<String>,
    /// The certificate. QUIC always has one; see `tls_on_tcp`.
    pub(crate) tls: TlsConfig,
    /// Whether TCP is encrypted too. Behind a proxy that ends TLS it need not be.
    pub(crate) tls_on_tcp: bool,
    /// The log.
    pub(crate) log: LogConfig,
    /// Who may connect.
    pub(crate) auth: AuthConfig,
    /// Limits of connections.
    pub(crate) limits: Limits,
    /// Limits of the domain and pace of the writer.
    pub(crate) messages: MessagesConfig,
    /// The secrets that all servers of a log share.
    pub(crate) secrets: SecretsConfig,
    /// The file that said so.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("tidings-data"),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            public_url: None,
            tls: TlsConfig::default(),
            tls_on_tcp: false,
            log: LogConfig::default(),
            auth: AuthConfig::default(),
            limits: Limits::default(),
            messages: MessagesConfig::default(),
            secrets: SecretsConfig::default(),
            file: None,
        }
    }
}

/// Which log.
#[derive(Clone, Debug, Default)]
pub(crate) enum LogConfig {
    /// Files in the data folder.
    #[default]
    Embedded,
    /// NATS JetStream.
    JetStream(Box<JetStreamConfig>),
}

/// By hand, because a key that belongs to the other backend must not be ignored: a server would begin a
/// log of its own rather than take part in the one that is meant.
impl<'de> Deserialize<'de> for LogConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogConfig, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let backend = table.remove("backend");
        match backend.as_ref().map(|backend| backend.as_str()) {
            Some(Some("jetstream")) => {
                let settings = table.try_into().map_err(D::Error::custom)?;
                Ok(LogConfig::JetStream(Box::new(settings)))
            }
            None | Some(Some("embedded")) => match table.keys().next() {
                None => Ok(LogConfig::Embedded),
                Some(key) => Err(D::Error::custom(format!(
                    "log.{key} is set, and the backend is \"embedded\"{}, which has no settings: for a log \
                     on NATS JetStream set log.backend = \"jetstream\", for one in the data folder remove \
                     log.{key}",
                    if backend.is_some() {
                        ""
                    } else {
                        " if nothing is said"
                    },
                ))),
            },
            Some(_) => Err(D::Error::custom(format!(
                "log.backend is {}: it can be \"embedded\" or \"jetstream\"",
                backend.unwrap_or_else(|| "".into())
            ))),
        }
    }
}

/// Limits of messages and groups, and the writer's pace.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MessagesConfig {
    /// Longest message text, in bytes of UTF-8.
    pub(crate) text_bytes: usize,
    /// Most members of a group.
    pub(crate) group_members: u32,
    /// A busy writer commits at most once in so many milliseconds.
    pub(crate) commit_interval_ms: u64,
}

impl Default for MessagesConfig {
    fn default() -> MessagesConfig {
        let handler = tidings_core::handler::Config::default();
        MessagesConfig {
            text_bytes: handler.limits.text_bytes,
            group_members: handler.limits.group_members,
            commit_interval_ms: handler.commit_interval_ms,
        }
    }
}

/// The flags every command that concerns a server's data has.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// Folder of everything that is kept.
    #[arg(long, value_name = "DIR", env = "TIDINGS_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl Place {
    /// The configuration in force.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => read(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        let file = config.data.ancestors().find(|path| path.is_file());
        if let Some(file) = file {
            bail!(
                "{} is a file, and is to be {} that everything is kept in: choose another {}",
                file.display(),
                if file == config.data {
                    "the folder"
                } else {
                    "above the folder"
                },
                match self.data {
                    Some(_) => "--data",
                    None => "`data` in the configuration",
                },
            );
        }
        Ok(config)
    }
}

fn read(path: &Path) -> anyhow::Result<Config> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let invalid = || format!("{} is not a valid configuration", path.display());
    let mut config: Config = toml::from_str(&text).with_context(invalid)?;
    let said: toml::Table = toml::from_str(&text).with_context(invalid)?;
    config.file = Some(path.to_owned());
    let folder = path.parent().unwrap_or(Path::new(""));
    config.count_paths_from(folder);
    // Nobody who says nothing of it means a folder beside the file, which may be that of all
    // configurations.
    if said.contains_key("data") {
        config.data = folder.join(&config.data);
    }
    Ok(config)
}

impl Config {
    /// Where to listen.
    pub(crate) fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Where clients reach this server, which listens there: as configured, or the address itself where
    /// that is one. Empty where it is not known.
    pub(crate) fn url(&self, listens: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if listens.ip().is_unspecified() => String::new(),
            None if self.tls_on_tcp => format!("https://{listens}"),
            None => format!("http://{listens}"),
        }
    }

    /// The flags by which a tool finds the same place.
    pub(crate) fn flags(&self) -> String {
        let data = format!("--data {}", self.data.display());
        match &self.file {
            Some(file) => format!("{data} --config {}", file.display()),
            None => data,
        }
    }

    /// What to do about damaged projections.
    pub(crate) fn rebuild(&self) -> String {
        format!("run `tidings projections rebuild {}`", self.flags())
    }
}

#[cfg(test)]
mod tests;
