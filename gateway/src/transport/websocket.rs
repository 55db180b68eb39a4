//! WebSocket: one frame per message, text for JSON, binary for Protobuf.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{
        ConnectInfo, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tidings_protocol::{CloseCode, Encoding, version};

use super::{
    LINGER, Transport,
    line::{Broken, Read},
    tcp::Peer,
};
use crate::session::Gateway;

/// Read buffer of a connection, in bytes. axum's default would cost 128 KiB for each idle client.
const READ_BUFFER: usize = 1_024;

/// Bytes gathered into one write.
const WRITE_BUFFER: usize = 4_096;

/// Handles `GET /v1/ws`.
pub async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(Peer(address)): ConnectInfo<Peer>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let limits = &gateway.limits;
    let upgrade = upgrade
        .protocols([version::SUBPROTOCOL_PROTOBUF, version::SUBPROTOCOL_JSON])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        // Beyond what may ever wait here: the outgoing queue is what bounds a connection.
        .max_write_buffer_size(limits.outgoing_bytes * 8)
        .max_frame_size(limits.frame_bytes)
        .max_message_size(limits.frame_bytes);
    let encoding = upgrade
        .selected_protocol()
        .and_then(|name| version::encoding_of_subprotocol(name.to_str().unwrap_or_default()));
    let Some(encoding) = encoding else {
        let message = format!(
            "name a subprotocol: {} or {}\n",
            version::SUBPROTOCOL_JSON,
            version::SUBPROTOCOL_PROTOBUF
        );
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    upgrade.on_upgrade(move |socket| serve(gateway, socket, address, encoding))
}

async fn serve(gateway: Arc<Gateway>, socket: WebSocket, address: SocketAddr, encoding: Encoding) {
    let mut line = super::Line::WebSocket(Line { socket, encoding });
    match gateway.accept(address.ip(), encoding, Transport::WebSocket) {
        Ok(mut session) => {
            drop(gateway);
            line.carry(&mut session).await;
        }
        Err((code, last)) => line.refuse(code, last).await,
    }
}

/// A WebSocket and what its messages are.
pub(super) struct Line {
    socket: WebSocket,
    encoding: Encoding,
}

impl Line {
    pub(super) async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        for frame in frames {
            self.feed(message(self.encoding, frame)).await?;
        }
        self.socket.flush().await.map_err(|_| Broken)
    }

    async fn feed(&mut self, message: Message) -> Result<(), Broken> {
        self.socket.feed(message).await.map_err(|_| Broken)
    }

    pub(super) async fn read(&mut self) -> Read {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) if self.encoding == Encoding::Json => {
                Read::Frame(text.into())
            }
            Some(Ok(Message::Binary(bytes))) if self.encoding == Encoding::Protobuf => {
                Read::Frame(bytes)
            }
            Some(Ok(Message::Text(_) | Message::Binary(_))) => Read::Unreadable(
                CloseCode::Protocol,
                "JSON comes in text messages, Protobuf in binary ones".to_owned(),
            ),
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Read::Signal,
            Some(Ok(Message::Close(_))) => {
                // The library has answered; the answer still has to leave.
                let _ = tokio::time::timeout(LINGER, self.socket.flush()).await;
                Read::End
            }
            None => Read::End,
            Some(Err(error)) => {
                let text = error.to_string();
                tracing::debug!(error = %text, "a WebSocket connection failed");
                let too_long = ["too long", "too large", "capacity"];
                match too_long.iter().any(|words| text.contains(words)) {
                    true => Read::Unreadable(
                        CloseCode::TooLarge,
                        "a frame is longer than the limit".to_owned(),
                    ),
                    false => Read::End,
                }
            }
        }
    }

    pub(super) async fn finish(&mut self, frames: Vec<Bytes>, code: CloseCode, last: Bytes) {
        let finished = async {
            for frame in frames {
                self.feed(message(self.encoding, frame)).await?;
            }
            self.feed(message(self.encoding, last)).await?;
            let close = CloseFrame {
                code: code.code(),
                reason: Utf8Bytes::from_static(code.as_str()),
            };
            self.feed(Message::Close(Some(close))).await?;
            self.socket.flush().await.map_err(|_| Broken)?;
            // Reads the rest, so that the close is not lost to a reset.
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), Broken>(())
        };
        let _ = tokio::time::timeout(LINGER, finished).await;
    }
}

fn message(encoding: Encoding, frame: Bytes) -> Message {
    match encoding {
        // What serde_json wrote is UTF-8.
        Encoding::Json => match Utf8Bytes::try_from(frame) {
            Ok(text) => Message::Text(text),
            Err(_) => unreachable!("JSON frames are UTF-8"),
        },
        Encoding::Protobuf => Message::Binary(frame),
    }
}
