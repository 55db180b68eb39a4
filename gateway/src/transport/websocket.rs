//! WebSocket: one frame per message, text for JSON, binary for Protobuf.

pub mod conformance;
mod frame;
mod handshake;
mod socket;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use handshake::Upgrade;
use socket::{Incoming, Kind, Socket};
use tidings_protocol::{CloseCode, Encoding, version};

use super::{
    LINGER, Transport,
    line::{self, Broken, Read},
    tcp::Peer,
};
use crate::session::Gateway;

/// The subprotocols spoken here, preferred first.
const SUBPROTOCOLS: [&str; 2] = [version::SUBPROTOCOL_PROTOBUF, version::SUBPROTOCOL_JSON];

/// Handles `GET /v1/ws`.
pub(crate) async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(Peer(address)): ConnectInfo<Peer>,
    upgrade: Upgrade,
) -> Response {
    let name = upgrade.choose(&SUBPROTOCOLS);
    let Some(encoding) = name.and_then(version::encoding_of_subprotocol) else {
        let [protobuf, json] = SUBPROTOCOLS;
        let message = format!("name a subprotocol: {json} or {protobuf}\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    let limit = gateway.limits.frame_bytes;
    upgrade.serve(name, limit, move |socket| {
        serve(gateway, socket, address, encoding)
    })
}

fn serve(
    gateway: Arc<Gateway>,
    socket: Socket,
    address: SocketAddr,
    encoding: Encoding,
) -> impl Future<Output = ()> + Send {
    let accepted = gateway.accept(address.ip(), encoding, Transport::WebSocket);
    line::serve(Line { socket, encoding }, accepted)
}

/// A WebSocket and what its messages are.
struct Line {
    socket: Socket,
    encoding: Encoding,
}

impl line::Line for Line {
    async fn write(&mut self, frames: Vec<Bytes>) -> Result<(), Broken> {
        self.socket.send(kind_of(self.encoding), &frames).await
    }

    async fn read(&mut self) -> Read {
        match self.socket.read().await {
            Incoming::Message(kind, bytes) if kind == kind_of(self.encoding) => Read::Frame(bytes),
            Incoming::Message(..) => Read::Unreadable(
                CloseCode::Protocol,
                "JSON comes in text messages, Protobuf in binary ones".to_owned(),
            ),
            Incoming::Signal => Read::Signal,
            Incoming::TooLong => Read::Unreadable(
                CloseCode::TooLarge,
                "a frame is longer than the limit".to_owned(),
            ),
            Incoming::End => Read::End,
        }
    }

    async fn finish(&mut self, mut frames: Vec<Bytes>, code: CloseCode, last: Bytes) {
        frames.push(last);
        let finished = async {
            if self.write(frames).await.is_ok() {
                self.socket.close(code.code(), code.as_str()).await;
            }
        };
        let _ = tokio::time::timeout(LINGER, finished).await;
    }

    async fn drain(&mut self) {
        let _ = tokio::time::timeout(LINGER, self.socket.drain()).await;
    }

    async fn break_off(&mut self, code: CloseCode, last: Bytes) {
        // The message that was begun still leaves whole, so another may follow it. What came after it is
        // lost, and with it everything later: only why may be said.
        self.finish(Vec::new(), code, last).await;
    }
}

fn kind_of(encoding: Encoding) -> Kind {
    match encoding {
        Encoding::Json => Kind::Text,
        Encoding::Protobuf => Kind::Binary,
    }
}
