//! The other side of a connection, doing what a test tells it to.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tidings_protocol::codec::delimited;
use tidings_protocol::event::{Event, Kind};
use tidings_protocol::frame::{Accepted, Body, Cursor, Outcome, Request, Welcome};
use tidings_protocol::{ClientFrame, CloseCode, Encoding, ServerFrame, command, id, version, view};
use tidings_sdk::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use uuid::Uuid;

#[derive(Clone, Copy)]
pub(crate) enum Transport {
    WebSocket,
    SecureWebSocket,
    Quic,
}

pub(crate) struct Peer {
    listener: Listener,
    address: SocketAddr,
    certificate: String,
}

enum Listener {
    WebSocket(TcpListener),
    SecureWebSocket(TcpListener, TlsAcceptor),
    Quic(quinn::Endpoint),
}

impl Peer {
    pub(crate) async fn listen(transport: Transport) -> Peer {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = own.cert.pem();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let tcp = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (listener, address) = match transport {
            Transport::WebSocket => {
                let tcp = tcp().await;
                let address = tcp.local_addr();
                (Listener::WebSocket(tcp), address)
            }
            Transport::SecureWebSocket => {
                let tcp = tcp().await;
                let address = tcp.local_addr();
                (
                    Listener::SecureWebSocket(tcp, TlsAcceptor::from(Arc::new(tls))),
                    address,
                )
            }
            Transport::Quic => {
                tls.alpn_protocols = vec![version::ALPN_PROTOBUF.into()];
                let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
                let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
                let endpoint =
                    quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
                let address = endpoint.local_addr();
                (Listener::Quic(endpoint), address)
            }
        };
        Peer {
            listener,
            address: address.unwrap(),
            certificate,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = match self.listener {
            Listener::WebSocket(_) => "ws",
            Listener::SecureWebSocket(..) => "wss",
            Listener::Quic(_) => "quic",
        };
        format!("{scheme}://{}", self.address)
    }

    /// What a client needs to trust this peer.
    pub(crate) fn tls(&self) -> Tls {
        Tls::roots(self.certificate.clone())
    }

    pub(crate) async fn accept(&self) -> Session {
        match &self.listener {
            Listener::WebSocket(listener) => {
                let (stream, _) = listener.accept().await.unwrap();
                Session::WebSocket(upgrade(Box::new(stream)).await)
            }
            Listener::SecureWebSocket(listener, tls) => {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = tls.accept(stream).await.unwrap();
                Session::WebSocket(upgrade(Box::new(stream)).await)
            }
            Listener::Quic(endpoint) => {
                let connection = endpoint.accept().await.unwrap().await.unwrap();
                let (send, recv) = connection.accept_bi().await.unwrap();
                Session::Quic {
                    connection,
                    send,
                    recv,
                    buffer: BytesMut::new(),
                }
            }
        }
    }
}

async fn upgrade(stream: Box<dyn Stream>) -> WebSocketStream<Box<dyn Stream>> {
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let choose = |request: &Upgrade, mut response: Response| {
        assert_eq!(request.uri().path(), "/v1/ws");
        assert_eq!(
            request.headers()["sec-websocket-protocol"],
            version::SUBPROTOCOL_PROTOBUF
        );
        let protocol = HeaderValue::from_static(version::SUBPROTOCOL_PROTOBUF);
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    accept_hdr_async(stream, choose).await.unwrap()
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) enum Session {
    WebSocket(WebSocketStream<Box<dyn Stream>>),
    Quic {
        connection: quinn::Connection,
        send: quinn::SendStream,
        recv: quinn::RecvStream,
        buffer: BytesMut,
    },
}

impl Session {
    pub(crate) async fn hello(&mut self) -> command::Hello {
        match self.recv().await.request {
            Some(Request::Hello(hello)) => hello,
            other => panic!("{other:?} instead of hello"),
        }
    }

    pub(crate) async fn recv(&mut self) -> ClientFrame {
        self.recv_or_end().await.expect("a frame")
    }

    /// The next frame, or the code the client closed with.
    pub(crate) async fn recv_or_end(&mut self) -> Result<ClientFrame, Option<u64>> {
        let bytes = match self {
            Session::WebSocket(stream) => loop {
                match stream
                    .next()
                    .await
                    .expect("a close frame at the end")
                    .unwrap()
                {
                    Message::Binary(bytes) => break bytes,
                    Message::Close(frame) => {
                        return Err(frame.map(|frame| u16::from(frame.code).into()));
                    }
                    _ => {}
                }
            },
            Session::Quic {
                recv,
                buffer,
                connection,
                ..
            } => loop {
                if let Some(frame) = delimited::read(buffer, 1 << 20).unwrap() {
                    break frame;
                }
                match recv.read_chunk(1 << 16, true).await {
                    Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
                    _ => match connection.closed().await {
                        quinn::ConnectionError::ApplicationClosed(close) => {
                            return Err(Some(close.error_code.into_inner()));
                        }
                        _ => return Err(None),
                    },
                }
            },
        };
        Ok(Encoding::Protobuf.decode_client(bytes).unwrap())
    }

    pub(crate) async fn send(&mut self, body: Body) {
        let frame: Bytes = Encoding::Protobuf.encode(&ServerFrame { body: Some(body) });
        match self {
            Session::WebSocket(stream) => stream.send(Message::Binary(frame)).await.unwrap(),
            Session::Quic { send, .. } => {
                let mut out = BytesMut::new();
                delimited::write(&frame, &mut out);
                send.write_all(&out).await.unwrap();
            }
        }
    }

    pub(crate) async fn reply(&mut self, id: u64, outcome: Outcome) {
        let frame = ServerFrame::reply(id, outcome);
        self.send(frame.body.unwrap()).await;
    }

    pub(crate) async fn close(&mut self, code: CloseCode) {
        match self {
            Session::WebSocket(stream) => {
                let frame = CloseFrame {
                    code: code.code().into(),
                    reason: code.as_str().into(),
                };
                stream.close(Some(frame)).await.unwrap();
            }
            Session::Quic { connection, .. } => {
                connection.close(u32::from(code.code()).into(), code.as_str().as_bytes());
            }
        }
    }
}

pub(crate) fn cursor(position: u64) -> Cursor {
    Cursor {
        epoch: id::to_wire(Uuid::from_u128(0xe)),
        position,
        index: u32::MAX,
    }
}

pub(crate) fn welcome(resumed: bool, replayed: u32, position: u64) -> Body {
    Body::Welcome(Welcome {
        id: 1,
        user: "me".into(),
        now_ms: 1_764_000_000_000,
        resumed,
        replayed,
        cursor: Some(cursor(position)),
        heartbeat_ms: 30_000,
        ..Welcome::default()
    })
}

pub(crate) fn posted(position: u64, seq: u64, author: &str, text: &str) -> Body {
    let message = view::Message {
        seq,
        author: author.into(),
        text: text.into(),
        countable: true,
        ..view::Message::default()
    };
    Body::Event(Event {
        position,
        index: 0,
        conversation: id::to_wire(Uuid::from_u128(1)),
        actor: author.into(),
        at_ms: position,
        kind: Some(Kind::MessagePosted(message)),
    })
}

pub(crate) fn accepted(position: u64, seq: u64, duplicate: bool) -> Outcome {
    let conversation = id::to_wire(Uuid::from_u128(1));
    Outcome::Accepted(Accepted {
        position,
        at_ms: position,
        conversation,
        seq,
        held: 0,
        answer: String::new(),
        duplicate,
    })
}
