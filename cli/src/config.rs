//! The configuration: a file, over it the environment, over it the flags.
//!
//! What the keys are is said here, by structs; [`layers`] puts the three together, [`keys`] asks the
//! structs what keys there are, and [`show`] prints what is in force and who said so.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tidings_core::presence;
use tidings_gateway::{Limits, auth::AuthConfig, forwarded::Networks, search, tls::TlsConfig};

use crate::secrets::SecretsConfig;

mod jetstream;
mod keys;
mod layers;
pub(crate) mod limits;
mod origin;
mod paths;
mod public_url;
pub(crate) mod show;

pub(crate) use jetstream::JetStreamConfig;
pub(crate) use layers::Flag;
pub(crate) use origin::{Origin, Origins};

/// Everything a server can be told. Unknown keys are errors.
#[derive(Clone, Debug, Deserialize, Serialize)]
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
    /// Proxies that are believed when they say in `X-Forwarded-For` where a request comes from.
    pub(crate) trusted_proxies: Networks,
    /// How a server's own log of what it does is written, to stderr.
    pub(crate) log_format: LogFormat,
    /// The log.
    pub(crate) log: LogConfig,
    /// Who may connect.
    pub(crate) auth: AuthConfig,
    /// Limits of connections.
    pub(crate) limits: Limits,
    /// Limits of the domain and pace of the writer.
    pub(crate) messages: MessagesConfig,
    /// Who counts as here.
    pub(crate) presence: presence::Config,
    /// Search of people.
    pub(crate) search: search::Config,
    /// Extensions.
    pub(crate) extensions: tidings_extensions::Config,
    /// The secrets that all servers of a log share.
    pub(crate) secrets: SecretsConfig,
    /// The file that said so.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
    /// Who said what.
    #[serde(skip)]
    pub(crate) origins: Origins,
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
            trusted_proxies: Networks::default(),
            log_format: LogFormat::default(),
            log: LogConfig::default(),
            auth: AuthConfig::default(),
            limits: Limits::default(),
            messages: MessagesConfig::default(),
            presence: presence::Config::default(),
            search: search::Config::default(),
            extensions: tidings_extensions::Config::default(),
            secrets: SecretsConfig::default(),
            file: None,
            origins: Origins::default(),
        }
    }
}

/// How what is logged is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object of JSON a line, for programs.
    Json,
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

/// What is wrong with `[log]`.
struct WrongLog {
    /// The key, such as `log.replicas`.
    path: String,
    message: String,
}

impl LogConfig {
    /// By hand, because a key that belongs to the other backend must not be ignored: a server would begin
    /// a log of its own rather than take part in the one that is meant.
    fn of(mut table: toml::Table) -> Result<LogConfig, WrongLog> {
        let wrong = |path: String, message: String| Err(WrongLog { path, message });
        let backend = table.remove("backend");
        match backend.as_ref().map(|backend| backend.as_str()) {
            Some(Some("jetstream")) => {
                let settings = serde_path_to_error::deserialize(toml::Value::Table(table));
                settings
                    .map(|settings| LogConfig::JetStream(Box::new(settings)))
                    .map_err(|error| WrongLog {
                        path: format!("log.{}", error.path()),
                        message: error.inner().message().to_owned(),
                    })
            }
            None | Some(Some("embedded")) => match table.keys().next() {
                None => Ok(LogConfig::Embedded),
                Some(key) => {
                    let message = format!(
                        "log.{key} is set, and the backend is \"embedded\"{}, which has no settings: for a \
                         log on NATS JetStream set log.backend = \"jetstream\", for one in the data folder \
                         remove log.{key}",
                        match backend {
                            Some(_) => "",
                            None => " if nothing is said",
                        },
                    );
                    wrong(format!("log.{key}"), message)
                }
            },
            Some(_) => {
                let backend = backend.unwrap_or_else(|| "".into());
                let message =
                    format!("log.backend is {backend}: it can be \"embedded\" or \"jetstream\"");
                wrong("log.backend".to_owned(), message)
            }
        }
    }
}

impl<'de> Deserialize<'de> for LogConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogConfig, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        LogConfig::of(table).map_err(|wrong| D::Error::custom(wrong.message))
    }
}

impl Serialize for LogConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "backend", rename_all = "lowercase")]
        enum Shown<'a> {
            Embedded,
            JetStream(&'a JetStreamConfig),
        }
        let shown = match self {
            LogConfig::Embedded => Shown::Embedded,
            LogConfig::JetStream(settings) => Shown::JetStream(settings),
        };
        shown.serialize(serializer)
    }
}

/// Limits of messages and groups, and the writer's pace.
#[derive(Clone, Debug, Deserialize, Serialize)]
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
        self.load_with(Vec::new())
    }

    /// The same with what other flags say.
    pub(crate) fn load_with(&self, mut flags: Vec<Flag>) -> anyhow::Result<Config> {
        if let Some(data) = self.data_by_flag() {
            let data = data.to_str();
            let data = data.with_context(|| format!("--data {data:?} is not UTF-8"))?;
            flags.push(Flag {
                name: "--data",
                path: "data",
                value: data.into(),
            });
        }
        let mut config = layers::load(self.config.as_deref(), std::env::vars_os(), flags)?;
        limits::check(&config)?;
        config.limits.trusted_proxies = config.trusted_proxies.clone();
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
                match config.origins.of("data") {
                    Origin::Flag(name) => name,
                    Origin::Environment(_) => "TIDINGS_DATA",
                    Origin::Default | Origin::File(..) => "`data` in the configuration",
                },
            );
        }
        Ok(config)
    }

    /// What `--data` says; the variable is a layer of its own.
    fn data_by_flag(&self) -> Option<&Path> {
        let variable = std::env::var_os("TIDINGS_DATA");
        let data = self.data.as_deref()?;
        (variable.as_deref() != Some(data.as_os_str())).then_some(data)
    }
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

    /// Where a tool on the same machine reaches this server; nothing where the system has chosen the port. It
    /// shows what it is let in by, so that only a server with TLS is asked by its public name, for which its
    /// certificate is.
    pub(crate) fn reached_at(&self) -> Option<String> {
        if self.tls_on_tcp && self.public_url.is_some() {
            return Some(self.url(self.listen()));
        }
        let mut listens = self.listen();
        if listens.ip().is_unspecified() {
            listens.set_ip(match listens {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        let scheme = if self.tls_on_tcp { "https" } else { "http" };
        (self.port != 0).then(|| format!("{scheme}://{listens}"))
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
