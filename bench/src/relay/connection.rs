//! One connection of the relay: frames in, frames out, one task, with the buffers the real server has.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tidings_protocol::{Encoding, version};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::world::{Gone, Outgoing, Session, World};

/// Bytes read at a time.
const READ_BUFFER: usize = 1_024;
/// Bytes gathered into one write.
const WRITE_BUFFER: usize = 4_096;

/// Serves until either side goes.
pub(super) async fn serve(stream: TcpStream, world: Arc<Mutex<World>>) {
    let mut encoding = None;
    let Ok(socket) = accept(stream, &mut encoding).await else {
        return;
    };
    let Some(encoding) = encoding else { return };
    let (sender, outgoing) = mpsc::unbounded_channel();
    let mut session = Session::new(sender, encoding);
    // Whichever way it ended, the connection is gone: there is nobody to tell.
    let _ = carry(socket, outgoing, &mut session, &world).await;
    world.lock().leave(&session);
}

async fn accept(
    stream: TcpStream,
    encoding: &mut Option<Encoding>,
) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER);
    tokio_tungstenite::accept_hdr_async_with_config(stream, Choose(encoding), Some(config)).await
}

/// Takes the subprotocol that is asked for, if it is one of ours.
struct Choose<'e>(&'e mut Option<Encoding>);

impl Callback for Choose<'_> {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        let asked = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let encoding = asked
            .and_then(|name| name.to_str().ok())
            .and_then(version::encoding_of_subprotocol);
        if let (Some(encoding), Some(asked)) = (encoding, asked) {
            *self.0 = Some(encoding);
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, asked.clone());
        }
        Ok(response)
    }
}

async fn carry(
    mut socket: WebSocketStream<TcpStream>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    session: &mut Session,
    world: &Mutex<World>,
) -> Result<(), tungstenite::Error> {
    loop {
        let first = tokio::select! {
            biased;
            // This task holds a sender, so the queue does not end.
            Some(first) = outgoing.recv() => Some(first),
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                let frame = match message? {
                    Message::Text(text) => text.into(),
                    Message::Binary(bytes) => bytes,
                    // Answered by the library.
                    _ => continue,
                };
                let Ok(frame) = session.encoding().decode_client(frame) else { return Ok(()) };
                match world.lock().handle(session, frame) {
                    Ok(()) => {}
                    Err(Gone) => return Ok(()),
                }
                outgoing.try_recv().ok()
            }
        };
        // Everything there is goes out in one write.
        let mut next = first;
        let any = next.is_some();
        while let Some(Outgoing { reply, event }) = next {
            for frame in [reply, event].into_iter().flatten() {
                let message = match session.encoding() {
                    Encoding::Json => Message::Text(frame.try_into()?),
                    Encoding::Protobuf => Message::Binary(frame),
                };
                socket.feed(message).await?;
            }
            next = outgoing.try_recv().ok();
        }
        if any {
            socket.flush().await?;
        }
    }
}
