//! Raw QUIC: one stream, opened by the client, carries delimited frames both ways.

use std::{
    future::ready,
    net::{SocketAddr, UdpSocket},
    pin::pin,
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

use super::{LINGER, SEND_BUFFER};
use crate::{
    outgoing::Batch,
    session::{Gateway, Outgoings, Session},
};

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
    // Whoever cannot be reached at the address they claim gets no further.
    if !incoming.remote_address_validated() && incoming.may_retry() && gateway.connections() > 1_000
    {
        let _ = incoming.retry();
        return;
    }
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "a QUIC handshake failed");
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
    let opened = tokio::time::timeout(
        Duration::from_millis(gateway.limits.hello_ms),
        connection.accept_bi(),
    );
    let Ok(Ok((mut send, mut receive))) = opened.await else {
        connection.close(
            VarInt::from_u32(CloseCode::Protocol.code().into()),
            b"no stream came",
        );
        return;
    };
    let mut session = match gateway.accept(connection.remote_address().ip(), encoding) {
        Ok(session) => session,
        Err((code, last)) => {
            let batch = Batch {
                frames: Vec::new(),
                close: Some((code, last)),
            };
            return finish(&connection, &mut send, batch).await;
        }
    };
    let frame_bytes = gateway.limits.frame_bytes;
    drop(gateway);
    let outgoing = session.outgoing();
    run(
        &connection,
        &mut send,
        &mut receive,
        &mut session,
        &outgoing,
        frame_bytes,
    )
    .await;
}

/// Carries frames both ways until the connection ends.
async fn run(
    connection: &Connection,
    send: &mut SendStream,
    receive: &mut RecvStream,
    session: &mut Session,
    outgoing: &Outgoings,
    frame_bytes: usize,
) {
    let mut buffer = BytesMut::new();
    // Whether the buffer may hold a whole frame.
    let mut waiting = false;
    // Kept over frames and moved only when it rings: setting a timer anew for each frame costs more
    // than ringing once too early.
    let mut clock = pin!(tokio::time::sleep_until(session.deadline()));
    loop {
        if session.deadline() < clock.deadline() {
            clock.as_mut().reset(session.deadline());
        }
        tokio::select! {
            biased;
            batch = outgoing.next() => {
                outgoing.sent(batch.frames.len());
                if batch.close.is_some() {
                    return finish(connection, send, batch).await;
                }
                let mut chunks = chunks(batch.frames);
                let written = {
                    let mut writing = pin!(send.write_all_chunks(&mut chunks));
                    loop {
                        tokio::select! {
                            biased;
                            written = &mut writing => break Some(written),
                            // A write can be stuck. Then the cut ends it, or the clock: who does not
                            // read is not heard either.
                            () = outgoing.cut() => break None,
                            () = &mut clock => {
                                session.check_time();
                                clock.as_mut().reset(session.deadline());
                                if outgoing.is_closing() {
                                    break None;
                                }
                            }
                        }
                    }
                };
                match written {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return,
                    None => {
                        let last = outgoing.next().await;
                        return finish(connection, send, last).await;
                    }
                }
            }
            () = ready(()), if waiting => {
                waiting = take(&mut buffer, session, outgoing, frame_bytes).await;
                if buffer.is_empty() {
                    // An idle connection holds no buffer.
                    buffer = BytesMut::new();
                }
            }
            chunk = receive.read_chunk(frame_bytes, true), if !outgoing.is_closing() => match chunk {
                Ok(Some(chunk)) => {
                    buffer.extend_from_slice(&chunk.bytes);
                    waiting = true;
                }
                // The client has said all it will: the connection has no more use.
                Ok(None) | Err(_) => {
                    connection.close(VarInt::from_u32(0), b"");
                    return;
                }
            },
            () = &mut clock => {
                session.check_time();
                clock.as_mut().reset(session.deadline());
            }
        }
    }
}

/// Handles the frames in the buffer, but no more while much waits to be sent: answers to many
/// questions in one packet would be more than a client is ever sent without reading. True when some
/// are left.
async fn take(
    buffer: &mut BytesMut,
    session: &mut Session,
    outgoing: &Outgoings,
    frame_bytes: usize,
) -> bool {
    while !outgoing.is_filling() {
        match delimited::read(buffer, frame_bytes) {
            Ok(Some(frame)) => session.receive(frame).await,
            Ok(None) => return false,
            Err(error) => {
                let code = match error {
                    FrameError::TooLarge { .. } => CloseCode::TooLarge,
                    FrameError::Length => CloseCode::Protocol,
                };
                session.unreadable(code, &error.to_string());
                return false;
            }
        }
    }
    true
}

/// Sends what is left and the last frame, waits a while for the client to have them, closes.
async fn finish(connection: &Connection, send: &mut SendStream, batch: Batch) {
    let mut frames = batch.frames;
    let mut code = VarInt::from_u32(0);
    let mut reason = "";
    if let Some((close, last)) = batch.close {
        frames.push(last);
        code = VarInt::from_u32(close.code().into());
        reason = close.as_str();
    }
    let delivered = async {
        if send.write_all_chunks(&mut chunks(frames)).await.is_ok() && send.finish().is_ok() {
            // Closing at once would throw away what is still on its way.
            let _ = send.stopped().await;
        }
    };
    // Also a client that does not read any more learns the code.
    let _ = tokio::time::timeout(LINGER, delivered).await;
    connection.close(code, reason.as_bytes());
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
