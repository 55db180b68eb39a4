//! Raw QUIC: one stream, opened by the client, carries delimited frames both ways.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, RecvStream, SendStream, TokioRuntime, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use tidings_protocol::{
    CloseCode,
    codec::delimited::{self, FrameError},
    version,
};
use tokio::time::{Instant, timeout_at};

use super::{
    LINGER, SEND_BUFFER, Transport,
    line::{Broken, Read},
};
use crate::session::Gateway;

/// A connection without any packet for so long is gone. Clients keep theirs alive.
const IDLE: Duration = Duration::from_secs(90);

/// Shortest time between two resets of connections that an earlier process had: after a crash all its
/// clients are to learn of it soon.
const RESET_INTERVAL: Duration = Duration::from_micros(100);

/// Bytes the client may send ahead of being read.
const RECEIVE_WINDOW: u32 = 256 * 1024;

/// Accepts QUIC connections from now on. The endpoint is closed by [`Endpoint::close`].
pub fn listen(
    gateway: Arc<Gateway>,
    address: SocketAddr,
    tls: Arc<QuicServerConfig>,
) -> std::io::Result<Endpoint> {
    let mut config = quinn::ServerConfig::with_crypto(tls);
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_BUFFER as u64)
        .max_idle_timeout(Some(VarInt::from_u32(IDLE.as_millis() as u32).into()));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::new(
        resets(&gateway),
        Some(config),
        UdpSocket::bind(address)?,
        Arc::new(TokioRuntime),
    )?;
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(accept(gateway.clone(), incoming));
        }
    });
    Ok(endpoint)
}

/// After a crash nobody tells the clients. Their next packets are answered with a reset, which they
/// believe because it is made with the secret of the process that they knew. Without it they would
/// wait for two heartbeats.
fn resets(gateway: &Gateway) -> EndpointConfig {
    let ids = &gateway.node.ids;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &ids.secret("QUIC resets"));
    let [a, b, c, d, e, f, g, h, ..] = ids.secret("QUIC connection ids");
    let connection_ids = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let mut config = EndpointConfig::new(Arc::new(key));
    config
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(connection_ids)))
        .min_reset_interval(RESET_INTERVAL);
    config
}

async fn accept(gateway: Arc<Gateway>, incoming: Incoming) {
    let address = incoming.remote_address().ip();
    // Whoever cannot be reached at the address they claim gets no further.
    if !incoming.remote_address_validated() && incoming.may_retry() && gateway.doubts(address) {
        let _ = incoming.retry();
        return;
    }
    let Some(_arrival) = gateway.arrive(address) else {
        return incoming.refuse();
    };
    // For everything until the client's stream is there.
    let deadline = Instant::now() + Duration::from_millis(gateway.limits.hello_ms);
    let connection = match timeout_at(deadline, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a QUIC handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%address, "a QUIC handshake took too long");
            return;
        }
    };
    let alpn = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol);
    let Some(encoding) = alpn.and_then(|alpn| version::encoding_of_alpn(&alpn)) else {
        connection.close(
            VarInt::from_u32(CloseCode::Protocol.code().into()),
            b"unknown ALPN",
        );
        return;
    };
    let Ok(Ok((send, receive))) = timeout_at(deadline, connection.accept_bi()).await else {
        connection.close(
            VarInt::from_u32(CloseCode::Protocol.code().into()),
            b"no stream came",
        );
        return;
    };
    let mut line = super::Line::Quic(Line {
        connection,
        send,
        receive,
        buffer: BytesMut::new(),
        frame_bytes: gateway.limits.frame_bytes,
    });
    match gateway.accept(address, encoding, Transport::Quic) {
        Ok(mut session) => {
            drop(gateway);
            line.carry(&mut session).await;
        }
        Err((code, last)) => line.refuse(code, last).await,
    }
}

/// A connection and its stream.
pub(super) struct Line {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    /// Read, and not a whole frame yet, or not its turn.
    buffer: BytesMut,
    frame_bytes: usize,
}

impl Line {
    pub(super) async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        let written = self.send.write_all_chunks(&mut chunks(frames)).await;
        written.map_err(|_| Broken)
    }

    pub(super) async fn read(&mut self) -> Read {
        loop {
            match delimited::read(&mut self.buffer, self.frame_bytes) {
                Ok(Some(frame)) => {
                    if self.buffer.is_empty() {
                        // An idle connection holds no buffer.
                        self.buffer = BytesMut::new();
                    }
                    return Read::Frame(frame);
                }
                Ok(None) => {}
                Err(error) => {
                    let code = match error {
                        FrameError::TooLarge { .. } => CloseCode::TooLarge,
                        FrameError::Length => CloseCode::Protocol,
                    };
                    return Read::Unreadable(code, error.to_string());
                }
            }
            match self.receive.read_chunk(self.frame_bytes, true).await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk.bytes),
                // The client has said all it will: the connection has no more use.
                Ok(None) | Err(_) => {
                    self.connection.close(VarInt::from_u32(0), b"");
                    return Read::End;
                }
            }
        }
    }

    pub(super) async fn finish(&mut self, mut frames: Vec<Bytes>, code: CloseCode, last: Bytes) {
        frames.push(last);
        let delivered = async {
            if self.write(frames).await.is_ok() && self.send.finish().is_ok() {
                // Closing at once would throw away what is still on its way.
                let _ = self.send.stopped().await;
            }
        };
        // Also a client that does not read any more learns the code.
        let _ = tokio::time::timeout(LINGER, delivered).await;
        self.close(code);
    }

    /// Ends the connection, and the stream with it wherever it is.
    pub(super) fn close(&self, code: CloseCode) {
        let number = VarInt::from_u32(code.code().into());
        self.connection.close(number, code.as_str().as_bytes());
    }
}

fn chunks(frames: Vec<Bytes>) -> Vec<Bytes> {
    let mut chunks = Vec::with_capacity(frames.len() * 2);
    for frame in frames {
        chunks.push(delimited::prefix(frame.len()));
        chunks.push(frame);
    }
    chunks
}

/// The ALPNs this transport speaks, preferred first.
pub const ALPNS: [&str; 2] = [version::ALPN_PROTOBUF, version::ALPN_JSON];
