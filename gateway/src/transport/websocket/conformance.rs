//! An echo for suites that examine how a server speaks WebSocket: what comes is sent back.
//!
//! It takes what a session takes, up to where a session asks what a message says: the same handshake, the
//! same reading, writing and closing. No node offers it by itself.

use axum::{Router, routing::get};
use tidings_protocol::CloseCode;

use super::{Incoming, LINGER, Socket, handshake::Upgrade};
use crate::config::Limits;

/// The route `GET /echo`, which sends every message of a WebSocket back, for
/// [`Builder::routes`](crate::server::Builder::routes). Nobody is asked who they are.
pub fn routes(limits: &Limits) -> Router {
    let limit = limits.frame_bytes;
    let upgrade = move |upgrade: Upgrade| async move { upgrade.serve(None, limit, echo) };
    Router::new().route("/echo", get(upgrade))
}

async fn echo(mut socket: Socket) {
    loop {
        match socket.read().await {
            Incoming::Message(kind, bytes) => {
                if socket.send(kind, &[bytes]).await.is_err() {
                    return;
                }
            }
            Incoming::Signal => {}
            Incoming::TooLong => {
                let code = CloseCode::TooLarge;
                let closed = socket.close(code.code(), code.as_str());
                let _ = tokio::time::timeout(LINGER, closed).await;
                return;
            }
            Incoming::End => {
                let _ = tokio::time::timeout(LINGER, socket.drain()).await;
                return;
            }
        }
    }
}
