//! Requests to `/v1/import`, and what kinds of failure there are.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, Uri, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::import::deed::IMPORTER;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;

/// Tokens that are made here are for one request.
const TOKEN_MS: u64 = 300_000;

/// What an import shows to be let in.
pub(crate) enum Pass {
    /// A token in a file; read for each request, so that it can be renewed meanwhile.
    File(PathBuf),
    /// Tokens made here.
    Signer(Box<TokenSigner>),
    /// What a server for development accepts.
    Development,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nobody knows what became of the request.
    Lost(String),
    /// The server did not look at it, and may not for so long.
    Busy(String, Duration),
    /// It will not.
    Refused(String),
}

pub(super) struct Endpoint {
    agent: Agent,
    url: String,
    pass: Pass,
}

impl Endpoint {
    pub(super) fn new(url: &str, pass: Pass, ca: Option<&Path>) -> anyhow::Result<Endpoint> {
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
            tracing::warn!("{url} is not encrypted: who listens gets the token and every message");
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
        let url = format!("{}/v1/import", url.trim_end_matches('/'));
        Ok(Endpoint { agent, url, pass })
    }

    pub(super) fn get(&self) -> Result<Bytes, Failed> {
        let request = self.agent.get(&self.url);
        let request = request.header(header::AUTHORIZATION, self.authorization()?);
        answer(request.call())
    }

    pub(super) fn post(&self, body: &[u8]) -> Result<Bytes, Failed> {
        let request = self
            .agent
            .post(&self.url)
            .header(header::AUTHORIZATION, self.authorization()?)
            .header(header::CONTENT_TYPE, "application/x-protobuf");
        answer(request.send(body))
    }

    fn authorization(&self) -> Result<String, Failed> {
        let token = match &self.pass {
            Pass::File(path) => fs::read_to_string(path)
                .map_err(|error| {
                    Failed::Refused(format!("cannot read {}: {error}", path.display()))
                })?
                .trim()
                .to_owned(),
            Pass::Signer(signer) => signer.sign(IMPORTER, SystemClock.now_ms() + TOKEN_MS),
            Pass::Development => format!("dev:{IMPORTER}"),
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
    let said = said.lines().next().unwrap_or_default();
    let why = match status {
        StatusCode::NOT_FOUND => format!("{status}: there is no Tidings here that takes imports"),
        _ if said.is_empty() => status.to_string(),
        _ => format!("{status}: {said}"),
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
