//! Where a server is: `quic://host:port`, `ws://host:port` or `wss://host:port`.

use std::fmt;

use tokio_tungstenite::tungstenite::http::Uri;

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Raw QUIC: one stream opened by the client, frames preceded by their length.
    Quic,
    /// WebSocket without TLS, for loopback and behind a proxy.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

/// A server's address, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// How to talk to it.
    pub transport: Transport,
    /// Name or IP address, IPv6 without brackets: what the certificate is checked against.
    pub host: String,
    /// TCP or UDP port.
    pub port: u16,
    /// What precedes `/v1/ws` in the path; empty, or starts with a slash and ends without.
    pub prefix: String,
}

/// The text is no address this SDK can connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot connect to {text:?}: {reason}")]
pub struct AddressError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Address {
    /// Parses a URL. `http` and `https`, as `closing` frames may name them, mean the WebSocket there.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let error = |reason| AddressError {
            text: text.to_owned(),
            reason,
        };
        let uri: Uri = text.trim().parse().map_err(|_| error("not a URL"))?;
        let (transport, default_port) = match uri.scheme_str() {
            Some("quic") => (Transport::Quic, None),
            Some("ws" | "http") => (Transport::WebSocket, Some(80)),
            Some("wss" | "https") => (Transport::SecureWebSocket, Some(443)),
            Some(_) => return Err(error("the scheme is none of quic, ws and wss")),
            None => return Err(error("no scheme: begin with quic://, ws:// or wss://")),
        };
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(error("no host"));
        }
        // What stands there and is no port would be taken for none.
        let said = uri.authority().map_or("", |authority| authority.as_str());
        let end = said.rfind(']').unwrap_or_default();
        if uri.port_u16().is_none() && said[end..].contains(':') {
            return Err(error("the port is no number from 0 to 65535"));
        }
        let port = uri
            .port_u16()
            .or(default_port)
            .ok_or_else(|| error("no port"))?;
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Address {
            transport,
            host: host.to_owned(),
            port,
            prefix,
        })
    }

    /// Host and port as a URL writes them.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Quic => "quic",
            Transport::WebSocket => "ws",
            Transport::SecureWebSocket => "wss",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, transport, host, port) in [
            ("quic://127.0.0.1:4433", Transport::Quic, "127.0.0.1", 4433),
            ("quic://[::1]:4433", Transport::Quic, "::1", 4433),
            (
                "ws://localhost:8080",
                Transport::WebSocket,
                "localhost",
                8080,
            ),
            (
                "wss://chat.example.org:443/app",
                Transport::SecureWebSocket,
                "chat.example.org",
                443,
            ),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.transport, address.host.as_str(), address.port),
                (transport, host, port)
            );
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(Address::parse("wss://example.org/").unwrap().port, 443);
        assert_eq!(
            Address::parse("http://node-2:80").unwrap().transport,
            Transport::WebSocket
        );
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        for (text, reason) in [
            ("quic://host", "no port"),
            ("http://host:x", "the port is no number from 0 to 65535"),
            (
                "wss://[::1]:70000/app",
                "the port is no number from 0 to 65535",
            ),
            ("tcp://host:1", "the scheme is none of quic, ws and wss"),
            ("host:1", "no scheme: begin with quic://, ws:// or wss://"),
            ("", "not a URL"),
            ("ws://a b", "not a URL"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().reason, reason, "{text:?}");
        }
    }
}
