//! Requests of tools to a running server, over HTTP: how they are let in, and what kinds of failure there
//! are.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde_json::Value;
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, Uri, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{config::Place, secrets};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;

/// Tokens that are made here are for one request.
const TOKEN_MS: u64 = 300_000;

/// Tries of a request that gets nowhere, before it is given up: half a minute in all.
pub(crate) const TRIES: u32 = 10;

/// Pauses between them, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The pause before another try.
pub(crate) fn pause(tries: u32) -> Duration {
    let (first, most) = PAUSE;
    first.saturating_mul(1 << tries.min(10)).min(most)
}

/// By what a running server lets a tool in.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Access {
    /// File with an API key of the server, with the scope this takes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_file", "secret", "dev"])]
    key_file: Option<PathBuf>,
    /// File with a token whose `scope` has what this takes, such as `tidings:import`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret", "dev"])]
    token_file: Option<PathBuf>,
    /// File with the server's HS256 secret, to make such tokens with.
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    secret: Option<PathBuf>,
    /// The server is a demo or accepts development tokens.
    #[arg(long)]
    dev: bool,
    /// File with the certificates (PEM) to trust instead of the public authorities.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Access {
    /// Refuses what is said about a server where none is named.
    pub(crate) fn unused(&self) -> anyhow::Result<()> {
        let Access {
            key_file,
            token_file,
            secret,
            dev,
            ca,
        } = self;
        let given = [
            ("--key-file", key_file.is_some()),
            ("--token-file", token_file.is_some()),
            ("--secret", secret.is_some()),
            ("--dev", *dev),
            ("--ca", ca.is_some()),
        ];
        let given = given.iter().find(|(_, given)| *given);
        if let Some((flag, _)) = given {
            bail!("{flag} is for a running server: name it with --server");
        }
        Ok(())
    }

    /// What is shown to be let in for a scope, such as `tidings:import`. With nothing else said the
    /// configuration's first secret is used.
    fn pass(&self, scope: &'static str, place: &Place) -> anyhow::Result<Pass> {
        let signer = |signer: TokenSigner| Pass::Signer(Box::new(signer.with_scope(scope)));
        if let Some(path) = self.key_file.as_ref().or(self.token_file.as_ref()) {
            secrets::warn_if_exposed(path);
            return Ok(Pass::File(path.clone()));
        }
        if let Some(path) = &self.secret {
            return Ok(signer(secrets::signer_of(path)?));
        }
        if self.dev {
            return Ok(Pass::Development);
        }
        if place.config.is_some() {
            let auth = place.load()?.auth;
            secrets::check_auth(&auth)?;
            return match TokenSigner::of(&auth)? {
                Some(own) => Ok(signer(own)),
                None => bail!(
                    "the configuration has no secret to make a token with: use --key-file or --token-file"
                ),
            };
        }
        bail!(
            "nothing says who you are: give --key-file, --token-file, --secret or --config, or --dev for a demo"
        )
    }

    /// The server at a URL, asked as `who` where a token is made here.
    pub(crate) fn endpoint(
        &self,
        url: &str,
        who: &'static str,
        scope: &'static str,
        place: &Place,
    ) -> anyhow::Result<Endpoint> {
        Endpoint::new(url, who, self.pass(scope, place)?, self.ca.as_deref())
    }
}

/// Where a server is unless something else is said.
pub(crate) const URL: &str = "http://127.0.0.1:8080";

/// A running server.
#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// Where it is: http://HOST:PORT or https://HOST:PORT; without this as --config says, or otherwise
    /// http://127.0.0.1:8080.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    access: Access,
    /// The server's configuration file (TOML): where it listens, and its first secret if there is nothing else to
    /// be let in by.
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    config: Option<PathBuf>,
}

impl At {
    pub(crate) fn endpoint(
        &self,
        who: &'static str,
        scope: &'static str,
    ) -> anyhow::Result<Endpoint> {
        let place = Place {
            data: None,
            config: self.config.clone(),
        };
        let url = match (&self.server, &self.config) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => place.load()?.reached_at().with_context(|| {
                format!(
                    "{} says port = 0: name the server with --server",
                    file.display()
                )
            })?,
            (None, None) => URL.to_owned(),
        };
        self.access.endpoint(&url, who, scope, &place)
    }
}

/// What a tool shows to be let in.
pub(crate) enum Pass {
    /// A token or key in a file; read for each request, so that it can be renewed meanwhile.
    File(PathBuf),
    /// Tokens made here.
    Signer(Box<TokenSigner>),
    /// What a server for development accepts.
    Development,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nobody knows what became of the request.
    Lost(String),
    /// The server did not look at it, and may not for so long.
    Busy(String, Duration),
    /// It will not.
    Refused(String),
}

/// A server that is asked.
pub(crate) struct Endpoint {
    agent: Agent,
    url: String,
    who: &'static str,
    pass: Pass,
}

impl Endpoint {
    pub(crate) fn new(
        url: &str,
        who: &'static str,
        pass: Pass,
        ca: Option<&Path>,
    ) -> anyhow::Result<Endpoint> {
        let uri: Uri = url
            .parse()
            .with_context(|| format!("{url:?} is not the URL of a server"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("{url:?} is not the URL of a server: begin it with http:// or https://"),
        };
        let host = uri.host().unwrap_or_default();
        if !encrypted && !is_local(host) {
            tracing::warn!(
                "{url} is not encrypted: who listens gets the token and all that is sent"
            );
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = ca {
            tls = tls.root_certs(roots(path)?);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Where a token goes is said by whoever gives it.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TIMEOUT))
            .tls_config(tls.build())
            .build()
            .into();
        Ok(Endpoint {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            who,
            pass,
        })
    }

    /// Asks for what is at a path. Blocking.
    pub(crate) fn get(&self, path: &str) -> Result<Bytes, Failed> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let request = request.header(header::AUTHORIZATION, self.authorization()?);
        answer(request.call())
    }

    /// The same of what may only just be starting: tries until the server takes the request. Blocking.
    pub(crate) fn get_when_ready(&self, path: &str) -> anyhow::Result<Bytes> {
        let url = &self.url;
        let mut tries = 0;
        loop {
            match self.get(path) {
                Ok(body) => return Ok(body),
                // Up, and not ready yet.
                Err(Failed::Busy(why, after)) => {
                    tries += 1;
                    ensure!(tries < TRIES, "{url} is not ready: {why}");
                    std::thread::sleep(pause(tries).max(after));
                }
                Err(Failed::Lost(why)) => {
                    bail!("cannot reach {url}: {why}; does a server run there?")
                }
                Err(Failed::Refused(why)) => bail!("{url} refuses: {why}"),
            }
        }
    }

    /// Sends a body of a type to a path. With a key, sending it again changes nothing more. Blocking.
    pub(crate) fn post(
        &self,
        path: &str,
        content_type: &str,
        key: Option<&str>,
        body: &[u8],
    ) -> Result<Bytes, Failed> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, self.authorization()?)
            .header(header::CONTENT_TYPE, content_type);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request.send(body))
    }

    /// Puts an object of JSON at a path. Blocking.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Bytes, Failed> {
        let request = self
            .agent
            .put(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, self.authorization()?)
            .header(header::CONTENT_TYPE, "application/json");
        answer(request.send(body.to_string()))
    }

    /// Takes away what is at a path. Blocking.
    pub(crate) fn delete(&self, path: &str) -> Result<Bytes, Failed> {
        let request = self.agent.delete(format!("{}{path}", self.url));
        answer(
            request
                .header(header::AUTHORIZATION, self.authorization()?)
                .call(),
        )
    }

    fn authorization(&self) -> Result<String, Failed> {
        let token = match &self.pass {
            Pass::File(path) => fs::read_to_string(path)
                .map_err(|error| {
                    Failed::Refused(format!("cannot read {}: {error}", path.display()))
                })?
                .trim()
                .to_owned(),
            Pass::Signer(signer) => signer.sign(self.who, SystemClock.now_ms() + TOKEN_MS),
            Pass::Development => format!("dev:{}", self.who),
        };
        Ok(format!("Bearer {token}"))
    }
}

fn answer(answer: Result<Response<Body>, ureq::Error>) -> Result<Bytes, Failed> {
    let mut answer = answer.map_err(failed)?;
    let status = answer.status();
    let after = answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|after| after.to_str().ok()?.parse().ok())
        .map_or(Duration::ZERO, Duration::from_secs);
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES);
    let body = body.read_to_vec().map_err(failed)?;
    if status == StatusCode::OK {
        return Ok(body.into());
    }
    let said = String::from_utf8_lossy(&body);
    let line = said.lines().next().unwrap_or_default();
    let why = match message(&body) {
        Some(message) => message,
        None if status == StatusCode::NOT_FOUND => {
            format!("{status}: there is no Tidings here that can do this")
        }
        None if line.is_empty() => status.to_string(),
        None => format!("{status}: {line}"),
    };
    Err(match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Failed::Busy(why, after),
        // Of these proxies make some, when the server behind them is restarted.
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT => Failed::Lost(why),
        _ => Failed::Refused(why),
    })
}

/// What an error of the API says to people.
fn message(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    Some(problem.get("message")?.as_str()?.to_owned())
}

fn failed(error: ureq::Error) -> Failed {
    let why = error.to_string();
    match error {
        ureq::Error::BadUri(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Http(_)
        | ureq::Error::BodyExceedsLimit(_) => Failed::Refused(why),
        // A certificate that is not trusted comes wrapped in one of I/O.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Failed::Refused(why)
        }
        _ => Failed::Lost(why),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn roots(path: &Path) -> anyhow::Result<RootCerts> {
    let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        let item = item.with_context(|| format!("{} is not PEM", path.display()))?;
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
