//! Asks a server's monitoring address whether it syncs every write.
//!
//! Neither the connection nor the JetStream API tells. `HTTP/1.0` by hand, because one small answer
//! of a server that the operator has named needs no HTTP client.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer read, in bytes; a real one has about 3 KiB.
const MAX_ANSWER: u64 = 1024 * 1024;

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Varz {
    #[serde(default)]
    jetstream: JetStream,
}

#[derive(Default, Deserialize)]
struct JetStream {
    config: Option<Settings>,
}

/// A server's settings that bear on durability.
#[derive(Deserialize)]
pub(super) struct Settings {
    /// Whether a write is synced before it is acknowledged.
    #[serde(default)]
    pub(super) sync_always: bool,
    /// Otherwise how often, in nanoseconds.
    #[serde(default)]
    sync_interval: u64,
}

impl Settings {
    pub(super) fn sync_interval(&self) -> Duration {
        Duration::from_nanos(self.sync_interval)
    }
}

/// The settings of the server whose monitoring address is `url` (`http://host:port`).
pub(super) async fn settings(url: &str) -> Result<Settings, String> {
    let answer = tokio::time::timeout(TIMEOUT, get(url, "varz")).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))??;
    let varz: Varz =
        serde_json::from_slice(&answer).map_err(|e| format!("not an answer of /varz: {e}"))?;
    varz.jetstream
        .config
        .ok_or_else(|| "its server has JetStream off".to_owned())
}

/// One page of a monitoring address, if the server has it.
pub(super) async fn get(url: &str, page: &str) -> Result<Vec<u8>, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("only http:// addresses can be asked")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    let separator = if path.is_empty() { "" } else { "/" };

    let mut socket = TcpStream::connect(host).await.map_err(|e| e.to_string())?;
    let request = format!("GET /{path}{separator}{page} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    socket
        .write_all(request.as_bytes())
        .await
        .map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    socket
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .await
        .map_err(|e| e.to_string())?;

    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .ok_or("not an HTTP answer")?;
    let status = answer.split(|b| *b == b'\r').next().unwrap_or_default();
    if !status.starts_with(b"HTTP/1.") || !status.ends_with(b" 200 OK") {
        return Err(format!("it answered {:?}", String::from_utf8_lossy(status)));
    }
    Ok(answer.split_off(end + 4))
}
