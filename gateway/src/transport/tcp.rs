//! Accepting TCP connections, with TLS or without.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::server::Acceptor;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::SEND_BUFFER;
use crate::{
    arrivals::{Arrival, Quiet},
    session::Gateway,
};

/// How long a client may take to say that it wants TLS: for the whole of its first message.
const HELLO: Duration = Duration::from_secs(10);

/// How long the rest of the handshake may take, from when it is its turn.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// TLS handshakes at a time: a storm of them waits, so that those which have begun come to their end. Who has
/// not said all of its first message yet takes no part in that.
const HANDSHAKES: usize = 256;

/// Where TCP connections arrive, and how they are set up.
pub struct Listener {
    address: SocketAddr,
    tcp: TcpListener,
    tls: Option<Tls>,
}

/// How connections are encrypted.
#[derive(Clone)]
struct Tls {
    config: Arc<rustls::ServerConfig>,
    turns: Arc<Semaphore>,
}

/// A connection that has been accepted and may still have to be encrypted.
pub(crate) struct Accepted {
    /// Who it is.
    pub(crate) peer: Peer,
    stream: TcpStream,
    arrival: Arrival,
    tls: Option<Tls>,
}

/// Connections that may wait to be accepted; fewer where the system allows fewer. Whoever comes beyond is not
/// answered and asks again after a second: when everybody comes at once, that is most of a login.
const BACKLOG: u32 = 4_096;

/// Who is at the other end of a connection. Its port is 0 where a proxy stands between.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A connection, encrypted or not.
pub(crate) struct Stream {
    inner: Inner,
    /// Its place among all connections, which it has until it is closed: also once it is a WebSocket.
    _arrival: Arrival,
}

enum Inner {
    /// As it is.
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener {
    /// Binds. What arrives from now on waits until it is accepted.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Listener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As binding does by itself on Unix.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let tcp = socket.listen(BACKLOG)?;
        Ok(Listener {
            address: tcp.local_addr()?,
            tcp,
            tls: tls.map(|config| Tls {
                config,
                turns: Arc::new(Semaphore::new(HANDSHAKES)),
            }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection that there is a place for. Cancel-safe.
    pub(crate) async fn accept(&self, gateway: &Gateway) -> Accepted {
        loop {
            let (stream, address) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: connections wait until some are free.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(arrival) = gateway.arrive(address.ip()) else {
                continue;
            };
            if let Err(error) = set_up(&stream) {
                tracing::debug!(%error, "a connection ended before it began");
                continue;
            }
            return Accepted {
                peer: Peer(address),
                stream,
                arrival,
                tls: self.tls.clone(),
            };
        }
    }
}

impl Accepted {
    /// To say whether anything is asked on it.
    pub(crate) fn quiet(&self) -> Quiet {
        self.arrival.quiet()
    }

    /// The connection as it is to be used; `None` when it came to no good.
    pub(crate) async fn secured(self) -> Option<Stream> {
        let address = self.peer.0;
        let inner = match self.tls {
            None => Inner::Plain(self.stream),
            Some(tls) => match tls.handshake(self.stream).await {
                Ok(stream) => Inner::Tls(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%address, %error, "a TLS handshake failed");
                    return None;
                }
            },
        };
        Some(Stream {
            inner,
            _arrival: self.arrival,
        })
    }
}

impl Tls {
    /// The handshake. Time that passes until it is its turn is not counted: that is not the client's fault.
    async fn handshake(self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let hello = async {
            // Who says nothing costs no buffer.
            stream.peek(&mut [0]).await?;
            LazyConfigAcceptor::new(Acceptor::default(), stream).await
        };
        let hello = tokio::time::timeout(HELLO, hello).await??;
        let _turn = self.turns.acquire().await;
        tokio::time::timeout(HANDSHAKE, hello.into_stream(self.config)).await?
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_send_buffer_size(SEND_BUFFER)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Inner::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::task::JoinHandle;

    use super::*;
    use crate::tls::{ServerCertificate, TlsConfig};

    fn tls(turns: usize) -> Tls {
        let data = tempfile::tempdir().unwrap();
        let now_ms = 1_767_225_600_000;
        let certificate = ServerCertificate::load(&TlsConfig::default(), data.path(), now_ms);
        Tls {
            config: certificate.unwrap().server_config(&["http/1.1"]),
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// A connection whose client has said this, and says no more.
    async fn said(bytes: &[u8]) -> (std::net::TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(bytes).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn hello() -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let mut hello = Vec::new();
        rustls::ClientConnection::new(Arc::new(config), name)
            .unwrap()
            .write_tls(&mut hello)
            .unwrap();
        hello
    }

    /// A handshake that has read all that there is to read.
    async fn begun(tls: &Tls, stream: TcpStream) -> JoinHandle<io::Result<TlsStream<TcpStream>>> {
        let unread = SockRef::from(&stream).try_clone().unwrap();
        let handshake = tokio::spawn(tls.clone().handshake(stream));
        while unread.peek(&mut [std::mem::MaybeUninit::uninit()]).is_ok() {
            tokio::task::yield_now().await;
        }
        handshake
    }

    #[tokio::test]
    async fn whoever_comes_with_many_others_waits_and_is_not_turned_away() {
        let any = ([127, 0, 0, 1], 0).into();
        let listener = Listener::bind(any, None).await.unwrap();
        let connect =
            || std::net::TcpStream::connect_timeout(&listener.address(), Duration::from_secs(10));
        // Nobody is accepted meanwhile.
        let waiting: Result<Vec<_>, _> = (0..500).map(|_| connect()).collect();
        assert_eq!(waiting.unwrap().len(), 500);
    }

    #[tokio::test]
    async fn whose_first_message_is_not_whole_has_no_turn() {
        let tls = tls(1);
        let hello = hello();
        for bytes in [&hello[..1], &hello[..hello.len() - 1]] {
            let (client, stream) = said(bytes).await;
            let handshake = begun(&tls, stream).await;
            assert_eq!(tls.turns.available_permits(), 1, "{} bytes", bytes.len());
            drop(client);
            assert!(handshake.await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn who_waits_for_others_loses_no_time_and_who_has_its_turn_does() {
        let tls = tls(0);
        let (mut client, stream) = said(&hello()).await;
        let handshake = begun(&tls, stream).await;
        tokio::time::pause();
        tokio::time::advance(HELLO + HANDSHAKE).await;
        assert!(!handshake.is_finished(), "it waits for its turn");
        tls.turns.add_permits(1);
        // While this runs the clock stands still.
        let answered = tokio::task::spawn_blocking(move || {
            let mut first = [0];
            client.read_exact(&mut first).unwrap();
            (client, first)
        });
        let (client, first) = answered.await.unwrap();
        // A record of a handshake: the server's hello.
        assert_eq!((first, tls.turns.available_permits()), ([22], 0));
        tokio::time::advance(HANDSHAKE).await;
        let ended = handshake.await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(tls.turns.available_permits(), 1, "another has its turn");
        drop(client);
    }
}
