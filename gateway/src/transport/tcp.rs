//! Accepting TCP connections, with TLS or without.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::SEND_BUFFER;
use crate::{
    arrivals::{Arrival, Quiet},
    session::Gateway,
};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// TLS handshakes at a time: a storm of them waits, so that those which have begun come to their end. Who has
/// said nothing yet takes no part in that.
const HANDSHAKES: usize = 256;

/// Where TCP connections arrive, and how they are set up.
pub struct Listener {
    address: SocketAddr,
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: Arc<Semaphore>,
}

/// A connection that has been accepted and may still have to be encrypted.
pub(crate) struct Accepted {
    /// Who it is.
    pub(crate) peer: Peer,
    stream: TcpStream,
    arrival: Arrival,
    tls: Option<(TlsAcceptor, Arc<Semaphore>)>,
}

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
        let tcp = TcpListener::bind(address).await?;
        Ok(Listener {
            address: tcp.local_addr()?,
            tcp,
            tls: tls.map(TlsAcceptor::from),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
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
            let tls = self.tls.clone();
            let tls = tls.map(|tls| (tls, self.handshakes.clone()));
            return Accepted {
                peer: Peer(address),
                stream,
                arrival,
                tls,
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
            Some((tls, handshakes)) => {
                let handshake = async {
                    self.stream.peek(&mut [0]).await?;
                    let _permit = handshakes.acquire().await;
                    tls.accept(self.stream).await
                };
                match tokio::time::timeout(HANDSHAKE, handshake).await {
                    Ok(Ok(stream)) => Inner::Tls(Box::new(stream)),
                    Ok(Err(error)) => {
                        tracing::debug!(%address, %error, "a TLS handshake failed");
                        return None;
                    }
                    Err(_) => {
                        tracing::debug!(%address, "a TLS handshake took too long");
                        return None;
                    }
                }
            }
        };
        Some(Stream {
            inner,
            _arrival: self.arrival,
        })
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
