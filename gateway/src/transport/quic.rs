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
use quinn_proto::RandomConnectionIdGenerator;
use ring::hmac;
use socket2::SockRef;
use tidings_protocol::{
    CloseCode,
    codec::delimited::{self, FrameError},
    version,
};
use tokio::time::{Instant, timeout_at};

use super::{
    LINGER, SEND_BUFFER, Transport,
    line::{self, Broken, Read},
};
use crate::{arrivals::Arrival, session::Gateway};

/// A connection without any packet for so long is gone. Clients keep theirs alive.
const IDLE: Duration = Duration::from_secs(90);

/// Shortest time between two resets of connections that an earlier process had: after a crash all its
/// clients are to learn of it soon.
const RESET_INTERVAL: Duration = Duration::from_micros(100);

/// Bytes of datagrams that wait in the kernel for all connections together, each way.
const DATAGRAMS: usize = 4 * 1024 * 1024;

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
    let socket = UdpSocket::bind(address)?;
    // As much of it as the kernel allows. With its default, packets of a thousand clients who come back
    // at once are dropped, and sent again after seconds.
    let _ = SockRef::from(&socket).set_recv_buffer_size(DATAGRAMS);
    let _ = SockRef::from(&socket).set_send_buffer_size(DATAGRAMS);
    let endpoint = Endpoint::new(
        resets(&gateway),
        Some(config),
        socket,
        Arc::new(TokioRuntime),
    )?;
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(accept(gateway.clone(), incoming));
            // When everybody comes at once, those who are here go on between two of them.
            tokio::task::yield_now().await;
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
    let mut config = EndpointConfig::new(Arc::new(key));
    config
        // The library's own choice has 24 random bits. An id given out with a retry is then now and then
        // one in use: of four thousand clients who come at once four did not get in.
        .cid_generator(|| Box::new(RandomConnectionIdGenerator::default()))
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
    let Some(arrival) = gateway.arrive(address) else {
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
    let line = Line {
        connection,
        send,
        receive,
        buffer: BytesMut::new(),
        frame_bytes: gateway.limits.frame_bytes,
        _arrival: arrival,
    };
    let accepted = gateway.accept(address, encoding, Transport::Quic);
    // By itself: what accepting takes is not kept as long as the connection lasts.
    tokio::spawn(line::serve(line, accepted));
}

/// A connection and its stream.
struct Line {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    /// Read, and not a whole frame yet, or not its turn.
    buffer: BytesMut,
    frame_bytes: usize,
    /// Its place among all connections.
    _arrival: Arrival,
}

impl line::Line for Line {
    async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        let written = self.send.write_all_chunks(&mut chunks(frames)).await;
        written.map_err(|_| Broken)
    }

    async fn read(&mut self) -> Read {
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

    async fn finish(&mut self, mut frames: Vec<Bytes>, code: CloseCode, last: Bytes) {
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

    async fn break_off(&mut self, code: CloseCode, _last: Bytes) {
        // The stream may end in the middle of a frame: the code comes beside it.
        self.close(code);
    }
}

impl Line {
    /// Ends the connection, and the stream with it wherever it is.
    fn close(&self, code: CloseCode) {
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
