//! From a request to a WebSocket: RFC 6455, section 4.2.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::socket::Socket;
use crate::{
    api::{Repeated, only},
    transport::tcp::Stream,
};

/// What the protocol adds to a client's key before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Its version.
const VERSION: &str = "13";

/// A request to go on as a WebSocket.
pub(crate) struct Upgrade {
    /// The answer to the client's key.
    accept: String,
    /// Subprotocols the client offers.
    offered: String,
    connection: OnUpgrade,
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// Another method.
    #[error("a WebSocket begins with GET")]
    Method,
    /// No wish to become one.
    #[error(
        "this is a WebSocket endpoint: connect with a WebSocket client (`Connection: upgrade`, `Upgrade: websocket`)"
    )]
    NotAsked,
    /// Of another version.
    #[error("WebSocket version {VERSION} is spoken here")]
    Version,
    /// Without a key, or with one that is none.
    #[error("`Sec-WebSocket-Key` is to be 16 bytes in base64")]
    Key,
    /// With a header twice that may be there once (section 11.3).
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// Something between has taken the connection's place.
    #[error("this connection cannot become a WebSocket")]
    Connection,
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        let status = match self {
            UpgradeError::Method => StatusCode::METHOD_NOT_ALLOWED,
            UpgradeError::NotAsked | UpgradeError::Version => StatusCode::UPGRADE_REQUIRED,
            UpgradeError::Key | UpgradeError::Repeated(_) | UpgradeError::Connection => {
                StatusCode::BAD_REQUEST
            }
        };
        let version = [
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, VERSION),
        ];
        (status, version, format!("{self}\n")).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = UpgradeError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Upgrade, UpgradeError> {
        let headers = &parts.headers;
        if parts.method != Method::GET {
            return Err(UpgradeError::Method);
        }
        if !names(headers, header::CONNECTION, "upgrade")
            || !names(headers, header::UPGRADE, "websocket")
        {
            return Err(UpgradeError::NotAsked);
        }
        let version = only(headers, "Sec-WebSocket-Version")?;
        if version.is_none_or(|version| version != VERSION) {
            return Err(UpgradeError::Version);
        }
        let key = only(headers, "Sec-WebSocket-Key")?.ok_or(UpgradeError::Key)?;
        if BASE64.decode(key).map_or(0, |key| key.len()) != 16 {
            return Err(UpgradeError::Key);
        }
        let accept = accept(key.as_bytes());
        let offered: Vec<&str> = list(headers, header::SEC_WEBSOCKET_PROTOCOL).collect();
        let offered = offered.join(",");
        let connection = parts.extensions.remove();
        Ok(Upgrade {
            accept,
            offered,
            connection: connection.ok_or(UpgradeError::Connection)?,
        })
    }
}

impl Upgrade {
    /// The first of these subprotocols that the client offers.
    pub(super) fn choose(&self, protocols: &[&'static str]) -> Option<&'static str> {
        let offers = |protocol: &&str| self.offered.split(',').any(|offered| offered == *protocol);
        protocols.iter().copied().find(offers)
    }

    /// Answers, and once the answer has left serves the WebSocket, whose messages have at most `limit` bytes.
    pub(super) fn serve<F: Future<Output = ()> + Send + 'static>(
        self,
        protocol: Option<&'static str>,
        limit: usize,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        let connection = self.connection;
        tokio::spawn(async move {
            let socket = match connection.await {
                Ok(upgraded) => match upgraded.downcast::<TokioIo<Stream>>() {
                    Ok(parts) => Socket::new(parts.io.into_inner(), &parts.read_buf, limit),
                    Err(_) => unreachable!("HTTP is served over such streams only"),
                },
                Err(error) => {
                    tracing::debug!(%error, "a connection ended before it was a WebSocket");
                    return;
                }
            };
            serve(socket).await;
        });
        let mut response = (
            StatusCode::SWITCHING_PROTOCOLS,
            [
                (header::CONNECTION, "upgrade"),
                (header::UPGRADE, "websocket"),
            ],
            [(header::SEC_WEBSOCKET_ACCEPT, self.accept)],
        )
            .into_response();
        if let Some(protocol) = protocol {
            let protocol = HeaderValue::from_static(protocol);
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

fn accept(key: &[u8]) -> String {
    // Not for secrecy: it shows that whoever answers has understood the request.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    BASE64.encode(hash)
}

/// The parts of a header that is a list.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
}

fn names(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    list(headers, name).any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn a_key_is_answered() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn lists_may_be_in_pieces() {
        let mut headers = HeaderMap::new();
        for value in ["keep-alive, Upgrade", "other"] {
            headers.append(header::CONNECTION, HeaderValue::from_static(value));
        }
        assert!(names(&headers, header::CONNECTION, "upgrade"));
        assert!(names(&headers, header::CONNECTION, "OTHER"));
        assert!(!names(&headers, header::CONNECTION, "keep"));
    }
}
