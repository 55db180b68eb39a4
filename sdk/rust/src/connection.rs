//! One connection, as it is: no reconnecting, no outbox. Tools and tests of misbehaviour use it
//! directly; [`Client`](crate::Client) is built on it.

mod quic;
mod websocket;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_protocol::{ClientFrame, CloseCode, Encoding, ServerFrame, version};
use tokio::net::lookup_host;

use crate::{Address, Tls, Transport, tls::TlsError};

/// Longest frame accepted from a server: far above what a window of 100 conversations needs.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Makes connections that share an encoding, TLS settings and (for QUIC) UDP sockets.
pub struct Connector {
    encoding: Encoding,
    websocket_tls: Arc<rustls::ClientConfig>,
    quic: quinn::ClientConfig,
    /// One endpoint per address family, bound on first use.
    endpoints: Mutex<[Option<quinn::Endpoint>; 2]>,
}

/// No connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name could not be resolved, or nothing answered there.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// Something answered, but not as a Tidings server that can be trusted.
    #[error("{address} refused the connection: {reason}")]
    Handshake {
        /// Where.
        address: Address,
        /// Why.
        reason: String,
    },
    /// What answered could not prove who it is.
    #[error(
        "{address} showed a certificate that is not trusted ({reason}); a server with one of its own making, as in \
         development, prints its SHA-256 when it starts: give that (`Tls::certificate_hex`)"
    )]
    Certificate {
        /// Where.
        address: Address,
        /// Why.
        reason: String,
    },
    /// An HTTP answer other than the upgrade to WebSocket.
    #[error("{address} answered with status {status}")]
    Status {
        /// Where.
        address: Address,
        /// The HTTP status.
        status: u16,
    },
}

/// The connection has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection ended{}: {reason}", .code.map(|code| format!(" with code {code}")).unwrap_or_default())]
pub struct Disconnect {
    /// The number the server closed with, if it did; see [`CloseCode`].
    pub code: Option<u16>,
    /// For people.
    pub reason: String,
}

impl Disconnect {
    pub(crate) fn new(reason: impl ToString) -> Disconnect {
        Disconnect {
            code: None,
            reason: reason.to_string(),
        }
    }

    /// The code, if this version knows it.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.code.and_then(CloseCode::from_code)
    }
}

impl Connector {
    /// A connector; fails only on unusable TLS settings.
    pub fn new(encoding: Encoding, tls: &Tls) -> Result<Connector, TlsError> {
        let alpn = match encoding {
            Encoding::Json => version::ALPN_JSON,
            Encoding::Protobuf => version::ALPN_PROTOBUF,
        };
        Ok(Connector {
            encoding,
            websocket_tls: Arc::new(tls.client_config(&[])?),
            quic: quic::client_config(tls.client_config(&[alpn])?)?,
            endpoints: Mutex::new([None, None]),
        })
    }

    /// Connects, trying every IP address behind the name.
    pub async fn connect(&self, address: &Address) -> Result<Connection, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable {
            address: address.clone(),
            source,
        };
        let mut last = unreachable(io::ErrorKind::NotFound.into());
        let targets = lookup_host((address.host.as_str(), address.port))
            .await
            .map_err(unreachable)?;
        for target in targets {
            let attempt = match address.transport {
                Transport::Quic => quic::connect(self, address, target).await,
                Transport::WebSocket | Transport::SecureWebSocket => {
                    websocket::connect(self, address, target).await
                }
            };
            match attempt {
                Ok((sink, source)) => {
                    let sender = Sender {
                        encoding: self.encoding,
                        sink,
                        scratch: BytesMut::new(),
                    };
                    let receiver = Receiver {
                        encoding: self.encoding,
                        source,
                    };
                    return Ok(Connection { sender, receiver });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// An open connection: whole, or [`split`](Connection::split) in two.
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
}

/// The half that writes.
pub struct Sender {
    encoding: Encoding,
    sink: Sink,
    scratch: BytesMut,
}

/// The half that reads.
pub struct Receiver {
    encoding: Encoding,
    source: Source,
}

/// What has gone to the other side of a connection and come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagrams {
    /// Sent since it was made.
    pub(crate) sent: u64,
    /// Received since it was made.
    pub(crate) received: u64,
    /// How long a round trip takes.
    pub(crate) trip: Duration,
}

enum Sink {
    WebSocket(websocket::Sink),
    Quic(quic::Sink),
}

enum Source {
    WebSocket(websocket::Source),
    Quic(quic::Source),
}

impl Connection {
    /// See [`Sender::send`].
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Disconnect> {
        self.sender.send(frame).await
    }

    /// See [`Receiver::recv`].
    pub async fn recv(&mut self) -> Result<ServerFrame, Disconnect> {
        self.receiver.recv().await
    }

    /// See [`Sender::close`].
    pub async fn close(mut self, code: u16, reason: &str) {
        self.sender.close(code, reason).await;
    }

    /// Two halves for two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Sender {
    /// Writes a frame and sends it off.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Disconnect> {
        self.feed(frame).await?;
        self.flush().await
    }

    /// Writes a frame into the buffer; [`flush`](Sender::flush) sends it off.
    pub async fn feed(&mut self, frame: &ClientFrame) -> Result<(), Disconnect> {
        self.feed_raw(self.encoding.encode_client(frame)).await
    }

    /// Writes the bytes of a frame, whatever they are, into the buffer: for tests of misbehaviour.
    /// JSON goes as WebSocket text where it is UTF-8.
    pub async fn feed_raw(&mut self, bytes: Bytes) -> Result<(), Disconnect> {
        match &mut self.sink {
            Sink::WebSocket(sink) => websocket::feed(sink, self.encoding, bytes).await,
            Sink::Quic(_) => {
                tidings_protocol::codec::delimited::write(&bytes, &mut self.scratch);
                Ok(())
            }
        }
    }

    /// Appends bytes to a QUIC stream as they are, without the length of a frame; on WebSocket they
    /// make a message. For tests of misbehaviour.
    pub async fn feed_unframed(&mut self, bytes: Bytes) -> Result<(), Disconnect> {
        match &mut self.sink {
            Sink::WebSocket(sink) => websocket::feed(sink, self.encoding, bytes).await,
            Sink::Quic(_) => {
                self.scratch.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// Sends off what was written.
    pub async fn flush(&mut self) -> Result<(), Disconnect> {
        match &mut self.sink {
            Sink::WebSocket(sink) => websocket::flush(sink).await,
            Sink::Quic(sink) => quic::write(sink, &mut self.scratch).await,
        }
    }

    /// Closes with a code and a reason; 1000 is the ordinary end.
    pub async fn close(&mut self, code: u16, reason: &str) {
        match &mut self.sink {
            Sink::WebSocket(sink) => websocket::close(sink, code, reason).await,
            Sink::Quic(sink) => quic::close(sink, code, reason).await,
        }
    }
}

impl Receiver {
    /// The next frame. Cancel-safe: a frame is never half taken.
    pub async fn recv(&mut self) -> Result<ServerFrame, Disconnect> {
        loop {
            let bytes = self.recv_raw().await?;
            let frame = self
                .encoding
                .decode_server(bytes)
                .map_err(Disconnect::new)?;
            // Without a body it is of a kind this version does not know.
            if frame.body.is_some() {
                return Ok(frame);
            }
        }
    }

    /// Where whatever is sent is acknowledged by the other side's network stack: what has gone and come.
    pub(crate) fn datagrams(&self) -> Option<Datagrams> {
        match &self.source {
            // The kernel does not tell.
            Source::WebSocket(_) => None,
            Source::Quic(source) => Some(quic::datagrams(source)),
        }
    }

    /// The next frame's bytes. Cancel-safe.
    pub async fn recv_raw(&mut self) -> Result<Bytes, Disconnect> {
        match &mut self.source {
            Source::WebSocket(source) => websocket::read(source).await,
            Source::Quic(source) => quic::read(source).await,
        }
    }
}
