//! `tidings serve`, `tidings demo` and `tidings config`.

use std::{
    fmt,
    io::{self, Write as _},
    net::IpAddr,
};

use anyhow::{Context as _, ensure};
use tidings_gateway::{http::Development, server::Server};

use crate::{
    config::{Config, Flag, LogFormat, Place},
    demo,
    say::say,
    server::{self, check},
};

/// Runs a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: Settings,
}

/// Prints the configuration in force: each key, its value, and who said so. Nothing is started; what `tidings
/// serve` would refuse is an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    settings: Settings,
    /// An object of JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// What a server can be told in flags.
#[derive(Debug, clap::Args)]
struct Settings {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listen: Listen,
    /// Accept tokens `dev:USER` from anyone who reaches the port. Never in production.
    #[arg(long)]
    development_tokens: bool,
}

/// Shows the product: demo users and conversations, and a page to chat on. Whoever reaches it can be anyone:
/// it accepts tokens `dev:USER`, and is for this machine unless told otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Folder to keep everything in; a temporary one, removed at the end, if not given.
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listen: Listen,
    /// Listen where others can reach it, too (`--address`), though each of them can then be anyone, read
    /// everything and write in anyone's name.
    #[arg(long)]
    allow_anyone: bool,
    /// Leave the standard extensions (toasts, badges, moderation) out. In a folder where they act already they go on.
    #[arg(long)]
    no_extensions: bool,
}

#[derive(Debug, clap::Args)]
struct Listen {
    /// Address to listen on.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Port for TCP (HTTP, WebSocket) and UDP (QUIC); 0 lets the system choose.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// How what is logged is written, to stderr.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Listen {
    fn flags(&self) -> Vec<Flag> {
        let address = self.address.map(|address| Flag {
            name: "--address",
            path: "address",
            value: address.to_string().into(),
        });
        let port = self.port.map(|port| Flag {
            name: "--port",
            path: "port",
            value: i64::from(port).into(),
        });
        let log_format = self.log_format.map(|format| Flag {
            name: "--log-format",
            path: "log_format",
            value: match format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }
            .into(),
        });
        [address, port, log_format].into_iter().flatten().collect()
    }
}

impl Settings {
    fn load(&self) -> anyhow::Result<Config> {
        let mut flags = self.listen.flags();
        if self.development_tokens {
            flags.push(Flag {
                name: "--development-tokens",
                path: "auth.development",
                value: true.into(),
            });
        }
        self.place.load_with(flags)
    }
}

impl Show {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let config = self.settings.load()?;
        let shown = config.shown()?;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&shown)?);
        } else {
            for (path, key) in &shown {
                say!("{}", key.line(path));
            }
        }
        // Whoever is told what is wrong also sees who said so.
        check::without_starting(&config)?;
        check::certificate(&config)?;
        Ok(true)
    }
}

impl Serve {
    /// What the server is told.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        self.settings.load()
    }

    /// Runs until SIGINT or SIGTERM.
    pub(crate) async fn run(self, config: Config) -> anyhow::Result<()> {
        let development = config.auth.development.then(Development::default);
        if config.auth.development {
            tracing::warn!(
                "development tokens are accepted: anyone who reaches the port can be anyone"
            );
        }
        let server = server::start(&config, development).await?;
        announce(&server);
        server::asked_to_stop().await?;
        tracing::info!("stopping: clients are told when to come back");
        server.stop().await;
        Ok(())
    }
}

impl Demo {
    /// What the server is told.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let config = self.place.load_with(self.listen.flags())?;
        ensure!(
            self.allow_anyone || config.address.is_loopback(),
            "a demo takes anyone for whoever they say they are, and {} ({}) is where others reach it: leave it at \
             127.0.0.1, or add --allow-anyone if each of them may read and write everything here",
            config.address,
            config.origins.of("address"),
        );
        Ok(config)
    }

    /// Runs until SIGINT or SIGTERM.
    pub(crate) async fn run(self, mut config: Config) -> anyhow::Result<()> {
        let temporary = match (&self.place.data, &self.place.config) {
            (None, None) => Some(tempfile::tempdir().context("cannot make a temporary folder")?),
            _ => None,
        };
        if let Some(folder) = &temporary {
            config.data = folder.path().to_owned();
        }
        config.auth.development = true;
        if !config.address.is_loopback() {
            tracing::warn!(
                "ANYONE who reaches {} can be ANY user, read everything and write in anyone's name: end this \
                 demo when it is over, and keep nothing of value in {}",
                config.address,
                config.data.display()
            );
        }
        let development = Development {
            users: demo::users(),
            product: Some(demo::product::PRODUCT),
        };
        if config.search.attributes.is_empty() {
            config.search.attributes = demo::people::attributes()?;
        }
        let server = server::start(&config, Some(development)).await?;
        demo::fill(&server.node).await?;
        demo::people::fill(&server.node, server.gateway.search.attributes()).await?;
        // After what they are not to look at: nobody is told of a demo's past.
        if !self.no_extensions {
            demo::extensions::activate(&server.gateway.extensions).await?;
        }
        announce(&server);
        tell(format_args!(
            "{}",
            demo::invitation(config.tls_on_tcp, server.http)
        ));
        server::asked_to_stop().await?;
        server.stop().await;
        Ok(())
    }
}

/// Says where the server is, in a line that scripts read.
fn announce(server: &Server) {
    let digits = server.certificate_sha256.iter();
    let sha256: String = digits.map(|byte| format!("{byte:02x}")).collect();
    tell(format_args!(
        "listening http={} quic={} certificate-sha256={sha256}",
        server.http, server.quic
    ));
}

/// Prints a line. A server goes on where nobody reads it.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
