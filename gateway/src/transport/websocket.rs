//! WebSocket: one frame per message, text for JSON, binary for Protobuf.

use std::{net::SocketAddr, pin::pin, sync::Arc};

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

use super::{LINGER, tcp::Peer};
use crate::{
    outgoing::Batch,
    session::{Gateway, Outgoings, Session},
};

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

async fn serve(
    gateway: Arc<Gateway>,
    mut socket: WebSocket,
    address: SocketAddr,
    encoding: Encoding,
) {
    let mut session = match gateway.accept(address.ip(), encoding) {
        Ok(session) => session,
        Err((code, last)) => {
            let batch = Batch {
                frames: Vec::new(),
                close: Some((code, last)),
            };
            return finish(&mut socket, encoding, batch).await;
        }
    };
    drop(gateway);
    let outgoing = session.outgoing();
    run(&mut socket, &mut session, &outgoing, encoding).await;
}

/// Carries frames both ways until the connection ends.
async fn run(
    socket: &mut WebSocket,
    session: &mut Session,
    outgoing: &Outgoings,
    encoding: Encoding,
) {
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
                    return finish(socket, encoding, batch).await;
                }
                let sent = {
                    let mut sending = pin!(send(socket, encoding, batch));
                    loop {
                        tokio::select! {
                            biased;
                            sent = &mut sending => break Some(sent),
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
                match sent {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return,
                    None => {
                        let last = outgoing.next().await;
                        return finish(socket, encoding, last).await;
                    }
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) if encoding == Encoding::Json => {
                    session.receive(text.into()).await;
                }
                Some(Ok(Message::Binary(bytes))) if encoding == Encoding::Protobuf => {
                    session.receive(bytes).await;
                }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    session.unreadable(CloseCode::Protocol, "JSON comes in text messages, Protobuf in binary ones");
                }
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) => {
                    // The library has answered; the answer still has to leave.
                    let _ = tokio::time::timeout(LINGER, socket.flush()).await;
                    return;
                }
                None => return,
                Some(Err(error)) => {
                    let text = error.to_string();
                    tracing::debug!(error = %text, "a WebSocket connection failed");
                    if !text.contains("too long") && !text.contains("too large") && !text.contains("capacity") {
                        return;
                    }
                    session.unreadable(CloseCode::TooLarge, "a frame is longer than the limit");
                }
            },
            () = &mut clock => {
                session.check_time();
                clock.as_mut().reset(session.deadline());
            }
        }
    }
}

/// Sends what is left and the close, and waits a while for the client's.
async fn finish(socket: &mut WebSocket, encoding: Encoding, batch: Batch) {
    let finished = async {
        if send(socket, encoding, batch).await.is_ok() {
            // Reads the rest, so that the close is not lost to a reset.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(LINGER, finished).await;
}

async fn send(socket: &mut WebSocket, encoding: Encoding, batch: Batch) -> Result<(), axum::Error> {
    for frame in batch.frames {
        socket.feed(message(encoding, frame)).await?;
    }
    if let Some((code, last)) = batch.close {
        socket.feed(message(encoding, last)).await?;
        let close = CloseFrame {
            code: code.code(),
            reason: Utf8Bytes::from_static(code.as_str()),
        };
        socket.feed(Message::Close(Some(close))).await?;
    }
    socket.flush().await
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
