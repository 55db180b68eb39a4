//! `tidings serve` and `tidings demo`.

use std::{
    fmt,
    io::{self, Write as _},
    net::IpAddr,
};

use anyhow::Context as _;
use tidings_gateway::http::Development;

use crate::{
    config::{Config, Place},
    demo,
    server::{self, Server},
};

/// Runs a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listen: Listen,
    /// Accept tokens `dev:USER` from anyone who reaches the port. Never in production.
    #[arg(long, env = "TIDINGS_DEVELOPMENT_TOKENS")]
    development_tokens: bool,
}

/// Shows the product: demo users and conversations, and a page to chat on.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Folder to keep everything in; a temporary one, removed at the end, if not given.
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listen: Listen,
}

#[derive(Debug, clap::Args)]
struct Listen {
    /// Address to listen on.
    #[arg(long, value_name = "IP", env = "TIDINGS_ADDRESS")]
    address: Option<IpAddr>,
    /// Port for TCP (HTTP, WebSocket) and UDP (QUIC); 0 lets the system choose.
    #[arg(long, value_name = "N", env = "TIDINGS_PORT")]
    port: Option<u16>,
}

impl Listen {
    fn apply(&self, config: &mut Config) {
        config.address = self.address.unwrap_or(config.address);
        config.port = self.port.unwrap_or(config.port);
    }
}

impl Serve {
    /// Runs until SIGINT or SIGTERM.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut config = self.place.load()?;
        self.listen.apply(&mut config);
        config.auth.development |= self.development_tokens;
        let development = config.auth.development.then(Development::default);
        if config.auth.development {
            tracing::warn!(
                "development tokens are accepted: anyone who reaches the port can be anyone"
            );
        }
        let server = Server::start(&config, development).await?;
        announce(&server);
        server::asked_to_stop().await?;
        tracing::info!("stopping: clients are told when to come back");
        server.stop().await;
        Ok(())
    }
}

impl Demo {
    /// Runs until SIGINT or SIGTERM.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut config = self.place.load()?;
        self.listen.apply(&mut config);
        let temporary = match (&self.place.data, &self.place.config) {
            (None, None) => Some(tempfile::tempdir().context("cannot make a temporary folder")?),
            _ => None,
        };
        if let Some(folder) = &temporary {
            config.data = folder.path().to_owned();
        }
        config.auth.development = true;
        let development = Development {
            users: demo::users(),
        };
        let server = Server::start(&config, Some(development)).await?;
        demo::fill(&server.node).await?;
        announce(&server);
        let page = format!(
            "http{}://{}/",
            if config.tls_on_tcp { "s" } else { "" },
            server.http
        );
        tell(format_args!(
            "open {page} in a browser: two people side by side, chatting"
        ));
        server::asked_to_stop().await?;
        server.stop().await;
        Ok(())
    }
}

/// Says where the server is, in a line that scripts read.
fn announce(server: &Server) {
    tell(format_args!(
        "listening http={} quic={} certificate-sha256={}",
        server.http, server.quic, server.certificate
    ));
}

/// Prints a line. A server goes on where nobody reads it.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
