//! Raw QUIC: one stream, opened by the client, carries delimited frames both ways.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use quinn::{
    Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
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
    let endpoint = Endpoint::server(config, address)?;
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(accept(gateway.clone(), incoming));
        }
    });
    Ok(endpoint)
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
            let _ = tokio::time::timeout(LINGER, finish(&connection, &mut send, batch)).await;
            return;
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
    let mut readable = true;
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
                    let _ = tokio::time::timeout(LINGER, finish(connection, send, batch)).await;
                    return;
                }
                let mut chunks = chunks(batch.frames);
                let written = tokio::select! {
                    written = send.write_all_chunks(&mut chunks) => written,
                    () = outgoing.cut() => {
                        let last = outgoing.next().await;
                        let _ = tokio::time::timeout(LINGER, finish(connection, send, last)).await;
                        return;
                    }
                };
                if written.is_err() {
                    return;
                }
            }
            chunk = receive.read_chunk(frame_bytes, true), if readable => match chunk {
                Ok(Some(chunk)) => {
                    buffer.extend_from_slice(&chunk.bytes);
                    loop {
                        match delimited::read(&mut buffer, frame_bytes) {
                            Ok(Some(frame)) => session.receive(frame).await,
                            Ok(None) => break,
                            Err(error) => {
                                let code = match error {
                                    FrameError::TooLarge { .. } => CloseCode::TooLarge,
                                    FrameError::Length => CloseCode::Protocol,
                                };
                                session.unreadable(code, &error.to_string());
                                readable = false;
                                break;
                            }
                        }
                    }
                    if buffer.is_empty() {
                        // An idle connection holds no buffer.
                        buffer = BytesMut::new();
                    }
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

/// Sends what is left and the last frame, waits until the client has them, closes.
async fn finish(connection: &Connection, send: &mut SendStream, batch: Batch) {
    let mut frames = batch.frames;
    let mut code = VarInt::from_u32(0);
    let mut reason = "";
    if let Some((close, last)) = batch.close {
        frames.push(last);
        code = VarInt::from_u32(close.code().into());
        reason = close.as_str();
    }
    if send.write_all_chunks(&mut chunks(frames)).await.is_ok() && send.finish().is_ok() {
        // Closing at once would throw away what is still on its way.
        let _ = send.stopped().await;
    }
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
