//! Frames as WebSocket messages.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tidings_protocol::{Encoding, version};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector as TlsConnector, MaybeTlsStream, WebSocketStream};

use super::{ConnectError, Connector, Disconnect, MAX_FRAME};
use crate::Address;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(super) type Sink = SplitSink<Stream, Message>;
pub(super) type Source = SplitStream<Stream>;

pub(super) async fn connect(
    connector: &Connector,
    address: &Address,
    target: SocketAddr,
) -> Result<(super::Sink, super::Source), ConnectError> {
    let unreachable = |source| ConnectError::Unreachable {
        address: address.clone(),
        source,
    };
    let refused = |reason: String| ConnectError::Handshake {
        address: address.clone(),
        reason,
    };

    let stream = TcpStream::connect(target).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;

    let mut request = format!("{address}/v1/ws")
        .into_client_request()
        .map_err(|error| refused(error.to_string()))?;
    let subprotocol = match connector.encoding {
        Encoding::Json => version::SUBPROTOCOL_JSON,
        Encoding::Protobuf => version::SUBPROTOCOL_PROTOBUF,
    };
    let headers = request.headers_mut();
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(subprotocol),
    );

    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    // Used for wss only: tungstenite goes by the scheme.
    let tls = TlsConnector::Rustls(connector.websocket_tls.clone());
    let connected =
        tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), Some(tls));
    match connected.await {
        Ok((stream, _response)) => {
            let (sink, source) = stream.split();
            Ok((
                super::Sink::WebSocket(sink),
                super::Source::WebSocket(source),
            ))
        }
        Err(Error::Http(response)) => Err(ConnectError::Status {
            address: address.clone(),
            status: response.status().as_u16(),
        }),
        Err(Error::Io(error)) => Err(match certificate(&error) {
            Some(reason) => ConnectError::Certificate {
                address: address.clone(),
                reason,
            },
            None => unreachable(error),
        }),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// What was wrong with the server's certificate, if that is what failed.
fn certificate(error: &std::io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(inner, rustls::Error::InvalidCertificate(_)).then(|| inner.to_string())
}

pub(super) async fn feed(
    sink: &mut Sink,
    encoding: Encoding,
    bytes: Bytes,
) -> Result<(), Disconnect> {
    let message = match encoding {
        Encoding::Protobuf => Message::Binary(bytes),
        Encoding::Json => match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(bytes),
        },
    };
    sink.feed(message).await.map_err(Disconnect::new)
}

pub(super) async fn flush(sink: &mut Sink) -> Result<(), Disconnect> {
    sink.flush().await.map_err(Disconnect::new)
}

pub(super) async fn close(sink: &mut Sink, code: u16, reason: &str) {
    // The connection may be gone already, which is what was wanted.
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let _ = sink.send(Message::Close(Some(frame))).await;
}

pub(super) async fn read(source: &mut Source) -> Result<Bytes, Disconnect> {
    loop {
        match source.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.into()),
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(Some(frame)))) => {
                let reason = frame.reason.as_str().to_owned();
                return Err(Disconnect {
                    code: Some(frame.code.into()),
                    reason,
                });
            }
            Some(Ok(Message::Close(None))) | None => {
                return Err(Disconnect::new("closed by the server without a code"));
            }
            Some(Err(error)) => return Err(Disconnect::new(error)),
        }
    }
}
