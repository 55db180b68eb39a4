//! Frames on one bidirectional QUIC stream, each preceded by its length.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, TransportConfig, VarInt};
use tidings_protocol::codec::delimited;

use super::{ConnectError, Connector, Datagrams, Disconnect, MAX_FRAME};
use crate::{Address, tls::TlsError};

/// How long the network may be silent before QUIC itself gives up. The protocol's heartbeats are
/// shorter; this only bounds a connection nobody uses any more.
const IDLE: Duration = Duration::from_secs(120);

pub(super) fn client_config(tls: rustls::ClientConfig) -> Result<quinn::ClientConfig, TlsError> {
    let tls = QuicClientConfig::try_from(tls)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(IDLE.try_into().ok());
    // The server opens no streams of its own.
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(0));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

pub(super) struct Sink {
    stream: SendStream,
    connection: quinn::Connection,
}

pub(super) struct Source {
    stream: RecvStream,
    connection: quinn::Connection,
    buffer: BytesMut,
}

pub(super) async fn connect(
    connector: &Connector,
    address: &Address,
    target: SocketAddr,
) -> Result<(super::Sink, super::Source), ConnectError> {
    let refused = |reason: String| ConnectError::Handshake {
        address: address.clone(),
        reason,
    };
    let endpoint = endpoint(connector, target).map_err(|source| ConnectError::Unreachable {
        address: address.clone(),
        source,
    })?;
    let connecting = endpoint
        .connect_with(connector.quic.clone(), target, &address.host)
        .map_err(|error| refused(error.to_string()))?;
    let connection = connecting.await.map_err(|error| match error {
        ConnectionError::TimedOut => ConnectError::Unreachable {
            address: address.clone(),
            source: std::io::ErrorKind::TimedOut.into(),
        },
        ConnectionError::TransportError(error) if is_certificate(error.code) => {
            ConnectError::Certificate {
                address: address.clone(),
                reason: error.reason,
            }
        }
        error => refused(disconnect(error).to_string()),
    })?;
    let (send, recv) = connection
        .open_bi()
        .await
        .map_err(|error| refused(error.to_string()))?;
    let sink = Sink {
        stream: send,
        connection: connection.clone(),
    };
    let source = Source {
        stream: recv,
        connection,
        buffer: BytesMut::new(),
    };
    Ok((super::Sink::Quic(sink), super::Source::Quic(source)))
}

/// Whether a handshake failed because of the server's certificate: the alerts of TLS that say so (RFC 8446,
/// section 6.2), which QUIC carries as codes from 0x100 on.
fn is_certificate(code: quinn::TransportErrorCode) -> bool {
    let alert = u64::from(code).wrapping_sub(0x100);
    matches!(alert, 42..=46 | 48)
}

fn endpoint(connector: &Connector, target: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let (family, any) = match target {
        SocketAddr::V4(_) => (0, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        SocketAddr::V6(_) => (1, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
    };
    let mut endpoints = connector
        .endpoints
        .lock()
        .expect("nothing panics under this lock");
    if let Some(endpoint) = &endpoints[family] {
        return Ok(endpoint.clone());
    }
    let endpoint = quinn::Endpoint::client(any)?;
    endpoints[family] = Some(endpoint.clone());
    Ok(endpoint)
}

pub(super) async fn write(sink: &mut Sink, buffer: &mut BytesMut) -> Result<(), Disconnect> {
    if buffer.is_empty() {
        return Ok(());
    }
    let bytes = buffer.split().freeze();
    sink.stream
        .write_chunk(bytes)
        .await
        .map_err(|error| match sink.connection.close_reason() {
            Some(reason) => disconnect(reason),
            None => Disconnect::new(error),
        })
}

pub(super) async fn close(sink: &mut Sink, code: u16, reason: &str) {
    // What was written is to arrive before the end: wait until it is acknowledged, but not for
    // ever. Fails only where the stream has ended already.
    let _ = sink.stream.finish();
    let _ = tokio::time::timeout(Duration::from_millis(500), sink.stream.stopped()).await;
    sink.connection
        .close(VarInt::from_u32(code.into()), reason.as_bytes());
}

pub(super) async fn read(source: &mut Source) -> Result<Bytes, Disconnect> {
    loop {
        match delimited::read(&mut source.buffer, MAX_FRAME) {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => {}
            Err(error) => return Err(Disconnect::new(error)),
        }
        match source.stream.read_chunk(64 * 1024, true).await {
            // Most chunks hold whole frames: taken over without a copy.
            Ok(Some(chunk)) if source.buffer.is_empty() => source.buffer = chunk.bytes.into(),
            Ok(Some(chunk)) => source.buffer.extend_from_slice(&chunk.bytes),
            Ok(None) => {
                // The server closes the connection right after the stream: the code is there.
                let closed = source.connection.closed();
                return match tokio::time::timeout(Duration::from_secs(1), closed).await {
                    Ok(reason) => Err(disconnect(reason)),
                    Err(_) => Err(Disconnect::new("the server ended the stream")),
                };
            }
            Err(ReadError::ConnectionLost(error)) => return Err(disconnect(error)),
            Err(error) => return Err(Disconnect::new(error)),
        }
    }
}

pub(super) fn datagrams(source: &Source) -> Datagrams {
    let stats = source.connection.stats();
    Datagrams {
        sent: stats.udp_tx.datagrams,
        received: stats.udp_rx.datagrams,
        trip: stats.path.rtt,
    }
}

fn disconnect(error: ConnectionError) -> Disconnect {
    match error {
        ConnectionError::ApplicationClosed(close) => Disconnect {
            code: u16::try_from(close.error_code.into_inner()).ok(),
            reason: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        error => Disconnect::new(error),
    }
}
